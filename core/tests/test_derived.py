"""Derived streams against brute force: candles, throttles, merged deltas, book samples, best of all, average price."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.derive.book_samples import BookSamples
from tickwire.derive.calling import Calling
from tickwire.derive.candles import Candles, Late
from tickwire.derive.conflation import Conflation
from tickwire.derive.nbbo import Nbbo
from tickwire.derive.processor import Processor
from tickwire.derive.throttle import Throttle
from tickwire.derive.vwap import Vwap
from tickwire.model.books import Books
from tickwire.model.channels import Channel
from tickwire.model.events import BookDelta, BookSnapshot, Candle, Quote, Side, SnapshotCause, Ticker, Trade
from tickwire.model.numbers import exact
from tickwire.model.quality import (
    Dropped,
    Event,
    Gap,
    GapCause,
    QualityEvent,
    Repair,
    Severity,
    Subscribed,
    Unsubscribed,
    UnsubscribeReason,
    Watermark,
)

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
START = 1_000_000 * MINUTE
Head = tuple[str, str | None, None, int, Channel | None, None, Severity]


def head(seconds: float, channel: Channel | None = Channel.TRADES, symbol: str | None = "SOL-USDC") -> Head:
    return ("toy", symbol, None, at(seconds), channel, None, Severity.INFO)


def at(seconds: float) -> int:
    return START + round(seconds * SECOND)


def trade(seconds: float, price: float = 10.0, size: float = 1.0, number: int | None = None, **more: Any) -> Trade:
    return Trade("toy", "SOL-USDC", at(seconds), at(seconds) + SECOND // 10, price, size, sequence=number, **more)


def subscribed(seconds: float, *, is_verified: bool = True) -> Subscribed:
    return Subscribed(*head(seconds), at(seconds), is_verified)


def watermark(seconds: float) -> Watermark:
    return Watermark(*head(seconds), at(seconds))


def through(step: Processor, *events: Event) -> list[Event]:
    found = [made for event in events for made in step.apply(event)]
    return [*found, *step.flush()]


def candles(found: Iterable[Event]) -> list[tuple[float, Any, Any, Any, Any, Any, int | None, bool | None]]:
    """Start in seconds, open, high, low, close, volume, trades, closed."""
    return [
        ((one.ts_start - START) / SECOND, one.open, one.high, one.low, one.close, one.volume, one.trades, one.is_closed)
        for one in found
        if isinstance(one, Candle)
    ]


def minutes(late: Late = Late.AMEND, grace: float = 0, **more: Any) -> Candles:
    return Candles(MINUTE, "1m", late, round(grace * SECOND), sink="archive", **more)


# candles
def test_the_next_trade_closes_a_candle_and_comes_after_it() -> None:
    last = trade(60, 13)
    found = through(minutes(), trade(1, 10, 0.1), trade(2, 12, 0.2), trade(59.9, 11, 0.3), last)
    assert candles(found) == [(0, 10, 12, 10, 11, 0.6, 3, True)]  # 0.1 + 0.2 + 0.3 as decimals
    assert found[-1] is last


def test_a_candle_says_all_that_is_known_of_it() -> None:
    first, second = trade(1, 10, 2, taker_side=Side.BUY), trade(5, 12, 1, taker_side=Side.SELL)
    found = through(minutes(), first, second, watermark(70))
    expected = Candle(
        "toy", "SOL-USDC", at(5), at(70), "1m", START, START + MINUTE, 10.0, 12.0, 10.0, 12.0, 3.0, 32.0, 2.0, 2, True,
        True,
    )  # fmt: skip
    assert [one for one in found if isinstance(one, Candle)] == [expected]


def test_what_only_the_instrument_could_tell_is_not_claimed() -> None:
    perpetual = Trade("toy", "SOL-USDC-PERP", at(1), at(1), 10.0, 2.0)
    later = Trade("toy", "SOL-USDC-PERP", None, at(70), 10.0, 2.0)  # without a time of the exchange: its arrival
    (candle,) = [one for one in through(minutes(), perpetual, later) if isinstance(one, Candle)]
    assert (candle.volume, candle.quote_volume, candle.taker_buy_volume) == (2.0, None, None)


def test_a_watermark_closes_what_is_over_by_more_than_clocks_differ() -> None:
    assert candles(through(minutes(), trade(1), watermark(60.9))) == []
    assert [one[0] for one in candles(through(minutes(), trade(1), watermark(61)))] == [0]
    assert candles(through(minutes(grace=5), trade(1), watermark(65))) == []


def test_with_grace_a_trade_that_is_a_little_late_is_in_time() -> None:
    found = candles(through(minutes(grace=5), trade(1, 10), trade(61, 20), trade(59, 11), trade(66, 21)))
    assert found == [(0, 10, 11, 10, 11, 2, 2, True)]


@pytest.mark.parametrize(
    ("late", "amended", "dropped"), [(Late.AMEND, 1, []), (Late.DROP, 0, [("late", 1)]), (Late.IGNORE, 0, [])]
)
def test_what_becomes_of_a_late_trade(late: Late, amended: int, dropped: list[tuple[str, int]]) -> None:
    late_one = trade(30, 15)
    found = through(minutes(late), trade(1, 10), trade(61, 20), late_one, watermark(70))
    assert late_one in found  # it passes whatever becomes of it
    assert candles(found)[1:] == [(0, 10, 15, 10, 15, 2, 2, True)] * amended
    assert [(one.policy, one.count) for one in found if isinstance(one, Dropped)] == dropped


def test_open_candles_come_with_each_trade_where_they_are_wanted() -> None:
    found = candles(through(minutes(updates=True), trade(1, 10), trade(2, 11), trade(61, 9)))
    assert [(one[0], one[4], one[-1]) for one in found] == [
        (0, 10, False),
        (0, 11, False),
        (0, 11, True),
        (60, 9, False),
    ]


def test_buckets_without_trades_have_candles_where_they_are_wanted() -> None:
    found = through(minutes(empty=True), subscribed(0), trade(61, 10), watermark(181), watermark(241))
    assert candles(found) == [
        (0, None, None, None, None, 0, 0, True),
        (60, 10, 10, 10, 10, 1, 1, True),
        (120, None, None, None, None, 0, 0, True),
        (180, None, None, None, None, 0, 0, True),
    ]
    assert len(candles(through(minutes(), subscribed(0), trade(61), watermark(241)))) == 1


def test_a_bucket_that_began_before_the_trades_were_covered_has_no_candle() -> None:
    found = through(minutes(), subscribed(20), trade(30), trade(61), trade(121))
    assert [one[0] for one in candles(found)] == [60]


def test_the_hole_since_the_last_run_has_candles_once_it_is_filled() -> None:
    hole = Gap(*head(300), "g", GapCause.NOT_RUNNING, at(60), None, repair=Repair.BACKFILL)
    found = through(
        minutes(), hole, subscribed(310), trade(70, backfilled=True), trade(130, backfilled=True), trade(330)
    )
    assert [one[0] for one in candles(found)] == [60, 120]


def test_a_bucket_in_which_trades_are_missing_has_no_candle() -> None:
    hole = Gap(*head(70), "g", GapCause.SEQUENCE, at(62), at(70), 5, 6, 2)
    harmless = Gap(*head(130), "h", GapCause.DISCONNECTED, at(125), at(130), missing=0)
    found = through(minutes(), subscribed(0), trade(1), trade(62), hole, trade(70), harmless, trade(131), trade(190))
    assert [one[0] for one in candles(found)] == [0, 120]


def test_a_hole_of_the_connection_is_one_of_the_trades_unless_their_numbers_tell() -> None:
    hole = Gap(*head(62, None, None), "g", GapCause.DECODE, at(61), at(62))
    unnumbered = through(minutes(), subscribed(0, is_verified=False), trade(1), trade(61), hole, trade(130))
    numbered = through(minutes(), subscribed(0), trade(1), trade(61), hole, trade(130))
    assert ([one[0] for one in candles(unnumbered)], [one[0] for one in candles(numbered)]) == ([0], [0, 60])


def test_what_was_open_when_coverage_ended_is_never_closed() -> None:
    stop = Unsubscribed(*head(90), UnsubscribeReason.STOPPED)
    found = through(
        minutes(), subscribed(0), trade(1), trade(61), stop, subscribed(100), trade(110), trade(130), trade(190)
    )
    assert [one[0] for one in candles(found)] == [0, 120]


moments = st.integers(0, 400)
prices = st.integers(1, 30).map(lambda number: number / 10)
rows = st.lists(st.tuples(moments, prices, prices), min_size=1, max_size=40, unique_by=lambda row: row[0])


def reckoned(trades: Sequence[Trade]) -> dict[int, tuple[Any, ...]]:
    """Each bucket's candle, from all of its trades at once."""
    found: dict[int, tuple[Any, ...]] = {}
    for start in {(one.ts_event or 0) // MINUTE * MINUTE for one in trades}:
        inside = sorted(
            (one for one in trades if start <= (one.ts_event or 0) < start + MINUTE), key=lambda t: t.ts_event or 0
        )
        values = [one.price for one in inside]
        volume = float(sum(exact(one.size) for one in inside))
        found[start] = (values[0], max(values), min(values), values[-1], volume, len(inside))
    return found


def last_candles(found: Iterable[Event]) -> dict[int, tuple[Any, ...]]:
    """Each bucket's last candle; all of them must be closed."""
    last: dict[int, tuple[Any, ...]] = {}
    for one in found:
        if isinstance(one, Candle):
            assert one.is_closed
            assert one.is_computed
            last[one.ts_start] = (one.open, one.high, one.low, one.close, one.volume, one.trades)
    return last


@settings(deadline=None)
@given(rows=rows, data=st.data(), grace=st.sampled_from([0, 30]))
def test_in_whatever_order_trades_arrive_amended_candles_are_those_of_all_trades(
    rows: list[tuple[int, float, float]], data: st.DataObject, grace: int
) -> None:
    arrived = data.draw(st.permutations([trade(*row) for row in rows]))
    assert last_candles(through(minutes(grace=grace), *arrived, watermark(600))) == reckoned(arrived)


@settings(deadline=None)
@given(rows=rows, data=st.data(), late=st.sampled_from([Late.DROP, Late.IGNORE]))
def test_otherwise_they_are_those_of_the_trades_that_came_in_time_and_the_others_are_counted(
    rows: list[tuple[int, float, float]], data: st.DataObject, late: Late
) -> None:
    arrived = data.draw(st.permutations([trade(*row) for row in rows]))
    newest, in_time = 0, []
    for one in arrived:
        newest = max(newest, (one.ts_event or 0) // MINUTE)
        in_time += [one] if (one.ts_event or 0) // MINUTE >= newest else []
    found = through(minutes(late), *arrived, watermark(600))
    assert last_candles(found) == reckoned(in_time)
    lost = sum(one.count for one in found if isinstance(one, Dropped))
    assert lost == (len(arrived) - len(in_time) if late is Late.DROP else 0)
    assert [one for one in found if isinstance(one, Trade)] == list(arrived)


def test_decimals_stay_decimals() -> None:
    first = Trade("toy", "SOL-USDC", at(1), at(1), Decimal("0.1234567890123456789"), Decimal("1"))
    (candle,) = [one for one in through(minutes(), first, watermark(70)) if isinstance(one, Candle)]
    assert (candle.open, candle.volume) == (Decimal("0.1234567890123456789"), Decimal(1))


# throttle
def quote(seconds: float, price: float = 10.0, exchange: str = "toy", symbol: str = "SOL-USDC") -> Quote:
    return Quote(exchange, symbol, None, at(seconds), price, 1.0, price + 1, 1.0)


def test_the_first_passes_at_once_and_the_latest_when_its_time_is_up() -> None:
    quotes = [quote(0, 1), quote(0.1, 2), quote(0.2, 3), quote(1.05, 4), quote(1.5, 5)]
    found = through(Throttle(SECOND), *quotes[:3], trade(0.99), trade(1.0), *quotes[3:])
    assert [one.bid_price for one in found if isinstance(one, Quote)] == [1, 3, 5]
    assert sum(isinstance(one, Trade) for one in found) == 2


def test_a_closed_candle_is_never_held_back_nor_replaced() -> None:
    every = through(minutes(updates=True), *(trade(second, second + 1) for second in range(0, 130, 2)))
    found = candles(through(Throttle(3600 * SECOND), *every))
    assert [(one[0], one[-1]) for one in found] == [(0, False), (0, True), (60, True), (120, False)]


@settings(deadline=None)
@given(steps=st.lists(st.tuples(st.integers(0, 900), st.sampled_from("AB"), st.integers(0, 9)), max_size=40))
def test_two_quotes_of_a_symbol_are_never_closer_and_the_last_one_comes(steps: list[tuple[int, str, int]]) -> None:
    moment, quotes = 0.0, list[Quote]()
    for pause, symbol, price in steps:
        moment += pause / 1000
        quotes.append(quote(moment, price, symbol=f"{symbol}-USD"))
    step = Throttle(SECOND)
    seen = [(one.ts_recv, made) for one in quotes for made in step.apply(one)]
    left = list(step.flush())
    for symbol in ("A-USD", "B-USD"):
        passed = [(now, one) for now, one in seen if one.symbol == symbol]
        assert all(after - before >= SECOND for (before, _), (after, _) in pairwise(passed))
        found = [one for _, one in passed] + [one for one in left if one.symbol == symbol]
        given_ = [one for one in quotes if one.symbol == symbol]
        assert [one for one in given_ if any(one is other for other in found)] == found  # in order, none twice
        assert found[-1:] == given_[-1:]
        assert found[:1] == given_[:1]


# books
@st.composite
def book_streams(draw: st.DrawFn) -> list[Event]:
    """Snapshots, deltas and holes of a book, with times; sequences without holes between a snapshot and the next."""
    events: list[Event] = []
    now, sequence, is_synced = 0.0, 0, False
    for kind in [
        "snapshot",
        *draw(st.lists(st.sampled_from(["delta"] * 8 + ["snapshot", "gap", "watermark"]), max_size=40)),
    ]:
        now += draw(st.sampled_from([0.0, 0.01, 0.2, 1.0]))
        levels = draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=4))
        bids = tuple((float(price), float(size)) for price, size in levels)
        asks = tuple((price + 20.0, size) for price, size in bids[::-1])
        if kind == "gap":
            events.append(Gap(*head(now, Channel.L2_BOOK), "g", GapCause.SEQUENCE, at(now)))
            is_synced = False
        elif kind == "snapshot":
            sequence += 5
            fresh: dict[float, float] = {price: size + 1 for price, size in bids}
            best = tuple(sorted(fresh.items(), reverse=True))
            lowest = tuple(sorted((price + 20, size) for price, size in fresh.items()))
            cause = SnapshotCause.EXCHANGE if is_synced else SnapshotCause.RESYNC
            events.append(BookSnapshot("toy", "SOL-USDC", None, at(now), best, lowest, sequence, cause=cause))
            is_synced = True
        elif kind == "watermark":
            events.append(Watermark(*head(now, Channel.L2_BOOK), at(now)))
        elif is_synced:
            first, sequence = sequence + 1, sequence + draw(st.integers(1, 3))
            events.append(BookDelta("toy", "SOL-USDC", None, at(now), bids, asks, first, sequence))
    return events


