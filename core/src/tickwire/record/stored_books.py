"""Books as they were at regular moments, rebuilt from stored snapshots and changes."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tickwire.model.book import L2Book
from tickwire.model.books import Books
from tickwire.model.channels import Channel
from tickwire.model.clock import Nanos
from tickwire.model.errors import ConfigError, DataError
from tickwire.model.quality import QualityEvent
from tickwire.model.stored import Record
from tickwire.record.stored import Moment, load, nanos_of
from tickwire.run.durations import parse_duration

__all__ = ["books"]

_log = logging.getLogger(__name__)

_OF_BOOKS = (None, Channel.L2_BOOK)


def books(
    path: str | Path,
    exchange: str,
    symbol: str,
    every: str | float = "1s",
    depth: int | None = 20,
    start: Moment | None = None,
    end: Moment | None = None,
) -> Iterator[tuple[Nanos, L2Book[Any]]]:
    """Give an instrument's book at regular moments of ``ts_recv``.

    Where the book was not known, because something was missing or nothing ran, ``book.is_synced`` is ``False`` and its
    questions are answered ``None``; of the time between two runs there is no moment at all.

    Args:
        path: What a ``parquet`` or ``jsonl`` sink writes to.
        exchange: The exchange's id.
        symbol: Our symbol.
        every: Time between two moments, e.g. ``250ms``; a number is seconds. Moments are whole multiples of it.
        depth: Levels a side; ``None``: all that are known.
        start: From when on; the first book of all by default.
        end: Up to, without, this moment; the last thing stored by default.

    Yields:
        The moment in ns, and a book of its own.

    Raises:
        ConfigError: There is nothing stored there, or ``every`` is no duration.
        DataError: A file cannot be understood.
    """
    step = round(parse_duration(every) * 1e9)
    if step < 1:
        raise ConfigError(f"every is {every!r}", hint="write at least a nanosecond")
    found = load(path, exchange, symbol, Channel.L2_BOOK, end=end)
    quality = load(path, exchange, (symbol, None), Channel.QUALITY, end=end)
    told = (one for one in quality.records() if _concerns(one, symbol))
    records = heapq.merge(found.records(), told, key=lambda one: (one.run_id, one.ordinal))
    holes = [hole for hole in found.holes if hole.channel in _OF_BOOKS]
    since = nanos_of(start)
    for moment, book in _followed(records, exchange, symbol, step):
        if since is None or moment >= since:
            is_known = book is not None and not any(hole.overlaps(moment, moment + 1) for hole in holes)
            yield moment, _shown(book, depth) if book is not None and is_known else L2Book(exchange, symbol)


def _followed(
    records: Iterable[Record], exchange: str, symbol: str, step: Nanos
) -> Iterator[tuple[Nanos, L2Book[Any] | None]]:
    all_books, book, run_id = Books(exchange), None, ""
    next_moment: Nanos | None = None
    last = 0
    for record in records:
        now = record.event.ts_recv
        if record.run_id != run_id:
            # nobody saw what happened between two runs
            yield from _until(next_moment, last + 1, step, book)
            next_moment = None if next_moment is None else max(next_moment, -(-now // step) * step)
            run_id = record.run_id
            if book is not None:
                book.lose_sync()
        elif next_moment is not None:
            yield from _until(next_moment, now, step, book)
            next_moment = max(next_moment, -(-now // step) * step)
        last = now
        _apply(all_books, record)
        book = all_books.get(symbol)
        if next_moment is None and book is not None:
            next_moment = -(-now // step) * step
    yield from _until(next_moment, last + 1, step, book)


def _until(
    moment: Nanos | None, end: Nanos, step: Nanos, book: L2Book[Any] | None
) -> Iterator[tuple[Nanos, L2Book[Any] | None]]:
    while moment is not None and moment < end:
        yield moment, book
        moment += step


def _apply(all_books: Books, record: Record) -> None:
    try:
        all_books.apply(record.event)
    except DataError as error:  # the book is out of sync now, until the stream's next snapshot
        _log.warning("record %s/%d does not follow: %s", record.run_id, record.ordinal, error)


def _concerns(record: Record, symbol: str) -> bool:
    event = record.event
    return isinstance(event, QualityEvent) and event.symbol in (None, symbol) and event.channel in _OF_BOOKS


def _shown(book: L2Book[Any], depth: int | None) -> L2Book[Any]:
    if not book.is_synced:
        return L2Book(book.exchange, book.symbol)
    return L2Book.from_snapshot(book.snapshot(depth))
