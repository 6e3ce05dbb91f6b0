"""Core's own plugin: the default transport, and no signature."""

from __future__ import annotations

from tickwire.plugin.hookspecs import hookimpl
from tickwire.plugin.protocols import Network, Signer, Transport


@hookimpl
def tickwire_transport(network: Network) -> Transport:
    """Supply HTTP and WebSocket over aiohttp."""
    from tickwire.native.transport import NativeTransport

    return NativeTransport(network)


@hookimpl
def tickwire_auth() -> Signer | None:
    """Supply no signer: exchanges that sign bring their own."""
    return None
