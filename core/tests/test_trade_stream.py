"""Trades go through once and in order; every id that is left out lies in an announced ``Gap``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.feed.streams import Stream, SubscriptionState, SubscriptionStatus
from tickwire.feed.trades import TradeStream
from tickwire.model.channels import Channel, Subscription
from tickwire.model.clock import ManualClock
from tickwire.model.events import MarketEvent, Quote, Trade
from tickwire.model.instruments import Instrument
from tickwire.model.quality import (
    Event,
    Gap,
    GapCause,
    Repair,
    Severity,
    Subscribed,
    Unsubscribed,
    UnsubscribeReason,
)
from tickwire.plugin.info import Ids

SOL = Instrument("toy", "SOL-USD", "SOL_USD", "SOL", "USD")
START = ManualClock().now()
SECOND = 1_000_000_000


class Run:
    """A stream with what it let through."""

    def __init__(self, channel: Channel = Channel.TRADES, *, consecutive: bool = True) -> None:
        self.clock = ManualClock()
        self.emitted: list[Event] = []
        subscription = Subscription(channel, SOL)
        if channel is Channel.TRADES:
            self.stream: Stream = TradeStream(subscription, "toy", self.clock, self.emitted.append)
            self.trades.ids = Ids.CONSECUTIVE if consecutive else Ids.NONE
        else:
            self.stream = Stream(subscription, "toy", self.clock, self.emitted.append)
        self.stream.asked("public-1")

    @property
    def trades(self) -> TradeStream:
        assert isinstance(self.stream, TradeStream)
        return self.stream

    def give(self, *trades: MarketEvent) -> Run:
        for trade in trades:
            self.stream.on_event(trade)
        return self

    def lose(self, ts_good: int = 0, why: str = "disconnected (1006 lost)") -> Run:
        self.stream.disconnected(ts_good, why)
        return self

    def back(self) -> Run:
        self.stream.asked("public-1")
        return self

    def pass_time(self, seconds: float) -> Run:
        asyncio.run(self.clock.advance(seconds))
        return self

    def let_through(self) -> list[int | None]:
        return [event.sequence for event in self.emitted if isinstance(event, Trade)]

    def gaps(self) -> list[Gap]:
        return [event for event in self.emitted if isinstance(event, Gap)]


def trade(number: int | None, ts_event: int | None = -1) -> Trade:
    """A trade received ``number`` ns after the start; its own time is its number unless told."""
    time = number if ts_event == -1 else ts_event
    return Trade("toy", "SOL-USD", time, START + (number or 0), 1.0, 2.0, None, str(number), number)


def gap(
    cause: GapCause,
    ts_start: int | None,
    ts_end: int | None,
    first: int | None,
    last: int | None,
    missing: int | None,
    detail: str,
    severity: Severity = Severity.WARNING,
    now: int = START,
    number: int = START,
) -> Gap:
    return Gap(
        "toy", "SOL-USD", None, now, Channel.TRADES, "public-1", severity, f"toy/SOL-USD/trades/{number}", cause,
        ts_start, ts_end, first, last, missing, Repair.NONE, detail,
    )  # fmt: skip


def covered(since: int) -> Subscribed:
    return Subscribed("toy", "SOL-USD", None, since, Channel.TRADES, "public-1", Severity.INFO, since)


def test_coverage_begins_with_the_first_trade_where_nothing_is_acknowledged() -> None:
    assert Run().give(trade(7), trade(8)).emitted == [covered(START + 7), trade(7), trade(8)]


def test_where_trades_are_counted_coverage_begins_with_the_first_one() -> None:
    run = Run()
    run.stream.confirmed(START + 3)
    run.stream.confirmed(START + 4)
    assert (run.emitted, run.stream.state, run.stream.is_covered) == ([], SubscriptionState.ACTIVE, False)
    assert run.give(trade(7)).emitted == [covered(START + 7), trade(7)]


@pytest.mark.parametrize("ids", [Ids.NONE, Ids.INCREASING])
def test_where_they_are_not_coverage_begins_with_the_acknowledgement_and_only_once(ids: Ids) -> None:
    run = Run()
    run.trades.ids = ids
    run.stream.confirmed(START + 3)
    run.stream.confirmed(START + 4)
    assert run.give(trade(7)).emitted == [covered(START + 3), trade(7)]


def test_a_quiet_instrument_is_covered_since_the_acknowledgement_and_counted_from_history_s_last_trade() -> None:
    run = Run()
    run.stream.confirmed(START + 3)
    assert run.trades.awaits_first
    run.trades.quiet_after(msgspec.structs.replace(trade(6), backfilled=True))
    (began,) = run.emitted
    assert isinstance(began, Subscribed)
    assert (began.ts_since, run.trades.awaits_first, run.trades.latency) == (START + 3, False, None)
    assert run.give(trade(8)).let_through() == [8]
    assert [(one.first_missing, one.last_missing) for one in run.gaps()] == [(7, 7)]


def test_what_history_dates_near_the_acknowledgement_is_not_covered() -> None:
    run = Run()
    run.stream.confirmed(START + 3)
    run.trades.quiet_after(trade(6, ts_event=START + 1))
    (began,) = run.emitted
    assert isinstance(began, Subscribed)
    assert began.ts_since == START + 1 + 2 * SECOND


def test_a_trade_that_was_let_through_is_not_let_through_again() -> None:
    run = Run().give(trade(7), trade(8), trade(8), trade(7), trade(9))
    assert run.let_through() == [7, 8, 9]
    assert (run.gaps(), run.trades.duplicates) == ([], 2)


def test_a_jump_of_the_ids_is_a_hole_with_both_its_ends() -> None:
    run = Run().give(trade(7), trade(11))
    assert run.emitted[2:] == [
        gap(GapCause.SEQUENCE, START + 7, START + 11, 8, 10, 3, "3 trades missing (8…10)"),
        trade(11),
    ]


def test_a_trade_that_comes_late_stays_missing_as_announced() -> None:
    run = Run().give(trade(7), trade(9), trade(8), trade(10))
    assert run.let_through() == [7, 9, 10]
    assert [(one.first_missing, one.last_missing) for one in run.gaps()] == [(8, 8)]


def test_a_disconnection_opens_a_hole_that_the_next_trade_measures() -> None:
    run = Run().give(trade(7)).lose(START + 50).back().pass_time(1).give(trade(10), trade(11))
    assert run.emitted[2:] == [
        gap(GapCause.DISCONNECTED, START + 50, None, None, None, None, "disconnected (1006 lost)"),
        gap(
            GapCause.DISCONNECTED, START + 50, START + 10, 8, 9, 2, "2 trades missing (8…9)", now=START + 1_000_000_000
        ),
        trade(10),
        trade(11),
    ]


def test_a_disconnection_that_missed_nothing_is_proven_harmless() -> None:
    run = Run().give(trade(7)).lose(START + 50).back().give(trade(8))
    assert run.emitted[3:] == [
        gap(
            GapCause.DISCONNECTED, START + 50, START + 8, None, None, 0, "nothing was missed: the ids go on",
            Severity.INFO,
        ),
        trade(8),
    ]  # fmt: skip


def test_an_old_trade_after_a_disconnection_does_not_close_the_hole() -> None:
    run = Run().give(trade(7), trade(8)).lose().back().give(trade(7), trade(8), trade(11))
    assert run.let_through() == [7, 8, 11]
    assert [(one.first_missing, one.last_missing) for one in run.gaps()] == [(None, None), (9, 10)]


def test_two_disconnections_in_a_row_are_one_hole() -> None:
    run = Run().give(trade(7)).lose(START + 50).back().lose(START + 60).back().give(trade(9))
    opened, closed = run.gaps()
    assert (opened.gap_id, opened.ts_start, opened.ts_end) == (closed.gap_id, START + 50, None)
    assert (closed.ts_start, closed.first_missing, closed.last_missing) == (START + 50, 8, 8)


def test_a_disconnection_before_anything_was_covered_is_no_hole() -> None:
    assert Run().lose().back().lose().emitted == []


def test_a_disconnection_before_the_first_counted_trade_is_no_hole() -> None:
    run = Run()
    run.stream.confirmed(START + 3)
    run.lose(START + 50).back()
    run.stream.confirmed(START + 60)
    assert run.give(trade(9)).emitted == [covered(START + 9), trade(9)]


def test_a_disconnection_before_the_first_trade_is_closed_by_it_without_a_count() -> None:
    run = Run()
    run.trades.ids = Ids.INCREASING
    run.stream.confirmed(START + 3)
    run.lose(START + 50).back().give(trade(9))
    assert run.emitted[1:] == [
        gap(GapCause.DISCONNECTED, START + 50, None, None, None, None, "disconnected (1006 lost)"),
        gap(
            GapCause.DISCONNECTED, START + 50, START + 9, None, None, None,
            "trades flow again; how many are missing is not known",
        ),
        trade(9),
    ]  # fmt: skip
    assert run.stream.gap is None


def test_holes_have_names_of_their_own_even_at_one_moment() -> None:
    run = Run().give(trade(7), trade(9), trade(11)).lose().back().give(trade(12)).lose()
    assert len({one.gap_id for one in run.gaps()}) == 4


def test_ids_that_fall_at_a_later_time_are_a_reset_and_flow_on() -> None:
    run = Run().give(trade(900), trade(3, 901), trade(4, 902))
    assert run.let_through() == [900, 3, 4]
    assert run.gaps() == [
        gap(GapCause.EXCHANGE_RESET, START + 900, START + 3, None, None, None, "ids fell from 900 to 3")
    ]


def test_after_a_reset_a_repeat_that_is_dated_a_little_later_is_no_second_one() -> None:
    run = Run().give(trade(900), trade(3, 901), trade(4, 902), trade(3, 1_000_000_000), trade(5, 903))
    assert run.let_through() == [900, 3, 4, 5]
    assert (len(run.gaps()), run.trades.duplicates) == (1, 1)


def test_ids_that_fall_without_a_later_time_are_old_trades() -> None:
    run = Run().give(trade(900, None), trade(3, None), trade(901, None))
    assert (run.let_through(), run.gaps()) == ([900, 901], [])


@pytest.mark.parametrize("numbers", [(None, None, None), (5, 9, 2), (5, 5, 5)])
def test_ids_that_prove_nothing_are_not_judged(numbers: tuple[int | None, ...]) -> None:
    trades = [trade(number) for number in numbers]
    assert Run(consecutive=False).give(*trades).emitted[1:] == trades


def test_a_hole_of_trades_whose_ids_prove_nothing_ends_without_a_count() -> None:
    run = Run(consecutive=False).give(trade(5)).lose(START + 50).back().give(trade(9), trade(2))
    assert [(one.ts_end, one.missing) for one in run.gaps()] == [(None, None), (START + 9, None)]
    assert run.let_through() == [5, 9, 2]


def test_a_hole_of_a_channel_without_ids_is_opened_and_closed_each_time() -> None:
    run = Run(Channel.L1_BOOK)
    quotes = [Quote("toy", "SOL-USD", None, START + number, 1.0, 1.0, 2.0, 1.0) for number in range(3)]
    run.give(quotes[0]).lose(START + 50).back().give(quotes[1]).lose(START + 60).back().give(quotes[2])
    assert [(one.ts_start, one.ts_end, one.missing) for one in run.gaps()] == [
        (START + 50, None, None),
        (START + 50, START + 1, None),
        (START + 60, None, None),
        (START + 60, START + 2, None),
    ]
    assert [event for event in run.emitted if isinstance(event, Quote)] == quotes


def test_the_end_of_coverage_is_told_with_its_reason() -> None:
    run = Run().give(trade(7))
    run.stream.ended(UnsubscribeReason.STOPPED)
    assert run.emitted[2:] == [
        Unsubscribed(
            "toy", "SOL-USD", None, START, Channel.TRADES, "public-1", Severity.INFO, UnsubscribeReason.STOPPED
        )
    ]
    assert (run.stream.is_covered, run.stream.state) == (False, SubscriptionState.WANTED)


def test_a_refused_subscription_is_not_disconnected() -> None:
    run = Run()
    run.stream.ended(UnsubscribeReason.REFUSED)
    run.lose()
    assert run.stream.state is SubscriptionState.REFUSED
    assert [type(event) for event in run.emitted] == [Unsubscribed]


def test_the_status_sums_up() -> None:
    run = Run()
    assert run.stream.status() == SubscriptionStatus(SubscriptionState.PENDING, None, 0.0, None)
    run.give(trade(0), trade(1)).pass_time(4)
    assert run.stream.status() == SubscriptionStatus(SubscriptionState.ACTIVE, START + 1, 0.5, None)
    run.lose()
    assert run.stream.gap is not None
    assert run.stream.status() == SubscriptionStatus(
        SubscriptionState.WANTED, START + 1, 0.5, f"toy/SOL-USD/trades/{START + 4_000_000_000}"
    )


wire: st.SearchStrategy[list[tuple[str, int]]] = st.lists(
    st.tuples(st.sampled_from(["next", "next", "next", "skip", "repeat", "lose"]), st.integers(1, 4)), max_size=60
)


@given(wire)
def test_every_id_is_let_through_once_or_announced_as_missing(wire: list[tuple[str, int]]) -> None:
    run, number = Run(), 100
    acts: dict[str, Callable[[int], object]] = {
        "next": lambda count: run.give(*(trade(number - count + 1 + each) for each in range(count))),
        "skip": lambda count: None,
        "repeat": lambda count: run.give(*(trade(number - each) for each in range(count))),
        "lose": lambda count: run.lose(START + number).back(),
    }
    run.give(trade(number))
    for act, count in wire:
        number += count if act in ("next", "skip") else 0
        acts[act](count)
    run.give(trade(number + 1))
    seen = [one for one in run.let_through() if one is not None]
    announced = [
        one
        for event in run.gaps()
        if event.first_missing is not None and event.last_missing is not None
        for one in range(event.first_missing, event.last_missing + 1)
    ]
    assert seen == sorted(set(seen))
    assert sorted(seen + announced) == list(range(100, number + 2))
    assert run.stream.gap is None


@given(st.lists(st.integers(0, 30), max_size=60))
def test_between_resets_ids_only_rise_and_every_id_left_out_is_announced(numbers: list[int]) -> None:
    run = Run()
    for time, number in enumerate(numbers):
        run.give(trade(number, time if number % 3 else 0))
    last: int | None = None
    for event in run.emitted:
        if isinstance(event, Gap):
            if event.cause is GapCause.EXCHANGE_RESET:
                last = None
            else:
                assert event.first_missing == (last or 0) + 1
                last = event.last_missing
        elif isinstance(event, Trade):
            assert event.sequence is not None
            assert last is None or event.sequence == last + 1
            last = event.sequence