def states(events: Iterable[Event]) -> dict[int | None, tuple[Any, Any]]:
    """The book at each sequence, as the stream itself builds it."""
    books, found = Books(), {}
    for event in events:
        books.apply(event)
        if isinstance(event, BookSnapshot | BookDelta):
            book = books[event.symbol]
            assert book.is_synced
            found[book.sequence] = (book.bids(), book.asks())
    return found


@settings(deadline=None)
@given(events=book_streams(), every=st.sampled_from([0.01, 0.5, 5.0]))
def test_merged_deltas_build_the_true_book_at_each_of_their_sequences(events: list[Event], every: float) -> None:
    truth = states(events)
    found = through(Conflation(round(every * SECOND)), *events)
    merged = states(found)  # that it can be built at all says that sequences follow
    assert merged.items() <= truth.items()
    others = [one for one in found if not isinstance(one, BookDelta)]
    assert others == [one for one in events if not isinstance(one, BookDelta)]
    # before a hole, and at the end, the book is where the deltas had brought it
    for place, event in enumerate(events):
        if isinstance(event, Gap | Watermark):
            before = [one for one in events[:place] if isinstance(one, BookDelta | BookSnapshot)]
            cut = found[: next(n for n, one in enumerate(found) if one is event)]
            assert list(states(cut))[-1] == list(states(before))[-1]
    assert list(merged)[-1] == list(truth)[-1]


