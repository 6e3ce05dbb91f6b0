"""How long a feed may stop reading: its sockets are paused while whoever reads it is full, and closed after a while."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from tickwire.model.clock import Clock
from tickwire.model.quality import GapCause

__all__ = ["Pausing"]

_log = logging.getLogger(__name__)


class Pausing:
    """Whether a feed reads, and since when it does not.

    Attributes:
        is_paused: It does not read.
    """

    def __init__(self, name: str, clock: Clock, limit: float, overflow: Callable[[str], None]) -> None:
        """Begin reading.

        Args:
            name: The feed's.
            clock: Waits.
            limit: Seconds that a pause may last.
            overflow: Called with a reason when one lasts longer: it closes the connections.
        """
        self.is_paused = False
        self._name = name
        self._clock = clock
        self._limit = limit
        self._overflow = overflow
        self._has_overflown = False
        self._waiting: asyncio.Task[None] | None = None

    @property
    def cause(self) -> GapCause:
        """Why a connection that ends now has ended."""
        return GapCause.OVERFLOW if self._has_overflown else GapCause.DISCONNECTED

    def set(self, is_paused: bool, tasks: asyncio.TaskGroup | None) -> None:
        """Note a pause or its end; ``tasks``: the feed's, ``None`` while there is nothing to close."""
        if is_paused is self.is_paused:
            return
        self.is_paused = is_paused
        self._has_overflown &= is_paused
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if is_paused and tasks is not None:
            self._waiting = tasks.create_task(self._wait(), name=f"{self._name} pause")

    async def _wait(self) -> None:
        await self._clock.sleep(self._limit)
        self._has_overflown = True
        _log.warning(
            "%s: what reads it has been full for %g s, so its connections are closed until there is room",
            self._name,
            self._limit,
        )
        self._overflow(f"paused for {self._limit:g} s")
