"""The account of whoever logs in: one limit order in ten on the simulated exchange is its own."""

from __future__ import annotations

from collections.abc import Callable

from tickwire.model.account import OrderStatus
from tickwire.model.clock import Nanos
from tickwire.model.instruments import Instrument
from tickwire.simulation.records import SimOrder
from tickwire.simulation.texts import StepTexts

__all__ = ["Account"]

_ONE_IN = 10


class _Own:
    def __init__(self, is_buy: bool, tick: int, lots: int) -> None:
        self.is_buy = is_buy
        self.tick = tick
        self.lots = lots
        self.filled = 0


class Account:
    """Follows its orders in one instrument and tells each change of them.

    Args:
        instrument: What is traded.
        price: Writes ticks.
        size: Writes lots.
        tell: Takes the updates.
    """

    def __init__(
        self, instrument: Instrument, price: StepTexts, size: StepTexts, tell: Callable[[SimOrder], None]
    ) -> None:
        self._instrument = instrument
        self._price, self._size = price, size
        self._tell = tell
        self._open: dict[int, _Own] = {}

    def placed(self, number: int, is_buy: bool, tick: int, lots: int, ts: Nanos) -> None:
        """Take an order over, if it is one of ours."""
        if number % _ONE_IN == 0:
            order = self._open[number] = _Own(is_buy, tick, lots)
            self._told(number, order, OrderStatus.NEW, ts)

    def matched(self, number: int, lots: int, ts: Nanos) -> None:
        """Note that so much of an order has traded."""
        order = self._open.get(number)
        if order is None:
            return
        order.filled += lots
        is_done = order.filled == order.lots
        if is_done:
            del self._open[number]
        self._told(number, order, OrderStatus.FILLED if is_done else OrderStatus.PARTIALLY_FILLED, ts)

    def reduced(self, number: int, lots: int, left: int, ts: Nanos) -> None:
        """Note that an order has become smaller by ``lots``; it is cancelled where nothing is ``left``."""
        order = self._open.get(number)
        if order is None:
            return
        if left:
            order.lots -= lots
            self._told(number, order, OrderStatus.PARTIALLY_FILLED if order.filled else OrderStatus.NEW, ts)
        else:
            del self._open[number]
            self._told(number, order, OrderStatus.CANCELLED, ts)

    def _told(self, number: int, order: _Own, status: OrderStatus, ts: Nanos) -> None:
        self._tell(
            SimOrder(
                self._instrument, number, order.is_buy, self._price(order.tick), self._size(order.lots),
                self._size(order.filled), status, ts,
            )
        )  # fmt: skip
