"""WebSocket connections over real sockets: every frame as bytes, every ending a value, told exactly once.

Each test runs on each engine: what a feed sees must not depend on which one is installed.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from itertools import count, pairwise
from typing import Any

import aiohttp
import attrs
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tickwire import (
    ConfigError,
    ConnectionLostError,
    ExchangeUnavailableError,
    RateLimitedError,
    RefusedError,
    RequestRejectedError,
    RetryableError,
    TickwireError,
)
from tickwire.native import NativeTransport
from tickwire.plugin import Connection, Ending, Frame, Located, Network, Probing

MEGA = 2**20
WITHIN = 5.0  # no test waits that long; a broken one must not hang


def needing(*names: str) -> list[pytest.MarkDecorator]:
    reason = "{} is not installed: pip install 'tickwire[speed]'"
    return [pytest.mark.skipif(find_spec(name) is None, reason=reason.format(name)) for name in names]


ENGINES = [
    "aiohttp",
    pytest.param("picows", marks=needing("picows")),
    pytest.param("picows on uvloop", marks=needing("picows", "uvloop")),
]


@attrs.define
class Chosen:
    """What the connections of a test are made with."""

    engine: str | None = None
    new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
    compress: bool = False
    ping_every: float = 20.0
    pong_within: float = WITHIN

    def transport(self, timeout: float = WITHIN) -> NativeTransport:
        made = NativeTransport(Network((), {}, timeout=timeout, engine=self.engine, compress=self.compress))
        assert made.engine == self.engine
        made.ping_every, made.pong_within = self.ping_every, self.pong_within
        return made


CHOSEN = Chosen()


@pytest.fixture(params=ENGINES, autouse=True)
def engine(request: pytest.FixtureRequest) -> str:
    name, _, loop = request.param.partition(" on ")
    CHOSEN.engine, CHOSEN.compress, CHOSEN.ping_every, CHOSEN.pong_within = name, False, 20.0, WITHIN
    CHOSEN.new_loop = import_module(loop).new_event_loop if loop else None
    return str(name)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a test within a time limit; it must leave no task behind."""

    async def checked() -> None:
        async with asyncio.timeout(2 * WITHIN):
            await main
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with asyncio.Runner(loop_factory=CHOSEN.new_loop) as runner:
        runner.run(checked())


@attrs.define
class Heard:
    """What a connection tells."""

    frames: list[Frame] = attrs.field(factory=list)
    endings: list[Ending] = attrs.field(factory=list)
    told: asyncio.Event = attrs.field(factory=asyncio.Event)

    def on_frame(self, frame: Frame) -> None:
        assert self.endings == []
        self.frames.append(frame)
        self.told.set()

    def on_close(self, ending: Ending) -> None:
        self.endings.append(ending)
        self.told.set()

    @property
    def payloads(self) -> list[bytes]:
        return [frame.payload for frame in self.frames]

    async def until(self, is_there: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN):
            while not is_there():
                self.told.clear()
                await self.told.wait()

    async def until_frames(self, number: int) -> list[bytes]:
        await self.until(lambda: len(self.frames) >= number)
        return self.payloads

    async def until_ended(self) -> Ending:
        await self.until(lambda: bool(self.endings))
        (ending,) = self.endings
        return ending


