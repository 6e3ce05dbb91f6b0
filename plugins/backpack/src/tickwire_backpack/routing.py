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
    Instruments,
    Quote,
    Side,
    Subscription,
    Trade,
)
from tickwire.native import Micros, NativeMessageRouter, NativeRouting, Price, Size, handles
from tickwire.plugin import ConnectionInfo, Control, Fetch, LoginRefused, Request, Signer, Unknown
from tickwire_backpack.auth import BackpackSigner
from tickwire_backpack.info import BACKPACK

STREAMS = {Channel.TRADES: "trade", Channel.L2_BOOK: "depth", Channel.L1_BOOK: "bookTicker"}
INVALID_SIGNATURE = 4003
Levels = tuple[tuple[Price, Size], ...]


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

    data: TradeData | DepthData | BookTickerData | None = None
    error: Failure | None = None


class Depth(msgspec.Struct):
    """``GET /api/v1/depth``: both sides ascending, so the best bid comes last; ``lastUpdateId`` is a text."""

    asks: Levels
    bids: Levels
    lastUpdateId: int
    timestamp: Micros


class BackpackRouter(NativeMessageRouter):
    """Reads Backpack's frames; an envelope without data is an error frame."""

    decoder = msgspec.json.Decoder(Envelope, strict=False)
    content = "data"

    def __init__(self, instruments: Instruments, signer: BackpackSigner | None) -> None:
        super().__init__(instruments)
        self._signer = signer

    def stream(self, subscription: Subscription) -> str:
        """Name a stream: ``trade.SOL_USDC``, ``depth.200ms.SOL_USDC``."""
        native = subscription.instrument.native if subscription.instrument else ""
        return ".".join(filter(None, (STREAMS[subscription.channel], subscription.interval, native)))

    def request(self, add: bool, streams: Sequence[str], number: int) -> object:
        """Make a SUBSCRIBE or UNSUBSCRIBE; one with a private stream is signed."""
        message: dict[str, object] = {"method": "SUBSCRIBE" if add else "UNSUBSCRIBE", "params": streams}
        if add and self._signer is not None and any(name.startswith("account.") for name in streams):
            message["signature"] = self._signer.subscription()
        return message

    @handles(TradeData)
    def trade(self, m: TradeData, ts_recv: int) -> Iterable[Event]:
        """Read one match."""
        i = self.native[m.s]
        side = Side.SELL if m.m else Side.BUY
        return (Trade(i.exchange, i.symbol, m.T * 1_000, ts_recv, m.p, m.q, side, str(m.t), m.t, 1),)

    @handles(DepthData)
    def depth(self, m: DepthData, ts_recv: int) -> Iterable[Event]:
        """Read changed levels; with both sides empty the sequence still moves."""
        i = self.native[m.s]
        return (BookDelta(i.exchange, i.symbol, m.T * 1_000, ts_recv, m.b, m.a, m.U, m.u),)

    @handles(BookTickerData)
    def quote(self, m: BookTickerData, ts_recv: int) -> Iterable[Event]:
        """Read the best bid and ask; it may arrive before the depth frame of the same ``u``."""
        i = self.native[m.s]
        return (Quote(i.exchange, i.symbol, m.T * 1_000, ts_recv, m.b, m.B, m.a, m.A, m.u),)

    @handles(Envelope)
    def failure(self, m: Envelope, ts_recv: int) -> Iterable[Control]:
        """Read an error frame, which never names the stream it is about."""
        if m.error is None:
            raise DecodeError("a frame without data and without error")
        if m.error.code == INVALID_SIGNATURE:
            return (LoginRefused(m.error.message),)
        return (Unknown(f"error {m.error.code} {m.error.message}"),)


class BackpackRouting(NativeRouting):
    """Makes the routers and fetches book snapshots."""

    info = BACKPACK

    def __init__(self, instruments: Instruments, signer: Signer | None) -> None:
        self._instruments = instruments
        self._signer = signer if isinstance(signer, BackpackSigner) else None

    def router(self, connection: ConnectionInfo) -> BackpackRouter:
        """Make the router of a new connection."""
        return BackpackRouter(self._instruments, self._signer)

    def snapshot(self, subscription: Subscription) -> Fetch[BookSnapshot]:
        """Fetch the 1,000 best levels a side, whatever depth was asked for.

        The stream reports changes at any depth, so a shallower snapshot would leave holes once the price moves.
        """
        i = subscription.instrument
        assert i is not None
        reply = yield Request("GET", "/api/v1/depth", {"symbol": i.native, "limit": 1000})
        depth = reply.decode(Depth)
        bids, asks = tuple(sorted(depth.bids, reverse=True)), tuple(sorted(depth.asks))
        return BookSnapshot(
            i.exchange, i.symbol, depth.timestamp * 1_000, reply.ts_recv, bids, asks, depth.lastUpdateId
        )
