"""Faults begin, fall upon something, and are over; random ones are the same for the same seed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import attrs
import pytest

from tickwire import Channel, ConfigError, ManualClock
from tickwire.simulation import Fault, FaultKind, Faults, Injected, Site, fault_kinds, random_fault, storm

SECOND = 1_000_000_000


@attrs.define(eq=False)
class Victim:
    """A line that says what reached it."""

    channels: tuple[Channel, ...] = ()
    suffered: list[str] = attrs.field(factory=list)
    pushed: list[bytes] = attrs.field(factory=list)

    def carries(self, fault: Fault) -> bool:
        return any(fault.concerns(channel, "SOL") for channel in self.channels)

    def suffer(self, injected: Injected) -> None:
        self.suffered.append(f"{injected.fault.kind}{' is over' if injected.is_over else ''}")
        if injected.fault.kind is FaultKind.HALF_OPEN and not injected.is_over:
            injected.strike(self)

    def push(self, payload: bytes, channel: Channel | None, native: str | None) -> None:
        self.pushed.append(payload)


def run(test: Callable[[ManualClock], Coroutine[Any, Any, None]]) -> None:
    async def checked() -> None:
        await test(ManualClock())
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(checked())


def attached(clock: ManualClock, *lines: Victim, **options: Any) -> Faults:
    faults = Faults(**options)
    faults.attach(clock, lambda: lines)
    return faults


def test_a_fault_is_over_when_it_has_fallen_upon_its_count() -> None:
    async def test(clock: ManualClock) -> None:
        faults = attached(clock)
        injected = faults.inject(Fault(FaultKind.STATUS_429, count=2))
        await clock.advance(3)
        assert faults.take([FaultKind.STATUS_418]) is None
        assert faults.take([FaultKind.STATUS_429]) is injected
        assert (injected.ended, injected.touched) == (None, 1)
        assert faults.take([FaultKind.STATUS_429]) is injected
        assert (injected.ended, injected.touched) == (injected.began + 3 * SECOND, 2)
        assert faults.take([FaultKind.STATUS_429]) is None
        assert (list(faults.active), list(faults.past)) == ([], [injected])

    run(test)


def test_a_fault_without_a_count_ends_with_its_time() -> None:
    async def test(clock: ManualClock) -> None:
        faults = attached(clock)
        injected = faults.inject(Fault(FaultKind.STATUS_429, count=None, lasts=10))
        for _ in range(50):
            assert faults.take([FaultKind.STATUS_429]) is injected
        await clock.advance(10)
        assert (injected.ended, injected.touched) == (injected.began + 10 * SECOND, 50)

    run(test)


def test_who_wants_to_know_is_told_of_beginning_and_end() -> None:
    async def test(clock: ManualClock) -> None:
        told: list[tuple[str, bool]] = []
        faults = attached(clock, told=lambda injected: told.append((injected.fault.kind, injected.is_over)))
        faults.inject(Fault(FaultKind.CLOSE_CLEAN))
        faults.inject(Fault(FaultKind.STALL, seconds=2))
        await clock.advance(2)
        assert told == [("close_clean", False), ("close_clean", True), ("stall", False), ("stall", True)]

    run(test)


def test_clearing_ends_all_in_the_order_of_their_beginning() -> None:
    async def test(clock: ManualClock) -> None:
        faults = attached(clock)
        begun = [faults.inject(Fault(kind, lasts=60)) for kind in (FaultKind.STALL, FaultKind.DROP, FaultKind.SILENT)]
        faults.clear()
        faults.clear()
        assert (list(faults.active), list(faults.past)) == ([], begun)

    run(test)


def test_a_fault_of_connections_falls_upon_the_open_ones_that_carry_its_channel() -> None:
    async def test(clock: ManualClock) -> None:
        lines = [Victim((Channel.TRADES,)), Victim((Channel.L2_BOOK,)), Victim((Channel.L2_BOOK,))]
        injected = attached(clock, *lines).inject(Fault(FaultKind.CLOSE_ABRUPT, count=1, channel=Channel.L2_BOOK))
        assert [line.suffered for line in lines] == [[], ["close_abrupt"], []]
        assert (injected.touched, injected.is_over) == (1, True)

    run(test)


def test_half_open_lasts_until_the_last_of_its_connections_is_gone() -> None:
    async def test(clock: ManualClock) -> None:
        lines = [Victim((Channel.TRADES,)), Victim((Channel.TRADES,))]
        faults = attached(clock, *lines)
        injected = faults.inject(Fault(FaultKind.HALF_OPEN))
        faults.gone(lines[0])
        assert not injected.is_over
        await clock.advance(40)
        faults.gone(lines[1])
        assert injected.ended == injected.began + 40 * SECOND

    run(test)


def test_half_open_for_so_many_seconds_ends_with_a_reset() -> None:
    async def test(clock: ManualClock) -> None:
        line = Victim((Channel.TRADES,))
        injected = attached(clock, line).inject(Fault(FaultKind.HALF_OPEN, lasts=30))
        await clock.advance(30)
        assert injected.is_over
        assert line.suffered == ["half_open", "half_open is over"]

    run(test)


def test_frames_held_for_a_line_that_is_gone_are_lost() -> None:
    async def test(clock: ManualClock) -> None:
        lines = [Victim(), Victim()]
        faults = attached(clock, *lines)
        injected = faults.inject(Fault(FaultKind.STALL))
        for number, line in enumerate(lines):
            injected.hold(line, bytes([number]), Channel.TRADES, "SOL")
        faults.gone(lines[0])
        faults.clear()
        assert [line.pushed for line in lines] == [[], [b"\x01"]]

    run(test)


def test_clock_skews_add_up() -> None:
    async def test(clock: ManualClock) -> None:
        faults = attached(clock)
        first = faults.inject(Fault(FaultKind.CLOCK_SKEW, seconds=5))
        faults.inject(Fault(FaultKind.CLOCK_SKEW, seconds=-0.5))
        assert faults.skew == 4_500_000_000
        faults.end(first)
        assert faults.skew == -500_000_000

    run(test)


@pytest.mark.parametrize("kind", FaultKind)
def test_every_kind_falls_upon_something_and_can_be_made_by_its_name(kind: FaultKind) -> None:
    assert kind.site in set(Site)
    assert Fault(kind) == Fault(FaultKind(kind.value))
    assert random_fault(kind, Random(3)) == random_fault(kind, Random(3))


def test_kinds_are_read_from_text() -> None:
    assert fault_kinds(" drop,Half-Open,drop,") == (FaultKind.DROP, FaultKind.HALF_OPEN)
    assert fault_kinds("all") == tuple(FaultKind)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("drop,halfopen", "no kind of fault 'halfopen' → did you mean half_open?"),
        ("status_499", "no kind of fault 'status_499' → did you mean status_429 or "),
        ("xyz", "no kind of fault 'xyz' → all, or one or more of drop, duplicate, "),
        (" , ", "no kind of fault is named → all, or one or more of drop, "),
    ],
)
def test_an_unknown_kind_is_an_error_that_names_the_near_ones(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        fault_kinds(text)
    assert message in str(raised.value)


def test_a_storm_is_the_same_for_the_same_seed_and_about_as_dense_as_asked() -> None:
    async def test(clock: ManualClock) -> None:
        storms: list[list[Fault]] = []
        for _ in range(2):
            begun: list[Fault] = []
            faults = attached(clock, told=lambda i, begun=begun: None if i.is_over else begun.append(i.fault))
            blowing = asyncio.create_task(storm(faults, tuple(FaultKind), every=10, random=Random(4), clock=clock))
            await clock.advance(1_000)
            blowing.cancel()
            await asyncio.gather(blowing, return_exceptions=True)
            faults.clear()
            storms.append(begun)
        assert storms[0] == storms[1]
        assert 85 <= len(storms[0]) <= 115

    run(test)
