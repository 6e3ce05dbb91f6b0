"""A run of deltas of one book as one delta that spans them; of each price the last size."""

from __future__ import annotations

from typing import Any

from tickwire.model.events import BookDelta

__all__ = ["MergedDelta"]


class MergedDelta:
    """Takes deltas in their order."""

    def __init__(self, first: BookDelta[Any]) -> None:
        """Begin with one."""
        self._first = self._last = first
        self._bids: dict[Any, Any] = {}
        self._asks: dict[Any, Any] = {}
        self.add(first)

    def add(self, delta: BookDelta[Any]) -> None:
        """Take in the next one."""
        self._last = delta
        for levels, changed in ((self._bids, delta.bids), (self._asks, delta.asks)):
            for price, size in changed:
                levels.pop(price, None)  # a level stands where it was changed last, as in a delta's own wire order
                levels[price] = size

    def merged(self) -> BookDelta[Any]:
        """Give the one delta: of one alone, that one itself; times and checksum are the last one's."""
        first, last = self._first, self._last
        if first is last:
            return first
        return BookDelta(
            last.exchange, last.symbol, last.ts_event, last.ts_recv, tuple(self._bids.items()),
            tuple(self._asks.items()), first.first_sequence, last.last_sequence, first.previous_sequence,
            last.checksum,
        )  # fmt: skip
