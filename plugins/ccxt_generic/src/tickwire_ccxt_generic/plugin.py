"""Hook implementations, nothing else."""

from collections.abc import Iterable

from tickwire import Instruments, hookimpl
from tickwire.plugin import Clock, Credentials, ExchangeInfo, Network, Routing, Signer, SymbolSource, Transport
from tickwire_ccxt_generic.info import exchange_infos
from tickwire_ccxt_generic.options import CcxtOptions
from tickwire_ccxt_generic.payloads import Payload
from tickwire_ccxt_generic.signer import CcxtSigner


@hookimpl
def tickwire_exchanges() -> Iterable[ExchangeInfo]:
    """Declare every exchange of ccxt, from the checked-in table: ccxt itself is not imported."""
    return exchange_infos()


@hookimpl
def tickwire_symbols() -> SymbolSource:
    """Supply what asks for ccxt's markets."""
    from tickwire_ccxt_generic.symbols import CcxtSymbols

    return CcxtSymbols()


@hookimpl
def tickwire_auth(credentials: Credentials) -> Signer:
    """Supply what carries the keys to ccxt."""
    return CcxtSigner(credentials)


@hookimpl
def tickwire_transport(
    exchange: str, options: CcxtOptions, network: Network, signer: CcxtSigner | None, clock: Clock
) -> Transport[Payload]:
    """Supply ccxt itself, which is imported when it is first asked."""
    from tickwire_ccxt_generic.transport import CcxtTransport

    return CcxtTransport(exchange, options, network, signer, clock.now)


@hookimpl
def tickwire_routing(exchange: str, options: CcxtOptions, instruments: Instruments, numbers: type) -> Routing[Payload]:
    """Supply what reads what the tap saw."""
    from tickwire_ccxt_generic.routing import CcxtRouting

    return CcxtRouting(exchange, options, instruments, numbers)
