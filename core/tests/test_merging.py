"""Several legs of one stream: each event passes once, in order; what a leg brought is never announced missing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.feed.books import BookStream
from tickwire.feed.merging import Merge, Tail
from tickwire.feed.streams import Stream
from tickwire.feed.trades import TradeStream
from tickwire.model.book import L2Book
from tickwire.model.channels import Channel, Subscription
from tickwire.model.clock import ManualClock
from tickwire.model.events import BookDelta, BookSnapshot, Trade
from tickwire.model.instruments import Instrument
from tickwire.model.quality import Event, Gap, GapCause
from tickwire.model.sequence import SequenceRule
from tickwire.plugin.info import BookFeed, BookStart, Ids

SOL = Instrument("toy", "SOL-USD", "SOL_USD", "SOL", "USD")
START = ManualClock().now()


def trade(number: int | None, ts_event: int | None = None) -> Trade:
    time = number if ts_event is None else ts_event
    return Trade("toy", "SOL-USD", time, START + (number or 0), 1.0, 2.0, None, str(number), number)


def delta(number: int, rule: SequenceRule = SequenceRule.CONSECUTIVE) -> BookDelta:
    """Its one level tells the number: bid 10 has the size ``number``, and an ask comes or goes."""
    first = number if rule is SequenceRule.CONSECUTIVE else None
    previous = number - 1 if rule is SequenceRule.LINKED else None
    asks = ((20.0 + number % 7, float(number % 3)),)
    return BookDelta("toy", "SOL-USD", number, START + number, ((10.0, float(number)),), asks, first, number, previous)


def shown(book: L2Book) -> object:
    return (book.sequence, book.bids(), book.asks())


def truth(numbers: int, rule: SequenceRule) -> tuple[list[object], list[BookSnapshot]]:
    """The exchange's book, and the snapshot it would give, at each sequence."""
    book = L2Book.from_snapshot(BookSnapshot("toy", "SOL-USD", 0, START, ((10.0, 9.0),), (), 0), rule)
    states, shots = [shown(book)], [book.snapshot()]
    for number in range(1, numbers + 1):
        book.apply_delta(delta(number, rule))
        states.append(shown(book))
        shots.append(book.snapshot())
    return states, shots


class Trades:
    """A stream of trades with what it let through."""

    def __init__(self, *, increasing: bool = False) -> None:
        self.emitted: list[Event] = []
        self.stream = TradeStream(Subscription(Channel.TRADES, SOL), "toy", ManualClock(), self.emitted.append)
        self.stream.ids = Ids.INCREASING if increasing else Ids.CONSECUTIVE
        self.stream.asked("public-1")
        self.merge = self.stream.join()
        assert self.merge is not None

    def primary(self, *numbers: int) -> Trades:
        for number in numbers:
            self.stream.on_event(trade(number))
        return self

    def spare(self, *numbers: int, leg: int = 1) -> Trades:
        assert self.merge is not None
        for number in numbers:
            self.merge.offer(leg, trade(number))
        return self

    def passed(self) -> list[int | None]:
        return [one.sequence for one in self.emitted if isinstance(one, Trade)]

    def holes(self) -> list[tuple[int | None, int | None]]:
        return [(one.first_missing, one.last_missing) for one in self.emitted if isinstance(one, Gap)]


# consecutive ids


def test_the_first_arrival_wins_and_the_other_is_a_duplicate() -> None:
    run = Trades().primary(1).spare(1, 2, 3).primary(2, 3, 4).spare(4, 5).primary(5)
    assert (run.passed(), run.holes()) == ([1, 2, 3, 4, 5], [])


def test_a_spare_that_is_ahead_of_a_primary_that_is_merely_behind_is_no_hole() -> None:
    run = Trades().primary(1).spare(4, 5)
    assert (run.passed(), run.holes()) == ([1], [])
    run.primary(2, 3, 4, 5, 6)
    assert (run.passed(), run.holes()) == ([1, 2, 3, 4, 5, 6], [])


def test_what_the_primary_lacks_a_spare_may_bring_later() -> None:
    run = Trades().primary(1).spare(1).primary(4, 5)
    assert (run.passed(), run.holes()) == ([1], [])
    run.spare(2, 3)
    assert (run.passed(), run.holes()) == ([1, 2, 3, 4, 5], [])


def test_what_all_legs_lack_is_a_hole_as_soon_as_all_are_past_it() -> None:
    run = Trades().primary(1).spare(1).primary(4).spare(2, 4)
    assert (run.passed(), run.holes()) == ([1, 2, 4], [(3, 3)])


def test_nothing_waits_for_a_spare_that_is_gone() -> None:
    run = Trades().primary(1).spare(1).primary(4)
    assert run.merge is not None
    run.merge.drop(1)
    assert (run.passed(), run.holes()) == ([1, 4], [(2, 3)])
    run.primary(7)
    assert (run.passed(), run.holes()) == ([1, 4, 7], [(2, 3), (5, 6)])


