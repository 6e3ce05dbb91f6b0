"""Connections that carry the same: each event passes once, and one that ends costs nothing that is numbered."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from tickwire.feed.silence import SilenceSettings
from tickwire.feed.spares import SpareTable
from tickwire.feed.streams import Stream, SubscriptionState
from tickwire.feed.table import StreamTable
from tickwire.model.channels import Channel, Subscription
from tickwire.model.errors import AuthRejectedError, ConfigError, ConnectionLostError, RequestRejectedError
from tickwire.model.events import BookDelta, BookSnapshot, Candle, Quote, Trade
from tickwire.model.instruments import Instrument
from tickwire.model.metrics import Metrics
from tickwire.model.quality import Gap, GapCause, Reconnected, Resynced, Severity, Subscribed, Unsubscribed
from tickwire.model.sequence import SequenceRule
from tickwire.plugin.info import BookFeed, BookStart, ChannelInfo, Ids

if TYPE_CHECKING:
    from conftest import Toy, ToyConnection

CALM = SilenceSettings(3_600, 3_600)  # the watchdog is another test's
ONE = ["SOL-USD"]
INSTRUMENT = Instrument("toy", "SOL-USD", "SOL_USD", "SOL", "USD")


def trade(number: int, symbol: str = "SOL") -> dict[str, Any]:
    return {"k": "trade", "s": f"{symbol}_USD", "n": number}


def delta(number: int) -> dict[str, Any]:
    return {"k": "delta", "s": "SOL_USD", "n": number, "b": [[10, number]]}


def snap(number: int) -> dict[str, Any]:
    return {"k": "snap", "s": "SOL_USD", "n": number, "b": [[10, number]], "a": [[11, 1]]}


def quote() -> dict[str, Any]:
    return {"k": "quote", "s": "SOL_USD"}


def acknowledge(connection: ToyConnection, message: dict[str, Any]) -> None:
    if message["op"] == "sub":
        connection.give({"k": "ack", "streams": message["streams"]})


def passed(toy: Toy) -> list[int | None]:
    return [one.sequence for one in toy.seen(Trade)]


def gaps(toy: Toy) -> list[tuple[Channel | None, GapCause, int | None]]:
    return [(one.channel, one.cause, one.missing) for one in toy.seen(Gap)]


# standing by


def test_all_connections_carry_everything_and_each_event_passes_once(toy: Toy) -> None:
    async def main() -> None:
        toy.answer = acknowledge
        async with toy.feed(ONE, ["trades", "l2_book"], connections=3, silence=CALM) as feed:
            await toy.settle(1)
            assert [one.asked() for one in toy.connections] == [["trades:SOL_USD", "l2_book:SOL_USD"]] * 3
            for number in (101, 102, 103):
                for connection in reversed(toy.connections):
                    connection.give(trade(number), delta(number))
            assert passed(toy) == [101, 102, 103]
            assert [one.last_sequence for one in toy.seen(BookDelta)] == [101, 102, 103]
            assert feed.books["SOL-USD"].sequence == 103
            assert [request.path for request in toy.requests].count("/book") == 1
            assert len(toy.seen(Subscribed)) == 2
            await feed.unsubscribe(ONE, ["l2_book"])
            await feed.subscribe(["BTC-USD"], ["trades"])
            await toy.settle()
            assert [one.asked("unsub") for one in toy.connections] == [["l2_book:SOL_USD"]] * 3
            assert [one.asked()[2:] for one in toy.connections] == [["trades:BTC_USD"]] * 3

    asyncio.run(main())


def test_a_primary_that_ends_is_replaced_by_a_stand_by_without_a_gap(toy: Toy) -> None:
    async def main() -> None:
        toy.answer = acknowledge
        async with toy.feed(ONE, ["trades", "l2_book"], connections=2, silence=CALM) as feed:
            await toy.settle(1)
            first, second = toy.connections
            for connection in (first, second):
                connection.give(trade(1), delta(101))
            second.give(trade(2), trade(3), delta(102))
            first.give(trade(2))
            first.end(1006, "reset")
            down = toy.clock.now()
            await toy.settle()
            second.give(trade(4), delta(103))
            assert (passed(toy), gaps(toy)) == ([1, 2, 3, 4], [])
            assert {one.state for one in feed.status().values()} == {SubscriptionState.ACTIVE}
            assert feed.books["SOL-USD"].sequence == 103
            assert toy.seen(Reconnected) == []
            await toy.settle(2)
            [back] = toy.seen(Reconnected)
            assert back == Reconnected(
                "toy", None, None, back.ts_recv, None, "public-1", Severity.WARNING, "toy.example",
                "1006 reset; public-1b carried on", 1,
                back.ts_recv - down, 2,
            )  # fmt: skip
            # and back again
            toy.last.give(trade(5))
            second.end()
            await toy.settle()
            toy.last.give(trade(6), delta(104))
            assert (passed(toy), gaps(toy)) == ([1, 2, 3, 4, 5, 6], [])
            assert [type(one) for one in toy.seen(BookSnapshot, Resynced)] == [BookSnapshot]
            assert feed.metrics.total("reconnects_total") == 1

    asyncio.run(main())


def test_a_stand_by_that_ends_is_told_when_it_is_back_and_nothing_else(toy: Toy) -> None:
    async def main() -> None:
        toy.answer = acknowledge
        async with toy.feed(connections=2, silence=CALM):
            await toy.settle(1)
            toy.connections[0].give(trade(1))
            toy.events.clear()
            toy.connections[1].end()
            await toy.settle(2)
            assert [(one.connection, one.reason) for one in toy.events if isinstance(one, Reconnected)] == [
                ("public-1b", "1006 lost; public-1 carried on")
            ]
            assert len(toy.events) == 1

    asyncio.run(main())


def test_where_no_stand_by_is_open_it_is_a_disconnection(toy: Toy) -> None:
    async def main() -> None:
        toy.answer = acknowledge
        async with toy.feed(connections=2, silence=CALM):
            await toy.settle(1)
            first, second = toy.connections
            first.give(trade(1))
            toy.refusal = ConnectionLostError("down")
            second.give(trade(3))
            second.end()
            await toy.settle()
            first.end()
            await toy.settle()
            # what the stand-by had brought is let through before the coverage is said to be broken
            assert (passed(toy), gaps(toy)) == (
                [1, 3], [(Channel.TRADES, GapCause.SEQUENCE, 1), (Channel.TRADES, GapCause.DISCONNECTED, None)],
            )  # fmt: skip
            toy.refusal = None
            await toy.settle(60)
            assert len(toy.connections) == 4
            toy.connections[2].give(trade(4))
            assert toy.seen(Gap)[-1].missing == 0
            assert sorted(one.connection for one in toy.seen(Reconnected)) == ["public-1", "public-1b"]

    asyncio.run(main())


def test_a_stand_by_that_has_not_caught_up_takes_over_with_a_gap(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(connections=2, silence=CALM) as feed:
            await toy.settle()
            first, second = toy.connections
            first.give(trade(1))
            first.end()
            await toy.settle()
            assert gaps(toy) == [(Channel.TRADES, GapCause.DISCONNECTED, None)]
            assert [one.state for one in feed.status().values()] == [SubscriptionState.PENDING]
            second.give(trade(4))
            assert (passed(toy), gaps(toy)[1:]) == ([1, 4], [(Channel.TRADES, GapCause.DISCONNECTED, 2)])

    asyncio.run(main())


def test_a_channel_without_numbers_follows_the_primary_and_the_change_is_a_gap(toy: Toy) -> None:
    async def main() -> None:
        toy.answer = acknowledge
        async with toy.feed(ONE, ["trades", "l1_book"], connections=2, silence=CALM):
            await toy.settle(1)
            first, second = (one for one in toy.connections if one.url.endswith("/other"))
            first.give(quote())
            good = toy.clock.now()
            second.give(quote(), quote())
            assert len(toy.seen(Quote)) == 1
            await toy.settle(1)
            first.end(1006, "reset")
            await toy.settle()
            await toy.settle(0.1)
            second.give(quote())
            opened, closed = toy.seen(Gap)
            assert (opened.channel, opened.cause, opened.ts_start, opened.ts_end) == (
                Channel.L1_BOOK, GapCause.DISCONNECTED, good, None,
            )  # fmt: skip
            assert opened.detail == "disconnected (1006 reset; other-1b carries on)"
            assert (closed.gap_id, closed.ts_start, closed.ts_end) == (opened.gap_id, good, toy.clock.now())
            assert len(toy.seen(Quote)) == 2

    asyncio.run(main())


def test_a_hole_of_the_primary_is_filled_by_the_stand_by(toy: Toy) -> None:
    async def main() -> None:
        toy.answer = acknowledge
        async with toy.feed(ONE, ["trades", "l2_book"], connections=2, silence=CALM) as feed:
            await toy.settle(1)
            first, second = toy.connections
            for connection in (first, second):
                connection.give(trade(1), delta(101))
            first.give(trade(3), delta(103))
            assert (passed(toy), feed.books["SOL-USD"].sequence) == ([1], 101)
            second.give(trade(2), delta(102))
            assert (passed(toy), feed.books["SOL-USD"].sequence) == ([1, 2, 3], 103)
            assert gaps(toy) == []

    asyncio.run(main())


def test_a_hole_of_the_primary_waits_a_second_or_so_and_no_longer(toy: Toy) -> None:
    async def main() -> None:
        toy.answer = acknowledge
        async with toy.feed(ONE, ["trades", "l2_book"], connections=2, silence=CALM) as feed:
            await toy.settle(1)
            first, second = toy.connections
            for connection in (first, second):
                connection.give(trade(1), delta(101))
            first.give(trade(3), delta(103))
            await toy.settle(0.9)
            assert (passed(toy), feed.books["SOL-USD"].is_synced) == ([1], True)
            toy.sequence = 103
            await toy.settle(0.7)
            assert (passed(toy), gaps(toy)) == (
                [1, 3], [(Channel.TRADES, GapCause.SEQUENCE, 1), (Channel.L2_BOOK, GapCause.SEQUENCE, 1)],
            )  # fmt: skip
            await toy.settle(0.5)
            assert (feed.books["SOL-USD"].is_synced, len(toy.seen(Resynced))) == (True, 1)

    asyncio.run(main())


def test_a_jump_of_the_primary_s_counter_is_no_gap_where_a_stand_by_can_tell(toy: Toy) -> None:
    async def main() -> None:
        toy.answer = acknowledge
        async with toy.feed(ONE, ["trades", "l2_book"], connections=2, silence=CALM) as feed:
            await toy.settle(1)
            first, second = toy.connections
            for connection in (first, second):
                connection.give(trade(1), delta(101))
            second.give({"k": "jump", "missing": 2}, trade(1))
            first.give({"k": "jump", "missing": 2}, trade(3))
            second.give(trade(2), trade(3), delta(102))
            assert (passed(toy), gaps(toy), feed.books["SOL-USD"].sequence) == ([1, 2, 3], [], 102)

    asyncio.run(main())


def test_a_book_whose_snapshot_comes_over_the_socket_never_goes_back_and_stays_in_sync(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(book=BookFeed(BookStart.SOCKET, SequenceRule.CONSECUTIVE))
        toy.answer = acknowledge
        async with toy.feed(ONE, ["l2_book"], connections=2, silence=CALM) as feed:
            await toy.settle()
            first, second = toy.connections
            first.give(snap(100), delta(101))
            second.give(snap(99), delta(100), delta(101))
            assert feed.books["SOL-USD"].sequence == 101
            first.end()
            await toy.settle()
            second.give(delta(102))
            await toy.settle(60)
            assert (feed.books["SOL-USD"].sequence, gaps(toy)) == (102, [])
            assert (second.asked("unsub"), len(toy.seen(BookSnapshot))) == ([], 1)
            assert toy.last.asked("unsub") == []

    asyncio.run(main())


def test_a_book_out_of_sync_is_asked_for_anew_of_the_stand_by_that_takes_over(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(book=BookFeed(BookStart.SOCKET, SequenceRule.CONSECUTIVE))
        toy.answer = acknowledge
        async with toy.feed(ONE, ["l2_book"], connections=2, silence=CALM) as feed:
            await toy.settle()
            first, second = toy.connections
            second.give(snap(100))
            first.end()
            await toy.settle()
            assert second.asked() == ["l2_book:SOL_USD"] * 2
            second.give(snap(105), delta(106))
            assert feed.books["SOL-USD"].sequence == 106

    asyncio.run(main())


def test_where_ids_only_grow_the_stand_by_takes_over_without_a_gap_if_it_had_the_last_trade(toy: Toy) -> None:
    async def main() -> None:
        channels = {**toy.info.channels, Channel.TRADES: ChannelInfo(ids=Ids.INCREASING)}
        toy.declare(channels=channels)
        toy.answer = acknowledge
        async with toy.feed(connections=2, silence=CALM):
            await toy.settle(1)
            first, second = toy.connections
            first.give(trade(10), trade(17))
            second.give(trade(17), trade(23))
            first.end()
            await toy.settle()
            second.give(trade(31))
            assert (passed(toy), gaps(toy)) == ([10, 17, 23, 31], [])
            await toy.settle(5)
            second.end()
            await toy.settle()
            assert gaps(toy) == [(Channel.TRADES, GapCause.DISCONNECTED, None)]

    asyncio.run(main())


def test_the_first_that_opens_leads(toy: Toy) -> None:
    async def main() -> None:
        toy.refusals.append(ConnectionLostError("no"))
        toy.answer = acknowledge
        async with toy.feed(connections=2, silence=CALM):
            await toy.settle()
            toy.last.give(trade(1))
            await toy.settle(2)
            toy.last.give(trade(1), trade(2))
            assert (len(toy.connections), passed(toy)) == (2, [1, 2])
            assert [one.connection for one in toy.seen(Subscribed)] == ["public-1b"]
            assert toy.seen(Gap, Reconnected) == []

    asyncio.run(main())


def test_a_refusal_counts_where_it_is_the_primary_s(toy: Toy, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD", "BTC-USD"], connections=2, silence=CALM) as feed:
            await toy.settle()
            first, second = toy.connections
            first.give(trade(1))
            second.give({"k": "no", "streams": ["trades:SOL_USD"], "why": "one is enough"})
            assert toy.seen(Unsubscribed) == []
            assert caplog.messages == ["toy public-1b: refused SOL-USD trades: one is enough"]
            first.end()
            await toy.settle()
            assert second.asked() == ["trades:SOL_USD", "trades:BTC_USD", "trades:SOL_USD"]
            second.give({"k": "no", "streams": ["trades:SOL_USD"], "why": "halted"})
            assert feed.health.reasons == {"SOL-USD trades": "refused: halted"}
            await toy.settle(2)
            assert toy.last.asked() == ["trades:BTC_USD"]

    with caplog.at_level(logging.WARNING, "tickwire.feed.legs"):
        asyncio.run(main())


def test_a_stand_by_the_exchange_will_not_have_does_not_end_the_feed(
    toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        def refuse_the_second(connection: ToyConnection) -> None:
            toy.refusal = RequestRejectedError("GET wss://toy.example/ws: 403", status=403)

        toy.on_open = refuse_the_second
        async with toy.feed(connections=2, silence=CALM):
            await toy.settle()
            toy.last.give(trade(1))
            await toy.settle(60)
            assert (len(toy.dials), passed(toy)) == (2, [1])

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert caplog.messages == ["toy public-1b: GET wss://toy.example/ws: 403; the feed goes on without it"]


async def until_refused(toy: Toy) -> None:
    async with toy.feed(credentials={"api_key": "k"}, connections=2, silence=CALM) as feed:
        await toy.settle()
        first, second = toy.connections
        for connection in (first, second):
            assert connection.said == [{"op": "login"}]
        second.give({"k": "login", "ok": True})
        await toy.settle()
        assert (first.asked(), second.asked()) == ([], ["trades:SOL_USD"])
        first.give({"k": "login", "ok": False})
        await toy.settle()
        assert toy.seen(Gap) == []
        second.give({"k": "login", "ok": False})
        await feed.wait()


def test_each_connection_logs_in_and_a_key_that_all_refuse_ends_the_feed(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(public={"login": True})
        with pytest.raises(AuthRejectedError):
            await until_refused(toy)

    asyncio.run(main())


def test_a_pause_and_a_stop_reach_all_connections(toy: Toy) -> None:
    async def main() -> None:
        toy.answer = acknowledge
        async with toy.feed(connections=2, buffer=2, when_full="block", silence=CALM) as feed:
            await toy.settle(1)
            toy.connections[0].give(trade(1), trade(2))
            assert [one.is_paused for one in toy.connections] == [True, True]
            await feed.take(10)
            assert [one.is_paused for one in toy.connections] == [False, False]
        assert [one.is_open for one in toy.connections] == [False, False]
        assert len(toy.dials) == 2

    asyncio.run(main())


def test_more_connections_for_what_has_no_numbers_is_warned_about_once(
    toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(channel: str) -> None:
        async with toy.feed(["SOL-USD", "BTC-USD"], [channel], connections=2, silence=CALM):
            await toy.settle()

    with caplog.at_level(logging.WARNING):
        asyncio.run(main("trades"))
        assert caplog.messages == []
        asyncio.run(main("l1_book"))
    assert caplog.messages == [
        "toy: connections: 2 helps against down-time only, since nothing subscribed to has ids or sequences"
    ]


def test_a_feed_has_one_to_four_connections_for_the_same(toy: Toy) -> None:
    with pytest.raises(ConfigError, match="5 connections for the same are too many → write 1 to 4"):
        toy.feed(connections=5, silence=CALM)


def test_an_acknowledgement_only_the_stand_by_had_counts_once_it_leads(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(connections=2, silence=CALM) as feed:
            await toy.settle(1)
            first, second = toy.connections
            acknowledge(second, {"op": "sub", "streams": ["trades:SOL_USD"]})
            assert [one.state for one in feed.status().values()] == [SubscriptionState.PENDING]
            first.end()
            await toy.settle()
            assert [one.state for one in feed.status().values()] == [SubscriptionState.ACTIVE]
            second.give(trade(1), trade(3))
            assert [(type(one), one.connection) for one in toy.seen(Subscribed, Gap)] == [
                (Subscribed, "public-1b"), (Gap, "public-1b"),
            ]  # fmt: skip

    asyncio.run(main())


def test_what_is_subscribed_to_again_is_brought_by_the_stand_by_again(toy: Toy) -> None:
    async def main() -> None:
        toy.answer = acknowledge
        async with toy.feed(["SOL-USD", "BTC-USD"], connections=2, silence=CALM) as feed:
            await toy.settle(1)
            for connection in toy.connections:
                connection.give(trade(1))
            await feed.unsubscribe(ONE, ["trades"])
            toy.connections[1].give(trade(2))
            await feed.subscribe(ONE, ["trades"])
            await toy.settle()
            toy.connections[0].give(trade(7))
            toy.connections[1].give(trade(8))
            assert (passed(toy), gaps(toy)) == ([1, 7, 8], [])

    asyncio.run(main())


def test_candles_of_each_interval_are_seen_apart(toy: Toy) -> None:
    toy.declare(channels={**toy.info.channels, Channel.CANDLES: ChannelInfo(intervals=("1m", "5m"))})
    table = StreamTable(toy.info, Metrics())
    streams = [
        Stream(Subscription(Channel.CANDLES, INSTRUMENT, interval=interval), "toy", toy.clock, toy.events.append)
        for interval in ("1m", "5m")
    ]
    for stream in streams:
        table.add(stream)
    spare = SpareTable(table, 1)
    for interval, expected in (("1m", [True, False]), ("5m", [True, True])):
        candle = Candle("toy", "SOL-USD", None, 1, interval, 0, 1, 1.0, 1.0, 1.0, 1.0, 1.0)
        spare.market[Candle]["SOL-USD"](candle)
        assert [spare.has_seen(stream) for stream in streams] == expected
    assert toy.events == []
