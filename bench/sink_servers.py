"""Sinks that talk to servers, beside the raw client library doing the same work without a framework.

Both get the same events in the same batches, in turns, each into a place of its own on the servers of this machine. The
raw side encodes with msgspec and calls the library as its own documentation shows.
"""

from __future__ import annotations

import asyncio
import secrets
import statistics
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

import msgspec

from tickwire import BookDelta, Record, RetryableError, Secret, Side, Trade
from tickwire.plugin import Sink

BUDGET = 0.6
BATCH = 1_000
BATCHES = 12
NAME = f"tw_bench_{secrets.token_hex(4)}"
START = 1_795_715_943_133_456_789

Raw = Callable[[Sequence[Record]], Any]
encode = msgspec.json.Encoder().encode


def records(count: int) -> list[Record]:
    """80 % book changes of one level and 20 % trades, of ten instruments."""
    made: list[Record] = []
    for n in range(count):
        head = ("acme", f"C{n % 10}-USD", START + n, START + n)
        if n % 5:
            event: Any = BookDelta(*head, ((100.0 + n % 7, 1.5),), (), n, n, n - 1)
            made.append(Record(event, NAME, n, f"{NAME}/{n}"))
        else:
            event = Trade(*head, 100.0 + n % 7, 1.5, Side.BUY, str(n), n)
            made.append(Record(event, NAME, n, f"acme/{head[1]}/{n}"))
    return made


async def compared(
    sink: Sink, raw: Raw, clock: Callable[[], float] = perf_counter, count: int = BATCHES
) -> tuple[float, float, float]:
    """Write batches with both in turns.

    Args:
        sink: Ours.
        raw: Writes one batch without it.
        clock: What is counted, in seconds.
        count: How many batches; one more warms both up.

    Returns:
        Our events per second, the raw ones, and the median of our rate as a share of the raw one.
    """
    everything = records(BATCH * (count + 1))
    batches = [everything[start : start + BATCH] for start in range(0, len(everything), BATCH)]
    await sink.open()
    spent: list[tuple[float, float]] = []
    for batch in batches:
        t0 = clock()
        await raw(batch)
        t1 = clock()
        await sink.write(batch)
        spent.append((t1 - t0, clock() - t1))
    await sink.close()
    del spent[0]  # the first batch warms both up
    theirs, ours = (sum(times) for times in zip(*spent, strict=True))
    events = BATCH * len(spent)
    return events / ours, events / theirs, statistics.median(raw_time / own for raw_time, own in spent)


@asynccontextmanager
async def redis_streams() -> AsyncIterator[tuple[Sink, Raw]]:
    """``XADD`` in a pipeline."""
    from redis.asyncio import Redis

    from tickwire_sinks.options import RedisStreamsOptions
    from tickwire_sinks.redis_streams import RedisStreamsSink

    redis = Redis()

    async def raw(batch: Sequence[Record]) -> None:
        async with redis.pipeline(transaction=False) as pipe:
            for one in batch:
                event = one.event
                name = f"{NAME}:raw:{event.exchange}:{event.symbol}:{type(event).__name__}"
                pipe.xadd(name, {"key": one.key, "event": encode(event)})
            await pipe.execute()

    yield RedisStreamsSink(RedisStreamsOptions(Secret("redis://127.0.0.1:6379/0"), f"{NAME}:{{symbol}}:{{type}}")), raw
    await redis.delete(*[name async for name in redis.scan_iter(f"{NAME}:*", count=10_000)])
    await redis.aclose()


RAW_TABLES = """
CREATE SCHEMA {0};
CREATE TABLE {0}.trade (key text, run_id text, ordinal bigint, time timestamptz, exchange text, symbol text,
  ts_event bigint, ts_recv bigint, price float8, size float8, taker_side text, trade_id text, sequence bigint,
  matches bigint, backfilled boolean, conditions text[]);
CREATE TABLE {0}.delta (key text, run_id text, ordinal bigint, time timestamptz, exchange text, symbol text,
  ts_event bigint, ts_recv bigint, first_sequence bigint, last_sequence bigint, previous_sequence bigint,
  checksum bigint, bid_price float8[], bid_size float8[], ask_price float8[], ask_size float8[]);
CREATE UNIQUE INDEX ON {0}.trade (key); CREATE INDEX ON {0}.trade (exchange, symbol, time);
CREATE UNIQUE INDEX ON {0}.delta (key); CREATE INDEX ON {0}.delta (exchange, symbol, time);
CREATE TEMP TABLE new_trade (LIKE {0}.trade) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE new_delta (LIKE {0}.delta) ON COMMIT DELETE ROWS;
"""


