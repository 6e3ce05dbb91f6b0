"""Conflation: of what only the latest state matters of, a full queue keeps the latest state.

A run of book deltas becomes one that spans them, a book snapshot takes the place of everything before it of its book,
the latest quote, ticker, mark price and open interest take the place of those before. Everything else, trades and
quality events above all, stays as it is and in order. ``Books.apply`` over the result gives the same books at the end.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Any

from tickwire.derive.merged_delta import MergedDelta
from tickwire.feed.buffer import CONFLATE, EventBuffer
from tickwire.model.channels import Channel
from tickwire.model.clock import Clock
from tickwire.model.events import BookDelta, BookSnapshot, MarkPrice, OpenInterest, Quote, Ticker
from tickwire.model.quality import Event, Gap, Unsubscribed
from tickwire.model.stored import Record

__all__ = ["CONFLATED", "ConflatingBuffer", "conflate"]

CONFLATED = (BookSnapshot, BookDelta, Quote, Ticker, MarkPrice, OpenInterest)
"""What is conflated; of everything else a full queue forgets the oldest."""
_STEP = 8


class ConflatingBuffer(EventBuffer[Record]):
    """A buffer that conflates when it is full, and then forgets the oldest of what cannot be conflated.

    It does so step by step, the oldest first, so that no single event waits for it. It may hold more than its capacity
    by the latest states, at most one or two of an instrument and kind.

    Attributes:
        conflated: How many records another one took the place of, or took in.
    """

    _drops_oldest = False

    def __init__(self, name: str, capacity: int, clock: Clock) -> None:
        """Make an empty buffer; the arguments are those of ``EventBuffer``."""
        super().__init__(name, capacity, "drop_oldest", clock, lambda record: record.event)
        self.conflated = 0
        self._held = _Conflation()  # what was conflated: older than what is not yet

    @property
    def oldest(self) -> Record | None:
        """The record that is taken next."""
        return self._held.oldest or super().oldest

    def __len__(self) -> int:
        return len(self._held) + len(self._items)

    def _overflow(self) -> None:
        held, items = self._held, self._items
        for _ in range(min(_STEP, len(items))):
            held.add(items.popleft())
        for record in held.gone:
            self.lose(record, CONFLATE)
        self.dropped -= len(held.gone)  # announced, and not lost
        self.conflated += len(held.gone)
        held.gone.clear()
        while not items and held.others > self.capacity:
            self.lose(held.drop())
        self._make_room()

    def _make_room(self) -> None:
        self._most = max(1, self.capacity - len(self._held))
        self._limit_to(self._most)

    async def fill(self, count: int, within: float) -> None:
        """Wait as any buffer does, unless it is or was full."""
        if not len(self._held):
            await super().fill(count, within)

    async def take(self, limit: int = 1000) -> list[Record]:
        """Wait for at least one record and take up to ``limit``; empty once the buffer is closed and drained."""
        if not len(self._held):
            return await super().take(limit)
        taken = self._held.take(limit)
        if not len(self._held):
            self._held = _Conflation()
        self._make_room()
        return taken


def conflate(records: Iterable[Record]) -> tuple[list[Record], list[Record]]:
    """Conflate a run of records.

    Returns:
        What is left, in order, and the records that are in it no more, or only as a part of another. A merged delta
        stands where its last part stood and has that one's ordinal and key.
    """
    conflation = _Conflation()
    for record in records:
        conflation.add(record)
    return conflation.take(len(conflation)), conflation.gone


class _Conflation:
    def __init__(self) -> None:
        self.gone: list[Record] = []
        self._kept: OrderedDict[int, Record | _Deltas] = OrderedDict()
        self._others: deque[int] = deque()
        self._latest: dict[tuple[object, ...], int] = {}
        self._of_book: dict[tuple[str, str], list[int]] = {}
        self._growing: dict[tuple[str, str], int] = {}
        self._place = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def others(self) -> int:
        return len(self._others)

    @property
    def oldest(self) -> Record | None:
        first = next(iter(self._kept.values()), None)
        return first.last if isinstance(first, _Deltas) else first

    def add(self, record: Record) -> None:
        self._place += 1
        event = record.event
        if isinstance(event, BookDelta):
            self._delta(record, (event.exchange, event.symbol))
        elif isinstance(event, BookSnapshot):
            self._snapshot(record, (event.exchange, event.symbol))
        elif isinstance(event, CONFLATED):
            self._figure(record, event)
        else:
            self._kept[self._place] = record
            self._others.append(self._place)
            if isinstance(event, Gap | Unsubscribed) and event.channel in (None, Channel.L2_BOOK):
                self._part(event)

    def take(self, limit: int) -> list[Record]:
        taken: list[Record] = []
        while self._kept and len(taken) < limit:
            place, one = self._kept.popitem(last=False)
            taken.append(one.merged() if isinstance(one, _Deltas) else one)
            if self._others and self._others[0] == place:
                self._others.popleft()
        return taken

    # the oldest of what cannot be conflated
    def drop(self) -> Record:
        one = self._kept.pop(self._others.popleft())
        assert isinstance(one, Record)
        return one

    def _figure(self, record: Record, event: Event) -> None:
        name = (type(event), event.exchange, event.symbol, getattr(event, "window", None))
        before = self._kept.pop(self._latest.get(name, 0), None)
        if isinstance(before, Record):
            self.gone.append(before)
        self._latest[name] = self._place
        self._kept[self._place] = record

    def _snapshot(self, record: Record, book: tuple[str, str]) -> None:
        for place in self._of_book.get(book, ()):
            before = self._kept.pop(place, None)
            if before is not None:
                self.gone.append(before.last if isinstance(before, _Deltas) else before)
        self._of_book[book] = [self._place]
        self._growing.pop(book, None)
        self._kept[self._place] = record

    def _delta(self, record: Record, book: tuple[str, str]) -> None:
        growing = self._growing.get(book)
        deltas = None if growing is None else self._kept.pop(growing, None)  # it may have been taken
        if isinstance(deltas, _Deltas):
            self.gone.append(deltas.last)
            deltas.add(record)
        else:
            deltas = _Deltas(record)
        places = [place for place in self._of_book.get(book, ()) if place in self._kept]
        self._of_book[book] = [*places, self._place]
        self._growing[book] = self._place
        self._kept[self._place] = deltas

    # What is before a gap is not merged with what comes after: the book is out of sync in between.
    def _part(self, event: Gap | Unsubscribed) -> None:
        if event.symbol is not None:
            self._growing.pop((event.exchange, event.symbol), None)
        else:
            self._growing = {book: place for book, place in self._growing.items() if book[0] != event.exchange}


# A run of deltas of one book, and the record of its last one.
class _Deltas:
    def __init__(self, record: Record) -> None:
        self._merged = MergedDelta(_delta_of(record))
        self.last = record

    def add(self, record: Record) -> None:
        self._merged.add(_delta_of(record))
        self.last = record

    def merged(self) -> Record:
        last, delta = self.last, self._merged.merged()
        return last if delta is last.event else Record(delta, last.run_id, last.ordinal, last.key)


def _delta_of(record: Record) -> BookDelta[Any]:
    event = record.event
    assert isinstance(event, BookDelta)
    return event
