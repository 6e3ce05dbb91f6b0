"""Hook implementations, nothing else."""

from collections.abc import Iterable

from tickwire import Instruments, hookimpl
from tickwire.plugin import Clock, Credentials, ExchangeInfo, Routing, Signer, SymbolSource
from tickwire_kestrel.auth import KestrelSigner
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
def tickwire_auth(credentials: Credentials, clock: Clock) -> Signer:
    return KestrelSigner(credentials.reveal("api_key"), credentials.reveal("api_secret"), clock)


@hookimpl
def tickwire_routing(instruments: Instruments, signer: KestrelSigner | None, numbers: type) -> Routing:
    return KestrelRouting(instruments, signer, numbers)
