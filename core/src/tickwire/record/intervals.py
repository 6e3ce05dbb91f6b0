"""Sets of time: lists of spans (begin, end) in ns, in order, apart from each other; the end is exclusive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from tickwire.model.clock import Nanos

__all__ = ["FOREVER", "Span", "clipped", "covers", "joined", "length", "without"]

Span: TypeAlias = tuple[Nanos, Nanos]
"""From, inclusive, and until, exclusive, ns."""

FOREVER: Nanos = 2**63 - 1
"""The end of what has none yet."""


def joined(spans: Iterable[Span]) -> list[Span]:
    """Make a set of spans in any order; what touches becomes one, what is empty vanishes."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if begin >= end:
            continue
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((begin, end))
    return found


def without(spans: Iterable[Span], holes: Iterable[Span]) -> list[Span]:
    """Cut holes out of a set."""
    rest = joined(spans)
    cuts = joined(holes)
    found: list[Span] = []
    first = 0
    for begin, end in rest:
        while first < len(cuts) and cuts[first][1] <= begin:
            first += 1
        at = first
        while at < len(cuts) and cuts[at][0] < end:
            if begin < cuts[at][0]:
                found.append((begin, cuts[at][0]))
            begin = max(begin, cuts[at][1])
            at += 1
        if begin < end:
            found.append((begin, end))
    return found


def clipped(spans: Iterable[Span], start: Nanos, end: Nanos) -> list[Span]:
    """Give what of a set lies between two moments."""
    return [(max(a, start), min(b, end)) for a, b in spans if max(a, start) < min(b, end)]


def covers(spans: Sequence[Span], begin: Nanos, end: Nanos) -> bool:
    """Tell whether a set holds all of a span; an empty span is a moment."""
    return any(a <= begin and end <= b for a, b in spans)


def length(spans: Iterable[Span]) -> Nanos:
    """Sum up a set, ns."""
    return sum(b - a for a, b in spans)
