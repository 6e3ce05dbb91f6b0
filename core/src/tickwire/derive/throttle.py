"""At most one event of an instrument and channel in a while; the last one of the while comes at its end.

For events that say how things are now, where the next makes the last one worthless. Deltas of a book do not: those are
conflated.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import attrs

from tickwire.model.clock import Nanos
from tickwire.model.events import (
    Candle,
    Funding,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    Quote,
    Ticker,
)
from tickwire.model.quality import Event

__all__ = ["THROTTLED", "Throttle"]

THROTTLED: tuple[type[MarketEvent], ...] = (Quote, Ticker, Candle, MarkPrice, Funding, OpenInterest)
"""What is throttled unless said otherwise; trades and liquidations only where the user says so: they are lost."""

_Key = tuple[type, str, str, str]


@attrs.define(eq=False)
class _Lane:
    due: Nanos
    waiting: MarketEvent | None = None


class Throttle:
    """Lets the first event of an instrument through at once, and after that the latest one every so often.

    Time is that of the events: what waits comes with the next event of anything, when its time is up. A closed candle
    is never held back nor replaced.
    """

    def __init__(self, every: Nanos, types: Collection[type] = THROTTLED) -> None:
        """Begin.

        Args:
            every: Shortest time between two, ns of ``ts_recv``.
            types: Which events are throttled.
        """
        self._every = every
        self._types = frozenset(types)
        self._lanes: dict[_Key, _Lane] = {}
        self._due: Nanos | None = None

    def apply(self, event: Event) -> Iterator[Event]:
        """Take one event."""
        now = event.ts_recv
        if self._due is not None and now >= self._due:
            yield from self._over(now)
        if isinstance(event, MarketEvent) and type(event) in self._types:
            yield from self._throttled(event, now)
        else:
            yield event

    def flush(self) -> Iterator[Event]:
        """Give what waits."""
        for lane in self._lanes.values():
            if lane.waiting is not None:
                yield lane.waiting
                lane.waiting = None
        self._due = None

    def _throttled(self, event: MarketEvent, now: Nanos) -> Iterator[Event]:
        interval = event.interval if isinstance(event, Candle) else ""
        key = (type(event), event.exchange, event.symbol, interval)
        lane = self._lanes.get(key)
        if isinstance(event, Candle) and event.is_closed:
            if lane is not None:
                lane.waiting = None
            yield event
        elif lane is None or now >= lane.due:
            self._lanes[key] = _Lane(now + self._every)
            yield event
        else:
            lane.waiting = event
            self._due = lane.due if self._due is None else min(self._due, lane.due)

    def _over(self, now: Nanos) -> Iterator[Event]:
        self._due = None
        for lane in self._lanes.values():
            if lane.waiting is None:
                continue
            if now >= lane.due:
                yield lane.waiting
                lane.waiting, lane.due = None, now + self._every
            else:
                self._due = lane.due if self._due is None else min(self._due, lane.due)
