"""A clock that runs off: what the exchange reads while ``CLOCK_SKEW`` is under way, and times made with it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import attrs

from tickwire.model.clock import Clock, Nanos
from tickwire.simulation.faults import Faults
from tickwire.simulation.figures import SimMark, SimOpenInterest, SimTicker
from tickwire.simulation.records import SimBook, SimTrade

__all__ = ["WrongClock", "skewed"]

R = TypeVar("R", SimTrade, SimBook, SimTicker, SimMark, SimOpenInterest)


def skewed(record: R, skew: Nanos) -> R:
    """Give a record as an exchange would date it whose clock is ``skew`` ns ahead."""
    return attrs.evolve(record, ts=record.ts + skew) if skew else record


class WrongClock:
    """A ``Clock`` whose wall time is off by what the faults say; it waits as the true one does."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        # a dress that was on another exchange before leaves its faults behind
        self._clock: Clock = clock._clock if isinstance(clock, WrongClock) else clock
        self._faults = faults

    def now(self) -> Nanos:
        """Give the exchange's idea of the time."""
        return self._clock.now() + self._faults.skew

    def monotonic(self) -> float:
        """Give the true clock's seconds."""
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._clock.sleep(seconds)

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Bound a block."""
        return self._clock.timeout(seconds)
