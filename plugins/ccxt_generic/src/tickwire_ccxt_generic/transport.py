"""What core is given: REST, sockets and polling of one feed in one ``Transport``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import attrs

from tickwire import Instruments, Nanos
from tickwire.plugin import Connection, Ending, Frame, Located, Network, Request, Response
from tickwire_ccxt_generic.client import CcxtClients
from tickwire_ccxt_generic.emitter import CcxtEmitter
from tickwire_ccxt_generic.options import CcxtOptions
from tickwire_ccxt_generic.payloads import Payload
from tickwire_ccxt_generic.polling import PolledConnection
from tickwire_ccxt_generic.rest import CcxtRestTransport
from tickwire_ccxt_generic.signer import CcxtSigner
from tickwire_ccxt_generic.ws import CcxtWsTransport

__all__ = ["CcxtTransport", "Place"]


@attrs.frozen
class Place(Located):
    """Where to connect; ``is_polled``: over REST, again and again."""

    is_polled: bool = False


class CcxtTransport:
    """The transport of one feed.

    Attributes:
        rest: Its REST.
        ws: Its sockets.
    """

    def __init__(
        self,
        exchange_id: str,
        options: CcxtOptions,
        network: Network,
        signer: CcxtSigner | None = None,
        now: Callable[[], Nanos] = time.time_ns,
    ) -> None:
        """Take over settings; no I/O, and ccxt is not imported yet.

        Args:
            exchange_id: ccxt's id.
            options: The user's.
            network: Hosts and proxies.
            signer: The user's keys.
            now: The wall clock's time.

        Raises:
            ConfigError: The network asks for what ccxt cannot do.
        """
        clients = CcxtClients(exchange_id, options, network, None if signer is None else signer.credentials)
        self.rest = CcxtRestTransport(clients, now)
        self.ws = CcxtWsTransport(clients, now)
        self._options = options
        self._now = now
        self._emitter = CcxtEmitter(Instruments(), clients.venue)

    async def fetch(self, request: Request) -> Response:
        """Call one of ccxt's methods."""
        return await self.rest.fetch(request)

    async def connect(
        self,
        located: Located,
        on_frame: Callable[[Frame[Payload]], None],
        on_close: Callable[[Ending], None],
    ) -> Connection[Any]:
        """Open sockets, or begin to poll."""
        if isinstance(located, Place) and located.is_polled:
            read_book = self._emitter.fetched_book
            return PolledConnection(self.rest, located.url, self._options, read_book, on_frame, on_close, self._now)
        return await self.ws.connect(located, on_frame, on_close)

    async def close(self) -> None:
        """Release everything; a second call is harmless."""
        await self.ws.close()
        await self.rest.close()
