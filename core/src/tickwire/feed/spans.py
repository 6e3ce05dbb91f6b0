"""A set of whole numbers kept as the spans between its holes; adding next to the top costs a comparison.

Invariant: the spans are sorted, and between two of them at least one number is missing.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

__all__ = ["Spans"]


class Spans:
    """Numbers that are known.

    Attributes:
        spans: ``[first, last]``, both inclusive, ascending.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self.spans: list[list[int]] = []

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self.spans, number, key=lambda span: span[0]) - 1
        return at >= 0 and number <= self.spans[at][1]

    def add(self, number: int) -> bool:
        """Add a number; ``False`` if it was there."""
        spans = self.spans
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
            return True
        at = bisect_right(spans, number, key=lambda span: span[0])
        if at and number <= spans[at - 1][1]:
            return False
        joins_below = bool(at) and spans[at - 1][1] == number - 1
        joins_above = at < len(spans) and spans[at][0] == number + 1
        if joins_below and joins_above:
            spans[at - 1][1] = spans[at][1]
            del spans[at]
        elif joins_below:
            spans[at - 1][1] = number
        elif joins_above:
            spans[at][0] = number
        else:
            spans.insert(at, [number, number])
        return True

    @property
    def missing(self) -> int:
        """How many numbers the holes between the spans hold."""
        spans = self.spans
        return sum(above[0] - below[1] - 1 for below, above in pairwise(spans))

    @property
    def hole(self) -> tuple[int, int] | None:
        """First and last missing number over all holes, ``None`` without one."""
        spans = self.spans
        return (spans[0][1] + 1, spans[-1][0] - 1) if len(spans) > 1 else None
