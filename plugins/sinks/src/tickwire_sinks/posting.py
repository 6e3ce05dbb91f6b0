"""One HTTP server that a sink posts to, and what its statuses mean for the delivery.

While a sink opens, what the user must mend is a ``ConfigError``. While it writes, only what the records themselves are
to blame for is a refusal; everything else is tried again, because nothing may be dropped for a server's trouble.
"""

from __future__ import annotations

from collections.abc import Mapping

from tickwire import (
    AuthRejectedError,
    ConfigError,
    ConnectionLostError,
    ExchangeUnavailableError,
    RequestRejectedError,
    RetryableError,
    TickwireError,
)  # fmt: skip
from tickwire.native import NativeRestClient
from tickwire.plugin import Request, Response

__all__ = ["Poster"]

_REFUSES_CONTENT = frozenset({400, 413, 422})
_REFUSES_US = frozenset({401, 403, 404, 405, 407})


class Poster:
    """Sends requests to one server, each bounded in time."""

    def __init__(self, url: str, *, timeout: float, headers: Mapping[str, str] | None = None) -> None:
        """Take over where to; nothing is opened before the first request.

        Args:
            url: The server's; a path in it is kept.
            timeout: Seconds for one whole request.
            headers: Sent with each, e.g. ``Authorization``.
        """
        self._url = url
        self._timeout = timeout
        self._headers = dict(headers or {})
        self._client: NativeRestClient | None = None

    async def ask(
        self, path: str, params: Mapping[str, str], body: bytes | None = None, *, method: str = "POST"
    ) -> Response:
        """Send a request while the sink opens.

        Raises:
            ConfigError: The server refuses us: key, rights, address, or its certificate is not trusted.
            RetryableError: It cannot be reached, or not serve now.
            RequestRejectedError: It refuses what was asked.
        """
        try:
            return await self._send(Request(method, path, dict(params), body=body, headers=self._headers))
        except TickwireError as error:
            await self.close()
            raise _while_opening(error) from error

    async def post(self, path: str, params: Mapping[str, str], body: bytes) -> Response:
        """Post records.

        Raises:
            RequestRejectedError: The server refuses what the records say (400, 413, 422).
            RateLimitedError: It asks for fewer requests.
            RetryableError: Anything else.
        """
        try:
            return await self._send(Request("POST", path, dict(params), body=body, headers=self._headers))
        except TickwireError as error:
            raise _while_writing(error) from error

    async def close(self) -> None:
        """Release the connections; a second call is harmless."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _send(self, request: Request) -> Response:
        if self._client is None:
            self._client = NativeRestClient(self._url, timeout=self._timeout)
        return await self._client.fetch(request)


def _while_opening(error: TickwireError) -> TickwireError:
    if isinstance(error, AuthRejectedError) or _status(error) in _REFUSES_US:
        return ConfigError(error.message, hint="check url, user, password or token, and what they may do there")
    if isinstance(error, ConnectionLostError) and _is_distrust(error):
        return ConfigError(error.message, hint="trust the certificate's authority, or correct url")
    return error


def _while_writing(error: TickwireError) -> TickwireError:
    if isinstance(error, RetryableError) or _status(error) in _REFUSES_CONTENT:
        return error
    return RetryableError(error.message, hint=error.hint)


def _status(error: TickwireError) -> int | None:
    return error.status if isinstance(error, RequestRejectedError | ExchangeUnavailableError) else None


def _is_distrust(error: ConnectionLostError) -> bool:
    import aiohttp

    return isinstance(error.__cause__, aiohttp.ClientConnectorCertificateError)
