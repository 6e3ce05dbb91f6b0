"""Conflation: a full queue keeps the latest state, and the books at the end are the true ones."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tickwire.model.books import Books
from tickwire.model.channels import Channel
from tickwire.model.clock import ManualClock
from tickwire.model.events import BookDelta, BookSnapshot, MarkPrice, OpenInterest, Quote, Ticker, Trade
from tickwire.model.quality import Event, Gap, GapCause, Repair, Resynced, Severity, Unsubscribed, UnsubscribeReason
from tickwire.model.stored import Record
from tickwire.run.conflating import ConflatingBuffer, conflate


def record(ordinal: int, event: Event) -> Record:
    return Record(event, "RUN", ordinal, f"RUN/{ordinal}")


def head(number: int, symbol: str = "SOL-USD") -> tuple[str, str, int, int]:
    return ("toy", symbol, 1_000 + number, 2_000 + number)


def gap(number: int, symbol: str | None = "SOL-USD", channel: Channel | None = Channel.L2_BOOK) -> Gap:
    return Gap(
        "toy", symbol, None, 2_000 + number, channel, None, Severity.WARNING, f"g{number}", GapCause.SEQUENCE,
        1_000 + number, None, repair=Repair.RESYNC,
    )  # fmt: skip


def events_of(kept: Sequence[Record]) -> list[Event]:
    return [one.event for one in kept]


def test_a_run_of_deltas_becomes_one_that_spans_them() -> None:
    first = BookDelta(*head(1), ((9.0, 1.0), (8.0, 2.0)), (), 11, 12, 10, 77)
    second = BookDelta(*head(2), ((9.0, 0.0),), ((11.0, 4.0),), 13, 13, 12, 78)
    kept, gone = conflate([record(1, first), record(2, second)])
    merged = BookDelta(*head(2), ((8.0, 2.0), (9.0, 0.0)), ((11.0, 4.0),), 11, 13, 10, 78)
    assert kept == [Record(merged, "RUN", 2, "RUN/2")]
    assert gone == [record(1, first)]


def test_a_snapshot_takes_the_place_of_everything_before_it_of_its_book() -> None:
    records = [
        record(1, BookSnapshot(*head(1), (), ())),
        record(2, BookDelta(*head(2), ((9.0, 1.0),), (), 1, 1)),
        record(3, BookSnapshot(*head(3, "BTC-USD"), (), ())),
        record(4, gap(4)),
        record(5, BookSnapshot(*head(5), ((7.0, 1.0),), (), 9)),
    ]
    kept, gone = conflate(records)
    assert kept == [records[2], records[3], records[4]]
    assert gone == records[:2]


def test_of_figures_the_latest_is_kept_and_of_trades_all() -> None:
    figures: list[Event] = [
        Quote(*head(1), 1.0, 1.0, 2.0, 1.0),
        Ticker(*head(2), 1.0, None, None, None, None, None, None, None, "24h"),
        Ticker(*head(3), 1.0, None, None, None, None, None, None, None, "utc_day"),
        MarkPrice(*head(4), 1.0),
        OpenInterest(*head(5), 1.0),
        Trade(*head(6), 1.0, 1.0),
    ]
    records = [record(number, event) for number, event in enumerate([*figures, *figures])]
    kept, gone = conflate(records)
    assert kept == [records[5], *records[6:]]
    assert gone == records[:5]


def test_deltas_before_and_after_a_gap_are_not_merged() -> None:
    deltas = [record(n, BookDelta(*head(n), ((9.0, float(n)),), (), n, n)) for n in range(4)]
    for parting in (gap(9), gap(9, None, None), gap(9, None)):
        kept, _ = conflate([*deltas[:2], record(9, parting), *deltas[2:]])
        assert [type(one) for one in events_of(kept)] == [BookDelta, Gap, BookDelta]
    kept, _ = conflate([*deltas[:2], record(9, gap(9, "BTC-USD")), *deltas[2:]])
    assert [type(one) for one in events_of(kept)] == [Gap, BookDelta]
    kept, _ = conflate([*deltas[:2], record(9, gap(9, "SOL-USD", Channel.TRADES)), *deltas[2:]])
    assert [type(one) for one in events_of(kept)] == [Gap, BookDelta]


def test_what_cannot_be_conflated_is_forgotten_oldest_first_and_both_are_announced() -> None:
    async def main() -> None:
        buffer = ConflatingBuffer("hot", 4, ManualClock())
        for number in range(6):
            buffer.put(record(number, Trade(*head(number), 1.0, 1.0)))
            buffer.put(record(10 + number, Quote(*head(number), 1.0, 1.0, 2.0, float(number))))
        buffer.close()
        taken: list[Record] = []
        while batch := await buffer.take(3):
            taken += batch
        told = {(one.channel, one.policy, one.severity): one.count for one in buffer.drops()}
        quotes = [one for one in taken if isinstance(one.event, Quote)]
        trades = [one for one in taken if isinstance(one.event, Trade)]
        assert len(trades) + buffer.dropped == len(quotes) + buffer.conflated == 6
        assert told == {
            (Channel.TRADES, "drop_oldest", Severity.WARNING): buffer.dropped,
            (Channel.L1_BOOK, "conflate", Severity.INFO): buffer.conflated,
        }
        assert quotes[-1].event == Quote(*head(5), 1.0, 1.0, 2.0, 5.0)
        assert [one.ordinal for one in trades] == list(range(buffer.dropped, 6))

    asyncio.run(main())


def test_a_queue_that_was_full_does_not_linger() -> None:
    async def main() -> None:
        buffer = ConflatingBuffer("hot", 2, ManualClock())
        for number in range(5):
            buffer.put(record(number, Trade(*head(number), 1.0, 1.0)))
        await buffer.fill(1000, 3600.0)  # nobody lets the time pass
        assert buffer.oldest == record(buffer.dropped, Trade(*head(buffer.dropped), 1.0, 1.0))
        assert len(await buffer.take()) > 0

    asyncio.run(main())


def test_a_queue_that_is_not_full_conflates_nothing() -> None:
    async def main() -> None:
        buffer = ConflatingBuffer("hot", 4, ManualClock())
        records = [record(n, Quote(*head(n), 1.0, 1.0, 2.0, float(n))) for n in range(4)]
        for one in records:
            buffer.put(one)
        assert (await buffer.take(), buffer.conflated) == (records, 0)

    asyncio.run(main())


class Market:
    """True streams of two books of one exchange: snapshots, deltas that follow, gaps, resyncs, and other events."""

    def __init__(self, draw: Any, number: Any) -> None:
        self.draw, self.number = draw, number
        self.sequence = dict.fromkeys(("SOL-USD", "BTC-USD"), 100)
        self.is_synced = dict.fromkeys(self.sequence, False)
        self.time = 0

    def levels(self, side: int) -> tuple[tuple[Any, Any], ...]:
        # bids at 1…5, asks at 6…10: a book is never crossed
        prices = st.integers(1 + 5 * side, 5 + 5 * side)
        found = self.draw(st.lists(st.tuples(prices, st.integers(0, 3)), max_size=4))
        return tuple((self.number(price), self.number(size)) for price, size in found)

    def whole(self, side: int) -> tuple[tuple[Any, Any], ...]:
        levels = {price: size for price, size in self.levels(side) if size}
        return tuple(sorted(levels.items(), reverse=side == 0))

    def step(self) -> list[Event]:
        symbol = self.draw(st.sampled_from(sorted(self.sequence)))
        kind = self.draw(st.sampled_from(["delta"] * 6 + ["snapshot", "gap", "all", "leave", "trade", "quote"]))
        self.time += 1
        at = head(self.time, symbol)
        if kind in ("gap", "all", "leave"):
            lost = list(self.sequence) if kind == "all" else [symbol]
            self.is_synced.update(dict.fromkeys(lost, False))
            if kind == "leave":
                return [
                    Unsubscribed("toy", symbol, None, at[3], Channel.L2_BOOK, None, Severity.INFO,
                                 UnsubscribeReason.USER)
                ]  # fmt: skip
            return [gap(self.time, None if kind == "all" else symbol, None if kind == "all" else Channel.L2_BOOK)]
        if kind == "trade":
            return [Trade(*at, self.number(1), self.number(1))]
        if kind == "quote":
            return [Quote(*at, self.number(1), self.number(1), None, None)]
        if kind == "snapshot" or not self.is_synced[symbol]:
            was, self.is_synced[symbol] = self.is_synced[symbol], True
            self.sequence[symbol] += 5
            snapshot = BookSnapshot(*at, self.whole(0), self.whole(1), self.sequence[symbol])
            told = Resynced("toy", symbol, None, at[3], Channel.L2_BOOK, None, Severity.INFO, None, 1, 1)
            return [snapshot] if was else [snapshot, told]
        first = self.sequence[symbol] + 1
        self.sequence[symbol] += self.draw(st.integers(1, 3))
        return [BookDelta(*at, self.levels(0), self.levels(1), first, self.sequence[symbol], first - 1)]


@st.composite
def streams(draw: Any) -> list[Event]:
    market = Market(draw, draw(st.sampled_from([float, Decimal])))
    return [event for _ in range(draw(st.integers(0, 40))) for event in market.step()]


def books_after(events: Sequence[Event]) -> dict[str, tuple[object, ...]]:
    books = Books("toy")
    for event in events:
        books.apply(event)
    return {
        symbol: (book.is_synced, book.sequence, book.ts_event, book.ts_recv, book.bids(), book.asks())
        for symbol, book in books.items()
        if book.is_synced
    }


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events=streams())
def test_books_of_the_conflated_stream_are_the_true_books_at_the_end(events: list[Event]) -> None:
    records = [record(number, event) for number, event in enumerate(events)]
    kept, gone = conflate(records)
    assert books_after(events_of(kept)) == books_after(events)
    assert len(kept) + len(gone) == len(records)
    assert [one.ordinal for one in kept] == sorted(one.ordinal for one in kept)
    whole = [one for one in records if not isinstance(one.event, BookSnapshot | BookDelta | Quote)]
    assert [one for one in kept if not isinstance(one.event, BookSnapshot | BookDelta | Quote)] == whole


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events=streams(), capacity=st.integers(1, 6), takes=st.lists(st.integers(0, 8)))
def test_books_behind_a_slow_reader_are_the_true_books_at_the_end(
    events: list[Event], capacity: int, takes: list[int]
) -> None:
    # trades and quality events are few here, so that none is forgotten
    events = [event for event in events if not isinstance(event, Trade | Resynced)]
    if sum(isinstance(event, Gap | Unsubscribed) for event in events) > capacity:
        events = [event for event in events if not isinstance(event, Gap | Unsubscribed)]

    async def main() -> list[Event]:
        buffer = ConflatingBuffer("hot", capacity, ManualClock())
        taken: list[Record] = []
        for number, event in enumerate(events):
            buffer.put(record(number, event))
            if number < len(takes) and takes[number] and len(buffer):
                taken += await buffer.take(takes[number])
        buffer.close()
        while batch := await buffer.take():
            taken += batch
        assert buffer.dropped == 0
        return events_of(taken)

    assert books_after(asyncio.run(main())) == books_after(events)


@pytest.mark.parametrize("count", [50])
def test_a_conflating_queue_stays_bounded_by_its_capacity_and_the_states(count: int) -> None:
    async def main() -> None:
        buffer = ConflatingBuffer("hot", 16, ManualClock())
        for number in range(count * 16):
            buffer.put(record(number, BookDelta(*head(number, f"X{number % 5}-USD"), ((1.0, 1.0),), ())))
            buffer.put(record(number, Trade(*head(number), 1.0, 1.0)))
            assert len(buffer) <= 16 + 5 + 1

    asyncio.run(main())
