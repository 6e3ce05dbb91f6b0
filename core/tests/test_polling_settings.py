"""What a config says under ``rest:`` and ``websocket:`` of polling reaches a plugin that has options of those names."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import attrs
import pytest

from tickwire.model.channels import Channel
from tickwire.model.clock import SystemClock
from tickwire.model.errors import ConfigError
from tickwire.plugin.hookspecs import hookimpl
from tickwire.plugin.info import ChannelInfo, Endpoint, ExchangeInfo, Tier
from tickwire.plugin.registry import Registry
from tickwire.run.assembling import make_feed
from tickwire.run.config import config_from


@attrs.frozen
class PollingOptions:
    snapshot_interval: float | None = None
    limit: int | None = None
    rest_only: bool = False


class Strategy:
    """All strategies at once; nothing of it is called before a feed starts."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *given, **named: None


def options_of(**entry: object) -> object:
    """Give the options that the plugin's hook gets for a config entry."""
    seen: list[object] = []
    info = ExchangeInfo(
        "acme", Tier.NATIVE, ("https://acme.example",), {"public": Endpoint("wss://acme.example")},
        {Channel.TRADES: ChannelInfo()}, {}, options_type=PollingOptions,
    )  # fmt: skip
    module = ModuleType("acme")

    def tickwire_routing(options: object) -> object:
        seen.append(options)
        return Strategy()

    hooks = {
        "tickwire_exchanges": lambda: [info],
        "tickwire_symbols": lambda: Strategy(),
        "tickwire_transport": lambda: Strategy(),
    }
    for name, function in hooks.items():
        function.__name__ = name
        setattr(module, name, hookimpl(function))
    module.tickwire_routing = hookimpl(tickwire_routing)  # type: ignore[attr-defined]
    config = config_from({"exchanges": {"acme": {"symbols": ["A-B"], **entry}}}, "night.yaml")
    make_feed(config, config.exchanges[0], Registry.of(acme=module), SystemClock(), buffer=0)
    return seen[0]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({}, PollingOptions()),
        ({"rest": {"snapshot_interval": 30, "limit": 100}}, PollingOptions(30.0, 100)),
        ({"rest": {"snapshot_interval": "250ms"}}, PollingOptions(0.25)),
        ({"websocket": {"rest_only": True}}, PollingOptions(rest_only=True)),
        ({"websocket": {"enabled": False}}, PollingOptions(rest_only=True)),
        ({"rest": {"limit": 5}, "options": {"limit": 5}}, PollingOptions(limit=5)),
        ({"websocket": {"enabled": True, "rest_only": False}, "options": {"limit": 7}}, PollingOptions(limit=7)),
    ],
)
def test_a_plugin_s_options_get_what_is_said_of_polling(entry: dict[str, object], expected: PollingOptions) -> None:
    assert options_of(**entry) == expected


def test_two_places_that_disagree_are_an_error_that_names_one() -> None:
    with pytest.raises(ConfigError, match=r"night.yaml: exchanges.acme.rest.limit: .* 5, but options.limit is 6"):
        options_of(rest={"limit": 5}, options={"limit": 6})
