"""What a run takes from elsewhere than its exchanges: its name, the feeds' time, and what an earlier run left.

A recording writes it down, a replay gives it again; a plain run has none.
"""

from __future__ import annotations

from typing import Protocol

from tickwire.feed.limits import Limits
from tickwire.feed.listing import ListingSettings
from tickwire.feed.marks import Marks
from tickwire.model.clock import Clock
from tickwire.run.settings import ExchangeConfig

__all__ = ["Surroundings"]


class Surroundings(Protocol):
    """Stands around the feeds of one run.

    Attributes:
        run_id: The run's ULID.
        clock: The feeds' time; what writes to sinks lives by the machine's.
        limits: What is left of the exchanges' budgets, by that time, for all feeds of the run.
    """

    run_id: str
    clock: Clock
    limits: Limits

    def listing(self, entry: ExchangeConfig, settings: ListingSettings) -> ListingSettings:
        """Give what a feed is to know of its exchange's earlier lists."""
        ...

    def marks(self, entry: ExchangeConfig, marks: Marks) -> Marks:
        """Give how far the run before came."""
        ...
