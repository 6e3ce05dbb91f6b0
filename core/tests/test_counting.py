"""Counts, sizes and spans as a person writes them."""

import pytest

from tickwire.model.counting import counted, size_text, span_text


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "0 trades"), (1, "1 trade"), (2, "2 trades"), (1204, "1,204 trades")]
)
def test_one_is_singular_and_all_else_plural(count: int, expected: str) -> None:
    assert counted(count, "trade") == expected


def test_a_span_of_one_id_is_that_id() -> None:
    assert (span_text(7, 7), span_text(7, 9)) == ("7", "7…9")


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (40_643, "40.6 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (256_000_000, "256.0 MB"),
        (1_234_567_890, "1.2 GB"),
        (5_000_000_000_000, "5.0 TB"),
    ],
)
def test_a_size_has_the_unit_that_leaves_it_below_a_thousand(size: int, expected: str) -> None:
    assert size_text(size) == expected
