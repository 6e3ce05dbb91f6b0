"""A SOCKS5 proxy on loopback, which alone knows where some names lead.

Test modules import its class for type checking only (``if TYPE_CHECKING: from conftest import SocksProxy``) and meet it
through the fixture ``socks_proxy``.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

import attrs
import pytest

_NO_PASSWORD: Final = b"\x05\x00"
_CONNECT: Final = b"\x05\x01\x00"
_NAME: Final = b"\x03"
_GRANTED: Final = b"\x05\x00\x00\x01" + bytes(6)
_REFUSED: Final = b"\x05\x02\x00\x01" + bytes(6)


@attrs.define
class SocksProxy:
    """Connects to names it knows, and to no address.

    Attributes:
        names: What it resolves, to loopback; the port stays as asked.
        asked: How often it was asked for which host, whether it knows it or not.
        tunnels: How many connections it holds open, by name.
    """

    names: set[str] = attrs.field(factory=set)
    asked: Counter[str] = attrs.field(factory=Counter)
    tunnels: Counter[str] = attrs.field(factory=Counter)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = attrs.field(factory=set)

    @property
    def url(self) -> str:
        """As a user writes it; known while it runs."""
        assert self._server is not None
        return f"socks5://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, type: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            host, port = await _wanted(reader, writer)
            self.asked[host] += 1
            if host in self.names:
                await self._tunnel(host, port, reader, writer)
            else:
                writer.write(_REFUSED)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            await _close(writer)

    async def _tunnel(self, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_GRANTED)
        self.tunnels[host] += 1
        try:
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        finally:
            self.tunnels[host] -= 1
            await _close(back)


async def _wanted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int]:
    _, methods = await reader.readexactly(2)
    await reader.readexactly(methods)
    writer.write(_NO_PASSWORD)
    assert await reader.readexactly(3) == _CONNECT
    if await reader.readexactly(1) != _NAME:
        return "an address", 0
    host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
    return host, int.from_bytes(await reader.readexactly(2), "big")


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@pytest.fixture
def socks_proxy(monkeypatch: pytest.MonkeyPatch) -> SocksProxy:
    """Give a proxy that an ``async with`` has listen; this machine cannot resolve its names, nor asks anybody."""
    proxy = SocksProxy()
    resolve = socket.getaddrinfo

    def unless_the_proxys(host: Any, *args: Any, **options: Any) -> Any:
        if host in proxy.names:
            raise socket.gaierror(socket.EAI_NONAME, "only the proxy knows this name")
        return resolve(host, *args, **options)

    monkeypatch.setattr("socket.getaddrinfo", unless_the_proxys)
    return proxy