Serve = Callable[[web.WebSocketResponse, web.Request], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve, **options: Any) -> AsyncIterator[str]:
    """Accept any WebSocket on loopback and hand it to ``serve``; gives the URL."""

    async def accept(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(**options)
        await ws.prepare(request)
        await serve(ws, request)
        return ws

    async with answering(accept) as url:
        yield url


@asynccontextmanager
async def answering(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """Answer any request on loopback; gives the URL, as a socket's."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/stream"
    finally:
        await runner.cleanup()


Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def speaking(speak: Speak) -> AsyncIterator[str]:
    """Hand every connection to ``speak``, for a peer that breaks the protocol; gives the URL."""
    handling: list[asyncio.Task[None]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await speak(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handling.append(asyncio.create_task(handle(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        for _ in range(5):  # asyncio loses whom it has just accepted when the server closes before he is handed over
            await asyncio.sleep(0)
        server.close()
        await asyncio.gather(*handling, return_exceptions=True)


async def upgrade(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    accept: bytes = b"",
    *,
    extensions: bytes = b"",
    then: bytes = b"",
) -> None:
    """Answer the upgrade by hand."""
    head = await reader.readuntil(b"\r\n\r\n")
    (key,) = [line[18:].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:")]
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: "
        + (accept or base64.b64encode(digest))
        + (b"\r\nSec-WebSocket-Extensions: " + extensions if extensions else b"")
        + b"\r\n\r\n"
        + then
    )


async def until_closed(reader: asyncio.StreamReader) -> None:
    """Read small frames of the client up to its close."""
    while (head := await reader.readexactly(2))[0] != 0x88:
        await reader.readexactly(4 + (head[1] & 0x7F))


@asynccontextmanager
async def raw(speak: Speak) -> AsyncIterator[str]:
    """Upgrade, then hand the connection to ``speak``; gives the URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        await speak(reader, writer)

    async with speaking(serve) as url:
        yield url


@asynccontextmanager
async def connected(url: str, heard: Heard, *, timeout: float = WITHIN, token: str = "") -> AsyncIterator[Connection]:
    transport = CHOSEN.transport(timeout)
    try:
        connection = await transport.connect(Located(url, {"X-Token": token}), heard.on_frame, heard.on_close)
        try:
            yield connection
        finally:
            await connection.close()
            assert len(heard.endings) == 1
    finally:
        await transport.close()


async def refused(url: str, *, timeout: float = WITHIN) -> TickwireError:
    """Give the error that dialling ends in; neither callback is called then."""
    heard = Heard()
    transport = CHOSEN.transport(timeout)
    try:
        with pytest.raises(TickwireError) as caught:
            await transport.connect(Located(url), heard.on_frame, heard.on_close)
    finally:
        await transport.close()
    assert (heard.frames, heard.endings) == ([], [])
    return caught.value


async def silent(ws: web.WebSocketResponse, request: web.Request) -> None:
    """Read until the client closes."""
    async for _ in ws:
        pass


async def echo(ws: web.WebSocketResponse, request: web.Request) -> None:
    async for message in ws:
        await ws.send_str(message.data)


# --- frames


def test_text_and_binary_frames_arrive_as_bytes_in_order() -> None:
    async def serve(ws: web.WebSocketResponse, request: web.Request) -> None:
        await ws.send_str('{"a":"€"}')
        await ws.send_bytes(b"\x00\xff")
        await ws.send_str("")
        await silent(ws, request)

    async def main() -> None:
        heard = Heard()
        async with listening(serve) as url, connected(url, heard):
            payloads = await heard.until_frames(3)
        assert payloads == ['{"a":"€"}'.encode(), b"\x00\xff", b""]
        assert {type(payload) for payload in payloads} == {bytes}

    run(main())


def test_frames_are_dated_by_the_wall_clock_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count(1_788_367_431_000_000_000)
    monkeypatch.setattr("time.time_ns", lambda: next(ticks))

    async def serve(ws: web.WebSocketResponse, request: web.Request) -> None:
        for text in "ab":
            await ws.send_str(text)
        await silent(ws, request)

    async def main() -> None:
        heard = Heard()
        async with listening(serve) as url, connected(url, heard):
            await heard.until_frames(2)
        assert heard.frames == [Frame(b"a", 1_788_367_431_000_000_000), Frame(b"b", 1_788_367_431_000_000_001)]

    run(main())


def test_a_frame_in_fragments_arrives_whole() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x01\x02ab" + b"\x89\x01p" + b"\x00\x01c" + b"\x80\x01d")  # a ping may stand between
        await reader.read(1)  # our close

    async def main() -> None:
        heard = Heard()
        async with raw(serve) as url, connected(url, heard):
            assert await heard.until_frames(1) == [b"abcd"]

    run(main())


def test_a_large_frame_below_the_limit_arrives() -> None:
    async def serve(ws: web.WebSocketResponse, request: web.Request) -> None:
        await ws.send_bytes(b"x" * (10 * MEGA - 1))
        await silent(ws, request)

    async def main() -> None:
        heard = Heard()
        async with listening(serve) as url, connected(url, heard):
            (payload,) = await heard.until_frames(1)
        assert len(payload) == 10 * MEGA - 1

    run(main())


def test_what_is_sent_keeps_its_order_and_is_text() -> None:
    async def serve(ws: web.WebSocketResponse, request: web.Request) -> None:
        async for message in ws:
            kinds.add(message.type)
            await ws.send_str(message.data)

    async def main() -> None:
        heard = Heard()
        async with listening(serve) as url, connected(url, heard) as connection:
            for number in range(500):
                connection.send(f"€{number}".encode())
            assert await heard.until_frames(500) == [f"€{number}".encode() for number in range(500)]

    kinds: set[aiohttp.WSMsgType] = set()
    run(main())
    assert kinds == {aiohttp.WSMsgType.TEXT}


def test_located_headers_go_along_and_nothing_is_compressed() -> None:
    async def serve(ws: web.WebSocketResponse, request: web.Request) -> None:
        seen.append((request.headers["X-Token"], request.headers["User-Agent"][:9], ws.compress, request.path_qs))
        await silent(ws, request)

    async def main() -> None:
        async with listening(serve) as url, connected(f"{url}?token=t", Heard(), token="t"):
            pass

    seen: list[object] = []
    run(main())
    assert seen == [("t", "tickwire/", False, "/stream?token=t")]


def test_a_ping_of_the_exchange_is_answered_and_is_no_frame() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x89\x03abc")
        head = await reader.readexactly(2)
        mask, masked = await reader.readexactly(4), await reader.readexactly(3)
        pongs.append((head, bytes(byte ^ mask[i] for i, byte in enumerate(masked))))
        writer.write(b"\x81\x04done")
        await reader.read(1)  # our close

    async def main() -> None:
        heard = Heard()
        async with raw(serve) as url, connected(url, heard):
            assert await heard.until_frames(1) == [b"done"]

    pongs: list[object] = []
    run(main())
    assert pongs == [(b"\x8a\x83", b"abc")]


def framed(payload: bytes, *, opcode: int = 2, fin: bool = True, rsv1: bool = False) -> bytes:
    """One frame as a server sends it."""
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + struct.pack("!H", size)
    return bytes([fin << 7 | rsv1 << 6 | opcode]) + length + payload


def fragmented(payload: bytes, cuts: Sequence[int], *, opcode: int, rsv1: bool = False) -> bytes:
    """One message in frames, with a ping between each two."""
    edges = [0, *sorted(cut % (len(payload) + 1) for cut in cuts), len(payload)]
    parts = [payload[start:end] for start, end in pairwise(edges)]
    return b"\x89\x01p".join(
        framed(part, opcode=0 if number else opcode, fin=number == len(parts) - 1, rsv1=rsv1 and not number)
        for number, part in enumerate(parts)
    )


MESSAGES = st.lists(
    st.tuples(st.one_of(st.binary(max_size=300), st.text(max_size=200)), st.lists(st.integers(0, 1_000), max_size=4)),
    min_size=1,
    max_size=8,
)


@given(messages=MESSAGES, chunk=st.integers(1, 400), compress=st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_messages_arrive_byte_for_byte_however_they_are_cut_and_compressed(
    messages: Sequence[tuple[bytes | str, Sequence[int]]], chunk: int, compress: bool
) -> None:
    deflater = zlib.compressobj(wbits=-15)
    wire, expected = b"", []
    for message, cuts in messages:
        payload = message.encode() if isinstance(message, str) else message
        expected.append(payload)
        if compress:
            payload = (deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
        wire += fragmented(payload, cuts, opcode=1 if isinstance(message, str) else 2, rsv1=compress)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer, extensions=b"permessage-deflate" if compress else b"")
        for start in range(0, len(wire), chunk):
            writer.write(wire[start : start + chunk])
            await writer.drain()
        await until_closed(reader)

    async def main() -> None:
        CHOSEN.compress = compress
        heard = Heard()
        async with speaking(serve) as url, connected(url, heard):
            assert await heard.until_frames(len(expected)) == expected

    run(main())


def test_frames_that_come_with_the_upgrade_arrive_once_there_is_a_connection() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer, then=b"\x81\x01a\x81\x01b\x88\x02\x03\xe8")
        await reader.read(100)

    async def main() -> None:
        heard = Heard()
        async with speaking(serve) as url, connected(url, heard):
            assert (heard.frames, heard.endings) == ([], [])
            assert await heard.until_ended() == Ending(1000, "closed by the exchange")
        assert heard.payloads == [b"a", b"b"]

    run(main())


def test_nothing_of_the_engine_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x83\x00")
        await reader.read(100)

    async def main() -> None:
        heard = Heard()
        async with raw(serve) as url, connected(f"{url}/?token=s3cret", heard):
            await heard.until_ended()

    caplog.set_level(1)
    run(main())
    assert [record for record in caplog.records if record.name != "asyncio"] == []
    assert logging.root.level == 1


def test_a_user_in_the_url_becomes_a_header_and_no_message_shows_it() -> None:
    async def serve(request: web.Request) -> web.Response:
        seen.append((request.headers.get("Authorization"), request.host, request.path_qs))
        return web.Response(status=200)

    async def main() -> None:
        async with answering(serve) as url:
            host = url.removeprefix("ws://").removesuffix("/stream")
            error = await refused(f"ws://bob:s3cret@{host}/a%2Fb c?token=s3cret#part")
            assert str(error) == f"ws://{host}/a%2Fb c does not speak WebSocket: it answered 200"
            assert seen == [("Basic Ym9iOnMzY3JldA==", host, "/a%2Fb%20c?token=s3cret")]
        error = await refused(f"ws://bob:s3cret@{host}/?token=s3cret")
        assert str(error) == f"cannot reach ws://{host}/ (connection refused)"

    seen: list[object] = []
    run(main())


# --- compression


@asynccontextmanager
async def deflating(wire: bytes, extensions: bytes = b"permessage-deflate") -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer, extensions=extensions)
        writer.write(wire)
        await until_closed(reader)

    CHOSEN.compress = True
    async with speaking(serve) as url:
        yield url


def deflated(payload: bytes, flush: int = zlib.Z_SYNC_FLUSH) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return (deflater.compress(payload) + deflater.flush(flush)).removesuffix(b"\x00\x00\xff\xff")


def test_compression_is_agreed_on_with_a_server_that_has_it() -> None:
    async def serve(ws: web.WebSocketResponse, request: web.Request) -> None:
        seen.append(bool(ws.compress))
        for number in range(100):
            await ws.send_str(f'{{"price": {number}, "size": "€"}}')
        async for message in ws:
            await ws.send_str(message.data)

    async def main() -> None:
        CHOSEN.compress = True
        heard = Heard()
        async with listening(serve) as url, connected(url, heard) as connection:
            assert await heard.until_frames(100) == [
                f'{{"price": {number}, "size": "€"}}'.encode() for number in range(100)
            ]
            connection.send(b"sent " * 100)
            assert (await heard.until_frames(101))[-1] == b"sent " * 100

    seen: list[bool] = []
    run(main())
    assert seen == [True]


@pytest.mark.parametrize(
    "extensions",
    [b"permessage-deflate; server_no_context_takeover", b"permessage-deflate; server_max_window_bits=12"],
)
def test_what_a_server_may_say_about_its_compression_is_taken(extensions: bytes) -> None:
    async def main() -> None:
        heard = Heard()
        wire = framed(deflated(b"a" * 100), opcode=1, rsv1=True) * 2
        async with deflating(wire, extensions) as url, connected(url, heard):
            assert await heard.until_frames(2) == [b"a" * 100] * 2

    run(main())


def test_plain_frames_may_stand_between_compressed_ones() -> None:
    async def main() -> None:
        heard = Heard()
        wire = framed(deflated(b"a" * 100), rsv1=True) + framed(b"plain") + framed(deflated(b"b" * 100), rsv1=True)
        async with deflating(wire) as url, connected(url, heard):
            assert await heard.until_frames(3) == [b"a" * 100, b"plain", b"b" * 100]

    run(main())


@pytest.mark.parametrize(
    ("payload", "code"), [(deflated(b"x" * (10 * MEGA + 1)), 1009), (b"\xff\xff\xff", 1007), (deflated(b"\xff"), 1007)]
)
def test_what_cannot_be_inflated_is_an_ending(payload: bytes, code: int) -> None:
    async def main() -> None:
        heard = Heard()
        async with deflating(framed(payload, opcode=1, rsv1=True)) as url, connected(url, heard):
            assert (await heard.until_ended()).code == code
        assert heard.frames == []

    run(main())


class OtherZlib:
    """An inflater that some library of the process gave to aiohttp: as zlib, with errors of its own."""

    error = type("error", (Exception,), {"__module__": "zlib_ng.zlib_ng"})

    def __getattr__(self, name: str) -> Any:
        return getattr(zlib, name)

    def decompressobj(self, *arguments: Any, **named: Any) -> Any:
        return OtherInflater(zlib.decompressobj(*arguments, **named))


@attrs.define
class OtherInflater:
    below: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.below, name)

    def decompress(self, *arguments: Any) -> bytes:
        try:
            return bytes(self.below.decompress(*arguments))
        except zlib.error as error:
            raise OtherZlib.error(str(error)) from error


