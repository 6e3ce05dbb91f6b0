"""Core's own transport: HTTP and WebSocket over one aiohttp session."""

from __future__ import annotations

import time
from collections.abc import Callable

import aiohttp

from tickwire.model.errors import ConfigError
from tickwire.native.rest import NativeRestClient, make_session
from tickwire.native.ws import AiohttpConnection, connect
from tickwire.plugin.protocols import Ending, Frame, Located, Network, Request, Response

__all__ = ["NativeTransport"]


class NativeTransport:
    """The default ``Transport``; payloads are bytes."""

    engine = "aiohttp"

    def __init__(self, network: Network) -> None:
        """Take over the network's settings.

        Raises:
            ConfigError: It asks for a proxy, which this transport cannot use; nothing goes out directly instead.
        """
        if network.proxy_rest or network.proxy_websocket:
            raise ConfigError("the default transport cannot use a proxy", hint="remove the proxy setting")
        self._network = network
        self._session: aiohttp.ClientSession | None = None
        self._rest: NativeRestClient | None = None

    async def fetch(self, request: Request) -> Response:
        """Send one request to the primary host."""
        if self._rest is None:
            if not self._network.rest:
                raise ConfigError("there is no REST host", hint="set endpoints.rest")
            self._rest = NativeRestClient(
                self._network.rest[0], timeout=self._network.timeout, session=self._open_session()
            )
        return await self._rest.fetch(request)

    async def connect(
        self, located: Located, on_frame: Callable[[Frame], None], on_close: Callable[[Ending], None]
    ) -> AiohttpConnection:
        """Dial."""
        session = self._open_session()
        return await connect(session, located, on_frame, on_close, timeout=self._network.timeout, now=time.time_ns)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = make_session()
        return self._session

    async def close(self) -> None:
        """Close the session; a second call is harmless."""
        if self._session is not None:
            await self._session.close()
            self._session = None
            self._rest = None
