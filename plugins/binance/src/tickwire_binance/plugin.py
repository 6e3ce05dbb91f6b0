"""Hook implementations, nothing else."""

from collections.abc import Iterable

from tickwire import Instruments, hookimpl
from tickwire.plugin import ExchangeInfo, Request, Routing, SymbolSource
from tickwire_binance.routing import ROUTINGS
from tickwire_binance.symbols import BinanceSymbols


@hookimpl
def tickwire_exchanges() -> Iterable[ExchangeInfo]:
    """Declare spot, Binance.US and USDⓈ-M futures."""
    return [routing.info for routing in ROUTINGS.values()]


@hookimpl
def tickwire_symbols(exchange: str) -> SymbolSource:
    """Supply what reads ``exchangeInfo``."""
    routing = ROUTINGS[exchange]
    request = Request("GET", f"{routing.prefix}/exchangeInfo", weight=routing.listing_weight)
    return BinanceSymbols(request, exchange=exchange)


@hookimpl
def tickwire_routing(exchange: str, instruments: Instruments, numbers: type) -> Routing:
    """Supply the exchange's language."""
    return ROUTINGS[exchange](instruments, numbers)