def test_what_another_inflater_cannot_inflate_is_the_same_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        heard = Heard()
        async with deflating(framed(b"\xff\xff\xff", opcode=1, rsv1=True)) as url, connected(url, heard):
            assert (await heard.until_ended()).code == 1007

    backend = aiohttp.compression_utils.ZLibBackend
    monkeypatch.setattr(backend, "_zlib_backend", OtherZlib())
    run(main())


# --- pings of ours


def test_an_idle_peer_is_pinged_and_kept_while_it_answers() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(4):
            pings.append((await reader.readexactly(6))[:2])
            writer.write(b"\x8a\x00")
        writer.write(b"\x81\x04done")
        await reader.read(100)

    async def main() -> None:
        CHOSEN.ping_every = 0.05
        heard = Heard()
        async with raw(serve) as url, connected(url, heard):
            assert await heard.until_frames(1) == [b"done"]
        assert heard.endings == [Ending(1000, "closed by us")]

    pings: list[bytes] = []
    run(main())
    assert pings == [b"\x89\x80"] * 4


def test_a_peer_that_answers_no_ping_has_ended() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def main() -> None:
        CHOSEN.ping_every = 0.05
        heard = Heard()
        async with raw(serve) as url, connected(url, heard):
            assert await heard.until_ended() == Ending(1006, "no answer to a ping within 0.05 s")

    run(main())


