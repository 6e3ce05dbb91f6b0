"""Plain sockets: an event a line over TCP or a Unix socket, an event a datagram over UDP.

Without acknowledgement a line counts as written when this machine's system has taken it: what is on its way when the
receiver dies is lost, and nobody is told. With ``acknowledged`` the receiver answers one byte a line.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol
from urllib.parse import unquote, urlsplit

from tickwire import ConnectionLostError, Record, RefusedError, encode_records
from tickwire_sinks.stream_options import SocketOptions

__all__ = ["MAX_DATAGRAM", "SocketSink"]

MAX_DATAGRAM = 65_507
"""Bytes that fit in a UDP datagram over IPv4."""
_CHUNK = 65_536


class _Line(Protocol):
    async def send(self, records: Sequence[Record]) -> None: ...

    async def close(self) -> None: ...


class SocketSink:
    """Sends lines, or datagrams, to one receiver."""

    def __init__(self, options: SocketOptions) -> None:
        """Take over the settings; ``open`` connects."""
        self._options = options
        self._line: _Line | None = None

    async def open(self) -> None:
        """Connect.

        Raises:
            ConnectionLostError: Nobody is there now.
        """
        await self.close()
        async with self._bounded():
            self._line = await _connected(self._options)

    async def write(self, records: Sequence[Record]) -> None:
        """Send a batch.

        Raises:
            RefusedError: An event is too large for a datagram.
            ConnectionLostError: The connection ended, or the receiver did not take or acknowledge it in time.
        """
        if self._line is None:
            raise ConnectionLostError(f"{self._options.url} is not connected")
        async with self._bounded():
            await self._line.send(records)

    async def close(self) -> None:
        """Disconnect; a second call is harmless."""
        line, self._line = self._line, None
        if line is not None:
            await line.close()

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._options.timeout):
                yield
        except OSError as error:  # TimeoutError is one
            why = "not in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
            raise ConnectionLostError(f"{self._options.url}: {why}") from error


async def _connected(options: SocketOptions) -> _Line:
    parts = urlsplit(options.url)
    if parts.scheme == "unix":
        streams = await asyncio.open_unix_connection(unquote(parts.path))
        return _Stream(*streams, options.acknowledged)
    host, port = parts.hostname or "", parts.port or 0
    if parts.scheme == "tcp":
        return _Stream(*await asyncio.open_connection(host, port), options.acknowledged)
    return await _datagrams(host, port)


class _Stream:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, acknowledged: bool) -> None:
        self._reader = reader
        self._writer = writer
        self._acknowledged = acknowledged
        writer.transport.set_write_buffer_limits(0)  # drain() then waits until the system has everything

    async def send(self, records: Sequence[Record]) -> None:
        if self._reader.at_eof():
            raise ConnectionResetError("the receiver has closed the connection")
        self._writer.write(encode_records(records))
        await self._writer.drain()
        if self._acknowledged:
            await self._acknowledge(len(records))

    async def _acknowledge(self, count: int) -> None:
        taken = 0
        while taken < count and (answer := await self._reader.read(_CHUNK)):
            taken += len(answer)
        if taken != count:
            # more than one byte a line would acknowledge lines that are still to come
            raise ConnectionResetError(f"{taken} acknowledgements of {count} lines")

    async def close(self) -> None:
        if self._writer.transport.get_write_buffer_size():
            self._writer.transport.abort()  # given up; it would wait for a receiver that hangs
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            return


class _Datagrams:
    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    async def send(self, records: Sequence[Record]) -> None:
        lines = encode_records(records).split(b"\n")[:-1]
        largest = max(map(len, lines), default=0)
        if largest > MAX_DATAGRAM:
            raise RefusedError(f"an event of {largest} bytes does not fit in a datagram of {MAX_DATAGRAM}")
        loop = asyncio.get_running_loop()
        for line in lines:
            # raises where the receiver's machine has said of an earlier one that nobody listens
            await loop.sock_sendall(self._socket, line)

    async def close(self) -> None:
        self._socket.close()


async def _datagrams(host: str, port: int) -> _Datagrams:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    family, kind, number, _, address = found[0]
    connected = socket.socket(family, kind, number)
    connected.setblocking(False)
    try:
        connected.connect(address)  # sends nothing, so it does not wait
    except OSError:
        connected.close()
        raise
    return _Datagrams(connected)