def test_nothing_waits_longer_than_it_is_told_to() -> None:
    run = Trades().primary(1).spare(1).primary(4, 5)
    assert run.merge is not None
    run.merge.let_go(START + 3)
    assert run.passed() == [1]
    run.merge.let_go(START + 4)
    assert (run.passed(), run.holes()) == ([1, 4, 5], [(2, 3)])
    run.spare(2, 3, 4)
    assert run.passed() == [1, 4, 5]


def test_no_more_than_a_thousand_wait() -> None:
    run = Trades().primary(1).spare(*range(3, 1_003))
    assert (run.passed()[:3], len(run.passed()), run.holes()) == ([1, 3, 4], 1_001, [(2, 2)])


def test_what_a_spare_brought_too_early_comes_once_it_takes_over() -> None:
    run = Trades().primary(1).spare(3, 4)
    assert run.merge is not None
    assert run.merge.take_over(1)
    assert (run.passed(), run.holes()) == ([1, 3, 4], [(2, 2)])


def test_what_the_old_primary_had_ahead_of_a_hole_is_not_lost_with_it() -> None:
    run = Trades().primary(1).spare(1).primary(3)
    assert run.merge is not None
    assert run.merge.take_over(1)
    assert run.passed() == [1]
    run.primary(4)
    assert (run.passed(), run.holes()) == ([1, 3, 4], [(2, 2)])


def test_a_spare_overlaps_once_it_has_brought_what_the_stream_is_at() -> None:
    run = Trades().primary(1)
    assert run.merge is not None
    assert not run.merge.overlaps(1)
    assert not run.spare(3).merge.overlaps(1)  # type: ignore[union-attr]
    run.primary(2, 3)
    assert run.spare(4).merge.overlaps(1)  # type: ignore[union-attr]


def test_trades_of_before_a_reset_are_not_ahead_of_it() -> None:
    run = Trades().primary(1_000)
    later = 6_000_000_000
    run.stream.on_event(trade(1, ts_event=later))
    assert run.merge is not None
    run.merge.offer(1, trade(1_001, ts_event=1_001))
    run.merge.let_go(START + 10_000)
    run.stream.on_event(trade(2, ts_event=later))
    assert run.passed() == [1_000, 1, 2]
    assert [(one.cause, one.first_missing) for one in run.emitted if isinstance(one, Gap)] == [
        (GapCause.EXCHANGE_RESET, None)
    ]


def test_what_the_new_primary_repeats_is_a_duplicate_even_if_it_dates_it_a_little_later() -> None:
    run = Trades().primary(1, 2, 3).spare(1)
    assert run.merge is not None
    run.merge.take_over(1)
    for number in (2, 3, 4):
        run.stream.on_event(trade(number, ts_event=1_000_000_000))
    assert (run.passed(), run.holes()) == ([1, 2, 3, 4], [])


def test_a_spare_s_trade_that_cannot_be_used_is_left_out_and_hurts_nothing() -> None:
    run = Trades().primary(1).spare(1)
    assert run.merge is not None
    run.merge.offer(1, Trade("toy", "SOL-USD", 2, START + 2, float("nan"), 1.0, None, "2", 2))
    run.spare(3).primary(2, 3)
    assert (run.passed(), run.holes()) == ([1, 2, 3], [])


# ids that only grow


def test_where_ids_only_grow_a_spare_s_are_kept_until_it_takes_over() -> None:
    run = Trades(increasing=True).primary(10).spare(10, 17, 23)
    assert run.passed() == [10]
    run.primary(17)
    assert run.merge is not None
    assert run.merge.overlaps(1)
    assert run.merge.take_over(1)
    run.primary(17, 23, 31)
    assert (run.passed(), run.holes()) == ([10, 17, 23, 31], [])


def test_where_ids_only_grow_a_spare_without_the_last_trade_proves_nothing() -> None:
    run = Trades(increasing=True).primary(10).spare(17)
    assert run.merge is not None
    assert not run.merge.take_over(1)
    assert run.passed() == [10]


# all interleavings


