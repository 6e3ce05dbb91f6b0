"""One WebSocket connection of the simulated exchange: frames not yet sent, in order, and the tasks that serve it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from contextlib import suppress

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from tickwire.simulation.exchange import SimExchange

__all__ = ["SocketClient"]

_LOW_WATER = 256
# a client that does not answer our close frame in time is cut
_PARTING = 1.0
_POLL = 0.05


class SocketClient:
    """The ``Wire`` of a line.

    Args:
        socket: Its prepared socket, which answers no pings by itself.
        transport: What lies below, to cut it.
        exchange: Whose client it is.

    Attributes:
        backlog: Frames not yet sent.
        gone: Set once the connection has ended.
    """

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.Transport | None, exchange: SimExchange
    ) -> None:
        self.backlog: deque[bytes] = deque()
        self.gone = asyncio.Event()
        self._socket = socket
        self._transport = transport
        self._exchange = exchange
        self._farewell: bytes | None = None
        self._is_over = self._is_dead = False
        self._is_heard = True
        self._wake = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._line = exchange.connected(self)

    async def serve(self, ping: float) -> None:
        """Read and write until the connection has ended.

        Args:
            ping: Seconds between protocol pings; a client that has said nothing since the last one is reset.
        """
        tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._keep_alive(ping))]
        try:
            await self._read()
        finally:
            self._exchange.left(self._line)
            self.gone.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if (self._farewell is not None or self._is_dead) and self._transport is not None:
                self._transport.close()

    def put(self, payload: bytes) -> None:
        """Queue a frame."""
        if not self._is_over:
            self.backlog.append(payload)
            self._is_idle.clear()
            self._wake.set()

    def hang_up(self, code: int, reason: str) -> None:
        """Send a close frame behind the backlog, and cut a client that does not answer it."""
        if self._farewell is None and not self._is_dead:
            self._is_over = True
            self._farewell = struct.pack("!H", code) + reason.encode()
            self._wake.set()

    def abort(self) -> None:
        """Reset the connection: the client sees no close frame."""
        if self._transport is None:
            return
        raw = self._transport.get_extra_info("socket")
        if raw is not None and not self._transport.is_closing():
            # Linger of zero seconds makes the kernel answer with RST instead of FIN.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def die(self) -> None:
        """Send and read nothing any more."""
        self._is_over = self._is_dead = True
        self._forget_backlog()

    async def room(self) -> None:
        """Wait until the backlog is short, or the connection has ended."""
        self._has_room.clear()
        self._wake.set()
        if len(self.backlog) > _LOW_WATER:
            await self._has_room.wait()

    async def sent(self) -> None:
        """Wait until the backlog is empty, or the connection has ended."""
        await self._is_idle.wait()

    async def part(self) -> None:
        """Say good-bye as an exchange going down does, and wait for the client's own close frame."""
        self.backlog.clear()
        self.hang_up(WSCloseCode.GOING_AWAY, "going down")
        await self.gone.wait()

    def _forget_backlog(self) -> None:
        self.backlog.clear()
        self._has_room.set()
        self._is_idle.set()

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            self._is_heard = True
            if self._is_dead:
                if message.type is WSMsgType.CLOSE:
                    await self._outlive()
                if message.type in _ENDINGS:
                    return
            elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                data = message.data
                self._line.received(data.encode() if isinstance(data, str) else data)
            elif message.type is WSMsgType.PING:
                await self._answer(message)
            elif message.type in _ENDINGS:
                return

    async def _answer(self, ping: WSMessage) -> None:
        with suppress(ConnectionError):  # the next read tells
            await self._socket.pong(ping.data)

    async def _outlive(self) -> None:
        # a dead peer does not answer the close frame either: the client hangs up, which aiohttp tells nobody
        while self._transport is not None and not self._transport.is_closing():  # noqa: ASYNC110
            await asyncio.sleep(_POLL)

    async def _write(self) -> None:
        try:
            while not self._socket.closed:
                await self._wake.wait()
                self._wake.clear()
                while self.backlog:
                    await self._socket.send_frame(self.backlog.popleft(), WSMsgType.TEXT)
                    if len(self.backlog) <= _LOW_WATER:
                        self._has_room.set()
                self._is_idle.set()
                if self._farewell is not None:
                    # the socket's own close() hangs up without waiting while its handler reads
                    await self._socket.send_frame(self._farewell, WSMsgType.CLOSE)
                    break
        except ConnectionError:
            pass
        finally:
            self._is_over = True
            self._forget_backlog()
        if self._farewell is not None:
            await asyncio.sleep(_PARTING)
            self.abort()

    async def _keep_alive(self, every: float) -> None:
        with suppress(ConnectionError):
            await asyncio.sleep(every)
            while self._is_heard and not self._is_dead:
                self._is_heard = False
                await self._socket.ping()
                await asyncio.sleep(every)
            if not self._is_dead:
                self.abort()


_ENDINGS = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)
