"""Which stretches of stored data are incomplete, by the stored quality events."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from tickwire.model.channels import Channel
from tickwire.model.clock import Nanos
from tickwire.model.stored import Record
from tickwire.record.coverage import coverage

__all__ = ["StoredHole", "holes_of"]


@attrs.frozen
class StoredHole:
    """A stretch in which something is missing.

    Attributes:
        exchange: The exchange's id.
        symbol: Our symbol; ``None``: everything on a connection.
        channel: The kind of data; ``None``: all of a connection.
        cause: Why, a ``GapCause``.
        start: Last good moment before it, ns.
        end: First good moment after it, ns; ``None``: nothing says that it has ended.
        missing: How many records are missing; ``None``: nobody can tell.
        gap_id: Its name in the events.
        detail: For a person.
    """

    exchange: str
    symbol: str | None
    channel: Channel | None
    cause: str
    start: Nanos
    end: Nanos | None
    missing: int | None
    gap_id: str
    detail: str = ""

    def overlaps(self, start: Nanos | None, end: Nanos | None) -> bool:
        """Tell whether part of it lies between two moments; ``None``: without bound."""
        return (end is None or self.start < end) and (start is None or self.end is None or self.end > start)


def holes_of(records: Iterable[Record]) -> list[StoredHole]:
    """Give the holes that were announced and neither filled nor found to be harmless.

    Args:
        records: Quality events of any runs, each run's in its order; other events are ignored.

    Returns:
        By where they begin. A book's hole ends where it was in sync again.
    """
    return sorted(
        (
            StoredHole(
                one.exchange,
                one.symbol,
                one.channel,
                str(hole.cause),
                hole.start,
                hole.end,
                hole.missing,
                hole.gap_id,
                hole.detail,
            )
            for one in coverage(records)
            for hole in one.holes
        ),
        key=lambda hole: hole.start,
    )
