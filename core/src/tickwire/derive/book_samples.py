"""Snapshots of a book every so many changes, or every so often, instead of its deltas or beside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import msgspec

from tickwire.derive.exchange_books import ExchangeBooks
from tickwire.model.clock import Nanos
from tickwire.model.events import BookDelta, BookSnapshot, SnapshotCause
from tickwire.model.quality import Event

__all__ = ["BookSamples"]


@attrs.define(eq=False)
class _Since:
    # since the last snapshot of a book that was given
    changes: int
    due: Nanos


class BookSamples:
    """Gives whole books of cause ``PERIODIC``, each exactly the exchange's at its sequence."""

    def __init__(
        self, changes: int | None = None, every: Nanos | None = None, depth: int | None = None, *, deltas: bool = False
    ) -> None:
        """Begin.

        Args:
            changes: After so many deltas; ``None``: however many.
            every: After so long, ns of ``ts_recv``, with the next delta; ``None``: however long. At least one of both.
            depth: Levels a side; ``None``: all.
            deltas: Let the deltas pass too, and the exchange's own snapshots as they are. Only without ``depth``: a
                reader of both would take a snapshot of some levels for the whole book.
        """
        self._changes = changes
        self._every = every
        self._depth = depth
        self._deltas = deltas
        self._books = ExchangeBooks()
        self._since: dict[tuple[str, str], _Since] = {}

    def apply(self, event: Event) -> Iterator[Event]:
        """Take one event."""
        book = self._books.apply(event)
        if isinstance(event, BookSnapshot):
            self._since[event.exchange, event.symbol] = _Since(0, event.ts_recv + (self._every or 0))
            yield self._shortened(event)
            return
        if not isinstance(event, BookDelta):
            yield event
            return
        if self._deltas:
            yield event
        since = self._since.get((event.exchange, event.symbol))
        if since is None or book is None:
            return
        since.changes += 1
        is_enough = self._changes is not None and since.changes >= self._changes
        if is_enough or (self._every is not None and event.ts_recv >= since.due):
            self._since[event.exchange, event.symbol] = _Since(0, event.ts_recv + (self._every or 0))
            yield book.snapshot(self._depth, SnapshotCause.PERIODIC)

    def flush(self) -> Iterator[Event]:
        """Give nothing: nothing is held back."""
        yield from ()

    def _shortened(self, snapshot: BookSnapshot[Any]) -> BookSnapshot[Any]:
        depth = self._depth
        if depth is None:
            return snapshot
        bids, asks = snapshot.bids[:depth], snapshot.asks[:depth]
        return msgspec.structs.replace(snapshot, bids=bids, asks=asks, checksum=None)
