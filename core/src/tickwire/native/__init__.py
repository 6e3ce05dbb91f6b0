"""The toolkit that plugins subclass. A lazy name table: aiohttp and PyNaCl are imported when first used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_NAMES = {
    "auth": "Ed25519Signer HmacSigner SignatureHeaders",
    "decimals": "decoder_for",
    "health": "Health HealthStatus",
    "metrics": "Counter Gauge Metrics",
    "rest": "NativeRestClient",
    "router": "Handled NativeMessageRouter handles",
    "routing": "NativeRouting instrument_of",
    "symbols": "NativeMarket NativeSymbolService",
    "times": "rfc3339_nanos",
    "transport": "NativeTransport",
    "wire": "Levels Micros Millis NanosTime Price Seconds Size",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"module 'tickwire.native' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"tickwire.native.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
