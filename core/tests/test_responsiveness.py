"""A callback that blocks is named with a figure; how late the loop is, is a figure too; nothing runs for nobody."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from tickwire.model.events import Trade
from tickwire.model.metrics import Gauge, Metrics
from tickwire.model.quality import Event
from tickwire.run.responsiveness import Callback, CallbackWatch, CallerWatch, LoopLag, shared_callback_watch

if TYPE_CHECKING:
    from conftest import Toy


def handle_trade(event: object) -> None: ...


def handle_gap(event: object) -> None: ...


@attrs.define
class Caller:
    """A feed as the watch sees it; the test moves it on."""

    name: str = "toy"
    calling: Callback | None = None
    metrics: Metrics = attrs.field(factory=Metrics)
    emitted: int = 0

    def seconds(self, callback: str) -> float:
        return self.metrics.gauge("callback_seconds", callback=callback).value


@pytest.fixture
def caller() -> Caller:
    return Caller()


@pytest.fixture
def watch(caller: Caller) -> CallerWatch:
    return CallerWatch(caller, "toy", [handle_trade, handle_gap])


def test_a_call_that_lasts_is_warned_about_when_it_is_over_with_name_time_and_frames(
    caller: Caller, watch: CallerWatch, caplog: pytest.LogCaptureFixture
) -> None:
    watch.look(0.0)
    caller.calling, caller.emitted = handle_trade, 10
    caller.metrics.counter("frames_total", exchange="toy").add(132)
    watch.look(1.0)
    watch.look(1.2)
    assert caplog.messages == []
    caller.calling = None
    watch.look(1.31)
    assert caplog.messages == [
        "toy: callback handle_trade blocked the event loop for 0.31 s: about 41 frames waited; "
        "make it async or hand the work to a thread"
    ]
    assert caller.seconds("handle_trade") == pytest.approx(0.31)
    assert caller.seconds("handle_gap") == 0


def test_many_short_calls_are_none_that_lasts(
    caller: Caller, watch: CallerWatch, caplog: pytest.LogCaptureFixture
) -> None:
    caller.calling = handle_trade
    for number in range(100):
        caller.emitted += 1
        watch.look(number * 0.05)
    assert caplog.messages == []
    assert caller.seconds("handle_trade") < 0.1


def test_a_call_that_does_not_end_is_warned_about_while_it_lasts(
    caller: Caller, watch: CallerWatch, caplog: pytest.LogCaptureFixture
) -> None:
    caller.calling = handle_trade
    for number in range(100):
        watch.look(number * 0.05)
    assert [message[:66] for message in caplog.messages] == [
        "toy: callback handle_trade has been blocking the event loop for 2."
    ]


def test_each_callback_is_warned_about_once_a_minute(
    caller: Caller, watch: CallerWatch, caplog: pytest.LogCaptureFixture
) -> None:
    for start in (0.0, 10.0, 50.0, 61.0):
        for callback in (handle_trade, handle_gap):
            caller.calling = callback
            caller.emitted += 1
            watch.look(start)
            watch.look(start + 0.3)
            caller.calling = None
            watch.look(start + 0.35)
    assert [message.split()[2] for message in caplog.messages] == ["handle_trade", "handle_gap"] * 2


def test_the_thread_names_a_callback_that_really_blocks_and_ends_with_the_last_feed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caller, warned = Caller(calling=handle_trade), threading.Event()

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            warned.set()

    logger, told = logging.getLogger("tickwire.run.responsiveness"), Told()
    logger.addHandler(told)
    thread, one = CallbackWatch(every=0.001), CallerWatch(caller, "toy", [handle_trade], hangs=0.02)
    other = CallerWatch(Caller(), "toy", [handle_gap])
    thread.add(one)
    thread.add(other)
    try:
        assert warned.wait(10)
    finally:
        logger.removeHandler(told)
        thread.remove(one)
        assert thread.is_running
        thread.remove(other)
    assert not thread.is_running
    assert "handle_trade has been blocking" in caplog.text


def test_a_feed_watches_the_user_s_plain_callbacks_and_stops_with_it(toy: Toy) -> None:
    running: list[bool] = []

    def handle(event: Event) -> None:
        running.append(shared_callback_watch().is_running)

    async def main() -> None:
        feed = toy.feed()
        feed.on(Trade, handle)
        async with feed:
            await toy.settle(1)
            toy.last.give({"k": "trade", "s": "SOL_USD", "n": 1})
            names = [labels["callback"] for name, labels, _ in feed.metrics if name == "callback_seconds"]
            assert names[-1].endswith("<locals>.handle")
        assert feed.calling is None

    asyncio.run(main())
    assert running == [True]
    assert not shared_callback_watch().is_running


def test_without_plain_callbacks_of_a_user_there_is_no_thread(toy: Toy) -> None:
    from tickwire.run.feed import Feed

    async def handle(event: Any) -> None: ...

    async def main() -> None:
        feed = Feed("toy", ["SOL-USD"], registry=toy.registry(), clock=toy.clock)
        feed.on(Trade, handle)
        async with feed:
            await toy.settle(1)
            assert not shared_callback_watch().is_running

    asyncio.run(main())


def test_which_callback_is_running_is_known_while_it_runs_and_no_longer_after_it_raised(toy: Toy) -> None:
    async def main() -> None:
        feed = toy.feed()
        seen: list[object] = []

        def raising(trade: Trade) -> None:
            seen.append(feed.calling)
            raise ValueError

        feed.on(Trade, raising)
        async with feed:
            await toy.settle(1)
            toy.last.give({"k": "trade", "s": "SOL_USD", "n": 1})
            assert (seen, feed.calling) == ([raising], None)

    asyncio.run(main())


def test_a_late_loop_is_a_figure_and_a_warning_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        lag, gauge = LoopLag(asyncio.get_running_loop()), Gauge()
        lag.add(gauge)
        for now in (0.0, 30.0, 61.0):
            lag.measured(0.7, now)
        assert gauge.value == 0.7
        lag.measured(0.1, 62.0)
        assert gauge.value == 0.1
        lag.remove(gauge)
        lag.measured(0.3, 63.0)
        assert gauge.value == 0.1

    asyncio.run(main())
    said = "the event loop was late by 0.70 s: something blocks it, or the machine is overloaded"
    assert caplog.messages == [said] * 2


def test_feeds_of_one_loop_share_one_measurement_which_ends_with_the_last(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed() as feed:
            lag = LoopLag.here()
            async with toy.feed():
                assert LoopLag.here() is lag
            assert lag.is_running
            assert feed.metrics.total("loop_lag_seconds") < 5  # a busy machine is late now and then
        assert not lag.is_running

    asyncio.run(main())
