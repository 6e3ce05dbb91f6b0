"""Frames of the figures Backpack publishes: ticker, candles, mark price with funding, open interest, liquidations.

Of all but ``openInterest`` and ``liquidation`` frames were recorded; those two have the shape of the documents
(docs.backpack.exchange, page "Streams", read 2026-11-21).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from tickwire import Candle, DecodeError, Nanos
from tickwire.native import Micros, Millis, Price, Size

__all__ = [
    "KlineData", "LiquidationData", "MarkPriceData", "OpenInterestData", "StreamName", "TickerData", "parse_candle",
    "utc_nanos",
]  # fmt: skip

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FROM, _TO = datetime(2009, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class TickerData(msgspec.Struct, tag_field="e", tag="ticker"):
    """The last 24 hours, rolling: ``o`` first, ``c`` last price, ``v`` base and ``V`` quote volume; no engine time."""

    s: str
    o: Price | None
    c: Price | None
    h: Price | None
    l: Price | None  # noqa: E741
    v: Size | None
    V: Size | None
    n: int
    E: Micros


class KlineData(msgspec.Struct, tag_field="e", tag="kline"):
    """A candle from ``t`` to ``T``, which here is no engine time; ``X``: closed. The interval is in the stream's name.

    Without a trade all of ``o``, ``h``, ``l``, ``c`` and ``v`` are ``null`` and ``n`` is 0.
    """

    s: str
    t: datetime
    T: datetime
    o: Price | None
    h: Price | None
    l: Price | None  # noqa: E741
    c: Price | None
    v: Size | None
    n: int
    X: bool
    E: Micros


class MarkPriceData(msgspec.Struct, tag_field="e", tag="markPrice"):
    """Mark ``p``, index ``i``, estimated rate ``f`` of the running interval, which is paid at ``n``, in milliseconds.

    Prediction markets have ``p`` only. Rates have up to 28 digits.
    """

    s: str
    p: Price
    T: Micros
    i: Price | None = None
    f: Price | None = None
    n: Millis | None = None


class OpenInterestData(msgspec.Struct, tag_field="e", tag="openInterest"):
    """Contracts held open, which are base units; no engine time."""

    s: str
    o: Size
    E: Micros


class LiquidationData(msgspec.Struct, tag_field="e", tag="liquidation"):
    """A liquidation; ``S`` is taken for the side of its order, as the field is called; the documents do not say."""

    s: str
    p: Price
    q: Size
    S: Literal["Bid", "Ask"]
    T: Micros


class StreamName(msgspec.Struct):
    """Of an envelope, only the name: ``kline.1m.SOL_USDC``."""

    stream: str


def utc_nanos(moment: datetime) -> Nanos:
    """Turn a time of Backpack's into nanoseconds; it writes UTC without saying so, ``2026-09-02T16:43:00``.

    Raises:
        DecodeError: It is not between 2009 and 2100.
    """
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    if not _FROM <= aware < _TO:
        raise DecodeError(f"a time between 2009 and 2100 was expected, found {moment.isoformat()}")
    return (aware - _EPOCH) // timedelta(microseconds=1) * 1_000


def parse_candle(m: KlineData, stream: str, exchange: str, symbol: str, ts_recv: Nanos, nothing: float = 0.0) -> Candle:
    """Turn a ``kline`` payload into a candle.

    Args:
        m: ``{"t": "2026-09-02T16:43:00", "T": "2026-09-02T16:44:00", "o": null, …, "n": 0, "X": true}``.
        stream: ``kline.<interval>.<symbol>``; the symbol may hold dots, the interval does not.
        exchange: The exchange's id.
        symbol: Our symbol.
        ts_recv: When the frame reached us.
        nothing: Zero in the feed's number type, the volume of a bucket without a trade.

    Raises:
        DecodeError: The stream names no interval, the bucket ends before it begins, or trades have no volume.
    """
    kind, _, rest = stream.partition(".")
    interval, dot, _ = rest.partition(".")
    if kind != "kline" or not interval or not dot:
        raise DecodeError(f"stream {stream!r} names no interval of candles")
    start, end = utc_nanos(m.t), utc_nanos(m.T)
    if end <= start or (m.v is None and m.n):
        raise DecodeError(f"a candle of {m.n} trades from {m.t} to {m.T} with volume {m.v}")
    volume = m.v if m.v is not None else nothing
    return Candle(
        exchange, symbol, m.E * 1_000, ts_recv, interval, start, end, m.o, m.h, m.l, m.c, volume, None, None, m.n, m.X
    )