def test_a_paused_connection_is_not_taken_for_a_dead_one() -> None:
    async def main() -> None:
        CHOSEN.ping_every = 0.02
        heard = Heard()
        async with listening(echo) as url, connected(url, heard) as connection:
            connection.pause()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(heard.told.wait(), 0.2)
            connection.resume()
            connection.send(b"still here")
            assert await heard.until_frames(1) == [b"still here"]

    run(main())


async def probe(connection: Connection) -> bool:
    assert isinstance(connection, Probing)
    return await connection.ping()


def test_an_answered_ping_proves_the_connection_behind_all_that_was_sent_before() -> None:
    async def serve(ws: web.WebSocketResponse, request: web.Request) -> None:
        for number in range(100):
            await ws.send_bytes(bytes([number]))
        await silent(ws, request)

    async def main() -> None:
        heard = Heard()
        async with listening(serve) as url, connected(url, heard) as connection:
            await heard.until_frames(1)
            assert await probe(connection)
            assert heard.payloads == [bytes([number]) for number in range(100)]
            assert await asyncio.gather(*(probe(connection) for _ in range(3))) == [True] * 3
        assert not await probe(connection)

    run(main())


def test_a_ping_that_nobody_answers_is_no_proof_and_ends_nothing() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(6 + 8)
        writer.write(b"\x8a\x08another!" + b"\x8a\x00" + b"\x81\x04data")
        await reader.read()

    async def main() -> None:
        CHOSEN.pong_within = 0.1
        heard = Heard()
        async with raw(serve) as url, connected(url, heard) as connection:
            assert not await probe(connection)
            assert heard.payloads == [b"data"]
            assert heard.endings == []

    run(main())


