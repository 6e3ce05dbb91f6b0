"""Backpack's wire language (docs.backpack.exchange, page "Streams", read 2026-11-21).

Envelope ``{"data": {…, "e": kind}, "stream": name}``; nothing is ever acknowledged, and an unknown symbol is met with
silence. ``E`` (emitted) and ``T`` (matching engine) are microseconds.
"""

from collections.abc import Iterable, Sequence

import msgspec

from tickwire import (
    BookDelta,
    BookSnapshot,
    Channel,
    DecodeError,
    Event,
    Funding,
    Instruments,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Quote,
    Side,
    Subscription,
    Ticker,
    Trade,
)
from tickwire.native import (
    Handled,
    Levels,
    Metrics,
    Micros,
    Millis,
    NativeMessageRouter,
    NativeRouting,
    Price,
    Size,
    handles,
    instrument_of,
)
from tickwire.plugin import ConnectionInfo, Fetch, Frame, Hole, LoginRefused, Send, Signer, Unknown
from tickwire_backpack.auth import BackpackSigner
from tickwire_backpack.figures import (
    KlineData,
    LiquidationData,
    MarkPriceData,
    OpenInterestData,
    StreamName,
    TickerData,
    parse_candle,
)
from tickwire_backpack.info import BACKPACK
from tickwire_backpack.liquidations import LiquidationStreams

STREAMS = {
    Channel.TRADES: "trade",
    Channel.L2_BOOK: "depth",
    Channel.L1_BOOK: "bookTicker",
    Channel.TICKER: "ticker",
    Channel.CANDLES: "kline",
    Channel.MARK_PRICE: "markPrice",
    Channel.FUNDING: "markPrice",
    Channel.OPEN_INTEREST: "openInterest",
    Channel.LIQUIDATIONS: "liquidation",
}
INVALID_SIGNATURE, INVALID_STREAM = 4003, 4006


class TradeData(msgspec.Struct, tag_field="e", tag="trade"):
    """``m``: the buyer was the maker, so the taker sold; ``a`` and ``b`` are order ids, not prices."""

    s: str
    p: Price
    q: Size
    t: int
    m: bool
    T: Micros


class DepthData(msgspec.Struct, tag_field="e", tag="depth"):
    """Changes ``U``…``u``; sizes are absolute."""

    s: str
    U: int
    u: int
    a: Levels
    b: Levels
    T: Micros


class BookTickerData(msgspec.Struct, tag_field="e", tag="bookTicker"):
    """Best bid ``b``/``B`` and ask ``a``/``A``; ``None`` on an empty side. ``u`` is a number, in old docs a text."""

    s: str
    a: Price | None
    A: Size | None
    b: Price | None
    B: Size | None
    u: int
    T: Micros


class Failure(msgspec.Struct):
    """``{"code": 4006, "message": "Invalid stream"}``: it does not say which stream."""

    code: int
    message: str


class Envelope(msgspec.Struct):
    """What every frame is."""

    data: (
        TradeData
        | DepthData
        | BookTickerData
        | TickerData
        | KlineData
        | MarkPriceData
        | OpenInterestData
        | LiquidationData
        | None
    ) = None
    error: Failure | None = None


class Depth(msgspec.Struct):
    """``GET /api/v1/depth``: both sides ascending, so the best bid comes last; ``lastUpdateId`` is a text."""

    asks: Levels
    bids: Levels
    lastUpdateId: int
    timestamp: Micros


class TradeRow(msgspec.Struct):
    """A row of ``GET /api/v1/trades``: ``id`` is the stream's ``t``; ``timestamp`` in ms where the stream has µs."""

    id: int
    price: Price
    quantity: Size
    isBuyerMaker: bool
    timestamp: Millis


