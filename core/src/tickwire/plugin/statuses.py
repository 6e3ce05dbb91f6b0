"""What an HTTP status means for the feed: which error of our tree, and how long to wait."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from tickwire.model.clock import Nanos
from tickwire.model.errors import (
    AuthRejectedError,
    ExchangeUnavailableError,
    RateLimitedError,
    RequestRejectedError,
    TickwireError,
)
from tickwire.plugin.protocols import Request, Response

__all__ = ["status_error"]

_DIGITS = 10
_QUOTED = 200
_FOR_NOW = (403, 408, 425, 451)


def status_error(request: Request, response: Response, now: Nanos) -> TickwireError:
    """Turn a status that is not 2xx into the error that says what to do next."""
    text = response.body[:_QUOTED].decode(errors="replace").strip()
    what = f"{request}: {response.status} {text}".rstrip()
    status = response.status
    if status in (418, 429):
        return RateLimitedError(what, retry_after=_retry_after(response.headers, now), is_ban=status == 418)
    if status == 401:
        return AuthRejectedError(what)
    if status in _FOR_NOW or status >= 500 or status < 400:
        return ExchangeUnavailableError(what, status=status, retry_after=_retry_after(response.headers, now))
    return RequestRejectedError(what, status=status)


def _retry_after(headers: Mapping[str, str], now: Nanos) -> float | None:
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text) if len(text) < _DIGITS else None
    try:
        day = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return max(0.0, day.replace(tzinfo=day.tzinfo or UTC).timestamp() - now / 1e9)