def test_a_pong_answers_the_pings_before_its_own_too() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(6 + 8)
        frame = await reader.readexactly(6 + 8)
        mask, masked = frame[2:6], frame[6:]
        writer.write(b"\x8a\x08" + bytes(byte ^ mask[n % 4] for n, byte in enumerate(masked)))
        await reader.read()

    async def main() -> None:
        async with raw(serve) as url, connected(url, Heard()) as connection:
            assert await asyncio.gather(*(probe(connection) for _ in range(2))) == [True] * 2

    run(main())


def test_who_waits_for_a_pong_is_told_when_the_connection_ends() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(6 + 8)
        writer.close()

    async def main() -> None:
        heard = Heard()
        async with raw(serve) as url, connected(url, heard) as connection:
            assert not await probe(connection)
            assert (await heard.until_ended()).code == 1006

    run(main())


# --- pausing


def test_a_paused_connection_stops_the_exchange_and_resumed_loses_nothing() -> None:
    total = 32  # megabytes: more than all buffers of both kernels together

    async def serve(ws: web.WebSocketResponse, request: web.Request) -> None:
        for number in range(total):
            await ws.send_bytes(bytes([number]) * MEGA)
        all_sent.set()
        await silent(ws, request)

    async def main() -> None:
        heard = Heard()
        async with listening(serve) as url, connected(url, heard) as connection:
            connection.pause()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await all_sent.wait()
            assert heard.frames == []
            connection.resume()
            payloads = await heard.until_frames(total)
            assert all_sent.is_set()
        assert payloads == [bytes([number]) * MEGA for number in range(total)]

    all_sent = asyncio.Event()
    run(main())


class Pausing(Heard):
    """Pauses at the first frame."""

    connection: Connection | None = None

    def on_frame(self, frame: Frame) -> None:
        super().on_frame(frame)
        if len(self.frames) == 1 and self.connection is not None:
            self.connection.pause()


