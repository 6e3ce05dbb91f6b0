"""Up to when a stream is complete: said every ten seconds, on evidence only, and never while something is open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.feed.streams import Stream, SubscriptionState
from tickwire.feed.watermarks import Watermarks
from tickwire.model.channels import Channel, Subscription
from tickwire.model.clock import ManualClock, Nanos
from tickwire.model.events import BookSnapshot, Quote
from tickwire.model.instruments import Instrument
from tickwire.model.quality import Event, Gap, GapCause, Resynced, StaleAction, Subscribed, Unsubscribed, Watermark
from tickwire.model.quality import UnsubscribeReason as Reason
from tickwire.plugin.info import Endpoint

if TYPE_CHECKING:
    from conftest import Toy

S = 1_000_000_000
SOL = Instrument("toy", "SOL-USD", "SOL_USD", "SOL", "USD")


def trade(number: int, symbol: str = "SOL") -> dict[str, Any]:
    return {"k": "trade", "s": f"{symbol}_USD", "n": number}


def delta(number: int) -> dict[str, Any]:
    return {"k": "delta", "s": "SOL_USD", "n": number}


def until(toy: Toy, symbol: str = "SOL-USD") -> list[float]:
    """Give up to when each watermark goes, seconds since the start."""
    start = ManualClock().now()
    return [(one.ts_until - start) / 1e9 for one in toy.seen(Watermark) if one.symbol == symbol]


@pytest.fixture
def pingable(toy: Toy) -> Toy:
    toy.can_ping()
    return toy


def test_every_ten_seconds_a_flowing_stream_is_complete_up_to_its_connection_s_last_frame(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed():
            for number in range(26):
                await toy.settle(1)
                toy.last.give(trade(number))
            assert until(toy) == [9, 19]

    asyncio.run(main())


def test_an_idle_stream_is_complete_up_to_what_others_of_its_connection_bring(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD", "BTC-USD"]):
            await toy.settle(1)
            toy.last.give(trade(1))
            for number in range(10):
                toy.last.give(trade(number, "BTC"))
                await toy.settle(1)
            assert (until(toy), until(toy, "BTC-USD")) == ([9], [9])

    asyncio.run(main())


def test_an_idle_connection_is_pinged_and_the_time_of_the_ping_counts(pingable: Toy) -> None:
    async def main() -> None:
        async with pingable.feed():
            await pingable.settle(1)
            pingable.last.give(trade(1))
            await pingable.settle(24)
            assert until(pingable) == [10, 20]

    asyncio.run(main())


def test_a_ping_without_an_answer_proves_nothing(pingable: Toy) -> None:
    async def main() -> None:
        async with pingable.feed():
            await pingable.settle(1)
            pingable.last.answers_pings = False  # type: ignore[attr-defined]
            pingable.last.give(trade(1))
            await pingable.settle(24)
            assert (until(pingable), pingable.last.pings) == ([], 2)  # type: ignore[attr-defined]

    asyncio.run(main())


def test_without_protocol_pings_the_exchange_s_own_heartbeat_is_asked_for_and_its_answer_counts(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(public={"heartbeat": 25})
        async with toy.feed():
            await toy.settle(1)
            toy.last.give(trade(1))
            toy.answer = lambda connection, message: None
            await toy.settle(9.5)
            assert toy.last.said[-1] == {"op": "ping"}
            toy.last.give({"k": "pong"})
            await toy.settle()
            assert until(toy) == [10.5]

    asyncio.run(main())


def test_without_any_ping_only_frames_count(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed():
            await toy.settle(1)
            toy.last.give(trade(1))
            await toy.settle(4)
            toy.last.give({"k": "pong"})
            await toy.settle(20)
            assert until(toy) == [5]
            assert [message["op"] for message in toy.last.said] == ["sub"]

    asyncio.run(main())


def test_a_stream_that_nothing_has_confirmed_has_none(pingable: Toy) -> None:
    async def main() -> None:
        async with pingable.feed():
            await pingable.settle(25)
            assert until(pingable) == []

    asyncio.run(main())


def test_a_book_out_of_sync_has_none_until_it_is_resynced(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["l2_book"]):
            await toy.settle(1)
            toy.answers.extend([{"n": 50, "b": [], "a": []}] * 4)  # too old
            toy.last.give(delta(101), delta(105))
            await toy.settle(0.1)
            toy.last.give(delta(106))
            await toy.settle(9)
            assert until(toy) == []
            toy.answers.clear()
            toy.sequence = 200
            while not toy.seen(Resynced):
                await toy.settle(1)
            toy.last.give(delta(201))
            await toy.settle(10)
            kinds = [type(event) for event in toy.seen(Resynced, Watermark)]
            assert kinds[0] is Resynced
            assert len(kinds) > 1

    asyncio.run(main())


def test_while_a_gap_is_open_there_is_none(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed():
            await toy.settle(1)
            toy.last.give(trade(1))
            await toy.settle(7.9)
            toy.last.end()
            await toy.settle(9)
            assert (len(toy.seen(Gap)), until(toy)) == (1, [])

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["stop", "unsubscribe"])
def test_the_last_one_comes_just_before_unsubscribed_and_goes_up_to_the_last_frame(toy: Toy, kind: str) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["l1_book"]) as feed:
            await toy.settle(1)
            toy.last.give({"k": "quote", "s": "SOL_USD"})
            await toy.settle(3)
            toy.last.give({"k": "pong"})
            await toy.settle(2)
            if kind == "unsubscribe":
                await feed.unsubscribe(["SOL-USD"], ["l1_book"])
        assert [type(event) for event in toy.events] == [Subscribed, Quote, Watermark, Unsubscribed]
        assert until(toy) == [4]

    asyncio.run(main())


def test_frames_that_could_not_be_read_are_announced_before_a_watermark_goes_beyond_them(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["l1_book"]):
            await toy.settle(1)
            toy.last.give({"k": "quote", "s": "SOL_USD"})
            await toy.settle(8.7)
            toy.last.give(b"{", b"{", b"{")
            await toy.settle(0.5)
            kinds = [type(event) for event in toy.events]
            assert kinds == [Subscribed, Quote, Gap, Gap, Watermark]
            assert toy.seen(Gap)[-1].detail.startswith("2 frames")

    asyncio.run(main())


# for all histories


@attrs.define(eq=False)
class Line:
    """A connection as watermarks see it."""

    clock: ManualClock
    ts_good: Nanos = 0
    is_open: bool = True
    answers: bool = True
    announced: int = 0

    def announce(self, *, at_once: bool = False) -> None:
        self.announced += 1

    async def probe(self) -> None:
        if self.answers:
            self.ts_good = self.clock.now()


def flowing(clock: ManualClock, events: list[Event]) -> Stream:
    stream = Stream(Subscription(Channel.L1_BOOK, SOL), "toy", clock, events.append)
    stream.asked("public-1")
    stream.on_event(Quote("toy", "SOL-USD", None, clock.now(), 1.0, 1.0, 2.0, 1.0))
    return stream


def open_a_gap(stream: Stream) -> None:
    stream.open_gap(GapCause.STALE, stream.ts_last, "test")


def go_stale(stream: Stream) -> None:
    stream.stale(S, StaleAction.NONE)


def be_asked_anew(stream: Stream) -> None:
    stream.asked("public-1")


@pytest.mark.parametrize("trouble", [open_a_gap, go_stale, be_asked_anew])
def test_evidence_is_not_enough_while_something_of_the_stream_is_open(trouble: Callable[[Stream], None]) -> None:
    async def main() -> None:
        clock, events = ManualClock(), list[Event]()
        stream, line = flowing(clock, events), Line(clock)
        marks = Watermarks(clock, lambda: [stream], lambda _: line)
        await clock.advance(3)
        trouble(stream)
        await marks.emit()
        line.ts_good = clock.now()
        marks.last(stream)
        assert [event for event in events if isinstance(event, Watermark)] == []

    asyncio.run(main())


def test_an_answer_to_a_ping_says_nothing_of_what_was_lost_and_asked_for_anew_meanwhile() -> None:
    async def main() -> None:
        clock, events = ManualClock(), list[Event]()
        stream = flowing(clock, events)

        class Breaking(Line):
            async def probe(self) -> None:
                await super().probe()
                stream.asked("public-1")
                stream.confirmed(clock.now())

        line = Breaking(clock)
        await clock.advance(3)
        await Watermarks(clock, lambda: [stream], lambda _: line).emit()
        assert [event for event in events if isinstance(event, Watermark)] == []

    asyncio.run(main())


STEPS = st.lists(
    st.sampled_from(["frame", "event", "wait", "lose", "ask", "deaf", "hear", "gap", "stale", "flow", "mark"]),
    max_size=60,
)


@settings(max_examples=200)
@given(STEPS)
def test_watermarks_never_go_back_nor_beyond_the_evidence_nor_come_while_something_is_open(steps: list[str]) -> None:
    async def main() -> None:
        clock, events = ManualClock(), list[Event]()
        subscription = Subscription(Channel.L1_BOOK, SOL)
        stream, line = Stream(subscription, "toy", clock, events.append), Line(clock)
        marks = Watermarks(clock, lambda: [stream], lambda _: line)
        last = 0
        # most of what can be wrong needs a stream that flows
        for step in ["ask", "event", *steps]:
            before = len(events)
            await clock.advance(3)
            if step == "frame":
                line.ts_good = clock.now()
            elif step == "event" and stream.state is not SubscriptionState.WANTED:
                line.ts_good = clock.now()
                stream.on_event(Quote("toy", "SOL-USD", None, clock.now(), 1.0, 1.0, 2.0, 1.0))
            elif step == "lose":
                stream.disconnected(line.ts_good, "lost")
            elif step == "ask":
                stream.asked("public-1")
            elif step in ("deaf", "hear"):
                line.answers = step == "hear"
            elif step == "gap" and stream.is_covered and stream.gap is None:
                stream.open_gap(GapCause.STALE, stream.ts_last, "test")
            elif step == "stale" and stream.is_covered:
                stream.stale(S, StaleAction.NONE)
            elif step == "flow" and stream.is_stale:
                stream.recovered(S)
            elif step == "mark":
                is_open = stream.gap is not None or stream.is_stale or stream.state is not SubscriptionState.ACTIVE
                await marks.emit()
                made = [event.ts_until for event in events[before:] if isinstance(event, Watermark)]
                assert len(made) <= (0 if is_open else 1)
                for ts in made:
                    assert last < ts <= line.ts_good <= clock.now()
                    assert stream.ts_since is not None
                    assert stream.ts_since < ts
                    last = ts
        stream.ended(Reason.STOPPED)

    asyncio.run(main())


def test_sockets_have_watermarks_of_their_own(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(sockets={**toy.info.sockets, "other": Endpoint("wss://toy.example/other")})
        async with toy.feed(["SOL-USD"], ["trades", "l1_book"]):
            await toy.settle(1)
            public, other = toy.connections
            public.give(trade(1))
            other.give({"k": "quote", "s": "SOL_USD"})
            await toy.settle(5)
            public.give({"k": "pong"})
            await toy.settle(5)
            assert [(one.channel, one.connection) for one in toy.seen(Watermark)] == [(Channel.TRADES, "public-1")]

    asyncio.run(main())


def test_a_book_at_its_snapshot_is_complete(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["l2_book"]):
            await toy.settle(5)
            assert len(toy.seen(BookSnapshot)) == 1
            toy.last.give({"k": "pong"})
            await toy.settle(5)
            assert until(toy) == [5]

    asyncio.run(main())
