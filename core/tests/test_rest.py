"""One HTTP exchange over real sockets: a whole answer, or the error of our tree that says what to do next."""

from __future__ import annotations

import asyncio
import inspect
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import attrs
import pytest
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey
from hypothesis import given
from hypothesis import strategies as st

from tickwire import (
    AuthRejectedError,
    ConfigError,
    ConnectionLostError,
    DecodeError,
    ExchangeUnavailableError,
    RateLimitedError,
    RequestRejectedError,
    RetryableError,
    TickwireError,
)
from tickwire.native import NativeRestClient, NativeTransport
from tickwire.native.rest import lost, status_error
from tickwire.plugin import Network, Request, Response, Transport

NOW = 1_700_000_000_000_000_000  # Tue, 14 Nov 2023 22:13:20 GMT
GET = Request("GET", "/api/v1/depth")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a test; it must leave no task behind."""

    async def checked() -> None:
        await main
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(checked())


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Serve every path on loopback with one handler; gives the base URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def speaking(raw: bytes) -> AsyncIterator[str]:
    """Answer any connection's first bytes with ``raw`` and close it; gives the base URL."""

    handling: list[asyncio.Task[None]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await reader.read(1)
            writer.write(raw)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handling.append(asyncio.create_task(answer(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for _ in range(5):  # asyncio loses whom it has just accepted when the server closes before he is handed over
            await asyncio.sleep(0)
    await asyncio.gather(*handling)


def answering(status: int = 200, body: bytes = b"{}", **headers: str) -> Handler:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=named)

    return answer


async def failing(url: str, request: Request = GET, *, timeout: float = 5.0) -> TickwireError:
    """Give the error that a fetch ends in."""
    async with NativeRestClient(url, timeout=timeout, now=lambda: NOW) as client:
        with pytest.raises(TickwireError) as caught:
            await client.fetch(request)
    return caught.value


# --- answers


def test_a_request_goes_out_as_it_is_and_the_whole_answer_comes_back() -> None:
    async def main() -> None:
        async def echo(request: web.Request) -> web.Response:
            seen.append((request.method, request.raw_path, await request.read(), request.headers["X-Own"]))
            seen.append(request.headers["User-Agent"])
            return web.Response(body=b'{"ok":true}', headers={"Age": "3"})

        async with serving(echo) as url, NativeRestClient(f"{url}/base/", now=lambda: NOW) as client:
            answer = await client.fetch(
                Request("POST", "/api?a=1&a=2", {"limit": 1000, "symbol": "MU.US_USDC"}, b'{"x":1}', {"X-Own": "own"})
            )
        assert attrs.evolve(answer, headers={}) == Response(200, {}, b'{"ok":true}', NOW)
        assert answer.headers["age"] == "3"

    seen: list[object] = []
    run(main())
    assert seen[0] == ("POST", "/base/api?a=1&a=2&limit=1000&symbol=MU.US_USDC", b'{"x":1}', "own")
    assert str(seen[1]).startswith("tickwire/")


def test_a_typed_answer_is_decoded_with_numbers_that_may_be_texts() -> None:
    async def main() -> None:
        async with serving(answering(body=b'{"id":"4324522523"}')) as url, NativeRestClient(url) as client:
            assert await client.read(GET, dict[str, int]) == {"id": 4324522523}

    run(main())


def test_a_text_plain_answer_is_as_good_as_any_other() -> None:
    async def main() -> None:
        plain = answering(body=b"1788285151083", Content_Type="text/plain; charset=utf-8")
        async with serving(plain) as url, NativeRestClient(url) as client:
            assert (await client.fetch(GET)).body == b"1788285151083"
            assert await client.read(GET, int) == 1788285151083

    run(main())


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_2xx_comes_back(status: int) -> None:
    async def main() -> None:
        async with serving(answering(status, b"")) as url, NativeRestClient(url) as client:
            assert (await client.fetch(GET)).status == status

    run(main())


def test_a_compressed_answer_is_unpacked() -> None:
    async def packed(request: web.Request) -> web.Response:
        answer = web.Response(body=b"[1,2]" * 100)
        answer.enable_compression()
        return answer

    async def main() -> None:
        async with serving(packed) as url, NativeRestClient(url) as client:
            assert (await client.fetch(GET)).body == b"[1,2]" * 100

    run(main())


@pytest.mark.parametrize(
    ("body", "begins"),
    [
        (b"<!DOCTYPE html><title>Attention Required!</title>", "b'<!DOCTYPE html><title>Attention Required!</title>'"),
        (b"", "b''"),
        (b"pong", "b'pong'"),
        (b'{"id":"4"', 'b\'{"id":"4"\''),
        (b'{"id":"\xff\xfe"}', 'b\'{"id":"\\xff\\xfe"}\''),
        (b"[" * 9_000, repr(b"[" * 60)),
    ],
    ids=["html", "nothing", "text", "cut short", "no utf-8", "deep"],
)
def test_an_answer_of_another_kind_is_a_decode_error_that_names_the_request_and_shows_its_beginning(
    body: bytes, begins: str
) -> None:
    async def main() -> None:
        async with serving(answering(body=body, Content_Type="text/html")) as url, NativeRestClient(url) as client:
            with pytest.raises(DecodeError) as caught:
                await client.read(GET, dict[str, object])
        assert str(caught.value).startswith("GET /api/v1/depth: ")
        assert str(caught.value).endswith(f"; it begins {begins}")

    run(main())


# --- statuses

FOR_GOOD = {
    400,
    402,
    404,
    405,
    406,
    407,
    409,
    410,
    411,
    412,
    413,
    414,
    415,
    416,
    417,
    421,
    422,
    423,
    424,
    426,
    428,
    431,
}
FOR_NOW = {403, 408, 425, 451, *range(500, 600), *range(300, 400)}


@pytest.mark.parametrize("status", [*range(300, 400), *range(400, 600)])
def test_every_status_has_its_error(status: int) -> None:
    error = status_error(GET, Response(status, {}, b"why", NOW), NOW)
    if status == 401:
        expected: type[TickwireError] = AuthRejectedError
    elif status in (418, 429):
        expected = RateLimitedError
    elif status in FOR_NOW:
        expected = ExchangeUnavailableError
    else:
        expected = RequestRejectedError
    assert (type(error), str(error)) == (expected, f"GET /api/v1/depth: {status} why")
    assert isinstance(error, RetryableError) == (
        status not in FOR_GOOD and status != 401 and expected is not RequestRejectedError
    )


@pytest.mark.parametrize(
    ("status", "body", "expected", "text"),
    [
        (400, b'{"code":"INVALID_CLIENT_REQUEST"}', RequestRejectedError, '400 {"code":"INVALID_CLIENT_REQUEST"}'),
        (404, b"not found", RequestRejectedError, "404 not found"),
        (401, b"", AuthRejectedError, "401"),
        (403, b"<html>geo</html>\n", ExchangeUnavailableError, "403 <html>geo</html>"),
        (451, b"", ExchangeUnavailableError, "451"),
        (418, b"banned", RateLimitedError, "418 banned"),
        (429, b"slow down", RateLimitedError, "429 slow down"),
        (500, b"\xff\xfe", ExchangeUnavailableError, "500 \ufffd\ufffd"),
        (503, b"x" * 1_000, ExchangeUnavailableError, f"503 {'x' * 200}"),
    ],
)
def test_a_status_that_is_not_2xx_is_raised_with_what_the_exchange_said(
    status: int, body: bytes, expected: type[TickwireError], text: str
) -> None:
    async def main() -> None:
        async with serving(answering(status, body)) as url:
            error = await failing(url)
        assert (type(error), str(error)) == (expected, f"GET /api/v1/depth: {text}")

    run(main())


def test_a_rejected_request_knows_its_status() -> None:
    error = status_error(GET, Response(404, {}, b"", NOW), NOW)
    assert isinstance(error, RequestRejectedError)
    assert error.status == 404


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_never_followed(status: int) -> None:
    async def main() -> None:
        async def move(request: web.Request) -> web.Response:
            asked.append(request.path)
            return web.Response(status=status, headers={"Location": "/elsewhere"})

        async with serving(move) as url:
            error = await failing(url)
            assert type(error) is ExchangeUnavailableError
            assert str(error) == f"GET {url}/api/v1/depth: {status}, a redirect to /elsewhere"

    asked: list[str] = []
    run(main())
    assert asked == ["/api/v1/depth"]


RETRY_AFTER = {
    "0": 0.0,
    "12": 12.0,
    " 30 ": 30.0,
    "Tue, 14 Nov 2023 22:14:20 GMT": 60.0,
    "Tue, 14 Nov 2023 22:14:20 -0000": 60.0,
    "Tue, 14 Nov 2023 23:14:20 +0100": 60.0,
    "Tuesday, 14-Nov-23 22:13:50 GMT": 30.0,
    "Tue, 14 Nov 2023 22:00:00 GMT": 0.0,
    "": None,
    "-5": None,
    "1.5": None,
    "soon": None,
    "9" * 400: None,
    "Tue, 14 Nov 99999999999999999999 22:14:20 GMT": None,
}


@pytest.mark.parametrize("status", [418, 429])
@pytest.mark.parametrize(("text", "seconds"), RETRY_AFTER.items())
def test_retry_after_is_read_as_seconds_or_as_a_date(status: int, text: str, seconds: float | None) -> None:
    error = status_error(GET, Response(status, {"Retry-After": text}, b"", NOW), NOW)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == seconds


def test_retry_after_is_found_whatever_the_case_of_its_name() -> None:
    async def main() -> None:
        async with serving(answering(429, b"", retry_after="7")) as url:
            error = await failing(url)
        assert isinstance(error, RateLimitedError)
        assert error.retry_after == 7.0

    run(main())


@given(st.text())
def test_no_retry_after_whatsoever_raises_anything_else(text: str) -> None:
    error = status_error(GET, Response(429, {"Retry-After": text}, b"", NOW), NOW)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after is None or 0 <= error.retry_after < 1e12


# --- no answer


def test_a_refused_connection_names_the_url_and_the_reason() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        error = await failing(f"http://127.0.0.1:{port}")
        assert type(error) is ConnectionLostError
        assert str(error) == f"cannot reach http://127.0.0.1:{port}/api/v1/depth (connection refused)"

    run(main())


def test_a_name_that_does_not_resolve_is_named() -> None:
    async def main() -> None:
        error = await failing("http://nowhere.invalid")
        assert type(error) is ConnectionLostError
        assert str(error) == "cannot reach http://nowhere.invalid/api/v1/depth (name not resolved)"

    run(main())


def test_a_silent_host_is_given_up_within_the_time_out_and_named() -> None:
    async def main() -> None:
        async def never(request: web.Request) -> web.Response:
            await released.wait()
            return web.Response()

        released = asyncio.Event()
        async with serving(never) as url:
            error = await failing(url, timeout=0.05)
            released.set()
            assert type(error) is ConnectionLostError
            assert str(error) == f"cannot reach {url}/api/v1/depth (no answer within the time-out)"

    run(main())


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "Server disconnected"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "Response payload is not completed"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsho", "Response payload is not completed"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "Bad status line"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
            "400, message: Can not decode content-encoding: gzip",
        ),
    ],
    ids=["closed at once", "body cut short", "chunk cut short", "not http", "not gzip"],
)
def test_an_answer_that_breaks_off_is_a_lost_connection(raw: bytes, reason: str) -> None:
    async def main() -> None:
        async with speaking(raw) as url:
            error = await failing(url)
            assert type(error) is ConnectionLostError
            assert str(error).startswith(f"cannot reach {url}/api/v1/depth ({reason}")

    run(main())


