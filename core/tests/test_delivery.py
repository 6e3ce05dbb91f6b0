"""The delivery: what passes is tried again, what is refused stands alone, and what is lost is counted and said."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tickwire import (
    BackoffPolicy,
    ConfigError,
    ConnectionLostError,
    Delivery,
    Dropped,
    ManualClock,
    RateLimitedError,
    Record,
    RecordsRefusedError,
    SinkConfig,
    TickwireError,
)
from tickwire.model.clock import settle
from tickwire.testing import recorded, stream_of

Drive = Callable[[Delivery, "Target", ManualClock], Awaitable[None]]


class Target:
    """A sink whose every ``open`` and ``write`` may be told to fail; it keeps what it has taken, and what was done."""

    def __init__(self, refuses: Callable[[Record], bool] = lambda record: False) -> None:
        self.errors: list[Exception] = []
        self.open_errors: list[Exception] = []
        self.records: list[Record] = []
        self.batches: list[int] = []
        self.done: list[str] = []
        self.told: list[Dropped] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._refuses = refuses

    async def open(self) -> None:
        self.done.append("open")
        if self.open_errors:
            raise self.open_errors.pop(0)

    async def write(self, records: Sequence[Record]) -> None:
        self.done.append("write")
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        if any(map(self._refuses, records)):
            raise ValueError("poison")
        self.records += records
        self.batches.append(len(records))

    async def close(self) -> None:
        self.done.append("close")

    def keys(self) -> list[str]:
        return [record.key for record in self.records if not isinstance(record.event, Dropped)]


def delivered(
    target: Target, drive: Drive, state: Path | None = None, *, cancel: bool = False, **settings: object
) -> tuple[Delivery, list[Dropped]]:
    """Run a delivery by a manual clock; afterwards it is finished, or given up as a run does whose time is up."""
    told = target.told

    async def main() -> Delivery:
        clock = ManualClock()

        def announce(dropped: Dropped) -> Record:
            told.append(dropped)
            (record,) = recorded([dropped], first=10_000 + len(told))
            delivery.put(record)  # as a run does
            return record

        config = SinkConfig("hot", "x", **settings)  # type: ignore[arg-type]
        backoff = BackoffPolicy(first=1.0, cap=8.0)
        delivery = Delivery(config, target, clock, announce, state=state, backoff=backoff)
        await delivery.open()
        task = asyncio.create_task(delivery.run())
        await drive(delivery, target, clock)
        delivery.finish()
        if cancel:
            task.cancel()
        while not task.done():
            await clock.advance(0.1)
            await asyncio.wait([task], timeout=0.01)
        return delivery

    return asyncio.run(main()), told


def put(delivery: Delivery, records: Sequence[Record]) -> None:
    for record in records:
        delivery.put(record)


@pytest.mark.parametrize("error", [ConnectionLostError("reset"), OSError("no route"), TimeoutError()])
def test_what_passes_is_tried_again_with_the_same_batch_and_a_sink_opened_anew(error: Exception) -> None:
    async def drive(delivery: Delivery, target: Target, clock: ManualClock) -> None:
        target.errors = [error, error]
        put(delivery, stream_of(3))
        await clock.advance(10.0)
        assert target.done == ["open", *["write", "close", "open"] * 2, "write"]

    target = Target()
    delivery, told = delivered(target, drive)
    assert target.records == stream_of(3)
    assert (delivery.dropped, delivery.written, delivery.retries, told) == (0, 3, 2, [])
    assert delivery.failure is not None


def test_between_attempts_it_waits_longer_each_time_and_as_long_as_it_is_told() -> None:
    async def drive(delivery: Delivery, target: Target, clock: ManualClock) -> None:
        target.errors = [OSError()] * 3 + [RateLimitedError("slow down", retry_after=60.0)]
        put(delivery, stream_of(1))
        # waits of 0.5…1 s, 1…2 s, 2…4 s, and then of the 60 s that were asked for
        for until, tries in ((0.49, 1), (1.01, 2), (1.49, 2), (3.01, 3), (3.49, 3), (7.01, 4), (63.4, 4), (67.1, 5)):
            await clock.advance(until - clock.monotonic())
            assert (until, target.done.count("write")) == (until, tries)

    target = Target()
    delivered(target, drive)
    assert target.records == stream_of(1)


def test_a_sink_that_is_away_at_the_start_is_said_once_and_opened_later(caplog: pytest.LogCaptureFixture) -> None:
    async def drive(delivery: Delivery, target: Target, clock: ManualClock) -> None:
        put(delivery, stream_of(5))
        await clock.advance(60.0)
        assert target.records == stream_of(5)

    target = Target()
    target.open_errors = [ConnectionLostError("refused")] * 4
    delivered(target, drive)
    said = [one.getMessage() for one in caplog.records if "cannot be opened" in one.getMessage()]
    assert said == ["sink 'hot' cannot be opened yet: refused; tried again until it works"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ConfigError("no such database", hint="create it"), "sink 'hot': no such database → create it"),
        (ValueError("odd"), "sink 'hot' cannot be opened: ValueError: odd"),
    ],
)
def test_a_sink_that_cannot_be_opened_ends_the_run_before_it_starts(error: Exception, message: str) -> None:
    async def drive(delivery: Delivery, target: Target, clock: ManualClock) -> None:
        raise AssertionError("it was opened")

    target = Target()
    target.open_errors = [error]
    with pytest.raises(TickwireError) as caught:
        delivered(target, drive)
    assert str(caught.value) == message


def test_while_a_run_lasts_a_sink_is_opened_again_whatever_keeps_it_from_that() -> None:
    async def drive(delivery: Delivery, target: Target, clock: ManualClock) -> None:
        target.errors = [OSError()]
        target.open_errors = [ConfigError("the table is gone", hint="make it"), ValueError("odd")]
        put(delivery, stream_of(2))
        await clock.advance(60.0)

    target = Target()
    delivered(target, drive)
    assert target.records == stream_of(2)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(poison=st.sets(st.integers(0, 39)), batch=st.integers(1, 45))
def test_only_the_records_that_are_refused_are_dropped(poison: set[int], batch: int) -> None:
    records = stream_of(40)
    bad = {records[index].key for index in poison}

    async def drive(delivery: Delivery, target: Target, clock: ManualClock) -> None:
        put(delivery, records)
        await clock.advance(1.0)

    target = Target(lambda record: record.key in bad)
    delivery, told = delivered(target, drive, batch=batch)
    assert target.keys() == [record.key for record in records if record.key not in bad]
    assert delivery.dropped == sum(one.count for one in told) == len(bad)
    assert {one.policy for one in told} == ({"refused"} if bad else set())


def test_a_sink_that_refuses_everything_after_an_error_is_opened_again_before_anything_is_dropped() -> None:
    async def drive(delivery: Delivery, target: Target, clock: ManualClock) -> None:
        target.errors = [ValueError("the connection is in a bad state")]
        put(delivery, stream_of(8))
        await clock.advance(1.0)
        assert target.done == ["open", "write", "close", "open", "write"]

    target = Target()
    delivery, _ = delivered(target, drive)
    assert (target.records, delivery.dropped) == (stream_of(8), 0)


def test_a_sink_may_say_itself_which_records_it_refused() -> None:
    async def drive(delivery: Delivery, target: Target, clock: ManualClock) -> None:
        target.errors = [RecordsRefusedError("two are too long", indices=[1, 3])]
        put(delivery, stream_of(5))
        await clock.advance(1.0)
        assert "close" not in target.done

    delivery, told = delivered(Target(), drive)
    assert (delivery.dropped, delivery.written) == (2, 3 + len(told))
    assert sum(one.count for one in told) == 2


def test_a_sink_that_refuses_announcements_is_not_told_of_that_for_ever() -> None:
    async def drive(delivery: Delivery, target: Target, clock: ManualClock) -> None:
        put(delivery, stream_of(1))
        await clock.advance(5.0)

    delivery, told = delivered(Target(lambda record: True), drive)
    assert (len(told), delivery.dropped) == (1, 2)


def test_what_is_dropped_while_a_sink_is_away_is_announced_meanwhile() -> None:
    async def drive(delivery: Delivery, target: Target, clock: ManualClock) -> None:
        target.errors = [OSError()] * 20
        put(delivery, stream_of(10))
        await clock.advance(20.0)
        assert 0 < len(target.errors) < 20
        assert sum(one.count for one in target.told) >= 6
        target.errors = []

    target = Target()
    delivery, told = delivered(target, drive, queue=4)
    assert sum(one.count for one in told) == delivery.dropped


def test_what_goes_wrong_in_the_delivery_itself_ends_this_sink_and_not_the_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def announce(dropped: Dropped) -> Record:
        raise RuntimeError("a mistake of ours")

    async def main() -> Delivery:
        target = Target(lambda record: True)
        delivery = Delivery(SinkConfig("hot", "x"), target, ManualClock(), announce)
        await delivery.open()
        put(delivery, stream_of(3))
        await delivery.run()
        assert target.done[-1] == "close"
        return delivery

    delivery = asyncio.run(main())
    assert delivery.dropped == 3
    assert "sink 'hot' ends, the others run" in caplog.text


def test_batches_are_as_large_as_said() -> None:
    async def drive(delivery: Delivery, target: Target, clock: ManualClock) -> None:
        put(delivery, stream_of(10))
        await clock.advance(1.0)

    target = Target()
    delivered(target, drive, batch=4)
    assert target.batches == [4, 4, 2]


def test_a_batch_lingers_for_more_until_it_is_whole_or_time_is_up() -> None:
    async def drive(delivery: Delivery, target: Target, clock: ManualClock) -> None:
        put(delivery, stream_of(2))
        await clock.advance(0.9)
        assert target.batches == []
        put(delivery, stream_of(1, first=3))
        await clock.advance(0.2)
        assert target.batches == [3]
        put(delivery, stream_of(3, first=4))
        await clock.advance(0.5)
        put(delivery, stream_of(2, first=7))
        await clock.advance(0.1)
        assert target.batches == [3, 5]
        put(delivery, stream_of(1, first=9))

    target = Target()
    delivered(target, drive, batch=5, linger=1.0)
    assert target.records == stream_of(9)


def test_a_full_queue_does_not_linger() -> None:
    async def drive(delivery: Delivery, target: Target, clock: ManualClock) -> None:
        put(delivery, stream_of(4))
        await settle()
        assert target.batches == [4]

    target = Target()
    delivery, _ = delivered(target, drive, queue=4, batch=1000, linger=60.0)
    assert delivery.dropped == 0


def test_at_the_end_a_sink_is_tried_at_once_instead_of_waited_for() -> None:
    async def drive(delivery: Delivery, target: Target, clock: ManualClock) -> None:
        target.errors = [OSError()] * 6
        put(delivery, stream_of(5))
        await clock.advance(8.0)  # the next attempt would come after many seconds
        target.errors = []

    target = Target()
    delivery, _ = delivered(target, drive)
    assert (target.records, delivery.dropped) == (stream_of(5), 0)


def test_when_time_is_up_what_is_neither_written_nor_refused_is_counted() -> None:
    async def drive(delivery: Delivery, target: Target, clock: ManualClock) -> None:
        target.errors = [ValueError(), ValueError(), ValueError(), *[OSError()] * 100]
        put(delivery, stream_of(8))
        await clock.advance(1.0)

    target = Target()
    delivery, _ = delivered(target, drive, batch=4, cancel=True)
    assert delivery.dropped == 8
    assert target.records == []


@pytest.mark.parametrize("caught", ["INFO"])
def test_coming_and_going_is_logged_once_each(caplog: pytest.LogCaptureFixture, caught: str) -> None:
    async def drive(delivery: Delivery, target: Target, clock: ManualClock) -> None:
        for first in (1, 2):
            target.errors = [OSError("gone")] * 5
            put(delivery, stream_of(1, first=first))
            await clock.advance(60.0)

    with caplog.at_level(logging.INFO):
        delivered(Target(), drive)
    texts = [one.getMessage() for one in caplog.records if one.name.endswith("attempts")]
    assert texts == ["sink 'hot': OSError: gone; tried again until it works", "sink 'hot': it works again"] * 2
