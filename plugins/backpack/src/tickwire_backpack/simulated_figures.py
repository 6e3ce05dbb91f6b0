"""The simulated Backpack's tickers, candles, mark prices, open interest and liquidations, on the socket and over REST.

Shapes: frames and answers recorded 2026-09-02; ``openInterest`` and ``liquidation`` frames as documented.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from tickwire import Channel, Instrument, InstrumentType, Nanos
from tickwire.simulation import (
    SimCandle,
    SimMark,
    SimMarket,
    SimOpenInterest,
    SimTicker,
    SimTrade,
)

__all__ = [
    "INTERVALS", "PERIODS", "TYPES", "candle_frame", "candle_rows", "funding_rows", "has", "interest_frame",
    "interest_row", "liquidation_frame", "mark_frame", "mark_row", "ticker_frame", "ticker_row", "unpadded",
]  # fmt: skip

INTERVALS = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1month")
PERIODS: Mapping[Channel, float] = {
    Channel.TICKER: 1,
    Channel.CANDLES: 1,
    Channel.MARK_PRICE: 1,
    Channel.OPEN_INTEREST: 60,
}
_DERIVATIVES = (InstrumentType.PERP, InstrumentType.PREDICTION)
TYPES: Mapping[Channel, Sequence[InstrumentType]] = {
    Channel.MARK_PRICE: _DERIVATIVES,
    Channel.OPEN_INTEREST: _DERIVATIVES,
    Channel.LIQUIDATIONS: (InstrumentType.PERP,),
}
"""Which markets have a channel, where not all do."""

_RATE = "0.0000125"
_HOUR = 3_600_000_000_000
_MOST_CANDLES = 1_000


def ticker_frame(ticker: SimTicker, emitted: int) -> object:
    """Write a ``ticker`` frame."""
    return {
        "E": emitted,
        "V": ticker.quote_volume,
        "c": ticker.last,
        "e": "ticker",
        "h": ticker.high,
        "l": ticker.low,
        "n": ticker.trades,
        "o": ticker.open,
        "s": ticker.instrument.native,
        "v": ticker.volume,
    }


def candle_frame(candle: SimCandle, emitted: int) -> object:
    """Write a ``kline`` frame, all nulls without a trade; the interval is in the stream's name alone."""
    return {
        "E": emitted,
        "T": _iso(candle.ts_end, "T"),
        "X": candle.is_closed,
        "c": candle.close,
        "e": "kline",
        "h": candle.high,
        "l": candle.low,
        "n": candle.trades,
        "o": candle.open,
        "s": candle.instrument.native,
        "t": _iso(candle.ts_start, "T"),
        "v": candle.volume if candle.trades else None,
    }


def mark_frame(mark: SimMark, emitted: int) -> object:
    """Write a ``markPrice`` frame; a prediction market has no index and no funding."""
    frame = {"E": emitted, "T": mark.ts // 1_000, "e": "markPrice", "p": mark.mark, "s": mark.instrument.native}
    if mark.instrument.type is InstrumentType.PERP:
        frame |= {"f": _RATE, "i": mark.index, "n": _next_funding(mark.ts)}
    return dict(sorted(frame.items()))


def interest_frame(interest: SimOpenInterest, emitted: int) -> object:
    """Write an ``openInterest`` frame."""
    return {"E": emitted, "e": "openInterest", "o": interest.size, "s": interest.instrument.native}


def liquidation_frame(trade: SimTrade, emitted: int) -> object:
    """Write a ``liquidation`` frame: the taker's order, of which this trade is all."""
    return {
        "E": emitted,
        "S": "Bid" if trade.buyer_is_taker else "Ask",
        "T": trade.ts // 1_000,
        "e": "liquidation",
        "p": trade.price,
        "q": trade.size,
        "s": trade.instrument.native,
    }


def ticker_row(ticker: SimTicker) -> Mapping[str, object] | None:
    """Write a row of ``/ticker``; ``None`` before the first trade."""
    if ticker.open is None or ticker.last is None or ticker.high is None or ticker.low is None:
        return None
    first, change = Decimal(ticker.open), Decimal(ticker.last) - Decimal(ticker.open)
    return {
        "firstPrice": unpadded(ticker.open),
        "high": unpadded(ticker.high),
        "lastPrice": unpadded(ticker.last),
        "low": unpadded(ticker.low),
        "priceChange": unpadded(f"{change:f}"),
        "priceChangePercent": f"{change / first:.6f}",
        "quoteVolume": unpadded(ticker.quote_volume),
        "symbol": ticker.instrument.native,
        "trades": str(ticker.trades),
        "volume": unpadded(ticker.volume),
    }


def candle_rows(market: SimMarket, native: str, interval: str, start: int, end: int | None) -> object:
    """Write the rows of ``/klines``, oldest first, without the open one; 1,000 at most, as clients assume."""
    until = market.now() if end is None else end * 1_000_000_000
    rows = market.candles(native, interval, start * 1_000_000_000, until, _MOST_CANDLES)
    return [
        {
            "close": _optional(row.close),
            "end": _iso(row.ts_end, " "),
            "high": _optional(row.high),
            "low": _optional(row.low),
            "open": _optional(row.open),
            "quoteVolume": unpadded(row.quote_volume),
            "start": _iso(row.ts_start, " "),
            "trades": str(row.trades),
            "volume": unpadded(row.volume),
        }
        for row in rows
    ]


def mark_row(mark: SimMark) -> Mapping[str, object]:
    """Write a row of ``/markPrices``; only perpetuals have index and funding."""
    row: dict[str, object] = {"markPrice": unpadded(mark.mark), "symbol": mark.instrument.native}
    if mark.instrument.type is InstrumentType.PERP:
        next_funding = _next_funding(mark.ts)
        row |= {"fundingRate": _RATE, "indexPrice": mark.index, "nextFundingTimestamp": next_funding}
    return dict(sorted(row.items()))


def interest_row(interest: SimOpenInterest) -> Mapping[str, object]:
    """Write a row of ``/openInterest``."""
    native = interest.instrument.native
    return {"openInterest": unpadded(interest.size), "symbol": native, "timestamp": interest.ts // 1_000_000}


def funding_rows(instrument: Instrument, now: Nanos, limit: int, offset: int) -> object:
    """Write rows of ``/fundingRates``, newest first; the first is the interval still running."""
    end = -(-now // _HOUR) * _HOUR
    ends = [end - number * _HOUR for number in range(offset, min(offset + limit, 24))]
    return [
        {"fundingRate": _RATE, "intervalEndTimestamp": _iso(moment, "T"), "symbol": instrument.native}
        for moment in ends
    ]


def has(native: str, channel: Channel, listed: Iterable[Instrument]) -> bool:
    """Tell whether a market has such figures."""
    types = TYPES.get(channel)
    return types is None or any(i.type in types for i in listed if i.native == native)


def unpadded(text: str) -> str:
    """Write a number as REST does, without zeros at its end."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def _optional(text: str | None) -> str | None:
    return None if text is None else unpadded(text)


def _next_funding(now: Nanos) -> int:
    return (now // _HOUR + 1) * _HOUR // 1_000_000


def _iso(moment: Nanos, separator: str) -> str:
    # naive, as the exchange writes UTC
    return datetime.fromtimestamp(moment // 1_000_000_000, UTC).replace(tzinfo=None).isoformat(separator)
