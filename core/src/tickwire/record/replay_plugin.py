"""The extension ``replayer``: a capture instead of the exchange. ``tickwire replay`` puts it into every feed."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from typing import Any

from tickwire.model.errors import TickwireError
from tickwire.plugin.hookspecs import hookimpl
from tickwire.plugin.protocols import Routing, Signer, Transport

__all__ = ["tickwire_auth", "tickwire_routing", "tickwire_transport"]


@hookimpl(wrapper=True)
def tickwire_auth() -> Generator[None, Signer | None, Signer | None]:
    """Have the plugin sign with masks, or nobody where it refuses them: nothing of it is sent anywhere."""
    from tickwire.record.replay_transport import NoSigner

    signer: Signer | None = None
    with suppress(TickwireError):
        signer = yield
    return signer or NoSigner()


@hookimpl(wrapper=True)
def tickwire_transport(options: Any) -> Generator[None, Transport[Any], Any]:
    """Supply the capture."""
    yield
    return options.transport()


@hookimpl(wrapper=True)
def tickwire_routing(options: Any) -> Generator[None, Routing[Any], Any]:
    """Let what other software recorded pass for confirmed; else change nothing."""
    routing = yield
    return options.routing(routing)
