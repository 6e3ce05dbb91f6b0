"""One way of a connection in memory: what is put in comes out in order, as much later as the way is long."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from tickwire.model.clock import Clock, Nanos

__all__ = ["Pipe"]

T = TypeVar("T")


class Pipe(Generic[T]):
    """Hands on from a task of its own, as a socket does, never from within ``put``.

    Args:
        clock: What the way's length is measured by.
        latency: Seconds from one end to the other.
        take: Called with each thing at the other end.
    """

    def __init__(self, clock: Clock, latency: float, take: Callable[[T], None]) -> None:
        self._clock = clock
        self._latency: Nanos = round(latency * 1e9)
        self._take = take
        self._queue: deque[tuple[Nanos, T]] = deque()
        self._is_held = False
        self._wake = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="tickwire pipe")

    @property
    def is_busy(self) -> bool:
        """Whether something is due to come out now."""
        return bool(self._queue) and not self._is_held and self._queue[0][0] <= self._clock.now()

    def put(self, thing: T) -> None:
        """Put something in."""
        self._queue.append((self._clock.now() + self._latency, thing))
        self._wake.set()

    def clear(self) -> None:
        """Lose all that is under way."""
        self._queue.clear()

    def hold(self) -> None:
        """Let nothing out."""
        self._is_held = True

    def release(self) -> None:
        """Let things out again."""
        self._is_held = False
        self._wake.set()

    def close(self) -> None:
        """End; harmless from within ``take``."""
        self._queue.clear()
        self._task.cancel()

    async def _run(self) -> None:
        clock, queue = self._clock, self._queue
        while True:
            await self._wake.wait()
            self._wake.clear()
            while queue and not self._is_held:
                wait = queue[0][0] - clock.now()
                if wait > 0:
                    await clock.sleep(wait / 1e9)
                else:
                    self._take(queue.popleft()[1])
