"""``tickwire simulate`` says what is wrong with a plugin's simulator."""

from __future__ import annotations

import pytest

from tickwire import PluginContractError
from tickwire.cli.simulate import dress_of
from tickwire.plugin import ExchangeInfo, Tier


def declared(simulator: str | None) -> ExchangeInfo:
    return ExchangeInfo("acme", Tier.NATIVE, ("https://acme.example",), {}, {}, {}, simulator=simulator)


def test_a_plugin_without_simulator_is_named() -> None:
    with pytest.raises(PluginContractError, match=r"the plugin for 'acme' has no simulator → ask its author"):
        dress_of(declared(None))


@pytest.mark.parametrize("simulator", ["nowhere_at_all:Acme", "json:Acme", "json", ""])
def test_a_simulator_that_is_not_there_is_quoted_with_the_right_form(simulator: str) -> None:
    expected = rf'its simulator {simulator!r} cannot be made: .* → name it "module:Class"'
    with pytest.raises(PluginContractError, match=expected):
        dress_of(declared(simulator))


def test_the_declared_class_is_made() -> None:
    assert type(dress_of(declared("fractions:Fraction"))).__name__ == "Fraction"
