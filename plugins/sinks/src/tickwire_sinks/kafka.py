"""Kafka: a message an event, keyed by its instrument, acknowledged by every replica before ``write`` returns.

The producer is idempotent: what librdkafka itself sends again is there once. What the delivery sends again after a
failure can be there twice; the header ``key`` tells.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence

from tickwire import ConfigError, ConnectionLostError, Record, RefusedError, TickwireError, encode_record
from tickwire_sinks.border import Meaning, extra
from tickwire_sinks.messages import Topics
from tickwire_sinks.stream_options import KafkaOptions

with extra("kafka"):
    from confluent_kafka import KafkaError, KafkaException, Producer

__all__ = ["RECORD", "SETTINGS", "KafkaSink", "meaning_of"]

SETTINGS = frozenset({
    "_AUTHENTICATION", "_INVALID_ARG", "_NOT_CONFIGURED", "_NOT_IMPLEMENTED", "_SSL", "_UNKNOWN_PROTOCOL",
    "_UNSUPPORTED_FEATURE", "CLUSTER_AUTHORIZATION_FAILED", "ILLEGAL_SASL_STATE", "INVALID_CONFIG",
    "INVALID_REQUIRED_ACKS", "PRINCIPAL_DESERIALIZATION_FAILURE", "SASL_AUTHENTICATION_FAILED", "SECURITY_DISABLED",
    "TOPIC_AUTHORIZATION_FAILED", "TOPIC_EXCEPTION", "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
    "UNACCEPTABLE_CREDENTIAL", "UNSUPPORTED_COMPRESSION_TYPE", "UNSUPPORTED_FOR_MESSAGE_FORMAT",
    "UNSUPPORTED_SASL_MECHANISM", "UNSUPPORTED_VERSION",
})  # fmt: skip
"""What the user edits, here or on the brokers."""
RECORD = frozenset({
    "INVALID_MSG_SIZE", "INVALID_RECORD", "INVALID_TIMESTAMP", "MSG_SIZE_TOO_LARGE", "POLICY_VIOLATION",
    "RECORD_LIST_TOO_LARGE",
})  # fmt: skip
"""What one message is to blame for. Everything in neither set passes, or is mended by a new producer."""

_WAIT = 0.1
_REMEMBERED = 100
_CRITICAL = 2
_OVERHEAD = 512  # of a message in its batch, with room to spare

logger = logging.getLogger(__name__)


def meaning_of(error: KafkaError) -> Meaning:
    """Tell what an error of librdkafka or of a broker means."""
    name = error.name()
    return Meaning.SETTINGS if name in SETTINGS else Meaning.RECORD if name in RECORD else Meaning.LOST


class KafkaSink:
    """Produces messages; librdkafka is waited for in a thread, never on the event loop."""

    def __init__(self, options: KafkaOptions) -> None:
        """Take over the settings; ``open`` connects.

        Raises:
            ConfigError: The topic is no template.
        """
        self._options = options
        self._topics = Topics(options.topic, option="topic")
        self._place = f"Kafka at {', '.join(options.servers)}"
        self._producer: Producer | None = None
        self._troubles: deque[KafkaError] = deque(maxlen=_REMEMBERED)
        self._is_closing = threading.Event()
        self._keys: dict[tuple[str, str | None], bytes] = {}

    async def open(self) -> None:
        """Connect to a broker.

        Raises:
            ConfigError: A setting is wrong, or the brokers refuse us.
            ConnectionLostError: No broker can be reached now.
        """
        await self.close()
        self._is_closing.clear()
        self._troubles.clear()
        try:
            self._producer = Producer(self._settings(), logger=logger)
            await asyncio.to_thread(self._producer.list_topics, timeout=self._options.timeout)
        except KafkaException as error:
            raise self._translated(self._reason(error)) from error

    async def write(self, records: Sequence[Record]) -> None:
        """Produce a batch and wait for the acknowledgement of each message.

        Raises:
            RefusedError: A message is too large, or the broker refuses it.
            ConnectionLostError: Not all were acknowledged in time.
        """
        producer = self._producer
        if producer is None:
            raise ConnectionLostError(f"{self._place} is not connected")
        messages = [(self._topics.of(record), encode_record(record), record) for record in records]
        largest = max((len(line) for _, line, _ in messages), default=0)
        if largest > self._options.max_bytes - _OVERHEAD:
            raise RefusedError(f"a message of {largest} bytes; max_bytes is {self._options.max_bytes}")
        failures = await asyncio.to_thread(self._send, producer, messages)
        if failures:
            # what passes comes first: whether a message is to blame shows when the rest goes through
            raise self._translated(min(failures, key=lambda one: meaning_of(one) is Meaning.RECORD), writing=True)

    async def close(self) -> None:
        """Let go of the brokers, and of what they have not acknowledged; a second call is harmless."""
        producer, self._producer = self._producer, None
        if producer is not None:
            self._is_closing.set()
            producer.purge()
            await asyncio.to_thread(producer.flush, _WAIT)

    # runs in a thread: nothing here waits longer than the deadline
    def _send(self, producer: Producer, messages: Sequence[tuple[str, bytes, Record]]) -> list[KafkaError]:
        failures: list[KafkaError] = []
        deadline = time.monotonic() + self._options.timeout * 2
        try:
            self._produce(producer, messages, failures, deadline)
        except KafkaException as error:
            return [error.args[0]]
        while (waiting := producer.flush(_WAIT)) and self._goes_on(deadline):
            pass
        return failures or ([KafkaError(KafkaError._TIMED_OUT)] if waiting else [])

    def _produce(
        self,
        producer: Producer,
        messages: Sequence[tuple[str, bytes, Record]],
        failures: list[KafkaError],
        deadline: float,
    ) -> None:
        def failed(error: KafkaError | None, _: object) -> None:
            if error is not None:
                failures.append(error)

        produce, keys = producer.produce, self._keys
        for topic, line, record in messages:
            event = record.event
            name = (event.exchange, event.symbol)
            key = keys.get(name) or self._key(name)
            stamp = event.ts_recv // 1_000_000
            headers: list[tuple[str, str | bytes | None]] = [("key", record.key)]
            while True:
                try:
                    produce(topic, line, key, on_delivery=failed, timestamp=stamp, headers=headers)
                    break
                except BufferError:  # librdkafka's own queue is full
                    if not self._goes_on(deadline):
                        raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from None
                    producer.poll(_WAIT)

    def _goes_on(self, deadline: float) -> bool:
        return not self._is_closing.is_set() and time.monotonic() < deadline

    def _key(self, name: tuple[str, str | None]) -> bytes:
        exchange, symbol = name
        key = self._keys[name] = (exchange if symbol is None else f"{exchange}/{symbol}").encode()
        return key

    # why a broker was not reached is told to the callback, not by the exception
    def _reason(self, error: KafkaException) -> KafkaError:
        if self._producer is not None:
            self._producer.poll(0)
        told = [one for one in self._troubles if one.name() != "_ALL_BROKERS_DOWN"]
        refused = [one for one in told if meaning_of(one) is Meaning.SETTINGS]
        first: KafkaError = [*refused, *told, error.args[0]][0]
        return first

    def _translated(self, error: KafkaError, *, writing: bool = False) -> TickwireError:
        text = f"{self._place}: {error.str()} ({error.name()})"
        meaning = meaning_of(error)
        if meaning is Meaning.RECORD and writing:
            return RefusedError(text)
        if meaning is Meaning.LOST or writing:
            return ConnectionLostError(text)
        return ConfigError(text, hint="check servers, user, password, tls and properties, and the broker's own log")

    def _settings(self) -> dict[str, object]:
        options = self._options
        milliseconds = int(options.timeout * 1_000)
        security = ("SASL_" if options.user else "") + ("SSL" if options.tls else "PLAINTEXT")
        settings: dict[str, object] = {
            **options.properties,
            "bootstrap.servers": ",".join(options.servers),
            "enable.idempotence": True,
            "acks": "all",
            "delivery.report.only.error": True,  # that nothing waits any more says the rest
            "message.timeout.ms": milliseconds,
            "topic.metadata.propagation.max.ms": milliseconds // 2,
            "message.max.bytes": options.max_bytes,
            "compression.type": options.compression,
            "security.protocol": security,
            "error_cb": self._troubles.append,
            "log_level": _CRITICAL,  # the delivery says that brokers are away, once
        }
        if options.user:
            settings |= {"sasl.mechanism": options.mechanism, "sasl.username": options.user}
            settings["sasl.password"] = options.password.reveal() if options.password else ""
        return settings
