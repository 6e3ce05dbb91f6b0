"""What a run did, in numbers and in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import msgspec

from tickwire.model.clock import Nanos
from tickwire.model.counting import counted, size_text
from tickwire.model.quality import Backfilled, Event, Gap, Repair, Resynced
from tickwire.run.console import seconds_text

__all__ = ["RunReport", "SinkFailure", "Tally"]


@attrs.frozen
class SinkFailure:
    """What went wrong in one sink.

    Attributes:
        times: How often.
        lost: Events that it refused, or that it had not taken when the run ended; what passed was tried again.
        first: The first error.
    """

    times: int
    lost: int
    first: str

    def __str__(self) -> str:
        """Say it in a line."""
        what = f"{counted(self.lost, 'event')} not written" if self.lost else "tried again, and nothing was lost by it"
        return f"{self.first} ({counted(self.times, 'time')}; {what})"


@attrs.frozen
class RunReport:
    """What a run did.

    Attributes:
        run_id: Its ULID.
        seconds: How long it ran.
        events: Events by type, e.g. ``{"trade": 1204, "book_delta": 8113}``.
        gaps: Gaps opened.
        repaired: Gaps that ended in a resync or a complete backfill.
        ended: Gaps that ended without: what was missing stays missing.
        harmless: Gaps in which nothing was lost, as the ids prove.
        longest: ns of the longest repair of a book.
        fetched: Trades that came from history.
        dropped: Events that a full queue forgot or that were not written in time, by sink; only sinks with some.
        failures: What went wrong in sinks, by name; only sinks with some.
        spilled: Bytes on disk that a sink still has to get, by sink; only sinks with some.
    """

    run_id: str
    seconds: float
    events: Mapping[str, int]
    gaps: int = 0
    repaired: int = 0
    ended: int = 0
    harmless: int = 0
    longest: Nanos = 0
    fetched: int = 0
    dropped: Mapping[str, int] = attrs.field(factory=dict)
    failures: Mapping[str, SinkFailure] = attrs.field(factory=dict)
    spilled: Mapping[str, int] = attrs.field(factory=dict)

    @property
    def open(self) -> int:
        """Gaps that were still open at the end."""
        return self.gaps - self.repaired - self.ended - self.harmless

    @property
    def has_lost(self) -> bool:
        """Whether a sink failed so that events are missing in it."""
        return any(failure.lost for failure in self.failures.values())

    def __str__(self) -> str:
        return " · ".join([f"{self.seconds:.1f} s", *self._counts(), *self._gap_counts(), *self._losses()])

    def _counts(self) -> list[str]:
        return [counted(self.events[type], _NOUNS[type]) for type in _NOUNS if self.events.get(type)] or ["no events"]

    def _gap_counts(self) -> list[str]:
        if not self.gaps:
            return ["no gaps"]
        counts = []
        if self.repaired:
            longest = "longest " if self.repaired > 1 else ""
            took = f" ({longest}{seconds_text(self.longest)})" if self.longest else ""
            counts.append(f"{counted(self.repaired, 'gap')} repaired{took}")
        if self.fetched:
            counts.append(f"{counted(self.fetched, 'trade')} filled in")
        if self.ended:
            counts.append(f"{counted(self.ended, 'gap')} not filled")
        if self.harmless:
            counts.append(f"{counted(self.harmless, 'gap')} without loss")
        return [*counts, f"{self.open} open"]

    def _losses(self) -> list[str]:
        losses = [f"{count:,} dropped by {sink}" for sink, count in self.dropped.items()]
        losses += [
            f"{size_text(size)} on disk for {sink}, the next run delivers them" for sink, size in self.spilled.items()
        ]
        losses += [f"{sink} failed {counted(one.times, 'time')}" for sink, one in self.failures.items()]
        return losses or ["nothing dropped"]


_NOUNS = {
    "trade": "trade",
    "book_snapshot": "book snapshot",
    "book_delta": "book delta",
    "quote": "quote",
    "ticker": "ticker",
    "candle": "candle",
    "mark_price": "mark price",
    "funding": "funding rate",
    "open_interest": "open interest figure",
    "liquidation": "liquidation",
    "order_update": "order update",
    "fill": "fill",
    "balance": "balance",
    "position": "position",
    "reconnected": "reconnect",
}


class Tally:
    """Counts the events of a run as they pass."""

    def __init__(self) -> None:
        self._kinds: Counter[type[msgspec.Struct]] = Counter()
        self._open: set[str] = set()
        self._repaired: dict[str, Nanos] = {}
        self._ended: set[str] = set()
        self._harmless: set[str] = set()
        self._fetched = 0

    def count(self, event: Event) -> None:
        """Take one event into account."""
        kind = type(event)
        self._kinds[kind] += 1
        handle = _HANDLERS.get(kind)
        if handle is not None:
            handle(self, event)

    def report(
        self,
        run_id: str,
        seconds: float,
        dropped: Mapping[str, int] | None = None,
        failures: Mapping[str, SinkFailure] | None = None,
        spilled: Mapping[str, int] | None = None,
    ) -> RunReport:
        """Give the numbers so far."""
        events = {str(kind.__struct_config__.tag): count for kind, count in self._kinds.items()}
        return RunReport(
            run_id,
            seconds,
            events,
            len(self._open) + len(self._repaired) + len(self._ended) + len(self._harmless),
            len(self._repaired),
            len(self._ended),
            len(self._harmless),
            max(self._repaired.values(), default=0),
            self._fetched,
            dropped or {},
            failures or {},
            spilled or {},
        )

    def _gap(self, gap: Gap) -> None:
        if gap.gap_id in self._repaired:
            return
        if gap.repair is Repair.NONE and gap.ts_end is not None:
            self._open.discard(gap.gap_id)
            (self._harmless if gap.missing == 0 else self._ended).add(gap.gap_id)
        elif gap.gap_id not in self._ended | self._harmless:
            self._open.add(gap.gap_id)

    def _resynced(self, event: Resynced) -> None:
        if event.gap_id is not None:
            self._repair(event.gap_id, event.ts_down)

    def _backfilled(self, event: Backfilled) -> None:
        self._fetched += event.count
        if event.is_complete:
            self._repair(event.gap_id, 0)

    def _repair(self, gap_id: str, ts_down: Nanos) -> None:
        self._open.discard(gap_id)
        self._ended.discard(gap_id)
        self._harmless.discard(gap_id)
        self._repaired[gap_id] = max(ts_down, self._repaired.get(gap_id, 0))


_HANDLERS: dict[type, Callable[[Tally, Any], None]] = {
    Gap: Tally._gap,
    Resynced: Tally._resynced,
    Backfilled: Tally._backfilled,
}
