"""Hook implementations, nothing else."""

from collections.abc import Iterable

from tickwire import Instruments, hookimpl
{% if cookiecutter.auth == "none" %}
from tickwire.plugin import ExchangeInfo, Routing, SymbolSource

{% else %}
from tickwire.plugin import Clock, Credentials, ExchangeInfo, Routing, Signer, SymbolSource

from {{ cookiecutter.__package }}.auth import {{ cookiecutter.__class }}Signer
{% endif %}
from {{ cookiecutter.__package }}.info import {{ cookiecutter.__constant }}
from {{ cookiecutter.__package }}.routing import {{ cookiecutter.__class }}Routing
from {{ cookiecutter.__package }}.symbols import {{ cookiecutter.__class }}Symbols


@hookimpl
def tickwire_exchanges() -> Iterable[ExchangeInfo]:
    """Declare the exchange."""
    return [{{ cookiecutter.__constant }}]


@hookimpl
def tickwire_symbols() -> SymbolSource:
    """Read its list of instruments."""
    return {{ cookiecutter.__class }}Symbols()


{% if cookiecutter.auth != "none" %}
@hookimpl
def tickwire_auth(credentials: Credentials, clock: Clock) -> Signer:
    """Sign with the user's key."""
    return {{ cookiecutter.__class }}Signer(credentials.reveal("api_key"), credentials.reveal("api_secret"), clock)


@hookimpl
def tickwire_routing(instruments: Instruments, signer: Signer | None, numbers: type) -> Routing:
    """Speak its language."""
    return {{ cookiecutter.__class }}Routing(instruments, numbers, signer)
{% else %}
@hookimpl
def tickwire_routing(instruments: Instruments, numbers: type) -> Routing:
    """Speak its language."""
    return {{ cookiecutter.__class }}Routing(instruments, numbers)
{% endif %}
