"""A plugin for tests of ``tickwire check``: combined streams, a list of instruments over REST, no simulator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from tickwire import (
    BookDelta,
    Channel,
    Event,
    Instrument,
    Instruments,
    Nanos,
    Quote,
    Side,
    SymbolParts,
    Trade,
    hookimpl,
)
from tickwire.native import Millis, NativeMessageRouter, NativeRouting, NativeSymbolService, Price, Size, handles
from tickwire.plugin import (
    BookFeed,
    BookStart,
    ChannelInfo,
    ConnectionInfo,
    Endpoint,
    ExchangeInfo,
    Request,
    Routing,
    SequenceRule,
    SymbolSource,
    Tier,
)

INFO = ExchangeInfo(
    id="combined",
    tier=Tier.NATIVE,
    rest=("https://api.combined.example",),
    sockets={"market": Endpoint("wss://ws.combined.example")},
    channels={Channel.TRADES: ChannelInfo(socket="market"), Channel.L2_BOOK: ChannelInfo(socket="market")},
    limits={},
    book=BookFeed(BookStart.REST, SequenceRule.CONSECUTIVE),
)
Levels = tuple[tuple[Price, Size], ...]


class Depth(msgspec.Struct, tag_field="e", tag="depthUpdate"):
    s: str
    E: Millis
    U: int
    u: int
    b: Levels
    a: Levels


class Match(msgspec.Struct, tag_field="e", tag="aggTrade"):
    s: str
    T: Millis
    p: Price
    q: Size
    a: int
    m: bool


class Envelope(msgspec.Struct):
    data: Depth | Match


class Top(msgspec.Struct):
    s: str
    b: Price
    B: Size
    a: Price
    A: Size


class TopEnvelope(msgspec.Struct):
    data: Top


class Symbols(NativeSymbolService):
    request = Request("GET", "/api/v3/exchangeInfo")
    rows = ("symbols",)

    def _build_market(self, entry: Mapping[str, Any]) -> Instrument:
        parts = SymbolParts(entry["baseAsset"], entry["quoteAsset"])
        steps = {one["filterType"]: one for one in entry["filters"]}
        tick, lot = steps["PRICE_FILTER"]["tickSize"], steps["LOT_SIZE"]["stepSize"]
        return Instrument.of("combined", entry["symbol"], parts, tick_size=Decimal(tick), lot_size=Decimal(lot))


class Router(NativeMessageRouter):
    decoder = msgspec.json.Decoder(Envelope, strict=False)
    untagged = {b"@bookTicker": msgspec.json.Decoder(TopEnvelope, strict=False)}  # noqa: RUF012
    content = "data"
    unread = ("stream",)

    @handles(Top)
    def top(self, m: Top, ts_recv: Nanos) -> Iterable[Event]:
        i = self.native[m.s]
        return (Quote(i.exchange, i.symbol, None, ts_recv, m.b, m.B, m.a, m.A),)

    @handles(Depth)
    def depth(self, m: Depth, ts_recv: Nanos) -> Iterable[Event]:
        i = self.native[m.s]
        return (BookDelta(i.exchange, i.symbol, m.E * 1_000_000, ts_recv, m.b, m.a, m.U, m.u),)

    @handles(Match)
    def match(self, m: Match, ts_recv: Nanos) -> Iterable[Event]:
        i = self.native[m.s]
        side = Side.SELL if m.m else Side.BUY
        return (Trade(i.exchange, i.symbol, m.T * 1_000_000, ts_recv, m.p, m.q, side, str(m.a), m.a),)


class Combined(NativeRouting):
    info = INFO

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments

    def router(self, connection: ConnectionInfo) -> Router:
        return Router(self._instruments)


@hookimpl
def tickwire_exchanges() -> Iterable[ExchangeInfo]:
    return [INFO]


@hookimpl
def tickwire_symbols() -> SymbolSource:
    return Symbols()


@hookimpl
def tickwire_routing(instruments: Instruments) -> Routing:
    return Combined(instruments)
