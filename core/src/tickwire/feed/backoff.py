"""How long to wait before trying again: exponential, capped, jittered, forgiven only after a stable while."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextvars import ContextVar

import attrs

__all__ = ["JITTER", "Backoff", "BackoffPolicy"]

JITTER: ContextVar[Callable[[], float]] = ContextVar("tickwire_jitter", default=random.random)
"""Gives numbers in [0, 1), by which no two wait alike; a replay has its own, so that two replays wait alike."""


@attrs.frozen
class BackoffPolicy:
    """Seconds.

    Attributes:
        first: Wait after the first failure.
        cap: Never longer than this (an exchange's own ``Retry-After`` may be).
        stable: Data must have flowed this long before failures are forgotten.
    """

    first: float = 0.5
    cap: float = 60.0
    stable: float = 10.0


class Backoff:
    """Counts the failures of one thing.

    Attributes:
        attempt: Failures since the last stable while.
    """

    def __init__(self, policy: BackoffPolicy, jitter: Callable[[], float] | None = None) -> None:
        """Start without failures; ``jitter`` gives numbers in [0, 1), ``JITTER`` by default."""
        self.attempt = 0
        self._policy = policy
        self._jitter = jitter or JITTER.get()

    def failed(self, retry_after: float | None = None) -> float:
        """Count a failure and say how long to wait: between half and all of ``first · 2^n``, never below the request.

        Args:
            retry_after: What the exchange asked for, seconds.
        """
        self.attempt += 1
        full = min(self._policy.cap, self._policy.first * 2.0 ** min(self.attempt - 1, 30))
        delay = full * (0.5 + self._jitter() / 2)
        return delay if retry_after is None else max(delay, retry_after)

    def flowed(self, seconds: float) -> None:
        """Note for how long data flowed before the next ending."""
        if seconds >= self._policy.stable:
            self.attempt = 0
