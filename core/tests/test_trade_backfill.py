"""Holes in the trades are filled in order or late; what cannot be filled is announced; nothing passes twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tickwire.feed.marks import Mark
from tickwire.feed.settings import Backfill, RecoverySettings
from tickwire.feed.streams import SubscriptionState
from tickwire.feed.trades import TradeStream
from tickwire.model.channels import Channel, Subscription
from tickwire.model.clock import ManualClock
from tickwire.model.events import Trade
from tickwire.model.instruments import Instrument
from tickwire.model.quality import Backfilled, Event, Gap, GapCause, Repair, Subscribed, Unsubscribed, UnsubscribeReason
from tickwire.plugin.info import Ids

SOL = Instrument("toy", "SOL-USD", "SOL_USD", "SOL", "USD")
START = ManualClock().now()
SECOND = 1_000_000_000


def trade(number: int, *, backfilled: bool = False, later: int = 0, counted: bool = True) -> Trade:
    sequence = number if counted else None
    time = START + (number + later) * SECOND
    return Trade("toy", "SOL-USD", time, time, 1.0, 2.0, None, str(number), sequence, None, backfilled)


class Run:
    """A stream whose holes are filled by the test."""

    def __init__(self, backfill: Backfill = Backfill.IN_ORDER, ids: Ids = Ids.CONSECUTIVE, most: int = 10_000) -> None:
        self.clock = ManualClock()
        self.emitted: list[Event] = []
        self.asked = 0
        self.counted = ids is Ids.CONSECUTIVE
        self.stream = TradeStream(Subscription(Channel.TRADES, SOL), "toy", self.clock, self.emitted.append)
        self.stream.ids = ids
        self.stream.recovery = RecoverySettings(backfill, hold_most=most)
        self.stream.on_hole = self.hole
        self.stream.asked("public-1")

    def hole(self, stream: TradeStream) -> None:
        self.asked += 1

    def live(self, *numbers: int) -> Run:
        for number in numbers:
            self.stream.on_event(trade(number, counted=self.counted))
        return self

    def lose(self) -> Run:
        self.stream.disconnected(START, "disconnected (1006 lost)")
        return self

    def back(self) -> Run:
        self.stream.asked("public-1")
        return self

    def page(self, *numbers: int) -> Run:
        self.stream.filled([trade(number, backfilled=True, counted=self.counted) for number in numbers])
        return self

    @property
    def passed(self) -> list[int]:
        return [int(event.trade_id or 0) for event in self.emitted if isinstance(event, Trade)]

    def story(self, since: int = 0) -> list[str]:
        return [told(event) for event in self.emitted[since:]]


def told(event: Event) -> str:
    match event:
        case Trade():
            return f"{'+' if event.backfilled else ''}{event.trade_id}"
        case Gap():
            end = "open" if event.ts_end is None else "ended"
            return f"gap {event.cause} {event.first_missing}-{event.last_missing} {event.missing} {event.repair} {end}"
        case Backfilled():
            of = f"{event.first_id}-{event.last_id}"
            return f"filled {event.count} {of} {'all' if event.is_complete else f'but {event.remaining}'}"
        case Subscribed():
            return "begin"
        case Unsubscribed():
            return "end"
    raise AssertionError(event)


def test_a_hole_after_a_disconnection_is_filled_before_live_trades_go_on() -> None:
    run = Run().live(1, 2).lose().back().live(6, 7).page(5, 4, 3).live(8)
    assert run.story() == [
        "begin", "1", "2", "gap disconnected None-None None backfill open", "gap disconnected 3-5 3 backfill ended",
        "+3", "+4", "+5", "filled 3 3-5 all", "6", "7", "8",
    ]  # fmt: skip


def test_one_gap_has_one_name_from_its_beginning_to_its_end() -> None:
    run = Run().live(1).lose().back().live(6).page(3).page(2, 4, 5)
    names = [event.gap_id for event in run.emitted if isinstance(event, Gap | Backfilled)]
    assert len(names) == 3
    assert len(set(names)) == 1


def test_a_jump_while_connected_is_filled_likewise() -> None:
    assert Run().live(1, 4, 5).page(2, 3).story(1) == [
        "1", "gap sequence 2-3 2 backfill open", "+2", "+3", "filled 2 2-3 all", "4", "5",
    ]  # fmt: skip


def test_late_backfill_never_holds_a_live_trade() -> None:
    assert Run(Backfill.LATE).live(1, 4, 5).page(3, 2).live(6).story(1) == [
        "1", "gap sequence 2-3 2 backfill open", "4", "5", "+2", "+3", "filled 2 2-3 all", "6",
    ]  # fmt: skip


def test_what_history_has_of_a_hole_passes_at_once_as_far_as_it_is_in_order() -> None:
    run = Run().live(1).lose().back().live(9).page(2, 3, 6)
    assert run.passed == [1, 2, 3]
    assert run.page(4, 5).passed == [1, 2, 3, 4, 5, 6]


def test_a_quiet_instrument_is_filled_without_waiting_for_its_next_trade() -> None:
    run = Run().live(1).lose().back().page(1, 2, 3)
    run.stream.settle()
    assert run.live(4).story(2) == [
        "gap disconnected None-None None backfill open", "+2", "+3", "filled 2 2-3 all", "4",
    ]  # fmt: skip


def test_settling_proves_that_the_subscription_works() -> None:
    run = Run().live(1).lose().back().page(1)
    run.stream.settle()
    assert (run.stream.state, run.story(3)) == (
        SubscriptionState.ACTIVE, ["gap disconnected None-None 0 none ended"],
    )  # fmt: skip


def test_ids_that_go_on_prove_that_nothing_was_missed() -> None:
    assert Run().live(1).lose().back().live(2, 3).story(2) == [
        "gap disconnected None-None None backfill open", "gap disconnected None-None 0 none ended", "2", "3",
    ]  # fmt: skip


def test_a_second_disconnection_makes_the_hole_longer() -> None:
    run = Run().live(1).lose().back().live(4).lose().back().live(7).page(2, 3, 4, 5, 6)
    assert run.passed == [1, 2, 3, 4, 5, 6, 7]
    assert [event.gap_id for event in run.emitted if isinstance(event, Gap)].count(run.emitted[2].gap_id) == 3  # type: ignore[union-attr]


def test_what_history_has_beyond_the_newest_live_trade_comes_by_itself() -> None:
    assert Run().live(1, 4).page(2, 3, 5, 6).live(5, 6).story(2) == [
        "gap sequence 2-3 2 backfill open", "+2", "+3", "filled 2 2-3 all", "4", "5", "6",
    ]  # fmt: skip


def test_trades_that_come_out_of_order_are_put_in_order() -> None:
    assert Run().live(1, 3, 2, 4).passed == [1, 2, 3, 4]


def test_a_trade_that_waits_or_was_filled_does_not_pass_again() -> None:
    run = Run().live(1, 4, 4).page(2, 3, 4).live(2, 3, 4, 5)
    assert (run.passed, run.stream.duplicates) == ([1, 2, 3, 4, 5], 4)


def test_trades_released_by_time_go_on_and_what_is_found_then_comes_late() -> None:
    run = Run().live(1, 4)
    run.stream.release("waited 15 s")
    assert run.live(5).page(2, 3).live(6).story(2) == [
        "gap sequence 2-3 2 backfill open", "gap sequence 2-3 2 backfill ended", "4", "5", "+2", "+3",
        "filled 2 2-3 all", "6",
    ]  # fmt: skip


def test_more_than_so_many_trades_do_not_wait() -> None:
    run = Run(most=3).live(1, 5, 6, 7)
    assert run.passed == [1]
    assert run.live(8).passed == [1, 5, 6, 7, 8]


def test_what_history_does_not_have_stays_missing_and_is_said() -> None:
    run = Run().live(1, 6).page(2, 5)
    run.stream.give_up("the exchange's history does not have them")
    assert run.live(7).story(3) == [
        "+2", "+5", "6", "filled 2 2-5 but 2", "gap sequence 3-4 2 none ended", "7",
    ]  # fmt: skip
    (last,) = [event for event in run.emitted if isinstance(event, Gap)][-1:]
    assert last.detail == "2 trades missing; not filled: the exchange's history does not have them"


def test_stopping_lets_through_what_waits() -> None:
    run = Run().live(1, 4)
    run.stream.ended(UnsubscribeReason.STOPPED)
    assert run.story(3) == ["4", "gap sequence 2-3 2 none ended", "end"]


def test_a_hole_whose_end_never_came_is_not_called_harmless_when_it_is_given_up() -> None:
    run = Run().live(1, 2).lose().back()
    asyncio.run(run.clock.advance(60))
    run.stream.ended(UnsubscribeReason.STOPPED)
    (gap,) = [event for event in run.emitted if isinstance(event, Gap) and event.ts_end is not None]
    assert (gap.missing, gap.ts_start, gap.ts_end, gap.detail) == (
        None, START, START + 60 * SECOND, "how many trades are missing is not known; not filled: coverage ends",
    )  # fmt: skip


def test_a_hole_before_the_first_trade_is_filled_from_the_trade_before_coverage_began() -> None:
    run = Run()
    run.stream.confirmed(START + 10 * SECOND)
    run.stream.quiet_after(trade(8))
    run.lose().back().page(7, 8, 9, 10, 11)
    run.stream.settle()
    assert run.live(12).passed == [9, 10, 11, 12]


def test_a_run_that_saw_no_trade_is_resumed_from_its_time() -> None:
    run = Run()
    run.stream.resume(Mark(START + 9 * SECOND, None))
    run.back().page(7, 8, 9, 10, 11)
    run.stream.settle()
    assert run.live(12, 14).passed == [8, 9, 10, 11, 12]


def test_where_it_saw_no_trade_and_history_has_none_since_the_next_one_must_follow_the_last_before() -> None:
    run = Run()
    run.stream.resume(Mark(START + 20 * SECOND, None))
    run.back().page(7, 8)
    run.stream.settle()
    assert run.live(10).stream.gap is not None
    assert run.page(9).passed == [9, 10]


def test_the_hole_since_the_last_run_is_announced_and_filled() -> None:
    run = Run()
    run.stream.resume(Mark(START - 60 * SECOND, trade(3)))
    run.live(6).page(4, 5, 3)
    assert run.story() == [
        "gap not_running None-None None backfill open", "begin", "gap not_running 4-5 2 backfill ended",
        "+4", "+5", "filled 2 4-5 all", "6",
    ]  # fmt: skip


def test_a_run_killed_before_its_first_watermark_leaves_a_mark_of_where_it_began() -> None:
    run, marks = Run(), []
    run.stream.on_mark = lambda mark, event: marks.append((mark, type(event)))
    run.live(1, 2)
    assert marks == [(Mark(START + SECOND), Subscribed)]


def test_while_the_hole_since_the_last_run_is_open_its_mark_stays_as_it_was() -> None:
    run, marks = Run(), []
    run.stream.on_mark = lambda mark, event: marks.append(mark)
    run.stream.resume(Mark(START - SECOND, trade(1)))
    run.live(5)
    assert any(isinstance(event, Subscribed) for event in run.emitted)
    assert marks == []


def test_a_run_that_ended_too_long_ago_is_announced_and_not_filled() -> None:
    run = Run()
    run.stream.resume(Mark(START - 90_000 * SECOND, trade(3)))
    assert run.live(6, 7).story() == [
        "gap not_running None-None None none open", "begin", "gap not_running 4-5 2 none ended", "6", "7",
    ]  # fmt: skip
    assert run.asked == 0
    assert run.live(9).asked > 0


@pytest.mark.parametrize("ids", [Ids.OPAQUE, Ids.INCREASING])
def test_where_ids_do_not_count_a_page_must_overlap_both_edges(ids: Ids) -> None:
    run = Run(ids=ids).live(1, 2).lose().back().live(6, 7).page(3, 4, 5)
    assert run.passed == [1, 2]
    assert run.page(2, 3, 4, 5, 6).story(4) == ["+3", "+4", "+5", "filled 3 None-None all", "6", "7"]


def test_repeats_after_a_reconnection_are_dropped_where_ids_name_trades() -> None:
    assert Run(ids=Ids.OPAQUE).live(1, 2).lose().back().live(1, 2, 3).page(2, 3).passed == [1, 2, 3]


def test_an_exchange_that_counts_anew_flows_on() -> None:
    run = Run().live(900, 903)
    run.stream.on_event(trade(3, later=2_000))
    run.stream.on_event(trade(4, later=2_000))
    assert run.passed == [900, 903, 3, 4]
    assert [event.cause for event in run.emitted if isinstance(event, Gap)][-1] is GapCause.EXCHANGE_RESET


def test_what_history_dates_less_finely_than_the_stream_is_no_reset() -> None:
    run = Run().live(1).lose().back()
    early = [msgspec.structs.replace(trade(number, backfilled=True), ts_event=START) for number in (2, 3)]
    run.stream.filled(early)
    assert run.live(2, 3, 4).passed == [1, 2, 3, 4]
    assert [event.cause for event in run.emitted if isinstance(event, Gap)] == [GapCause.DISCONNECTED]


class WhateverHappens(RuleBasedStateMachine):
    """Drops, disorder, repeats, disconnections, stale and short pages: each trade once, or inside an announced hole."""

    @initialize(backfill=st.sampled_from([Backfill.IN_ORDER, Backfill.LATE]), most=st.sampled_from([5, 10_000]))
    def begin(self, backfill: Backfill, most: int) -> None:
        self.backfill = backfill
        self.run = Run(backfill, most=most)
        self.top = 100
        self.is_open = True
        self.last_page: list[int] = []
        self.is_released = False
        self.run.live(100)

    @precondition(lambda self: self.is_open)
    @rule(count=st.integers(1, 4))
    def trades_come(self, count: int) -> None:
        for _ in range(count):
            self.top += 1
            self.run.live(self.top)

    @rule(count=st.integers(1, 4))
    def trades_are_lost(self, count: int) -> None:
        self.top += count

    @precondition(lambda self: self.is_open)
    @rule(back=st.integers(0, 6))
    def one_is_repeated(self, back: int) -> None:
        self.run.live(max(100, self.top - back))

    @precondition(lambda self: self.is_open)
    @rule()
    def connection_ends(self) -> None:
        self.run.lose()
        self.is_open = False

    @precondition(lambda self: not self.is_open)
    @rule()
    def connection_is_back(self) -> None:
        self.run.back()
        self.is_open = True

    @precondition(lambda self: self.is_open)
    @rule(stale=st.integers(0, 5), rows=st.integers(0, 12))
    def history_answers(self, stale: int, rows: int) -> None:
        end = max(100, self.top - stale)
        self.run.page(*range(max(90, end - rows), end + 1))

    @rule()
    def patience_ends(self) -> None:
        self.is_released |= self.run.stream.hole is not None and self.backfill is Backfill.IN_ORDER
        self.run.stream.release("waited 15 s")

    @precondition(lambda self: self.is_open)
    @rule()
    def all_is_asked_for(self) -> None:
        self.run.page(*range(90, self.top + 1))
        self.run.stream.settle()

    @rule()
    def history_is_given_up(self) -> None:
        self.run.stream.give_up("it is gone")

    @invariant()
    def nothing_passes_twice_or_is_invented(self) -> None:
        passed = self.run.passed
        assert len(passed) == len(set(passed))
        assert all(100 <= number <= self.top for number in passed)

    @invariant()
    def live_trades_are_in_order(self) -> None:
        live = [int(e.trade_id or 0) for e in self.run.emitted if isinstance(e, Trade) and not e.backfilled]
        if self.backfill is Backfill.IN_ORDER and not self.is_released and self.run.stream.recovery.hold_most > 5:
            assert self.run.passed == sorted(self.run.passed)
        assert live == sorted(live) or self.is_disordered(live)

    def is_disordered(self, live: Sequence[int]) -> bool:
        # a lost trade that comes again from the exchange itself fills its own hole, late
        return self.backfill is Backfill.LATE or self.is_released or self.run.stream.recovery.hold_most == 5

    @invariant()
    def what_did_not_pass_lies_in_an_announced_hole(self) -> None:
        passed = set(self.run.passed)
        if self.run.stream.gap is not None:
            return
        holes = [e for e in self.run.emitted if isinstance(e, Gap) and e.repair is Repair.NONE and e.missing]
        announced = {number for e in holes for number in range(e.first_missing or 0, (e.last_missing or 0) + 1)}
        assert set(range(100, max(passed) + 1)) - passed <= announced

    @invariant()
    def nothing_waits_without_an_open_gap(self) -> None:
        assert (self.run.stream.hole is None) == (self.run.stream.gap is None)


TestWhateverHappens = WhateverHappens.TestCase
TestWhateverHappens.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
