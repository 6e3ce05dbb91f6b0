"""Prices and sizes: what 15 significant digits promise, and how numbers are written."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire import exact, number_text

finite = st.floats(allow_nan=False, allow_infinity=False)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=None)


@st.composite
def fifteen_digit_texts(draw: st.DrawFn) -> str:
    """Decimal texts as exchanges write them: at most 15 significant digits, padding zeros allowed."""
    digits = draw(st.integers(0, 10**15 - 1))
    places = draw(st.integers(0, 20))
    sign = draw(st.sampled_from(["", "-"]))
    padding = "0" * draw(st.integers(0, 3)) if places else ""
    whole, part = divmod(digits, 10**places)
    return f"{sign}{whole}.{part:0{places}}{padding}" if places else f"{sign}{whole}"


@given(fifteen_digit_texts())
def test_a_text_of_at_most_15_digits_loses_nothing_as_a_float(text: str) -> None:
    assert exact(float(text)) == Decimal(text)


@given(decimals)
def test_exact_gives_a_decimal_back_unchanged(number: Decimal) -> None:
    assert exact(number) is number


@given(fifteen_digit_texts())
def test_float_and_decimal_of_the_same_text_are_written_the_same(text: str) -> None:
    assert number_text(float(text)) == number_text(Decimal(text))


@given(finite)
def test_a_float_is_written_without_exponent_and_reads_back_equal(number: float) -> None:
    text = number_text(number)
    assert re.fullmatch(r"-?\d+\.\d+", text)
    assert float(text) == number


@given(decimals)
def test_a_decimal_is_written_without_exponent_and_reads_back_equal(number: Decimal) -> None:
    text = number_text(number)
    assert re.fullmatch(r"-?\d+\.\d+", text)
    assert Decimal(text) == number


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.23e-07, "0.000000123"),
        (100.0, "100.0"),
        (Decimal("100.00"), "100.0"),
        (Decimal("1E+3"), "1000.0"),
        (Decimal("0E-10"), "0.0"),
        (1e22, "10000000000000000000000.0"),
        (-0.5, "-0.5"),
    ],
)
def test_numbers_are_written_short_and_with_a_point(number: float | Decimal, text: str) -> None:
    assert number_text(number) == text
