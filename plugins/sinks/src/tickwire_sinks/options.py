"""Settings of the sinks, one class each. URLs are secrets, because they may hold a password."""

from __future__ import annotations

from typing import Literal
from urllib.parse import SplitResult, urlsplit

import attrs

from tickwire import ConfigError, Duration, Secret

__all__ = [
    "MqttOptions", "NatsJetStreamOptions", "PostgresOptions", "RabbitMqOptions", "RedisStreamsOptions", "place_of",
]  # fmt: skip

_TIMEOUT = Duration(10.0)
_DUPLICATES = Duration(120.0)


def place_of(url: Secret) -> str:
    """Give host and port of a URL, which may be shown."""
    parts = _split(url)
    return parts.netloc.rpartition("@")[2] or parts.path


@attrs.frozen
class RedisStreamsOptions:
    """Settings of a Redis Streams sink.

    Attributes:
        url: ``redis://``, ``rediss://`` (TLS) or ``unix://``, with user, password and database.
        stream: Name of an event's stream.
        maxlen: Entries that a stream keeps at least; older ones are trimmed away. All are kept by default.
        last: Name of the key that holds the last event of its kind; none by default.
        timeout: How long an answer may take.
    """

    url: Secret
    stream: str = "tickwire:{exchange}:{channel}:{symbol}"
    maxlen: int | None = None
    last: str | None = None
    timeout: Duration = _TIMEOUT

    def __attrs_post_init__(self) -> None:
        _check_url(self.url, "redis", "rediss", "unix")
        _check_positive("maxlen", self.maxlen)


@attrs.frozen
class PostgresOptions:
    """Settings of a PostgreSQL sink.

    Attributes:
        url: ``postgresql://``, with user, password and database; ``?sslmode=verify-full`` for TLS.
        schema: Where the tables are made.
        numbers: What prices and sizes become: ``float`` (``double precision``), or ``decimal`` (``numeric``, for feeds
            with ``numbers: decimal``).
        hypertables: Make hypertables where TimescaleDB is in the database.
        timeout: How long an answer may take.
    """

    url: Secret
    schema: str = "tickwire"
    numbers: Literal["float", "decimal"] = "float"
    hypertables: bool = True
    timeout: Duration = _TIMEOUT

    def __attrs_post_init__(self) -> None:
        _check_url(self.url, "postgresql", "postgres")
        if not self.schema or "\0" in self.schema or len(self.schema.encode()) > 63:
            raise ConfigError(f"schema is {self.schema!r}", hint="write a name of at most 63 bytes")


@attrs.frozen
class NatsJetStreamOptions:
    """Settings of a NATS JetStream sink.

    Attributes:
        url: ``nats://`` or ``tls://``, with user and password or a token; several, with commas between them.
        stream: Name of the JetStream stream; made where it is missing.
        subject: An event's subject.
        duplicates: How long a made stream remembers keys, to take a second copy of an event for one.
        max_age: How long a made stream keeps events; for ever by default.
        max_bytes: How much a made stream keeps; no limit by default.
        storage: Where a made stream keeps them.
        replicas: On how many servers a made stream lies.
        timeout: How long an answer may take.
    """

    url: Secret
    stream: str = "tickwire"
    subject: str = "tickwire.{exchange}.{channel}.{symbol}"
    duplicates: Duration = _DUPLICATES
    max_age: Duration | None = None
    max_bytes: int | None = None
    storage: Literal["file", "memory"] = "file"
    replicas: int = 1
    timeout: Duration = _TIMEOUT

    def __attrs_post_init__(self) -> None:
        for url in self.servers:
            _check_url(url, "nats", "tls")
        _check_positive("max_bytes", self.max_bytes)
        _check_positive("replicas", self.replicas)
        if not self.stream or any(character in self.stream for character in ".*> \t/\\"):
            raise ConfigError(f"stream is {self.stream!r}", hint="write a name without space . * > / and \\")

    @property
    def servers(self) -> list[Secret]:
        """The URLs, one each."""
        return [Secret(url.strip()) for url in self.url.reveal().split(",")]


@attrs.frozen
class RabbitMqOptions:
    """Settings of a RabbitMQ sink.

    Attributes:
        url: ``amqp://`` or ``amqps://`` (TLS), with user, password and virtual host.
        exchange: The durable topic exchange to publish to; made where it is missing.
        routing_key: An event's routing key.
        durable_queue: A queue that gets everything, made where it is missing. Empty: none, and what no queue of yours
            is bound for is thrown away by the broker.
        timeout: How long an answer may take.
    """

    url: Secret
    exchange: str = "tickwire"
    routing_key: str = "{exchange}.{channel}.{symbol}"
    durable_queue: str = "tickwire"
    timeout: Duration = _TIMEOUT

    def __attrs_post_init__(self) -> None:
        _check_url(self.url, "amqp", "amqps")
        if not self.exchange:
            raise ConfigError("exchange is empty", hint="name a topic exchange, e.g. tickwire")


@attrs.frozen
class MqttOptions:
    """Settings of an MQTT sink.

    Attributes:
        url: ``mqtt://`` or ``mqtts://`` (TLS), with user and password.
        topic: An event's topic.
        retain: The broker keeps the last event of every topic, and gives it to whoever subscribes.
        client_id: The client's name; the broker gives one by default.
        protocol: ``mqtt5``, or ``mqtt3`` (3.1.1), which cannot refuse a message: what the user may not publish is
            acknowledged and thrown away.
        timeout: How long an answer may take.
    """

    url: Secret
    topic: str = "tickwire/{exchange}/{channel}/{symbol}"
    retain: bool = False
    client_id: str | None = None
    protocol: Literal["mqtt5", "mqtt3"] = "mqtt5"
    timeout: Duration = _TIMEOUT

    def __attrs_post_init__(self) -> None:
        _check_url(self.url, "mqtt", "mqtts")


def _split(url: Secret) -> SplitResult:
    try:
        parts = urlsplit(url.reveal())
        _ = parts.port  # raises where it is no number
    except ValueError:
        # its own text would show what may be a password; 'from None' for the same reason
        raise ConfigError("url is no URL", hint="percent-encode : / @ # ? [ ] in user and password") from None
    return parts


def _check_url(url: Secret, *schemes: str) -> None:
    parts = _split(url)
    if parts.scheme not in schemes or not (parts.netloc or parts.path.strip("/")):
        raise ConfigError("url is no URL for this sink", hint=f"write {schemes[0]}://user:password@host:port/…")


def _check_positive(name: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise ConfigError(f"{name} is {value}", hint="write a whole number above zero")
