"""RFC 3339 texts become nanoseconds, all digits kept; anything else is a decode error."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire import DecodeError
from tickwire.native import rfc3339_nanos

MOMENTS = st.datetimes(datetime(2009, 1, 2), datetime(2099, 12, 30), timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("2023-10-04T16:26:30Z", 1_696_436_790_000_000_000),
        ("2023-10-04T16:26:30.5Z", 1_696_436_790_500_000_000),
        ("2023-10-04T16:26:30.524394914Z", 1_696_436_790_524_394_914),
        ("2023-10-04T16:26:30.5243949149Z", 1_696_436_790_524_394_914),
        ("2023-10-04T18:26:30.524394+02:00", 1_696_436_790_524_394_000),
        ("2023-10-04T11:56:30-04:30", 1_696_436_790_000_000_000),
    ],
)
def test_every_digit_down_to_the_nanosecond_counts(text: str, nanos: int) -> None:
    assert rfc3339_nanos(text) == nanos


def test_no_time_stays_none() -> None:
    assert rfc3339_nanos(None) is None


@given(MOMENTS, st.integers(0, 999), st.integers(-14 * 60 + 1, 14 * 60 - 1))
def test_a_moment_is_the_same_in_every_zone(moment: datetime, nanos: int, minutes: int) -> None:
    there = moment.astimezone(timezone(timedelta(minutes=minutes)))
    fraction = f".{moment.microsecond:06}{nanos:03}"
    texts = [f"{at:%Y-%m-%dT%H:%M:%S}{fraction}{zone}" for at, zone in ((moment, "Z"), (there, _offset(minutes)))]
    whole = round((moment.replace(microsecond=0) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    assert {rfc3339_nanos(text) for text in texts} == {whole * 10**9 + moment.microsecond * 1_000 + nanos}


@pytest.mark.parametrize(
    "text",
    [
        "", "Z", "2023", "2023-10-04", "2023-10-04T16:26:30", "2023-10-04T16:26:30.5", "2023-10-04T16:26:30.Z",
        "2023-10-04T16:26:30,5Z", "2023-10-04T16:26:30.-5Z", "2023-10-04T16:26:30.٣Z", "2023-13-04T16:26:30Z",
        "1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z", "+50000-01-01T00:00:00Z", "1696436790",
    ],
)  # fmt: skip
def test_what_is_no_time_or_none_of_ours_is_a_decode_error(text: str) -> None:
    with pytest.raises(DecodeError):
        rfc3339_nanos(text)


@given(st.text())
def test_any_text_is_a_sane_time_or_a_decode_error(text: str) -> None:
    try:
        nanos = rfc3339_nanos(text)
    except DecodeError:
        return
    assert 1_230_768_000 * 10**9 <= nanos < 4_102_444_800 * 10**9


def _offset(minutes: int) -> str:
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
