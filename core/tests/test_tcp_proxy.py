"""The proxy that tests put before a server: it passes bytes, and cuts, stalls and slows as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tickwire.testing import TcpProxy


@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    """A server that says everything again."""
    handlers: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        if handlers:
            await asyncio.wait(handlers)


async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    writer.write(data)
    await writer.drain()
    return await reader.readexactly(len(data))


def test_bytes_pass_both_ways_until_it_is_cut_and_again_on_the_same_port() -> None:
    async def main() -> None:
        async with echo() as port, TcpProxy("127.0.0.1", port) as proxy:
            reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
            assert await said(reader, writer, b"x" * 300_000) == b"x" * 300_000
            await proxy.cut()
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await said(reader, writer, b"more")
            writer.close()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(proxy.host, proxy.port)
            await proxy.restore()
            reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
            assert await said(reader, writer, b"again") == b"again"
            assert proxy.connections == 2
            writer.close()

    asyncio.run(main())


def test_a_stalled_one_takes_connections_and_answers_nothing_until_it_flows() -> None:
    async def main() -> None:
        async with echo() as port, TcpProxy("127.0.0.1", port) as proxy:
            proxy.stall()
            reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
            answer = asyncio.create_task(said(reader, writer, b"hello"))
            await asyncio.wait([answer], timeout=0.1)
            assert not answer.done()
            proxy.flow()
            assert await answer == b"hello"
            writer.close()

    asyncio.run(main())


def test_a_slow_one_takes_at_least_its_time() -> None:
    async def main() -> None:
        async with echo() as port, TcpProxy("127.0.0.1", port) as proxy:
            proxy.slow(10_000)
            loop = asyncio.get_running_loop()
            reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
            began = loop.time()
            assert await said(reader, writer, b"x" * 2_000) == b"x" * 2_000
            assert loop.time() - began >= 0.2
            writer.close()

    asyncio.run(main())


def test_who_connects_while_the_server_is_away_is_let_go() -> None:
    async def main() -> None:
        async with echo() as port:
            pass
        async with TcpProxy("127.0.0.1", port) as proxy:
            reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await said(reader, writer, b"hello")
            writer.close()

    asyncio.run(main())


def test_it_closes_twice_and_with_connections_open() -> None:
    async def main() -> None:
        async with echo() as port:
            proxy = TcpProxy("127.0.0.1", port)
            await proxy.restore()
            reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
            assert await said(reader, writer, b"x") == b"x"
            await proxy.close()
            await proxy.close()
            assert await reader.read() == b""
            writer.close()

    asyncio.run(main())
