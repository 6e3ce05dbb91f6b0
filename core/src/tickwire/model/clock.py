"""Time: integer nanoseconds, and the only thing in tickwire that waits."""

from __future__ import annotations

import asyncio
import heapq
import time
from contextlib import AbstractAsyncContextManager
from itertools import count
from typing import Protocol, TypeAlias

__all__ = ["Clock", "ManualClock", "Nanos", "SleepTimeout", "SystemClock"]

Nanos: TypeAlias = int
"""Nanoseconds since 1970-01-01 UTC. A plain alias: calling a ``NewType`` costs 50 ns on each event."""


class Clock(Protocol):
    """What a feed knows of time. Nothing else in tickwire waits, so tests never sleep."""

    def now(self) -> Nanos:
        """Give the wall clock's time."""
        ...

    def monotonic(self) -> float:
        """Give seconds on a clock that never jumps; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; anything at or below zero still lets other tasks run once."""
        ...

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Bound a block: ``async with clock.timeout(5): ...`` raises ``TimeoutError`` when it takes longer."""
        ...


class SystemClock:
    """The machine's clock."""

    now = staticmethod(time.time_ns)
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(asyncio.sleep)
    timeout = staticmethod(asyncio.timeout)


class ManualClock:
    """A clock that stands still until a test calls ``advance``."""

    def __init__(self, now: Nanos = 1_700_000_000_000_000_000) -> None:
        # whole nanoseconds: three sleeps of 0.1 s end exactly where one of 0.3 s does
        self._start = now
        self._elapsed: Nanos = 0
        self._sleepers: list[tuple[Nanos, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def now(self) -> Nanos:
        """Give the start plus what was advanced."""
        return self._start + self._elapsed

    def monotonic(self) -> float:
        """Give the seconds advanced so far."""
        return self._elapsed / 1e9

    async def sleep(self, seconds: float) -> None:
        """Wait until ``advance`` has passed that many seconds."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + _nanos(seconds), next(self._numbers), woken))
        await woken

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Bound a block by manual time."""
        return SleepTimeout(self, seconds)

    async def advance(self, seconds: float) -> None:
        """Let that much time pass, waking each sleeper at its moment and letting the tasks it wakes run."""
        end = self._elapsed + _nanos(seconds)
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self._elapsed, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
            await settle()
        self._elapsed = end
        await settle()


def _nanos(seconds: float) -> Nanos:
    return round(seconds * 1e9)


class SleepTimeout:
    """Bounds a block by the time of a clock that knows how to sleep."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        """Take over the bound; time begins with the block."""
        self._clock = clock
        self._seconds = seconds
        self._expiry = asyncio.timeout(None)

    async def __aenter__(self) -> None:
        await self._expiry.__aenter__()
        self._alarm = asyncio.ensure_future(self._ring())

    async def _ring(self) -> None:
        await self._clock.sleep(self._seconds)
        self._expiry.reschedule(asyncio.get_running_loop().time())

    async def __aexit__(self, *raised: object) -> None:
        self._alarm.cancel()
        await self._expiry.__aexit__(*raised)  # type: ignore[arg-type]


async def settle(rounds: int = 20) -> None:
    """Let every task that is ready run; enough rounds for a chain of wake-ups."""
    for _ in range(rounds):
        await asyncio.sleep(0)
