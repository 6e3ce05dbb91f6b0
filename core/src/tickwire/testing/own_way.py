"""How a plugin with a transport of its own speaks with the dressed exchange: over loopback, without waiting.

The checks that hold conversations and read frames by hand do with it what they do with a plugin that speaks bytes: a
request goes through the plugin's transport, a line is one of its connections, and what the transport hands on is what
comes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from aiohttp import web

from tickwire import Channel, ConnectionLostError, TickwireError
from tickwire.plugin import Connection, Ending, Frame, Located, Request, Response, Transport
from tickwire.simulation import SimServer
from tickwire.testing.clocked_loop import ClockedLoop, LoopClock, machine_showing
from tickwire.testing.speaking import START, SpeakingExchange

__all__ = ["AnsweringServer", "Front", "OwnLine", "serving"]

T = TypeVar("T")
_UNDERSTOOD = 6.0  # a client may space what it says: three subscriptions, a second apart
_ARRIVED = 0.5


class AnsweringServer:
    """Answers HTTP requests by a function; has the part of ``SimServer`` that a ``Front`` needs."""

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        self._given = answer
        self._runner: web.ServerRunner | None = None
        self._port = 0

    async def start(self) -> None:
        """Listen."""
        self._runner = web.ServerRunner(web.Server(self._answer, access_log=None), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def rest_url(self) -> str:
        """Where."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def ws_url(self) -> str:
        """Where no socket is served."""
        return self.rest_url.replace("http", "ws", 1)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read() if request.can_read_body else None
        try:
            given = self._given(Request(request.method, request.path, request.query, body, dict(request.headers)))
        except TickwireError as error:
            return web.Response(status=getattr(error, "status", None) or 500, text=error.message)
        kind = given.headers.get("content-type", "application/json")
        return web.Response(body=given.body, status=given.status, headers={"Content-Type": kind})


class Front:
    """A server on loopback, and a loop for it and the plugin's transport.

    Attributes:
        server: What is served.
    """

    def __init__(self, server: SimServer | AnsweringServer, clocks: Sequence[str] = ()) -> None:
        self.server = server
        self._loop = ClockedLoop()
        self._clock = LoopClock(self._loop, START)
        self._clocks = clocks
        self._transports: list[Transport[Any]] = []
        self.run(server.start)

    @property
    def network(self) -> Mapping[str, Any]:
        """Arguments of a ``Feed`` that lead it there."""
        return {"rest": self.server.rest_url, "websocket": self.server.ws_url}

    def run(self, what: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run something to its end on the loop; may be called where another loop runs."""

        def run() -> T:
            with machine_showing(self._clock.now, self._clocks):
                return self._loop.run_until_complete(what())

        if asyncio._get_running_loop() is None:
            return run()
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(run).result()

    def asking(self, transport: Transport[Any]) -> Callable[[Request], Response]:
        """Give what answers requests: the plugin's transport, which asks the server."""
        self._transports.append(transport)
        return lambda request: self.run(lambda: transport.fetch(request))

    def close(self) -> None:
        """Close everything; a second call is harmless."""
        if self._loop.is_closed():
            return
        self.run(self._close)
        self._loop.close()

    async def _close(self) -> None:
        for transport in self._transports:
            await transport.close()
        await self.server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def serving(exchange: SpeakingExchange, clocks: Sequence[str]) -> Front:
    """Serve a dressed exchange on loopback: its market is still stepped by hand."""
    server = SimServer(exchange.dress, exchange.market)
    exchange.serve_as(server)
    return Front(server, clocks)


class OwnLine:
    """A ``Caller`` whose wire is a connection of the plugin's own transport.

    Attributes:
        topics: What the exchange calls each stream that was joined, by channel and native symbol.
    """

    def __init__(self, front: Front, transport: Transport[Any], located: Located) -> None:
        self.topics: dict[tuple[Channel, str], str] = {}
        self._front = front
        self._received: list[Any] = []
        self._endings: list[Ending] = []

        async def connect() -> Connection[Any]:
            return await transport.connect(located, self._take, self._endings.append)

        front._transports.append(transport)
        self._connection = front.run(connect)

    def _take(self, frame: Frame[Any]) -> None:
        self._received.append(frame.payload)

    def say(self, payload: Any) -> list[Any]:
        """Say something, and take everything that was handed on until then."""

        async def send() -> None:
            self._connection.send(payload)
            await asyncio.sleep(_UNDERSTOOD)

        return self._pumped(send)

    def take(self) -> list[Any]:
        """Take what was handed on."""
        return self._pumped(lambda: asyncio.sleep(_ARRIVED))

    def put(self, payload: bytes) -> None:
        """Send a frame from the exchange's side."""
        server = self._front.server
        assert isinstance(server, SimServer)
        for client in tuple(server._clients):
            client.put(payload)

    def _pumped(self, what: Callable[[], Coroutine[Any, Any, None]]) -> list[Any]:
        self._front.run(what)
        taken, self._received = self._received, []
        if self._endings:
            raise ConnectionLostError(f"the connection ended: {self._endings[0]}")
        return taken
