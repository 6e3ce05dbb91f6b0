"""Hook implementations, nothing else."""

from collections.abc import Iterable

from tickwire import Instruments, hookimpl
from tickwire.plugin import ExchangeInfo, Routing, SymbolSource
from tickwire_kestrel.info import KESTREL
from tickwire_kestrel.routing import KestrelRouting
from tickwire_kestrel.symbols import KestrelSymbols


@hookimpl
def tickwire_exchanges() -> Iterable[ExchangeInfo]:
    return [KESTREL]


@hookimpl
def tickwire_symbols() -> SymbolSource:
    return KestrelSymbols()


@hookimpl
def tickwire_routing(instruments: Instruments, numbers: type) -> Routing:
    return KestrelRouting(instruments, numbers)
