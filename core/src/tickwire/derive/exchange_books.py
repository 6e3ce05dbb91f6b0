"""The books of a stream of several exchanges; one that does not follow is out of sync until its next snapshot."""

from __future__ import annotations

from typing import Any

from tickwire.model.book import L2Book
from tickwire.model.books import Books
from tickwire.model.errors import DataError
from tickwire.model.events import BookDelta, BookSnapshot
from tickwire.model.quality import Event, Gap, Unsubscribed

__all__ = ["ExchangeBooks"]


class ExchangeBooks:
    """Follows any stream, from wherever it begins."""

    def __init__(self) -> None:
        """Begin without books."""
        self._books: dict[str, Books] = {}

    def apply(self, event: Event) -> L2Book[Any] | None:
        """Follow one event; gives the book that it changed, if that is in sync now."""
        if not isinstance(event, BookSnapshot | BookDelta | Gap | Unsubscribed):
            return None
        books = self._books.setdefault(event.exchange, Books(event.exchange))
        try:
            books.apply(event)
        except DataError:
            return None  # the book itself says that it is not in sync
        if isinstance(event, Gap | Unsubscribed):
            return None
        book = books.get(event.symbol)
        return book if book is not None and book.is_synced else None

    def get(self, exchange: str, symbol: str) -> L2Book[Any] | None:
        """Give a book, in sync or not; ``None``: there was none yet."""
        books = self._books.get(exchange)
        return None if books is None else books.get(symbol)
