"""HTTP of one exchange over aiohttp: a request in, a complete answer or an error of our tree out."""

from __future__ import annotations

import os
import re
import socket
import ssl
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
import msgspec

from tickwire.model.clock import Nanos
from tickwire.model.errors import (
    ConfigError,
    ConnectionLostError,
    DecodeError,
    ExchangeUnavailableError,
    TickwireError,
)
from tickwire.native.proxies import Proxy, proxy_errors
from tickwire.plugin.protocols import Request, Response
from tickwire.plugin.statuses import status_error

__all__ = ["NativeRestClient", "lost", "make_session", "shown", "status_error"]

T = TypeVar("T")

_LOST = (aiohttp.ClientError, TimeoutError, OSError, UnicodeError)


def make_session(tls: ssl.SSLContext | None = None, proxy: Proxy | None = None) -> aiohttp.ClientSession:
    """Make a session: no cookies, no proxies from the environment, no redirects followed.

    Args:
        tls: Whom to trust; ``None``: the system's authorities.
        proxy: Everything goes through it; ``None``: direct.
    """
    from tickwire.native.version import USER_AGENT

    context = True if tls is None else tls
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context) if proxy is None else proxy.connector(ssl=context),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT},
        middlewares=(_refuse_redirect,),
    )


async def _refuse_redirect(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    # ws_connect follows redirects and cannot be told not to; headers with a token would go along
    answer = await send(request)
    if 300 <= answer.status < 400:
        answer.close()
        target = answer.headers.get("Location", "nowhere").partition("?")[0]
        where = request.url.with_query(None)
        raise ExchangeUnavailableError(f"{request.method} {where}: {answer.status}, a redirect to {target}")
    return answer


class NativeRestClient:
    """An async context manager; ``fetch`` for whole answers, ``read`` for typed ones.

    Rate limits, signing and retries are the feed's, because they hold for every transport.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float = 10.0,
        now: Callable[[], Nanos] = time.time_ns,
        session: aiohttp.ClientSession | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        """Make a client.

        Args:
            base_url: ``https://api.example.com``; a path prefix is kept. A request's own goes before.
            timeout: Seconds for one whole request.
            now: Dates the answers.
            session: Use this one and leave it open; ``None``: make and close one.
            proxy: What the session goes through; a lent one was made with it.
        """
        self._base_url = base_url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._now = now
        self._session = session
        self._owns_session = session is None
        self._proxy = proxy
        self._losses = _LOST + (proxy_errors() if proxy is not None else ())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Release the connections; a second call is harmless."""
        if self._session is not None and self._owns_session:
            await self._session.close()
            self._session = None

    async def fetch(self, request: Request) -> Response:
        """Send one request; 2xx only comes back.

        Raises:
            RateLimitedError: 429 or 418; ``retry_after`` in seconds where the exchange said so.
            ExchangeUnavailableError: 5xx, 403, 408, 425, 451, or a redirect.
            AuthRejectedError: 401.
            RequestRejectedError: Any other 4xx.
            ConnectionLostError: No complete answer within the time-out.
        """
        if self._session is None:
            self._session = make_session(proxy=self._proxy)
        url = f"{(request.base_url or self._base_url).rstrip('/')}{request.path}"
        try:
            async with self._session.request(
                request.method,
                url,
                params=dict(request.params) or None,
                data=request.body,
                headers=request.headers,
                timeout=self._timeout,
                allow_redirects=False,
            ) as answer:
                body = await answer.read()
                received = self._now()
                response = Response(answer.status, answer.headers, body, received)
        except self._losses as error:
            raise lost(url, error, self._proxy) from error
        if 200 <= response.status < 300:
            return response
        raise status_error(request, response, received)

    async def read(self, request: Request, type: type[T]) -> T:
        """Send one request and read its JSON answer as ``type``.

        Raises:
            DecodeError: The answer is something else.
            TickwireError: As ``fetch``.
        """
        response = await self.fetch(request)
        try:
            return response.decode(type)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DecodeError(f"{request}: {error}; it begins {response.body[:60]!r}") from error


def lost(url: str, error: BaseException, proxy: Proxy | None = None, what: str = "the request") -> TickwireError:
    """Say in words why a host was not reached, or an answer not completed."""
    failed = proxy.failed(what, error) if proxy is not None else None
    if failed is not None:
        return failed
    is_nameless = isinstance(error, aiohttp.ClientConnectorDNSError) and not _is_name(error.host)
    if is_nameless or isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError | UnicodeError):
        return ConfigError(f"{shown(url)!r} is not a URL", hint="write https://host or wss://host")
    where = shown(url)
    if proxy is None:
        return ConnectionLostError(f"cannot reach {where} ({_why(error)})")
    return ConnectionLostError(f"cannot reach {where} ({_why(error)}, through the {proxy})", hint=proxy.hint)


def shown(url: str) -> str:
    """Give a URL for messages: without user, password and query, which may hold a token."""
    return re.sub(r"//[^/?#]*@", "//", url).partition("?")[0]


def _is_name(host: str) -> bool:
    # the system's resolver says so itself, aiodns only that it finds nothing
    try:
        return bool(host.encode("idna"))
    except UnicodeError:
        return False


def _why(error: BaseException) -> str:
    # aiohttp knows failures of its own connections by name, those through a proxy as some OSError
    below = error.__cause__ if isinstance(error.__cause__, ssl.SSLError | socket.gaierror) else error
    below = getattr(below, "certificate_error", below)
    if isinstance(error, aiohttp.ClientConnectorDNSError) or isinstance(below, socket.gaierror):
        return "name not resolved"
    # before ssl.SSLError and OSError: it is one of each
    if isinstance(below, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {below}; tls.ca_file or SSL_CERT_FILE names another authority"
    if isinstance(error, aiohttp.ClientSSLError) or isinstance(below, ssl.SSLError):
        return f"TLS failed: {error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return os.strerror(error.errno).lower() if error.errno else str(error.os_error)
    if isinstance(error, TimeoutError):
        return "no answer within the time-out"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    text = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    return " ".join(text.split()) or type(error).__name__
