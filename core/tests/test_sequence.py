"""The sequence decision: one table a rule, as interfaces.md §8 states them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire import BookDelta, Decision, SequenceRule, decide
from tickwire.model.sequence import expected, rule_of

APPLY, OLD, GAP = Decision


def delta(first: int | None = None, last: int | None = None, previous: int | None = None) -> BookDelta[float]:
    return BookDelta("acme", "SOL-USDC", None, 1, (), (), first, last, previous)


@pytest.mark.parametrize(
    ("first", "last", "is_first", "decision"),
    [
        (11, 11, False, APPLY),
        (11, 15, False, APPLY),
        (12, 12, False, GAP),
        (12, 15, True, GAP),
        (10, 10, False, OLD),
        (3, 9, True, OLD),
        (8, 10, True, OLD),
        (8, 11, True, APPLY),  # the first delta only has to contain last + 1
        (8, 15, True, APPLY),
        (8, 15, False, GAP),
        (None, 11, False, APPLY),  # no span on the wire: it is one long
        (None, 12, False, GAP),
        (None, 10, False, OLD),
        (11, None, False, GAP),
        (None, None, True, GAP),
    ],
)
def test_consecutive(first: int | None, last: int | None, is_first: bool, decision: Decision) -> None:
    assert decide(SequenceRule.CONSECUTIVE, 10, delta(first, last), is_first) is decision


@pytest.mark.parametrize(
    ("first", "last", "previous", "is_first", "decision"),
    [
        (None, 14, 10, False, APPLY),
        (None, 14, 10, True, APPLY),
        (None, 14, 11, False, GAP),
        (None, 14, 11, True, GAP),
        (None, 9, 8, True, OLD),
        (None, 9, 8, False, OLD),
        (8, 14, 7, True, APPLY),  # the first delta may straddle the snapshot
        (8, 14, 7, False, GAP),
        (11, 14, 9, True, GAP),
        (8, 10, 7, True, APPLY),
        (None, None, 10, False, GAP),
        (None, 14, None, False, GAP),
    ],
)
def test_linked(first: int | None, last: int | None, previous: int | None, is_first: bool, decision: Decision) -> None:
    assert decide(SequenceRule.LINKED, 10, delta(first, last, previous), is_first) is decision


@pytest.mark.parametrize(("last", "decision"), [(11, APPLY), (500, APPLY), (10, OLD), (9, OLD), (None, GAP)])
@pytest.mark.parametrize("is_first", [False, True])
def test_increasing(last: int | None, is_first: bool, decision: Decision) -> None:
    assert decide(SequenceRule.INCREASING, 10, delta(None, last), is_first) is decision


ids = st.none() | st.integers(0, 20)


@given(st.builds(delta, ids, ids, ids), ids, st.booleans())
def test_without_a_rule_everything_is_applied(delta: BookDelta[float], last: int | None, is_first: bool) -> None:
    assert decide(SequenceRule.NONE, last, delta, is_first) is APPLY


@given(st.sampled_from(SequenceRule), st.builds(delta, ids, ids, ids), st.booleans())
def test_everything_follows_a_snapshot_without_a_number(
    rule: SequenceRule, delta: BookDelta[float], is_first: bool
) -> None:
    assert decide(rule, None, delta, is_first) is APPLY


@given(st.sampled_from(SequenceRule), st.integers(0, 20), st.integers(0, 20), st.integers(0, 5), ids)
def test_a_delta_that_was_applied_is_old_or_a_gap_the_second_time(
    rule: SequenceRule, last: int, first: int, length: int, previous: int | None
) -> None:
    candidate = delta(first, first + length, previous)
    if rule is not SequenceRule.NONE and decide(rule, last, candidate, False) is APPLY and first + length > last:
        assert decide(rule, first + length, candidate, False) is not APPLY


def test_a_callable_decides_for_an_exchange_with_none_of_the_rules() -> None:
    seen: list[tuple[int, BookDelta[Any]]] = []

    def modulo(last: int, candidate: BookDelta[Any]) -> Decision:
        seen.append((last, candidate))
        return APPLY if candidate.last_sequence == (last + 1) % 256 else GAP

    candidates = [delta(None, 0), delta(None, 7)]
    assert [decide(modulo, 255, candidate, False) for candidate in candidates] == [APPLY, GAP]
    assert seen == [(255, candidates[0]), (255, candidates[1])]


@pytest.mark.parametrize(
    ("candidate", "rule"),
    [
        (delta(5, 6, 4), SequenceRule.LINKED),
        (delta(None, 6, 4), SequenceRule.LINKED),
        (delta(5, 6), SequenceRule.CONSECUTIVE),
        (delta(None, 6), SequenceRule.INCREASING),
        (delta(), SequenceRule.NONE),
    ],
)
def test_a_stored_delta_tells_its_rule_by_its_fields(candidate: BookDelta[float], rule: SequenceRule) -> None:
    assert rule_of(candidate) is rule


def test_the_sequence_expected_after_a_state() -> None:
    assert (expected(10), expected(None)) == (11, None)


@pytest.mark.parametrize("rule", [SequenceRule.CONSECUTIVE, SequenceRule.LINKED])
def test_a_delta_that_ends_before_it_begins_is_a_gap(rule: SequenceRule) -> None:
    delta: BookDelta[float] = BookDelta("toy", "SOL-USD", 1, 1, (), (), 8, 6, 7)
    assert decide(rule, 7, delta, is_first=False) is Decision.GAP