def test_a_snapshot_takes_the_place_of_the_deltas_that_wait() -> None:
    delta = BookDelta("toy", "SOL-USDC", None, at(0), ((1.0, 1.0),), (), 5, 5)
    snapshot = BookSnapshot("toy", "SOL-USDC", None, at(0.1), ((1.0, 1.0),), (), 5)
    assert through(Conflation(SECOND), delta, snapshot, watermark(9)) == [snapshot, watermark(9)]


def test_merging_spans_the_sequences_and_keeps_the_last_size_of_each_level() -> None:
    deltas = [
        BookDelta("toy", "SOL-USDC", 1, at(0), ((10.0, 1.0), (9.0, 1.0)), (), 5, 6, 4, 111),
        BookDelta("toy", "SOL-USDC", 2, at(0.1), ((10.0, 0.0),), ((12.0, 3.0),), 7, 9, 6, 222),
    ]
    expected = BookDelta("toy", "SOL-USDC", 2, at(0.1), ((9.0, 1.0), (10.0, 0.0)), ((12.0, 3.0),), 5, 9, 4, 222)
    assert through(Conflation(SECOND), *deltas) == [expected]
    assert through(Conflation(SECOND), deltas[0]) == [deltas[0]]


@settings(deadline=None)
@given(events=book_streams(), changes=st.integers(1, 4), depth=st.sampled_from([None, 1, 3]))
def test_samples_are_the_true_book_every_so_many_changes(events: list[Event], changes: int, depth: int | None) -> None:
    truth = states(events)
    found = through(BookSamples(changes, depth=depth), *events)
    assert not [one for one in found if isinstance(one, BookDelta)]
    for one in found:
        if isinstance(one, BookSnapshot):
            bids, asks = truth[one.sequence]
            assert (list(one.bids), list(one.asks)) == (bids[:depth], asks[:depth])
    expected, since = 0, 0
    for event in events:
        since = 0 if isinstance(event, BookSnapshot) else since + isinstance(event, BookDelta)
        if since == changes:
            expected, since = expected + 1, 0
    periodic = [one for one in found if isinstance(one, BookSnapshot) and one.cause is SnapshotCause.PERIODIC]
    assert len(periodic) == expected


