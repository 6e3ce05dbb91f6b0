"""Hook implementations, nothing else."""

from collections.abc import Iterable

from tickwire import Instruments, hookimpl
from tickwire.plugin import Clock, Credentials, ExchangeInfo, Routing, Signer, SymbolSource
from tickwire_backpack.auth import BackpackSigner
from tickwire_backpack.info import BACKPACK
from tickwire_backpack.routing import BackpackRouting
from tickwire_backpack.symbols import BackpackSymbols


@hookimpl
def tickwire_exchanges() -> Iterable[ExchangeInfo]:
    """Declare Backpack."""
    return [BACKPACK]


@hookimpl
def tickwire_symbols() -> SymbolSource:
    """Supply what reads ``/api/v1/markets``."""
    return BackpackSymbols()


@hookimpl
def tickwire_auth(credentials: Credentials, clock: Clock) -> Signer:
    """Supply the ED25519 signer."""
    return BackpackSigner(credentials.reveal("api_key"), credentials.reveal("api_secret"), clock)


@hookimpl
def tickwire_routing(instruments: Instruments, signer: Signer | None, numbers: type) -> Routing:
    """Supply Backpack's language."""
    return BackpackRouting(instruments, signer, numbers)
