"""What has fallen silent is noticed, asked about, then helped; what is only quiet is left alone."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.feed.silence import FLOOR, SilenceRule, SilenceSettings, is_watched
from tickwire.feed.silence_probe import SilenceProbe, is_newer
from tickwire.feed.trades import TradeStream
from tickwire.feed.watchdog import Watchdog
from tickwire.model.channels import Channel, Subscription
from tickwire.model.errors import ConnectionLostError
from tickwire.model.events import BookSnapshot, Trade
from tickwire.model.health import Health, HealthStatus
from tickwire.model.instruments import Instrument
from tickwire.model.quality import (
    Backfilled,
    Event,
    Gap,
    GapCause,
    Reconnected,
    Recovered,
    Repair,
    Resynced,
    Stale,
    StaleAction,
    Subscribed,
    Watermark,
)
from tickwire.plugin.info import By, ChannelInfo, History, Ids

if TYPE_CHECKING:
    from conftest import Toy

S = 1_000_000_000
INSTRUMENT = Instrument("toy", "SOL-USD", "SOL_USD", "SOL", "USD")
RESUBSCRIBE, RECONNECT = StaleAction.RESUBSCRIBE, StaleAction.RECONNECT
HOUR = 3600.0


def trade(number: int, symbol: str = "SOL") -> dict[str, Any]:
    return {"k": "trade", "s": f"{symbol}_USD", "n": number}


def delta(number: int, symbol: str = "SOL") -> dict[str, Any]:
    return {"k": "delta", "s": f"{symbol}_USD", "n": number}


def with_history(toy: Toy) -> None:
    trades = ChannelInfo(ids=Ids.CONSECUTIVE, acknowledged=False, history=History(By.LATEST, 100))
    toy.declare(channels={**toy.info.channels, Channel.TRADES: trades})


def acknowledged(toy: Toy) -> None:
    toy.declare(channels={Channel.TRADES: ChannelInfo(ids=Ids.CONSECUTIVE), Channel.LIQUIDATIONS: ChannelInfo()})


def looks(toy: Toy, path: str) -> int:
    return sum(request.path == path for request in toy.requests)


def actions(toy: Toy, symbol: str = "SOL-USD") -> list[tuple[StaleAction, float]]:
    return [(one.action, one.threshold / 1e9) for one in toy.seen(Stale) if one.symbol == symbol]


# where REST cannot tell


def test_a_stream_silent_for_longer_than_the_floor_is_stale_and_asked_for_anew(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed() as feed:
            await toy.settle(1)
            toy.last.give(trade(1))
            ts_last = toy.clock.now()
            await toy.settle(30)
            assert toy.seen(Stale) == []
            await toy.settle(1.5)
            (stale,) = toy.seen(Stale)
            assert (stale.channel, stale.connection, stale.ts_last, stale.threshold, stale.action) == (
                Channel.TRADES, "public-1", ts_last, 30 * S, RESUBSCRIBE,
            )  # fmt: skip
            assert [message["op"] for message in toy.last.said] == ["sub", "unsub", "sub"]
            assert feed.health.status is HealthStatus.DEGRADED
            assert toy.seen(Gap) == []  # nobody knows that anything is missing

    asyncio.run(main())


def test_what_stays_silent_gets_a_new_connection_and_then_ever_more_patience(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed():
            await toy.settle(1)
            toy.last.give(trade(1))
            await toy.settle(600)
            assert actions(toy) == [
                (RESUBSCRIBE, 30), (RECONNECT, 30), (RECONNECT, 60), (RECONNECT, 120), (RECONNECT, 240),
            ]  # fmt: skip
            assert len(toy.connections) == 5
            assert {one.reason[:13] for one in toy.seen(Reconnected)} == {"1000 watchdog"}

    asyncio.run(main())


def test_a_server_that_accepts_and_stays_silent_is_noticed(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed():
            await toy.settle(100)
            assert actions(toy)[:2] == [(RESUBSCRIBE, 30), (RECONNECT, 30)]
            assert len(toy.dials) == 2

    asyncio.run(main())


def test_pongs_and_other_streams_never_satisfy_it(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD", "BTC-USD"]):
            await toy.settle(1)
            toy.last.give(trade(1), trade(1, "BTC"))
            for number in range(2, 40):
                await toy.settle(1)
                toy.last.give({"k": "pong"}, trade(number, "BTC"))
            assert (actions(toy), actions(toy, "BTC-USD")) == ([(RESUBSCRIBE, 30)], [])

    asyncio.run(main())


def test_many_silent_streams_of_a_connection_cost_one_reconnection(toy: Toy) -> None:
    async def main() -> None:
        symbols = ["SOL-USD", "BTC-USD", "ETH-USD"]
        async with toy.feed(symbols):
            await toy.settle(1)
            toy.last.give(*(trade(1, symbol[:3]) for symbol in symbols))
            await toy.settle(100)
            assert len(toy.dials) == 2
            assert [actions(toy, symbol)[0] for symbol in symbols] == [(RESUBSCRIBE, 30)] * 3
            assert [one.action for one in toy.seen(Stale)].count(RECONNECT) == 1

    asyncio.run(main())


def test_recovered_comes_within_a_second_of_the_first_event_and_health_with_it(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed() as feed:
            await toy.settle(0.5)
            toy.last.give(trade(1))
            await toy.settle(35)
            toy.last.give(trade(2))
            await toy.settle(1)
            (recovered,) = toy.seen(Recovered)
            assert (recovered.symbol, recovered.channel, round(recovered.ts_down / S)) == (
                "SOL-USD", Channel.TRADES, 35,
            )  # fmt: skip
            assert feed.health.status is HealthStatus.HEALTHY

    asyncio.run(main())


def test_a_stale_stream_that_is_lost_has_a_gap(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed():
            await toy.settle(1)
            toy.last.give(trade(1))
            await toy.settle(70)
            (gap,) = toy.seen(Gap)
            assert (gap.symbol, gap.cause, gap.ts_end) == ("SOL-USD", GapCause.DISCONNECTED, None)

    asyncio.run(main())


def test_a_blocked_loop_did_not_listen(toy: Toy) -> None:
    async def main() -> None:
        clock, feed, events = toy.clock, toy.feed(), list[Event]()
        stream = TradeStream(Subscription(Channel.TRADES, INSTRUMENT), "toy", clock, events.append)
        probe = SilenceProbe(feed.wiring, feed.requests(), clock)
        rest = (lambda: [stream], lambda _: None, lambda: True, SilenceSettings())
        watchdog = Watchdog(toy.info, clock, probe, Health(), *rest)
        stream.asked("public-1")
        for seconds, stale in [(1, 0), (600, 0), (600, 0), *[(1, 0)] * 25, (1, 1)]:
            await clock.advance(seconds)
            watchdog.check()
            assert len(events) == stale, clock.monotonic()

    asyncio.run(main())


def test_paused_sockets_are_no_silence(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed() as feed:
            await toy.settle(1)
            toy.last.give(trade(1))
            assert feed._session is not None
            feed._session.pause(True)
            await toy.settle(100)
            feed._session.pause(False)
            await toy.settle(25)
            assert toy.seen(Stale) == []

    asyncio.run(main())


# where REST can tell: trades


def test_a_quiet_but_healthy_instrument_is_not_restarted(toy: Toy) -> None:
    async def main() -> None:
        with_history(toy)
        async with toy.feed():
            await toy.settle(1)
            toy.last.give(trade(7))
            toy.history = [{"n": 6, "t": toy.clock.now() - S}, {"n": 7, "t": toy.clock.now()}]
            await toy.settle(1.5 * HOUR)
            assert (toy.seen(Stale), len(toy.dials), len(toy.last.said)) == ([], 1, 1)
            # at 30 s, 60 s, 2 min, 4 min … and then once an hour
            assert looks(toy, "/trades") == 8

    asyncio.run(main())


def test_an_instrument_without_a_trade_since_it_was_subscribed_to_is_healthy(toy: Toy) -> None:
    async def main() -> None:
        with_history(toy)
        async with toy.feed():
            await toy.settle()
            toy.history = [{"n": 6, "t": toy.clock.now() - 5 * S}]
            await toy.settle(100)
            assert (toy.seen(Stale), looks(toy, "/trades")) == ([], 2)

    asyncio.run(main())


def test_a_quiet_instrument_is_covered_once_history_says_that_nothing_was_traded(toy: Toy) -> None:
    async def main() -> None:
        trades = ChannelInfo(ids=Ids.CONSECUTIVE, history=History(By.ID, 100))
        toy.declare(channels={**toy.info.channels, Channel.TRADES: trades})
        async with toy.feed():
            await toy.settle(1)
            toy.history = [{"n": 5, "t": toy.clock.now() - 10 * S}, {"n": 6, "t": toy.clock.now() - 5 * S}]
            toy.last.give({"k": "ack", "streams": ["trades:SOL_USD"]})
            since = toy.clock.now()
            await toy.settle(20)
            assert (toy.events, toy.holes) == ([], [])
            await toy.settle(30)
            assert [event.ts_since for event in toy.seen(Subscribed)] == [since]
            assert [hole.after and hole.after.sequence for hole in toy.holes] == [None, 6]
            toy.last.give({"k": "ack", "streams": ["trades:SOL_USD"]})  # a sign of life
            await toy.settle(10)
            assert [event.ts_until > since for event in toy.seen(Watermark)] == [True]
            # what is lost now is counted
            toy.last.give(trade(8))
            (gap,) = toy.seen(Gap)
            assert (gap.first_missing, gap.last_missing, gap.repair) == (7, 7, Repair.BACKFILL)

    asyncio.run(main())


@pytest.mark.parametrize("history", [[], [{"n": 6, "t": 20 * S}]], ids=["never_traded", "traded_since"])
def test_an_instrument_of_which_history_does_not_say_so_is_not_covered(toy: Toy, history: list[dict[str, int]]) -> None:
    async def main() -> None:
        trades = ChannelInfo(ids=Ids.CONSECUTIVE, history=History(By.ID, 100))
        toy.declare(channels={**toy.info.channels, Channel.TRADES: trades})
        async with toy.feed():
            await toy.settle(1)
            toy.history = [{**row, "t": toy.clock.now() + row["t"]} for row in history]
            toy.last.give({"k": "ack", "streams": ["trades:SOL_USD"]})
            await toy.settle(50)
            assert toy.seen(Subscribed) == []
            assert bool(toy.seen(Stale)) == bool(history)

    asyncio.run(main())


def test_trades_that_rest_has_and_the_socket_did_not_bring_are_a_gap(toy: Toy) -> None:
    async def main() -> None:
        with_history(toy)
        async with toy.feed():
            await toy.settle(1)
            toy.last.give(trade(7))
            toy.history = [{"n": 8, "t": toy.clock.now()}, {"n": 9, "t": toy.clock.now()}]
            await toy.settle(33)
            gap = toy.seen(Gap)[0]
            assert (gap.cause, gap.ts_end, gap.repair, gap.detail) == (
                GapCause.STALE, None, Repair.BACKFILL, "SOL-USD trades was silent for 31 s, and REST has newer data",
            )  # fmt: skip
            assert actions(toy) == [(RESUBSCRIBE, 30)]
            toy.last.give(trade(10))
            assert [one.sequence for one in toy.seen(Trade)] == [7, 8, 9, 10]
            assert [one.is_complete for one in toy.seen(Backfilled)] == [True]
            await toy.settle(1)
            assert len(toy.seen(Recovered)) == 1

    asyncio.run(main())


def test_a_trade_that_comes_a_moment_after_rest_had_it_is_no_trouble(toy: Toy) -> None:
    async def main() -> None:
        with_history(toy)
        async with toy.feed():
            await toy.settle(1)
            toy.last.give(trade(7))
            toy.history = [{"n": 8, "t": toy.clock.now()}]
            while not looks(toy, "/trades"):
                await toy.settle(0.5)
            toy.last.give(trade(8))
            await toy.settle(20)
            assert toy.seen(Stale, Gap) == []

    asyncio.run(main())


def test_rest_out_of_reach_proves_nothing_and_the_stream_is_helped_once_a_threshold_at_most(toy: Toy) -> None:
    async def main() -> None:
        with_history(toy)
        async with toy.feed():
            await toy.settle(1)
            toy.last.give(trade(7))
            toy.answers.extend([ConnectionLostError("down")] * 100)
            await toy.settle(45)
            assert (toy.seen(Stale), looks(toy, "/trades")) == ([], 1)
            await toy.settle(20)
            assert (actions(toy), looks(toy, "/trades")) == ([(RESUBSCRIBE, 30)], 2)

    asyncio.run(main())


# where REST can tell: books


def test_a_book_that_rest_has_at_the_same_sequence_is_quiet_and_left_alone(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["l2_book"]):
            await toy.settle(1)
            toy.last.give(delta(101))
            toy.sequence = 101
            await toy.settle(600)
            assert (toy.seen(Stale, Gap), len(toy.dials), len(toy.last.said)) == ([], 1, 1)

    asyncio.run(main())


def test_a_book_that_rest_has_newer_is_a_gap_and_is_resynced_but_has_not_recovered(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["l2_book"]) as feed:
            await toy.settle(1)
            toy.last.give(delta(101))
            toy.sequence = 150
            await toy.settle(34)
            (gap,) = toy.seen(Gap)
            assert (gap.cause, gap.repair, gap.ts_end) == (GapCause.STALE, Repair.RESYNC, None)
            assert [type(one) for one in toy.seen(BookSnapshot, Resynced, Recovered)] == [
                BookSnapshot, BookSnapshot, Resynced,
            ]  # fmt: skip
            toy.last.give(delta(151))
            await toy.settle(1)
            assert len(toy.seen(Recovered)) == 1
            assert feed.books["SOL-USD"].is_synced

    asyncio.run(main())


def test_a_book_that_waits_for_its_snapshot_is_not_silent(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["l2_book"]):
            toy.answers.append({})
            toy.answers.extend([ConnectionLostError("down")] * 1000)
            await toy.settle(200)
            assert toy.seen(Stale) == []

    asyncio.run(main())


# subscriptions that are not answered


def test_a_subscription_without_an_answer_is_asked_for_again_then_stale(toy: Toy) -> None:
    async def main() -> None:
        acknowledged(toy)
        async with toy.feed(channels=["liquidations"]):
            await toy.settle(11.5)
            assert (toy.last.asked(), toy.seen(Stale)) == (["liquidations:SOL_USD"] * 2, [])
            await toy.settle(10.5)
            assert (actions(toy), len(toy.dials)) == ([(RECONNECT, 10)], 1)
            await toy.settle(1)
            assert len(toy.dials) == 2

    asyncio.run(main())


def test_a_late_answer_is_recovery(toy: Toy) -> None:
    async def main() -> None:
        acknowledged(toy)
        async with toy.feed(channels=["liquidations"]) as feed:
            await toy.settle(23)
            toy.last.give({"k": "ack", "streams": ["liquidations:SOL_USD"]})
            await toy.settle(1)
            assert [type(one) for one in toy.seen(Stale, Recovered)] == [Stale, Recovered]
            assert feed._session is not None
            assert "stale SOL-USD liquidations" not in feed.health.reasons

    asyncio.run(main())


def test_a_channel_that_may_be_silent_is_never_stale_once_answered(toy: Toy) -> None:
    async def main() -> None:
        acknowledged(toy)
        async with toy.feed(channels=["liquidations"]):
            await toy.settle(1)
            toy.last.give({"k": "ack", "streams": ["liquidations:SOL_USD"]})
            await toy.settle(0.5 * HOUR)
            assert toy.seen(Stale) == []

    asyncio.run(main())


def test_two_channels_of_one_stream_are_asked_for_anew_together(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(
            channels={
                Channel.MARK_PRICE: ChannelInfo(acknowledged=False),
                Channel.FUNDING: ChannelInfo(acknowledged=False, shares=Channel.MARK_PRICE),
            }
        )
        async with toy.feed(channels=["mark_price", "funding"]):
            for _ in range(20):
                await toy.settle(1)
                toy.last.give({"k": "mark", "s": "SOL_USD"})
            await toy.settle(32)
            assert [one.channel for one in toy.seen(Stale)] == [Channel.MARK_PRICE, Channel.FUNDING]
            assert toy.last.asked("unsub") == ["mark:SOL_USD"]
            assert toy.last.asked() == ["mark:SOL_USD"] * 2

    asyncio.run(main())


def test_a_removed_subscription_is_forgotten(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD", "BTC-USD"]) as feed:
            await toy.settle(35)
            await feed.unsubscribe(["SOL-USD"], ["trades"])
            await toy.settle(1)
            assert list(feed.health.reasons) == ["data", "stale BTC-USD trades"]

    asyncio.run(main())


def test_the_watchdog_s_reason_is_in_the_log_and_in_reconnected(toy: Toy, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with toy.feed():
            await toy.settle(70)

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    (reconnected,) = toy.seen(Reconnected)
    assert "1000 watchdog: SOL-USD trades was silent for 6" in reconnected.reason
    assert reconnected.reason in caplog.text


# the rule


def test_the_threshold_is_the_floor_at_first() -> None:
    assert SilenceRule().threshold(0, 0.0, 0.0) == FLOOR == 30


def test_the_threshold_follows_the_mean_interval() -> None:
    assert SilenceRule().threshold(100, 500.0, 500.0) == 100


def test_the_threshold_is_three_times_the_longest_recent_silence_that_ended_by_itself() -> None:
    rule = SilenceRule()
    rule.flowed(50.0, 100.0, by_itself=True)
    rule.flowed(20.0, 200.0, by_itself=True)
    rule.flowed(500.0, 700.0, by_itself=False)
    assert rule.threshold(0, 0.0, 700.0) == 150
    assert rule.threshold(0, 0.0, HOUR + 100) == 150
    assert rule.threshold(0, 0.0, 2 * HOUR + 200) == FLOOR


def test_each_silence_proved_harmless_doubles_it_up_to_an_hour_and_the_next_event_forgets_that() -> None:
    rule = SilenceRule()
    found = []
    for _ in range(9):
        found.append(rule.threshold(0, 0.0, 0.0))
        rule.harmless()
    assert found == [30, 60, 120, 240, 480, 960, 1920, HOUR, HOUR]
    rule.flowed(2.0, 1.0, by_itself=True)
    assert rule.threshold(0, 0.0, 1.0) == FLOOR


NOTES = st.one_of(
    st.just(("harmless",)),
    st.tuples(st.just("flowed"), st.floats(0, 1e5), st.booleans()),
    st.tuples(st.just("wait"), st.floats(0, 1e5)),
)


@given(st.lists(NOTES), st.integers(0, 10**6), st.floats(0, 1e6))
def test_every_threshold_lies_between_the_floor_and_an_hour(
    notes: list[tuple[Any, ...]], count: int, elapsed: float
) -> None:
    rule, now = SilenceRule(), 0.0
    for kind, *values in notes:
        if kind == "harmless":
            rule.harmless()
        elif kind == "flowed":
            now += values[0]
            rule.flowed(values[0], now, by_itself=values[1])
        else:
            now += values[0]
        assert FLOOR <= rule.threshold(count, elapsed, now) <= HOUR


@pytest.mark.parametrize(
    ("channel", "count", "watched"),
    [
        (Channel.TRADES, 0, True),
        (Channel.L2_BOOK, 0, True),
        (Channel.L1_BOOK, 0, True),
        (Channel.TICKER, 0, True),
        (Channel.CANDLES, 9, False),
        (Channel.CANDLES, 10, True),
        (Channel.FUNDING, 10, True),
        (Channel.OPEN_INTEREST, 9, False),
        (Channel.MARK_PRICE, 10, True),
        (Channel.LIQUIDATIONS, 10_000, False),
        (Channel.ORDERS, 10_000, False),
        (Channel.BALANCES, 10_000, False),
    ],
)
def test_which_silences_mean_something(channel: Channel, count: int, watched: bool) -> None:
    assert is_watched(channel, count) is watched


def made(number: int | None, ts_event: int | None) -> Trade[float]:
    return Trade("toy", "SOL-USD", ts_event, 0, 1.0, 1.0, None, None, number)


@attrs.frozen
class Case:
    ours: Trade[float] | None
    theirs: Trade[float]
    newer: bool


@pytest.mark.parametrize(
    "case",
    [
        Case(made(7, 100), made(7, 100), False),
        Case(made(7, 100), made(8, 100), True),
        Case(made(7, 100), made(6, 500), False),
        Case(made(None, 100), made(None, 100), False),
        Case(made(None, 100), made(None, 101), True),
        Case(made(None, None), made(None, 101), False),
        Case(None, made(1, 10 * S), False),
        Case(None, made(1, 12 * S), False),
        Case(None, made(1, 12 * S + 1), True),
        Case(None, made(1, None), False),
    ],
)
def test_which_of_rest_s_trades_are_newer(case: Case) -> None:
    assert is_newer(case.theirs, case.ours, 10 * S) is case.newer
