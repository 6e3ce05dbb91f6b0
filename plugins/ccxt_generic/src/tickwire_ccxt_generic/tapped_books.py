"""ccxt's order books, with a memory of which levels were stored since somebody last looked.

Private conventions of ccxt 4.5: handlers change a book by ``store``, ``storeArray`` and ``reset`` only, and shorten it
by ``limit``. Imports ccxt: to be imported late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from ccxt.async_support.base.ws.order_book import OrderBook
from ccxt.async_support.base.ws.order_book_side import (
    Asks,
    Bids,
    CountedAsks,
    CountedBids,
    IndexedAsks,
    IndexedBids,
    OrderBookSide,
)

from tickwire_ccxt_generic.payloads import Levels

__all__ = ["COUNTED", "INDEXED", "PLAIN", "TappedBook"]

_GONE = 0.0
_store_array = OrderBookSide.storeArray  # of plain sides, which do not override it


def _nobody() -> None:
    # who is told of changes while a side is being made
    pass


class _Side:
    # stands before one of ccxt's sides: what is stored is noted, then stored
    touched: Callable[[], None] = staticmethod(_nobody)

    def __init__(self, deltas: Iterable[Sequence[Any]] = (), depth: int | None = None) -> None:
        self.changes: list[tuple[Any, Any]] = []
        super().__init__(deltas, depth)  # type: ignore[call-arg]
        self.changes.clear()

    def note(self, price: Any, size: Any) -> None:
        if not self.changes:
            self.touched()
        self.changes.append((price, size))

    def noting_limit(self) -> None:
        rows: Any = self
        for row in rows[rows._depth :]:
            self.note(row[0], _GONE)
        super().limit()  # type: ignore[misc]

    def changed(self) -> Levels:
        return tuple(self.changes)

    def levels(self) -> Levels:
        rows: Any = self
        return tuple([(row[0], row[1]) for row in rows])


class _PlainSide(_Side):
    # nearly all books are plain, and this runs for every level: no call more than ccxt's own sides make
    def store(self, price: Any, size: Any) -> None:
        changes = self.changes
        if not changes:
            self.touched()
        changes.append((price, size))
        _store_array(self, [price, size])

    def storeArray(self, delta: list[Any]) -> None:
        changes = self.changes
        if not changes:
            self.touched()
        changes.append((delta[0], delta[1]))
        _store_array(self, delta)


class _CountedSide(_Side):
    # a level without orders is gone, whatever its size says
    def storeArray(self, delta: list[Any]) -> None:
        self.note(delta[0], delta[1] if delta[2] else _GONE)
        super(_Side, self).storeArray(delta)  # type: ignore[misc]


class _IndexedSide(_Side):
    # orders by id: a price's size is the sum of its orders
    def storeArray(self, delta: list[Any]) -> None:
        prices: Mapping[Any, float] = self._hashmap  # type: ignore[attr-defined]
        before = prices.get(delta[2])
        if before is not None:
            self.note(abs(before), None)
        if delta[0] is not None:
            self.note(delta[0], None)
        super(_Side, self).storeArray(delta)  # type: ignore[misc]

    def changed(self) -> Levels:
        sums = dict(self.levels())
        return tuple((price, sums.get(price, _GONE)) for price in dict.fromkeys(price for price, _ in self.changes))

    def levels(self) -> Levels:
        rows: Any = self
        sums: dict[Any, Any] = {}
        for row in rows:
            sums[row[0]] = sums.get(row[0], 0) + row[1]
        return tuple(sums.items())


def _sides(kind: type, asks: type, bids: type) -> tuple[type, type]:
    return type(f"Tapped{asks.__name__}", (kind, asks), {}), type(f"Tapped{bids.__name__}", (kind, bids), {})


PLAIN = _sides(_PlainSide, Asks, Bids)
COUNTED = _sides(_CountedSide, CountedAsks, CountedBids)
INDEXED = _sides(_IndexedSide, IndexedAsks, IndexedBids)


class TappedBook(OrderBook):  # type: ignore[misc]
    """One of ccxt's books.

    Attributes:
        native: ccxt's symbol, once it is known by one.
        is_reset: It was replaced as a whole, and nobody looked since.
        reset_nonce: The number it had then.
        is_noted: It is among those that somebody will look at.
        is_shown: Its whole was handed on; what follows are changes.
        is_stray: A frame that came after a subscription had ended made ccxt begin it; it then stands still.
        awaits_reset: What it holds is out of date; changes on top of it are of no use.
    """

    native: str | None = None
    is_reset = False
    reset_nonce: int | None = None
    is_noted = False
    is_shown = False
    awaits_reset = False
    is_stray = False

    def __init__(
        self,
        snapshot: Mapping[str, Any],
        depth: int | None,
        sides: tuple[type, type],
        touched: Callable[[TappedBook], None],
        *,
        notes_cuts: bool,
    ) -> None:
        """Make one.

        Args:
            snapshot: What it begins with.
            depth: Levels a side that it is shortened to.
            sides: Types of asks and bids.
            touched: Told of changes until ``is_noted`` is set.
            notes_cuts: Levels that it is shortened by count as removed.
        """
        asks, bids = (kind(snapshot.get(key) or (), depth) for kind, key in zip(sides, ("asks", "bids"), strict=True))
        super().__init__({**snapshot, "asks": asks, "bids": bids}, depth)
        self._made = (asks, bids)
        self._touch = partial(touched, self)
        self._is_plain = sides is PLAIN
        for side in self._made:
            if notes_cuts:
                side.limit = side.noting_limit
            side.touched = self._touch
        if asks or bids:
            self._begin_anew(snapshot.get("nonce"))

    def _begin_anew(self, nonce: int | None) -> None:
        self.is_reset, self.reset_nonce = True, nonce
        self._touch()

    def reset(self, snapshot: Mapping[str, Any] = {}) -> None:
        """Replace it as a whole."""
        super().reset(snapshot)
        self._begin_anew(snapshot.get("nonce"))

    def limit(self) -> TappedBook:
        """Shorten it to its depth."""
        for side in self["asks"], self["bids"]:
            if len(side) > side._depth:  # seldom so, and ccxt's sides take a call each to find out
                side.limit()
        return self

    @property
    def is_foreign(self) -> bool:
        """Whether a handler put sides of its own into it, of which nothing is noted."""
        return self["asks"] is not self._made[0] or self["bids"] is not self._made[1]

    def levels(self) -> tuple[Levels, Levels]:
        """Give all bids and asks, best first."""
        if self.is_foreign:
            bids, asks = (tuple((row[0], row[1]) for row in self[key]) for key in ("bids", "asks"))
            return bids, asks
        asks, bids = self._made
        return bids.levels(), asks.levels()

    def changed(self) -> tuple[Levels, Levels] | None:
        """Give the bids and asks that were stored since somebody last looked, and forget them.

        Returns:
            ``None`` where a handler put sides of its own into it, of which nothing is noted.
        """
        asks, bids = self._made
        if self["asks"] is not asks or self["bids"] is not bids:
            return None
        if self._is_plain:
            found = tuple(bids.changes), tuple(asks.changes)
        else:
            found = bids.changed(), asks.changed()
        asks.changes.clear()
        bids.changes.clear()
        self.is_noted = self.is_reset = False
        return found

    def looked(self) -> None:
        """Forget what was noted."""
        for side in self._made:
            side.changes.clear()
        self.is_noted = self.is_reset = False