@pytest.mark.parametrize(
    "url", ["nonsense", "ftp://127.0.0.1", "http://[::1", "http://a:99999999", "http://a..b", f"http://{'a' * 64}.com"]
)
def test_what_is_no_url_is_the_users_to_edit(url: str) -> None:
    async def main() -> None:
        error = await failing(url)
        assert type(error) is ConfigError
        assert str(error) == f"'{url}/api/v1/depth' is not a URL → write https://host or wss://host"

    run(main())


def test_a_query_inside_the_path_is_in_no_message_either() -> None:
    request = Request("GET", "/orders?signature=hunter2&x=1")
    error = status_error(request, Response(503, {}, b"busy", 0), 0)
    assert (str(request), str(error)) == ("GET /orders", "GET /orders: 503 busy")


def test_no_message_shows_the_query() -> None:
    async def main() -> None:
        error = await failing("http://nowhere.invalid", Request("GET", "/login?token=s3cret"))
        assert str(error) == "cannot reach http://nowhere.invalid/login (name not resolved)"

    run(main())


def descendants(error: type[Exception]) -> list[type[Exception]]:
    return [error, *(below for child in error.__subclasses__() for below in descendants(child))]


KEY = ConnectionKey("acme.example", 443, True, True, None, None, None)
PLAUSIBLE: dict[str, object] = {
    "request_info": aiohttp.RequestInfo(None, "GET", None, None),  # type: ignore[arg-type]
    "history": (), "connection_key": KEY, "os_error": OSError(104, "Connection reset by peer"), "path": "/a.sock",
    "certificate_error": ValueError("self-signed certificate"), "url": "acme://", "expected": b"", "got": b"",
    "host": "acme.example", "port": 443,
}  # fmt: skip
MAPPED = list(
    dict.fromkeys([*descendants(aiohttp.ClientError), TimeoutError, ConnectionResetError, OSError, UnicodeError])
)


