"""Any exchange of ccxt for tickwire. A lazy name table: neither ccxt nor aiohttp is imported before it is needed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tickwire_ccxt_generic.client import CcxtClients
    from tickwire_ccxt_generic.emitter import CcxtEmitter
    from tickwire_ccxt_generic.feed import CcxtGenericFeed
    from tickwire_ccxt_generic.metadata import CcxtMetadataCache
    from tickwire_ccxt_generic.options import CcxtOptions
    from tickwire_ccxt_generic.rest import CcxtRestTransport
    from tickwire_ccxt_generic.ws import CcxtWsTransport

__all__ = [
    "CcxtClients", "CcxtEmitter", "CcxtGenericFeed", "CcxtMetadataCache", "CcxtOptions", "CcxtRestTransport",
    "CcxtWsTransport",
]  # fmt: skip

_HOME = {
    "CcxtClients": "client",
    "CcxtEmitter": "emitter",
    "CcxtGenericFeed": "feed",
    "CcxtMetadataCache": "metadata",
    "CcxtOptions": "options",
    "CcxtRestTransport": "rest",
    "CcxtWsTransport": "ws",
}


def __getattr__(name: str) -> Any:
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"module 'tickwire_ccxt_generic' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"tickwire_ccxt_generic.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
