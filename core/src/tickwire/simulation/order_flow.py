"""Who trades in the simulated market: seeded strangers around a wandering price.

They keep both sides populated: nobody takes or cancels the last level of a side.
"""

from __future__ import annotations

from random import Random

from tickwire.simulation.matching import MatchingEngine

__all__ = ["OrderFlow"]

_FEWEST_LEVELS = 10


class OrderFlow:
    """Places one order, cancel or reduction per step.

    Args:
        engine: Where they trade.
        random: The only source of chance.
        opening: Tick around which it starts; the price stays within half of it on either side.
        orders: About how many orders rest.
    """

    def __init__(self, engine: MatchingEngine, random: Random, opening: int, orders: int) -> None:
        self._engine = engine
        self._random = random
        self._fair = opening
        self._low, self._high = opening - opening // 2, opening + opening // 2
        self._highest = 2 * opening - 1
        self._stride = max(1, opening // 10_000)
        self._orders = orders

    def populate(self) -> None:
        """Fill an empty book."""
        while len(self._engine.orders) < self._orders:
            self._post(self._random.random() < 0.5, self._distance())

    def step(self) -> None:
        """Let one of them act."""
        engine, chance = self._engine, self._random.random
        self._wander()
        is_bid = chance() < 0.5
        if min(len(engine.bids), len(engine.asks)) < _FEWEST_LEVELS:
            self._post(len(engine.bids) < len(engine.asks), self._distance())
            return
        what = chance()
        crowd = len(engine.orders) / self._orders
        if what < 0.06:
            self._buy_or_sell(is_bid)
        elif what < 0.14:
            self._reduce()
        elif what < 0.14 + 0.42 * crowd:
            self._cancel()
        elif what > 0.97:
            self._post(is_bid, -1 - int(3 * chance()) * self._stride)
        else:
            self._post(is_bid, self._distance())

    def _wander(self) -> None:
        chance = self._random.random()
        if chance < 0.02:
            self._fair = min(self._high, self._fair + self._stride)
        elif chance > 0.98:
            self._fair = max(self._low, self._fair - self._stride)

    def _distance(self) -> int:
        # Most orders stand near the price, a few far away.
        return int(60 * self._stride * self._random.random() ** 3)

    def _lots(self) -> int:
        return 1 + int(4_000 * self._random.random() ** 3)

    def _post(self, is_bid: bool, distance: int) -> None:
        engine = self._engine
        if is_bid:
            tick = max(1, self._fair - distance)
            if engine.asks:
                tick = min(tick, engine.asks.worst - 1)
        else:
            tick = min(self._highest, self._fair + 1 + distance)
            if engine.bids:
                tick = max(tick, engine.bids.worst + 1)
        engine.limit(is_bid, tick, self._lots())

    def _buy_or_sell(self, is_buyer: bool) -> None:
        half = self._engine.asks if is_buyer else self._engine.bids
        self._engine.market(is_buyer, min(self._lots(), half.volume - half.totals[half.worst]))

    def _reduce(self) -> None:
        orders = self._engine.orders
        order = orders[int(self._random.random() * len(orders))]
        if order.lots > 1:
            self._engine.reduce(order, 1 + int(self._random.random() * (order.lots - 1)))

    def _cancel(self) -> None:
        # Orders far from the price would otherwise stay for ever: the farther of two is cancelled.
        orders, chance = self._engine.orders, self._random.random
        order = orders[int(chance() * len(orders))]
        other = orders[int(chance() * len(orders))]
        if abs(other.tick - self._fair) > abs(order.tick - self._fair):
            order = other
        half = self._engine.bids if order.is_bid else self._engine.asks
        if len(half) > 1:
            self._engine.cancel(order)
