"""Six sinks and what stands behind them: each target can go and come back, and tells afterwards what it holds."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tickwire import load
from tickwire.testing import TcpProxy

__all__ = ["Place", "places"]

_PATH = "/usr/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin"


class Place:
    """One sink's entry in the config, and its target.

    Attributes:
        name: The entry's.
        policy: What its queue does when it is full.
        queue: Events that it holds.
        is_idempotent: A record that came twice is there once.
    """

    name: str
    policy = "spill"
    queue = 5_000
    is_idempotent = True

    async def begin(self, folder: Path) -> None:
        """Make ready."""

    def options(self) -> Mapping[str, object]:
        """Give the sink's own keys."""
        raise NotImplementedError

    async def fall(self) -> None:
        """Be gone at once."""

    async def rise(self) -> None:
        """Be back."""

    async def keys(self) -> list[str]:
        """Give the keys of all records that it holds."""
        raise NotImplementedError

    async def end(self) -> None:
        """Leave nothing behind."""

    def entry(self) -> Mapping[str, object]:
        """Give the entry in the config."""
        return {"type": self.name, "when_full": self.policy, "queue": self.queue, **self.options()}


class Files(Place):
    """A sink that writes below the folder; what it writes to does not go away."""

    policy = "block"
    queue = 65_536

    def __init__(self, kind: str) -> None:
        self.name = kind

    async def begin(self, folder: Path) -> None:
        self.path = folder / self.name / ("events.jsonl" if self.name == "jsonl" else "")

    def options(self) -> Mapping[str, object]:
        return {"path": str(self.path), "rotate": "1m"} if self.name == "parquet" else {"path": str(self.path)}

    async def keys(self) -> list[str]:
        # as they stand there: ``load`` would leave equal ones out
        if self.name == "jsonl":
            import msgspec

            return [msgspec.json.decode(line)["key"] for line in self.path.read_bytes().splitlines()]
        import pyarrow.parquet as pq

        files = [path for path in self.path.rglob("*.parquet") if "channel=" in str(path)]
        left = list(self.path.rglob("*.arrows"))
        assert not left, f"journals are left: {left}"
        found = [
            key for path in files for key in pq.read_table(path, columns=["key"], partitioning=None)["key"].to_pylist()
        ]
        assert {*found} == {record.key for record in load(self.path).records()}
        return found


class Served(Place):
    """A server of its own, in a folder of its own, that is killed and started again."""

    command: tuple[str, ...]

    async def begin(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self.folder = folder / f"{self.name}-server"
        self.folder.mkdir()
        await self.rise()

    async def rise(self) -> None:
        program, *arguments = [part.format(port=self.port, folder=self.folder) for part in self.command]
        path = shutil.which(program, path=_PATH)
        if path is None:
            raise SystemExit(f"{program} is not installed: apt-get install {program}")
        quiet = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(path, *arguments, stdout=quiet, stderr=quiet)
        async with asyncio.timeout(60):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return

    async def fall(self) -> None:
        self._process.kill()
        await self._process.wait()

    async def end(self) -> None:
        await self.fall()


class Redis(Served):
    """Redis that writes everything to disk before it answers."""

    name = "redis_streams"
    command = (
        "redis-server", "--port", "{port}", "--dir", "{folder}", "--save", "", "--appendonly", "yes",
        "--appendfsync", "always",
    )  # fmt: skip

    def options(self) -> Mapping[str, object]:
        return {"url": f"redis://127.0.0.1:{self.port}/0", "timeout": "2s"}

    async def keys(self) -> list[str]:
        from redis.asyncio import Redis as Client

        client: Any
        async with Client(port=self.port) as client:
            streams = [stream async for stream in client.scan_iter("tickwire:*")]
            return [fields[b"key"].decode() for stream in streams for _, fields in await client.xrange(stream)]


class Nats(Served):
    """NATS JetStream; its queue is small, and forgets."""

    name = "nats_jetstream"
    policy = "drop_oldest"
    queue = 1_000
    command = ("nats-server", "-a", "127.0.0.1", "-p", "{port}", "-js", "-sd", "{folder}")

    def options(self) -> Mapping[str, object]:
        return {"url": f"nats://127.0.0.1:{self.port}", "timeout": "2s"}

    async def keys(self) -> list[str]:
        import nats

        client = await nats.connect(f"nats://127.0.0.1:{self.port}")
        try:
            context = client.jetstream()
            left = (await context.stream_info("tickwire")).state.messages
            source = await context.pull_subscribe("tickwire.>", stream="tickwire")
            found = list[str]()
            while len(found) < left:
                messages = await source.fetch(min(1_000, left - len(found)), timeout=30)
                found += [(message.headers or {})["Nats-Msg-Id"] for message in messages]
                for message in messages:
                    await message.ack()
            return found
        finally:
            await client.close()


class Proxied(Place):
    """A server of the machine's, behind a proxy that is cut."""

    at: int

    async def begin(self, folder: Path) -> None:
        self.space = f"tw_outages_{secrets.token_hex(4)}"
        self.proxy = TcpProxy("127.0.0.1", self.at)
        await self.proxy.restore()

    async def fall(self) -> None:
        await self.proxy.cut()

    async def rise(self) -> None:
        await self.proxy.restore()


class Postgres(Proxied):
    """PostgreSQL, for which the sockets wait."""

    name = "postgres"
    policy = "block"
    at = 5432

    def options(self) -> Mapping[str, object]:
        url = f"postgresql://postgres@127.0.0.1:{self.proxy.port}/test"
        return {"url": url, "schema": self.space, "timeout": "5s", "pause_limit": "60s"}

    async def _asked(self, sql: str) -> list[Any]:
        import asyncpg

        connection = await asyncpg.connect(f"postgresql://postgres@127.0.0.1:{self.at}/test")
        try:
            return list(await connection.fetch(sql))
        finally:
            await connection.close()

    async def keys(self) -> list[str]:
        tables = await self._asked(
            "SELECT table_name FROM information_schema.columns "
            f"WHERE table_schema = '{self.space}' AND column_name = 'key'"
        )
        return [
            row["key"] for (name,) in tables for row in await self._asked(f'SELECT key FROM "{self.space}"."{name}"')
        ]

    async def end(self) -> None:
        await self._asked(f'DROP SCHEMA IF EXISTS "{self.space}" CASCADE')
        await self.proxy.close()


class RabbitMq(Proxied):
    """RabbitMQ, which keeps what comes twice."""

    name = "rabbitmq"
    at = 5672
    is_idempotent = False

    def options(self) -> Mapping[str, object]:
        url = f"amqp://guest:guest@127.0.0.1:{self.proxy.port}/"
        return {"url": url, "exchange": self.space, "durable_queue": self.space, "timeout": "5s"}

    async def _channel(self) -> tuple[Any, Any]:
        import aio_pika

        connection = await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{self.at}/")
        return connection, await connection.channel()

    async def keys(self) -> list[str]:
        connection, channel = await self._channel()
        async with connection:
            queue = await channel.declare_queue(self.space, passive=True)
            count = queue.declaration_result.message_count or 0
            found = list[str]()
            if count:
                async with queue.iterator(no_ack=True) as messages:
                    async for message in messages:
                        found.append(message.message_id)
                        if len(found) == count:
                            break
            return found

    async def end(self) -> None:
        connection, channel = await self._channel()
        async with connection:
            await channel.exchange_delete(self.space)
            await channel.queue_delete(self.space)
        await self.proxy.close()


def places() -> list[Place]:
    """Make the six."""
    return [Files("jsonl"), Files("parquet"), Redis(), Postgres(), Nats(), RabbitMq()]
