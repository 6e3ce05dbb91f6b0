"""A bounded buffer: what goes in comes out in order, or is counted; a full one drops or asks the source to pause."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tickwire.feed.buffer import EventBuffer
from tickwire.model.account import Balance, Fill, OrderStatus, OrderUpdate, Position
from tickwire.model.channel_events import channel_of
from tickwire.model.channels import Channel
from tickwire.model.clock import ManualClock
from tickwire.model.events import (
    BookDelta,
    BookSnapshot,
    Candle,
    Funding,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Quote,
    Side,
    Ticker,
    Trade,
)
from tickwire.model.quality import Dropped, Event, Severity, Subscribed

T = TypeVar("T")
_START = ManualClock().now()


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def trade(number: int, symbol: str = "SOL-USD") -> Trade:
    return Trade("toy", symbol, None, number, 1.0, 1.0, None, str(number), number)


def delta(number: int, symbol: str = "SOL-USD") -> BookDelta:
    return BookDelta("toy", symbol, None, number, (), (), number, number)


def subscribed(number: int) -> Subscribed:
    return Subscribed("toy", "SOL-USD", None, number, Channel.TRADES, None, Severity.INFO, number)


def buffer_of(capacity: int, when_full: str = "drop_oldest", clock: ManualClock | None = None) -> EventBuffer[Event]:
    return EventBuffer("iterator", capacity, when_full, clock or ManualClock(), lambda event: event)


def dropped(symbol: str, channel: Channel, count: int, first: int, last: int, now: int = _START) -> Dropped:
    return Dropped(
        "toy", symbol, None, now, channel, None, Severity.WARNING, "iterator", "drop_oldest", count, first, last
    )


def test_items_come_out_in_the_order_they_went_in() -> None:
    async def main() -> None:
        buffer = buffer_of(10)
        for number in range(5):
            buffer.put(trade(number))
        assert await buffer.take(2) == [trade(0), trade(1)]
        buffer.put(trade(5))
        assert await buffer.take() == [trade(2), trade(3), trade(4), trade(5)]

    run(main())


def test_take_waits_for_the_first_item() -> None:
    async def main() -> None:
        buffer = buffer_of(10)
        taking = asyncio.create_task(buffer.take())
        await asyncio.sleep(0)
        assert not taking.done()
        buffer.put(trade(1))
        assert await taking == [trade(1)]

    run(main())


def test_a_full_buffer_forgets_the_oldest_and_counts_them_by_channel_and_symbol() -> None:
    async def main() -> None:
        buffer = buffer_of(2)
        for event in (trade(1), delta(2), trade(3, "BTC-USD"), trade(4), subscribed(5), trade(6), trade(7)):
            buffer.put(event)
        assert buffer.dropped == 5
        assert buffer.drops() == [
            dropped("SOL-USD", Channel.TRADES, 2, 1, 4),
            dropped("SOL-USD", Channel.L2_BOOK, 1, 2, 2),
            dropped("BTC-USD", Channel.TRADES, 1, 3, 3),
            dropped("SOL-USD", Channel.QUALITY, 1, 5, 5),
        ]
        assert await buffer.take() == [trade(6), trade(7)]

    run(main())


def test_drops_are_announced_at_most_once_a_second_and_then_all_of_them() -> None:
    async def main() -> None:
        clock = ManualClock()
        buffer = buffer_of(1, clock=clock)
        buffer.put(trade(1))
        buffer.put(trade(2))
        assert buffer.drops() == [dropped("SOL-USD", Channel.TRADES, 1, 1, 1)]
        assert buffer.drops() == []
        buffer.put(trade(3))
        await clock.advance(0.999)
        buffer.put(trade(4))
        assert buffer.drops() == []
        await clock.advance(0.001)
        assert buffer.drops() == [dropped("SOL-USD", Channel.TRADES, 2, 2, 3, clock.now())]

    run(main())


def test_a_closed_buffer_announces_its_last_drops_at_once() -> None:
    async def main() -> None:
        buffer = buffer_of(1)
        for number in range(2):
            buffer.put(trade(number))
        buffer.drops()
        buffer.put(trade(2))
        buffer.close()
        assert buffer.drops() == [dropped("SOL-USD", Channel.TRADES, 1, 1, 1)]
        assert buffer.drops() == []

    run(main())


def test_a_closed_buffer_is_drained_and_then_gives_nothing() -> None:
    async def main() -> None:
        buffer = buffer_of(10)
        buffer.put(trade(1))
        buffer.close()
        buffer.put(trade(2))
        assert buffer.is_closed
        assert [await buffer.take(), await buffer.take()] == [[trade(1)], []]

    run(main())


def test_closing_wakes_who_waits() -> None:
    async def main() -> None:
        buffer = buffer_of(10)
        taking = asyncio.create_task(buffer.take())
        await asyncio.sleep(0)
        buffer.close()
        assert await taking == []

    run(main())


def test_block_presses_when_full_and_releases_when_half_empty_and_loses_nothing() -> None:
    async def main() -> None:
        pressed: list[bool] = []
        buffer = EventBuffer[Event]("sink", 4, "block", ManualClock(), lambda event: event, pressed.append)
        for number in range(4):
            buffer.put(trade(number))
        assert pressed == []
        buffer.put(trade(4))
        buffer.put(trade(5))
        assert pressed == [True]
        assert len(await buffer.take(3)) == 3
        assert pressed == [True]
        assert await buffer.take(1) == [trade(3)]
        assert pressed == [True, False]
        assert await buffer.take() == [trade(4), trade(5)]
        assert (buffer.dropped, buffer.drops(), pressed) == (0, [], [True, False])

    run(main())


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="spill"):
        buffer_of(1, "spill")


@pytest.mark.parametrize(
    ("event", "channel"),
    [
        (trade(1), Channel.TRADES),
        (delta(1), Channel.L2_BOOK),
        (BookSnapshot("toy", "SOL-USD", None, 1, (), ()), Channel.L2_BOOK),
        (Quote("toy", "SOL-USD", None, 1, None, None, None, None), Channel.L1_BOOK),
        (Ticker("toy", "SOL-USD", None, 1, None, None, None, None, None, None, None, None, "24h"), Channel.TICKER),
        (Candle("toy", "SOL-USD", None, 1, "1m", 1, 2, None, None, None, None, 0.0), Channel.CANDLES),
        (MarkPrice("toy", "SOL-USD", None, 1, 1.0), Channel.MARK_PRICE),
        (Funding("toy", "SOL-USD", None, 1, 0.0001), Channel.FUNDING),
        (OpenInterest("toy", "SOL-USD", None, 1, 1.0), Channel.OPEN_INTEREST),
        (Liquidation("toy", "SOL-USD", None, 1, None, None, None, 1.0), Channel.LIQUIDATIONS),
        (OrderUpdate("toy", "SOL-USD", None, 1, "7", OrderStatus.NEW, Side.BUY, 1.0, 0.0), Channel.ORDERS),
        (Fill("toy", "SOL-USD", None, 1, "9", "7", None, Side.BUY, 1.0, 1.0), Channel.FILLS),
        (Balance("toy", None, None, 1, "USD"), Channel.BALANCES),
        (Position("toy", "SOL-USD", None, 1, 0.0), Channel.POSITIONS),
        (subscribed(1), Channel.QUALITY),
    ],
)
def test_an_event_belongs_to_a_channel(event: Event, channel: Channel) -> None:
    assert channel_of(event) is channel


class NothingIsLostInSilence(RuleBasedStateMachine):
    """Whatever is done: taken + announced as dropped + still inside == put, and the order is that of putting."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = ManualClock()
        self.put_count: Counter[tuple[str | None, Channel]] = Counter()
        self.taken: list[int] = []
        self.announced: Counter[tuple[str | None, Channel]] = Counter()
        self.taken_count: Counter[tuple[str | None, Channel]] = Counter()
        self.next = 0
        self.capacity = 3
        self.pressed = [False]
        self.drop = buffer_of(self.capacity, clock=self.clock)
        self.block = EventBuffer[Event](
            "sink", self.capacity, "block", self.clock, lambda event: event, self.pressed.append
        )
        self.block_taken: list[int] = []
        self.last_announcement = -1

    def teardown(self) -> None:
        self.drop.close()
        self.take_all()
        assert self.taken_count + self.announced == self.put_count
        self.loop.close()

    @rule(symbol=st.sampled_from(["SOL-USD", "BTC-USD"]), is_trade=st.booleans())
    def put(self, symbol: str, is_trade: bool) -> None:
        if self.drop.is_closed:
            return
        event: Event = trade(self.next, symbol) if is_trade else delta(self.next, symbol)
        self.next += 1
        self.put_count[symbol, channel_of(event)] += 1
        self.drop.put(event)
        self.block.put(event)

    @precondition(lambda self: len(self.drop) > 0)
    @rule(limit=st.integers(1, 4))
    def take(self, limit: int) -> None:
        for event in self.loop.run_until_complete(self.drop.take(limit)):
            self.taken.append(event.ts_recv)
            self.taken_count[event.symbol, channel_of(event)] += 1

    @precondition(lambda self: len(self.block) > 0)
    @rule(limit=st.integers(1, 4))
    def take_blocking(self, limit: int) -> None:
        batch = self.loop.run_until_complete(self.block.take(limit))
        self.block_taken += [event.ts_recv for event in batch]

    @rule(seconds=st.sampled_from([0.1, 0.6, 1.0]))
    def wait(self, seconds: float) -> None:
        self.loop.run_until_complete(self.clock.advance(seconds))

    @rule()
    def announce(self) -> None:
        now = self.clock.now()
        drops = self.drop.drops()
        for one in drops:
            assert one.channel is not None
            self.announced[one.symbol, one.channel] += one.count
        if drops and not self.drop.is_closed:
            assert self.last_announcement < 0 or now - self.last_announcement >= 1_000_000_000
            self.last_announcement = now

    @rule()
    def close(self) -> None:
        self.drop.close()

    @invariant()
    def order_is_kept_and_capacity_respected(self) -> None:
        assert self.taken == sorted(set(self.taken))
        assert len(self.drop) <= self.capacity
        assert len(self.taken) + len(self.drop) + self.drop.dropped == self.put_count.total()

    @invariant()
    def block_loses_nothing_and_says_when_it_is_full(self) -> None:
        assert self.block_taken == list(range(len(self.block_taken)))
        assert len(self.block_taken) + len(self.block) == self.next
        if len(self.block) > self.capacity:
            assert self.pressed[-1]
        if len(self.block) <= self.capacity // 2:
            assert not self.pressed[-1]

    def take_all(self) -> None:
        while len(self.drop):
            self.take(4)
        self.announce()


TestNothingIsLostInSilence = NothingIsLostInSilence.TestCase
TestNothingIsLostInSilence.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