def test_a_frame_that_came_before_the_pause_keeps_its_place_and_the_time_of_its_arrival(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks = count(1)
    dated: list[int] = []
    second_dated = asyncio.Event()

    def now() -> int:
        dated.append(next(ticks))
        if len(dated) == 2:
            second_dated.set()
        return dated[-1]

    monkeypatch.setattr("time.time_ns", now)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(7)  # the client is there
        writer.write(b"\x81\x01a\x81\x01b")
        await reader.read(100)
        writer.write(b"\x81\x01c")
        await reader.read(100)

    async def main() -> None:
        heard = Pausing()
        async with raw(serve) as url, connected(url, heard) as connection:
            heard.connection = connection
            connection.send(b"x")
            await asyncio.wait_for(second_dated.wait(), WITHIN)
            assert heard.payloads == [b"a"]
            for _ in range(100):
                next(ticks)
            connection.resume()
            connection.send(b"y")
            await heard.until_frames(3)
        assert heard.frames == [Frame(b"a", 1), Frame(b"b", 2), Frame(b"c", 103)]

    run(main())


def test_what_was_read_before_the_peer_was_lost_comes_before_the_ending() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(7)
        writer.write(b"\x81\x01a\x81\x01b\x81\x01c\x88\x02\x03\xe9")
        await reader.read(100)

    async def main() -> None:
        heard = Pausing()
        async with raw(serve) as url, connected(url, heard) as connection:
            heard.connection = connection
            connection.send(b"x")
            await heard.until_frames(1)
            for _ in range(20):
                await asyncio.sleep(0)
            assert (heard.payloads, heard.endings) == ([b"a"], [])
            connection.resume()
            assert await heard.until_ended() == Ending(1001, "closed by the exchange")
        assert heard.payloads == [b"a", b"b", b"c"]

    run(main())


def test_nothing_is_handed_on_after_our_close() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(7)
        writer.write(b"\x81\x01a\x81\x01b")
        await reader.readexactly(8)  # our close
        writer.write(b"\x81\x01c\x88\x02\x03\xe8")
        await reader.read(100)

    async def main() -> None:
        heard = Pausing()
        async with raw(serve) as url, connected(url, heard) as connection:
            heard.connection = connection
            connection.send(b"x")
            await heard.until_frames(1)
            await connection.close()
        assert (heard.payloads, heard.endings) == ([b"a"], [Ending(1000, "closed by us")])

    run(main())


def test_a_paused_connection_can_be_closed() -> None:
    async def main() -> None:
        heard = Heard()
        async with listening(silent) as url, connected(url, heard) as connection:
            connection.pause()
            await connection.close()
            assert heard.endings == [Ending(1000, "closed by us")]

    run(main())


def test_resuming_what_was_never_paused_is_harmless() -> None:
    async def main() -> None:
        heard = Heard()
        async with listening(echo) as url, connected(url, heard) as connection:
            connection.resume()
            connection.send(b"a")
            assert await heard.until_frames(1) == [b"a"]

    run(main())


# --- endings


@pytest.mark.parametrize(
    ("code", "message", "ending"),
    [
        (1000, b"", Ending(1000, "closed by the exchange")),
        (1000, b"bye", Ending(1000, "bye")),
        (1001, b"going away", Ending(1001, "going away")),
        (1008, b"policy", Ending(1008, "policy")),
        (1012, b"restart", Ending(1012, "restart")),
        (4003, b"login first", Ending(4003, "login first")),
    ],
)
def test_a_close_by_the_exchange_has_its_code_and_reason(code: int, message: bytes, ending: Ending) -> None:
    async def serve(ws: web.WebSocketResponse, request: web.Request) -> None:
        await ws.send_str("last")
        await ws.close(code=code, message=message)

    async def main() -> None:
        heard = Heard()
        async with listening(serve) as url, connected(url, heard):
            assert await heard.until_ended() == ending
        assert heard.payloads == [b"last"]

    run(main())


def test_a_close_without_a_code_counts_as_abnormal() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x88\x00")
        await reader.read(1)  # our close

    async def main() -> None:
        heard = Heard()
        async with raw(serve) as url, connected(url, heard):
            assert await heard.until_ended() == Ending(1006, "closed by the exchange")

    run(main())


def test_an_end_of_the_stream_without_a_close_is_abnormal() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x81\x01a")

    async def main() -> None:
        heard = Heard()
        async with raw(serve) as url, connected(url, heard):
            ending = await heard.until_ended()
        assert (ending.code, ending.reason) == (1006, "lost without a close frame")
        assert heard.payloads == [b"a"]

    run(main())


def test_a_reset_is_abnormal() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(7)  # one frame of one byte: the client is there
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def main() -> None:
        heard = Heard()
        async with raw(serve) as url, connected(url, heard) as connection:
            connection.send(b"x")
            ending = await heard.until_ended()
        assert (ending.code, bool(ending.reason)) == (1006, True)

    run(main())


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"\x82\x7f" + struct.pack("!Q", 10 * MEGA + 1) + b"x" * (10 * MEGA + 1), 1009),
        (b"\x83\x00", 1002),
        (b"\xc1\x01a", 1002),
        (b"\x88\x02\x00\x01", 1002),
        (b"\x88\x02\x00\x00", 1002),
        (b"\x88\x01\x03", 1002),
        (b"\x88\x04\x03\xe8\xff\xfe", 1007),
        (b"\x81\x02\xff\xfe", 1007),
        (b"\x01\x01\xe2\x80\x01\x82", 1007),
        (b"\x80\x01a", 1002),
        (b"\x01\x01a\x81\x01b", 1002),
        (b"\xa1\x01a", 1002),
        (b"\x91\x01a", 1002),
        (b"\x09\x01a", 1002),
        (b"\x89\x7e\x00\x80" + b"p" * 128, 1002),
        (
            b"".join(head + b"\x7f" + struct.pack("!Q", 6 * MEGA) + b"x" * (6 * MEGA) for head in (b"\x02", b"\x80")),
            1009,
        ),
    ],
    ids=[
        "a frame above 10 MiB",
        "an opcode of no meaning",
        "compressed unasked",
        "a close code of no meaning",
        "a close code of nought",
        "half a close code",
        "a reason that is no utf-8",
        "a text that is no utf-8",
        "fragments that together are no utf-8",
        "a continuation of nothing",
        "a message inside of another",
        "the second reserved bit",
        "the third reserved bit",
        "a ping in fragments",
        "a ping of 128 bytes",
        "fragments that together are above 10 MiB",
    ],
)
def test_what_breaks_the_protocol_is_an_ending_with_its_error(payload: bytes, code: int) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(payload)
        await reader.read(1)  # our close

    async def main() -> None:
        heard = Heard()
        async with raw(serve) as url, connected(url, heard):
            ending = await heard.until_ended()
        assert (ending.code, ending.reason != "", ending.error is not None) == (code, True, True)
        assert heard.frames == []

    run(main())


