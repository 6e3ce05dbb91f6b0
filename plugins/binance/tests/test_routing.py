"""Where the three exchanges speak alike and where not: streams, answers, odd frames, requests over REST."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tickwire import (
    BookDelta,
    BookSnapshot,
    Candle,
    Channel,
    DecodeError,
    Funding,
    Instrument,
    Instruments,
    InstrumentType,
    MarkPrice,
    Quote,
    Side,
    Subscription,
    SymbolParts,
    Trade,
)
from tickwire.plugin import (
    Closing,
    Confirmed,
    Control,
    Frame,
    Hole,
    Refused,
    Request,
    Response,
    Send,
    Unknown,
)
from tickwire.testing import hold
from tickwire_binance.router import BinanceRouter
from tickwire_binance.routing import BinanceRouting

RECV = 1_780_000_000_000_000_000
MS = 1_672_515_782_136
Routers = Callable[[str], BinanceRouter]
Routings = Callable[[str], BinanceRouting]


def read(router: BinanceRouter, message: object) -> list[Any]:
    return list(router.route(Frame(msgspec.json.encode(message), RECV)))


def wrapped(stream: str, **data: object) -> dict[str, object]:
    return {"stream": stream, "data": data}


@pytest.mark.parametrize(
    ("exchange", "channel", "interval", "stream"),
    [
        ("binance", Channel.TRADES, None, "btcusdt@aggTrade"),
        ("binance", Channel.L2_BOOK, None, "btcusdt@depth@100ms"),
        ("binance", Channel.L2_BOOK, "100ms", "btcusdt@depth@100ms"),
        ("binance", Channel.L2_BOOK, "1000ms", "btcusdt@depth"),
        ("binance", Channel.L1_BOOK, None, "btcusdt@bookTicker"),
        ("binance", Channel.TICKER, None, "btcusdt@ticker"),
        ("binance", Channel.CANDLES, "1M", "btcusdt@kline_1M"),
        ("binanceus", Channel.L2_BOOK, "1000ms", "btcusdt@depth"),
        ("binanceusdm", Channel.L2_BOOK, "250ms", "btcusdt@depth"),
        ("binanceusdm", Channel.L2_BOOK, "500ms", "btcusdt@depth@500ms"),
        ("binanceusdm", Channel.L2_BOOK, None, "btcusdt@depth@100ms"),
        ("binanceusdm", Channel.MARK_PRICE, None, "btcusdt@markPrice@1s"),
        ("binanceusdm", Channel.FUNDING, None, "btcusdt@markPrice@1s"),
        ("binanceusdm", Channel.LIQUIDATIONS, None, "btcusdt@forceOrder"),
    ],
)
def test_a_stream_is_named_as_documented(
    exchange: str, channel: Channel, interval: str | None, stream: str, router: Routers
) -> None:
    by = router(exchange)
    (send,) = by.subscribe([Subscription(channel, by.native["BTCUSDT"], interval=interval)])
    assert msgspec.json.decode(send.payload) == {"method": "SUBSCRIBE", "params": [stream], "id": 1}
    (send,) = by.unsubscribe([Subscription(channel, by.native["BTCUSDT"], interval=interval)])
    assert msgspec.json.decode(send.payload) == {"method": "UNSUBSCRIBE", "params": [stream], "id": 2}


def test_books_and_quotes_of_futures_have_a_socket_of_their_own(routing: Routings) -> None:
    by = routing("binanceusdm")
    instrument = by.instruments.native["BTCUSDT"]
    sockets = {channel: by.endpoint(Subscription(channel, instrument)) for channel in by.info.channels}
    assert {channel for channel, socket in sockets.items() if socket == "public"} == {Channel.L2_BOOK, Channel.L1_BOOK}
    assert {by.info.sockets[socket].url for socket in sockets.values()} == {
        "wss://fstream.binance.com/public/stream", "wss://fstream.binance.com/market/stream",
    }  # fmt: skip


def test_an_answer_confirms_all_of_its_request(router: Routers) -> None:
    by = router("binance")
    asked = [Subscription(Channel.TRADES, by.native[native]) for native in ("BTCUSDT", "BNBBTC")]
    list(by.subscribe(asked))
    assert read(by, {"result": None, "id": 1}) == [Confirmed(tuple(asked))]
    assert read(by, {"result": None, "id": 1}) == []


def test_an_error_refuses_the_stream_that_is_to_blame_and_the_other_is_asked_for_again(router: Routers) -> None:
    by = router("binance")
    asked = [Subscription(Channel.TRADES, by.native[native]) for native in ("BTCUSDT", "BNBBTC")]
    list(by.subscribe(asked))
    error = {"code": 2, "msg": "Invalid request: invalid stream"}
    first, second = read(by, {"error": error, "id": 1})
    assert [(send, msgspec.json.decode(send.payload)["params"]) for send in (first, second)] == [
        (Send(first.payload, (asked[0],)), ["btcusdt@aggTrade"]),
        (Send(second.payload, (asked[1],)), ["bnbbtc@aggTrade"]),
    ]
    assert read(by, {"error": error, "id": 2}) == [Refused((asked[0],), "2 Invalid request: invalid stream")]
    assert read(by, {"result": None, "id": 3}) == [Confirmed((asked[1],))]


@pytest.mark.parametrize(
    ("message", "controls"),
    [
        ({"code": 3, "msg": "Invalid JSON: expected value"}, [Unknown("error 3 Invalid JSON: expected value")]),
        ({"error": {"code": 1, "msg": "x"}, "id": None}, [Unknown("error 1 x")]),
        (wrapped("!serverShutdown", e="serverShutdown", E=1770123456789), [Closing(0.0)]),
        (wrapped("btcusdt@avgPrice", e="avgPrice", s="BTCUSDT"), [Unknown("avgPrice")]),
        (wrapped("btcusdt@depth5", lastUpdateId=160, bids=[], asks=[]), [Unknown("untagged")]),
    ],
)
def test_what_is_no_data_is_told_apart(message: object, controls: list[Control], router: Routers) -> None:
    assert read(router("binance"), message) == controls


@pytest.mark.parametrize("message", [{}, {"stream": "btcusdt@aggTrade"}, {"result": None}, [], 7])
def test_a_frame_that_says_nothing_is_refused(message: object, router: Routers) -> None:
    with pytest.raises(DecodeError):
        read(router("binance"), message)


def test_the_side_of_a_trade_is_the_taker_s_and_its_matches_are_counted(router: Routers) -> None:
    data = {"e": "aggTrade", "s": "BTCUSDT", "a": 7, "p": "0.5", "q": "2", "f": 100, "l": 102, "T": MS, "E": MS}
    by = router("binance")
    trades = [read(by, wrapped("btcusdt@aggTrade", **data, m=m)) for m in (True, False)]
    assert trades == [
        [Trade("binance", "BTC-USDT", MS * 10**6, RECV, 0.5, 2.0, side, "7", 7, 3)] for side in (Side.SELL, Side.BUY)
    ]


def test_a_change_of_futures_has_the_engine_s_time_and_the_link(router: Routers) -> None:
    data = {"e": "depthUpdate", "s": "BTCUSDT", "U": 5, "u": 7, "E": MS + 9, "b": [], "a": [["1", "0"]]}
    spot = read(router("binance"), wrapped("btcusdt@depth", **data))
    futures = read(router("binanceusdm"), wrapped("btcusdt@depth", **data, T=MS, pu=2))
    assert spot == [BookDelta("binance", "BTC-USDT", (MS + 9) * 10**6, RECV, (), ((1.0, 0.0),), 5, 7)]
    assert futures == [BookDelta("binanceusdm", "BTC-USDT-PERP", MS * 10**6, RECV, (), ((1.0, 0.0),), 5, 7, 2)]


def test_an_empty_side_of_a_quote_is_none(router: Routers) -> None:
    data = {"u": 4, "s": "BTCUSDT", "b": "0.00000000", "B": "0.00000000", "a": "2.5", "A": "1"}
    found = read(router("binance"), wrapped("btcusdt@bookTicker", **data))
    assert found == [Quote("binance", "BTC-USDT", None, RECV, None, None, 2.5, 1.0, 4)]


def kline(**changed: object) -> dict[str, object]:
    zero = dict.fromkeys("vqVQB", "0")
    prices = dict.fromkeys("ohlc", "2.5")
    minute = {"t": 1672515780000, "T": 1672515839999, "s": "BTCUSDT", "i": "1m", "f": -1, "L": -1}
    return {"e": "kline", "E": MS, "s": "BTCUSDT", "k": {**minute, **prices, **zero, "n": 0, "x": True, **changed}}


def test_a_candle_without_trades_has_no_prices(router: Routers) -> None:
    start, end = 1_672_515_780_000_000_000, 1_672_515_840_000_000_000
    found = read(router("binance"), wrapped("btcusdt@kline_1m", **kline()))
    none = (None, None, None, None)
    assert found == [Candle("binance", "BTC-USDT", MS * 10**6, RECV, "1m", start, end, *none, 0.0, 0.0, 0.0, 0, True)]


def mark(native: str, **changed: object) -> dict[str, object]:
    data = {"e": "markPriceUpdate", "E": MS, "s": native, "p": "11.5", "i": "11.25", "P": "11"}
    return wrapped(f"{native.lower()}@markPrice@1s", **data, **changed)


def test_a_dated_future_has_a_mark_price_and_no_funding(router: Routers) -> None:
    by = router("binanceusdm")
    head = ("binanceusdm", "BTC-USDT-20261225", MS * 10**6, RECV)
    assert read(by, mark("BTCUSDT_261225", r="", T=0)) == [MarkPrice(*head, 11.5, 11.25, 11.0)]
    head = ("binanceusdm", "BTC-USDT-PERP", MS * 10**6, RECV)
    assert read(by, mark("BTCUSDT", r="-0.0001", T=MS)) == [
        MarkPrice(*head, 11.5, 11.25, 11.0), Funding(*head, -0.0001, None, MS * 10**6),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "changed", [{"r": "nan", "T": MS}, {"r": "", "T": MS}, {"r": "0.1", "T": 1}, {"r": [], "T": MS}]
)
def test_a_funding_that_is_none_is_refused(changed: Mapping[str, object], router: Routers) -> None:
    with pytest.raises(DecodeError):
        read(router("binanceusdm"), mark("BTCUSDT", **changed))


def test_rates_are_decimals_where_numbers_are() -> None:
    parts = SymbolParts("BTC", "USDT", InstrumentType.PERP, "USDT")
    instruments = Instruments([Instrument.of("binanceusdm", "BTCUSDT", parts)])
    rate = "0.00010000000000000000001"
    _, funding = read(BinanceRouter(instruments, numbers=Decimal), mark("BTCUSDT", r=rate, T=MS))
    assert funding.rate == Decimal(rate)


@pytest.mark.parametrize(
    ("exchange", "depth", "path", "limit", "weight"),
    [
        ("binance", None, "/api/v3/depth", 1000, 50),
        ("binance", 5000, "/api/v3/depth", 5000, 250),
        ("binanceus", None, "/api/v3/depth", 1000, 50),
        ("binanceusdm", None, "/fapi/v1/depth", 1000, 20),
    ],
)
def test_a_snapshot_is_asked_for_at_its_documented_weight(
    exchange: str, depth: int | None, path: str, limit: int, weight: float, routing: Routings, router: Routers
) -> None:
    instrument = router(exchange).native["BTCUSDT"]
    asked: list[Request] = []

    def answer(request: Request) -> Response:
        asked.append(request)
        body = b'{"lastUpdateId":9,"E":1672515782137,"T":1672515782136,"bids":[["4.0","1"]],"asks":[["4.1","2"]]}'
        return Response(200, {}, body, RECV)

    found = hold(routing(exchange).snapshot(Subscription(Channel.L2_BOOK, instrument, depth=depth)), answer)
    assert asked == [Request("GET", path, {"symbol": "BTCUSDT", "limit": limit}, weight=weight)]
    head = (exchange, instrument.symbol, MS * 10**6, RECV)
    assert found == BookSnapshot(*head, ((4.0, 1.0),), ((4.1, 2.0),), 9)


@pytest.mark.parametrize(("exchange", "path", "weight"), [("binance", "/api/v3", 4), ("binanceusdm", "/fapi/v1", 20)])
@pytest.mark.parametrize("is_known", [True, False])
def test_history_is_asked_for_from_the_next_id_on_or_by_time(
    exchange: str, path: str, weight: float, is_known: bool, routing: Routings, router: Routers
) -> None:
    instrument = router(exchange).native["BTCUSDT"]
    head = (exchange, instrument.symbol, MS * 10**6)
    after = Trade(*head, RECV, 1.0, 1.0, None, "41", 41) if is_known else None
    asked: list[Request] = []

    def answer(request: Request) -> Response:
        asked.append(request)
        rows = [{"a": 42, "p": "1.5", "q": "2", "f": 90, "l": 90, "T": MS, "m": True, "M": True}]
        return Response(200, {}, msgspec.json.encode(rows), RECV)

    found = hold(routing(exchange).history(Hole(instrument, Channel.TRADES, after, None, MS * 10**6, RECV)), answer)
    start = {"fromId": 42} if is_known else {"startTime": MS}
    query: dict[str, str | int] = {"symbol": "BTCUSDT", "limit": 1000, **start}
    assert asked == [Request("GET", f"{path}/aggTrades", query, weight=weight)]
    assert found == [Trade(*head, RECV, 1.5, 2.0, Side.SELL, "42", 42, 1, True)]
