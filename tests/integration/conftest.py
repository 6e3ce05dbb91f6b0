"""A SOCKS5 proxy on loopback; what tests of a real ccxt class share; and what of the kit waits for its own session.

Test modules import types from here for type checking only (``if TYPE_CHECKING: from conftest import SocksProxy``) and
meet what they name through fixtures.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import attrs
import pytest

from tickwire.simulation import SimBook, SimServer

Sides: TypeAlias = tuple[list[list[float]], list[list[float]]]
ReadTruth: TypeAlias = Callable[..., Sides]
ReadCcxt: TypeAlias = Callable[[Any], Sides]
Move: TypeAlias = Callable[..., Coroutine[Any, Any, None]]

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
    _open: dict[asyncio.Task[None], asyncio.StreamWriter] = attrs.field(factory=dict)

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
        for _ in range(5):  # asyncio loses whom it has just accepted when the server closes before he is handed over
            await asyncio.sleep(0)
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        for writer in self._open.values():  # a task that was cancelled before its first step has closed nothing
            await _close(writer)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[asyncio.create_task(self._serve(reader, writer))] = writer

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


@pytest.fixture(scope="session")
def true_sides() -> ReadTruth:
    """Give bids and asks of the truth as ccxt would, all or the best ``depth`` of each."""

    def read(book: SimBook, depth: int | None = None) -> Sides:
        bids, asks = ([[float(price), float(size)] for price, size in side[:depth]] for side in (book.bids, book.asks))
        return bids, asks

    return read


@pytest.fixture(scope="session")
def ccxt_sides() -> ReadCcxt:
    """Give bids and asks of ccxt's book, without what else stands in its rows."""

    def read(book: Any) -> Sides:
        bids, asks = ([[price, size] for price, size, *_ in side] for side in (book["bids"], book["asks"]))
        return bids, asks

    return read


@pytest.fixture(scope="session")
def move() -> Move:
    """Move a server's market until cancelled, some changes every two milliseconds."""

    async def moving(server: SimServer, changes: int = 20) -> None:
        while True:
            await server.step(changes)
            await asyncio.sleep(0.002)

    return moving


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the longest checks of exchanges through ccxt to ``nox -s conformance``, which writes reports.

    F2 everywhere, and F1 everywhere but for Backpack: faults over real time are in ``test_ccxt_generic``.
    """
    if config.getoption("--conformance-report"):
        return
    long = [item for item in items if "test_ccxt_conformance" in item.nodeid and _waits(item)]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in set(long)]


def _waits(item: pytest.Item) -> bool:
    is_first = "TestBackpack" in item.nodeid
    return "::test_f2_" in item.nodeid or ("::test_f1_" in item.nodeid and not is_first)
