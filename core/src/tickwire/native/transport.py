"""Core's own transport: HTTP over aiohttp, WebSocket over the engine that was chosen, both as the network says."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from importlib import import_module
from weakref import WeakSet

import aiohttp

from tickwire.model.errors import ConfigError
from tickwire.native.proxies import Proxy
from tickwire.native.rest import NativeRestClient, make_session
from tickwire.native.tls import tls_context
from tickwire.native.ws import Dial, choose_engine
from tickwire.plugin.protocols import Connection, Ending, Frame, Located, Network, Request, Response

__all__ = ["NativeTransport"]


class NativeTransport:
    """The default ``Transport``; payloads are bytes.

    Attributes:
        engine: Which WebSocket engine it uses, ``picows`` or ``aiohttp``.
        engine_reason: Why, where it is not simply the fastest.
        ping_every: Seconds of silence after which a connection is pinged; as many later, unanswered, it has ended.
        pong_within: Seconds the exchange has to answer a ping that somebody waits for.
    """

    ping_every = 20.0
    pong_within = 10.0

    def __init__(self, network: Network) -> None:
        """Take over the network's settings.

        Raises:
            ConfigError: A proxy, the file of authorities or the engine cannot be used; nothing is left out instead.
        """
        setting = f"{network.path}." if network.path else ""
        self._network = network
        self._proxy_rest = Proxy.parse(network.proxy_rest, f"{setting}proxy") if network.proxy_rest else None
        self._proxy_websocket = (
            Proxy.parse(network.proxy_websocket, f"{setting}proxy") if network.proxy_websocket else None
        )
        ca_file = network.tls_ca_file
        self._tls = tls_context(ca_file, setting=f"{setting}tls.ca_file") if ca_file is not None else None
        self._engine = choose_engine(network.engine)
        self.engine, self.engine_reason = self._engine.name, self._engine.reason
        self._session: aiohttp.ClientSession | None = None
        self._rest: NativeRestClient | None = None
        self._connections: WeakSet[Connection] = WeakSet()

    async def fetch(self, request: Request) -> Response:
        """Send one request to the host it names, else to the primary."""
        if self._rest is None:
            if not self._network.rest:
                raise ConfigError("there is no REST host", hint="set endpoints.rest")
            self._session = make_session(tls=self._trusted(), proxy=self._proxy_rest)
            self._rest = NativeRestClient(
                self._network.rest[0],
                timeout=self._network.timeout,
                session=self._session,
                proxy=self._proxy_rest,
            )
        return await self._rest.fetch(request)

    async def connect(
        self, located: Located, on_frame: Callable[[Frame], None], on_close: Callable[[Ending], None]
    ) -> Connection:
        """Dial."""
        dial = Dial(
            located,
            on_frame,
            on_close,
            timeout=self._network.timeout,
            now=time.time_ns,
            tls=self._trusted() if located.url.startswith("wss:") else None,
            proxy=self._proxy_websocket,
            compress=self._network.compress,
            ping_every=self.ping_every,
            pong_within=self.pong_within,
        )
        connection: Connection = await import_module(self._engine.module).connect(dial)
        self._connections.add(connection)
        return connection

    async def close(self) -> None:
        """Close the connections and the session; a second call is harmless."""
        await asyncio.gather(*(connection.close() for connection in tuple(self._connections)))
        if self._session is not None:
            await self._session.close()
            self._session = None
            self._rest = None

    # one for all connections: reading the system's authorities takes some 20 ms
    def _trusted(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = tls_context()
        return self._tls