@settings(deadline=None)
@given(events=book_streams())
def test_samples_beside_the_deltas_change_no_book(events: list[Event]) -> None:
    found = through(BookSamples(every=SECOND // 5, deltas=True), *events)
    assert states(found) == states(events)
    passed = [one for one in found if not (isinstance(one, BookSnapshot) and one.cause is SnapshotCause.PERIODIC)]
    assert passed == events


def test_samples_that_begin_in_the_middle_of_a_stream_wait_for_a_snapshot() -> None:
    delta = BookDelta("toy", "SOL-USDC", None, at(0), ((1.0, 1.0),), (), 5, 5)
    broken = BookDelta("toy", "SOL-USDC", None, at(2), ((1.0, 1.0),), (), 50, 50)
    snapshot = BookSnapshot("toy", "SOL-USDC", None, at(1), ((1.0, 1.0),), (), 6)
    assert through(BookSamples(1), delta, snapshot, broken) == [snapshot]


# the best over all exchanges
def bests(found: Iterable[Event]) -> list[tuple[Any, ...]]:
    return [
        (one.bid_price, one.bid_size, one.ask_price, one.ask_size)
        for one in found
        if isinstance(one, Quote) and one.exchange == "nbbo"
    ]


def test_the_best_of_all_is_a_quote_whenever_it_changes() -> None:
    a, b, worse = quote(0, 10, "a"), quote(0.1, 9.5, "b"), quote(0.2, 9, "b")
    found = through(Nbbo(10 * SECOND), a, b, worse, quote(0.3, 10, "a"))
    assert bests(found) == [(10, 1, 11, 1), (10, 1, 10.5, 1), (10, 1, 10, 1)]
    assert found[1] == Quote("nbbo", "SOL-USDC", None, at(0), 10, 1.0, 11, 1.0)


def test_an_exchange_that_is_silent_or_has_a_hole_does_not_count() -> None:
    hole = Gap("b", "SOL-USDC", None, at(1), Channel.L1_BOOK, None, Severity.WARNING, "g", GapCause.DISCONNECTED, at(1))
    found = through(Nbbo(10 * SECOND), quote(0, 10, "a"), quote(0.5, 12, "b"), hole, trade(9.9), trade(10.0))
    assert bests(found) == [(10, 1, 11, 1), (12, 1, 11, 1), (10, 1, 11, 1), (None, None, None, None)]


def test_an_exchange_counts_until_it_has_been_silent_for_so_long_and_no_longer() -> None:
    assert bests(through(Nbbo(10 * SECOND), quote(0, 10, "a"), watermark(9.999))) == [(10, 1, 11, 1)]
    assert bests(through(Nbbo(10 * SECOND), quote(0, 10, "a"), watermark(10)))[1:] == [(None, None, None, None)]


def test_where_an_exchange_gives_no_quotes_its_book_counts_while_it_is_in_sync() -> None:
    book = BookSnapshot("a", "SOL-USDC", None, at(0), ((10.0, 2.0),), ((11.0, 2.0),), 5)
    delta = BookDelta("a", "SOL-USDC", None, at(1), ((10.5, 1.0),), (), 6, 6)
    hole = Gap("a", "SOL-USDC", None, at(2), Channel.L2_BOOK, None, Severity.WARNING, "g", GapCause.SEQUENCE, at(1))
    found = through(Nbbo(10 * SECOND), book, delta, hole)
    assert bests(found) == [(10, 2, 11, 2), (10.5, 1, 11, 2), (None, None, None, None)]


@settings(deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 3000), st.sampled_from("abc"), st.integers(1, 9), st.integers(1, 9)), max_size=30
    )
)
def test_it_is_what_a_look_at_every_exchange_gives(steps: list[tuple[int, str, int, int]]) -> None:
    step, now, shown = Nbbo(4 * SECOND), 0.0, dict[str, Quote]()
    last: tuple[Any, Any] = (None, None)
    for pause, exchange, bid, ask in steps:
        now += pause / 1000
        one = Quote(exchange, "SOL-USDC", None, at(now), float(bid), 1.0, float(ask), 1.0)
        shown[exchange] = one
        for made in step.apply(one):
            if isinstance(made, Quote) and made.exchange == "nbbo":
                last = (made.bid_price, made.ask_price)
        fresh = [each for each in shown.values() if at(now) - each.ts_recv < 4 * SECOND]
        assert last == (max(each.bid_price or 0 for each in fresh), min(each.ask_price or 0 for each in fresh))


