"""The window of a book: its best levels as a client knows them, and what it is to be told when the book has moved."""

from __future__ import annotations

from decimal import Decimal

from tickwire.simulation.pit import Pit
from tickwire.simulation.records import SimBook, SimLevels

__all__ = ["Window"]


class Window:
    """The best ``depth`` levels of both sides, as they were told last."""

    def __init__(self, pit: Pit, depth: int) -> None:
        self._pit = pit
        self._depth = depth
        self._told = pit.whole(depth)
        self._gone = f"{Decimal(0) * (pit.instrument.lot_size or Decimal(1)):f}"

    def moved(self) -> SimBook | None:
        """Give the levels that changed, went or came into the window since; ``None``: none did.

        A level that better ones have pushed out is not among them: whoever keeps the window drops it himself.
        """
        told, now = self._told, self._pit.whole(self._depth)
        bids = self._changed(told.bids, now.bids, is_bid=True)
        asks = self._changed(told.asks, now.asks, is_bid=False)
        self._told = now
        if not bids and not asks:
            return None
        return SimBook(now.instrument, told.sequence, now.sequence, now.ts, bids, asks)

    def _changed(self, told: SimLevels, now: SimLevels, *, is_bid: bool) -> SimLevels:
        before, after = dict(told), dict(now)
        changed = {price: size for price, size in now if before.get(price) != size}
        last = float(now[-1][0]) if len(now) == self._depth else None
        for price in before.keys() - after.keys():
            is_inside = last is None or (float(price) > last if is_bid else float(price) < last)
            if is_inside:
                changed[price] = self._gone
        return sorted(changed.items(), key=lambda level: float(level[0]), reverse=is_bid)
