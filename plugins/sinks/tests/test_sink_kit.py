"""The sink kit, for each sink with its real server behind a proxy that is cut, slowed down and stalled."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aio_pika
import asyncpg
import nats
import pytest
from redis.asyncio import Redis

from tickwire import Record, Trade, decode_record
from tickwire.testing import ProxiedSinkConformance
from tickwire_sinks.postgres_rows import event_of
from tickwire_sinks.postgres_tables import tables


class Behind(ProxiedSinkConformance):
    """A sink whose server runs on loopback, with a proxy before it."""

    number: int
    start: str

    async def prepare(self) -> None:
        try:
            socket.create_connection(("127.0.0.1", self.number), 5).close()
        except OSError:
            pytest.skip(f"nothing listens on 127.0.0.1:{self.number}; start it with: {self.start}")
        self.name = f"tw_kit_{secrets.token_hex(6)}"
        await self.stand_before(self.number)

    async def clean(self) -> None:
        await super().clean()
        await self.forget()

    async def forget(self) -> None:
        """Remove everything from the server."""


class TestRedisStreams(Behind):
    sink = "redis_streams"
    is_idempotent = True
    number, start = 6379, "redis-server --port 6379"

    def make_options(self, tmp_path: Path) -> Mapping[str, object]:
        return {
            "url": f"redis://127.0.0.1:{self.proxy.port}/0",
            "stream": f"{self.name}:{{symbol}}",
            "timeout": self.timeout,
        }

    async def read_back(self) -> Sequence[Record | str]:
        redis: Any
        async with Redis() as redis:
            names = [name async for name in redis.scan_iter(f"{self.name}:*", count=10_000)]
            return [decode_record(fields[b"event"]) for name in names for _, fields in await redis.xrange(name)]

    async def forget(self) -> None:
        async with Redis() as redis:
            names = [name async for name in redis.scan_iter(f"{self.name}:*", count=10_000)]
            if names:
                await redis.delete(*names)


class TestPostgres(Behind):
    sink = "postgres"
    is_idempotent = True
    number, start = 5432, "pg_ctlcluster 15 main start"

    def make_options(self, tmp_path: Path) -> Mapping[str, object]:
        return {
            "url": f"postgresql://postgres@127.0.0.1:{self.proxy.port}/test",
            "schema": self.name,
            "timeout": self.timeout,
        }

    async def read_back(self) -> Sequence[Record | str]:
        connection = await asyncpg.connect("postgresql://postgres@127.0.0.1:5432/test")
        try:
            rows = [
                (table.name, row)
                for table in tables("float").values()
                for row in await connection.fetch(f'SELECT * FROM "{self.name}"."{table.name}"')
            ]
        finally:
            await connection.close()
        found = [Record(event_of(name, row), row["run_id"], row["ordinal"], row["key"]) for name, row in rows]
        return sorted(found, key=lambda record: record.ordinal)

    def poison(self, record: Record) -> Record | None:
        assert isinstance(record.event, Trade)
        event = record.event
        head = (event.exchange, event.symbol, event.ts_event, event.ts_recv)
        return Record(Trade(*head, event.price, event.size, sequence=2**70), record.run_id, record.ordinal, record.key)

    async def forget(self) -> None:
        connection = await asyncpg.connect("postgresql://postgres@127.0.0.1:5432/test")
        await connection.execute(f'DROP SCHEMA IF EXISTS "{self.name}" CASCADE')
        await connection.close()


class TestNatsJetStream(Behind):
    sink = "nats_jetstream"
    is_idempotent = True
    number, start = 4222, "nats-server -js"

    def make_options(self, tmp_path: Path) -> Mapping[str, object]:
        subject = f"{self.name}.{{exchange}}.{{channel}}.{{symbol}}"
        url = f"nats://127.0.0.1:{self.proxy.port}"
        return {"url": url, "stream": self.name, "subject": subject, "storage": "memory", "timeout": self.timeout}

    async def read_back(self) -> Sequence[Record | str]:
        client = await nats.connect("nats://127.0.0.1:4222")
        stream = client.jetstream()
        state = (await stream.stream_info(self.name)).state
        found = [await stream.get_msg(self.name, n) for n in range(state.first_seq, state.last_seq + 1)]
        await client.close()
        return [decode_record(one.data or b"") for one in found]

    async def forget(self) -> None:
        client = await nats.connect("nats://127.0.0.1:4222")
        stream = client.jetstream()
        if self.name in [one.config.name for one in await stream.streams_info()]:
            await stream.delete_stream(self.name)
        await client.close()


class TestRabbitMq(Behind):
    sink = "rabbitmq"
    number, start = 5672, "rabbitmq-server -detached"

    def make_options(self, tmp_path: Path) -> Mapping[str, object]:
        url = f"amqp://guest:guest@127.0.0.1:{self.proxy.port}/"
        return {"url": url, "exchange": self.name, "durable_queue": self.name, "timeout": self.timeout}

    async def read_back(self) -> Sequence[Record | str]:
        found = []
        async with await aio_pika.connect("amqp://guest:guest@127.0.0.1:5672/") as connection:
            queue = await (await connection.channel()).get_queue(self.name)
            while (message := await queue.get(no_ack=True, fail=False)) is not None:
                found.append(decode_record(message.body))
        return found

    async def forget(self) -> None:
        async with await aio_pika.connect("amqp://guest:guest@127.0.0.1:5672/") as connection:
            channel = await connection.channel()
            await channel.exchange_delete(self.name)
            await channel.queue_delete(self.name)


class TestMqtt(Behind):
    sink = "mqtt"
    number, start = 1883, "mosquitto -d"

    @pytest.fixture(autouse=True)
    def _listening(self, listen: Callable[..., Any]) -> None:
        self.listen = listen

    async def prepare(self) -> None:
        await super().prepare()
        self.listener = self.listen(self.name)

    def make_options(self, tmp_path: Path) -> Mapping[str, object]:
        topic = f"{self.name}/{{exchange}}/{{channel}}/{{symbol}}"
        return {"url": f"mqtt://127.0.0.1:{self.proxy.port}", "topic": topic, "timeout": self.timeout}

    async def read_back(self) -> Sequence[Record | str]:
        self.listener.forget(f"{self.name}/end")  # an empty message, behind everything that was published
        found: list[Record] = []
        while payload := self.listener.take(1)[0][1]:
            found.append(decode_record(payload))
        return found
