"""What tests of plugins use: the conformance kit, the hostile exchange, what a dress sees, a clock that stands still.

A lazy name table like ``tickwire``'s own, so that a dress can be used where pytest is not installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_NAMES = {
    "model.clock": "ManualClock",
    "simulation.faults": "Fault FaultKind Faults Injected",
    "simulation.memory": "MemoryExchange",
    "simulation.records": "Dress SimBook SimClient SimMarket SimOrder SimReply SimTrade",
    "testing.checks": "KIT_VERSION Check check checks_of",
    "testing.conformance": "ExchangeConformance",
    "testing.conversation": "hold",
    "testing.oracle": "Oracle",
    "testing.proxied_sinks": "ProxiedSinkConformance",
    "testing.report": "CheckResult Report read_report shipped_report",
    "testing.sink_records": "every_event recorded stream_of write_batches",
    "testing.sinks": "SinkConformance",
    "testing.tcp_proxy": "TcpProxy",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"module 'tickwire.testing' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"tickwire.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
