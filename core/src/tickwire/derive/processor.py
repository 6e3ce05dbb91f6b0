"""What every maker of derived events is: no I/O, no clock but the events' own, so that a replay derives the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from tickwire.model.quality import Event

__all__ = ["Processor"]


class Processor(Protocol):
    """Takes events in order and gives events in order. What it does not look at passes as it is."""

    def apply(self, event: Event) -> Iterable[Event]:
        """Take one event; gives what comes of it, itself among it unless it is held back or replaced."""
        ...

    def flush(self) -> Iterable[Event]:
        """Give what is held back: nothing comes any more."""
        ...
