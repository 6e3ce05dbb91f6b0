"""Strict reading of single values and of options classes."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import StrEnum, auto
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.model.channels import Channel, ChannelRequest
from tickwire.model.errors import ConfigError, PluginContractError
from tickwire.run.durations import Duration, parse_duration
from tickwire.run.interpolation import EnvText
from tickwire.run.secrets import ConfigCredentials, Secret
from tickwire.run.structuring import structure_options


class Mode(StrEnum):
    FAST = auto()
    SAFE = auto()


@attrs.frozen
class Inner:
    depth: int
    note: str = ""


@attrs.frozen
class Options:
    flag: bool = False
    count: int = 0
    ratio: float = 0.0
    name: str = ""
    names: tuple[str, ...] = ()
    pair: tuple[int, str] = (0, "")
    unique: frozenset[str] = frozenset()
    wait: Duration | None = None
    mode: Mode = Mode.FAST
    level: Literal[1, 2, "all"] = 1
    file: Path = Path()
    token: Secret | None = None
    inner: Inner | None = None
    inners: Mapping[str, Inner] = attrs.field(factory=dict)
    urls: str | tuple[str, ...] = ""
    channel: ChannelRequest | None = None
    port: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    anything: Any = None


def read(**values: object) -> Options:
    return structure_options(Options, values, "night.yaml: exchanges.acme.options")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("flag", True, True),
        ("flag", EnvText("yes"), True),
        ("flag", EnvText("FALSE"), False),
        ("count", 3, 3),
        ("count", EnvText("3"), 3),
        ("ratio", 3, 3.0),
        ("ratio", 0.5, 0.5),
        ("ratio", EnvText("0.5"), 0.5),
        ("name", "x", "x"),
        ("names", ["a", "b"], ("a", "b")),
        ("names", EnvText("a, b"), ("a", "b")),
        ("pair", [1, "a"], (1, "a")),
        ("unique", ["a", "a"], frozenset("a")),
        ("wait", "250ms", 0.25),
        ("wait", EnvText("7d"), 604_800.0),
        ("mode", "SAFE", Mode.SAFE),
        ("level", "all", "all"),
        ("level", EnvText("all"), "all"),
        ("level", 2, 2),
        ("file", "data/x", Path("data/x")),
        ("token", EnvText("s3"), Secret("s3")),
        ("inner", {"depth": 5}, Inner(5)),
        ("inner", None, None),
        ("inners", {"a": {"depth": 1}}, {"a": Inner(1)}),
        ("urls", "http://a", "http://a"),
        ("urls", ["a", "b"], ("a", "b")),
        ("channel", {"L2_BOOK": {"depth": 5, "interval": "1m"}}, ChannelRequest(Channel.L2_BOOK, 5, "1m")),
        ("anything", {"a": [1]}, {"a": [1]}),
    ],
)
def test_a_value_of_the_right_kind_is_taken(key: str, value: object, expected: object) -> None:
    assert getattr(read(**{key: value}), key) == expected


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("flag", "false", "flag: expected true or false, found 'false' → write true or false, without quotes"),
        ("flag", 1, "flag: expected true or false, found 1 → write true or false, without quotes"),
        ("count", 3.9, "count: expected a whole number, found 3.9 → write digits only, without quotes"),
        ("count", "3", "count: expected a whole number, found '3' → write digits only, without quotes"),
        ("count", True, "count: expected a whole number, found true → write digits only, without quotes"),
        ("ratio", "0.5", "ratio: expected a number, found '0.5' → write a finite number, without quotes"),
        ("ratio", float("nan"), "ratio: expected a number, found nan → write a finite number, without quotes"),
        ("name", 5, "name: expected text, found 5 → put it in quotes"),
        ("names", "BTC-USDT", "names: expected a list, found 'BTC-USDT' → write [BTC-USDT]"),
        ("names", ["a", 5], "names[1]: expected text, found 5 → put it in quotes"),
        ("pair", [1], "pair: expected a list of 2, found a list → write [one, two]"),
        ("wait", "1:30", "wait: '1:30' is not a duration → write 250ms, 5s, 15m, 24h or 7d; a number is seconds"),
        ("mode", "saef", "mode: expected one of fast, safe, found 'saef' → did you mean safe?"),
        ("level", 3, "level: expected one of 1, 2, all, found 3 → write 1"),
        ("level", True, "level: expected one of 1, 2, all, found true → write 1"),
        ("file", "", "file: expected a path, found '' → write a file or directory"),
        ("inner", {"depht": 5}, "inner.depht: unknown key → did you mean depth?"),
        ("inner", {"note": "x"}, "inner.depth is missing"),
        ("inner", [1], "inner: expected a mapping, found a list → write key: value"),
        ("inners", {"a": {"depth": "x"}}, "inners.a.depth: expected a whole number, found 'x'"),
        ("inners", {5: {"depth": 1}}, "inners: the key 5 is no text → put it in quotes"),
        ("urls", 5, "urls: expected text, found 5 → put it in quotes"),
        ("channel", {"l2_book": {"depth": 5.5}}, "channel: expected a text or a whole number, found 5.5"),
        ("port", 0, "port' must be >= 1: 0"),
        ("cuont", 0, "cuont: unknown key → did you mean count?"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_its_place(key: str, value: object, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(**{key: value})
    text = str(caught.value)
    assert text.startswith("night.yaml: exchanges.acme.options")
    assert complaint.replace(".depth is missing", ": depth is missing") in text


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        read(count="x", flag="y", extra=1)
    assert str(caught.value).splitlines()[0] == "night.yaml: 3 mistakes"
    assert len(str(caught.value).splitlines()) == 4


def test_a_value_from_the_environment_is_never_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        read(count=EnvText("hunter2"), wait=EnvText("hunter2"), names=[EnvText("hunter2")], mode=EnvText("hunter2"))
    assert "hunter2" not in str(caught.value)


def test_an_options_class_that_cannot_be_read_is_the_plugins_fault() -> None:
    @attrs.frozen
    class Odd:
        when: Sequence[type]

    with pytest.raises(PluginContractError, match="Odd cannot be read from a config"):
        structure_options(Odd, {"when": [1]})


def test_a_plugin_without_options_says_that_nothing_can_be_set() -> None:
    @attrs.frozen
    class Nothing: ...

    with pytest.raises(ConfigError, match=r"options\.x: unknown key → nothing can be set here: remove it"):
        structure_options(Nothing, {"x": 1})


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("250ms", 0.25),
        ("5s", 5),
        ("15m", 900),
        ("24h", 86_400),
        ("7d", 604_800),
        ("1.5h", 5400),
        ("30", 30),
        (30, 30),
        (0.5, 0.5),
    ],
)
def test_durations(value: object, seconds: float) -> None:
    assert parse_duration(value) == pytest.approx(seconds)


@pytest.mark.parametrize("value", ["", "s", "-1s", 0, -1, "0s", True, None, "1h30m", float("inf"), [], "5 weeks"])
def test_what_is_no_duration(value: object) -> None:
    with pytest.raises(ConfigError, match="is not a duration"):
        parse_duration(value)


def test_secrets_are_masked_and_given_by_reveal_alone() -> None:
    credentials = ConfigCredentials({"api_key": "hunter2"})
    assert "hunter2" not in f"{credentials} {credentials!r} {Secret('hunter2')} {Secret('hunter2')!r}"
    assert credentials.reveal("api_key") == "hunter2"
    assert list(credentials) == ["api_key"]


def test_a_secret_that_was_not_set_says_how_to_set_it() -> None:
    with pytest.raises(ConfigError, match=r"api_secret is not set → add api_secret: \$\{API_SECRET:\?\}"):
        ConfigCredentials({}).reveal("api_secret")


_values: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.builds(EnvText, st.text()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([field.name for field in attrs.fields(Options)]), _values, max_size=4))
def test_any_values_give_options_or_a_config_error(values: dict[str, object]) -> None:
    with suppress(ConfigError):
        read(**values)
