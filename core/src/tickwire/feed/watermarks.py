"""Up to when is a stream complete? Every ten seconds each says so, idle ones too, if nothing of it is open.

What proves it is something that its connection received: a frame, or the answer to a ping. Nothing that the exchange
sent before can be under way then, as far as the socket can tell; a silent exchange is the watchdog's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from tickwire.feed.streams import Stream
from tickwire.model.channels import Subscription
from tickwire.model.clock import Clock, Nanos

__all__ = ["EVERY", "Evidence", "Watermarks"]

EVERY = 10.0
"""Seconds between two watermarks of a subscription."""

_FRESH = 1_000_000_000  # a frame as young as this needs no ping to confirm it


class Evidence(Protocol):
    """What of a connection proves that nothing is missing."""

    @property
    def is_open(self) -> bool:
        """Whether there is a connection now."""
        ...

    @property
    def ts_good(self) -> Nanos:
        """Until when everything that the exchange sent was received and read."""
        ...

    def announce(self, *, at_once: bool = False) -> None:
        """Announce what was dropped and is not announced yet; ``at_once``: however short ago it announced something."""
        ...

    async def probe(self) -> None:
        """Ask an idle exchange for a sign of life; ``ts_good`` is later then, if it answered in time."""
        ...


class Watermarks:
    """Emits the watermarks of one feed."""

    def __init__(
        self,
        clock: Clock,
        streams: Callable[[], Iterable[Stream]],
        carrier: Callable[[Subscription], Evidence | None],
    ) -> None:
        """Make them for a feed.

        Args:
            clock: Tells when it is time.
            streams: Gives all streams.
            carrier: Gives the connection of a subscription.
        """
        self._clock = clock
        self._streams = streams
        self._carrier = carrier

    async def run(self) -> None:
        """Emit them, for ever."""
        due = self._clock.monotonic()
        while True:
            due = max(due + EVERY, self._clock.monotonic())
            await self._clock.sleep(due - self._clock.monotonic())
            await self.emit()

    async def emit(self) -> None:
        """Say of each stream up to when it is complete."""
        carried: dict[Evidence, list[Stream]] = {}
        for stream in self._streams():
            carrier = self._carrier(stream.subscription)
            if carrier is not None and carrier.is_open and stream.is_settled:
                carried.setdefault(carrier, []).append(stream)
        await asyncio.gather(*(self._of_one(carrier, streams) for carrier, streams in carried.items()))

    async def _of_one(self, carrier: Evidence, streams: list[Stream]) -> None:
        if self._clock.now() - carrier.ts_good > _FRESH:
            asks = [stream.asks for stream in streams]
            await carrier.probe()
            # one that was lost and asked for anew meanwhile is not covered by what was heard before
            streams = [stream for stream, before in zip(streams, asks, strict=True) if stream.asks == before]
        carrier.announce(at_once=True)
        for stream in streams:
            stream.complete_until(carrier.ts_good)

    def last(self, stream: Stream) -> None:
        """Say it once more before coverage ends."""
        carrier = self._carrier(stream.subscription)
        if carrier is not None:
            carrier.announce(at_once=True)
            stream.complete_until(carrier.ts_good)
