"""One connection's life: dial, subscribe in batches and at a pace, keep alive, back off on every way it can end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tickwire.feed.backoff import BackoffPolicy
from tickwire.model.channels import Channel
from tickwire.model.errors import (
    AuthRejectedError,
    ConnectionLostError,
    DecodeError,
    ExchangeUnavailableError,
    RateLimitedError,
    RequestRejectedError,
)
from tickwire.model.events import Quote, Trade
from tickwire.model.health import HealthStatus
from tickwire.model.quality import Gap, GapCause, Reconnected, Repair, Severity, Subscribed

if TYPE_CHECKING:
    from conftest import Toy, ToyConnection
    from tickwire.run.feed import Feed

THREE = ["SOL-USD", "BTC-USD", "ETH-USD"]
ALL = ["trades:SOL_USD", "l2_book:SOL_USD", "trades:BTC_USD", "l2_book:BTC_USD", "trades:ETH_USD", "l2_book:ETH_USD"]


def trade(number: int, symbol: str = "SOL") -> dict[str, Any]:
    return {"k": "trade", "s": f"{symbol}_USD", "n": number}


# asking


@pytest.mark.parametrize(("batch", "sizes"), [(1, [1] * 6), (4, [4, 2]), (10, [6])])
def test_subscriptions_are_asked_for_in_batches(toy: Toy, batch: int, sizes: list[int]) -> None:
    async def main() -> None:
        toy.declare(public={"batch": batch})
        async with toy.feed(THREE, ["trades", "l2_book"]):
            await toy.settle()
            assert [len(message["streams"]) for message in toy.last.said] == sizes
            assert toy.last.asked() == ALL

    asyncio.run(main())


def test_frames_are_sent_at_the_declared_pace(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(public={"batch": 1, "frames_per_second": 4})
        async with toy.feed(THREE, ["trades"]):
            await toy.settle(0.49)
            assert toy.last.times == [0, 0.25]
            await toy.settle(1)
            assert toy.last.times == [0, 0.25, 0.5]

    asyncio.run(main())


def test_what_a_router_asks_for_anew_waits_its_turn_and_dies_with_its_connection(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(public={"batch": 4, "frames_per_second": 4})
        async with toy.feed(THREE, ["trades"]):
            await toy.settle()
            toy.last.give({"k": "again", "streams": ["trades:SOL_USD", "trades:BTC_USD", "trades:ETH_USD"]})
            await toy.settle(0.49)
            assert [message["streams"] for message in toy.last.said[1:]] == [["trades:SOL_USD"]]
            await toy.settle(0.25)
            assert toy.last.times == [0, 0.25, 0.5]
            toy.last.end(1000, "bye")
            await toy.settle(5)
            assert toy.last.asked() == ["trades:SOL_USD", "trades:BTC_USD", "trades:ETH_USD"]
            assert len(toy.last.said) == 1

    asyncio.run(main())


def test_an_answer_confirms_nothing_that_is_to_be_left_first(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(public={"batch": 1, "frames_per_second": 4})
        async with toy.feed(THREE[:1], ["trades"]) as feed:
            await toy.settle()
            # left and wanted again before its request was answered, and before the next frame may be sent
            await feed.unsubscribe(THREE[:1], ["trades"])
            await feed.subscribe(THREE[:1], ["trades"])
            toy.last.give({"k": "ack", "streams": ["trades:SOL_USD"]})
            await toy.settle(0.6)
            assert [(message["op"], at) for message, at in zip(toy.last.said, toy.last.times, strict=True)] == [
                ("sub", 0), ("unsub", 0.25), ("sub", 0.5),
            ]  # fmt: skip
            assert [str(one.state) for one in feed.status().values()] == ["pending"]
            toy.last.give({"k": "ack", "streams": ["trades:SOL_USD"]})
            await toy.settle()
            assert [str(one.state) for one in feed.status().values()] == ["active"]

    asyncio.run(main())


def test_one_connection_carries_at_most_max_streams(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(public={"max_streams": 4})
        async with toy.feed(THREE, ["trades", "l2_book"]) as feed:
            await toy.settle()
            assert [connection.asked() for connection in toy.connections] == [ALL[:4], ALL[4:]]
            await feed.unsubscribe(["SOL-USD"], ["trades"])
            await feed.subscribe(["SOL-USD"], ["trades"])
            await toy.settle()
            assert toy.connections[0].asked("unsub") == ["trades:SOL_USD"]
            assert [len(connection.asked()) for connection in toy.connections] == [5, 2]

    asyncio.run(main())


def test_each_kind_of_socket_has_connections_of_its_own(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["trades", "l1_book"]):
            await toy.settle()
            assert {one.url: one.asked() for one in toy.connections} == {
                "wss://toy.example/ws": ["trades:SOL_USD"],
                "wss://toy.example/ws/other": ["l1_book:SOL_USD"],
            }

    asyncio.run(main())


def test_the_heartbeat_is_sent_as_declared_and_pongs_prove_nothing_else(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(public={"heartbeat": 9})
        async with toy.feed():
            await toy.settle()
            toy.last.give({"k": "pong"})
            await toy.settle(28)
            pings = [at for at, message in zip(toy.last.times, toy.last.said, strict=True) if message == {"op": "ping"}]
            assert pings == [9, 18, 27]
            assert toy.events == []

    asyncio.run(main())


def test_subscriptions_wait_for_the_login(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(public={"login": True})
        async with toy.feed(credentials={"api_key": "k"}):
            await toy.settle()
            assert toy.last.said == [{"op": "login"}]
            toy.last.give({"k": "login", "ok": True})
            await toy.settle()
            assert toy.last.said[1:] == [{"op": "sub", "streams": ["trades:SOL_USD"]}]

    asyncio.run(main())


def test_a_login_that_nobody_answers_ends_the_connection_after_ten_seconds_and_backs_off(
    toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        toy.declare(public={"login": True})
        async with toy.feed(credentials={"api_key": "k"}):
            await toy.settle(9.99)
            assert (toy.last.is_open, toy.last.said) == (True, [{"op": "login"}])
            await toy.settle(0.01)
            assert (toy.last.is_open, len(toy.dials)) == (False, 1)
            assert caplog.messages == [
                f"toy: toy public-1: the login was not answered within 10 s, attempt 1, next in {wait(caplog)} s"
            ]
            await toy.settle(0.5)
            toy.last.give({"k": "login", "ok": True})
            await toy.settle(9)
            assert (len(toy.dials), toy.last.is_open) == (2, True)
            assert toy.last.asked() == ["trades:SOL_USD"]

    asyncio.run(main())


def wait(caplog: pytest.LogCaptureFixture) -> str:
    return caplog.messages[0].split()[-2]


def test_unanswered_logins_are_not_forgiven(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(public={"login": True})
        async with toy.feed(credentials={"api_key": "k"}, backoff=BackoffPolicy(first=1, cap=60)):
            await toy.settle(80)
            waits = [after - before - 10 for before, after in zip(toy.dials, toy.dials[1:], strict=False)]
            assert all(0.5 * 2**n <= one <= 2**n + 1e-6 for n, one in enumerate(waits)), waits
            assert len(waits) >= 3

    asyncio.run(main())


async def until_refused(feed: Feed, toy: Toy) -> None:
    async with feed:
        await toy.settle()
        toy.last.give({"k": "login", "ok": False})
        await feed.wait()


def test_a_refused_login_ends_the_feed_and_says_what_to_check(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(public={"login": True})
        feed = toy.feed(credentials={"api_key": "A6EHwholekey"})
        with pytest.raises(AuthRejectedError) as raised:
            await until_refused(feed, toy)
        assert str(raised.value) == (
            "toy refused the key 'A6EH…' (bad key) → "
            "check that the clock is right and that api_secret belongs to api_key"
        )
        assert len(toy.dials) == 1

    asyncio.run(main())


# ending and coming back


def close_at_once(connection: ToyConnection) -> None:
    asyncio.get_running_loop().call_soon(connection.end, 1000, "bye")


def close_when_asked(connection: ToyConnection, message: dict[str, Any]) -> None:
    connection.end(1000, "bye")


def let_open_close(toy: Toy) -> None:
    toy.on_open = close_at_once


def let_subscribe_close(toy: Toy) -> None:
    toy.answer = close_when_asked


def refuse(error: Exception) -> Callable[[Toy], None]:
    def apply(toy: Toy) -> None:
        toy.refusal = error

    return apply


def one_trade_then_close(toy: Toy) -> None:
    def answer(connection: ToyConnection, message: dict[str, Any]) -> None:
        connection.give(trade(len(toy.dials)))
        connection.end(1006, "lost")

    toy.answer = answer


def subscribing_fails(toy: Toy) -> None:
    toy.subscribe_error = DecodeError("the plugin cannot")


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(let_open_close, id="clean close right after connect"),
        pytest.param(let_subscribe_close, id="clean close right after subscribe"),
        pytest.param(one_trade_then_close, id="lost after one trade"),
        pytest.param(refuse(ConnectionLostError("cannot reach it")), id="not reached"),
        pytest.param(refuse(ConnectionLostError("cannot reach it (name not resolved)")), id="name not resolved"),
        pytest.param(refuse(ExchangeUnavailableError("GET: 503")), id="upgrade refused"),
        pytest.param(subscribing_fails, id="subscribing fails"),
    ],
)
def test_every_way_to_end_backs_off_and_is_not_forgiven(toy: Toy, script: Callable[[Toy], None]) -> None:
    async def main() -> None:
        script(toy)
        async with toy.feed():
            await toy.settle(30)
            assert 4 <= len(toy.dials) < 10
            waits = [after - before for before, after in zip(toy.dials, toy.dials[1:], strict=False)]
            assert all(0.25 * 2**number <= wait <= 0.5 * 2**number + 1e-6 for number, wait in enumerate(waits)), waits

    asyncio.run(main())


def test_the_wait_between_attempts_is_capped_and_never_the_same_for_all(toy: Toy) -> None:
    async def main() -> None:
        toy.refusal = ConnectionLostError("cannot reach it")
        async with toy.feed(backoff=BackoffPolicy(first=1, cap=60)):
            await toy.settle(3600)
            late = [after - before for before, after in pairwise(toy.dials)][7:]
            assert len(late) > 50
            assert all(30 <= wait <= 60 + 1e-6 for wait in late), late
            assert len({round(wait, 3) for wait in late}) > 10

    asyncio.run(main())


def test_failures_are_forgiven_only_after_data_has_flowed_for_a_stable_while(toy: Toy) -> None:
    async def main() -> None:
        toy.refusals.extend([ConnectionLostError("no")] * 4)
        async with toy.feed(backoff=BackoffPolicy(first=1, cap=60, stable=10)):
            await toy.settle(60)
            numbers = iter(range(100))
            for seconds, low, high in [(9.9, 8, 16), (10, 0.5, 1)]:
                dials = len(toy.dials)
                toy.last.give(trade(next(numbers)))
                await toy.settle(seconds)
                toy.last.give(trade(next(numbers)))
                toy.last.end(1000, "bye")
                await toy.settle(low - 0.01)
                assert len(toy.dials) == dials
                await toy.settle(high - low + 0.01)
                assert len(toy.dials) == dials + 1

    asyncio.run(main())


def test_pongs_and_answers_are_no_data_and_forgive_nothing(toy: Toy) -> None:
    async def main() -> None:
        toy.refusals.extend([ConnectionLostError("no")] * 4)
        async with toy.feed(backoff=BackoffPolicy(first=1, cap=60, stable=10)):
            await toy.settle(20)
            for _ in range(15):
                toy.last.give({"k": "pong"})
                await toy.settle(1)
            toy.last.end(1000, "bye")
            await toy.settle(7.9)
            assert len(toy.dials) == 5
            await toy.settle(8.1)
            assert len(toy.dials) == 6

    asyncio.run(main())


def test_retry_after_is_obeyed(toy: Toy) -> None:
    async def main() -> None:
        toy.refusals.append(RateLimitedError("429", retry_after=120))
        async with toy.feed():
            await toy.settle(119.9)
            assert toy.dials == [0]
            await toy.settle(0.2)
            assert toy.dials == [0, 120]

    asyncio.run(main())


def test_a_refusal_that_a_transport_tells_of_late_is_obeyed_as_one_at_once(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed():
            await toy.settle()
            toy.last.end(429, "429", RateLimitedError("429", retry_after=120))
            await toy.settle(119)
            assert len(toy.dials) == 1
            await toy.settle(20)
            assert len(toy.dials) == 2

    asyncio.run(main())


def test_an_upgrade_refused_for_good_ends_a_feed_that_never_connected(toy: Toy) -> None:
    async def main() -> None:
        error = toy.refusal = RequestRejectedError("GET wss://toy.example/ws: 404", status=404)
        with pytest.raises(RequestRejectedError) as raised:
            async with toy.feed() as feed:
                await feed.wait()
        assert raised.value is error

    asyncio.run(main())


def test_an_upgrade_refused_after_it_worked_before_is_tried_again(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed():
            await toy.settle()
            toy.refusals.append(RequestRejectedError("GET wss://toy.example/ws: 404", status=404))
            toy.last.end()
            await toy.settle(3)
            assert (len(toy.dials), len(toy.connections)) == (3, 2)

    asyncio.run(main())


def test_each_subscription_gets_a_gap_and_each_connection_one_reconnected(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD", "BTC-USD"], ["trades"]):
            await toy.settle()
            toy.last.give(trade(7), trade(7, "BTC"))
            good = toy.clock.now()
            await toy.settle(5)
            toy.refusals.append(ConnectionLostError("no"))
            toy.last.end(1006, "reset")
            down = toy.clock.now()
            await toy.settle(3)
            gaps, back = toy.seen(Gap), toy.seen(Reconnected)
            assert [(one.symbol, one.cause, one.ts_start, one.ts_end, one.detail) for one in gaps] == [
                (symbol, GapCause.DISCONNECTED, good, None, "disconnected (1006 reset)")
                for symbol in ("SOL-USD", "BTC-USD")
            ]
            assert back == [
                Reconnected(
                    "toy",
                    None,
                    None,
                    back[0].ts_recv,
                    None,
                    "public-1",
                    Severity.WARNING,
                    "toy.example",
                    "no",
                    2,
                    back[0].ts_recv - down,
                    2,
                )
            ]

    asyncio.run(main())


def test_after_a_reconnect_everything_is_asked_for_again_and_flows(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD", "BTC-USD"], ["trades"]) as feed:
            await toy.settle()
            toy.last.give(trade(7), trade(7, "BTC"))
            await feed.unsubscribe(["BTC-USD"], ["trades"])
            toy.last.end()
            await toy.settle(1)
            assert toy.last.asked() == ["trades:SOL_USD"]
            toy.last.give(trade(9))
            assert [one.sequence for one in toy.seen(Trade)] == [7, 7, 9]
            assert [(one.first_missing, one.last_missing) for one in toy.seen(Gap)] == [(None, None), (8, 8)]
            assert len(toy.seen(Subscribed)) == 2

    asyncio.run(main())


def test_a_disconnection_is_logged_with_host_reason_attempt_and_wait(
    toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        toy.refusals.append(ConnectionLostError("cannot reach wss://toy.example/ws (connection refused)"))
        async with toy.feed(backoff=BackoffPolicy(first=8, cap=8)):
            await toy.settle(8)
            toy.last.end(1012, "restart")
            await toy.settle(0)

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    first, second = caplog.messages
    assert first.startswith("toy: cannot reach wss://toy.example/ws (connection refused), attempt 1, next in ")
    assert second.startswith("toy: connection to toy.example ended (1012 restart), attempt 2, next in ")
    assert 4 <= float(first.split()[-2]) <= 8


# the read path


def test_an_exception_in_a_router_costs_one_frame_and_not_the_connection(
    toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with toy.feed() as feed:
            await toy.settle()
            toy.last.give(trade(1), {"k": "bug"}, b"\xff not JSON", trade(1, "XYZ"), trade(2))
            assert [one.sequence for one in toy.seen(Trade)] == [1, 2]
            assert (toy.last.is_open, len(toy.dials), toy.seen(Gap)) == (True, 1, [])
            assert (feed.metrics.total("frames_total"), feed.metrics.total("decode_errors_total")) == (5, 3)

    asyncio.run(main())
    assert caplog.messages == ["toy public-1: a frame was dropped: KeyError: 'a bug of the plugin'"]


def test_whole_batches_are_delivered_in_order_whatever_a_callback_does(toy: Toy) -> None:
    async def main() -> None:
        feed = toy.feed(channels=["trades", "l1_book"])

        def raise_at_the_second(event: Trade) -> None:
            if event.sequence == 2:
                raise ValueError("a bug of the user")

        feed.on(Trade, raise_at_the_second)
        async with feed:
            await toy.settle()
            quote = {"k": "quote", "s": "SOL_USD"}
            public = toy.connections[0]
            public.give({"k": "many", "of": [trade(1), trade(2), trade(3), quote, trade(4)]})
            market = [(type(event), getattr(event, "sequence", None)) for event in toy.seen(Trade, Quote)]
            assert market == [(Trade, 1), (Trade, 2), (Trade, 3), (Quote, None), (Trade, 4)]

    asyncio.run(main())


def test_an_acknowledgement_is_not_an_error(toy: Toy, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with toy.feed() as feed:
            await toy.settle()
            toy.last.give({"k": "ack", "streams": ["trades:SOL_USD"]}, {"k": "ack", "streams": ["trades:SOL_USD"]})
            assert [str(one.state) for one in feed.status().values()] == ["active"]
            assert toy.events == []
            for name in ("decode_errors_total", "unknown_frames_total"):
                assert feed.metrics.total(name) == 0
            assert (toy.last.is_open, feed.health.status) == (True, HealthStatus.HEALTHY)

    with caplog.at_level(logging.INFO):
        asyncio.run(main())
    assert [record for record in caplog.records if record.levelno >= logging.INFO] == []


def test_unknown_kinds_are_counted_by_kind_and_logged_once(toy: Toy, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with toy.feed() as feed:
            await toy.settle()
            toy.last.give(*({"k": kind} for kind in ("odd", "odd", "new")))
            counts = {labels["kind"]: value for name, labels, value in feed.metrics if name == "unknown_frames_total"}
            assert counts == {"odd": 2, "new": 1}

    with caplog.at_level(logging.INFO):
        asyncio.run(main())
    assert caplog.messages == [f"toy public-1: frames of an unknown kind: {kind}" for kind in ("odd", "new")]


def test_garbage_of_ever_new_kinds_does_not_fill_the_memory(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed() as feed:
            await toy.settle()
            toy.last.give(*({"k": f"kind {number}"} for number in range(500)))
            counts = {labels["kind"]: value for name, labels, value in feed.metrics if name == "unknown_frames_total"}
            assert (len(counts), counts["other"]) == (101, 400)

    asyncio.run(main())


def test_events_nobody_subscribed_to_are_counted_and_not_let_through(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed() as feed:
            await toy.settle()
            book = {"n": 1, "b": [], "a": []}
            toy.last.give(
                trade(1, "BTC"), {"k": "delta", "s": "SOL_USD", "n": 1}, {"k": "snap", "s": "SOL_USD", **book},
                {"k": "quote", "s": "SOL_USD"},
            )  # fmt: skip
            assert (toy.events, feed.metrics.total("stray_events_total")) == ([], 4)

    asyncio.run(main())


def test_a_jump_of_the_connection_s_counter_is_a_gap_in_everything_that_flows_on_it(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD", "BTC-USD"], ["trades", "l2_book"]) as feed:
            await toy.settle(1)
            toy.last.give(trade(1))
            toy.events.clear()
            synced: list[bool] = []
            toy.last.give({"k": "jump", "missing": 3})
            synced = [book.is_synced for book in feed.books.values()]
            assert toy.names() == ["Gap SOL-USD trades", "Gap SOL-USD l2_book", "Gap BTC-USD l2_book"]
            assert {one.detail for one in toy.seen(Gap)} == {"3 messages of the connection are missing"}
            assert synced == [False, False]
            await toy.settle()
            assert [book.is_synced for book in feed.books.values()] == [True, True]
            assert len(toy.dials) == 1

    asyncio.run(main())


def test_what_a_plugin_found_to_be_incomplete_is_a_gap_of_that_alone(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD", "BTC-USD"], ["trades", "l2_book"]) as feed:
            await toy.settle(1)
            toy.last.give(trade(1))
            toy.events.clear()
            book = "l2_book:SOL_USD"
            toy.last.give({"k": "missed", "streams": [book], "cause": "checksum", "why": "an audit found it wrong"})
            synced = {symbol: one.is_synced for symbol, one in feed.books.items()}
            assert synced == {"SOL-USD": False, "BTC-USD": True}
            (gap,) = toy.seen(Gap)
            found = (gap.symbol, gap.channel, gap.cause, gap.repair, gap.detail)
            expected = ("SOL-USD", Channel.L2_BOOK, GapCause.CHECKSUM, Repair.RESYNC, "an audit found it wrong")
            assert found == expected
            toy.last.give({"k": "missed", "streams": [book], "why": "once more"})
            assert len(toy.seen(Gap)) == 1
            await toy.settle()
            assert feed.books["SOL-USD"].is_synced
            assert len(toy.dials) == 1

    asyncio.run(main())


def test_trades_that_a_plugin_missed_are_a_gap_until_the_next_one(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["trades"]):
            await toy.settle()
            toy.last.give({"k": "missed", "streams": ["trades:SOL_USD"], "why": "before anything came"})
            toy.last.give(trade(1), {"k": "missed", "streams": ["trades:SOL_USD"], "why": "no overlap"}, trade(3))
            assert [(one.cause, one.missing, one.ts_end is None) for one in toy.seen(Gap)] == [
                (GapCause.SEQUENCE, None, True), (GapCause.SEQUENCE, 1, False)
            ]  # fmt: skip

    asyncio.run(main())


def test_a_plugin_that_cannot_subscribe_is_a_disconnection_for_what_was_flowing(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["trades"]) as feed:
            await toy.settle()
            toy.last.give(trade(1))
            toy.subscribe_error = DecodeError("the plugin cannot")
            await feed.subscribe(["BTC-USD"], ["trades"])
            await toy.settle()
            assert [(one.symbol, one.channel, one.cause) for one in toy.seen(Gap)] == [
                ("SOL-USD", Channel.TRADES, GapCause.DISCONNECTED)
            ]
            toy.subscribe_error = None
            await toy.settle(1)
            assert toy.last.asked() == ["trades:SOL_USD", "trades:BTC_USD"]

    asyncio.run(main())


def test_a_router_counts_in_the_feed_s_metrics(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed() as feed:
            await toy.settle()
            assert [info.metrics for info in toy.informed] == [feed.metrics]

    asyncio.run(main())
