"""The clock of a recorded or replayed feed: it shows the time of the last thing that came from outside.

So whatever a feed dates, or finds late, follows from what was delivered and when, and a replay finds the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from tickwire.model.clock import Nanos, SleepTimeout
from tickwire.record.operations import Operation, Operations

__all__ = ["DeliveredClock"]


class DeliveredClock:
    """Stands still between deliveries.

    Attributes:
        wall: What it shows, ns since 1970.
        mono: The same on a clock that never jumps, ns.
    """

    def __init__(
        self, operations: Operations, begin: Callable[[Operation, float], Callable[[], None]], wall: Nanos, mono: int
    ) -> None:
        """Make one.

        Args:
            operations: Where waits are numbered.
            begin: Starts a wait of so many seconds; gives what is called once nobody waits any more.
            wall: What it shows at first.
            mono: The same, monotonic.
        """
        self.wall = wall
        self.mono = mono
        self._operations = operations
        self._begin = begin

    def now(self) -> Nanos:
        """Give the time of the last delivery."""
        return self.wall

    def monotonic(self) -> float:
        """Give its seconds."""
        return self.mono / 1e9

    async def sleep(self, seconds: float) -> None:
        """Wait until the end of the wait is delivered."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        operation = self._operations.begin("sleep", self.mono + round(seconds * 1e9))
        forget = self._begin(operation, seconds)
        try:
            await self._operations.wait(operation)
        finally:
            forget()

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Bound a block by that time."""
        return SleepTimeout(self, seconds)
