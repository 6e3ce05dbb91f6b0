"""What faults do to the text of one frame, whatever exchange it comes from."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.simulation import damage

TEXTS = st.text(max_size=8) | st.sampled_from(['"', "\\", '{"a": 1.5}', "1.5", "nan", "},{", ":"])
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)
MESSAGES = st.dictionaries(TEXTS, VALUES, max_size=4)
PAYLOADS = st.builds(
    lambda message, indent: json.dumps(message, indent=indent).encode(), MESSAGES, st.none() | st.just(1)
)


def without_news(value: Any) -> Any:
    if isinstance(value, list):
        return [without_news(part) for part in value]
    if isinstance(value, dict):
        assert value["tickwire_new"] == [{"seen": "never"}]
        return {key: without_news(part) for key, part in value.items() if key != "tickwire_new"}
    return value


@given(payload=PAYLOADS)
def test_every_object_has_one_field_more_and_all_else_is_as_it_was(payload: bytes) -> None:
    assert without_news(json.loads(damage.with_unknown_fields(payload))) == json.loads(payload)


def renamed(value: Any) -> Any:
    if isinstance(value, list):
        return [renamed(part) for part in value]
    if isinstance(value, dict):
        return {key: renamed(part) for key, part in value.items()}
    # as it is written, an escape has a letter too
    is_name = isinstance(value, str) and any(letter.isascii() and letter.isalpha() for letter in json.dumps(value))
    return f"unheard_of_{value}" if is_name else value


@given(payload=PAYLOADS)
def test_every_name_is_unheard_of_and_keys_and_numbers_are_as_they_were(payload: bytes) -> None:
    assert json.loads(damage.unheard_of(payload)) == renamed(json.loads(payload))


@given(payload=PAYLOADS)
def test_half_a_message_is_no_json(payload: bytes) -> None:
    assert damage.is_json(payload)
    assert not damage.is_json(damage.truncated(payload))


@given(seed=st.integers())
def test_garbage_is_no_json_and_text(seed: int) -> None:
    found = damage.garbage(Random(seed))
    assert not damage.is_json(found)
    assert found.isascii()


@pytest.mark.parametrize(
    ("payload", "corrupt"),
    [
        (b'{"p":"86.75","q":"0.10","t":341,"T":1788367380}', b'{"p":"nan","q":"nan","t":341,"T":1788367380}'),
        (b'{"b":[["86.75","0.00"]],"u":"17"}', b'{"b":[["nan","nan"]],"u":"17"}'),
        (b'{"p":86.75,"q":-1.5e-7,"n":12}', b'{"p":"nan","q":"nan","n":12}'),
        (b'{"1.5":"2.5","s":"v1.5 of \\"2.5\\""}', b'{"1.5":"nan","s":"v1.5 of \\"2.5\\""}'),
        (b'{"u":17}', b'{"u":17}'),
    ],
)
def test_numbers_with_a_fraction_are_corrupt_and_no_others(payload: bytes, corrupt: bytes) -> None:
    assert damage.corrupt_numbers(payload, "nan") == corrupt


def test_a_huge_frame_says_the_same_in_one_byte_too_many() -> None:
    found = damage.huge(b'{"u":17}')
    assert len(found) == 10 * 2**20 + 1
    assert json.loads(found) == {"u": 17}
