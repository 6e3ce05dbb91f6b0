"""The hooks: called while a feed is assembled, never per message. Synchronous, no I/O, no default values.

Entry-point group ``tickwire.v1``; the contract's major version is in the group's name.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from tickwire.model.instruments import Instruments
from tickwire.plugin.info import ExchangeInfo, SinkInfo
from tickwire.plugin.protocols import Clock, Credentials, Network, Routing, Signer, SymbolSource, Transport

__all__ = ["ENTRY_POINT_GROUP", "PROJECT", "STRATEGY_HOOKS", "hookimpl", "hookspec"]

PROJECT = "tickwire"
ENTRY_POINT_GROUP = "tickwire.v1"
STRATEGY_HOOKS = ("tickwire_symbols", "tickwire_auth", "tickwire_transport", "tickwire_routing")
"""Hooks that hand over a strategy; ``tickwire_exchanges`` and ``tickwire_sinks`` declare."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def tickwire_exchanges() -> Iterable[ExchangeInfo]:  # type: ignore[empty-body]
    """Declare the exchanges a plugin serves: cheap, no I/O, no heavy import. All results are collected."""


@hookspec
def tickwire_sinks() -> Iterable[SinkInfo]:  # type: ignore[empty-body]
    """Declare kinds of sink. All results are collected."""


@hookspec(firstresult=True)
def tickwire_symbols(exchange: str, options: object) -> SymbolSource | None:
    """Supply what loads the instruments."""


@hookspec(firstresult=True)
def tickwire_auth(exchange: str, options: object, credentials: Credentials, clock: Clock) -> Signer | None:
    """Supply what signs. The only hook that sees secrets; called only where the user set credentials."""


@hookspec(firstresult=True)
def tickwire_transport(
    exchange: str, options: object, network: Network, signer: Signer | None, clock: Clock
) -> Transport | None:
    """Supply what does the I/O; refuse what of ``network`` it cannot honour. Core's default is HTTP and WebSocket."""


@hookspec(firstresult=True)
def tickwire_routing(
    exchange: str, options: object, instruments: Instruments, signer: Signer | None, numbers: type
) -> Routing | None:
    """Supply the exchange's language. ``numbers`` is ``float`` or ``Decimal``, for the plugin's wire types."""
