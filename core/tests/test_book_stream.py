"""A book is shown in sync or not at all: snapshot, alignment, gap, resync of one instrument, without I/O.

After every event that a stream lets through, ``Books.apply`` over what was let through gives the live book.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tickwire.feed.books import BookStream
from tickwire.feed.streams import SubscriptionState
from tickwire.model.book import L2Book
from tickwire.model.books import Books
from tickwire.model.channels import Channel, Subscription
from tickwire.model.clock import ManualClock
from tickwire.model.events import BookDelta, BookSnapshot, Levels, SnapshotCause
from tickwire.model.instruments import Instrument
from tickwire.model.quality import Event, Gap, GapCause, Repair, Resynced, Severity, Subscribed, UnsubscribeReason
from tickwire.model.sequence import SequenceRule
from tickwire.plugin.info import BookFeed, BookStart

SOL = Instrument("toy", "SOL-USD", "SOL_USD", "SOL", "USD")
START = ManualClock().now()
BIDS: Levels[float] = ((10.0, 1.0), (9.0, 2.0))
ASKS: Levels[float] = ((11.0, 1.0), (12.0, 2.0))


def digest(book: Any) -> int:
    return int(sum(price * size for price, size in [*book.bids(), *book.asks()]) * 8)


class Run:
    """A stream, what it let through, how often it asked for a resync, and a follower of its events."""

    def __init__(
        self,
        start: BookStart = BookStart.REST,
        rule: SequenceRule = SequenceRule.CONSECUTIVE,
        *,
        is_verified: bool = False,
    ) -> None:
        self.clock = ManualClock()
        self.emitted: list[Event] = []
        self.resyncs = 0
        self.books = Books()
        self.stream = BookStream(
            Subscription(Channel.L2_BOOK, SOL), "toy", self.clock, self._emit, BookFeed(start, rule),
            self._needed, digest if is_verified else None,
        )  # fmt: skip
        self.stream.asked("public-1")

    def _needed(self, stream: BookStream) -> None:
        assert stream is self.stream
        self.resyncs += 1

    def _emit(self, event: Event) -> None:
        self.emitted.append(event)
        self.books.apply(event)
        self.check()

    def check(self) -> None:
        live, followed = self.stream.book, self.books.get("SOL-USD")
        if followed is None:
            assert not live.is_synced
        else:
            assert shown(followed) == shown(live)

    def give(self, *events: BookDelta | BookSnapshot) -> Run:
        for event in events:
            if isinstance(event, BookSnapshot):
                self.stream.on_snapshot(event)
            else:
                self.stream.on_delta(event)
        return self

    def since(self, index: int) -> list[Event]:
        return self.emitted[index:]


def shown(book: L2Book) -> object:
    return book.is_synced, book.bids(), book.asks(), book.sequence if book.is_synced else None


def delta(
    first: int,
    last: int | None = None,
    bids: Levels[float] = (),
    asks: Levels[float] = (),
    previous: int | None = None,
    checksum: int | None = None,
) -> BookDelta:
    end = first if last is None else last
    return BookDelta("toy", "SOL-USD", None, START + end, bids, asks, first, end, previous, checksum)


def linked(previous: int, sequence: int, bids: Levels[float] = (), asks: Levels[float] = ()) -> BookDelta:
    return delta(sequence, sequence, bids, asks, previous)


def snapshot(
    sequence: int | None,
    cause: SnapshotCause = SnapshotCause.EXCHANGE,
    bids: Levels[float] = BIDS,
    asks: Levels[float] = ASKS,
    checksum: int | None = None,
) -> BookSnapshot:
    return BookSnapshot("toy", "SOL-USD", None, START + (sequence or 0), bids, asks, sequence, checksum, None, cause)


def covered(since: int) -> Subscribed:
    return Subscribed("toy", "SOL-USD", None, since, Channel.L2_BOOK, "public-1", Severity.INFO, since)


def gap(
    cause: GapCause, ts_start: int, detail: str, first: int | None = None, last: int | None = None, number: int = START
) -> Gap:
    missing = None if first is None or last is None else last - first + 1
    return Gap(
        "toy", "SOL-USD", None, START, Channel.L2_BOOK, "public-1", Severity.WARNING, f"toy/SOL-USD/l2_book/{number}",
        cause, ts_start, None, first, last, missing, Repair.RESYNC, detail,
    )  # fmt: skip


def resynced(sequence: int, down: int = 0, number: int = START) -> Resynced:
    return Resynced(
        "toy", "SOL-USD", None, START, Channel.L2_BOOK, "public-1", Severity.INFO, f"toy/SOL-USD/l2_book/{number}",
        sequence, down,
    )  # fmt: skip


def synced(start: BookStart = BookStart.REST, *, is_verified: bool = False) -> Run:
    """A run in sync at 100."""
    run = Run(start, is_verified=is_verified)
    assert run.stream.offer(snapshot(100))
    return run


# the first snapshot


def test_the_first_snapshot_begins_coverage_and_deltas_follow_it() -> None:
    run = synced().give(delta(101, bids=((9.5, 3.0),)), delta(102))
    assert run.emitted == [
        covered(START + 100),
        snapshot(100, SnapshotCause.INITIAL),
        delta(101, bids=((9.5, 3.0),)),
        delta(102),
    ]


def test_deltas_before_any_snapshot_are_kept_and_not_let_through() -> None:
    run = Run().give(delta(101), delta(102))
    assert (run.emitted, run.resyncs, run.stream.flowing.is_set()) == ([], 0, True)


def test_kept_deltas_follow_a_fetched_snapshot_where_they_fit() -> None:
    run = Run().give(delta(99), delta(100, 101), delta(102, 103))
    assert run.stream.offer(snapshot(100))
    assert run.since(1) == [snapshot(100, SnapshotCause.INITIAL), delta(100, 101), delta(102, 103)]
    assert run.stream.book.sequence == 103


def test_a_snapshot_older_than_the_first_kept_delta_is_refused_and_the_deltas_are_kept() -> None:
    run = Run().give(delta(103), delta(104))
    assert not run.stream.offer(snapshot(101))
    assert run.emitted == []
    assert run.stream.offer(snapshot(102))
    assert run.since(1) == [snapshot(102, SnapshotCause.INITIAL), delta(103), delta(104)]


def test_a_snapshot_newer_than_every_kept_delta_stands_alone() -> None:
    run = Run().give(delta(99), delta(100))
    assert run.stream.offer(snapshot(200))
    assert run.since(1) == [snapshot(200, SnapshotCause.INITIAL)]
    run.give(delta(150), delta(201))
    assert run.since(2) == [delta(201)]


def test_a_hole_among_the_kept_deltas_is_a_gap_behind_the_snapshot() -> None:
    run = Run().give(delta(101), delta(104), delta(105))
    assert run.stream.offer(snapshot(100))
    detail = "2 updates missing (102…103), fetching a snapshot"
    assert run.since(1) == [
        snapshot(100, SnapshotCause.INITIAL),
        delta(101),
        gap(GapCause.SEQUENCE, START + 101, detail, 102, 103),
    ]
    assert run.stream.offer(snapshot(103))
    assert run.since(4) == [snapshot(103, SnapshotCause.RESYNC), resynced(103), delta(104), delta(105)]


def test_a_crossed_first_snapshot_is_refused_and_nothing_was_shown() -> None:
    run = Run()
    assert not run.stream.offer(snapshot(100, bids=((12.0, 1.0),)))
    assert (run.emitted, run.stream.book.best_bid) == ([], None)


def test_asking_again_forgets_what_was_kept_for_the_last_subscription() -> None:
    run = Run().give(delta(300))
    run.stream.asked("public-1")
    assert not run.stream.flowing.is_set()
    assert run.stream.offer(snapshot(100))


# in sync


def test_old_and_repeated_deltas_are_ignored() -> None:
    run = synced().give(delta(101), delta(101), delta(99, 100), delta(102))
    assert run.since(2) == [delta(101), delta(102)]


def test_removing_a_level_that_is_not_there_is_no_error() -> None:
    run = synced().give(delta(101, bids=((5.0, 0.0),), asks=((11.0, 0.0), (99.0, 0.0))))
    assert run.since(2) == [delta(101, bids=((5.0, 0.0),), asks=((11.0, 0.0), (99.0, 0.0)))]
    assert run.stream.book.asks() == [(12.0, 2.0)]


def test_a_delta_without_levels_moves_the_sequence() -> None:
    run = synced().give(delta(101), delta(102, bids=((9.0, 0.0),)))
    assert (run.stream.book.sequence, run.stream.book.bids()) == (102, [(10.0, 1.0)])


def test_a_snapshot_that_comes_unasked_replaces_even_with_a_smaller_sequence() -> None:
    run = synced(BookStart.SOCKET).give(snapshot(1), delta(2))
    assert run.since(2) == [snapshot(1, SnapshotCause.EXCHANGE), delta(2)]


def test_a_snapshot_that_comes_unasked_and_is_crossed_takes_the_book_out_of_sync() -> None:
    run = synced(BookStart.SOCKET).give(snapshot(105, bids=((11.5, 1.0),)), delta(106))
    detail = "toy SOL-USD: best bid 11.5 is above best ask 11.0 at sequence 105"
    assert run.since(2) == [gap(GapCause.CROSSED, START + 100, detail)]
    assert (run.resyncs, run.stream.book.is_synced) == (1, False)


@pytest.mark.parametrize("rule", [SequenceRule.INCREASING, SequenceRule.NONE])
def test_books_without_links_are_followed_as_they_come(rule: SequenceRule) -> None:
    deltas = [BookDelta("toy", "SOL-USD", None, START, (), (), last_sequence=number) for number in (105, 170)]
    run = Run(BookStart.SOCKET, rule).give(snapshot(100), *deltas)
    assert run.since(1) == [snapshot(100, SnapshotCause.INITIAL), *deltas]


# gaps


def test_a_jump_of_the_sequence_is_a_gap_that_asks_for_one_resync() -> None:
    run = synced().give(delta(101), delta(105), delta(106), delta(108))
    detail = "3 updates missing (102…104), fetching a snapshot"
    assert run.since(3) == [gap(GapCause.SEQUENCE, START + 101, detail, 102, 104)]
    assert run.resyncs == 1
    assert (run.stream.book.best_bid, run.stream.book.bids()) == (None, [])


def test_after_a_gap_come_the_snapshot_and_resynced_and_then_the_deltas_kept() -> None:
    run = synced().give(delta(105, bids=((9.5, 1.0),)), delta(106))
    assert run.stream.offer(snapshot(105))
    assert run.since(3) == [snapshot(105, SnapshotCause.RESYNC), resynced(105), delta(106)]
    assert run.stream.gap is None


def test_a_broken_link_is_a_gap_without_a_count() -> None:
    run = Run(BookStart.SOCKET, SequenceRule.LINKED).give(snapshot(100), linked(100, 107), linked(109, 120))
    opened = run.emitted[-1]
    assert isinstance(opened, Gap)
    assert (opened.cause, opened.ts_start) == (GapCause.SEQUENCE, START + 107)
    assert (opened.first_missing, opened.last_missing, opened.missing) == (None, None, None)
    assert run.resyncs == 1


def test_where_the_socket_gives_the_snapshot_deltas_are_not_kept() -> None:
    run = Run(BookStart.SOCKET, SequenceRule.LINKED)
    run.give(snapshot(100), linked(101, 102), linked(102, 103), snapshot(200), linked(200, 205))
    assert run.since(3) == [snapshot(200, SnapshotCause.RESYNC), resynced(200), linked(200, 205)]


def test_a_crossed_book_is_a_gap_and_the_delta_is_not_let_through() -> None:
    run = synced().give(delta(101, bids=((11.5, 1.0),)))
    detail = "toy SOL-USD: best bid 11.5 is above best ask 11.0 at sequence 101, fetching a snapshot"
    assert run.since(2) == [gap(GapCause.CROSSED, START + 100, detail)]
    assert (run.resyncs, run.stream.book.is_synced) == (1, False)


def test_a_locked_book_is_fine() -> None:
    run = synced().give(delta(101, bids=((11.0, 1.0),)))
    assert (run.resyncs, run.stream.book.spread) == (0, 0.0)


def test_a_checksum_that_agrees_lets_the_delta_through() -> None:
    right = digest(L2Book.from_snapshot(snapshot(100)))
    run = synced(is_verified=True).give(delta(101, checksum=right))
    assert run.since(2) == [delta(101, checksum=right)]


def test_a_checksum_that_differs_is_a_gap_and_the_delta_is_not_let_through() -> None:
    right = digest(L2Book.from_snapshot(snapshot(100)))
    run = synced(is_verified=True).give(delta(101, checksum=right + 1))
    detail = f"the exchange's checksum is {right + 1}, ours {right}, at 101, fetching a snapshot"
    assert run.since(2) == [gap(GapCause.CHECKSUM, START + 100, detail)]
    assert (run.resyncs, run.stream.book.is_synced) == (1, False)


def test_a_snapshot_whose_checksum_differs_is_refused() -> None:
    run = Run(is_verified=True)
    assert not run.stream.offer(snapshot(100, checksum=1))
    assert (run.emitted, run.stream.book.is_synced) == ([], False)


def test_without_a_verifier_checksums_are_not_compared() -> None:
    assert synced().give(delta(101, checksum=1)).since(2) == [delta(101, checksum=1)]


def test_a_second_fault_before_the_resync_adds_nothing() -> None:
    run = synced().give(delta(105))
    run.stream.disconnected(START + 105, "disconnected (1006 lost)")
    run.stream.asked("public-1")
    run.give(delta(300))
    assert run.stream.offer(snapshot(300))
    assert run.since(3) == [snapshot(300, SnapshotCause.RESYNC), resynced(300)]


def test_each_gap_has_a_name_of_its_own() -> None:
    run = synced()
    for sequence in (105, 110):
        run.give(delta(sequence))
        assert run.stream.offer(snapshot(sequence))
    names = [event.gap_id for event in run.emitted if isinstance(event, Gap | Resynced)]
    assert names == [f"toy/SOL-USD/l2_book/{START + number}" for number in (0, 0, 1, 1)]


# disconnections


def test_a_disconnection_in_sync_is_a_gap_until_the_next_snapshot() -> None:
    run = synced().give(delta(101))
    run.stream.disconnected(START + 500, "disconnected (1000 bye)")
    assert run.since(3) == [gap(GapCause.DISCONNECTED, START + 500, "disconnected (1000 bye)")]
    assert (run.stream.state, run.stream.book.is_synced) == (SubscriptionState.WANTED, False)
    run.stream.asked("public-1")
    run.give(delta(150))
    assert run.stream.offer(snapshot(149))
    assert run.since(4) == [snapshot(149, SnapshotCause.RESYNC), resynced(149), delta(150)]


def test_a_disconnection_before_the_first_snapshot_is_no_gap() -> None:
    run = Run().give(delta(101))
    run.stream.disconnected(START, "disconnected (1006 lost)")
    run.stream.asked("public-1")
    assert run.stream.offer(snapshot(50))
    assert run.emitted == [covered(START + 50), snapshot(50, SnapshotCause.INITIAL)]


def test_two_disconnections_are_one_gap() -> None:
    run = synced()
    for _ in range(2):
        run.stream.disconnected(START + 500, "disconnected (1000 bye)")
        run.stream.asked("public-1")
    assert run.since(2) == [gap(GapCause.DISCONNECTED, START + 500, "disconnected (1000 bye)")]


@pytest.mark.parametrize("reason", UnsubscribeReason)
def test_the_end_of_coverage_takes_the_book_out_of_sync(reason: UnsubscribeReason) -> None:
    run = synced()
    run.stream.ended(reason)
    assert (run.stream.book.is_synced, run.books["SOL-USD"].is_synced) == (False, False)


# whatever happens


class Exchange:
    """An exchange's own book: every state it had, and the deltas between them."""

    def __init__(self, rule: SequenceRule, checksums: bool) -> None:
        self.rule = rule
        self.checksums = checksums
        self.book = L2Book[float].from_snapshot(snapshot(100))
        self.states = {100: (self.book.bids(), self.book.asks())}
        self.deltas: list[BookDelta] = []

    def move(self, side: bool, price: int, size: float, step: int) -> BookDelta:
        before = self.book.sequence or 0
        last = before + step
        level = ((float(price) + (0 if side else 10), size),)
        bids, asks = (level, ()) if side else ((), level)
        self.book.apply_snapshot(
            BookSnapshot(
                "toy", "SOL-USD", None, START + last,
                tuple({**dict(self.book.bids()), **dict(bids)}.items()),
                tuple({**dict(self.book.asks()), **dict(asks)}.items()),
                last,
            )
        )  # fmt: skip
        self.states[last] = (self.book.bids(), self.book.asks())
        previous = before if self.rule is SequenceRule.LINKED else None
        made = delta(before + 1, last, bids, asks, previous, digest(self.book) if self.checksums else None)
        self.deltas.append(made)
        return made

    def snapshot_of(self, sequence: int) -> BookSnapshot:
        bids, asks = self.states[sequence]
        return snapshot(sequence, bids=tuple(bids), asks=tuple(asks))


