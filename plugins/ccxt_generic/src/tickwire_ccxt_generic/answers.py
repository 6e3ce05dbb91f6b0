"""What ccxt does not look at in an HTTP answer: its status, how long to wait, and whether it is an answer at all."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC
from email.utils import parsedate_to_datetime

import attrs

from tickwire import ExchangeUnavailableError, RateLimitedError
from tickwire_ccxt_generic.errors import translated
from tickwire_ccxt_generic.gate import Gate

__all__ = ["SEEN", "Seen", "look_at"]

_PAUSE = 1.0  # seconds to wait where a refusal does not say how long
_OUTAGES = (403, 408, 425, 451)


@attrs.define
class Seen:
    """What was seen of the answer to a call that is under way."""

    status: int | None = None
    retry_after: float | None = None


SEEN: ContextVar[Seen | None] = ContextVar("tickwire_ccxt_seen", default=None)
"""Filled in by ``look_at`` for whoever called ccxt in this task."""


def look_at(exchange: str, method: str, status: int, headers: Mapping[str, str], body: str, gate: Gate) -> None:
    """Look at an answer before ccxt does.

    Args:
        exchange: Its id.
        method: ``GET``, …
        status: Of HTTP.
        headers: Of the answer.
        body: Of the answer.
        gate: Is shut where the exchange asks for fewer requests.

    Raises:
        RateLimitedError: 429 or 418.
        ExchangeUnavailableError: 403, 451, 5xx, or a page of HTML in place of an answer.
    """
    retry_after = _retry_after({name.lower(): text for name, text in headers.items()}.get("retry-after", ""))
    seen = SEEN.get()
    if seen is not None:
        seen.status, seen.retry_after = status, retry_after
    what = f"{exchange} {method}"
    if status in (418, 429) or status in _OUTAGES or status >= 500:
        said = " ".join(body[:100].split())
        error = translated(Exception(f"{status} {said}".rstrip()), what=what, status=status, retry_after=retry_after)
        if isinstance(error, RateLimitedError):
            gate.shut(_PAUSE if retry_after is None else retry_after)
        raise error
    if status < 300 and body.lstrip()[:1] == "<":
        raise ExchangeUnavailableError(f"{what}: a page of HTML instead of an answer", status=status)


def _retry_after(text: str) -> float | None:
    text = text.strip()
    if text.isdecimal():
        return float(text)
    try:
        day = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return max(0.0, day.replace(tzinfo=day.tzinfo or UTC).timestamp() - time.time())
