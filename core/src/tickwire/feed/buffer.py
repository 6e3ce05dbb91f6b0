"""A bounded buffer between the read path and something slower. Putting never waits; what a full buffer does is stated.

``drop_oldest`` forgets the oldest and counts it, per channel and symbol, until ``drops`` announces the count.
``block`` keeps everything and asks the source to pause; it may pass its capacity by what the source had already read.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from enum import StrEnum, auto
from typing import ClassVar, Generic, TypeVar

from tickwire.model.channel_events import channel_of
from tickwire.model.channels import Channel
from tickwire.model.clock import Clock, Nanos
from tickwire.model.quality import Dropped, Event, Severity

__all__ = ["CONFLATE", "EventBuffer", "WhenFull"]

CONFLATE = "conflate"
"""In ``Dropped.policy``: a later state took the place of what is announced, which is no loss of the state itself."""

T = TypeVar("T")

_ANNOUNCE_EVERY = 1_000_000_000


class WhenFull(StrEnum):
    """What a full buffer does."""

    DROP_OLDEST = auto()
    BLOCK = auto()


class EventBuffer(Generic[T]):
    """Items in order, at most ``capacity`` of them.

    Attributes:
        dropped: How many items were forgotten so far.
    """

    _drops_oldest: ClassVar[bool] = True
    """A subclass that has its own way in ``_overflow`` says ``False``."""

    def __init__(
        self,
        name: str,
        capacity: int,
        when_full: str,
        clock: Clock,
        event_of: Callable[[T], Event],
        on_pressure: Callable[[bool], None] | None = None,
    ) -> None:
        """Make an empty buffer.

        Args:
            name: Who reads it, for ``Dropped.sink``.
            capacity: Items, above zero.
            when_full: ``drop_oldest`` or ``block``.
            clock: Dates the announcements.
            event_of: Gives the event an item carries.
            on_pressure: Called with ``True`` when a ``block`` buffer is full, ``False`` when it is half empty again.
        """
        self.name = name
        self.capacity = capacity
        self.when_full = WhenFull(when_full)
        self.dropped = 0
        self._clock = clock
        self._event_of = event_of
        self._on_pressure = on_pressure
        self._items: deque[T] = deque()
        self._most = capacity
        self._lost: dict[tuple[str, str | None, Channel, str], tuple[int, Nanos, Nanos]] = {}
        self._announced = 0
        self._is_pressed = False
        self._is_closed = False
        self._limit_to(capacity)
        self._wake = asyncio.Event()

    def put(self, item: T) -> None:
        """Add an item; after ``close`` it is ignored."""
        if self._is_closed:
            return
        items = self._items
        items.append(item)
        if len(items) == 1:
            self._wake.set()
        elif len(items) > self._limit:
            if self._is_dropping:
                self.lose(items.popleft())
            else:
                self._passed()

    # a limit below the most it holds: somebody waits until so many are there
    def _passed(self) -> None:
        if self._limit < self._most:
            self._limit_to(self._most)
            self._wake.set()
        if len(self._items) > self._most:
            self._overflow()

    def _limit_to(self, limit: int) -> None:
        self._limit = limit
        self._is_dropping = limit == self._most and self._drops_oldest and self.when_full is WhenFull.DROP_OLDEST

    def _overflow(self) -> None:
        """Do what a buffer does that holds one more than it may."""
        if self.when_full is WhenFull.DROP_OLDEST:
            self.lose(self._items.popleft())
        else:
            self._limit = sys.maxsize  # said once, until there is room again
            self._press(True)

    def lose(self, item: T, policy: str = "") -> None:
        """Count an item as dropped, to be announced; it is not in the buffer any more.

        Args:
            item: What is lost.
            policy: Why, for ``Dropped.policy``; empty: the buffer's own.
        """
        event = self._event_of(item)
        self.dropped += 1
        name = (event.exchange, event.symbol, channel_of(event), policy or self.when_full)
        count, first, _ = self._lost.get(name, (0, event.ts_recv, 0))
        self._lost[name] = (count + 1, first, event.ts_recv)

    def _press(self, is_pressed: bool) -> None:
        if is_pressed is not self._is_pressed:
            self._is_pressed = is_pressed
            if not is_pressed:
                self._limit_to(self._most)
            if self._on_pressure is not None:
                self._on_pressure(is_pressed)

    async def fill(self, count: int, within: float) -> None:
        """Wait for the first item, and then until ``count`` are there, it is full or closed, or time is up.

        Args:
            count: Items.
            within: Seconds after the first.
        """
        await self._first()
        wanted = min(count, self._most)
        if within <= 0 or self._is_closed or len(self._items) >= wanted:
            return
        self._limit_to(wanted - 1)
        self._wake.clear()
        try:
            async with self._clock.timeout(within):
                await self._wake.wait()
        except TimeoutError:
            return
        finally:
            self._limit_to(self._most)

    async def _first(self) -> None:
        while not self._items and not self._is_closed:
            self._wake.clear()
            await self._wake.wait()

    async def take(self, limit: int = 1000) -> list[T]:
        """Wait for at least one item and take up to ``limit``; empty once the buffer is closed and drained."""
        await self._first()
        items = self._items
        if len(items) <= limit:
            taken = list(items)
            items.clear()
        else:
            taken = [items.popleft() for _ in range(limit)]
        if self._is_pressed and len(items) <= self.capacity // 2:
            self._press(False)
        return taken

    def drops(self, *, at_once: bool = False) -> list[Dropped]:
        """Announce what was forgotten since the last announcement, at most once a second.

        Args:
            at_once: Now, however long ago that was; so it is after ``close`` anyway.
        """
        now = self._clock.now()
        if not self._lost or (now - self._announced < _ANNOUNCE_EVERY and not (at_once or self._is_closed)):
            return []
        self._announced = now
        lost, self._lost = self._lost, {}
        return [
            Dropped(
                exchange,
                symbol,
                None,
                now,
                channel,
                None,
                Severity.INFO if policy == CONFLATE else Severity.WARNING,
                self.name,
                policy,
                count,
                first,
                last,
            )
            for (exchange, symbol, channel, policy), (count, first, last) in lost.items()
        ]

    @property
    def oldest(self) -> T | None:
        """The item that is taken next."""
        return self._items[0] if self._items else None

    def close(self) -> None:
        """Take no more; what is in it can still be taken."""
        self._is_closed = True
        self._wake.set()

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more."""
        return self._is_closed

    def __len__(self) -> int:
        return len(self._items)
