"""The simulated exchange on loopback: HTTP and WebSocket on one port, any path, in a dress's wire format."""

from __future__ import annotations

import asyncio
import os
import ssl
from types import TracebackType
from typing import Self

from aiohttp import WSMsgType, web

from tickwire.model.errors import ConfigError, UnknownNativeError
from tickwire.plugin.protocols import Request
from tickwire.simulation.board import Board, encode
from tickwire.simulation.client import SocketClient
from tickwire.simulation.market import SeededMarket
from tickwire.simulation.pace import burst, run_market
from tickwire.simulation.records import Dress, SimReply

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
    ) -> None:
        self.market = market
        self._dress = dress
        self._host, self._port = host, port
        self._rate, self._limit = rate, limit
        self._tls = tls
        self._ping, self._patience = ping, patience
        self._board = Board(dress, market)
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
            moving = run_market(self.market, self._rate, self._limit, self._room, lambda: self._board.is_joined)
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
            self._board.forget(client)
            if abrupt:
                client.abort()
        if clients and not abrupt:
            await _part(clients)
        await runner.cleanup()

    async def close(self) -> None:
        """Stop the market and the server for good.

        Raises:
            Exception: What stopped the market, if it stopped by itself.
        """
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
            self._board.flush(clock.monotonic())

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
        try:
            answer = self._dress.rest(asked, self.market)
        except UnknownNativeError as error:
            answer = SimReply(404, {"message": error.message})
        return _response(answer if isinstance(answer, SimReply) else SimReply(200, answer))

    async def _converse(self, request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse(heartbeat=self._ping, autoclose=False)
        await socket.prepare(request)
        client = SocketClient(socket, request.transport, self._board)
        self._clients.add(client)
        writing = asyncio.create_task(client.write())
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    payload = message.data.encode() if isinstance(message.data, str) else message.data
                    self._dress.received(payload, client)
                    client.answered()
        finally:
            self._board.forget(client)
            self._clients.discard(client)
            client.gone.set()
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            if client.is_parting and request.transport is not None:
                request.transport.close()
        return socket


async def _part(clients: tuple[SocketClient, ...]) -> None:
    # A client that does not answer the close frame in time is cut.
    partings = {asyncio.create_task(client.part()): client for client in clients}
    _, late = await asyncio.wait(partings, timeout=1)
    for parting in late:
        parting.cancel()
        partings[parting].abort()


def _response(reply: SimReply) -> web.Response:
    if reply.content_type is not None:
        kind = reply.content_type
    elif isinstance(reply.body, bytes):
        kind = "application/octet-stream"
    else:
        kind = "text/plain" if isinstance(reply.body, str) else "application/json"
    charset = None if isinstance(reply.body, bytes) else "utf-8"
    return web.Response(body=encode(reply.body), status=reply.status, content_type=kind, charset=charset)