# the average price
@settings(deadline=None)
@given(rows=rows, data=st.data())
def test_the_average_is_that_of_the_trades_in_the_window(
    rows: list[tuple[int, float, float]], data: st.DataObject
) -> None:
    arrived = data.draw(st.permutations([trade(*row) for row in rows]))
    step, seen = Vwap(MINUTE, "1m", 0), list[Trade]()
    for one in arrived:
        seen.append(one)
        newest = max(each.ts_event or 0 for each in seen)
        inside = [each for each in seen if newest - MINUTE < (each.ts_event or 0)]
        volume = sum(exact(each.size) for each in inside)
        paid = sum(exact(each.price) * exact(each.size) for each in inside)
        (ticker,) = [made for made in step.apply(one) if isinstance(made, Ticker)]
        assert (ticker.last, ticker.volume, ticker.quote_volume) == (float(paid / volume), float(volume), float(paid))
        assert (ticker.trades, ticker.window) == (len(inside), "vwap:1m")


def test_it_comes_no_more_often_than_it_is_wanted() -> None:
    found = through(Vwap(MINUTE, "1m", SECOND), *(trade(second / 10) for second in range(35)))
    assert [((one.ts_event or 0) - START) / SECOND for one in found if isinstance(one, Ticker)] == [0, 1, 2, 3]


# a function
def test_a_function_lets_through_changes_drops_and_makes_events() -> None:
    def double(event: Any) -> Any:
        if isinstance(event, QualityEvent):
            return None
        return [event, event] if event.price > 5 else event

    one, two = trade(0, 1), trade(1, 9)
    assert through(Calling(double, "m:double"), one, watermark(2), two) == [one, two, two]


def test_what_a_function_fails_at_is_told_as_dropped_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    answers: list[Any] = ["no event", 7, [trade(0), "x"]]

    def wrong(event: Any) -> Any:
        return answers.pop() if answers else 1 / 0

    with caplog.at_level(logging.ERROR):
        found = through(Calling(wrong, "m:wrong", "hot"), *(trade(number) for number in range(4)))
    expected = [("hot", "process", 1, Channel.TRADES, at(number) + SECOND // 10) for number in range(4)]
    assert [
        (one.sink, one.policy, one.count, one.channel, one.ts_first) for one in found if isinstance(one, Dropped)
    ] == expected
    assert len(found) == 4
    assert len(caplog.records) == 1