@pytest.mark.parametrize(
    ("payload", "code"), [(b"\x83\x00", 1002), (b"\x81\x01\xff", 1007), (b"\x88\x02\x00\x01", 1002)]
)
def test_the_exchange_is_told_how_it_broke_the_protocol_and_frames_before_are_kept(payload: bytes, code: int) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x81\x01a" + payload)
        head, mask = await reader.readexactly(2), await reader.readexactly(4)
        masked = await reader.readexactly(head[1] & 0x7F)
        told.append((head[0], int.from_bytes(bytes(byte ^ mask[i] for i, byte in enumerate(masked[:2])), "big")))

    async def main() -> None:
        heard = Heard()
        async with raw(serve) as url, connected(url, heard):
            assert (await heard.until_ended()).code == code
        assert heard.payloads == [b"a"]

    told: list[tuple[int, int]] = []
    run(main())
    assert told == [(0x88, code)]


def test_a_close_by_us_is_clean_and_the_exchange_is_told() -> None:
    async def serve(ws: web.WebSocketResponse, request: web.Request) -> None:
        await silent(ws, request)
        codes.append(ws.close_code)

    async def main() -> None:
        heard = Heard()
        async with listening(serve) as url, connected(url, heard) as connection:
            await connection.close()
            assert heard.endings == [Ending(1000, "closed by us")]
            await connection.close()
            await asyncio.gather(connection.close(), connection.close())

    codes: list[int | None] = []
    run(main())
    assert codes == [1000]


def test_closing_after_the_exchange_closed_is_harmless() -> None:
    async def serve(ws: web.WebSocketResponse, request: web.Request) -> None:
        await ws.close(code=1001, message=b"bye")

    async def main() -> None:
        heard = Heard()
        async with listening(serve) as url, connected(url, heard) as connection:
            await heard.until_ended()
            await asyncio.gather(connection.close(), connection.close())
        assert heard.endings == [Ending(1001, "bye")]

    run(main())


def test_sending_pausing_and_resuming_after_the_end_are_harmless() -> None:
    async def main() -> None:
        heard = Heard()
        async with listening(silent) as url, connected(url, heard) as connection:
            await connection.close()
            connection.send(b"late")
            connection.pause()
            connection.resume()
        assert heard.endings == [Ending(1000, "closed by us")]

    run(main())


@pytest.mark.parametrize("chatter", [False, True], ids=["silent", "talking on"])
def test_an_exchange_that_never_answers_our_close_is_left(chatter: bool) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def talk() -> None:
            while True:
                writer.write(b"\x81\x01a")
                await writer.drain()
                await asyncio.sleep(0.05)

        talking = asyncio.create_task(talk()) if chatter else None
        while await reader.read(1_000):
            pass
        if talking is not None:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)

    async def main() -> None:
        heard = Heard()
        async with raw(serve) as url, connected(url, heard) as connection:
            async with asyncio.timeout(30):
                await connection.close()
        assert heard.endings == [Ending(1000, "closed by us")]

    run(main())


def test_an_exchange_that_takes_nothing_is_left_after_a_thousand_frames() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await left.wait()

    async def main() -> None:
        heard = Heard()
        async with raw(serve) as url, connected(url, heard) as connection:
            for _ in range(5_000):  # some megabytes are the kernel's
                connection.send(b"x" * 20_000)
                await asyncio.sleep(0)
                if heard.endings:
                    break
            assert await heard.until_ended() == Ending(1006, "1000 frames could not be sent")
            left.set()

    left = asyncio.Event()
    run(main())


class Raising(Heard):
    def on_frame(self, frame: Frame) -> None:
        raise ZeroDivisionError("division by zero")


def test_a_callback_that_raises_ends_its_own_connection_with_that_error() -> None:
    async def main() -> None:
        heard = Raising()
        async with listening(echo) as url, connected(url, heard) as connection:
            connection.send(b"x")
            ending = await heard.until_ended()
        assert (ending.code, ending.reason) == (1006, "ZeroDivisionError: division by zero")
        assert isinstance(ending.error, ZeroDivisionError)

    run(main())


def test_a_transport_that_is_closed_ends_its_connections() -> None:
    async def main() -> None:
        heard = Heard()
        async with listening(silent) as url:
            transport = CHOSEN.transport()
            connection = await transport.connect(Located(url), heard.on_frame, heard.on_close)
            await transport.close()
            await heard.until_ended()
            await connection.close()
        assert len(heard.endings) == 1

    run(main())


