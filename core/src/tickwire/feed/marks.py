"""How far a subscription is complete, kept from one run to the next: the commonest hole is a restart."""

from __future__ import annotations

from typing import Any, Protocol

import attrs

from tickwire.model.channels import Subscription
from tickwire.model.clock import Nanos
from tickwire.model.events import Trade
from tickwire.model.quality import Event

__all__ = ["Mark", "Marks", "NoMarks"]


@attrs.frozen
class Mark:
    """Up to where a subscription was complete.

    Attributes:
        ts_until: Until then everything was delivered or announced as missing.
        trade: The last trade delivered; ``None`` for other channels, or if there was none.
    """

    ts_until: Nanos
    trade: Trade[Any] | None = None


class Marks(Protocol):
    """Keeps the marks of one feed."""

    def last(self, subscription: Subscription) -> Mark | None:
        """Give the mark of the last run, ``None`` if there was none."""
        ...

    def note(self, subscription: Subscription, mark: Mark, event: Event) -> None:
        """Keep a mark once everything up to ``event``, which is emitted next, is safe; never waits."""
        ...


class NoMarks:
    """For feeds that begin anew each time."""

    def last(self, subscription: Subscription) -> Mark | None:
        """Know of no run before."""
        return None

    def note(self, subscription: Subscription, mark: Mark, event: Event) -> None:
        """Forget it."""
