"""A matching engine for one instrument: price, then time. Integer ticks and lots, so nothing is ever rounded."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from typing import Protocol

__all__ = ["BookHalf", "MatchingEngine", "Order", "Watcher"]


class Order:
    """One resting order."""

    __slots__ = ("index", "is_bid", "lots", "number", "tick")

    def __init__(self, number: int, is_bid: bool, tick: int, lots: int, index: int) -> None:
        self.number = number
        self.is_bid = is_bid
        self.tick = tick
        self.lots = lots
        self.index = index


class Watcher(Protocol):
    """Told of each order, each match and each changed level, at the moment the book shows it."""

    def placed(self, number: int, is_bid: bool, tick: int, lots: int) -> None:
        """A limit order came; its matches follow."""
        ...

    def reduced(self, number: int, lots: int, left: int) -> None:
        """A resting order was made smaller by ``lots``, or taken out (``left`` is zero); the level follows."""
        ...

    def matched(self, tick: int, lots: int, buyer: int, seller: int, buyer_is_taker: bool) -> None:
        """Two orders met; the level follows once all its matches are told."""
        ...

    def level_changed(self, is_bid: bool, tick: int, lots: int) -> None:
        """A level has a new total; zero: it is gone."""
        ...


class BookHalf:
    """One side: a queue of orders per price and its total.

    Attributes:
        worths: Prices so that a larger one has priority (ticks, negative for asks), ascending: the best stands last.
        queues: Orders by tick, oldest first.
        totals: Lots by tick.
        volume: Lots of the whole side.
    """

    __slots__ = ("queues", "sign", "totals", "volume", "worths")

    def __init__(self, is_bid: bool) -> None:
        self.sign = 1 if is_bid else -1
        self.worths: list[int] = []
        self.queues: dict[int, deque[Order]] = {}
        self.totals: dict[int, int] = {}
        self.volume = 0

    def __len__(self) -> int:
        return len(self.worths)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Give (tick, lots), best first."""
        for worth in reversed(self.worths):
            tick = worth * self.sign
            yield tick, self.totals[tick]

    @property
    def best(self) -> int:
        """The best tick; a half is never asked while empty."""
        return self.worths[-1] * self.sign

    @property
    def worst(self) -> int:
        """The worst tick; a half is never asked while empty."""
        return self.worths[0] * self.sign

    def add(self, order: Order) -> int:
        """Queue an order; gives the level's new total."""
        tick = order.tick
        total = self.totals.get(tick)
        if total is None:
            insort(self.worths, tick * self.sign)
            self.queues[tick] = deque()
            total = 0
        self.queues[tick].append(order)
        self.volume += order.lots
        self.totals[tick] = total = total + order.lots
        return total

    def shrink(self, tick: int, lots: int) -> int:
        """Take lots off a level's total; gives what is left and forgets an empty level."""
        self.volume -= lots
        total = self.totals[tick] - lots
        if total:
            self.totals[tick] = total
            return total
        del self.totals[tick], self.queues[tick]
        del self.worths[bisect_left(self.worths, tick * self.sign)]
        return 0


class MatchingEngine:
    """Takes limit orders, market orders, cancels and reductions; tells a watcher what came of them.

    Attributes:
        bids: The buying side.
        asks: The selling side.
        orders: All resting orders, in no order.
    """

    def __init__(self, watcher: Watcher, first_order: int = 1) -> None:
        self.bids = BookHalf(True)
        self.asks = BookHalf(False)
        self.orders: list[Order] = []
        self._watcher = watcher
        self._number = first_order

    def limit(self, is_bid: bool, tick: int, lots: int) -> None:
        """Match as far as the price allows; the rest is queued."""
        number = self._next_number()
        self._watcher.placed(number, is_bid, tick, lots)
        lots = self._take(number, is_bid, lots, tick)
        if lots:
            order = Order(number, is_bid, tick, lots, len(self.orders))
            self.orders.append(order)
            total = (self.bids if is_bid else self.asks).add(order)
            self._watcher.level_changed(is_bid, tick, total)

    def market(self, is_bid: bool, lots: int) -> int:
        """Match at any price; gives the lots that found nobody."""
        return self._take(self._next_number(), is_bid, lots, None)

    def cancel(self, order: Order) -> None:
        """Take a resting order out."""
        half = self.bids if order.is_bid else self.asks
        half.queues[order.tick].remove(order)
        self._forget(order)
        self._watcher.reduced(order.number, order.lots, 0)
        self._watcher.level_changed(order.is_bid, order.tick, half.shrink(order.tick, order.lots))

    def reduce(self, order: Order, lots: int) -> None:
        """Make a resting order smaller; it keeps its place. ``lots`` is less than it has."""
        half = self.bids if order.is_bid else self.asks
        order.lots -= lots
        self._watcher.reduced(order.number, lots, order.lots)
        self._watcher.level_changed(order.is_bid, order.tick, half.shrink(order.tick, lots))

    def _take(self, taker: int, is_bid: bool, lots: int, limit: int | None) -> int:
        half = self.asks if is_bid else self.bids
        while lots and half.worths:
            tick = half.best
            if limit is not None and (tick > limit if is_bid else tick < limit):
                break
            taken = self._take_level(half.queues[tick], taker, is_bid, lots)
            lots -= taken
            self._watcher.level_changed(not is_bid, tick, half.shrink(tick, taken))
        return lots

    def _take_level(self, queue: deque[Order], taker: int, is_bid: bool, lots: int) -> int:
        taken = 0
        while queue and taken < lots:
            order = queue[0]
            size = min(order.lots, lots - taken)
            taken += size
            order.lots -= size
            if not order.lots:
                queue.popleft()
                self._forget(order)
            buyer, seller = (taker, order.number) if is_bid else (order.number, taker)
            self._watcher.matched(order.tick, size, buyer, seller, is_bid)
        return taken

    def _forget(self, order: Order) -> None:
        last = self.orders.pop()
        if last is not order:
            self.orders[order.index] = last
            last.index = order.index

    def _next_number(self) -> int:
        self._number += 1
        return self._number
