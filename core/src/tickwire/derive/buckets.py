"""The trades of one bucket of time, summed up as far as it has gone; the order in which they came does not matter."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeAlias

import attrs

from tickwire.derive.exact_sums import added, as_number, is_spot, with_product
from tickwire.model.clock import Nanos
from tickwire.model.events import Candle, Side, Trade
from tickwire.model.numbers import exact

__all__ = ["Bucket", "moment_of"]

_Place: TypeAlias = tuple[Nanos, int, int]


def moment_of(trade: Trade[Any]) -> Nanos:
    """Give the trade's time: the exchange's, or, where the wire has none, that of its arrival."""
    return trade.ts_recv if trade.ts_event is None else trade.ts_event


@attrs.define(eq=False)
class Bucket:
    """One instrument's trades from ``start`` to ``end``, exclusive, ns.

    Attributes:
        start: Where it begins.
        end: Where it ends.
        trades: How many.
    """

    start: Nanos
    end: Nanos
    trades: int = 0
    _first: _Place = (2**63, 0, 0)
    _last: _Place = (-1, 0, 0)
    _open: Any = None
    _high: Any = None
    _low: Any = None
    _close: Any = None
    _volume: Decimal = Decimal(0)
    _paid: Decimal = Decimal(0)
    _bought: Decimal | None = Decimal(0)
    _ts_event: Nanos | None = None

    def add(self, trade: Trade[Any]) -> None:
        """Take in one of its trades; of equal times the exchange's numbers tell which was first, else the arrival."""
        price = trade.price
        place = (moment_of(trade), trade.sequence or 0, self.trades)
        self.trades += 1
        if place < self._first:
            self._first, self._open = place, price
        if place > self._last:
            self._last, self._close, self._ts_event = place, price, trade.ts_event
        self._high = price if self._high is None else max(self._high, price)
        self._low = price if self._low is None else min(self._low, price)
        size = exact(trade.size)
        self._volume = added(self._volume, size)
        self._paid = with_product(exact(price), size, self._paid)
        if trade.taker_side is None or self._bought is None:
            self._bought = None
        elif trade.taker_side is Side.BUY:
            self._bought = added(self._bought, size)

    def candle(self, exchange: str, symbol: str, interval: str, ts_recv: Nanos, *, is_closed: bool) -> Candle[Any]:
        """Sum it up.

        Args:
            exchange: The exchange's id.
            symbol: Our symbol.
            interval: What its length is called.
            ts_recv: When what was known last reached us.
            is_closed: Whether it is over.
        """
        like = self._open
        return Candle(
            exchange, symbol, self._ts_event, ts_recv, interval, self.start, self.end,
            self._open, self._high, self._low, self._close,
            as_number(like, self._volume),
            as_number(like, self._paid) if is_spot(symbol) else None,
            None if self._bought is None else as_number(like, self._bought),
            self.trades, is_closed, is_computed=True,
        )  # fmt: skip