class BackpackRouter(NativeMessageRouter):
    """Reads Backpack's frames; an envelope without data is an error frame."""

    decoder = msgspec.json.Decoder(Envelope, strict=False)
    content = "data"
    signer: BackpackSigner | None
    unread = ("stream", "data.E", "data.a", "data.b")  # when it was sent; the order ids of a trade

    def __init__(
        self,
        instruments: Instruments,
        signer: BackpackSigner | None,
        numbers: type = float,
        metrics: Metrics | None = None,
    ) -> None:
        super().__init__(instruments, metrics=metrics, numbers=numbers, signer=signer)
        self._nothing = numbers(0)
        self._liquidations = LiquidationStreams()

    def subscribe(self, subscriptions: Sequence[Subscription]) -> Iterable[Send]:
        """Ask for these in one frame, and for each one's liquidations in a frame of its own."""
        liquidations, others = _parted(subscriptions)
        asked = self._liquidations.asked(liquidations)
        return (*(super().subscribe(others) if others else ()), *(self._ask(True, (one,)) for one in asked))

    def unsubscribe(self, subscriptions: Sequence[Subscription]) -> Iterable[Send]:
        """Ask for these no longer, in one frame."""
        liquidations, others = _parted(subscriptions)
        left = [*others, *self._liquidations.left(liquidations)]
        return super().unsubscribe(left) if left else ()

    def stream(self, subscription: Subscription) -> str:
        """Name a stream: ``trade.SOL_USDC``, ``depth.200ms.SOL_USDC``, ``kline.1m.SOL_USDC``."""
        if subscription.channel is Channel.LIQUIDATIONS and self._liquidations.is_bare:
            return STREAMS[Channel.LIQUIDATIONS]
        native = subscription.instrument.native if subscription.instrument else ""
        return ".".join(filter(None, (STREAMS[subscription.channel], subscription.interval, native)))

    def request(self, add: bool, streams: Sequence[str], number: int) -> object:
        """Make a SUBSCRIBE or UNSUBSCRIBE; one with a private stream is signed."""
        message: dict[str, object] = {"method": "SUBSCRIBE" if add else "UNSUBSCRIBE", "params": streams}
        if add and self.signer is not None and any(name.startswith("account.") for name in streams):
            message["signature"] = self.signer.subscription()
        return message

    @handles(TradeData)
    def trade(self, m: TradeData, ts_recv: int) -> Handled:
        """Read one match."""
        i = self.native[m.s]
        side = Side.SELL if m.m else Side.BUY
        return (Trade(i.exchange, i.symbol, m.T * 1_000, ts_recv, m.p, m.q, side, str(m.t), m.t, 1),)

    @handles(DepthData)
    def depth(self, m: DepthData, ts_recv: int) -> Handled:
        """Read changed levels; with both sides empty the sequence still moves."""
        i = self.native[m.s]
        return (BookDelta(i.exchange, i.symbol, m.T * 1_000, ts_recv, m.b, m.a, m.U, m.u),)

    @handles(BookTickerData)
    def quote(self, m: BookTickerData, ts_recv: int) -> Handled:
        """Read the best bid and ask; it may arrive before the depth frame of the same ``u``."""
        i = self.native[m.s]
        return (Quote(i.exchange, i.symbol, m.T * 1_000, ts_recv, m.b, m.B, m.a, m.A, m.u),)

    @handles(TickerData)
    def ticker(self, m: TickerData, ts_recv: int) -> Handled:
        """Read the figures of the last 24 hours."""
        i = self.native[m.s]
        return (Ticker(i.exchange, i.symbol, m.E * 1_000, ts_recv, m.c, None, m.o, m.h, m.l, m.v, m.V, m.n, "24h"),)

    @handles(KlineData, frame=True)
    def candle(self, m: KlineData, frame: Frame) -> Handled:
        """Read a candle; its interval stands in the stream's name alone."""
        i = self.native[m.s]
        stream = self.read_part(StreamName, frame.payload, "a candle without a stream's name").stream
        return (parse_candle(m, stream, i.exchange, i.symbol, frame.ts_recv, self._nothing),)

    @handles(MarkPriceData)
    def mark(self, m: MarkPriceData, ts_recv: int) -> Handled:
        """Read mark price and funding, which share a stream; prediction markets have no funding."""
        i = self.native[m.s]
        ts_event = m.T * 1_000
        mark = MarkPrice(i.exchange, i.symbol, ts_event, ts_recv, m.p, m.i)
        if m.f is None:
            return (mark,)
        paid = None if m.n is None else m.n * 1_000_000
        return (mark, Funding(i.exchange, i.symbol, ts_event, ts_recv, m.f, None, paid))

    @handles(OpenInterestData)
    def open_interest(self, m: OpenInterestData, ts_recv: int) -> Handled:
        """Read what is held open."""
        i = self.native[m.s]
        return (OpenInterest(i.exchange, i.symbol, m.E * 1_000, ts_recv, m.o),)

    @handles(LiquidationData)
    def liquidation(self, m: LiquidationData, ts_recv: int) -> Handled:
        """Read a liquidation; the stream without a symbol brings those of every market, asked for or not."""
        if self._liquidations.is_bare and m.s not in self._liquidations.natives:
            return ()
        i = self.native[m.s]
        side = Side.BUY if m.S == "Bid" else Side.SELL
        return (Liquidation(i.exchange, i.symbol, m.T * 1_000, ts_recv, side, m.p, None, m.q),)

    @handles(Envelope)
    def failure(self, m: Envelope, ts_recv: int) -> Handled:
        """Read an error frame, which never names the stream it is about."""
        if m.error is None:
            raise DecodeError("a frame without data and without error")
        if m.error.code == INVALID_SIGNATURE:
            return (LoginRefused(m.error.message),)
        if m.error.code == INVALID_STREAM and self._liquidations.natives:
            refused, again = self._liquidations.refused(m.error.message)
            return (*refused, *(self._ask(True, (one,)) for one in again))
        return (Unknown(f"error {m.error.code} {m.error.message}"),)


