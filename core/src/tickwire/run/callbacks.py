"""The functions that a feed's user registered: called in order, on the read path or beside it, and none can hurt it."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any

from tickwire.feed.buffer import EventBuffer
from tickwire.model.clock import Clock
from tickwire.model.metrics import Counter, Metrics
from tickwire.model.quality import Dropped, Event
from tickwire.run.responsiveness import Callback, name_of

__all__ = ["Callbacks"]

_log = logging.getLogger(__name__)

_HOLDS = 65_536


class Callbacks:
    """Takes a feed's events and hands them to whoever registered for their kind.

    Attributes:
        calling: The callback that is running; ``None``: none is.
        last: Takes each event after the callbacks; ``None``: nobody does.
    """

    def __init__(self, feed: str, exchange: str, metrics: Metrics, clock: Clock) -> None:
        """Begin without any.

        Args:
            feed: The feed's name, for logs.
            exchange: The exchange's id, for figures.
            metrics: Figures.
            clock: Dates what a slow async callback dropped.
        """
        self.calling: Callback | None = None
        self.last: Callable[[Event], object] | None = None
        self._feed = feed
        self._exchange = exchange
        self._metrics = metrics
        self._clock = clock
        self._registered: list[tuple[Any, Callback]] = []
        self._by_type: dict[type, tuple[Counter, tuple[Callback, ...]]] = {}
        self._beside: list[tuple[EventBuffer[Event], asyncio.Task[None]]] = []

    def add(self, kind: Any, handle: Callback) -> None:
        """Call ``handle`` with each event of a class, after those that were added before."""
        self._registered.append((kind, handle))

    def add_first(self, kind: Any, handle: Callback) -> None:
        """Call ``handle`` before all others."""
        self._registered.insert(0, (kind, handle))

    @property
    def handles(self) -> list[Callback]:
        """What is called on the read path."""
        return [handle for _, handle in self._registered]

    def start(self, capacity: int, when_full: str, on_pressure: Callable[[bool], None]) -> None:
        """Give each ``async`` callback a buffer and a task.

        Args:
            capacity: Of a buffer; 0: a default.
            when_full: What a full one does.
            on_pressure: Told when one is full, and when it has room again.
        """

        def aside(kind: Any, handle: Callback) -> Callback:
            name = f"callback {name_of(handle)}"
            buffer = EventBuffer[Event](
                name, capacity or _HOLDS, when_full, self._clock, lambda event: event, on_pressure
            )
            self._beside.append((buffer, asyncio.create_task(self._serve(buffer, kind, handle), name=name)))
            return buffer.put

        self._registered = [
            (kind, aside(kind, handle) if inspect.iscoroutinefunction(handle) else handle)
            for kind, handle in self._registered
        ]

    async def _serve(self, buffer: EventBuffer[Event], kind: Any, handle: Callable[[Any], Any]) -> None:
        batch: list[Event]
        while batch := await buffer.take():
            drops: list[Dropped] = buffer.drops()
            if drops and not issubclass(Dropped, kind):
                for dropped in drops:
                    self.emit(dropped)
                drops = []
            for event in [*drops, *batch]:
                try:
                    await handle(event)
                except Exception:  # one user callback
                    self._failed(handle)

    @property
    def emitted(self) -> int:
        """How many events were emitted so far; safe from any thread."""
        return sum(counter.value for counter, _ in tuple(self._by_type.values()))

    def emit(self, event: Event) -> None:
        """Hand an event to all who want it; raises nothing."""
        try:
            counter, callbacks = self._by_type[type(event)]
        except KeyError:
            counter, callbacks = self._taken_by(type(event))
        counter.value += 1
        for handle in callbacks:
            self.calling = handle
            try:
                handle(event)
            except Exception:  # one user callback must not end the feed
                self._failed(handle)
            self.calling = None
        if self.last is not None:
            self.last(event)

    def _taken_by(self, kind: type) -> tuple[Counter, tuple[Callback, ...]]:
        counter = self._metrics.counter("events_total", exchange=self._exchange, type=kind.__name__)
        callbacks = tuple(handle for wanted, handle in self._registered if issubclass(kind, wanted))
        self._by_type[kind] = (counter, callbacks)
        return counter, callbacks

    def _failed(self, handle: Callback) -> None:
        name = name_of(handle)
        counter = self._metrics.counter("callback_errors_total", callback=name)
        counter.add()
        if counter.value == 1:
            _log.exception("%s: callback %s raised; it stays registered, further errors are counted", self._feed, name)

    def close(self) -> None:
        """Take no more for those beside the read path; what they were given is still handled."""
        for buffer, _ in self._beside:
            buffer.close()

    async def finish(self, within: float) -> None:
        """Wait for those beside the read path, and give up those that are late.

        Args:
            within: Seconds.
        """
        if self._beside:
            _, late = await asyncio.wait([task for _, task in self._beside], timeout=within)
            for task in late:
                task.cancel()
