"""What one run says of one series: when it was covered, and every hole in that.

Coverage goes from ``Subscribed`` to the last ``Watermark``: a run without its end is complete up to that and no
further, because a crash may have taken what came later. A hole that was filled, or in which ids prove that nothing was
lost, is as good as coverage, the one since the last run too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from tickwire.model.clock import Nanos
from tickwire.model.quality import (
    Backfilled,
    Dropped,
    Gap,
    QualityEvent,
    Repair,
    Resynced,
    Subscribed,
    Unsubscribed,
    UnsubscribeReason,
    Watermark,
)
from tickwire.record.intervals import FOREVER, Span, joined, without

__all__ = ["Account", "Hole"]

_DROPPED = "dropped"


@attrs.frozen
class Hole:
    """A stretch in which something is missing, or was.

    Attributes:
        gap_id: Its name in the events; of what a sink did not write: the sink's.
        run_id: Who announced it.
        cause: A ``GapCause``, or ``dropped`` of what a sink did not write.
        start: Last good moment before it, ns.
        end: First good moment after it, ns; ``None``: nothing says that it has ended.
        first_missing: First missing id, where ids are counted.
        last_missing: Last missing id.
        missing: How many records are missing; ``None``: nobody can tell.
        fetched: Trades that came from history.
        is_filled: Everything missing was fetched, or another run has it.
        is_harmless: Nothing was lost, as the ids prove.
        detail: For a person.
    """

    gap_id: str
    run_id: str
    cause: str
    start: Nanos
    end: Nanos | None = None
    first_missing: int | None = None
    last_missing: int | None = None
    missing: int | None = None
    fetched: int = 0
    is_filled: bool = False
    is_harmless: bool = False
    detail: str = ""

    @property
    def is_open(self) -> bool:
        """Whether something is missing in it still."""
        return not (self.is_filled or self.is_harmless)

    @property
    def span(self) -> Span:
        """Where it lies."""
        return (self.start, FOREVER if self.end is None else self.end)


class Account:
    """Follows one run's quality events of one series.

    Attributes:
        is_verified: As its last ``Subscribed`` said; ``None``: every event says everything, or none told.
        begun: When coverage began first; ``None``: it did not.
        is_over: It was unsubscribed from for good, by its user or because it was delisted.
        seen: When the last event told of it, ns, our clock.
    """

    def __init__(self, run_id: str, sink: str | None = None) -> None:
        """Begin without anything.

        Args:
            run_id: The run.
            sink: What this sink did not write is a hole too.
        """
        self.is_verified: bool | None = None
        self.begun: Nanos | None = None
        self.is_over = False
        self.seen: Nanos = 0
        self._run_id = run_id
        self._sink = sink
        self._since: Nanos | None = None
        self._until: Nanos | None = None
        self._spans: list[Span] = []
        self._holes: dict[str, Hole] = {}
        self._connections: set[str] = set()

    def follow(self, event: QualityEvent) -> None:
        """Take in one event of the series, in the run's order; types that say nothing of coverage are ignored."""
        self.seen = max(self.seen, event.ts_recv)
        if event.connection is not None and event.channel is not None:
            self._connections.add(event.connection)
        take = _TAKES.get(type(event))
        if take is not None:
            take(self, event)

    def is_on(self, connection: str | None) -> bool:
        """Tell whether what happened to a connection happened to the series; in doubt it did."""
        return connection is None or not self._connections or connection in self._connections

    @property
    def holes(self) -> list[Hole]:
        """All of them, in the order in which they were announced."""
        return list(self._holes.values())

    @property
    def covered(self) -> list[Span]:
        """From ``Subscribed`` to ``Watermark``, whatever is missing in between."""
        return joined([*self._spans, *self._present()])

    def complete(self) -> list[Span]:
        """Say when nothing is missing."""
        closed = [hole.span for hole in self.holes if not hole.is_open]
        return without([*self.covered, *closed], (hole.span for hole in self.holes if hole.is_open))

    def _present(self) -> list[Span]:
        return [] if self._since is None or self._until is None else [(self._since, self._until)]

    def _begin(self, since: Nanos) -> None:
        self._since = since
        self.begun = since if self.begun is None else min(self.begun, since)

    def _subscribed(self, event: Subscribed) -> None:
        self._end()
        self.is_over = False
        self._begin(event.ts_since)
        self.is_verified = event.is_verified

    def _unsubscribed(self, event: Unsubscribed) -> None:
        self._end()
        self.is_over = event.reason in (UnsubscribeReason.USER, UnsubscribeReason.DELISTED)

    def _end(self) -> None:
        self._spans += self._present()
        self._since = self._until = None

    def _watermark(self, event: Watermark) -> None:
        # the beginning may lie in a file that is not here: it was covered at this moment, more is not known
        if self._since is None:
            self._begin(event.ts_until)
        self._until = max(event.ts_until, self._until or 0)

    def _gap(self, event: Gap) -> None:
        before = self._holes.get(event.gap_id)
        since = event.ts_recv if self._since is None else self._since
        known = event.ts_start if event.ts_start is not None else since
        hole = before or Hole(event.gap_id, self._run_id, event.cause, known)
        is_over = event.ts_end is not None and event.repair is Repair.NONE
        self._holes[event.gap_id] = attrs.evolve(
            hole,
            end=event.ts_end,
            first_missing=event.first_missing,
            last_missing=event.last_missing,
            missing=event.missing,
            is_filled=False,
            is_harmless=is_over and event.missing == 0,
            detail=event.detail,
        )

    def _resynced(self, event: Resynced) -> None:
        hole = self._holes.get(event.gap_id or "")
        if hole is not None:
            self._holes[hole.gap_id] = attrs.evolve(hole, end=event.ts_recv)

    def _backfilled(self, event: Backfilled) -> None:
        hole = self._holes.get(event.gap_id)
        if hole is not None:
            end = event.ts_recv if hole.end is None else min(hole.end, event.ts_recv)
            self._holes[hole.gap_id] = attrs.evolve(
                hole,
                end=end if event.is_complete else hole.end,
                fetched=hole.fetched + event.count,
                is_filled=hole.is_filled or event.is_complete,
            )

    def _dropped(self, event: Dropped) -> None:
        if event.sink == self._sink:
            name = f"{event.sink}/{event.ts_first}/{event.ts_recv}"
            start, end = event.ts_first, event.ts_last
            detail = f"{event.sink} did not write them ({event.policy})"
            hole = Hole(name, self._run_id, _DROPPED, start, end, missing=event.count, detail=detail)
            self._holes[name] = hole


_TAKES: Mapping[type, Callable[[Account, Any], None]] = {
    Subscribed: Account._subscribed,
    Unsubscribed: Account._unsubscribed,
    Watermark: Account._watermark,
    Gap: Account._gap,
    Resynced: Account._resynced,
    Backfilled: Account._backfilled,
    Dropped: Account._dropped,
}