class BackpackRouting(NativeRouting):
    """Makes the routers and fetches book snapshots."""

    info = BACKPACK

    def __init__(self, instruments: Instruments, signer: Signer | None, numbers: type = float) -> None:
        super().__init__(instruments, numbers, signer)

    def router(self, connection: ConnectionInfo) -> BackpackRouter:
        """Make the router of a new connection."""
        signer = self.signer if isinstance(self.signer, BackpackSigner) else None
        return BackpackRouter(self.instruments, signer, self.numbers, connection.metrics)

    def snapshot(self, subscription: Subscription) -> Fetch[BookSnapshot]:
        """Fetch the 1,000 best levels a side, whatever depth was asked for.

        The stream reports changes at any depth, so a shallower snapshot would leave holes once the price moves.
        """
        i = instrument_of(subscription)
        depth, ts_recv = yield from self.get(Depth, "/api/v1/depth", {"symbol": i.native, "limit": 1000})
        bids, asks = tuple(sorted(depth.bids, reverse=True)), tuple(sorted(depth.asks))
        return BookSnapshot(i.exchange, i.symbol, depth.timestamp * 1_000, ts_recv, bids, asks, depth.lastUpdateId)

    def history(self, hole: Hole) -> Fetch[Sequence[Event]]:
        """Fetch the last 1,000 trades, then older ones by offset, newest first; they may be some 10 s old."""
        i = hole.instrument
        params: dict[str, str | int] = {"symbol": i.native, "limit": 1000}
        path, limit = "/api/v1/trades", "default"
        if hole.page:
            path, limit = "/api/v1/trades/history", "historical"
            params["offset"] = 1000 * hole.page
        rows, ts_recv = yield from self.get(list[TradeRow], path, params, limit=limit)
        return [
            Trade(
                i.exchange, i.symbol, row.timestamp * 1_000_000, ts_recv, row.price, row.quantity,
                Side.SELL if row.isBuyerMaker else Side.BUY, str(row.id), row.id, 1, True,
            )
            for row in rows
        ]  # fmt: skip


def _parted(subscriptions: Sequence[Subscription]) -> tuple[list[Subscription], list[Subscription]]:
    liquidations = [one for one in subscriptions if one.channel is Channel.LIQUIDATIONS]
    return liquidations, [one for one in subscriptions if one.channel is not Channel.LIQUIDATIONS]
