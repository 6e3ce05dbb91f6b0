"""Redis Streams against a real Redis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tickwire import ConfigError, ConnectionLostError, Record, Secret, encode_record
from tickwire.testing import write_batches
from tickwire_sinks.options import RedisStreamsOptions
from tickwire_sinks.redis_streams import RedisStreamsSink

URL = "redis://127.0.0.1:6379/0"
Run = Callable[..., Any]
Trades = Callable[..., list[Record]]


@pytest.fixture
def prefix(needs: Callable[[str, int, str], None], name: str, run: Run) -> Any:
    needs("Redis", 6379, "redis-server --port 6379")
    yield name

    async def clean() -> None:
        async with Redis.from_url(URL) as redis:
            keys = [key async for key in redis.scan_iter(f"{name}*", count=10_000)]
            if keys:
                await redis.delete(*keys)

    run(clean())


def options(prefix: str, **more: Any) -> RedisStreamsOptions:
    return RedisStreamsOptions(Secret(URL), stream=f"{prefix}:{{exchange}}:{{channel}}:{{symbol}}", **more)


async def lines(stream: str, url: str = URL) -> list[bytes]:
    redis: Any
    async with Redis.from_url(url) as redis:
        return [fields[b"event"] for _, fields in await redis.xrange(stream)]


def test_every_event_is_an_entry_with_its_key_and_its_line(prefix: str, every_event: list[Record], run: Run) -> None:
    sink = RedisStreamsSink(RedisStreamsOptions(Secret(URL), stream=prefix))

    async def main() -> list[Any]:
        await write_batches(sink, every_event)
        redis: Any
        async with Redis.from_url(URL) as redis:
            return [fields for _, fields in await redis.xrange(prefix)]

    assert run(main()) == [{b"key": r.key.encode(), b"event": encode_record(r)} for r in every_event]


def test_each_instrument_has_its_stream_in_order(prefix: str, trades: Trades, run: Run) -> None:
    batch = trades(100)

    async def main() -> list[list[bytes]]:
        await write_batches(RedisStreamsSink(options(prefix)), batch[:60], batch[60:])
        return [await lines(f"{prefix}:acme:trades:{symbol}") for symbol in ("BTC-USD", "ETH-USD")]

    of = {
        symbol: [encode_record(one) for one in batch if one.event.symbol == symbol] for symbol in ("BTC-USD", "ETH-USD")
    }
    assert run(main()) == [of["BTC-USD"], of["ETH-USD"]]


def test_the_last_event_of_each_kind_stands_under_its_key(prefix: str, trades: Trades, run: Run) -> None:
    batch = trades(9)
    sink = RedisStreamsSink(options(prefix, last=f"{prefix}:last:{{symbol}}:{{type}}"))

    async def main() -> list[Any]:
        await write_batches(sink, batch[:5], batch[5:])
        async with Redis.from_url(URL) as redis:
            return await redis.mget(f"{prefix}:last:BTC-USD:trade", f"{prefix}:last:ETH-USD:trade")

    assert run(main()) == [encode_record(batch[8]), encode_record(batch[7])]


def test_a_stream_is_trimmed(prefix: str, trades: Trades, run: Run) -> None:
    async def main() -> int:
        await write_batches(RedisStreamsSink(options(prefix, maxlen=100)), trades(2_000))
        return len(await lines(f"{prefix}:acme:trades:BTC-USD"))

    assert 100 <= run(main()) < 300  # Redis trims whole nodes of a hundred entries


def test_a_batch_sent_again_after_opening_anew_is_there_once(prefix: str, trades: Trades, run: Run) -> None:
    batch = trades(300)

    async def main() -> list[bytes]:
        await write_batches(RedisStreamsSink(options(prefix)), batch[:100], batch[100:200])
        await write_batches(RedisStreamsSink(options(prefix)), batch[150:200], batch[200:])
        return await lines(f"{prefix}:acme:trades:BTC-USD")

    assert run(main()) == [encode_record(one) for one in batch if one.event.symbol == "BTC-USD"]


def test_a_name_that_is_taken_refuses_its_own_records_only(prefix: str, trades: Trades, run: Run) -> None:
    batch = trades(8)
    sink = RedisStreamsSink(options(prefix))

    async def main() -> list[bytes]:
        async with Redis.from_url(URL) as redis:
            await redis.set(f"{prefix}:acme:trades:ETH-USD", "a text")
        await sink.open()
        with pytest.raises(ConfigError, match=r"Redis at 127.0.0.1:6379: WRONGTYPE .* → look at url"):
            await sink.write(batch)
        for one in batch:  # as the delivery does, in the end
            if one.event.symbol == "BTC-USD":
                await sink.write([one])
        await sink.close()
        return await lines(f"{prefix}:acme:trades:BTC-USD")

    assert run(main()) == [encode_record(one) for one in batch if one.event.symbol == "BTC-USD"]


def test_parts_of_a_batch_that_was_refused_are_found_behind_the_rest_of_it(
    prefix: str, trades: Trades, run: Run
) -> None:
    before, batch = trades(1_000), trades(1_000, 1_030)
    sink = RedisStreamsSink(options(prefix))

    async def main() -> list[bytes]:
        await sink.open()
        await sink.write(before)  # enough that nothing is in doubt any more
        async with Redis.from_url(URL) as redis:
            await redis.set(f"{prefix}:acme:trades:ETH-USD", "a text")
        with pytest.raises(ConfigError):
            await sink.write(batch)
        fine = [one for one in batch if one.event.symbol == "BTC-USD"]
        await sink.write(fine[:2])
        await sink.write(fine[2:])
        await sink.close()
        return await lines(f"{prefix}:acme:trades:BTC-USD")

    assert run(main()) == [encode_record(one) for one in before + batch if one.event.symbol == "BTC-USD"]


def test_a_killed_server_is_told_and_after_its_restart_nothing_is_missing_or_twice(
    serve: Callable[..., Any], port: int, folder: Path, trades: Trades, run: Run
) -> None:
    command = ["--port", str(port), "--dir", str(folder), "--appendonly", "yes", "--appendfsync", "always"]
    server = serve("redis-server", *command, "--save", "", ready=b"Ready to accept connections")
    url = f"redis://127.0.0.1:{port}/0"
    sink = RedisStreamsSink(RedisStreamsOptions(Secret(url), stream="all"))
    batch = trades(400)

    async def main() -> list[bytes]:
        await sink.open()
        await sink.write(batch[:200])
        server.kill()
        with pytest.raises(ConnectionLostError, match=f"Redis at 127.0.0.1:{port}"):
            await sink.write(batch[200:])
        with pytest.raises(ConnectionLostError):
            await sink.open()
        await sink.close()
        server.start()
        await sink.open()
        await sink.write(batch[:200])  # it was acknowledged, but who knows
        await sink.write(batch[200:])
        await sink.close()
        return await lines("all", url)

    assert run(main()) == [encode_record(one) for one in batch]


@pytest.mark.parametrize("user", ["", "someone:wrong@"])
def test_a_wrong_password_is_the_users_to_mend_and_is_not_shown(
    serve: Callable[..., Any], port: int, folder: Path, run: Run, user: str
) -> None:
    command = ["--port", str(port), "--dir", str(folder), "--requirepass", "right", "--save", ""]
    serve("redis-server", *command, ready=b"Ready to accept connections")
    sink = RedisStreamsSink(RedisStreamsOptions(Secret(f"redis://{user}127.0.0.1:{port}/0")))
    with pytest.raises(ConfigError, match=f"Redis at 127.0.0.1:{port}: ") as caught:
        run(sink.open())
    assert "wrong" not in str(caught.value)
    run(sink.close())
