"""The dressed Kraken says what the documents say: answers, refusals, status, numbers, windows, REST with its errors."""

from __future__ import annotations

import asyncio
import re
from decimal import Decimal
from typing import Any

import aiohttp
import msgspec
import pytest

from tickwire import (
    BookDelta,
    BookSnapshot,
    Channel,
    Event,
    Feed,
    Gap,
    Inexact,
    ManualClock,
    Quote,
    Subscribe,
    Subscribed,
    Trade,
)
from tickwire.plugin import Request
from tickwire.simulation import MemoryTruth, SeededMarket, SimServer
from tickwire.simulation.board import encode
from tickwire.simulation.exchange import SimExchange
from tickwire.testing import Oracle
from tickwire_kraken.simulator import KrakenSimulator, digest

NOW = 1_780_000_000_000_000_000
TIMES = {"time_in": "2026-05-28T20:26:40.000000Z", "time_out": "2026-05-28T20:26:40.000000Z"}


class Wire:
    """What a client hears, as the exchange wrote it."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.put = self.raw.append

    def hang_up(self, code: int, reason: str) -> None: ...
    def abort(self) -> None: ...
    def die(self) -> None: ...

    def take(self) -> list[Any]:
        heard = [msgspec.json.decode(one) for one in self.raw]
        self.raw.clear()
        return heard


class Call:
    """One connection to a simulated Kraken on a clock that stands still."""

    def __init__(self, steps: int = 0) -> None:
        clock = ManualClock(NOW)
        self.dress = KrakenSimulator(clock)
        self.market = SeededMarket.of(self.dress, seed=5, clock=clock, orders=60)
        for _ in range(steps):
            self.market.step()
        self.exchange = SimExchange(self.dress, self.market, None)
        self.wire = Wire()
        self.line = self.exchange.connected(self.wire)

    def say(self, message: object) -> list[Any]:
        self.line.received(message if isinstance(message, bytes) else msgspec.json.encode(message))
        return self.wire.take()

    def ask(self, number: int = 1, method: str = "subscribe", **params: Any) -> list[Any]:
        return self.say({"method": method, "params": params, "req_id": number})

    def get(self, path: str, **params: str) -> Any:
        return msgspec.json.decode(encode(self.dress.rest(Request("GET", f"/0/public/{path}", params), self.market)))


def test_a_status_comes_on_connecting_and_a_pong_on_asking() -> None:
    call = Call()
    (status,) = call.wire.take()
    assert (status["channel"], status["data"][0]["system"]) == ("status", "online")
    assert call.say({"method": "ping", "req_id": 101}) == [{"method": "pong", "req_id": 101, **TIMES}]


def test_each_symbol_is_answered_by_itself_and_a_refusal_names_it() -> None:
    call = Call()
    call.wire.take()
    answers = call.ask(3, channel="book", symbol=["BTC/USD", "XBT/USD", "ETH/USD"], depth=25, snapshot=False)
    result = {"channel": "book", "depth": 25, "snapshot": False}
    head = {"method": "subscribe", "req_id": 3, **TIMES}
    assert answers == [
        {**head, "success": True, "result": {**result, "symbol": "BTC/USD"}},
        {**head, "success": False, "symbol": "XBT/USD", "error": "Currency pair not supported XBT/USD"},
        {**head, "success": True, "result": {**result, "symbol": "ETH/USD"}},
    ]


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"channel": "book", "depth": 11}, "Subscription depth not supported"),
        ({"channel": "ohlc", "interval": 7}, "Subscription ohlc interval not supported"),
        ({"channel": "spread"}, "Subscription name invalid"),
    ],
)
def test_what_is_not_offered_is_refused(params: dict[str, Any], error: str) -> None:
    call = Call()
    call.wire.take()
    assert [(one["success"], one["error"]) for one in call.ask(symbol=["BTC/USD"], **params)] == [(False, error)]


def test_a_request_that_cannot_be_read_is_refused() -> None:
    call = Call()
    call.wire.take()
    assert [one["success"] for one in call.say(b"no json")] == [False]


def test_the_last_fifty_trades_come_only_if_they_are_asked_for() -> None:
    call = Call(steps=3_000)
    call.wire.take()
    answer, pushed = call.ask(channel="trade", symbol=["BTC/USD"], snapshot=True)
    latest = call.market.latest("BTC/USD", 50)[::-1]
    assert (answer["success"], pushed["type"]) == (True, "snapshot")
    assert [row["trade_id"] for row in pushed["data"]] == [trade.number for trade in latest]
    assert len(call.ask(channel="trade", symbol=["ETH/USD"])) == 1


def test_numbers_are_json_numbers_with_all_the_decimals_of_the_pair() -> None:
    call = Call()
    params = {"channel": "book", "symbol": ["BTC/USD"]}
    call.line.received(msgspec.json.encode({"method": "subscribe", "params": params}))
    levels = re.findall(rb'"price":([^,}]*),"qty":([^,}]*)}', call.wire.raw[-1])
    assert len(levels) == 20
    assert all(re.fullmatch(rb"\d+\.\d", price) and re.fullmatch(rb"\d+\.\d{8}", size) for price, size in levels)


def test_a_book_keeps_its_window_and_its_checksum_at_every_change() -> None:
    call = Call()
    call.wire.take()
    _, first = call.ask(channel="book", symbol=["SOL/USD"])
    sides: dict[str, dict[float, float]] = {"bids": {}, "asks": {}}
    seen = 0
    for _ in range(2_000):
        call.market.step()
        for frame in [first, *call.wire.take()] if not seen else call.wire.take():
            (row,) = frame["data"]
            seen += 1
            for name, side in sides.items():
                side |= {level["price"]: level["qty"] for level in row[name]}
                kept = sorted((one for one in side.items() if one[1]), reverse=name == "bids")[:10]
                sides[name] = dict(kept)
            texts = [[(f"{p:.2f}", f"{q:.8f}") for p, q in sides[name].items()] for name in ("asks", "bids")]
            assert digest([*texts[0], *texts[1]]) == row["checksum"]
    assert seen > 100


def test_a_quote_comes_with_each_change_of_the_top_and_a_ticker_with_the_trades() -> None:
    call = Call()
    call.wire.take()
    call.ask(channel="ticker", symbol=["SOL/USD"], event_trigger="bbo")
    while not (heard := call.wire.take()):
        call.market.step()
    top = call.market.book("SOL/USD", 1)
    row = heard[-1]["data"][0]
    found = [row["bid"], row["bid_qty"], row["ask"], row["ask_qty"]]
    assert found == [float(text) for side in (top.bids, top.asks) for text in side[0]]
    figures = call.market.ticker("SOL/USD")
    assert row["volume"] == float(figures.volume)


def test_rest_lists_pairs_by_their_oldest_names_and_answers_to_all_of_them() -> None:
    call = Call(steps=500)
    rows = call.get("AssetPairs")["result"]
    assert (rows["XXBTZUSD"]["altname"], rows["XXBTZUSD"]["wsname"]) == ("XBTUSD", "XBT/USD")
    assert (rows["XDGUSD"]["wsname"], rows["ADAEUR"]["status"]) == ("XDG/USD", "post_only")
    books = [call.get("Depth", pair=name, count="3")["result"] for name in ("XXBTZUSD", "XBTUSD", "BTC/USD")]
    assert [[*book] for book in books] == [["XXBTZUSD"]] * 3
    assert [len(books[0]["XXBTZUSD"][side]) for side in ("asks", "bids")] == [3, 3]


def test_errors_have_status_200() -> None:
    call = Call()
    assert call.get("Trades", pair="NOPE") == {"error": ["EQuery:Unknown asset pair"]}
    assert call.get("Depth") == {"error": ["EGeneral:Invalid arguments"]}
    assert call.get("Nothing") == {"error": ["EGeneral:Unknown method"]}
    assert call.get("Time")["result"]["unixtime"] == NOW // 10**9


def test_trades_since_a_moment_are_those_after_it_oldest_first() -> None:
    call = Call(steps=3_000)
    every = call.market.trades("BTC/USD", 0, 10_000)
    answer = call.get("Trades", pair="XBTUSD", since=str(NOW - 1), count="7")["result"]
    assert [row[6] for row in answer["XXBTZUSD"]] == [trade.number for trade in every[:7]]
    assert answer["last"] == str(every[6].ts)
    assert call.get("Trades", pair="XBTUSD", since=str(NOW))["result"]["XXBTZUSD"] == []


@pytest.mark.parametrize("depth", [None, 25])
@pytest.mark.parametrize("numbers", [float, Decimal])
def test_a_feed_over_sockets_gets_every_trade_and_only_true_books(depth: int | None, numbers: type) -> None:
    async def main() -> None:
        dress, truth, symbols = KrakenSimulator(), MemoryTruth(), ["BTC-USD", "DOGE-USD"]
        market = SeededMarket.of(dress, symbols, seed=3, truth=truth)
        async with SimServer(dress, market, rate=2_000, limit=3_000) as server, asyncio.timeout(40):
            feed: Feed[Any] = Feed(
                "kraken", symbols,
                [Subscribe.l2_book(depth=depth), "trades", "l1_book", "ticker", Subscribe.candles("1m")],
                rest=server.rest_url, websocket=server.ws_url, numbers=numbers,
            )  # fmt: skip
            oracle, seen = Oracle(numbers=numbers, live=lambda: feed.books), set[type]()
            feed.on(Event, oracle.see)
            feed.on(Event, lambda event: seen.add(type(event)))
            async with feed:
                await feed.ready()
                await server.finished()
                await server.settled()
        assert oracle.verdict(truth) == []
        assert seen >= {Trade, BookSnapshot, BookDelta, Quote, Subscribed}
        assert not seen & {Gap, Inexact}

    asyncio.run(main())


def test_a_silent_socket_is_given_a_heartbeat() -> None:
    async def main() -> None:
        dress = KrakenSimulator()
        async with (
            SimServer(dress, SeededMarket.of(dress)) as server,
            aiohttp.ClientSession() as session,
            session.ws_connect(server.ws_url) as socket,
            asyncio.timeout(15),
        ):
            params = {"channel": "trade", "symbol": ["BTC/USD"]}
            await socket.send_json({"method": "subscribe", "params": params})
            heard = [await socket.receive_json() for _ in range(3)]
        assert [one.get("channel", one.get("method")) for one in heard] == ["status", "subscribe", "heartbeat"]

    asyncio.run(main())


def test_channels_declared_are_channels_dressed() -> None:
    from tickwire_kraken.info import KRAKEN

    call = Call()
    call.wire.take()
    asked: dict[Channel, dict[str, Any]] = {
        Channel.TRADES: {"channel": "trade"},
        Channel.L2_BOOK: {"channel": "book"},
        Channel.L1_BOOK: {"channel": "ticker", "event_trigger": "bbo"},
        Channel.TICKER: {"channel": "ticker"},
        Channel.CANDLES: {"channel": "ohlc", "interval": 60},
    }
    assert asked.keys() == KRAKEN.channels.keys()
    for params in asked.values():
        assert call.ask(symbol=["SOL/USD"], **params)[0]["success"]