class Leg:
    """One connection as the exchange sees it: what is on its way, in order."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.wire: deque[int] = deque()


class Race:
    """An exchange that numbers what it makes, a primary and spares, each losing what it will."""

    def __init__(self, stream: Stream, make: Callable[[int], Any], primary: Callable[[Any], None]) -> None:
        self.stream = stream
        merge = stream.join()
        assert isinstance(merge, Merge)
        self.merge = merge
        self.made = 0
        self.brought: set[int] = set()
        self._make = make
        self._to_primary = primary
        self._legs = [Leg(0), Leg(1)]
        self._opened = 1

    def step(self, kind: str, which: int, count: int) -> None:
        legs = self._legs
        if kind == "make":
            for _ in range(count):
                self.made += 1
                for position, leg in enumerate(legs):
                    if which >> position & 1:
                        leg.wire.append(self.made)
        elif kind == "bring":
            self.bring(legs[which % len(legs)], count)
        elif kind == "open" and len(legs) < 3:
            self._opened += 1
            legs.append(Leg(self._opened))
        elif kind == "lose a spare" and len(legs) > 1:
            self.merge.drop(legs.pop(1 + which % (len(legs) - 1)).number)
        elif kind == "lose the primary" and len(legs) > 1:
            heir = legs.pop(1 + which % (len(legs) - 1))
            self.merge.take_over(heir.number)
            legs[0] = heir

    def bring(self, leg: Leg, count: int) -> None:
        for _ in range(min(count, len(leg.wire))):
            number = leg.wire.popleft()
            if self.stream.is_following:
                self.brought.add(number)
            event = self._make(number)
            if leg is self._legs[0]:
                self._to_primary(event)
            else:
                self.merge.offer(leg.number, event)

    def finish(self) -> None:
        for leg in self._legs:
            self.bring(leg, len(leg.wire))
        for leg in self._legs[1:]:
            self.merge.drop(leg.number)
        self.merge.let_go(START + self.made)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["make", "make", "bring", "bring", "bring", "open", "lose a spare", "lose the primary"]),
        st.integers(0, 7),
        st.integers(1, 4),
    ),
    max_size=60,
)


@given(steps=STEPS)
def test_every_trade_passes_once_and_in_order_and_a_gap_is_what_no_leg_brought(
    steps: list[tuple[str, int, int]],
) -> None:
    numbers: list[int] = []
    missing: list[int] = []

    def emit(event: Event) -> None:
        if isinstance(event, Trade):
            assert event.sequence is not None
            numbers.append(event.sequence)
        elif isinstance(event, Gap):
            assert event.cause is GapCause.SEQUENCE
            assert event.first_missing is not None
            assert event.last_missing is not None
            hole = range(event.first_missing, event.last_missing + 1)
            assert race.brought.isdisjoint(hole)
            missing.extend(hole)

    stream = TradeStream(Subscription(Channel.TRADES, SOL), "toy", ManualClock(), emit)
    race = Race(stream, trade, stream.on_event)
    stream.on_event(trade(0))
    for step in steps:
        race.step(*step)
    race.finish()
    assert numbers == sorted(set(numbers))
    assert sorted(numbers + missing) == list(range(numbers[-1] + 1))
    assert race.brought <= {*numbers, *missing}


@pytest.mark.parametrize("rule", [SequenceRule.CONSECUTIVE, SequenceRule.LINKED])
@settings(deadline=None)
@given(steps=STEPS, asked=st.integers(1, 5))
def test_the_book_is_the_exchange_s_at_every_event_and_a_gap_is_what_no_leg_brought(
    rule: SequenceRule, steps: list[tuple[str, int, int]], asked: int
) -> None:
    states, shots = truth(5 * len(steps), rule)
    sequences: list[int] = []
    wanted = [False]

    def emit(event: Event) -> None:
        if isinstance(event, BookDelta | BookSnapshot):
            assert shown(stream.book) == states[stream.book.sequence or 0]
            sequences.append(stream.book.sequence or 0)
        elif isinstance(event, Gap) and event.first_missing is not None:
            assert event.last_missing is not None
            assert race.brought.isdisjoint(range(event.first_missing, event.last_missing + 1))

    def resync(stream: BookStream) -> None:
        wanted[0] = True

    subscription = Subscription(Channel.L2_BOOK, SOL)
    stream = BookStream(subscription, "toy", ManualClock(), emit, BookFeed(BookStart.REST, rule), resync)
    race = Race(stream, lambda number: delta(number, rule), stream.on_delta)
    assert stream.offer(shots[0])
    for number, step in enumerate(steps):
        race.step(*step)
        if wanted[0] and number % asked == 0:
            wanted[0] = not stream.offer(shots[race.made])
    race.finish()
    assert sequences == sorted(sequences)
    assert wanted[0] or stream.book.is_synced


@given(steps=STEPS)
def test_where_ids_only_grow_a_proven_change_of_the_primary_loses_and_repeats_nothing(
    steps: list[tuple[str, int, int]],
) -> None:
    numbers: list[int] = []

    def emit(event: Event) -> None:
        if isinstance(event, Trade):
            numbers.append(event.sequence or 0)

    stream = TradeStream(Subscription(Channel.TRADES, SOL), "toy", ManualClock(), emit)
    stream.ids = Ids.INCREASING
    merge = stream.join()
    assert isinstance(merge, Tail)
    stream.on_event(trade(0))
    legs, made, opened = [Leg(0), Leg(1)], 0, 1
    legs[1].wire.append(0)
    for kind, which, count in steps:
        if kind == "make":
            for leg in legs:
                leg.wire.extend(range(made + 1, made + count + 1))
            made += count
        elif kind == "bring":
            leg = legs[which % 2]
            for _ in range(min(count, len(leg.wire))):
                event = trade(leg.wire.popleft())
                (stream.on_event if leg is legs[0] else lambda one, leg=leg: merge.offer(leg.number, one))(event)  # type: ignore[misc]
        elif kind == "lose the primary" and merge.overlaps(legs[1].number):
            assert merge.take_over(legs[1].number)
            opened += 1
            legs = [legs[1], Leg(opened)]
    for number in legs[0].wire:
        stream.on_event(trade(number))
    assert numbers == list(range(made + 1))
