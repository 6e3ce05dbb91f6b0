"""Is this hour complete? Computed from quality events alone, of one run or of many.

What one run missed another may have: a deploy that overlaps leaves no hole. What no run says anything of is not
covered, which is no better than a hole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import attrs

from tickwire.model.channels import Channel
from tickwire.model.clock import Nanos
from tickwire.model.quality import Dropped, QualityEvent
from tickwire.model.stored import Record
from tickwire.record.accounts import Account, Hole
from tickwire.record.intervals import FOREVER, Span, clipped, covers, joined, length, without

__all__ = ["LAG", "Coverage", "Loss", "Series", "coverage"]

Series: TypeAlias = tuple[str, str | None, Channel]
"""Exchange, symbol (``None``: of the whole account), channel."""

LAG: Nanos = 15_000_000_000
"""Two watermarks of one run lie at most so far apart, ns; so may its last one and its end."""

_ORDER = {channel: number for number, channel in enumerate(Channel)}


@attrs.frozen
class Loss:
    """Records that a sink did not write.

    Attributes:
        sink: The sink's name.
        policy: What its queue does when it is full, or why else.
        count: How many.
        start: The first one's ``ts_recv``.
        end: The last one's.
    """

    sink: str
    policy: str
    count: int
    start: Nanos
    end: Nanos


@attrs.frozen
class Coverage:
    """What is known of one series.

    Attributes:
        exchange: The exchange's id.
        symbol: Our symbol; ``None``: of the whole account.
        channel: The kind of data.
        start: Where what was asked for begins, ns; unless asked, where the series does.
        end: Where it ends, exclusive; unless asked, with the last thing known, or later where a hole ended after that,
            or its run told other things for longer than ``LAG``.
        complete: When nothing is missing, in order.
        holes: In which something is missing, by their beginning.
        closed: Those that were filled, or in which nothing was lost.
        uncovered: When no run says anything.
        known_until: The last moment known to be complete; ``None``: none is.
        is_verified: Whether a lost update would be noticed by the exchange's own numbers; ``False``: completeness rests
            on the connection alone.
        losses: What sinks did not write.
    """

    exchange: str
    symbol: str | None
    channel: Channel
    start: Nanos
    end: Nanos
    complete: Sequence[Span]
    holes: Sequence[Hole]
    closed: Sequence[Hole]
    uncovered: Sequence[Span]
    known_until: Nanos | None
    is_verified: bool | None
    losses: Sequence[Loss] = ()

    @property
    def ratio(self) -> float:
        """Part of the time that is complete, 0 to 1; 1 exactly only if all of it is."""
        whole = self.end - self.start
        return length(self.complete) / whole if whole > 0 else 0.0

    @property
    def is_complete(self) -> bool:
        """Whether all of it is known to be there."""
        return not self.holes and not self.uncovered and self.known_until is not None


def coverage(
    records: Iterable[Record], start: Nanos | None = None, end: Nanos | None = None, sink: str | None = None
) -> list[Coverage]:
    """Tell of every series when it is complete.

    Args:
        records: Quality events of any runs, each run's in its order; other events are ignored, repeated ones too.
        start: From when; ``None``: from each series' beginning.
        end: Until when, exclusive; ``None``: until the last thing known of each series.
        sink: What this sink did not write is a hole too.

    Returns:
        By exchange, symbol and channel; not what had been unsubscribed from for good by ``start``.
    """
    accounts, losses = _accounts(records, sink)
    told: dict[Series, list[Account]] = {}
    for (_, series), account in accounts.items():
        told.setdefault(series, []).append(account)
    return [
        _sum(series, told[series], losses.get(series, ()), start, end)
        for series in sorted(told, key=lambda one: (one[0], one[1] or "", _ORDER[one[2]]))
        if not _was_over(told[series], start)
    ]


# what was given up before is not missing
def _was_over(accounts: Sequence[Account], start: Nanos | None) -> bool:
    latest = max(accounts, key=lambda account: account.seen)
    return start is not None and latest.is_over and latest.seen <= start


def _accounts(
    records: Iterable[Record], sink: str | None
) -> tuple[dict[tuple[str, Series], Account], Mapping[Series, list[Loss]]]:
    accounts: dict[tuple[str, Series], Account] = {}
    losses: dict[Series, list[Loss]] = {}
    last: dict[str, int] = {}
    for record in records:
        event, run_id = record.event, record.run_id
        if not isinstance(event, QualityEvent) or record.ordinal <= last.get(run_id, 0):
            continue
        last[run_id] = record.ordinal
        if event.channel is None:
            for (of_run, series), account in accounts.items():
                if (of_run, series[0]) == (run_id, event.exchange) and account.is_on(event.connection):
                    account.follow(event)
            continue
        series = (event.exchange, event.symbol, event.channel)
        if isinstance(event, Dropped):
            loss = Loss(event.sink, event.policy, event.count, event.ts_first, event.ts_last)
            losses.setdefault(series, []).append(loss)
        if event.channel is not Channel.QUALITY:
            accounts.setdefault((run_id, series), Account(run_id, sink)).follow(event)
    return accounts, losses


def _sum(
    series: Series, accounts: Sequence[Account], losses: Sequence[Loss], start: Nanos | None, end: Nanos | None
) -> Coverage:
    each = [(account, account.complete()) for account in accounts]
    everything = joined(span for _, spans in each for span in spans)
    low = start if start is not None else min(_beginnings(accounts))
    high = end if end is not None else max(_ends(accounts, everything[-1][1] if everything else low))
    holes: list[Hole] = []
    for account in accounts:
        others = joined(span for other, spans in each if other is not account for span in spans)
        holes += [_judged(hole, others, high) for hole in account.holes]
    until = end if end is not None else FOREVER  # a hole after the last thing known is one all the same
    inside = sorted((hole for hole in holes if _touches(hole, low, until)), key=lambda hole: hole.start)
    complete = clipped(everything, low, high)
    left = [hole for hole in inside if hole.is_open]
    return Coverage(
        *series,
        low,
        high,
        complete,
        left,
        [hole for hole in inside if not hole.is_open],
        without([(low, high)], [*complete, *(hole.span for hole in left)]),
        complete[-1][1] if complete else None,
        _verified(accounts),
        [loss for loss in losses if low <= loss.end and loss.start < until],
    )


# what another run has is not missing: a hole is what no run has of it
def _judged(hole: Hole, others: Sequence[Span], until: Nanos) -> Hole:
    start, end = hole.start, min(hole.span[1], until)
    if not hole.is_open or start > end:
        return hole
    left = without([(start, end)], clipped(others, start, end))
    if left:
        # one that its run never ended is over where another run is complete: what that one misses later is its own
        last = left[-1] if hole.end is not None else left[0]
        return attrs.evolve(hole, start=left[0][0], end=last[1] if last[1] < end else hole.end)
    if covers(others, start, end):
        detail = f"{hole.detail}; another run has it".removeprefix("; ")
        return attrs.evolve(hole, is_filled=True, end=end if hole.end is None else hole.end, detail=detail)
    return hole


def _beginnings(accounts: Sequence[Account]) -> Iterator[Nanos]:
    for account in accounts:
        yield account.seen if account.begun is None else account.begun
        yield from (hole.start for hole in account.holes)


def _ends(accounts: Sequence[Account], known: Nanos) -> Iterator[Nanos]:
    yield known
    for account in accounts:
        yield from (hole.end for hole in account.holes if hole.is_open and hole.end is not None)
        if account.seen > known + LAG:  # it ran on, and nothing says that it was complete
            yield account.seen


def _touches(hole: Hole, low: Nanos, high: Nanos) -> bool:
    start, end = hole.span
    return start < high and (low < end or low == start == end)


def _verified(accounts: Sequence[Account]) -> bool | None:
    said = {account.is_verified for account in accounts}
    return False if False in said else True if said == {True} else None