@pytest.mark.parametrize("kind", MAPPED, ids=lambda kind: kind.__name__)
def test_every_exception_of_aiohttp_becomes_an_error_of_ours_that_names_the_url(kind: type[Exception]) -> None:
    # those without an __init__ of their own take anything
    parameters = inspect.signature(kind.__init__).parameters.values() if inspect.isfunction(kind.__init__) else ()
    wanted = [parameter.name for parameter in parameters if parameter.default is parameter.empty]
    error = lost("https://acme.example/x", kind(*(PLAUSIBLE[name] for name in wanted if name in PLAUSIBLE)))
    is_url = issubclass(kind, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError | UnicodeError)
    assert type(error) is (ConfigError if is_url else ConnectionLostError)
    assert "https://acme.example/x" in str(error)
    assert "()" not in str(error)


# --- its life


def test_a_client_may_be_closed_twice_and_used_again() -> None:
    async def main() -> None:
        async with serving(answering()) as url:
            client = NativeRestClient(url)
            await client.close()
            await client.fetch(GET)
            await client.close()
            await client.close()
            assert (await client.fetch(GET)).status == 200
            await client.close()

    run(main())


def test_a_session_that_was_lent_stays_open() -> None:
    async def main() -> None:
        async with serving(answering()) as url, aiohttp.ClientSession() as session:
            async with NativeRestClient(url, session=session) as client:
                await client.fetch(GET)
            assert not session.closed

    run(main())


