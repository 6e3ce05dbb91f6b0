"""A TCP proxy for tests: it stands before a server, and is cut, stalled or slowed down while the server runs on."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from types import TracebackType
from typing import Self

__all__ = ["TcpProxy"]

_CHUNK = 65_536


class TcpProxy:
    """Passes bytes on between whoever connects to it and one server; use it as an async context manager.

    Attributes:
        host: Where to connect, on loopback.
        port: Likewise; the same for as long as it lives, cut or not.
        connections: How many were accepted so far.
    """

    def __init__(self, host: str, port: int) -> None:
        """Choose the server that it stands before, and a port of its own."""
        self.host = "127.0.0.1"
        # bound and never listening: the port stays ours, and refuses, while the proxy is cut
        self._place = _bound(self.host, 0)
        self.port: int = self._place.getsockname()[1]
        self.connections = 0
        self._server_address = (host, port)
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._rate: float | None = None

    async def __aenter__(self) -> Self:
        await self.restore()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def restore(self) -> None:
        """Listen, for the first time or again after ``cut``; what was slow or stalled flows."""
        self.flow()
        if self._listener is None:
            self._listener = await asyncio.start_server(self._accepted, sock=_bound(self.host, self.port))

    async def cut(self) -> None:
        """End every connection, whatever is under way, and refuse new ones, as if the server were killed."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for writer in self._writers:
            writer.transport.abort()
        self._flowing.set()
        if self._passing:
            await asyncio.wait(self._passing)

    async def close(self) -> None:
        """End for good; a second call is harmless."""
        await self.cut()
        self._place.close()

    def stall(self) -> None:
        """Accept connections and bytes, and pass nothing on, as a server does that hangs."""
        self._flowing.clear()

    def slow(self, bytes_per_second: float) -> None:
        """Pass on that many bytes a second and connection, each way."""
        self._rate = bytes_per_second

    def flow(self) -> None:
        """Pass everything on at once again."""
        self._rate = None
        self._flowing.set()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        self._writers.add(writer)
        self.connections += 1
        try:
            await self._joined(reader, writer)
        except OSError:
            writer.transport.abort()  # the server is not there: whoever connected sees a reset
        finally:
            self._writers.discard(writer)
            self._passing.discard(task)

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(*self._server_address)
        self._writers.add(server_writer)
        try:
            if self._listener is None:  # it was cut meanwhile
                server_writer.transport.abort()
                writer.transport.abort()
            await asyncio.gather(self._pass(reader, server_writer), self._pass(server_reader, writer))
        finally:
            self._writers.discard(server_writer)

    # One way of a connection; the end of either way ends both, as a proxy of a dead server would.
    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(_CHUNK if self._rate is None else max(1, int(self._rate / 20))):
                if self._rate is not None:
                    await asyncio.sleep(len(data) / self._rate)
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


def _bound(host: str, port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    return bound
