"""Frames and answers of Binance; what is not read stands in ``UNREAD``. All times are milliseconds.

Sources: "WebSocket Streams" of the spot documents, the pages under "WebSocket Market Streams" of the USDⓈ-M documents
(developers.binance.com, read 2026-11-26).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tickwire import Instrument, Nanos, Side, Trade
from tickwire.native import Levels, Millis, Price, Size

MS: Nanos = 1_000_000


class TradeRow(msgspec.Struct):
    """Matches ``f``…``l`` of one taker at one price, numbered ``a``; ``m``: the buyer was the maker.

    Also a row of ``GET …/aggTrades``.
    """

    a: int
    p: Price
    q: Size
    f: int
    l: int  # noqa: E741
    T: Millis
    m: bool

    def trade(self, i: Instrument, ts_recv: Nanos, backfilled: bool = False) -> Trade:
        """Say it in our words: where the buyer rested, the taker sold."""
        side, matches = Side.SELL if self.m else Side.BUY, self.l - self.f + 1
        ts_event, number = self.T * MS, self.a
        return Trade(
            i.exchange, i.symbol, ts_event, ts_recv, self.p, self.q, side, str(number), number, matches, backfilled
        )


class TradeData(TradeRow, tag_field="e", tag="aggTrade"):
    """A row with its symbol."""

    s: str


class Stamped(msgspec.Struct, tag_field="e"):
    """Of an instrument ``s``, published at ``E``."""

    s: str
    E: Millis


class DepthData(Stamped, tag="depthUpdate"):
    """Changes ``U``…``u``; sizes are absolute. Futures add the engine's time ``T`` and the ``u`` before, ``pu``."""

    U: int
    u: int
    b: Levels
    a: Levels
    T: Millis | None = None
    pu: int | None = None


class BookTickerData(msgspec.Struct):
    """Best bid ``b``/``B`` and ask ``a``/``A``. Spot has neither kind nor time; futures call it ``bookTicker``."""

    s: str
    u: int
    b: Price
    B: Size
    a: Price
    A: Size
    T: Millis | None = None


class Figures(msgspec.Struct):
    """Of a span of time: first price ``o``, last ``c``; base volume ``v``, quote volume ``q``."""

    o: Price
    c: Price
    h: Price
    l: Price  # noqa: E741
    v: Size
    q: Size
    n: int


class TickerData(Figures, tag_field="e", tag="24hrTicker"):
    """The last 24 hours, rolling; ``Q``: size of the last trade."""

    s: str
    E: Millis
    Q: Size


class Kline(Figures):
    """From ``t`` to ``T``, its last millisecond; ``x``: closed; ``V``: what buyers took of ``v``."""

    t: Millis
    T: Millis
    i: str
    x: bool
    V: Size


class KlineData(Stamped, tag="kline"):
    """A candle."""

    k: Kline


class MarkPriceData(Stamped, tag="markPriceUpdate"):
    """Mark ``p``, index ``i``, settlement ``P``; the rate ``r`` is paid at ``T``: ``""`` and 0 of a dated future."""

    p: Price
    i: Price
    P: Price
    r: msgspec.Raw
    T: msgspec.Raw


class LiquidationOrder(msgspec.Struct):
    """Side ``S``, size ``q`` at price ``p``, filled at ``ap`` on average; state ``X``."""

    s: str
    S: Literal["BUY", "SELL"]
    q: Size
    p: Price
    ap: Price
    X: str
    T: Millis


class LiquidationData(msgspec.Struct, tag_field="e", tag="forceOrder"):
    """One liquidation a second and instrument at most; the others are not sent."""

    o: LiquidationOrder


class Shutdown(msgspec.Struct, tag_field="e", tag="serverShutdown"):
    """The server is about to go down; for how long it stays is not said."""


class Failure(msgspec.Struct):
    """``{"code": 2, "msg": "Invalid request: invalid stream"}``."""

    code: int
    msg: str


class Envelope(msgspec.Struct):
    """A frame of a combined stream, or the answer ``{"result": null, "id": 1}`` or ``{"error": {…}, "id": 1}``.

    The documents also show errors without an envelope: ``{"code": 3, "msg": "Invalid JSON: …"}``.
    """

    data: TradeData | DepthData | TickerData | KlineData | MarkPriceData | LiquidationData | Shutdown | None = None
    id: int | None = None
    error: Failure | None = None
    code: int | None = None
    msg: str = ""


class QuoteEnvelope(msgspec.Struct):
    """A frame of a ``@bookTicker`` stream."""

    data: BookTickerData


class Depth(msgspec.Struct):
    """``GET …/depth``, best levels first; futures add the engine's time."""

    lastUpdateId: int
    bids: Levels
    asks: Levels
    T: Millis | None = None


UNREAD = (
    "stream", "result", "data.E", "data.M", "data.e",
    *(f"data.{name}" for name in "pPwxbBaAOCFL"),  # of a ticker: changes, averages, the quote, its span in time and ids
    *(f"data.k.{name}" for name in "sfLQB"),
    *(f"data.o.{name}" for name in "oflz"),
)  # fmt: skip
"""When it was sent, who traded, and what can be told from other fields."""
