"""A function of the user's as a step: it may let an event through, change it, drop it, or make others of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tickwire.model.account import AccountEvent
from tickwire.model.channel_events import channel_of
from tickwire.model.events import MarketEvent
from tickwire.model.quality import Dropped, Event, QualityEvent, Severity

__all__ = ["Calling"]

_EVENTS = (MarketEvent, AccountEvent, QualityEvent)

logger = logging.getLogger(__name__)


class Calling:
    """Calls a function with each event. It answers an event, several, or ``None`` for none.

    An event at which it raises goes no further, and a ``Dropped`` of policy ``process`` says so: whoever drops on
    purpose answers ``None``.
    """

    def __init__(self, function: Callable[[Any], Any], name: str, sink: str = "") -> None:
        """Take over a function.

        Args:
            function: Is given each event, in order.
            name: What it is called in the log.
            sink: Who is named in ``Dropped``.
        """
        self._function = function
        self._name = name
        self._sink = sink
        self._has_failed = False

    def apply(self, event: Event) -> Iterator[Event]:
        """Take one event."""
        try:
            yield from self._answers(self._function(event))
        except Exception as error:  # whatever the user's function raises must not stop the others' events
            if not self._has_failed:
                kind = type(error).__name__
                logger.error("%s raised %s: %s; further errors are told as Dropped", self._name, kind, error)
            self._has_failed = True
            yield self._dropped(event)

    def flush(self) -> Iterator[Event]:
        """Give nothing: what a function holds back is its own."""
        yield from ()

    def _answers(self, answer: object) -> Iterable[Event]:
        if answer is None:
            return ()
        events: Any = (answer,) if isinstance(answer, _EVENTS) else list(answer)  # type: ignore[call-overload]
        for event in events:
            if not isinstance(event, _EVENTS):
                raise TypeError(f"it answered {event!r}, which is no event")
        return events  # type: ignore[no-any-return]

    def _dropped(self, event: Event) -> Dropped:
        header = (event.exchange, event.symbol, None, event.ts_recv, channel_of(event), None, Severity.ERROR)
        return Dropped(*header, self._sink, "process", 1, event.ts_recv, event.ts_recv)
