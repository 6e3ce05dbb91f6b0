"""The simulated exchange on loopback: HTTP and WebSocket on one port, any path, in a dress's wire format."""

from __future__ import annotations

import asyncio
import os
import ssl
from contextlib import suppress
from types import TracebackType
from typing import Self

from aiohttp import web

from tickwire.model.errors import ConfigError
from tickwire.plugin.protocols import Request
from tickwire.simulation.client import SocketClient
from tickwire.simulation.exchange import Answer, SimExchange
from tickwire.simulation.faults import Faults
from tickwire.simulation.market import SeededMarket
from tickwire.simulation.pace import burst, run_market
from tickwire.simulation.records import Dress

__all__ = ["SimServer"]

_HIGH_WATER = 1_000
_FLUSH = 0.02


class SimServer:
    """Serves a market; ``async with SimServer(dress, market) as server``.

    Args:
        dress: The wire format.
        market: What is traded.
        host: Where to listen.
        port: Zero takes a free one, and keeps it over ``stop`` and ``start``.
        rate: Changes per second over all instruments; zero: as fast as clients take them, standing still while nobody
            has joined; ``None``: only ``step`` moves the market.
        limit: Changes after which the market stands still; ``None``: never.
        tls: A server context makes it ``https`` and ``wss``.
        ping: Seconds between protocol pings.
        patience: Seconds after which a client that takes nothing, while the market waits for it, is reset.
        faults: What goes wrong; ``None``: nothing.

    Attributes:
        market: What is traded.
    """

    def __init__(
        self,
        dress: Dress,
        market: SeededMarket,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        rate: float | None = None,
        limit: int | None = None,
        tls: ssl.SSLContext | None = None,
        ping: float = 60.0,
        patience: float = 60.0,
        faults: Faults | None = None,
    ) -> None:
        self.market = market
        self._host, self._port = host, port
        self._rate, self._limit = rate, limit
        self._tls = tls
        self._ping, self._patience = ping, patience
        self._exchange = SimExchange(dress, market, faults)
        self._clients: set[SocketClient] = set()
        self._runner: web.ServerRunner | None = None
        self._mover: asyncio.Task[None] | None = None
        self._flusher: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """Where it listens; known once started."""
        return self._port

    @property
    def rest_url(self) -> str:
        """Base URL for HTTP."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self._port}"

    @property
    def ws_url(self) -> str:
        """URL for WebSocket."""
        return f"{'wss' if self._tls else 'ws'}://{self._host}:{self._port}"

    @property
    def faults(self) -> Faults:
        """What goes wrong; of use where some were given."""
        return self._exchange.faults

    @property
    def clients(self) -> int:
        """Open WebSocket connections."""
        return len(self._clients)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, type: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Listen, and move the market if a rate was given; harmless while it listens already.

        Raises:
            ConfigError: The port cannot be had.
        """
        if self._runner is not None:
            return
        runner = web.ServerRunner(web.Server(self._answer, access_log=None), shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port, ssl_context=self._tls).start()
        except OSError as error:
            await runner.cleanup()
            raise ConfigError(
                f"cannot listen on {self._host}:{self._port} ({os.strerror(error.errno or 0)})",
                hint="choose another port; 0 takes a free one",
            ) from error
        self._runner = runner
        self._port = runner.addresses[0][1]
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush())
        if self._mover is None and self._rate is not None:
            moving = run_market(
                self.market, self._rate, self._limit, self._room, lambda: self._exchange.board.is_joined
            )
            self._mover = asyncio.create_task(moving)

    async def stop(self, *, abrupt: bool = False) -> None:
        """Drop every connection and listen no more; the market carries on, and ``start`` takes the same port.

        Args:
            abrupt: Reset connections instead of sending a close frame.
        """
        runner, self._runner = self._runner, None
        if runner is None:
            return
        for site in tuple(runner.sites):
            await site.stop()
        clients = tuple(self._clients)
        for client in clients:
            if abrupt:
                client.abort()
        if clients and not abrupt:
            await _part(clients)
        await runner.cleanup()

    async def close(self) -> None:
        """Stop the market, its faults and the server for good.

        Raises:
            Exception: What stopped the market, if it stopped by itself.
        """
        self._exchange.faults.clear()
        tasks = [task for task in (self._mover, self._flusher) if task is not None]
        self._mover = self._flusher = None
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        await self.stop()
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome

    async def step(self, changes: int = 1) -> None:
        """Move the market by hand by at least that many changed levels, and hand them to the sockets."""
        await burst(self.market, self.market.changes + changes, self._room)
        for client in tuple(self._clients):
            await client.room()

    async def settled(self) -> None:
        """Wait until all that is queued has been handed to the kernel."""
        for client in tuple(self._clients):
            await client.sent()

    async def finished(self) -> None:
        """Wait until the market has made its ``limit`` of changes; returns at once without a rate."""
        if self._mover is not None:
            await asyncio.shield(self._mover)

    async def _room(self) -> None:
        for client in tuple(self._clients):
            if len(client.backlog) > _HIGH_WATER:
                try:
                    async with asyncio.timeout(self._patience):
                        await client.room()
                except TimeoutError:
                    client.abort()

    async def _flush(self) -> None:
        clock = self.market.clock
        while True:
            await clock.sleep(_FLUSH)
            self._exchange.board.flush(clock.monotonic())

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._converse(request)
        asked = Request(
            request.method,
            request.path,
            request.query,
            await request.read() if request.can_read_body else None,
            dict(request.headers),
        )
        answer = self._exchange.answer(asked)
        if answer.delay:
            await self.market.clock.sleep(answer.delay)
        if answer.is_cut:
            return await self._cut(request, answer)
        return web.Response(body=answer.body, status=answer.status, headers=self._headers(answer))

    async def _cut(self, request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
        size = len(answer.body)
        promised = self._headers(answer) | {"Content-Length": str(size + 1)}
        response = web.StreamResponse(status=answer.status, headers=promised)
        with suppress(ConnectionResetError):  # the client may have left first
            await response.prepare(request)
            await response.write(answer.body[: size // 2])
        if request.transport is not None:
            request.transport.close()
        return response

    async def _converse(self, request: web.BaseRequest) -> web.StreamResponse:
        if refusal := self._exchange.upgrade():
            return web.Response(body=refusal.body, status=refusal.status, headers=self._headers(refusal))
        socket = web.WebSocketResponse(autoclose=False, autoping=False)
        socket.headers.update(self._date())
        await socket.prepare(request)
        client = SocketClient(socket, request.transport, self._exchange)
        self._clients.add(client)
        try:
            await client.serve(self._ping)
        finally:
            self._clients.discard(client)
        return socket

    def _headers(self, answer: Answer) -> dict[str, str]:
        return {"Content-Type": answer.content_type, **self._date(), **answer.headers}

    def _date(self) -> dict[str, str]:
        # without a fault it is the machine's, as of any server
        return {"Date": self._exchange.date} if self._exchange.faults.skew else {}


async def _part(clients: tuple[SocketClient, ...]) -> None:
    # A client that does not answer the close frame in time is cut.
    partings = {asyncio.create_task(client.part()): client for client in clients}
    _, late = await asyncio.wait(partings, timeout=1)
    for parting in late:
        parting.cancel()
        partings[parting].abort()
