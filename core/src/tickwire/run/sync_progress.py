"""How far the books of a run are at its start, told once: ``46/46 books in sync after 9.1 s``."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tickwire.model.clock import Clock
from tickwire.model.events import BookSnapshot

__all__ = ["SyncProgress"]

Book = tuple[str, str]


class SyncProgress:
    """Which feeds have not said yet what books they want, and which books have had no snapshot yet."""

    def __init__(self, clock: Clock, say: Callable[[str], None]) -> None:
        """Make it; ``say`` is told once, when all is in sync."""
        self.is_over = False
        self._clock = clock
        self._say = say
        self._started = clock.monotonic()
        self._waiting: set[str] = set()
        self._open: set[Book] = set()
        self._synced: set[Book] = set()
        self._expected = 0

    def begin(self, feeds: Iterable[str]) -> None:
        """Count from now on; each of these feeds is to say what books it wants."""
        self._started = self._clock.monotonic()
        self._waiting = set(feeds)

    def wants(self, feed: str, books: Iterable[Book]) -> None:
        """Note that a feed wants these books, (exchange, symbol)."""
        if feed in self._waiting:
            self._waiting.discard(feed)
            wanted = set(books)
            self._expected += len(wanted)
            self._open |= wanted - self._synced
            self._look()

    def gone(self, feed: str) -> None:
        """Note that a feed will want nothing."""
        self.wants(feed, ())

    def snapshot(self, event: BookSnapshot[float]) -> None:
        """Note that a book is in sync."""
        book = (event.exchange, event.symbol)
        self._synced.add(book)
        self._open.discard(book)
        self._look()

    def _look(self) -> None:
        if self._waiting or self._open or self.is_over:
            return
        self.is_over = True
        if self._expected:
            seconds = self._clock.monotonic() - self._started
            self._say(f"{self._expected}/{self._expected} books in sync after {seconds:.1f} s")
