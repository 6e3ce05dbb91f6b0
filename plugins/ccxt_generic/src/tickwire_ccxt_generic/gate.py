"""What an exchange asked of everybody: to wait. It stands before ccxt's own throttle, and is no limiter itself."""

from __future__ import annotations

import asyncio

__all__ = ["Gate"]


class Gate:
    """Open but for as long as a refusal said; for all of a feed's ccxt instances together."""

    def __init__(self) -> None:
        self._until = 0.0

    def shut(self, seconds: float) -> None:
        """Let nobody through for so long."""
        self._until = max(self._until, asyncio.get_running_loop().time() + seconds)

    async def wait(self) -> None:
        """Wait until it is open."""
        until = -1.0
        while until < self._until:  # somebody may shut it meanwhile
            until = self._until
            await asyncio.sleep(until - asyncio.get_running_loop().time())
