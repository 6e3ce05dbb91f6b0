"""Kafka through the sink kit, against librdkafka's own mock cluster.

The cluster lives in the client that makes it and cannot be stopped and started with what it held: so nothing here shows
what happens when brokers restart, and the checks that cut the target off are skipped.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import confluent_kafka
import msgspec
import pytest
import trustme

from tickwire import ConfigError, ConnectionLostError, Duration, Record, RefusedError, Secret, Trade, decode_record
from tickwire.testing import SinkConformance, stream_of
from tickwire_sinks.border import Meaning
from tickwire_sinks.kafka import RECORD, SETTINGS, KafkaSink, meaning_of
from tickwire_sinks.stream_options import KafkaOptions

_QUIET = logging.getLogger("librdkafka-mock")


class Cluster:
    """Three brokers on loopback."""

    def __init__(self) -> None:
        settings = {"bootstrap.servers": "unused", "test.mock.num.brokers": 3}
        self._client = confluent_kafka.Producer(settings, logger=_QUIET)
        brokers = self._client.list_topics(timeout=30).brokers.values()
        self.servers = [f"{broker.host}:{broker.port}" for broker in brokers]

    def stop(self) -> None:
        """End the brokers, and all they held."""
        del self._client

    def messages(self) -> list[tuple[str, bytes, bytes, str]]:
        """Give topic, key, value and key header of every message, each partition in its order."""
        settings = {
            "bootstrap.servers": ",".join(self.servers),
            "group.id": "reader",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
        consumer = confluent_kafka.Consumer(settings, logger=_QUIET)
        try:
            return [one for topic in sorted(consumer.list_topics(timeout=30).topics) for one in _read(consumer, topic)]
        finally:
            consumer.close()


def _read(consumer: confluent_kafka.Consumer, topic: str) -> list[tuple[str, bytes, bytes, str]]:
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    consumer.assign([confluent_kafka.TopicPartition(topic, number, 0) for number in partitions])
    found: list[tuple[str, bytes, bytes, str]] = []
    ended = 0
    while ended < len(partitions):
        message = consumer.poll(60)
        assert message is not None
        error = message.error()
        if error is not None:
            assert error.code() == confluent_kafka.KafkaError._PARTITION_EOF
            ended += 1
        else:
            headers: Any = message.headers()
            found.append((topic, message.key() or b"", message.value() or b"", dict(headers)["key"].decode()))
    return found


class TestKafka(SinkConformance):
    sink = "kafka"

    async def prepare(self) -> None:
        self.cluster = await asyncio.to_thread(Cluster)

    def make_options(self, tmp_path: Path) -> Mapping[str, object]:
        return {"servers": self.cluster.servers, "max_bytes": 10_000}

    async def read_back(self) -> Sequence[Record]:
        return [decode_record(value) for _, _, value, _ in await asyncio.to_thread(self.cluster.messages)]

    def poison(self, record: Record) -> Record:
        event = msgspec.structs.replace(record.event, conditions=("x" * 20_000,))
        return msgspec.structs.replace(record, event=event)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def test_a_message_has_its_instrument_as_key_and_its_own_key_as_header(cluster: Cluster) -> None:
    records = stream_of(30)

    async def body() -> None:
        sink = KafkaSink(KafkaOptions(tuple(cluster.servers), topic="market.{exchange}.{channel}"))
        await sink.open()
        await sink.write(records)
        await sink.close()

    asyncio.run(body())
    found = cluster.messages()
    assert {topic for topic, _, _, _ in found} == {"market.kit.trades", "market.kit.l1_book"}
    by_key = {record.key: record for record in records}
    assert sorted(header for _, _, _, header in found) == sorted(by_key)
    for topic, key, value, header in found:
        record = by_key[header]
        assert (key.decode(), decode_record(value)) == (f"kit/{record.event.symbol}", record)
        assert topic == f"market.kit.{'trades' if isinstance(record.event, Trade) else 'l1_book'}"


def test_what_is_too_large_is_refused_before_anything_is_sent(cluster: Cluster) -> None:
    small, large = stream_of(2)
    large = msgspec.structs.replace(
        large, event=msgspec.structs.replace(large.event, conditions=("x" * 5_000,), trade_id="9")
    )

    async def body() -> None:
        sink = KafkaSink(KafkaOptions(tuple(cluster.servers), max_bytes=4_000))
        await sink.open()
        with pytest.raises(RefusedError, match="max_bytes is 4000"):
            await sink.write([small, large])
        await sink.close()

    asyncio.run(body())
    assert cluster.messages() == []


def test_brokers_that_are_away_can_be_tried_again() -> None:
    async def body() -> None:
        sink = KafkaSink(KafkaOptions(("127.0.0.1:1",), timeout=Duration(3.0)))
        with pytest.raises(ConnectionLostError, match=r"127\.0\.0\.1:1.*Connection refused"):
            await sink.open()
        await sink.close()
        with pytest.raises(ConnectionLostError, match="not connected"):
            await sink.write(stream_of(1))

    asyncio.run(body())


@pytest.mark.parametrize(
    "settings",
    [
        {"properties": {"nope": "1"}},
        {"properties": {"linger.ms": "soon"}},
        {"tls": True, "properties": {"ssl.ca.location": "/none"}},
    ],
)
def test_a_setting_that_librdkafka_does_not_take_is_the_users_mistake(settings: dict[str, object]) -> None:
    async def body() -> None:
        sink = KafkaSink(KafkaOptions(("127.0.0.1:1",), **settings))  # type: ignore[arg-type]
        with pytest.raises(ConfigError):
            await sink.open()
        await sink.close()

    asyncio.run(body())


def test_brokers_whose_certificate_is_not_trusted_are_the_users_to_mend() -> None:
    async def body(port: int) -> None:
        sink = KafkaSink(KafkaOptions((f"127.0.0.1:{port}",), tls=True, timeout=Duration(4.0)))
        with pytest.raises(ConfigError, match=r"certificate.*\(_SSL\)"):
            await sink.open()
        await sink.close()

    # not a server of the loop's: librdkafka dials to the end, and what was just accepted would be left open
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_shake_hands, args=(listener, context, over))
        thread.start()
        try:
            asyncio.run(body(listener.getsockname()[1]))
        finally:
            over.set()
            thread.join()


def _shake_hands(listener: socket.socket, context: ssl.SSLContext, over: threading.Event) -> None:
    listener.settimeout(0.1)
    while not over.is_set():
        with suppress(OSError):  # nobody came in time, or who came does not trust us
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(5.0)
                context.wrap_socket(connection, server_side=True).close()


def test_a_full_queue_of_the_library_is_waited_for(cluster: Cluster) -> None:
    async def body() -> None:
        properties = {"queue.buffering.max.messages": "10"}
        sink = KafkaSink(KafkaOptions(tuple(cluster.servers), properties=properties))
        await sink.open()
        await sink.write(stream_of(200))
        await sink.close()

    asyncio.run(body())
    assert {header for _, _, _, header in cluster.messages()} == {record.key for record in stream_of(200)}


@pytest.mark.parametrize(
    "settings",
    [
        {"servers": ()},
        {"topic": "a.{symbol}"},
        {"properties": {"acks": "1"}},
        {"properties": {"enable.idempotence": "false"}},
        {"max_bytes": 10},
    ],
)
def test_a_setting_that_would_lose_something_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        KafkaOptions(**{"servers": ("127.0.0.1:9092",), **settings})  # type: ignore[arg-type]


def test_every_error_code_has_a_meaning() -> None:
    names = {name for name in dir(confluent_kafka.KafkaError) if name.lstrip("_")[:1].isupper()}
    assert names >= SETTINGS | RECORD
    assert not SETTINGS & RECORD
    codes = [confluent_kafka.KafkaError(getattr(confluent_kafka.KafkaError, name)) for name in sorted(names)]
    found = {meaning: {code.name() for code in codes if meaning_of(code) is meaning} for meaning in Meaning}
    assert found[Meaning.SETTINGS] == SETTINGS
    assert found[Meaning.RECORD] == RECORD
    passing = {"_TRANSPORT", "_ALL_BROKERS_DOWN", "_MSG_TIMED_OUT", "_FATAL", "NOT_ENOUGH_REPLICAS"}
    assert found[Meaning.LOST] >= passing | {"OUT_OF_ORDER_SEQUENCE_NUMBER", "UNKNOWN_TOPIC_OR_PART"}


def test_the_password_is_not_shown() -> None:
    assert "hunter2" not in repr(KafkaOptions(("a:1",), user="me", password=Secret("hunter2")))


def test_messages_that_nobody_acknowledges_are_not_written() -> None:
    async def body() -> None:
        cluster = Cluster()
        sink = KafkaSink(KafkaOptions(tuple(cluster.servers), timeout=Duration(4.0)))
        await sink.open()
        await sink.write(stream_of(10))
        cluster.stop()
        with pytest.raises(ConnectionLostError):
            await sink.write(stream_of(10, first=11))
        await sink.close()

    asyncio.run(body())
