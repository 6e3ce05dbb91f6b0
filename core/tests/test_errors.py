"""The error tree: what every error has in common, and which group it belongs to."""

from __future__ import annotations

import inspect

import pytest

import tickwire
from tickwire import (
    ConfigError,
    DataError,
    PluginError,
    RateLimitedError,
    RefusedError,
    RequestRejectedError,
    RetryableError,
    SequenceGapError,
    TickwireError,
)
from tickwire.model import errors

GROUPS = (ConfigError, PluginError, RetryableError, RefusedError, DataError)
ALL = [getattr(errors, name) for name in errors.__all__]
MEMBERS = [error for error in ALL if error is not TickwireError]


@pytest.mark.parametrize("error", MEMBERS, ids=lambda e: e.__name__)
def test_every_error_belongs_to_exactly_one_group(error: type[TickwireError]) -> None:
    assert sum(issubclass(error, group) for group in GROUPS) == 1


@pytest.mark.parametrize("error", ALL, ids=lambda e: e.__name__)
def test_every_error_is_public_documented_and_named_error(error: type[TickwireError]) -> None:
    assert getattr(tickwire, error.__name__) is error
    assert error.__name__.endswith("Error")
    assert error.__doc__


@pytest.mark.parametrize(
    "error", [e for e in MEMBERS if issubclass(e, ConfigError | PluginError)], ids=lambda e: e.__name__
)
def test_what_the_user_must_act_on_says_what_to_do(error: type[TickwireError]) -> None:
    assert inspect.signature(error).parameters["hint"].default is inspect.Parameter.empty
    raised = error("something is wrong", hint="do this")
    assert (str(raised), raised.message, raised.hint) == (
        "something is wrong → do this",
        "something is wrong",
        "do this",
    )


def test_a_config_error_begins_with_its_path() -> None:
    error = ConfigError("'BTC-USTD' is not listed", hint="did you mean BTC-USDT?", path="exchanges.acme.symbols[3]")
    assert str(error) == "exchanges.acme.symbols[3]: 'BTC-USTD' is not listed → did you mean BTC-USDT?"


def test_facts_are_attributes() -> None:
    assert RateLimitedError("429", retry_after=12).retry_after == 12
    assert RequestRejectedError("bad", status=404).status == 404
    gap = SequenceGapError("a hole", expected=5, found=9)
    assert (gap.expected, gap.found, str(gap)) == (5, 9, "a hole")
