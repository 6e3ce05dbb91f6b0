"""A webhook that is told of quality events: one message at a time, and not more often than it is asked for.

The first event is told at once. What happens within ``every`` of it waits in the sink's queue and stands in one message
with its count; so nothing is kept here that a crash would lose.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from urllib.parse import urlsplit

import msgspec

from tickwire import (
    Clock,
    ExchangeUnavailableError,
    QualityEvent,
    RateLimitedError,
    Record,
    RefusedError,
    RetryableError,
    Severity,
    SystemClock,
    TickwireError,
    encode_record,
)
from tickwire.native import NativeRestClient
from tickwire.plugin import Request
from tickwire_sinks.stream_options import WebhookOptions

__all__ = ["WebhookSink", "summary"]

_LOUDNESS = (Severity.INFO, Severity.WARNING, Severity.ERROR)
_LINES = 20
_DISCORD_LIMIT = 2_000
_PASSES = frozenset({408, 425})
_HEADER = frozenset(QualityEvent.__struct_fields__)


class WebhookSink:
    """Posts what is loud enough."""

    def __init__(self, options: WebhookOptions, clock: Clock | None = None) -> None:
        """Take over the settings; nothing is posted before the first event.

        Args:
            options: The settings.
            clock: Spaces the messages; the machine's by default.
        """
        self._options = options
        self._clock = SystemClock() if clock is None else clock
        self._heard = frozenset(_LOUDNESS[_LOUDNESS.index(options.severity) :])
        parts = urlsplit(options.url.reveal())
        self._host = f"{parts.scheme}://{parts.netloc}"
        self._path = options.url.reveal().removeprefix(self._host) or "/"
        self._client: NativeRestClient | None = None
        self._not_before: float | None = None

    async def open(self) -> None:
        """Get ready; whether anybody is there shows with the first event."""
        await self.close()
        self._client = NativeRestClient(self._host, timeout=self._options.timeout)

    async def write(self, records: Sequence[Record]) -> None:
        """Post one message about a batch, once it is time; events of other channels are passed over.

        Raises:
            RefusedError: The server refuses it (4xx).
            RateLimitedError: It asks for fewer messages.
            RetryableError: It cannot be reached, or not serve now.
        """
        told = [record for record in records if getattr(record.event, "severity", None) in self._heard]
        if not told:
            return
        if self._not_before is not None:
            await self._clock.sleep(self._not_before - self._clock.monotonic())
        await self._post(told)
        self._not_before = self._clock.monotonic() + self._options.every

    async def close(self) -> None:
        """Release the connection; a second call is harmless."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _post(self, records: Sequence[Record]) -> None:
        if self._client is None:
            raise RetryableError("the webhook is not open")
        headers = {name: secret.reveal() for name, secret in self._options.headers.items()}
        headers |= {"Content-Type": "application/json", "Idempotency-Key": _digest(records)}
        try:
            await self._client.fetch(Request("POST", self._path, body=self._body(records), headers=headers))
        except TickwireError as error:
            refusal = self._translated(error)
            if isinstance(refusal, RateLimitedError) and refusal.retry_after is not None:
                self._not_before = self._clock.monotonic() + refusal.retry_after
            raise refusal from None  # the error itself shows the path, which may be a token

    def _body(self, records: Sequence[Record]) -> bytes:
        text = summary(records)
        if self._options.style == "slack":
            return msgspec.json.encode({"text": text})
        if self._options.style == "discord":
            return msgspec.json.encode({"content": text[:_DISCORD_LIMIT]})
        loudest = max((_severity(record) for record in records), key=_LOUDNESS.index)
        events = [msgspec.Raw(encode_record(record)) for record in records]
        return msgspec.json.encode({"text": text, "severity": loudest, "count": len(records), "events": events})

    def _translated(self, error: TickwireError) -> TickwireError:
        text = error.message if self._path == "/" else error.message.replace(self._path.partition("?")[0], "/***")
        if isinstance(error, RateLimitedError):
            return RateLimitedError(text, retry_after=error.retry_after)
        status = error.status if isinstance(error, ExchangeUnavailableError) else None
        if isinstance(error, RefusedError) or (status is not None and 400 <= status < 500 and status not in _PASSES):
            return RefusedError(text)
        return RetryableError(text)


def summary(records: Sequence[Record]) -> str:
    """Say in lines what happened: how many of what, then each, twenty at most."""
    counts = Counter(str(record.event.__struct_config__.tag) for record in records)
    head = ", ".join(f"{count} × {name}" for name, count in counts.most_common())
    lines = [f"tickwire: {head}", *(_line(record) for record in records[:_LINES])]
    if len(records) > _LINES:
        lines.append(f"… and {len(records) - _LINES} more")
    return "\n".join(lines)


def _line(record: Record) -> str:
    event = record.event
    where = " ".join(str(part) for part in (event.exchange, event.symbol, getattr(event, "channel", None)) if part)
    said = [(name, getattr(event, name)) for name in event.__struct_fields__ if name not in _HEADER]
    details = ", ".join(f"{name} {value}" for name, value in said if value not in (None, ""))
    return f"{_severity(record)} {event.__struct_config__.tag} {where}: {details}"


def _severity(record: Record) -> Severity:
    assert isinstance(record.event, QualityEvent)
    return record.event.severity


def _digest(records: Sequence[Record]) -> str:
    return blake2b("\n".join(record.key for record in records).encode(), digest_size=16).hexdigest()
