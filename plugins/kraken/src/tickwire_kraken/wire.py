"""Kraken's frames of WebSocket v2 as types; prices and sizes are JSON numbers, times RFC 3339.

Data has a ``channel``, answers have a ``method``. Source: docs.kraken.com, "Spot WebSocket v2" (read 2026-11-26).
"""

from typing import Literal, TypeAlias

import msgspec

from tickwire import Side
from tickwire.native import Price, Size

Kind = Literal["snapshot", "update"]


class Level(msgspec.Struct):
    """The quantity at a price; 0 removes it."""

    price: Price
    qty: Size


class BookRow(msgspec.Struct):
    """The one row of a book frame; snapshots recorded in 2025 have no time."""

    symbol: str
    bids: list[Level]
    asks: list[Level]
    checksum: int
    timestamp: str | None = None


class Book(msgspec.Struct, tag_field="channel", tag="book"):
    """The window, or what changed in it."""

    type: Kind
    data: list[BookRow]


class TradeRow(msgspec.Struct):
    """A trade; ``side`` is the taker's, ``trade_id`` a sequence number of its book."""

    symbol: str
    side: Side
    price: Price
    qty: Size
    trade_id: int
    timestamp: str


class Trades(msgspec.Struct, tag_field="channel", tag="trade"):
    """Trades; as a snapshot the last 50, pushed on subscribing."""

    type: Kind
    data: list[TradeRow]


class TickerRow(msgspec.Struct):
    """Best bid and ask, and the last 24 hours; older documents have no time."""

    symbol: str
    bid: Price | None
    bid_qty: Size | None
    ask: Price | None
    ask_qty: Size | None
    last: Price | None
    volume: Size | None
    low: Price | None
    high: Price | None
    timestamp: str | None = None


class Tickers(msgspec.Struct, tag_field="channel", tag="ticker"):
    """Both kinds are alike."""

    data: list[TickerRow]


class CandleRow(msgspec.Struct):
    """A candle; ``interval`` in minutes."""

    symbol: str
    open: Price
    high: Price
    low: Price
    close: Price
    trades: int
    volume: Size
    interval_begin: str
    interval: Literal[1, 5, 15, 30, 60, 240, 1440, 10080, 21600]


class Candles(msgspec.Struct, tag_field="channel", tag="ohlc"):
    """The last candles on subscribing, then the running one on each trade; nothing says that one is over."""

    data: list[CandleRow]
    timestamp: str | None = None


class Heartbeat(msgspec.Struct, tag_field="channel", tag="heartbeat"):
    """Comes about every second in which nothing else does."""


class Status(msgspec.Struct, tag_field="channel", tag="status"):
    """Comes on connecting, and when the trading engine's state changes."""


class Result(msgspec.Struct):
    """What was subscribed to."""

    symbol: str | None = None


class Subscribed(msgspec.Struct, tag_field="method", tag="subscribe"):
    """The answer for one symbol of a request; a refusal has the symbol beside its ``error``."""

    success: bool
    req_id: int | None = None
    result: Result | None = None
    symbol: str | None = None
    error: str = "refused"


class Unsubscribed(Subscribed, tag_field="method", tag="unsubscribe"):
    """Likewise."""


class Pong(msgspec.Struct, tag_field="method", tag="pong"):
    """Answers our ping."""


class PastTrade(msgspec.Struct, array_like=True):
    """A row of ``Trades``: ``["30243.4", "0.345", 1688669597.8277369, "b", "m", "", 61044952]``."""

    price: Price
    qty: Size
    time: float
    side: Literal["b", "s"]
    kind: str
    misc: str
    trade_id: int


Data: TypeAlias = Book | Trades | Tickers | Candles | Heartbeat | Status
Answer: TypeAlias = Subscribed | Unsubscribed | Pong

UNREAD = (
    *("type", "data", "success", "req_id", "warnings", "time_in", "time_out", "data.ord_type", "data.timestamp"),
    *("data.vwap", "data.change", "data.change_pct"),
    *(f"result.{name}" for name in ("channel", "depth", "interval", "snapshot", "event_trigger", "warnings")),
)
"""Times of requests, what was asked for, and what can be told from other fields."""
