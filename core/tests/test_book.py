"""The L2 book against a naive model, and what it answers when it may not be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire import (
    BookDelta,
    BookSide,
    BookSnapshot,
    CrossedBookError,
    Decision,
    FillEstimate,
    L2Book,
    Level,
    SequenceGapError,
    SequenceRule,
    Side,
    SnapshotCause,
    decide,
)

Pairs = tuple[tuple[float, float], ...]


def snapshot(
    bids: Any = (), asks: Any = (), sequence: int | None = 10, depth: int | None = None, ts: int = 5
) -> BookSnapshot[Any]:
    return BookSnapshot("acme", "SOL-USDC", ts, ts + 1, bids, asks, sequence, None, depth)


def delta(
    bids: Any = (), asks: Any = (), first: int | None = 11, last: int | None = 11, previous: int | None = None
) -> BookDelta[Any]:
    return BookDelta("acme", "SOL-USDC", 7, 8, bids, asks, first, last, previous)


def book_of(bids: Any = ((98.0, 2.0), (97.0, 1.0)), asks: Any = ((99.0, 3.0), (100.0, 4.0))) -> L2Book[Any]:
    return L2Book.from_snapshot(snapshot(bids, asks), SequenceRule.CONSECUTIVE)


# bids end below where asks begin, so that only tests about crossing cross
bid_prices = st.integers(1, 12).map(lambda n: n / 4)
ask_prices = st.integers(12, 24).map(lambda n: n / 4)
sizes = st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.25, 1e-8])


def sides(prices: st.SearchStrategy[float], sizes: st.SearchStrategy[float] = sizes) -> st.SearchStrategy[Pairs]:
    return st.lists(st.tuples(prices, sizes), max_size=8).map(tuple)


@attrs.frozen
class DeltaRun:
    """A snapshot, deltas that follow it, and the snapshot a naive model gives at the end."""

    start: BookSnapshot[float]
    deltas: Sequence[BookDelta[float]]
    end: BookSnapshot[float]


def replayed(start: Pairs, changes: Sequence[Pairs], best: int, depth: int | None) -> Pairs:
    """One side the naive way: a dict, sorted afresh after each delta. ``best`` is -1 for bids, 1 for asks."""
    model = {price: size for price, size in dict(start).items() if size}
    for change in ((), *changes):
        model.update(change)
        kept = sorted(((p, s) for p, s in model.items() if s), key=lambda level: best * level[0])
        model = dict(kept[:depth])
    return tuple(model.items())


@st.composite
def delta_runs(draw: st.DrawFn) -> DeltaRun:
    depth = draw(st.none() | st.integers(1, 5))
    start = snapshot(draw(sides(bid_prices)), draw(sides(ask_prices)), draw(st.integers(0, 10**15)), depth)
    assert start.sequence is not None
    state, deltas = start.sequence, []
    for number, (bids, asks, length) in enumerate(
        draw(st.lists(st.tuples(sides(bid_prices), sides(ask_prices), st.integers(0, 3)), max_size=10))
    ):
        first = state + 1 - (draw(st.integers(0, 2)) if number == 0 else 0)
        last = state + 1 + length
        deltas.append(BookDelta("acme", "SOL-USDC", number, number, bids, asks, first, last))
        state = last
    end = snapshot(
        replayed(start.bids, [d.bids for d in deltas], -1, depth),
        replayed(start.asks, [d.asks for d in deltas], 1, depth),
        state,
        depth,
    )
    return DeltaRun(start, deltas, end)


def levels_of(event: BookSnapshot[float]) -> tuple[Pairs, Pairs, int | None, int | None]:
    return event.bids, event.asks, event.sequence, event.depth


@given(delta_runs(), st.sampled_from([SequenceRule.CONSECUTIVE, None]))
def test_replaying_deltas_gives_the_next_snapshot(run: DeltaRun, rule: SequenceRule | None) -> None:
    book = L2Book.from_snapshot(run.start, rule)
    for change in run.deltas:
        assert book.apply_delta(change) is Decision.APPLY
    assert levels_of(book.snapshot()) == levels_of(run.end)


@given(delta_runs())
def test_after_every_delta_levels_are_sorted_without_zeros_and_within_the_window(run: DeltaRun) -> None:
    book = L2Book.from_snapshot(run.start, SequenceRule.CONSECUTIVE)
    events: list[BookSnapshot[float] | BookDelta[float]] = [run.start, *run.deltas]
    for event in events:
        book.apply(event)
        bids, asks = book.bids(), book.asks()
        assert [p for p, _ in bids] == sorted({p for p, _ in bids}, reverse=True)
        assert [p for p, _ in asks] == sorted({p for p, _ in asks})
        assert all(size > 0 for _, size in bids + asks)
        assert len(book) == len(bids) + len(asks)
        assert max(len(bids), len(asks)) <= (run.start.depth or 99)
        assert (book.best_bid, book.best_ask) == (bids[0] if bids else None, asks[0] if asks else None)


@given(delta_runs())
def test_a_snapshot_of_a_book_makes_an_equal_book(run: DeltaRun) -> None:
    book = L2Book.from_snapshot(run.end)
    assert L2Book.from_snapshot(book.snapshot()).snapshot() == book.snapshot()


@given(delta_runs())
def test_deltas_already_contained_change_nothing(run: DeltaRun) -> None:
    book = L2Book.from_snapshot(run.start, SequenceRule.CONSECUTIVE)
    for change in run.deltas:
        book.apply_delta(change)
    before = (book.snapshot(), book.ts_event, book.ts_recv)
    assert [book.apply_delta(change) for change in run.deltas] == [Decision.OLD] * len(run.deltas)
    assert (book.snapshot(), book.ts_event, book.ts_recv) == before


@given(delta_runs())
def test_float_and_decimal_books_hold_the_same_levels(run: DeltaRun) -> None:
    def decimal(levels: Pairs) -> tuple[tuple[Decimal, Decimal], ...]:
        return tuple((Decimal(repr(p)), Decimal(repr(s))) for p, s in levels)

    book: L2Book[Decimal] = L2Book("acme", "SOL-USDC", SequenceRule.CONSECUTIVE)
    start = run.start
    book.apply_snapshot(snapshot(decimal(start.bids), decimal(start.asks), start.sequence, start.depth))
    for d in run.deltas:
        book.apply_delta(delta(decimal(d.bids), decimal(d.asks), d.first_sequence, d.last_sequence))
    assert (tuple(book.bids()), tuple(book.asks())) == (decimal(run.end.bids), decimal(run.end.asks))


ids = st.none() | st.integers(8, 14)


@given(st.sampled_from(SequenceRule), ids, st.builds(delta, st.just(()), st.just(()), ids, ids, ids), st.booleans())
def test_the_book_decides_as_the_rule_does(
    rule: SequenceRule, sequence: int | None, candidate: BookDelta[float], is_first: bool
) -> None:
    book = L2Book.from_snapshot(snapshot(sequence=sequence), rule)
    if not is_first:
        if sequence is None:
            return
        step = delta(first=sequence, last=sequence, previous=sequence)
        book.sequence = sequence - 1 if rule is not SequenceRule.LINKED else sequence
        book.apply_delta(step)
        assert book.sequence == sequence
    decision = decide(rule, sequence, candidate, is_first)
    if decision is Decision.GAP:
        with pytest.raises(SequenceGapError):
            book.apply_delta(candidate)
    else:
        assert book.apply_delta(candidate) is decision
    assert book.is_synced is (decision is not Decision.GAP)


def test_a_price_that_occurs_twice_in_a_delta_has_the_later_size() -> None:
    book = book_of()
    book.apply(delta(bids=((96.0, 5.0), (96.0, 0.0), (96.0, 6.0), (97.0, 7.0), (97.0, 0.0))))
    assert book.bids() == [Level(98.0, 2.0), Level(96.0, 6.0)]


def test_a_price_that_occurs_twice_in_a_snapshot_has_the_later_size() -> None:
    book = book_of(bids=((98.0, 2.0), (98.0, 3.0), (97.0, 1.0), (97.0, 0.0)))
    assert book.bids() == [Level(98.0, 3.0)]


def test_delta_with_size_zero_removes_the_level() -> None:
    book = book_of()
    book.apply(delta(bids=((98.0, 0.0),), asks=((99.0, 0.0),)))
    assert (book.bids(), book.asks()) == ([Level(97.0, 1.0)], [Level(100.0, 4.0)])


def test_removing_an_absent_level_is_no_error() -> None:
    book = book_of()
    before = book.snapshot().bids
    book.apply(delta(bids=((50.0, 0.0),)))
    assert (book.is_synced, book.snapshot().bids) == (True, before)


def test_levels_that_leave_a_window_do_not_come_back() -> None:
    book = L2Book.from_snapshot(snapshot(asks=((1.0, 1.0), (2.0, 1.0)), depth=2), SequenceRule.CONSECUTIVE)
    book.apply(delta(asks=((0.5, 1.0),)))
    book.apply(delta(asks=((0.5, 0.0),), first=12, last=12))
    assert book.asks() == [Level(1.0, 1.0)]


def test_padded_and_unpadded_prices_are_one_level() -> None:
    book = book_of(bids=((float("86"), 1.0),))
    book.apply(delta(bids=((float("86.0"), 0.0),)))
    assert book.bids() == []


def test_a_gap_is_an_error_that_says_what_came_and_takes_the_book_out_of_sync() -> None:
    book = book_of()
    with pytest.raises(SequenceGapError) as raised:
        book.apply(delta(first=14, last=15))
    assert (str(raised.value), raised.value.expected, raised.value.found) == (
        "acme SOL-USDC: a delta starting at 14 does not follow 10", 11, 14,
    )  # fmt: skip
    assert not book.is_synced


@pytest.mark.parametrize("bids", [((99.5, 1.0),), ((101.0, 1.0), (98.0, 0.0))])
def test_a_crossed_book_is_an_error_and_out_of_sync(bids: Pairs) -> None:
    book = book_of()
    with pytest.raises(CrossedBookError, match=r"acme SOL-USDC: best bid .* is above best ask 99\.0 at sequence 11"):
        book.apply(delta(bids=bids))
    assert (book.is_synced, book.best_bid) == (False, None)


def test_a_crossed_snapshot_is_an_error_and_out_of_sync() -> None:
    book: L2Book[float] = L2Book("acme", "SOL-USDC")
    with pytest.raises(CrossedBookError):
        book.apply(snapshot(((100.0, 1.0),), ((99.0, 1.0),)))
    assert not book.is_synced


def test_a_locked_book_is_valid() -> None:
    book = book_of()
    book.apply(delta(bids=((99.0, 1.0),)))
    assert (book.is_synced, book.spread, book.mid) == (True, 0.0, 99.0)


def answers(book: L2Book[Any]) -> tuple[object, ...]:
    return (
        book.best_bid, book.best_ask, book.mid, book.spread, book.bids(), book.asks(), book.bids(3),
        book.size_at(BookSide.BID, 98.0), book.volume_to(BookSide.ASK, 100.0), book.fill(Side.BUY, 1.0),
        book.snapshot().bids, book.snapshot().asks, book.snapshot().sequence,
    )  # fmt: skip


NO_LEVELS: list[Level[float]] = []
NOTHING = (
    None, None, None, None, NO_LEVELS, NO_LEVELS, NO_LEVELS, 0.0, 0.0, FillEstimate(None, None, 1.0), (), (), None
)  # fmt: skip


def test_a_book_that_was_never_filled_answers_nothing() -> None:
    assert answers(L2Book("acme", "SOL-USDC")) == NOTHING


def test_a_book_out_of_sync_answers_nothing_and_ignores_deltas() -> None:
    book = book_of()
    book.lose_sync()
    assert answers(book) == NOTHING
    assert book.apply_delta(delta()) is Decision.OLD
    assert answers(book) == NOTHING


def test_a_snapshot_brings_it_back_at_the_snapshots_state() -> None:
    book = book_of()
    book.lose_sync()
    fresh = snapshot(((5.0, 1.0),), ((6.0, 1.0),), sequence=400)
    book.apply(fresh)
    assert book.snapshot(cause=SnapshotCause.EXCHANGE) == fresh
    assert book.is_synced


def test_a_snapshot_with_a_smaller_sequence_replaces_too() -> None:
    book = book_of()
    book.apply(snapshot(((5.0, 1.0),), (), sequence=1))
    assert (book.sequence, book.bids(), book.asks()) == (1, [Level(5.0, 1.0)], [])


def test_times_are_those_of_the_last_change() -> None:
    book = book_of()
    assert (book.ts_event, book.ts_recv) == (5, 6)
    book.apply(delta())
    assert (book.ts_event, book.ts_recv) == (7, 8)


def test_mid_and_spread_have_no_digits_that_the_prices_lack() -> None:
    book = book_of(bids=((0.1, 1.0),), asks=((0.3, 1.0),))
    assert (book.mid, book.spread) == (0.2, 0.2)


def test_one_sided_books_have_neither_mid_nor_spread() -> None:
    book = book_of(asks=())
    assert (book.best_bid, book.best_ask, book.mid, book.spread) == (Level(98.0, 2.0), None, None, None)


def test_bids_and_asks_give_the_best_n() -> None:
    book = book_of()
    assert (book.bids(1), book.asks(1), book.bids(0), len(book.asks(9))) == ([(98.0, 2.0)], [(99.0, 3.0)], [], 2)


@pytest.mark.parametrize("number", [float, Decimal])
def test_every_answer_is_in_the_books_number_type(number: type) -> None:
    def levels(*texts: str) -> tuple[tuple[Any, Any], ...]:
        return tuple((number(p), number(s)) for p, s in (t.split("@") for t in texts))

    book = L2Book.from_snapshot(snapshot(levels("98@0.1", "97@0.2"), levels("99@0.1", "100@0.7")))
    found = [
        book.size_at(BookSide.BID, number("97")),
        book.size_at(BookSide.BID, number("96")),
        book.volume_to(BookSide.BID, number("97")),
        book.volume_to(BookSide.BID, number("99")),
        book.volume_to(BookSide.ASK, number("99.5")),
        *book.fill(Side.BUY, number("0.8")),
        *book.fill(Side.SELL, number("1")),
        book.mid,
        book.spread,
    ]
    wanted = ["0.2", "0", "0.3", "0", "0.1", "99.875", "100", "0", None, "97", "0.7", "98.5", "1"]
    average = number("29.2") / number("0.3") if number is Decimal else 97.33333333333333
    assert found == [average if text is None else number(text) for text in wanted]
    assert {type(value) for value in found} == {number}


def test_a_market_order_walks_the_book_from_the_best_price() -> None:
    book = book_of()
    assert [book.fill(Side.BUY, 5.0), book.fill(Side.SELL, 1.0), book.fill(Side.BUY, 10.0)] == [
        FillEstimate(99.4, 100.0, 0.0),
        FillEstimate(98.0, 98.0, 0.0),
        FillEstimate(99.57142857142857, 100.0, 3.0),
    ]


@given(delta_runs(), st.integers(1, 400).map(lambda n: n / 40), st.sampled_from(Side))
def test_what_fills_and_what_does_not_add_up_to_the_order(run: DeltaRun, size: float, side: Side) -> None:
    book = L2Book.from_snapshot(run.end)
    levels = book.asks() if side is Side.BUY else book.bids()
    estimate = book.fill(side, size)
    available = sum((Decimal(repr(level.size)) for level in levels), Decimal(0))
    assert Decimal(repr(estimate.unfilled_size)) == max(Decimal(repr(size)) - available, Decimal(0))
    if levels:
        assert estimate.average_price is not None
        low, high = sorted([levels[0].price, estimate.worst_price or 0.0])
        assert low <= estimate.average_price <= high


def test_arrays_are_padded_with_nan() -> None:
    numpy = pytest.importorskip("numpy")
    found = book_of().arrays(3)
    wanted = [[98.0, 97.0, numpy.nan], [2.0, 1.0, numpy.nan], [99.0, 100.0, numpy.nan], [3.0, 4.0, numpy.nan]]
    for array, values in zip(found, wanted, strict=True):
        numpy.testing.assert_array_equal(array, values)


def test_a_book_says_how_it_is() -> None:
    book = book_of()
    assert repr(book) == "<L2Book acme SOL-USDC in sync, 2×2 levels, sequence 10>"
    book.lose_sync()
    assert "not in sync" in repr(book)
    assert bool(L2Book("acme", "SOL-USDC"))
