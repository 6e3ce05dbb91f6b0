"""The deltas of a book over a while as one delta: the same book at its end, in fewer and shorter events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from tickwire.derive.merged_delta import MergedDelta
from tickwire.model.channels import Channel
from tickwire.model.clock import Nanos
from tickwire.model.events import BookDelta, BookSnapshot
from tickwire.model.quality import Event, Gap, Resynced, Unsubscribed, Watermark

__all__ = ["Conflation"]

_Key = tuple[str, str]


@attrs.define(eq=False)
class _Waiting:
    due: Nanos
    delta: MergedDelta


class Conflation:
    """Merges the deltas of each book over a while. Snapshots and holes pass in their place: nothing is merged over one.

    Time is that of the events: a merged delta comes with the next event of anything, when its time is up.
    """

    def __init__(self, every: Nanos) -> None:
        """Begin; ``every``: how long deltas are held back at most, ns of ``ts_recv``."""
        self._every = every
        self._books: dict[_Key, _Waiting] = {}
        self._due: Nanos | None = None

    def apply(self, event: Event) -> Iterator[Event]:
        """Take one event."""
        if self._due is not None and event.ts_recv >= self._due:
            yield from self._over(event.ts_recv)
        if isinstance(event, BookDelta):
            self._hold(event)
            return
        if isinstance(event, BookSnapshot):
            self._books.pop((event.exchange, event.symbol), None)  # it says all that they say
        elif isinstance(event, Gap | Unsubscribed | Watermark | Resynced) and event.channel in (None, Channel.L2_BOOK):
            yield from self._of(event.exchange, event.symbol)
        yield event

    def flush(self) -> Iterator[Event]:
        """Give what is held back."""
        yield from self._of(None, None)

    def _hold(self, delta: BookDelta[Any]) -> None:
        key = (delta.exchange, delta.symbol)
        waiting = self._books.get(key)
        if waiting is not None:
            waiting.delta.add(delta)
            return
        waiting = self._books[key] = _Waiting(delta.ts_recv + self._every, MergedDelta(delta))
        self._due = waiting.due if self._due is None else min(self._due, waiting.due)

    def _over(self, now: Nanos) -> Iterator[Event]:
        for key in [key for key, waiting in self._books.items() if now >= waiting.due]:
            yield self._books.pop(key).delta.merged()
        self._due = min((waiting.due for waiting in self._books.values()), default=None)

    def _of(self, exchange: str | None, symbol: str | None) -> Iterator[Event]:
        for key in [key for key in self._books if exchange in (None, key[0]) and symbol in (None, key[1])]:
            yield self._books.pop(key).delta.merged()
