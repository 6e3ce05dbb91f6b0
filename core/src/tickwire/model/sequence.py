"""Does this delta follow that state? One pure decision for every exchange's counter."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum, auto
from typing import Any, TypeAlias

from tickwire.model.events import BookDelta

__all__ = ["Decision", "SequenceDecider", "SequenceRule", "decide", "expected", "rule_of"]


class Decision(StrEnum):
    """What to do with a delta."""

    APPLY = auto()
    OLD = auto()
    GAP = auto()


class SequenceRule(StrEnum):
    """How an exchange numbers its deltas.

    * ``CONSECUTIVE``: ``first == last + 1``; the first delta after a snapshot only has to contain ``last + 1``.
    * ``LINKED``: ``previous == last``; the first delta may also straddle the snapshot.
    * ``INCREASING``: later is larger; holes cannot be seen.
    * ``NONE``: no number at all.
    """

    CONSECUTIVE = auto()
    LINKED = auto()
    INCREASING = auto()
    NONE = auto()


SequenceDecider: TypeAlias = Callable[[int, BookDelta[Any]], Decision]
"""The way out for an exchange with none of the rules."""


def decide(rule: SequenceRule | SequenceDecider, last: int | None, delta: BookDelta[Any], is_first: bool) -> Decision:
    """Decide whether ``delta`` follows state ``last``.

    Args:
        rule: How the exchange counts.
        last: The book's sequence; ``None`` where the snapshot had none: everything follows it.
        delta: The candidate.
        is_first: No delta was applied since the snapshot.
    """
    if rule is SequenceRule.NONE or last is None:
        return Decision.APPLY
    if not isinstance(rule, SequenceRule):
        return rule(last, delta)
    end = delta.last_sequence
    if end is None:
        return Decision.GAP
    if rule is SequenceRule.INCREASING:
        return Decision.APPLY if end > last else Decision.OLD
    start = end if delta.first_sequence is None else delta.first_sequence
    if start > end:
        return Decision.GAP  # it says that it ends before it begins: nothing it says can be trusted
    if rule is SequenceRule.CONSECUTIVE:
        if start == last + 1 or (is_first and start <= last + 1 <= end):
            return Decision.APPLY
    elif delta.previous_sequence == last or (is_first and start <= last <= end):
        return Decision.APPLY
    return Decision.OLD if end <= last else Decision.GAP


def rule_of(delta: BookDelta[Any]) -> SequenceRule:
    """Read the rule off a delta's own fields, for streams whose exchange is not at hand (stored, replayed)."""
    if delta.previous_sequence is not None:
        return SequenceRule.LINKED
    if delta.first_sequence is not None:
        return SequenceRule.CONSECUTIVE
    return SequenceRule.NONE if delta.last_sequence is None else SequenceRule.INCREASING


def expected(last: int | None) -> int | None:
    """Give the sequence that would follow ``last`` where numbers are consecutive."""
    return None if last is None else last + 1
