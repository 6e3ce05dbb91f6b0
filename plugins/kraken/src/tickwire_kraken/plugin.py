"""Hook implementations, nothing else."""

from collections.abc import Iterable

from tickwire import Instruments, hookimpl
from tickwire.plugin import ExchangeInfo, Routing, SymbolSource
from tickwire_kraken.info import KRAKEN
from tickwire_kraken.routing import KrakenRouting
from tickwire_kraken.symbols import KrakenSymbols


@hookimpl
def tickwire_exchanges() -> Iterable[ExchangeInfo]:
    """Declare Kraken."""
    return [KRAKEN]


@hookimpl
def tickwire_symbols() -> SymbolSource:
    """Supply what reads ``AssetPairs``."""
    return KrakenSymbols()


@hookimpl
def tickwire_routing(instruments: Instruments, numbers: type) -> Routing:
    """Supply Kraken's language."""
    return KrakenRouting(instruments, numbers)
