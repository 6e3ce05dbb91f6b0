"""How fast a replay goes: as fast as it can, or so many times as fast as it was, and never far ahead of the sinks."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic_ns

__all__ = ["Pace"]

_FAR_AHEAD = 50_000
_LOOK_AGAIN = 0.002


class Pace:
    """Says how long to wait before the next delivery.

    Attributes:
        backlog: Gives how many records wait for the sinks.
    """

    def __init__(self, speed: float | None = None) -> None:
        """Make it.

        Args:
            speed: 1 is as fast as it was; ``None``: as fast as possible.
        """
        self.backlog: Callable[[], int] = lambda: 0
        self._speed = speed
        self._begun: tuple[int, int] | None = None

    def begin(self, mono: int) -> None:
        """Start the clock at a recorded moment, ns."""
        self._begun = (monotonic_ns(), mono)

    def wait(self, mono: int) -> float:
        """Give seconds until what was recorded at that moment is due; 0: now."""
        if self.backlog() > _FAR_AHEAD:
            return _LOOK_AGAIN
        if self._speed is None or self._begun is None:
            return 0.0
        here, there = self._begun
        return max(0.0, ((mono - there) / self._speed - (monotonic_ns() - here)) / 1e9)
