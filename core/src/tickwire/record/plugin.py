"""The extension ``recorder``: writes down what passes between a feed and its transport.

``tickwire record`` puts it around every feed. In a config, and for a ``Feed``: ``extensions: {recorder: {path: DIR}}``.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any
from weakref import WeakKeyDictionary

from tickwire.plugin.hookspecs import hookimpl
from tickwire.plugin.protocols import Credentials, Network, Signer, Transport

__all__ = ["tickwire_auth", "tickwire_transport"]

# by signer, so that the transport of the same feed, which is asked for next, knows what it must not keep
_secrets: WeakKeyDictionary[Signer, tuple[str, ...]] = WeakKeyDictionary()


@hookimpl(wrapper=True)
def tickwire_auth(credentials: Credentials) -> Generator[None, Signer | None, Signer | None]:
    """Learn which texts are secret."""
    signer = yield
    if signer is not None and isinstance(credentials, Iterable):
        _secrets[signer] = tuple(credentials.reveal(name) for name in credentials)
    return signer


@hookimpl(wrapper=True)
def tickwire_transport(
    exchange: str, options: object, network: Network, signer: Signer | None
) -> Generator[None, Transport[Any], Any]:
    """Stand in front of the transport."""
    from tickwire.record.alone import recorded

    inner = yield
    return recorded(inner, exchange, options, network, signer, () if signer is None else _secrets.get(signer, ()))
