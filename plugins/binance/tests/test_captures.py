"""Recorded frames of the real exchanges, read by the plugin and, beside it, directly, by the documents' rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tickwire import (
    BookDelta,
    BookSnapshot,
    Candle,
    Channel,
    Event,
    Instruments,
    InstrumentStatus,
    L2Book,
    Quote,
    Side,
    Subscription,
    Trade,
)
from tickwire.plugin import ConnectionInfo, Frame, Located, Request, Response, SequenceRule
from tickwire_binance.routing import ROUTINGS
from tickwire_binance.symbols import BinanceSymbols

CAPTURES = Path(__file__).parents[4] / "shared" / "captures"
NAMES = {"binance": "binance/BINANCE", "binanceus": "binanceus/BINANCE_US"}
RECV = 1_633_998_500_000_000_000

pytestmark = [
    pytest.mark.skipif(
        not (CAPTURES / "binance").is_dir(),
        reason="shared/captures does not stand beside the repository: the recorded frames are absent",
    ),
    pytest.mark.parametrize("exchange", NAMES),
]


def http(exchange: str, part: str) -> Iterator[tuple[str, bytes]]:
    """Give the recorded answers: URL and body."""
    for line in (CAPTURES / f"{NAMES[exchange]}.{part}").read_bytes().splitlines():
        url, arrow, rest = line.partition(b" -> ")
        if arrow:
            yield url.decode(), rest.partition(b": ")[2]


def frames(exchange: str) -> Iterator[bytes]:
    for line in (CAPTURES / f"{NAMES[exchange]}.ws.1.0").read_bytes().splitlines():
        if line and b" <-> " not in line:
            yield line.partition(b": ")[2]


def load(exchange: str) -> Instruments:
    ((_, body),) = http(exchange, "0")
    symbols = BinanceSymbols(Request("GET", "/"), exchange=exchange)
    conversation = symbols.load()
    next(conversation)
    with pytest.raises(StopIteration) as done:
        conversation.send(Response(200, {}, body, RECV))
    assert symbols.quarantined == {}
    return Instruments(done.value.value)


def events(exchange: str) -> list[Event]:
    router = ROUTINGS[exchange](load(exchange)).router(ConnectionInfo("test", "public", Located("wss://test")))
    return [item for frame in frames(exchange) for item in router.route(Frame(frame, RECV)) if isinstance(item, Event)]


def snapshots(exchange: str) -> dict[str, BookSnapshot]:
    listed, found = load(exchange), {}
    for url, body in http(exchange, "http.0.0"):
        native = url.partition("symbol=")[2].partition("&")[0]
        conversation = ROUTINGS[exchange](listed).snapshot(Subscription(Channel.L2_BOOK, listed.native[native]))
        request = next(conversation)
        assert url.endswith(f"{request.path}?symbol={request.params['symbol']}&limit={request.params['limit']}")
        with pytest.raises(StopIteration) as done:
            conversation.send(Response(200, {}, body, RECV))
        found[native] = done.value.value
    return found


class DirectBook:
    """The rules of "How to manage a local order book correctly", on the texts of the wire."""

    def __init__(self, body: bytes) -> None:
        answer = msgspec.json.decode(body)
        self.last: int = answer["lastUpdateId"]
        self.is_first = True
        self.sides = {"b": dict(self._exact(answer["bids"])), "a": dict(self._exact(answer["asks"]))}

    def apply(self, data: Mapping[str, Any]) -> bool:
        """Apply an event; an old one is dropped, one that does not follow fails the test."""
        if data["u"] <= self.last:
            return False
        if self.is_first:
            assert data["U"] <= self.last + 1 <= data["u"]
        else:
            assert data["U"] == self.last + 1
        self.is_first, self.last = False, data["u"]
        for name, side in self.sides.items():
            for price, size in self._exact(data[name]):
                side[price] = size
                if not size:
                    del side[price]
        return True

    def levels(self) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        bids, asks = sorted(self.sides["b"].items(), reverse=True), sorted(self.sides["a"].items())
        return _floats(bids), _floats(asks)

    @staticmethod
    def _exact(levels: list[list[str]]) -> Iterator[tuple[Decimal, Decimal]]:
        return ((Decimal(price), Decimal(size)) for price, size in levels)


def _floats(levels: list[tuple[Decimal, Decimal]]) -> list[tuple[float, float]]:
    return [(float(price), float(size)) for price, size in levels]


def test_every_listed_market_is_loaded_and_named_by_its_assets(exchange: str) -> None:
    ((_, body),) = http(exchange, "0")
    listed = msgspec.json.decode(body)["symbols"]
    loaded = load(exchange)
    assert len(listed) > 100
    assert {one.native: (one.symbol, one.status is InstrumentStatus.OPEN) for one in loaded} == {
        row["symbol"]: (f"{row['baseAsset']}-{row['quoteAsset']}", row["status"] == "TRADING") for row in listed
    }


def test_each_event_says_what_its_frame_says(exchange: str) -> None:
    symbols = {one.native: one.symbol for one in load(exchange)}
    expected: list[Event] = []
    for frame in frames(exchange):
        envelope = msgspec.json.decode(frame)
        d = envelope["data"]
        head = (exchange, symbols[d["s"]])
        match envelope["stream"].split("@")[1]:
            case "depth":
                bids, asks = (tuple((float(price), float(size)) for price, size in d[side]) for side in "ba")
                expected.append(BookDelta(*head, d["E"] * 10**6, RECV, bids, asks, d["U"], d["u"]))
            case "bookTicker":
                bid, bid_size, ask, ask_size = (float(d[key]) for key in "bBaA")
                expected.append(Quote(*head, None, RECV, bid, bid_size, ask, ask_size, d["u"]))
            case "aggTrade":
                side, fills = Side.SELL if d["m"] else Side.BUY, d["l"] - d["f"] + 1
                price, size = float(d["p"]), float(d["q"])
                expected.append(Trade(*head, d["T"] * 10**6, RECV, price, size, side, str(d["a"]), d["a"], fills))
            case "kline_1m":
                k = d["k"]
                o, h, low, c, v, q, taken = (float(k[key]) for key in "ohlcvqV")
                start, end = k["t"] * 10**6, k["T"] * 10**6 + 10**6
                expected.append(
                    Candle(*head, d["E"] * 10**6, RECV, k["i"], start, end, o, h, low, c, v, q, taken, k["n"], k["x"])
                )
            case kind:
                pytest.fail(f"nobody reads {kind}")
    assert events(exchange) == expected
    assert {type(event) for event in expected} == {BookDelta, Quote, Trade, Candle}


def test_books_pass_the_public_rules_frame_by_frame_and_equal_a_direct_reading(exchange: str) -> None:
    direct = {url.partition("symbol=")[2].partition("&")[0]: body for url, body in http(exchange, "http.0.0")}
    applied = 0
    for native, snapshot in snapshots(exchange).items():
        ours, theirs = L2Book.from_snapshot(snapshot, SequenceRule.CONSECUTIVE), DirectBook(direct[native])
        deltas = [one for one in events(exchange) if isinstance(one, BookDelta) and one.symbol == snapshot.symbol]
        payloads = [msgspec.json.decode(one)["data"] for one in frames(exchange) if b"@depth" in one]
        for delta, payload in zip(deltas, (one for one in payloads if one["s"] == native), strict=True):
            ours.apply(delta)
            applied += theirs.apply(payload)
            assert ours.is_synced
            assert (ours.sequence, ours.bids(), ours.asks()) == (theirs.last, *theirs.levels())
    assert applied > 150


def test_the_best_levels_equal_every_quote_whose_update_ends_a_depth_frame(exchange: str) -> None:
    compared = 0
    for snapshot in snapshots(exchange).values():
        book = L2Book.from_snapshot(snapshot, SequenceRule.CONSECUTIVE)
        of_symbol = [one for one in events(exchange) if one.symbol == snapshot.symbol]
        quotes = {one.sequence: one for one in of_symbol if isinstance(one, Quote)}
        for delta in of_symbol:
            if isinstance(delta, BookDelta):
                book.apply(delta)
                quote = quotes.get(book.sequence)
                if quote is not None and delta.last_sequence == book.sequence:
                    best = (*(book.best_bid or ()), *(book.best_ask or ()))
                    assert best == (quote.bid_price, quote.bid_size, quote.ask_price, quote.ask_size)
                    compared += 1
    assert compared > 20
