"""What the Date of an answer proves about our clock, and what is done with it."""

from __future__ import annotations

import asyncio
import logging
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.feed.skew import ExchangeClock, SkewEstimate, date_of
from tickwire.model.clock import ManualClock
from tickwire.model.errors import AuthRejectedError

if TYPE_CHECKING:
    from conftest import Toy
    from tickwire.plugin.protocols import Clock

S = 1_000_000_000
NOW = ManualClock().now()


def http_date(ns: int) -> str:
    return formatdate(ns // S, usegmt=True)


WAITS = st.integers(0, 5 * S)


@given(st.integers(-(10**5) * S, 10**5 * S), st.lists(st.tuples(WAITS, WAITS, WAITS), min_size=1))
def test_the_true_skew_is_always_within_the_bounds(skew: int, answers: list[tuple[int, int, int]]) -> None:
    estimate, ours = SkewEstimate(), NOW
    for pause, going, coming in answers:
        sent = ours + pause
        dated = sent + going
        ours = dated + coming
        estimate.observe((dated + skew) // S * S, sent, ours)
        assert estimate.low is not None
        assert estimate.high is not None
        assert estimate.low <= skew <= estimate.high
        assert abs(estimate.skew - skew) <= estimate.high - estimate.low


@given(st.integers(-S // 2, S // 2), st.lists(st.tuples(WAITS, WAITS, WAITS), min_size=1))
def test_a_clock_that_may_be_right_is_left_alone(off: int, answers: list[tuple[int, int, int]]) -> None:
    estimate, ours = SkewEstimate(), NOW
    for pause, going, coming in answers:
        sent, ours = ours + pause, ours + pause + going + coming
        estimate.observe((sent + going) // S * S, sent, ours)
        assert estimate.skew == 0


def test_many_answers_narrow_it_down_to_their_round_trip() -> None:
    estimate, skew, trip = SkewEstimate(), -31 * S + 123_456_789, 20_000_000
    for number in range(300):
        sent = NOW + number * 137_000_000
        estimate.observe((sent + trip // 2 + skew) // S * S, sent, sent + trip)
    assert abs(estimate.skew - skew) < 2 * trip


def test_a_clock_that_was_set_begins_anew() -> None:
    estimate = SkewEstimate()
    estimate.observe(NOW + 40 * S, NOW, NOW)
    assert estimate.skew == 40 * S + S // 2
    estimate.observe(NOW, NOW, NOW)
    assert (estimate.low, estimate.high, estimate.skew) == (0, S, 0)


def test_an_answer_during_which_our_clock_went_back_proves_nothing() -> None:
    estimate = SkewEstimate()
    estimate.observe(NOW, NOW + S, NOW)
    assert (estimate.low, estimate.skew) == (None, 0)


@pytest.mark.parametrize(
    ("headers", "date"),
    [
        ({"Date": "Tue, 14 Nov 2023 22:13:20 GMT"}, 1_700_000_000 * S),
        ({"date": "Tue, 14 Nov 2023 22:13:20 GMT", "age": "0"}, 1_700_000_000 * S),
        ({"Date": "Tue, 14 Nov 2023 22:13:20 GMT", "Age": "7"}, None),
        ({"Date": "yesterday"}, None),
        ({"Date": "Tue, 99 Nov 2023 22:13:20 GMT"}, None),
        ({}, None),
    ],
)
def test_what_counts_as_a_date(headers: dict[str, str], date: int | None) -> None:
    assert date_of(headers) == date


@pytest.mark.parametrize(
    ("off", "verdict"), [(0, ""), (31, "the clock is 32 s behind"), (-31, "the clock is 30 s ahead")]
)
def test_the_exchange_s_clock_is_ours_corrected_and_a_wrong_one_is_told_once(
    off: int, verdict: str, caplog: pytest.LogCaptureFixture
) -> None:
    ours = ManualClock()
    clock = ExchangeClock("acme", ours)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            clock.answered({"Date": http_date(NOW + off * S)}, NOW, NOW)
    assert (clock.now() - NOW, clock.verdict) == ((off * S + S // 2) if off else 0, verdict)
    told = f"acme: {verdict}; signatures are dated accordingly, set the clock right"
    assert caplog.messages == ([told] if off else [])


def test_answers_correct_the_clock_that_the_signer_was_given_and_the_metric_shows_it(toy: Toy) -> None:
    given: list[Clock] = []
    toy.sign_with = given.append
    toy.headers = {"Date": http_date(NOW - 60 * S)}

    async def main() -> None:
        async with toy.feed(credentials={"api_key": "good"}) as feed:
            await toy.settle()
            (clock,) = given
            assert clock.now() == toy.clock.now() - 60 * S + S // 2
            assert feed.metrics.total("clock_skew_seconds") == -59.5

    asyncio.run(main())


def test_a_refused_login_says_by_how_much_the_clock_is_wrong(toy: Toy) -> None:
    toy.declare(public={"login": True})
    toy.headers = {"Date": http_date(NOW - 31 * S)}

    async def main() -> None:
        async with toy.feed(credentials={"api_key": "k"}) as feed:
            await toy.settle()
            toy.last.give({"k": "login", "ok": False})
            with pytest.raises(AuthRejectedError) as caught:
                await feed.wait()
            assert caught.value.hint == (
                "the clock is 30 s ahead: set it right; else check that api_secret belongs to api_key"
            )

    asyncio.run(main())
