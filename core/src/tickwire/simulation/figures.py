"""What a simulated market counts beside trades and books: tickers, candles, mark prices, open interest.

All of it is made from the market's own trades and book: a candle equals the trades of its bucket, a ticker the trades
so far, open interest their volume (every match opens a position), a mark price the middle of the book.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Self

import attrs

from tickwire.model.clock import Nanos
from tickwire.model.instruments import Instrument

__all__ = ["SimCandle", "SimMark", "SimOpenInterest", "SimTicker", "Tally", "Tape"]

SECOND = 1_000_000_000
_KEPT_SECONDS = 100_000


@attrs.frozen
class SimTicker:
    """The trades since the market opened; prices are ``None`` before the first."""

    instrument: Instrument
    ts: Nanos
    open: str | None
    high: str | None
    low: str | None
    last: str | None
    volume: str
    quote_volume: str
    trades: int


@attrs.frozen
class SimCandle:
    """The trades from ``ts_start`` up to, without, ``ts_end``; prices are ``None`` without a trade.

    Attributes:
        bucket: The length's name: ``1s``, ``15m``, ``4h``, ``1d``, ``1w``, ``1month``.
        is_closed: The bucket is over.
    """

    instrument: Instrument
    bucket: str
    ts_start: Nanos
    ts_end: Nanos
    open: str | None
    high: str | None
    low: str | None
    close: str | None
    volume: str
    quote_volume: str
    trades: int
    is_closed: bool


@attrs.frozen
class SimMark:
    """Mark price, rounded down to the tick, and index price, to eight decimals: both the middle of the book."""

    instrument: Instrument
    ts: Nanos
    mark: str
    index: str


@attrs.frozen
class SimOpenInterest:
    """What is held open."""

    instrument: Instrument
    ts: Nanos
    size: str


@attrs.define
class Tally:
    """A sum of trades, in ticks and lots; ``value`` is the sum of their products."""

    open: int = 0
    high: int = 0
    low: int = 0
    close: int = 0
    lots: int = 0
    value: int = 0
    count: int = 0

    def merge(self, later: Tally) -> Self:
        """Count the trades of another, all of them later."""
        if later.count:
            if not self.count:
                self.open, self.high, self.low = later.open, later.high, later.low
            self.high, self.low, self.close = max(self.high, later.high), min(self.low, later.low), later.close
            self.lots += later.lots
            self.value += later.value
            self.count += later.count
        return self


class Tape:
    """One instrument's trades, summed up by the second and altogether; the last 100,000 seconds with trades are kept.

    Attributes:
        began: When it began.
        total: All trades.
    """

    def __init__(self, instrument: Instrument, began: Nanos) -> None:
        self.began = began
        self.total = Tally()
        self._seconds: dict[int, Tally] = {}
        self._unit = (instrument.tick_size or Decimal(1)) * (instrument.lot_size or Decimal(1))

    def add(self, ts: Nanos, tick: int, lots: int) -> None:
        """Count one trade, later than all before."""
        second = ts // SECOND
        tally = self._seconds.get(second)
        if tally is None:
            tally = self._seconds[second] = Tally()
            if len(self._seconds) > _KEPT_SECONDS:
                del self._seconds[next(iter(self._seconds))]
        one = Tally(tick, tick, tick, tick, lots, tick * lots, 1)
        tally.merge(one)
        self.total.merge(one)

    def between(self, start: Nanos, end: Nanos) -> Tally:
        """Sum up the trades from ``start`` up to, without, ``end``, both whole seconds."""
        summed = Tally()
        for tally in self._within(max(start, self.began // SECOND * SECOND) // SECOND, end // SECOND):
            summed.merge(tally)
        return summed

    def quote_text(self, tally: Tally) -> str:
        """Write what a tally's trades were worth."""
        return f"{tally.value * self._unit:f}"

    def _within(self, first: int, end: int) -> Iterator[Tally]:
        if end - first > len(self._seconds):
            yield from (tally for second, tally in self._seconds.items() if first <= second < end)
        else:
            yield from (self._seconds[second] for second in range(first, end) if second in self._seconds)
