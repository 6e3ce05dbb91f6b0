"""Counts and spans as a person writes them."""

import pytest

from tickwire.model.counting import counted, span_text


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "0 trades"), (1, "1 trade"), (2, "2 trades"), (1204, "1,204 trades")]
)
def test_one_is_singular_and_all_else_plural(count: int, expected: str) -> None:
    assert counted(count, "trade") == expected


def test_a_span_of_one_id_is_that_id() -> None:
    assert (span_text(7, 7), span_text(7, 9)) == ("7", "7…9")
