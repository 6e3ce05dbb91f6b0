"""Proxies: everything goes through them or fails. Real proxies, and a trap where the exchange would be met directly."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from typing import Any

import attrs
import pytest
import trustme
from aiohttp import web

from tickwire import ConfigError, ConnectionLostError, TickwireError
from tickwire.native import NativeTransport
from tickwire.native.proxies import Proxy
from tickwire.plugin import Ending, Frame, Located, Network, Request

WITHIN = 5.0
NAME = "exchange.invalid"
SCHEMES = ["http", "socks4", "socks4a", "socks5", "socks5h"]
REMOTE = [scheme for scheme in SCHEMES if scheme != "socks4"]
KIND = {"http": "HTTP"} | dict.fromkeys(SCHEMES[1:], "SOCKS")
ENGINES = [
    "aiohttp",
    pytest.param(
        "picows",
        marks=pytest.mark.skipif(
            find_spec("picows") is None, reason="picows is not installed: pip install 'tickwire[speed]'"
        ),
    ),
]


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a test within a time limit; it must leave no task behind."""

    async def checked() -> None:
        async with asyncio.timeout(2 * WITHIN):
            await main
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(checked())


@asynccontextmanager
async def exchange(tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve REST and an echoing WebSocket on loopback; gives the port."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade") != "websocket":
            return web.json_response({"path": request.path_qs, "host": request.host})
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            await ws.send_str(message.data)
        return ws

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@attrs.define
class ProxyServer:
    """One proxy.

    Attributes:
        routes: To which port a target leads, by ``host:port``: names that only the proxy can resolve, or the trap's.
        user: Of the credentials it wants, ``user:password``; empty: none.
        manner: ``honest``; ``refuses`` the target; ``hangs`` up at once; ``silent``; ``resets`` once it has agreed.
        asked: What was asked for, ``socks5 host:port``, in order.
    """

    routes: Mapping[str, int] = attrs.field(factory=dict)
    user: str = ""
    manner: str = "honest"
    port: int = 0
    asked: list[str] = attrs.field(factory=list)
    _open: dict[asyncio.Task[None], asyncio.StreamWriter] = attrs.field(factory=dict)

    def url(self, scheme: str, user: str = "") -> str:
        return f"{scheme}://{f'{user}@' if user else ''}127.0.0.1:{self.port}"

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[asyncio.create_task(self._handle(reader, writer))] = writer

    async def leave(self) -> None:
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        for writer in self._open.values():  # a task that was cancelled before its first step has closed nothing
            await _close(writer)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.manner == "silent":
                await reader.read()
            elif self.manner != "hangs":
                first = await reader.readexactly(1)
                speak = {b"\x04": self._socks4, b"\x05": self._socks5}.get(first)
                if speak is not None:
                    await speak(reader, writer)
                else:
                    await self._http(first, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            await _close(writer)

    async def _socks5(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        methods = await reader.readexactly((await reader.readexactly(1))[0])
        wanted = 2 if self.user else 0
        if wanted not in methods:
            writer.write(b"\x05\xff")
            return
        writer.write(bytes([5, wanted]))
        if wanted:
            await reader.readexactly(1)
            user = await reader.readexactly((await reader.readexactly(1))[0])
            password = await reader.readexactly((await reader.readexactly(1))[0])
            is_right = b":".join((user, password)).decode() == self.user
            writer.write(b"\x01\x00" if is_right else b"\x01\x01")
            if not is_right:
                return
        _, command, _, kind = await reader.readexactly(4)
        assert command == 1
        if kind == 1:
            host = socket.inet_ntop(socket.AF_INET, await reader.readexactly(4))
        else:
            assert kind == 3
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        port = int.from_bytes(await reader.readexactly(2), "big")
        granted, refused = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", b"\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00"
        await self._tunnel("socks5", host, port, granted, refused, reader, writer)

    async def _socks4(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command, port, address = struct.unpack("!BH4s", await reader.readexactly(7))
        assert command == 1
        user = (await reader.readuntil(b"\x00"))[:-1].decode()
        scheme, host = "socks4", socket.inet_ntop(socket.AF_INET, address)
        if address[:3] == b"\x00\x00\x00" and address[3]:
            scheme, host = "socks4a", (await reader.readuntil(b"\x00"))[:-1].decode()
        if user != self.user.partition(":")[0]:
            writer.write(b"\x00\x5d\x00\x00\x00\x00\x00\x00")
            return
        granted, refused = b"\x00\x5a" + b"\x00" * 6, b"\x00\x5b" + b"\x00" * 6
        await self._tunnel(scheme, host, port, granted, refused, reader, writer)

    async def _http(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = first + await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        assert method == "CONNECT", head
        host, _, port = target.rpartition(":")
        sent = [line[21:] for line in head.decode().split("\r\n") if line.startswith("Proxy-Authorization: ")]
        if sent != ([f"Basic {base64.b64encode(self.user.encode()).decode()}"] if self.user else []):
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        granted, refused = b"HTTP/1.1 200 Connection established\r\n\r\n", b"HTTP/1.1 403 Forbidden\r\n\r\n"
        await self._tunnel("http", host, int(port), granted, refused, reader, writer)

    async def _tunnel(
        self,
        scheme: str,
        host: str,
        port: int,
        granted: bytes,
        refused: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.asked.append(f"{scheme} {host}:{port}")
        if self.manner == "refuses":
            writer.write(refused)
            return
        if self.manner == "resets":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.write(granted)
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.routes[f"{host}:{port}"])
        writer.write(granted)
        try:
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        finally:
            await _close(back)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


@asynccontextmanager
async def proxying(proxy: ProxyServer) -> AsyncIterator[ProxyServer]:
    """Run a proxy."""
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        for _ in range(5):  # asyncio loses whom it has just accepted when the server closes before he is handed over
            await asyncio.sleep(0)
        server.close()
        await proxy.leave()


@attrs.define
class Trap:
    """What stands where the exchange would be reached directly: nobody may come."""

    port: int = 0
    visits: int = 0

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        writer.close()


@asynccontextmanager
async def trapping() -> AsyncIterator[Trap]:
    """Listen, and see to it that nobody came."""
    trap = Trap()
    server = await asyncio.start_server(trap.accept, "127.0.0.1", 0)
    trap.port = server.sockets[0].getsockname()[1]
    try:
        yield trap
        for _ in range(10):
            await asyncio.sleep(0)
    finally:
        server.close()
    assert trap.visits == 0


Use = Callable[[NativeTransport, str], Coroutine[Any, Any, None]]


async def over_rest(transport: NativeTransport, authority: str) -> None:
    answer = await transport.fetch(Request("GET", "/api", {"a": 1}))
    assert json.loads(answer.body) == {"path": "/api?a=1", "host": authority}


async def over_websocket(transport: NativeTransport, authority: str, scheme: str = "ws") -> None:
    frames: asyncio.Queue[bytes] = asyncio.Queue()
    endings: list[Ending] = []

    def on_frame(frame: Frame) -> None:
        frames.put_nowait(frame.payload)

    connection = await transport.connect(Located(f"{scheme}://{authority}/ws"), on_frame, endings.append)
    connection.send(b"hello")
    assert await asyncio.wait_for(frames.get(), WITHIN) == b"hello"
    await connection.close()
    assert endings == [Ending(1000, "closed by us")]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["rest", "websocket"])
def use(request: pytest.FixtureRequest) -> Use:
    return over_rest if request.param == "rest" else over_websocket


WORDS: Mapping[Use, str] = {over_rest: "the request", over_websocket: "the WebSocket connection"}


@asynccontextmanager
async def behind(
    proxy_url: str, authority: str, engine: str, *, timeout: float = WITHIN, tls: str = "", ca_file: str | None = None
) -> AsyncIterator[NativeTransport]:
    transport = NativeTransport(
        Network(
            (f"http{tls}://{authority}",), {}, proxy_url, proxy_url, timeout, engine, ca_file, path="exchanges.binance"
        )
    )
    try:
        yield transport
    finally:
        await transport.close()


async def failing(transport: NativeTransport, authority: str, use: Use) -> TickwireError:
    with pytest.raises(TickwireError) as caught:
        await use(transport, authority)
    return caught.value


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the names that this machine resolves."""
    names: list[str] = []
    resolve = socket.getaddrinfo

    def spy(host: Any, *args: Any, **options: Any) -> Any:
        names.append(host)
        return resolve(host, *args, **options)

    monkeypatch.setattr("socket.getaddrinfo", spy)
    return names


@pytest.mark.parametrize("scheme", SCHEMES)
def test_everything_goes_through_the_proxy(scheme: str, engine: str, use: Use) -> None:
    async def main() -> None:
        async with exchange() as port, trapping() as trap:
            authority = f"127.0.0.1:{trap.port}"
            proxy = ProxyServer({authority: port})
            async with proxying(proxy), behind(proxy.url(scheme), authority, engine) as transport:
                await use(transport, authority)
            # an address is an address: socks4a has nothing to add to socks4 then
            assert proxy.asked == [f"{scheme.rstrip('ah') if scheme != 'http' else scheme} {authority}"]

    run(main())


@pytest.mark.parametrize("scheme", REMOTE)
def test_the_proxy_resolves_the_exchanges_name(scheme: str, engine: str, use: Use, resolved: list[str]) -> None:
    async def main() -> None:
        async with exchange() as port, proxying(ProxyServer({f"{NAME}:80": port})) as proxy:
            async with behind(proxy.url(scheme), NAME, engine) as transport:
                await use(transport, NAME)
            assert proxy.asked == [f"{scheme.removesuffix('h')} {NAME}:80"]

    run(main())
    assert NAME not in resolved


def test_socks4_has_no_names_so_this_machine_resolves_them(engine: str, use: Use) -> None:
    async def main() -> None:
        async with proxying(ProxyServer()) as proxy, behind(proxy.url("socks4"), NAME, engine) as transport:
            error = await failing(transport, NAME, use)
            assert f"(name not resolved, through the SOCKS proxy 127.0.0.1:{proxy.port})" in str(error)
            assert proxy.asked == []

    run(main())


@pytest.mark.parametrize("scheme", REMOTE)
def test_tls_is_spoken_with_the_exchange_through_the_proxy(scheme: str, engine: str, tmp_path: Any) -> None:
    authority = trustme.CA()
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(NAME).configure_cert(served)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    async def main() -> None:
        async with exchange(served) as port, proxying(ProxyServer({f"{NAME}:443": port})) as proxy:
            url = proxy.url(scheme)
            async with behind(url, NAME, engine, tls="s", ca_file=str(tmp_path / "ca.pem")) as transport:
                await over_rest(transport, NAME)
                await over_websocket(transport, NAME, "wss")
            async with behind(url, NAME, engine, tls="s") as transport:
                for use in (over_rest, lambda transport, name: over_websocket(transport, name, "wss")):
                    error = await failing(transport, NAME, use)
                    assert "its certificate is not trusted" in str(error)
                    assert f", through the {KIND[scheme]} proxy 127.0.0.1:{proxy.port})" in str(error)
            assert len(proxy.asked) == 4

    run(main())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_proxy_gets_its_credentials(scheme: str, engine: str, use: Use) -> None:
    async def main() -> None:
        async with exchange() as port, trapping() as trap:
            authority = f"127.0.0.1:{trap.port}"
            async with proxying(ProxyServer({authority: port}, user="bob:p@ss word")) as proxy:
                url = proxy.url(scheme, "bob:p%40ss%20word")
                async with behind(url, authority, engine) as transport:
                    await use(transport, authority)
            assert len(proxy.asked) == 1

    run(main())


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("user", ["", "eve:hunter2"])
def test_a_proxy_that_wants_other_credentials_is_an_error_that_shows_none(
    scheme: str, user: str, engine: str, use: Use
) -> None:
    async def main() -> None:
        async with trapping() as trap, proxying(ProxyServer(user="bob:secret")) as proxy:
            authority = f"127.0.0.1:{trap.port}"
            async with behind(proxy.url(scheme, user), authority, engine) as transport:
                error = await failing(transport, authority, use)
            assert type(error) is ConnectionLostError
            assert str(error).startswith(f"the {KIND[scheme]} proxy 127.0.0.1:{proxy.port} refused {WORDS[use]}")
            assert str(error).endswith(" → nothing was sent directly; check exchanges.binance.proxy")
            assert "hunter2" not in f"{error!r}{error}{error.__cause__!r}"
            assert proxy.asked == []

    run(main())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_proxy_that_refuses_is_an_error_and_nothing_goes_out_directly(scheme: str, engine: str, use: Use) -> None:
    async def main() -> None:
        async with trapping() as trap, proxying(ProxyServer(manner="refuses")) as proxy:
            authority = f"127.0.0.1:{trap.port}"
            async with behind(proxy.url(scheme), authority, engine) as transport:
                error = await failing(transport, authority, use)
        assert type(error) is ConnectionLostError
        assert str(error).startswith(f"the {KIND[scheme]} proxy 127.0.0.1:{proxy.port} refused {WORDS[use]}")
        assert error.hint == "nothing was sent directly; check exchanges.binance.proxy"

    run(main())


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("manner", ["hangs", "resets"])
def test_a_proxy_that_hangs_up_at_once_or_once_it_agreed_is_not_gone_round(
    scheme: str, manner: str, engine: str, use: Use
) -> None:
    async def main() -> None:
        async with trapping() as trap, proxying(ProxyServer(manner=manner)) as proxy:
            authority = f"127.0.0.1:{trap.port}"
            async with behind(proxy.url(scheme), authority, engine) as transport:
                for _ in range(5):
                    error = await failing(transport, authority, use)
                    assert type(error) is ConnectionLostError
                    assert f"the {KIND[scheme]} proxy 127.0.0.1:{proxy.port}" in error.message
                    assert error.hint == "nothing was sent directly; check exchanges.binance.proxy"

    run(main())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_proxy_that_is_down_is_an_error(scheme: str, engine: str, use: Use) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        async with trapping() as trap:
            authority = f"127.0.0.1:{trap.port}"
            async with behind(f"{scheme}://127.0.0.1:{port}", authority, engine) as transport:
                error = await failing(transport, authority, use)
        assert type(error) is ConnectionLostError
        assert str(error) == (
            f"the {KIND[scheme]} proxy 127.0.0.1:{port} cannot be reached for {WORDS[use]} → "
            "nothing was sent directly; check exchanges.binance.proxy"
        )

    run(main())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_proxy_that_says_nothing_is_given_up_within_the_time_out(scheme: str, engine: str, use: Use) -> None:
    async def main() -> None:
        async with trapping() as trap, proxying(ProxyServer(manner="silent")) as proxy:
            authority = f"127.0.0.1:{trap.port}"
            async with behind(proxy.url(scheme), authority, engine, timeout=0.1) as transport:
                error = await failing(transport, authority, use)
            assert type(error) is ConnectionLostError
            assert str(error).endswith(
                f"(no answer within the time-out, through the {KIND[scheme]} proxy 127.0.0.1:{proxy.port}) → "
                "nothing was sent directly; check exchanges.binance.proxy"
            )

    run(main())


def test_rest_and_websocket_may_have_a_proxy_each(engine: str) -> None:
    async def main() -> None:
        async with exchange() as port, trapping() as trap:
            authority = f"127.0.0.1:{trap.port}"
            async with (
                proxying(ProxyServer({authority: port})) as first,
                proxying(ProxyServer({authority: port})) as second,
            ):
                network = Network((f"http://{authority}",), {}, first.url("http"), second.url("socks5"), engine=engine)
                transport = NativeTransport(network)
                await over_rest(transport, authority)
                assert (first.asked, second.asked) == ([f"http {authority}"], [])
                await over_websocket(transport, authority)
                await transport.close()
            assert (first.asked, second.asked) == ([f"http {authority}"], [f"socks5 {authority}"])

    run(main())


def test_proxies_of_the_environment_are_not_used(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:1")

    async def main() -> None:
        async with exchange() as port:
            authority = f"127.0.0.1:{port}"
            transport = NativeTransport(Network((f"http://{authority}",), {}, engine=engine))
            await over_rest(transport, authority)
            await over_websocket(transport, authority)
            await transport.close()

    run(main())


# --- the setting


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://10.0.0.7", Proxy("http", "10.0.0.7", 8080, setting="p")),
        ("socks5://10.0.0.7", Proxy("socks5", "10.0.0.7", 1080, setting="p")),
        ("socks5h://bob:a%3Ab@proxy.example:9", Proxy("socks5h", "proxy.example", 9, "bob", "a:b", "p")),
        ("SOCKS4://bob@[::1]:9/", Proxy("socks4", "::1", 9, "bob", "", "p")),
    ],
)
def test_a_proxy_is_read_from_its_url(url: str, proxy: Proxy) -> None:
    assert Proxy.parse(url, "p") == proxy


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://bob:hunter2@10.0.0.7:1", "a proxy of scheme 'https' cannot be used"),
        ("ftp://10.0.0.7", "a proxy of scheme 'ftp' cannot be used"),
        ("10.0.0.7:1080", "a proxy without a scheme cannot be used"),
        ("hunter2:hunter2@10.0.0.7:1080", "a proxy without a scheme cannot be used"),
        ("http://bob:hunter2@", "the proxy is not scheme://host:port"),
        ("http://10.0.0.7/hunter2", "the proxy is not scheme://host:port"),
        ("http://bob:hunter2@10.0.0.7:x", "the proxy is not a URL"),
        ("socks5://bob:hunter2é@10.0.0.7", "the proxy's user and password must be ASCII"),
        ("socks5://b%3Ab:hunter2@10.0.0.7", "the proxy's user and password must be ASCII"),
    ],
)
def test_a_proxy_that_cannot_be_honoured_is_refused_before_anything_is_sent(url: str, message: str) -> None:
    for rest, websocket in ((url, None), (None, url)):
        with pytest.raises(ConfigError) as caught:
            NativeTransport(Network(("http://a",), {}, rest, websocket, path="exchanges.binance"))
        assert str(caught.value).startswith(f"exchanges.binance.proxy: {message}")
        assert "hunter2" not in f"{caught.value!r}{caught.value}"


def test_a_proxy_shows_no_credentials() -> None:
    proxy = Proxy.parse("socks5://hunter2:hunter2@10.0.0.7:1080")
    assert str(proxy) == "SOCKS proxy 10.0.0.7:1080"
    assert "hunter2" not in repr(proxy)
