"""Several connections bring the same numbered events: each passes once, in order, and a hole is what all of them miss.

One leg is the primary; what it brings in order goes straight through the stream and never comes here. The others are
spares. Invariant: an event is passed only if it follows, or if every leg that goes on delivering is already past what
is missing before it (or has had its time). Numbers that are consecutive or linked tell whether one follows
(``Merge``); those that only grow do not, so that a spare's are kept until it takes over (``Tail``).
"""

from __future__ import annotations

import heapq
import logging
from collections import deque
from typing import Any, Protocol

from tickwire.model.clock import Nanos
from tickwire.model.errors import DataError
from tickwire.model.sequence import Decision

__all__ = ["Merge", "Numbered", "Tail"]

_log = logging.getLogger(__name__)

_PRIMARY = 0
_MOST = 1_000
_APPLY, _OLD = Decision.APPLY, Decision.OLD


class Numbered(Protocol):
    """A stream whose events tell where they belong."""

    @property
    def is_following(self) -> bool:
        """Whether the next event has something to follow; not so a book that is out of sync."""
        ...

    def turn_of(self, event: Any) -> Decision:
        """Tell whether an event follows what was let through; where nothing does, everything is ``OLD``."""
        ...

    def number_of(self, event: Any) -> int:
        """Give the number that orders the events."""
        ...

    def accept(self, event: Any) -> None:
        """Take an event, and announce what is missing before it."""
        ...


class Merge:
    """One stream's events from several legs, where their numbers tell which follows which."""

    def __init__(self, stream: Numbered) -> None:
        """Begin with nothing but a primary that is in order."""
        self._stream = stream
        self._queues: dict[int, deque[Any]] = {}  # by leg: what it brought too early, never empty
        self._spares: set[int] = set()
        self._is_passing = False

    def offer(self, leg: int, event: Any) -> None:
        """Take what a spare brings.

        Args:
            leg: The spare: above zero, another number for each of its connections.
            event: Passed, kept or forgotten.
        """
        self._spares.add(leg)
        if leg in self._queues or self._stream.turn_of(event) is not _OLD:
            self._keep(leg, event)

    def holds(self, event: Any) -> bool:
        """Take an event of the primary before which something is missing, which a spare may yet bring.

        Returns:
            Whether it was taken; ``False``: it comes from here, and what is missing is missing.
        """
        if self._is_passing:
            return False
        self._keep(_PRIMARY, event)
        return True

    def overlaps(self, leg: int) -> bool:
        """Tell whether a spare has brought what the stream is at: nothing lies between."""
        return leg in self._spares and leg not in self._queues

    def drop(self, leg: int) -> None:
        """Wait no longer for a spare; what it brought stays good."""
        self._spares.discard(leg)
        self._pass()

    def take_over(self, leg: int) -> bool:
        """Make a spare the primary: what it brought too early comes in its name.

        Returns:
            ``True``: whatever is missing is known by its numbers.
        """
        left, own = self._queues.pop(_PRIMARY, None), self._queues.pop(leg, None)
        if left:
            self._queues[-leg] = left
        if own:
            self._queues[_PRIMARY] = own
        self._spares.discard(leg)
        self._pass()
        return True

    def let_go(self, until: Nanos) -> None:
        """Wait no longer for what is missing before events that came by ``until``."""
        self._pass(until)

    def _keep(self, leg: int, event: Any) -> None:
        queue = self._queues.setdefault(leg, deque())
        number = self._stream.number_of
        if not queue or number(event) > number(queue[-1]):
            queue.append(event)
        self._pass()

    def _pass(self, until: Nanos = 0) -> None:
        stream = self._stream
        self._is_passing = True
        try:
            while (queue := self._next(until)) is not None:
                _accept(stream, queue.popleft())
                if not stream.is_following:
                    # it starts over: what is here comes after the snapshot to come, if it is of any use
                    for event in heapq.merge(*self._queues.values(), key=stream.number_of):
                        _accept(stream, event)
                    self._queues.clear()
        finally:
            self._is_passing = False

    def _next(self, until: Nanos) -> deque[Any] | None:
        stream, queues = self._stream, self._queues
        for leg, queue in list(queues.items()):
            while queue and stream.turn_of(queue[0]) is _OLD:
                queue.popleft()
            if not queue:
                del queues[leg]
        for queue in queues.values():
            if stream.turn_of(queue[0]) is _APPLY:
                return queue
        is_missed_by_all = _PRIMARY in queues and self._spares <= queues.keys()
        if queues and (
            is_missed_by_all or any(len(one) >= _MOST or one[0].ts_recv <= until for one in queues.values())
        ):
            return min(queues.values(), key=lambda one: stream.number_of(one[0]))
        return None


class Tail:
    """One stream's events from several legs, where numbers only grow: the spares' are kept until one takes over.

    Each spare's queue begins with the newest event that the stream has let through, if the spare brought one: then
    nothing lies between it and the next.
    """

    def __init__(self, stream: Numbered) -> None:
        """Begin with nothing kept."""
        self._stream = stream
        self._queues: dict[int, deque[Any]] = {}

    def offer(self, leg: int, event: Any) -> None:
        """Keep what a spare brings."""
        queue = self._queues.setdefault(leg, deque(maxlen=_MOST))
        queue.append(event)
        while len(queue) > 1 and self._stream.turn_of(queue[1]) is _OLD:
            queue.popleft()

    def holds(self, event: Any) -> bool:
        """Take nothing: no number tells that something is missing."""
        return False

    def overlaps(self, leg: int) -> bool:
        """Tell whether a spare has brought something that the stream has let through."""
        queue = self._queues.get(leg)
        return queue is not None and self._stream.turn_of(queue[0]) is _OLD

    def drop(self, leg: int) -> None:
        """Forget what a spare brought."""
        self._queues.pop(leg, None)

    def take_over(self, leg: int) -> bool:
        """Make a spare the primary.

        Returns:
            Whether what it brought is all there was since the last event that was let through.
        """
        is_whole = self._stream.is_following and self.overlaps(leg)
        for event in self._queues.pop(leg, ()) if is_whole else ():
            if self._stream.turn_of(event) is not _OLD:
                _accept(self._stream, event)
        self.drop(leg)
        return is_whole

    def let_go(self, until: Nanos) -> None:
        """Do nothing: the primary may yet bring what lies before."""


def _accept(stream: Numbered, event: Any) -> None:
    try:
        stream.accept(event)
    except DataError as error:
        # as a frame that cannot be used: it is left out, and the next shows the hole
        _log.warning("an event that waited was dropped: %s", error)
