"""``${VAR}`` in config values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.run.interpolation import EnvText, interpolate
from tickwire.run.mistakes import Mistake

ENVIRON = {"HOST": "example.org", "EMPTY": "", "PORT": "80"}


def read(data: object) -> tuple[object, list[str]]:
    mistakes: list[Mistake] = []
    return interpolate(data, ENVIRON, mistakes), [str(mistake) for mistake in mistakes]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$HOST", "$HOST"),
        ("${HOST}", "example.org"),
        ("https://${HOST}:${PORT}/x", "https://example.org:80/x"),
        ("${EMPTY}", ""),
        ("${UNSET:-fallback}", "fallback"),
        ("${EMPTY:-fallback}", "fallback"),
        ("${UNSET:-}", ""),
        ("${HOST:-fallback}", "example.org"),
        ("${HOST:?say}", "example.org"),
        ("$${HOST}", "${HOST}"),
        ("$${HOST} is ${HOST}", "${HOST} is example.org"),
        ("${UNSET:-redis://host:6379/0}", "redis://host:6379/0"),
    ],
)
def test_references_are_replaced(text: str, expected: str) -> None:
    assert read(text) == (expected, [])


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("${UNSET}", "a[0]: UNSET is not set → set UNSET, or write ${UNSET:-a default}"),
        ("${UNSET:?}", "a[0]: UNSET is not set → set UNSET in the environment"),
        ("${EMPTY:?set it to redis://host:6379/0}", "a[0]: EMPTY is not set → set it to redis://host:6379/0"),
        ("${not a name}", "a[0]: '${not a name}' is not a reference → write ${VAR}, ${VAR:-default}, or $${ for ${"),
        ("${HOST", "a[0]: '${' is not a reference → write ${VAR}, ${VAR:-default}, or $${ for ${"),
        ("${HOST:=x}", "a[0]: '${HOST:=x}' is not a reference → write ${VAR}, ${VAR:-default}, or $${ for ${"),
    ],
)
def test_what_cannot_be_replaced_is_told_with_its_place(text: str, mistake: str) -> None:
    assert read({"a": [text]})[1] == [mistake]


def test_every_unset_variable_is_told_at_once() -> None:
    assert len(read({"a": "${X}", "b": {"c": ["${Y}", "${Z}"]}})[1]) == 3


def test_only_values_are_read_never_keys() -> None:
    assert read({"${HOST}": 1, "b": [True, None, 2.5]}) == ({"${HOST}": 1, "b": [True, None, 2.5]}, [])


def test_only_text_from_the_environment_is_marked_as_such() -> None:
    values, _ = read(["${PORT}", "$${PORT}", "80"])
    assert isinstance(values, list)
    assert [type(value) for value in values] == [EnvText, str, str]


def test_a_document_that_unfolds_without_end_is_refused() -> None:
    bomb: list[object] = ["x"]
    for _ in range(60):
        bomb = [bomb, bomb]
    assert read(bomb)[1] == ["[0][0][0]: the document is too large or too deep → write it without so many aliases"]


@given(st.text())
def test_any_text_is_replaced_or_told(text: str) -> None:
    value, mistakes = read(text)
    assert isinstance(value, str)
    assert value == text or "${" in text or mistakes