@asynccontextmanager
async def postgres() -> AsyncIterator[tuple[Sink, Raw]]:
    """``COPY`` into a temporary table, then ``INSERT … ON CONFLICT DO NOTHING``."""
    from datetime import UTC, datetime

    import asyncpg

    from tickwire_sinks.options import PostgresOptions
    from tickwire_sinks.postgres import PostgresSink

    url = "postgresql://postgres@127.0.0.1:5432/test"
    connection = await asyncpg.connect(url)
    await connection.execute(RAW_TABLES.format(f"{NAME}_raw"))

    def head(one: Record) -> tuple[object, ...]:
        e = one.event
        time = datetime.fromtimestamp(e.ts_recv / 1e9, UTC)
        return one.key, one.run_id, one.ordinal, time, e.exchange, e.symbol, e.ts_event, e.ts_recv

    async def raw(batch: Sequence[Record]) -> None:
        trades: list[Any] = []
        deltas: list[Any] = []
        for one in batch:
            e = one.event
            if isinstance(e, Trade):
                own = (e.price, e.size, e.taker_side, e.trade_id, e.sequence, e.matches, e.backfilled, e.conditions)
                trades.append(head(one) + own)
            elif isinstance(e, BookDelta):
                levels = [
                    [p for p, _ in e.bids],
                    [s for _, s in e.bids],
                    [p for p, _ in e.asks],
                    [s for _, s in e.asks],
                ]
                deltas.append((*head(one), e.first_sequence, e.last_sequence, e.previous_sequence, e.checksum, *levels))
        async with connection.transaction():
            for table, rows in (("trade", trades), ("delta", deltas)):
                await connection.copy_records_to_table(f"new_{table}", records=rows)
                await connection.execute(
                    f"INSERT INTO {NAME}_raw.{table} SELECT * FROM new_{table} ON CONFLICT DO NOTHING"
                )

    yield PostgresSink(PostgresOptions(Secret(url), NAME)), raw
    await connection.execute(f"DROP SCHEMA IF EXISTS {NAME} CASCADE; DROP SCHEMA {NAME}_raw CASCADE")
    await connection.close()


@asynccontextmanager
async def nats_jetstream() -> AsyncIterator[tuple[Sink, Raw]]:
    """``publish_async`` with message ids, then all acknowledgements."""
    import nats

    from tickwire_sinks.nats_jetstream import NatsJetStreamSink
    from tickwire_sinks.options import NatsJetStreamOptions

    client = await nats.connect("nats://127.0.0.1:4222")
    stream = client.jetstream()
    await stream.add_stream(name=f"{NAME}_raw", subjects=[f"{NAME}_raw.>"])

    async def raw(batch: Sequence[Record]) -> None:
        waiting = []
        for one in batch:
            event = one.event
            subject = f"{NAME}_raw.{event.exchange}.{event.symbol}"
            waiting.append(await stream.publish_async(subject, encode(event), headers={"Nats-Msg-Id": one.key}))
        await asyncio.gather(*waiting)

    options = NatsJetStreamOptions(Secret("nats://127.0.0.1:4222"), NAME, f"{NAME}.{{exchange}}.{{channel}}.{{symbol}}")
    yield NatsJetStreamSink(options), raw
    await stream.delete_stream(NAME)
    await stream.delete_stream(f"{NAME}_raw")
    await client.close()


@asynccontextmanager
async def rabbitmq() -> AsyncIterator[tuple[Sink, Raw]]:
    """Persistent messages to a durable queue, with confirms."""
    import aio_pika

    from tickwire_sinks.options import RabbitMqOptions
    from tickwire_sinks.rabbitmq import RabbitMqSink

    url = "amqp://guest:guest@127.0.0.1:5672/"
    connection = await aio_pika.connect(url)
    channel = await connection.channel()
    exchange = await channel.declare_exchange(f"{NAME}_raw", aio_pika.ExchangeType.TOPIC, durable=True)
    queue = await channel.declare_queue(f"{NAME}_raw", durable=True)
    await queue.bind(exchange, "#")

    async def one(record: Record) -> None:
        event = record.event
        persistent = aio_pika.DeliveryMode.PERSISTENT
        message = aio_pika.Message(encode(event), message_id=record.key, delivery_mode=persistent)
        await exchange.publish(message, f"{event.exchange}.{event.symbol}")

    async def raw(batch: Sequence[Record]) -> None:
        await asyncio.gather(*map(one, batch))

    yield RabbitMqSink(RabbitMqOptions(Secret(url), NAME, durable_queue=NAME)), raw
    for name in (NAME, f"{NAME}_raw"):
        await channel.exchange_delete(name)
        await channel.queue_delete(name)
    await connection.close()


@asynccontextmanager
async def mqtt() -> AsyncIterator[tuple[Sink, Raw]]:
    """QoS 1, then all acknowledgements."""
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    from tickwire_sinks.mqtt import MqttSink
    from tickwire_sinks.options import MqttOptions

    client = Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(1_000)
    client.connect("127.0.0.1")
    client.loop_start()

    async def raw(batch: Sequence[Record]) -> None:
        sent = [
            client.publish(f"{NAME}/{one.event.exchange}/{one.event.symbol}", encode(one.event), 1) for one in batch
        ]
        for one in sent:
            one.wait_for_publish()

    yield MqttSink(MqttOptions(Secret("mqtt://127.0.0.1:1883"), f"{NAME}/{{exchange}}/{{channel}}/{{symbol}}")), raw
    client.disconnect()
    client.loop_stop()


PLACES = (redis_streams, postgres, nats_jetstream, rabbitmq, mqtt)


async def measure() -> AsyncIterator[tuple[str, float, float, float]]:
    """Give each sink's name, events per second, the raw library's, and the ratio; a server that is away is left out."""
    for place in PLACES:
        try:
            async with place() as (sink, raw):
                yield (place.__name__, *await compared(sink, raw))
        except (OSError, RetryableError) as error:
            print(f"{place.__name__:<20} left out: {error}")


async def report() -> None:
    """Print the figures."""
    async for name, ours, theirs, ratio in measure():
        verdict = "met" if ratio >= BUDGET else "NOT MET"
        print(
            f"{name:<16} {ours:9,.0f} events/s   raw {theirs:9,.0f}   {ratio:4.2f} × raw   budget ≥ {BUDGET}  {verdict}"
        )


if __name__ == "__main__":
    asyncio.run(report())
