"""The books of a stream: feed it every event, live or stored, and ask it what the books were at that event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tickwire.model.book import L2Book
from tickwire.model.channels import Channel
from tickwire.model.clock import Nanos
from tickwire.model.errors import ConfigError
from tickwire.model.events import BookDelta, BookSnapshot
from tickwire.model.quality import Event, Gap, GapCause, Unsubscribed

__all__ = ["Books"]


class Books(Mapping[str, L2Book[Any]]):
    """L2 books by symbol, of one exchange.

    ``apply`` follows any stream: snapshots and deltas build the books, ``Gap`` and ``Unsubscribed`` take them out of
    sync (the snapshot that precedes ``Resynced`` brings them back), everything else is ignored.
    """

    def __init__(self, exchange: str | None = None) -> None:
        """Make an empty set.

        Args:
            exchange: Follow this exchange only and ignore the others; ``None``: the stream has one exchange.
        """
        self.exchange = exchange
        self._only = exchange
        self._books: dict[str, L2Book[Any]] = {}

    def apply(self, event: Event) -> None:
        """Follow one event.

        Raises:
            SequenceGapError: The stream itself has a hole that it does not announce.
            CrossedBookError: The stream's book is crossed.
            ConfigError: The stream holds two exchanges and this object was not told which to follow.
        """
        if isinstance(event, BookDelta):
            book = self._books.get(event.symbol)
            if book is not None and book.exchange == event.exchange:
                book.apply_delta(event)
        elif isinstance(event, BookSnapshot):
            if self._only in (None, event.exchange):
                self._book(event).apply_snapshot(event)
        elif isinstance(event, Gap | Unsubscribed):
            self._lose(event)

    def _book(self, snapshot: BookSnapshot[Any]) -> L2Book[Any]:
        if self.exchange is None:
            self.exchange = snapshot.exchange
        if snapshot.exchange != self.exchange:
            raise ConfigError(
                f"this stream holds books of {self.exchange!r} and of {snapshot.exchange!r}",
                hint="make one Books per exchange: Books('backpack')",
            )
        book = self._books.get(snapshot.symbol)
        if book is None:
            book = self._books[snapshot.symbol] = L2Book(snapshot.exchange, snapshot.symbol)
        return book

    def _lose(self, event: Gap | Unsubscribed) -> None:
        if event.exchange != self.exchange or event.channel not in (None, Channel.L2_BOOK):
            return
        if isinstance(event, Gap) and event.symbol is None and event.cause is GapCause.DECODE:
            return  # a book that it may concern has a gap of its own
        end = event.ts_end if isinstance(event, Gap) else None
        named = self._books.values() if event.symbol is None else [self._books.get(event.symbol)]
        for book in named:
            if book is not None and (end is None or not _shows(book, end)):
                book.lose_sync()

    def __getitem__(self, symbol: str) -> L2Book[Any]:
        return self._books[symbol]

    def __iter__(self) -> Iterator[str]:
        return iter(self._books)

    def __len__(self) -> int:
        return len(self._books)


def _shows(book: L2Book[Any], moment: Nanos) -> bool:
    # a gap that ended before the book's snapshot is not the book's: such a Gap only tells more of a repaired hole
    return moment <= max(book.ts_recv or 0, book.ts_event or 0)
