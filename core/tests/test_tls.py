"""Whom a transport trusts: the authorities of one file, or the system's; REST and both WebSocket engines alike."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from tickwire import ConfigError, ConnectionLostError
from tickwire.native import NativeTransport
from tickwire.plugin import Ending, Frame, Located, Network, Request

WITHIN = 5.0


@pytest.fixture(
    params=[
        "aiohttp",
        pytest.param(
            "picows",
            marks=pytest.mark.skipif(
                find_spec("picows") is None, reason="picows is not installed: pip install 'tickwire[speed]'"
            ),
        ),
    ]
)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run(main: Coroutine[Any, Any, None]) -> None:
    async def checked() -> None:
        async with asyncio.timeout(2 * WITHIN):
            await main
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(checked())


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@asynccontextmanager
async def exchange(authority: trustme.CA, name: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve REST, and a WebSocket that sends 3 megabytes; gives host and port."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade") != "websocket":
            return web.json_response([1])
        if request.path == "/refused":
            return web.Response(status=503)
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        for number in range(300):
            await ws.send_bytes(bytes([number % 256]) * 10_000)
        async for message in ws:
            await ws.send_str(message.data)
        return ws

    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(tls)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def trusting(ca_file: str | None, authority: str, engine: str) -> AsyncIterator[NativeTransport]:
    transport = NativeTransport(Network((f"https://{authority}",), {}, engine=engine, tls_ca_file=ca_file))
    try:
        yield transport
    finally:
        await transport.close()


def test_the_authorities_of_the_file_are_trusted(authority: trustme.CA, ca_file: str, engine: str) -> None:
    async def main() -> None:
        frames: asyncio.Queue[bytes] = asyncio.Queue()
        endings: list[Ending] = []

        def on_frame(frame: Frame) -> None:
            frames.put_nowait(frame.payload)

        async with exchange(authority) as host, trusting(ca_file, host, engine) as transport:
            assert json.loads((await transport.fetch(Request("GET", "/"))).body) == [1]
            connection = await transport.connect(Located(f"wss://{host}/"), on_frame, endings.append)
            connection.pause()
            connection.resume()
            for number in range(300):
                assert await asyncio.wait_for(frames.get(), WITHIN) == bytes([number % 256]) * 10_000
            connection.send(b"a" * 500_000)
            connection.send(b"b")
            assert await asyncio.wait_for(frames.get(), WITHIN) == b"a" * 500_000
            assert await asyncio.wait_for(frames.get(), WITHIN) == b"b"
            await connection.close()
            assert endings == [Ending(1000, "closed by us")]

    run(main())


def test_a_paused_connection_stops_reading_under_tls_too(authority: trustme.CA, ca_file: str, engine: str) -> None:
    async def main() -> None:
        frames: list[bytes] = []
        told = asyncio.Event()

        def on_frame(frame: Frame) -> None:
            frames.append(frame.payload)
            told.set()

        async with exchange(authority) as host, trusting(ca_file, host, engine) as transport:
            connection = await transport.connect(Located(f"wss://{host}/"), on_frame, lambda ending: None)
            connection.pause()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(told.wait(), 0.2)
            assert frames == []
            connection.resume()
            async with asyncio.timeout(WITHIN):
                while len(frames) < 300:
                    told.clear()
                    await told.wait()
            assert frames == [bytes([number % 256]) * 10_000 for number in range(300)]

    run(main())


@pytest.mark.parametrize("trusted", ["the system's", "another's", "a name's"])
def test_whoever_is_not_vouched_for_is_not_spoken_to(
    trusted: str, authority: trustme.CA, ca_file: str, engine: str, tmp_path: Path
) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    file = {"the system's": None, "another's": str(tmp_path / "other.pem"), "a name's": ca_file}[trusted]
    name = "other.example" if trusted == "a name's" else "127.0.0.1"

    async def main() -> None:
        async with exchange(authority, name) as host, trusting(file, host, engine) as transport:
            for dialling in (
                transport.fetch(Request("GET", "/")),
                transport.connect(Located(f"wss://{host}/"), lambda frame: None, lambda ending: None),
            ):
                with pytest.raises(ConnectionLostError, match=r"cannot reach .* \(its certificate is not trusted: .*"):
                    await dialling

    run(main())


def test_an_upgrade_refused_under_tls_is_told_at_once(authority: trustme.CA, ca_file: str, engine: str) -> None:
    async def main() -> None:
        async with exchange(authority) as host, trusting(ca_file, host, engine) as transport:
            url = f"wss://{host}/refused"
            with pytest.raises(Exception, match="503 instead of a WebSocket"):
                await transport.connect(Located(url), lambda frame: None, lambda ending: None)

    run(main())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read (no such file or directory)"),
        (b"", "holds no certificate"),
        (b"x", "holds no certificate"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(content: bytes | None, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        NativeTransport(Network(("https://a",), {}, tls_ca_file=str(file), path="exchanges.binance"))
    assert str(caught.value).startswith(f"exchanges.binance.tls.ca_file: {str(file)!r} {problem}")
    assert str(caught.value).endswith(" → name a PEM file with the certificates of the authorities to trust")