def test_an_exchange_keeps_no_cookies_of_ours() -> None:
    async def main() -> None:
        async def bake(request: web.Request) -> web.Response:
            seen.append(dict(request.cookies))
            return web.Response(headers={"Set-Cookie": "id=1"})

        async with serving(bake) as url, NativeRestClient(url) as client:
            await client.fetch(GET)
            await client.fetch(GET)

    seen: list[dict[str, str]] = []
    run(main())
    assert seen == [{}, {}]


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://nowhere.invalid:1")
        monkeypatch.setenv("http_proxy", "http://nowhere.invalid:1")
        async with serving(answering(body=b"[]")) as url, NativeRestClient(url) as client:
            assert (await client.fetch(GET)).body == b"[]"

    run(main())


# --- the transport over it


def test_the_default_transport_asks_the_primary_host() -> None:
    async def main() -> None:
        async with serving(answering(body=json.dumps([1]).encode())) as url:
            transport = NativeTransport(Network(rest=(url, "http://nowhere.invalid"), websocket={}))
            assert isinstance(transport, Transport)
            assert (await transport.fetch(GET)).body == b"[1]"
            await transport.close()
            await transport.close()
            assert (await transport.fetch(GET)).status == 200
            await transport.close()

    run(main())


def test_a_transport_without_a_host_says_what_to_set() -> None:
    async def main() -> None:
        transport = NativeTransport(Network(rest=(), websocket={}))
        with pytest.raises(ConfigError, match=r"^there is no REST host → set endpoints\.rest$"):
            await transport.fetch(GET)
        await transport.close()

    run(main())
