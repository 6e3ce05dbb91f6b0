"""Wire types refuse what no exchange means, while decoding: msgspec's constructors and its lax mode check nothing."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.native import Micros, Millis, NanosTime, Price, Seconds, Size

NUMBERS = {"Price": Price, "Size": Size}
UNITS = {"Seconds": (Seconds, 1), "Millis": (Millis, 10**3), "Micros": (Micros, 10**6), "NanosTime": (NanosTime, 10**9)}
TIMES = {name: alias for name, (alias, _) in UNITS.items()}
EVERY = {**NUMBERS, **TIMES}

FIRST, LAST = 1_230_768_000, 4_102_444_800  # 2009-01-01 and 2100-01-01, seconds
SEEN = 1_788_367_431  # 2026-09-02
YEAR_50000 = 1_515_699_043_200

NOT_FINITE = ("nan", "NaN", "inf", "-inf", "Infinity", "-Infinity", "1e400", "-1e400")
NOT_NUMBERS = ("1_0", " 1", "+1", "0x1", "", "one", "null", "true")


def decode(alias: Any, raw: bytes) -> Any:
    """What a router does: numbers may be texts."""
    return msgspec.json.Decoder(alias, strict=False).decode(raw)


@pytest.mark.parametrize("text", [*NOT_FINITE, *NOT_NUMBERS])
@pytest.mark.parametrize("name", EVERY)
def test_a_text_that_is_no_finite_number_is_refused(name: str, text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(EVERY[name], json.dumps(text).encode())


@pytest.mark.parametrize("raw", [b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"true", b"null", b"[]"])
@pytest.mark.parametrize("name", EVERY)
def test_a_literal_that_is_no_finite_number_is_refused(name: str, raw: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(EVERY[name], raw)


@pytest.mark.parametrize("text", ["-0.01", "-1", "1e18.0", "1000000000000000001000"])
def test_a_size_below_zero_or_beyond_reason_is_refused(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(Size, json.dumps(text).encode())


def test_zero_is_a_size() -> None:
    assert decode(Size, b'"0.00000"') == 0.0


def test_a_price_may_be_negative() -> None:
    assert decode(Price, b'"-37.63"') == -37.63


@pytest.mark.parametrize("text", ["1000000000000001", "-1000000000000001"])
def test_a_price_beyond_reason_is_refused(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(Price, json.dumps(text).encode())


@given(st.decimals(min_value=0, max_value=10**9, places=6))
@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_the_same_as_text_as_literal_and_as_pythons_float(name: str, number: Any) -> None:
    text = format(number, "f")
    assert decode(NUMBERS[name], f'"{text}"'.encode()) == decode(NUMBERS[name], text.encode()) == float(text)


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("seconds", [0, 1, FIRST - 1, LAST + 1, YEAR_50000, -SEEN])
@pytest.mark.parametrize("name", TIMES)
def test_a_time_before_2009_or_after_2100_is_refused(name: str, seconds: int, quote: str) -> None:
    alias, unit = UNITS[name]
    with pytest.raises(msgspec.DecodeError):
        decode(alias, f"{quote}{seconds * unit}{quote}".encode())


@pytest.mark.parametrize("sent", UNITS)
@pytest.mark.parametrize("expected", UNITS)
def test_a_time_is_accepted_in_its_own_unit_only(expected: str, sent: str) -> None:
    alias, raw = TIMES[expected], str(SEEN * UNITS[sent][1]).encode()
    if sent == expected:
        assert decode(alias, raw) == SEEN * UNITS[sent][1]
    else:
        with pytest.raises(msgspec.DecodeError):
            decode(alias, raw)


@given(st.integers(FIRST, LAST))
@pytest.mark.parametrize("name", TIMES)
def test_every_second_from_2009_to_2100_is_accepted_as_number_and_as_text(name: str, second: int) -> None:
    alias, unit = UNITS[name]
    raw = str(second * unit)
    assert decode(alias, raw.encode()) == decode(alias, f'"{raw}"'.encode()) == second * unit


def test_the_bounds_hold_inside_levels() -> None:
    levels = tuple[tuple[Price, Size], ...]
    assert decode(levels, b'[["98.97","22.39"],["99","0.00"]]') == ((98.97, 22.39), (99.0, 0.0))
    for size in NOT_FINITE:
        with pytest.raises(msgspec.DecodeError):
            decode(levels, json.dumps([["98.97", "22.39"], ["99", size]]).encode())
