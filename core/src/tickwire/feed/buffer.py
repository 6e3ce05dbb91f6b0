"""A bounded buffer between the read path and something slower. Putting never waits; what a full buffer does is stated.

``drop_oldest`` forgets the oldest and counts it, per channel and symbol, until ``drops`` announces the count.
``block`` keeps everything and asks the source to pause; it may pass its capacity by what the source had already read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from enum import StrEnum, auto
from typing import Generic, TypeVar

from tickwire.model.channels import Channel
from tickwire.model.clock import Clock, Nanos
from tickwire.model.events import (
    BookDelta,
    BookSnapshot,
    Candle,
    Funding,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    Quote,
    Ticker,
    Trade,
)
from tickwire.model.quality import Dropped, Event, Severity

__all__ = ["EventBuffer", "WhenFull", "channel_of"]

T = TypeVar("T")

_ANNOUNCE_EVERY = 1_000_000_000
_CHANNELS: dict[type, Channel] = {
    Trade: Channel.TRADES,
    BookSnapshot: Channel.L2_BOOK,
    BookDelta: Channel.L2_BOOK,
    Quote: Channel.L1_BOOK,
    Ticker: Channel.TICKER,
    Candle: Channel.CANDLES,
    MarkPrice: Channel.MARK_PRICE,
    Funding: Channel.FUNDING,
    OpenInterest: Channel.OPEN_INTEREST,
    Liquidation: Channel.LIQUIDATIONS,
}


class WhenFull(StrEnum):
    """What a full buffer does."""

    DROP_OLDEST = auto()
    BLOCK = auto()


def channel_of(event: Event) -> Channel:
    """Tell which channel an event belongs to; quality events to ``QUALITY``."""
    return _CHANNELS[type(event)] if isinstance(event, MarketEvent) else Channel.QUALITY


class EventBuffer(Generic[T]):
    """Items in order, at most ``capacity`` of them.

    Attributes:
        dropped: How many items were forgotten so far.
    """

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
        self._lost: dict[tuple[str, str | None, Channel], tuple[int, Nanos, Nanos]] = {}
        self._announced = 0
        self._is_pressed = False
        self._is_closed = False
        self._wake = asyncio.Event()

    def put(self, item: T) -> None:
        """Add an item; after ``close`` it is ignored."""
        if self._is_closed:
            return
        items = self._items
        items.append(item)
        if len(items) == 1:
            self._wake.set()
        elif len(items) > self.capacity:
            if self.when_full is WhenFull.DROP_OLDEST:
                self._forget(items.popleft())
            else:
                self._press(True)

    def _forget(self, item: T) -> None:
        event = self._event_of(item)
        self.dropped += 1
        name = (event.exchange, event.symbol, channel_of(event))
        count, first, _ = self._lost.get(name, (0, event.ts_recv, 0))
        self._lost[name] = (count + 1, first, event.ts_recv)

    def _press(self, is_pressed: bool) -> None:
        if is_pressed is not self._is_pressed:
            self._is_pressed = is_pressed
            if self._on_pressure is not None:
                self._on_pressure(is_pressed)

    async def take(self, limit: int = 1000) -> list[T]:
        """Wait for at least one item and take up to ``limit``; empty once the buffer is closed and drained."""
        items = self._items
        while not items and not self._is_closed:
            self._wake.clear()
            await self._wake.wait()
        if len(items) <= limit:
            taken = list(items)
            items.clear()
        else:
            taken = [items.popleft() for _ in range(limit)]
        if self._is_pressed and len(items) <= self.capacity // 2:
            self._press(False)
        return taken

    def drops(self) -> list[Dropped]:
        """Announce what was forgotten since the last announcement, at most once a second (always after ``close``)."""
        now = self._clock.now()
        if not self._lost or (now - self._announced < _ANNOUNCE_EVERY and not self._is_closed):
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
                Severity.WARNING,
                self.name,
                self.when_full,
                count,
                first,
                last,
            )
            for (exchange, symbol, channel), (count, first, last) in lost.items()
        ]

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