class WhateverHappens(RuleBasedStateMachine):
    """Drops, repeats, disorder, corruption, disconnections and stale snapshots: never a wrong book shown as right."""

    @initialize(
        start=st.sampled_from([BookStart.REST, BookStart.SOCKET]),
        rule=st.sampled_from([SequenceRule.CONSECUTIVE, SequenceRule.LINKED]),
        checksums=st.booleans(),
    )
    def begin(self, start: BookStart, rule: SequenceRule, checksums: bool) -> None:
        self.start = start
        self.run = Run(start, rule, is_verified=checksums)
        self.exchange = Exchange(rule, checksums)

    @rule(side=st.booleans(), price=st.integers(1, 5), size=st.sampled_from([0.0, 1.0, 2.5]), step=st.integers(1, 3))
    def deliver(self, side: bool, price: int, size: float, step: int) -> None:
        self.run.give(self.exchange.move(side, price, size, step))

    @rule(side=st.booleans(), price=st.integers(1, 5), size=st.sampled_from([0.0, 1.0]), step=st.integers(1, 3))
    def drop(self, side: bool, price: int, size: float, step: int) -> None:
        self.exchange.move(side, price, size, step)

    @rule(data=st.data())
    def deliver_again(self, data: st.DataObject) -> None:
        if self.exchange.deltas:
            self.run.give(data.draw(st.sampled_from(self.exchange.deltas[-5:])))

    @precondition(lambda self: self.exchange.book.asks())  # a bid that no ask stands against crosses nothing
    @rule()
    def corrupt(self) -> None:
        made = self.exchange.move(True, 1, 1.0, 1)
        crossing = delta(
            made.first_sequence or 0, made.last_sequence, ((50.0, 1.0),), (), made.previous_sequence, made.checksum
        )
        self.run.give(crossing)

    @rule()
    def disconnect(self) -> None:
        self.run.stream.disconnected(self.run.clock.now(), "disconnected")
        self.run.stream.asked("public-1")

    @rule(age=st.integers(0, 4))
    def snapshot_comes(self, age: int) -> None:
        known = sorted(self.exchange.states)
        if self.start is BookStart.REST:
            if not self.run.stream.book.is_synced:
                self.run.stream.offer(self.exchange.snapshot_of(known[max(0, len(known) - 1 - age)]))
        else:
            self.run.give(self.exchange.snapshot_of(known[-1]))

    @invariant()
    def a_book_in_sync_is_the_exchange_s_and_the_follower_s(self) -> None:
        self.run.check()
        book = self.run.stream.book
        if book.is_synced and book.sequence is not None:
            assert (book.bids(), book.asks()) == self.exchange.states[book.sequence]

    @invariant()
    def what_is_let_through_obeys_the_contract(self) -> None:
        has_snapshot, open_gap, awaits = False, "", False
        for event in self.run.emitted:
            assert awaits == isinstance(event, Resynced)
            awaits = False
            if isinstance(event, BookSnapshot):
                has_snapshot, awaits = True, bool(open_gap)
                assert (event.cause is SnapshotCause.RESYNC) == bool(open_gap)
            elif isinstance(event, BookDelta):
                assert has_snapshot
                assert not open_gap
            elif isinstance(event, Gap):
                assert not open_gap
                open_gap = event.gap_id
            elif isinstance(event, Resynced):
                assert (event.gap_id, event.sequence) == (open_gap, self.run_sequence(event))
                open_gap = ""
        assert (self.run.stream.gap.gap_id if self.run.stream.gap else "") == open_gap

    def run_sequence(self, resynced: Resynced) -> int | None:
        before = self.run.emitted[self.run.emitted.index(resynced) - 1]
        assert isinstance(before, BookSnapshot)
        return before.sequence


TestWhateverHappens = WhateverHappens.TestCase
TestWhateverHappens.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
