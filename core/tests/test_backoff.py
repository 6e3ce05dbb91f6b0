"""Waits grow, are capped and jittered, and only a stable while of data makes them short again."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.feed.backoff import Backoff, BackoffPolicy

policies = st.builds(
    BackoffPolicy,
    first=st.floats(0.001, 10),
    cap=st.floats(0.001, 600),
    stable=st.floats(0.001, 600),
)
jitters = st.floats(0, 1, exclude_max=True)


def longest(policy: BackoffPolicy | None = None) -> Backoff:
    return Backoff(policy or BackoffPolicy(first=1, cap=60, stable=10), jitter=lambda: 1.0)


def test_each_failure_doubles_the_wait_up_to_the_cap() -> None:
    backoff = longest()
    assert [backoff.failed() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_jitter_halves_the_wait_at_most() -> None:
    backoff = Backoff(BackoffPolicy(first=1, cap=60), jitter=lambda: 0.0)
    assert [backoff.failed() for _ in range(3)] == [0.5, 1, 2]


def test_a_thousand_failures_stay_at_the_cap() -> None:
    backoff = longest()
    assert [backoff.failed() for _ in range(1000)][-1] == 60


@pytest.mark.parametrize(("asked", "waited"), [(None, 1), (0.0, 1), (0.5, 1), (30.0, 30), (3600.0, 3600)])
def test_what_the_exchange_asks_for_is_never_undercut(asked: float | None, waited: float) -> None:
    assert longest().failed(asked) == waited


@pytest.mark.parametrize(("seconds", "attempt"), [(0, 3), (9.999, 3), (10, 0), (3600, 0)])
def test_only_a_stable_while_of_data_forgives(seconds: float, attempt: int) -> None:
    backoff = longest()
    for _ in range(3):
        backoff.failed()
    backoff.flowed(seconds)
    assert backoff.attempt == attempt


@given(policies, st.lists(jitters, min_size=1, max_size=40), st.none() | st.floats(0, 100))
def test_a_wait_lies_between_half_and_all_of_its_step_and_above_what_was_asked(
    policy: BackoffPolicy, draws: list[float], asked: float | None
) -> None:
    numbers = iter(draws)
    backoff = Backoff(policy, jitter=lambda: next(numbers))
    for attempt in range(1, len(draws) + 1):
        wait = backoff.failed(asked)
        step = min(policy.cap, policy.first * 2 ** (attempt - 1))
        assert max(step / 2, asked or 0) <= wait <= max(step, asked or 0)
        assert backoff.attempt == attempt


@given(st.lists(jitters, min_size=20, max_size=20))
def test_a_server_that_always_closes_is_dialled_fewer_than_ten_times_in_thirty_seconds(draws: list[float]) -> None:
    numbers = iter(draws)
    backoff = Backoff(BackoffPolicy(), jitter=lambda: next(numbers))
    dials = [0.0, *accumulate(backoff.failed() for _ in draws)]
    assert sum(at < 30 for at in dials) < 10