def test_connections_of_one_transport_end_apart() -> None:
    async def main() -> None:
        first, second = Heard(), Heard()
        async with listening(echo) as url, connected(url, first) as one, connected(url, second) as two:
            await one.close()
            two.send(b"still here")
            assert await second.until_frames(1) == [b"still here"]
            assert (first.endings, second.endings) == ([Ending(1000, "closed by us")], [])

    run(main())


# --- what cannot be opened


@pytest.mark.parametrize(
    ("status", "headers", "group", "kind"),
    [
        (401, {}, RefusedError, RefusedError),
        (403, {}, RetryableError, ExchangeUnavailableError),
        (404, {}, RefusedError, RequestRejectedError),
        (429, {"Retry-After": "9"}, RetryableError, RateLimitedError),
        (451, {}, RetryableError, ExchangeUnavailableError),
        (503, {}, RetryableError, ExchangeUnavailableError),
        (520, {}, RetryableError, ExchangeUnavailableError),
    ],
)
def test_a_refused_upgrade_is_the_error_of_its_status(
    status: int, headers: dict[str, str], group: type[TickwireError], kind: type[TickwireError]
) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=status, text="go away", headers=headers)

    async def main() -> None:
        async with answering(refuse) as url:
            error = await refused(url)
            assert isinstance(error, group)
            assert isinstance(error, kind)
            assert str(error) == f"GET {url}: {status} instead of a WebSocket"
            if isinstance(error, RateLimitedError):
                assert error.retry_after == 9.0

    run(main())


def test_a_host_that_speaks_no_websocket_says_so() -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<html>")

    async def main() -> None:
        async with answering(page) as url:
            error = await refused(url)
            assert type(error) is ExchangeUnavailableError
            assert str(error) == f"{url} does not speak WebSocket: it answered 200"

    run(main())


def test_a_redirected_upgrade_is_refused_and_never_followed() -> None:
    async def move(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async def main() -> None:
        async with answering(move) as url:
            error = await refused(url)
            assert type(error) is ExchangeUnavailableError
            assert "302, a redirect to /elsewhere" in str(error)

    asked: list[str] = []
    run(main())
    assert asked == ["/stream"]


def test_a_wrong_challenge_is_no_websocket() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer, b"nonsense")

    async def main() -> None:
        async with speaking(serve) as url:
            error = await refused(url)
            assert type(error) is ExchangeUnavailableError
            assert str(error) == f"{url} does not speak WebSocket: its answer to the upgrade is wrong"

    run(main())


def test_a_refused_dial_names_the_url_and_the_reason() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        error = await refused(f"ws://127.0.0.1:{port}/stream?token=s3cret")
        assert type(error) is ConnectionLostError
        assert str(error) == f"cannot reach ws://127.0.0.1:{port}/stream (connection refused)"

    run(main())


def test_a_name_that_does_not_resolve_is_named() -> None:
    async def main() -> None:
        error = await refused("wss://nowhere.invalid")
        assert type(error) is ConnectionLostError
        assert str(error) == "cannot reach wss://nowhere.invalid (name not resolved)"

    run(main())


def test_a_host_that_accepts_and_says_nothing_is_given_up_within_the_time_out() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def main() -> None:
        async with speaking(serve) as url:
            error = await refused(url, timeout=0.05)
            assert type(error) is ConnectionLostError
            assert str(error) == f"cannot reach {url} (no answer within the time-out)"

    run(main())


def test_a_host_that_speaks_no_tls_says_so() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def main() -> None:
        async with speaking(serve) as url:
            url = url.replace("ws:", "wss:")
            error = await refused(url)
            assert type(error) is ConnectionLostError
            assert str(error).startswith(f"cannot reach {url} (TLS failed: ")

    run(main())


def test_a_host_that_hangs_up_at_the_upgrade_is_lost() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async def main() -> None:
        async with speaking(serve) as url:
            error = await refused(url)
            assert type(error) is ConnectionLostError
            assert str(error).startswith(f"cannot reach {url} (")

    run(main())


def test_a_dial_that_is_cancelled_leaves_nothing_behind() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        asked.set()
        assert await reader.read() != b"x"
        hung_up.set()

    async def main() -> None:
        heard = Heard()
        transport = CHOSEN.transport()
        async with speaking(serve) as url:
            dialling = asyncio.create_task(transport.connect(Located(url), heard.on_frame, heard.on_close))
            await asyncio.wait_for(asked.wait(), WITHIN)
            dialling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await dialling
            await asyncio.wait_for(hung_up.wait(), WITHIN)
        await transport.close()
        assert (heard.frames, heard.endings) == ([], [])

    asked, hung_up = asyncio.Event(), asyncio.Event()
    run(main())


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1", "https://127.0.0.1", "ws://", "ws://a:b"])
def test_what_is_no_url_is_the_users_to_edit(url: str) -> None:
    async def main() -> None:
        error = await refused(url)
        assert type(error) is ConfigError
        assert str(error) == f"{url!r} is not a URL → write wss://host"

    run(main())
