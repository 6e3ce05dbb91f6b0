"""The language of Binance's sockets: combined streams ``{"stream": "btcusdt@aggTrade", "data": {…}}``."""

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from tickwire import (
    BookDelta,
    Candle,
    Channel,
    DecodeError,
    Funding,
    Liquidation,
    MarkPrice,
    Nanos,
    Quote,
    Side,
    Subscription,
    Ticker,
)
from tickwire.native import Handled, Millis, NativeMessageRouter, Price, handles
from tickwire.plugin import Closing, Unknown
from tickwire_binance import wire
from tickwire_binance.wire import MS


class BinanceRouter(NativeMessageRouter):
    """Reads the frames of spot and futures alike; an envelope without data is an answer."""

    decoder = msgspec.json.Decoder(wire.Envelope, strict=False)
    untagged: ClassVar = {b'@bookTicker"': msgspec.json.Decoder(wire.QuoteEnvelope, strict=False)}
    content = "data"
    unread = wire.UNREAD
    default_interval = "100ms"
    stream_names: ClassVar = {
        Channel.TRADES: "{native_lower}@aggTrade",
        Channel.L2_BOOK: "{native_lower}@depth@{interval}",
        Channel.L1_BOOK: "{native_lower}@bookTicker",
        Channel.TICKER: "{native_lower}@ticker",
        Channel.CANDLES: "{native_lower}@kline_{interval}",
        Channel.MARK_PRICE: "{native_lower}@markPrice@1s",
        Channel.FUNDING: "{native_lower}@markPrice@1s",
        Channel.LIQUIDATIONS: "{native_lower}@forceOrder",
    }

    def stream(self, subscription: Subscription) -> str:
        """Name a stream: ``btcusdt@aggTrade``; the plain speed of a book, of spot and of futures, has no suffix."""
        return super().stream(subscription).removesuffix("@1000ms").removesuffix("@250ms")

    def request(self, add: bool, streams: Sequence[str], number: int) -> object:
        """Make a SUBSCRIBE or UNSUBSCRIBE."""
        return {"method": "SUBSCRIBE" if add else "UNSUBSCRIBE", "params": streams, "id": number}

    @handles(wire.TradeData)
    def trade(self, m: wire.TradeData, ts_recv: Nanos) -> Handled:
        """Read an aggregate trade."""
        return (m.trade(self.native[m.s], ts_recv),)

    @handles(wire.DepthData)
    def depth(self, m: wire.DepthData, ts_recv: Nanos) -> Handled:
        """Read changed levels."""
        i = self.native[m.s]
        ts_event = (m.E if m.T is None else m.T) * MS
        return (BookDelta(i.exchange, i.symbol, ts_event, ts_recv, m.b, m.a, m.U, m.u, m.pu),)

    @handles(wire.BookTickerData)
    def quote(self, m: wire.BookTickerData, ts_recv: Nanos) -> Handled:
        """Read the best bid and ask; a price of zero is no price, its side is empty."""
        i = self.native[m.s]
        ts_event = None if m.T is None else m.T * MS
        bid, bid_size = (m.b, m.B) if m.b else (None, None)
        ask, ask_size = (m.a, m.A) if m.a else (None, None)
        return (Quote(i.exchange, i.symbol, ts_event, ts_recv, bid, bid_size, ask, ask_size, m.u),)

    @handles(wire.TickerData)
    def ticker(self, m: wire.TickerData, ts_recv: Nanos) -> Handled:
        """Read the figures of the last 24 hours."""
        i = self.native[m.s]
        return (Ticker(i.exchange, i.symbol, m.E * MS, ts_recv, m.c, m.Q, m.o, m.h, m.l, m.v, m.q, m.n, "24h"),)

    @handles(wire.KlineData)
    def candle(self, m: wire.KlineData, ts_recv: Nanos) -> Handled:
        """Read a candle; without a trade it repeats the close before, which is no price of its own."""
        i, k = self.native[m.s], m.k
        first, high, low, last = (k.o, k.h, k.l, k.c) if k.n else (None, None, None, None)
        head = (i.exchange, i.symbol, m.E * MS, ts_recv, k.i, k.t * MS, (k.T + 1) * MS)
        return (Candle(*head, first, high, low, last, k.v, k.q, k.V, k.n, k.x),)

    @handles(wire.MarkPriceData)
    def mark(self, m: wire.MarkPriceData, ts_recv: Nanos) -> Handled:
        """Read mark price and funding, which share a stream; dated futures have no funding."""
        i = self.native[m.s]
        head = (i.exchange, i.symbol, m.E * MS, ts_recv)
        mark = MarkPrice(*head, m.p, m.i, m.P)
        if bytes(m.T) == b"0":
            return (mark,)
        rate = self.read_part(Price, m.r, "a funding without a rate")
        paid = self.read_part(Millis, m.T, "a funding without a time") * MS
        return (mark, Funding(*head, rate, None, paid))

    @handles(wire.LiquidationData)
    def liquidation(self, m: wire.LiquidationData, ts_recv: Nanos) -> Handled:
        """Read a liquidation."""
        o = m.o
        i = self.native[o.s]
        is_complete = o.X == "FILLED"
        return (Liquidation(i.exchange, i.symbol, o.T * MS, ts_recv, Side[o.S], o.p, o.ap, o.q, None, is_complete),)

    @handles(wire.Shutdown)
    def shutdown(self, m: wire.Shutdown, ts_recv: Nanos) -> Handled:
        """Leave at once: how much time is left is not said."""
        return (Closing(0.0),)

    @handles(wire.Envelope)
    def answer(self, m: wire.Envelope, ts_recv: Nanos) -> Handled:
        """Read an answer; an error is about all of the request and never names a stream."""
        failed = m.error or m
        reason = "" if failed.code is None else f"{failed.code} {failed.msg}"
        if m.id is not None:
            return self.answered(m.id, reason or {})
        if not reason:
            raise DecodeError("a frame with neither data nor number nor error")
        return (Unknown(f"error {reason}"),)
