"""One WebSocket connection of the simulated exchange: what it is owed, in order, and the task that sends it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque

from aiohttp import WSCloseCode, WSMsgType, web

from tickwire.model.channels import Channel
from tickwire.model.errors import UnknownNativeError
from tickwire.simulation.board import Board, encode

__all__ = ["SocketClient"]

_LOW_WATER = 256


class SocketClient:
    """A ``SimClient``.

    Args:
        socket: Its prepared socket.
        transport: What lies below, to cut it.
        board: Who receives what.

    Attributes:
        backlog: Frames not yet sent.
        is_parting: Our close frame is sent.
        gone: Set once the connection has ended.
    """

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport | None, board: Board) -> None:
        self.backlog: deque[bytes] = deque()
        self._socket = socket
        self._transport = transport
        self._board = board
        self._behind_answer: list[bytes] = []
        self.is_parting = False
        self.gone = asyncio.Event()
        self._is_over = False
        self._wake = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()

    def send(self, message: object) -> None:
        """Queue an answer."""
        self.push(encode(message))

    def join(self, topic: str, channel: Channel, native: str, interval: float = 0, bucket: str = "") -> bool:
        """Receive a topic; the whole book, where it is due, waits for ``answered``."""
        try:
            first = self._board.join(self, topic, channel, native, interval, bucket)
        except UnknownNativeError:
            return False
        if first is not None:
            self._behind_answer.append(first)
        return True

    def leave(self, topic: str) -> None:
        """Receive a topic no more."""
        self._board.leave(self, topic)

    def answered(self) -> None:
        """Queue what belongs behind the exchange's answer to the frame just handled."""
        for payload in self._behind_answer:
            self.push(payload)
        self._behind_answer.clear()

    def push(self, payload: bytes) -> None:
        """Queue a frame."""
        if not self._is_over:
            self.backlog.append(payload)
            self._wake.set()

    async def write(self) -> None:
        """Send the backlog for as long as the connection lives."""
        try:
            while not self._socket.closed:
                await self._wake.wait()
                self._wake.clear()
                while self.backlog and not self.is_parting:
                    await self._socket.send_frame(self.backlog.popleft(), WSMsgType.TEXT)
                    if len(self.backlog) <= _LOW_WATER:
                        self._has_room.set()
        except ConnectionError:
            pass
        finally:
            self._is_over = True
            self.backlog.clear()
            self._has_room.set()

    async def room(self) -> None:
        """Wait until the backlog is short, or the connection has ended."""
        self._has_room.clear()
        self._wake.set()
        if len(self.backlog) > _LOW_WATER:
            await self._has_room.wait()

    async def part(self) -> None:
        """Say good-bye as an exchange going down does, and wait for the client's own close frame."""
        self._is_over = self.is_parting = True
        # The socket's own close() hangs up without waiting while its handler reads.
        farewell = struct.pack("!H", WSCloseCode.GOING_AWAY) + b"going down"
        await self._socket.send_frame(farewell, WSMsgType.CLOSE)
        await self.gone.wait()

    def abort(self) -> None:
        """Reset the connection: the client sees no close frame."""
        if self._transport is None:
            return
        raw = self._transport.get_extra_info("socket")
        if raw is not None and not self._transport.is_closing():
            # Linger of zero seconds makes the kernel answer with RST instead of FIN.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
