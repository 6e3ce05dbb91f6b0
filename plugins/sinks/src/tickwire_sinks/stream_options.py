"""Settings of the sinks that send messages away, one class each: Kafka, ZeroMQ, sockets, webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from urllib.parse import SplitResult, urlsplit

import attrs

from tickwire import ConfigError, Duration, Secret, Severity

__all__ = ["KafkaOptions", "SocketOptions", "WebhookOptions", "ZeroMqOptions"]

_TIMEOUT = Duration(10.0)
_EVERY = Duration(30.0)
_OURS = frozenset({
    "acks", "bootstrap.servers", "delivery.report.only.error", "enable.idempotence", "message.max.bytes",
    "message.timeout.ms",
})  # fmt: skip


@attrs.frozen
class KafkaOptions:
    """Settings of a Kafka sink.

    Attributes:
        servers: ``host:port`` of some brokers.
        topic: An event's topic; not by symbol, because messages are keyed by exchange and symbol. With ``{channel}``
            or ``{type}`` in it, the events of an instrument are in order only within each.
        user: For SASL; none by default.
        password: The user's.
        mechanism: How the user is proved.
        tls: Encrypt; trust is set by ``properties``, e.g. ``ssl.ca.location``.
        compression: Of what is sent.
        max_bytes: The largest message; a larger one is refused. Brokers have a limit of their own.
        properties: Further settings of librdkafka, as it spells them.
        timeout: How long the acknowledgement of a batch may take.
    """

    servers: tuple[str, ...]
    topic: str = "tickwire.{exchange}"
    user: str | None = None
    password: Secret | None = None
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    tls: bool = False
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "lz4"
    max_bytes: int = 1_000_000
    properties: Mapping[str, str] = attrs.field(factory=dict)
    timeout: Duration = _TIMEOUT

    def __attrs_post_init__(self) -> None:
        if not self.servers:
            raise ConfigError("servers is empty", hint="name at least one broker, e.g. servers: [localhost:9092]")
        if "{symbol}" in self.topic:
            raise ConfigError("topic names {symbol}", hint="leave it out: each message has its instrument as its key")
        if self.max_bytes < 1_000:
            raise ConfigError(f"max_bytes is {self.max_bytes}", hint="write at least 1000")
        ours = sorted(_OURS & set(self.properties))
        if ours:
            raise ConfigError(f"properties sets {ours[0]!r}", hint="leave it out: that nothing is lost rests on it")


@attrs.frozen
class ZeroMqOptions:
    """Settings of a ZeroMQ sink; either ``bind`` or ``connect``.

    Attributes:
        pattern: ``push``: each event to one of those who pull. ``pub``: to everybody who has subscribed by now.
        bind: Where to listen, e.g. ``tcp://127.0.0.1:5555`` or ``ipc:///run/tickwire.ipc``.
        connect: Where somebody listens.
        topic: First part of a message, by which subscribers choose; the second part is the event.
        high_water: How many messages may wait in ZeroMQ for one receiver.
        timeout: How long to wait for somebody who pulls, and to send off what waits when the sink closes.
    """

    pattern: Literal["push", "pub"]
    bind: str | None = None
    connect: str | None = None
    topic: str = "{exchange}.{channel}.{symbol}"
    high_water: int = 1_000
    timeout: Duration = _TIMEOUT

    def __attrs_post_init__(self) -> None:
        if (self.bind is None) == (self.connect is None):
            both = "neither bind nor connect is set" if self.bind is None else "bind and connect are both set"
            raise ConfigError(both, hint="write bind: to listen, or connect: to where somebody listens")
        if self.high_water < 1:
            raise ConfigError(f"high_water is {self.high_water}", hint="write a whole number above zero")


@attrs.frozen
class SocketOptions:
    """Settings of a socket sink.

    Attributes:
        url: ``tcp://host:port``, ``udp://host:port`` or ``unix:///path``.
        acknowledged: The receiver sends one byte, whichever, for each line that is safe with it; else a line counts as
            written when this machine's system has taken it. Not with UDP.
        timeout: How long connecting, sending and acknowledging may take.
    """

    url: str
    acknowledged: bool = False
    timeout: Duration = _TIMEOUT

    def __attrs_post_init__(self) -> None:
        parts = _split(self.url)
        is_good = bool(parts.path) if parts.scheme == "unix" else bool(parts.hostname and parts.port)
        if parts.scheme not in ("tcp", "udp", "unix") or not is_good:
            raise ConfigError(f"url is {self.url!r}", hint="write tcp://host:port, udp://host:port or unix:///path")
        if self.acknowledged and parts.scheme == "udp":
            raise ConfigError("acknowledged is set for UDP", hint="use tcp:// or unix://, or leave it out")


@attrs.frozen
class WebhookOptions:
    """Settings of a webhook, which is told of quality events.

    Attributes:
        url: Where to post; a secret, because it often holds a token.
        severity: The lowest that is told.
        every: How long to wait at least between two messages; what happens meanwhile stands in the next one.
        style: ``json``: everything. ``slack`` and ``discord``: the text as these services read it.
        headers: Sent with each message, e.g. ``Authorization``.
        timeout: How long an answer may take.
    """

    url: Secret
    severity: Severity = Severity.WARNING
    every: Duration = _EVERY
    style: Literal["json", "slack", "discord"] = "json"
    headers: Mapping[str, Secret] = attrs.field(factory=dict)
    timeout: Duration = _TIMEOUT

    def __attrs_post_init__(self) -> None:
        parts = _split(self.url.reveal())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError("url is not the URL of a web server", hint="write https://host/path")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts
