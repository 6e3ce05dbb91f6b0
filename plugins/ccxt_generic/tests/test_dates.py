"""ccxt's conversions of times, remembered by the second, answer as its own do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire_ccxt_generic.dates import remembered_iso8601, remembered_parse8601

ccxt = pytest.importorskip("ccxt", reason="needs ccxt: pip install ccxt")
iso8601 = remembered_iso8601(ccxt.Exchange.iso8601)
parse8601 = remembered_parse8601(ccxt.Exchange.parse8601)

MOMENTS = st.datetimes().map(lambda moment: moment.isoformat(timespec="seconds"))
NEARLY = st.tuples(
    MOMENTS,
    st.sampled_from(("", ".", ".5", ".000", ".123456789", ".1_0", ".٣", ". 1")),
    st.sampled_from(("", "Z", "+02:00", " Z")),
)


@given(st.one_of(st.integers(), st.integers(0, 4_102_444_800_000), st.booleans(), st.floats(), st.text(), st.none()))
def test_milliseconds_are_written_as_ccxt_writes_them(value: Any) -> None:
    for _ in range(2):
        assert iso8601(value) == ccxt.Exchange.iso8601(value)


@given(st.one_of(NEARLY.map("".join), st.text(), st.integers(), st.none()))
def test_texts_are_read_as_ccxt_reads_them(value: Any) -> None:
    for _ in range(2):
        assert parse8601(value) == ccxt.Exchange.parse8601(value)


@given(MOMENTS, st.text(max_size=3), st.text(max_size=3))
def test_what_stands_around_a_time_counts_as_it_does_for_ccxt(moment: str, before: str, after: str) -> None:
    text = f"{before}{moment}.25{after}Z"
    assert parse8601(text) == ccxt.Exchange.parse8601(text)


def test_a_kraken_and_a_backpack_time() -> None:
    assert parse8601("2023-10-06T17:35:55.440295Z") == 1_696_613_755_440
    assert iso8601(1_754_903_057_554) == "2025-08-11T09:04:17.554Z"
