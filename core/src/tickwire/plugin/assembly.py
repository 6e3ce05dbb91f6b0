"""Puts one feed's strategies together: core's defaults, the chosen plugin, and the extensions that the config names."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import attrs

from tickwire.model.errors import ConfigError, CredentialsError, PluginContractError
from tickwire.model.instruments import Instruments
from tickwire.plugin.hookspecs import STRATEGY_HOOKS
from tickwire.plugin.info import ExchangeInfo
from tickwire.plugin.protocols import Clock, Credentials, Network, Routing, Signer, SymbolSource, Transport
from tickwire.plugin.records import PluginRecord
from tickwire.plugin.registry import Registry
from tickwire.plugin.selection import Selection
from tickwire.plugin.strategies import Answer, Strategies

__all__ = ["Wiring", "assemble"]

_ROUTING = "tickwire_routing"
_NO_EXTENSIONS: Mapping[str, object] = MappingProxyType({})


@attrs.frozen
class Wiring:
    """All that a feed needs of its plugins.

    Attributes:
        info: What the chosen plugin declared of the exchange.
        plugin: Its name.
        symbols: Loads the instruments.
        signer: Signs; ``None`` without credentials.
        transport: Does the I/O.
        routing: Speaks the exchange's language.
        instruments: The live view that ``routing`` was given.
        suppliers: Who supplied which of ``symbols``, ``auth``, ``transport``, ``routing``; ``tickwire`` is core itself.
        numbers: The type of prices and sizes, ``float`` or ``Decimal``.
    """

    info: ExchangeInfo
    plugin: str
    symbols: SymbolSource
    signer: Signer | None = attrs.field(repr=False)
    transport: Transport[Any]
    routing: Routing[Any]
    instruments: Instruments
    suppliers: Mapping[str, str]
    numbers: type = float


def assemble(
    registry: Registry,
    selection: Selection,
    *,
    options: object,
    network: Network,
    credentials: Credentials | None,
    clock: Clock,
    instruments: Instruments,
    numbers: type = float,
    extensions: Mapping[str, object] = _NO_EXTENSIONS,
    exchange_clock: Clock | None = None,
) -> Wiring:
    """Ask the hooks once and hold the answers; nothing here does I/O.

    Args:
        registry: Where the plugins are.
        selection: Which of them serves the exchange.
        options: The chosen plugin's, an instance of its ``options_type``.
        network: For the transport.
        credentials: For ``tickwire_auth`` alone, which is not called where this is ``None``.
        clock: For the transport, and for the signer where there is no better one.
        instruments: For the routing; filled later, in place.
        numbers: ``float`` or ``Decimal``.
        extensions: Options by name of plugin. Each wraps or replaces strategies; the last one is outermost.
        exchange_clock: For the signer: the exchange's time, corrected by what its answers tell.

    Raises:
        ConfigError: The extensions make no sense, a plugin refuses its options or the network, or it has no decimals.
        CredentialsError: There are credentials and nobody signs with them.
        PluginError: A plugin is not loaded, answers wrongly, or does not answer.
    """
    claim = selection.claim
    strategies = Strategies(claim.info.id, is_traced=registry.is_traced)
    for record in registry.records:
        if record.is_default:
            strategies.attach(record, options)
    strategies.attach(registry.loaded(claim.plugin), options)
    for record in _extensions(registry, claim.plugin, extensions):
        strategies.attach(record, extensions[record.name])

    auth = Answer()
    if credentials is not None:
        auth = strategies.ask("tickwire_auth", credentials=credentials, clock=exchange_clock or clock)
        _require_signer(auth, selection)
    symbols = _required("tickwire_symbols", strategies.ask("tickwire_symbols"), selection)
    transport = _required(
        "tickwire_transport",
        strategies.ask("tickwire_transport", network=network, signer=auth.value, clock=clock),
        selection,
    )
    if numbers is not float:
        chosen = [registry.loaded(name) for name in (claim.plugin, *extensions)]
        _require_decimals(numbers, [record for record in chosen if _ROUTING not in record.wraps])
    routing = _required(
        "tickwire_routing",
        strategies.ask("tickwire_routing", instruments=instruments, signer=auth.value, numbers=numbers),
        selection,
    )
    answers = {"symbols": symbols, "auth": auth, "transport": transport, "routing": routing}
    suppliers = {name: answer.supplier for name, answer in answers.items() if answer.supplier}
    return Wiring(
        claim.info, claim.plugin, symbols.value, auth.value, transport.value, routing.value, instruments, suppliers,
        numbers,
    )  # fmt: skip


def _extensions(registry: Registry, chosen: str, names: Mapping[str, object]) -> list[PluginRecord]:
    records = [registry.loaded(name) for name in names]
    for record in records:
        if record.name == chosen or record.is_default:
            part = "the exchange's plugin already" if record.name == chosen else "a part of tickwire itself"
            raise ConfigError(f"extension {record.name!r} is {part}", hint="remove it from extensions")
        if not _strategies(record):
            raise ConfigError(f"extension {record} supplies no strategy", hint="remove it from extensions")
    for hook in STRATEGY_HOOKS:
        replacing = [record for record in records if hook in _strategies(record) and hook not in record.wraps]
        if len(replacing) > 1:
            raise ConfigError(
                f"extensions {' and '.join(map(str, replacing))} both replace {hook}", hint="keep one of them"
            )
    return records


def _strategies(record: PluginRecord) -> list[str]:
    return [hook for hook in record.hooks if hook in STRATEGY_HOOKS]


def _require_signer(auth: Answer, selection: Selection) -> None:
    if auth.value is None:
        raise CredentialsError(
            f"{selection.claim.info.id}: credentials are set, but plugin {selection.claim} cannot sign with them",
            hint="remove credentials, or pin a plugin that signs",
        )


def _require_decimals(numbers: type, asked: list[PluginRecord]) -> None:
    if numbers is not Decimal:
        raise ConfigError(f"numbers is {numbers!r}", hint="numbers=float, or numbers=Decimal (from decimal)")
    routings = [(plugin, each) for plugin in asked for each in plugin.implementations if each.hook == _ROUTING]
    # the last one is asked first; one that is not told the number type cannot but give floats
    if routings and "numbers" not in routings[-1][1].arguments:
        raise ConfigError(
            f"plugin {routings[-1][0]} gives floats only: its {_ROUTING} does not take numbers",
            hint="leave numbers out (floats are exact up to 15 digits), or use a plugin that takes numbers",
        )


def _required(hook: str, answer: Answer, selection: Selection) -> Answer:
    if answer.value is None:
        raise PluginContractError(
            f"plugin {selection.claim} has no {hook} for {selection.claim.info.id!r}, and nobody else does",
            hint="implement it and return the strategy, not None",
        )
    return answer
