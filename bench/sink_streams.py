"""Sinks without a server of this machine's own, beside the raw library: Kafka, ZeroMQ, TCP; InfluxDB, ClickHouse.

Kafka is librdkafka's mock cluster; ZeroMQ and TCP have a reader in a process of its own. InfluxDB and ClickHouse are
left out where none listens on its usual port. Method and budget are those of ``sink_servers.py``, but for TCP's clock.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from time import process_time
from typing import Any

from sink_servers import BUDGET, NAME, Raw, compared, encode

from tickwire import BookDelta, Record, RetryableError, Trade
from tickwire.plugin import Sink


def as_line(one: Record) -> bytes:
    """Encode what our lines hold, as one would by hand."""
    return encode({"run_id": one.run_id, "ordinal": one.ordinal, "key": one.key, "event": one.event})


@asynccontextmanager
async def kafka() -> AsyncIterator[tuple[Sink, Raw]]:
    """An idempotent producer, then ``flush``."""
    from confluent_kafka import Producer

    from tickwire_sinks.kafka import KafkaSink
    from tickwire_sinks.stream_options import KafkaOptions

    cluster = Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 3, "log_level": 0})
    servers = [f"{broker.host}:{broker.port}" for broker in cluster.list_topics(timeout=30).brokers.values()]
    settings = {"bootstrap.servers": ",".join(servers), "enable.idempotence": True, "compression.type": "lz4"}
    producer = Producer(settings | {"log_level": 0})

    def send(batch: Sequence[Record]) -> None:
        for one in batch:
            event = one.event
            headers: list[tuple[str, str | bytes | None]] = [("key", one.key)]
            key = f"{event.exchange}/{event.symbol}"
            producer.produce("raw", as_line(one), key, headers=headers, on_delivery=lambda error, _: None)
        assert producer.flush() == 0

    async def raw(batch: Sequence[Record]) -> None:
        await asyncio.to_thread(send, batch)

    yield KafkaSink(KafkaOptions(tuple(servers))), raw


def _pull(address: str) -> None:
    import zmq

    puller = zmq.Context().socket(zmq.PULL)
    puller.connect(address)
    while True:
        puller.recv_multipart()


@asynccontextmanager
async def zeromq() -> AsyncIterator[tuple[Sink, Raw]]:
    """``send_multipart`` of an asyncio PUSH socket."""
    import zmq
    import zmq.asyncio

    from tickwire_sinks.stream_options import ZeroMqOptions
    from tickwire_sinks.zeromq import ZeroMqSink

    ours, theirs = (f"ipc:///tmp/{NAME}_{name}" for name in ("ours", "raw"))
    context = zmq.asyncio.Context()
    push = context.socket(zmq.PUSH)
    push.bind(theirs)
    readers = [multiprocessing.get_context("spawn").Process(target=_pull, args=[one]) for one in (ours, theirs)]
    for reader in readers:
        reader.start()

    async def raw(batch: Sequence[Record]) -> None:
        for one in batch:
            event = one.event
            await push.send_multipart([f"{event.exchange}.{event.symbol}".encode(), as_line(one)])

    yield ZeroMqSink(ZeroMqOptions("push", bind=ours)), raw
    for reader in readers:
        reader.terminate()
        reader.join()
    context.destroy(linger=0)


def _read(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        while connection.recv(1_000_000):
            pass


@asynccontextmanager
async def tcp() -> AsyncIterator[tuple[Sink, Raw]]:
    """``write`` and ``drain`` of a stream."""
    from tickwire_sinks.sockets import SocketSink
    from tickwire_sinks.stream_options import SocketOptions

    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    readers = [multiprocessing.get_context("spawn").Process(target=_read, args=[one]) for one in listeners]
    for reader in readers:
        reader.start()
    ours, theirs = (one.getsockname()[1] for one in listeners)
    _, writer = await asyncio.open_connection("127.0.0.1", theirs)
    writer.transport.set_write_buffer_limits(0)  # so that both wait until the system has everything

    async def raw(batch: Sequence[Record]) -> None:
        writer.write(b"".join(as_line(one) + b"\n" for one in batch))
        await writer.drain()

    yield SocketSink(SocketOptions(f"tcp://127.0.0.1:{ours}")), raw
    writer.close()
    for reader in readers:
        reader.terminate()
        reader.join()


@asynccontextmanager
async def influxdb() -> AsyncIterator[tuple[Sink, Raw]]:
    """Lines made by hand, over aiohttp."""
    import aiohttp

    from tickwire_sinks.database_options import InfluxOptions
    from tickwire_sinks.influxdb import InfluxSink

    url = "http://127.0.0.1:8086"
    async with aiohttp.ClientSession() as session:

        async def asked(query: str) -> None:
            async with session.post(f"{url}/query", params={"q": query}) as answer:
                answer.raise_for_status()

        await asked(f'CREATE DATABASE "{NAME}_raw"')

        async def raw(batch: Sequence[Record]) -> None:
            body = "\n".join(map(_raw_line, batch))
            async with session.post(f"{url}/write", params={"db": f"{NAME}_raw"}, data=body.encode()) as answer:
                answer.raise_for_status()

        yield InfluxSink(InfluxOptions(url, database=NAME)), raw
        for name in (NAME, f"{NAME}_raw"):
            await asked(f'DROP DATABASE "{name}"')


def _raw_line(one: Record) -> str:
    e = one.event
    head = f"{type(e).__name__},exchange={e.exchange},symbol={e.symbol} ts_event={e.ts_event}i,ts_recv={e.ts_recv}i"
    own = f'run_id="{one.run_id}",ordinal={one.ordinal}i,key="{one.key}" {e.ts_recv}'
    if isinstance(e, Trade):
        fields = f'price={e.price!r},size={e.size!r},taker_side="{e.taker_side}",trade_id="{e.trade_id}"'
        return f"{head},{fields},sequence={e.sequence}i,backfilled=f,{own}"
    assert isinstance(e, BookDelta)
    bids, asks = (encode(side).decode() for side in (e.bids, e.asks))
    ids = (
        f"first_sequence={e.first_sequence}i,last_sequence={e.last_sequence}i,previous_sequence={e.previous_sequence}i"
    )
    return f'{head},bids="{bids}",asks="{asks}",{ids},{own}'


@asynccontextmanager
async def clickhouse() -> AsyncIterator[tuple[Sink, Raw]]:
    """``JSONEachRow`` over aiohttp, into tables like ours."""
    import aiohttp

    from tickwire_sinks.clickhouse import ClickHouseSink
    from tickwire_sinks.database_options import ClickHouseOptions

    url = "http://127.0.0.1:8123"
    async with aiohttp.ClientSession() as session:

        async def asked(query: str, body: bytes = b"") -> None:
            async with session.post(url, params={"query": query}, data=body) as answer:
                answer.raise_for_status()

        yield ClickHouseSink(ClickHouseOptions(url, database=NAME)), lambda batch: _inserted(asked, batch)
        for name in (NAME, f"{NAME}_raw"):
            await asked(f"DROP DATABASE IF EXISTS {name}")


COLUMNS = {
    "trade": ("price", "size", "taker_side", "trade_id", "sequence", "matches", "backfilled", "conditions"),
    "book_delta": ("first_sequence", "last_sequence", "previous_sequence", "checksum"),
}
HEAD = ("exchange", "symbol", "ts_event", "ts_recv")
TYPES = {
    "price": "Float64", "size": "Float64", "conditions": "Array(String)", "backfilled": "UInt8", "ordinal": "Int64",
    "ts_event": "Int64", "ts_recv": "Int64", "bid_price": "Array(Float64)", "bid_size": "Array(Float64)",
    "ask_price": "Array(Float64)", "ask_size": "Array(Float64)", "sequence": "Nullable(Int64)",
    "matches": "Nullable(Int64)", **dict.fromkeys(COLUMNS["book_delta"], "Nullable(Int64)"),
}  # fmt: skip
LEVELS = ("bid_price", "bid_size", "ask_price", "ask_size")


async def _inserted(asked: Callable[..., Any], batch: Sequence[Record]) -> None:
    for kind, columns in COLUMNS.items():
        names = [*HEAD, *columns, *(LEVELS if kind == "book_delta" else ()), "run_id", "ordinal", "key"]
        if batch[0].ordinal == 0:
            await asked(f"CREATE DATABASE IF NOT EXISTS {NAME}_raw")
            declared = ", ".join(f"{name} {TYPES.get(name, 'String')}" for name in names)
            await asked(
                f"CREATE TABLE {NAME}_raw.{kind} ({declared}) ENGINE = ReplacingMergeTree "
                "PARTITION BY toYYYYMM(toDateTime(intDiv(ts_recv, 1000000000))) ORDER BY (exchange, symbol, key)"
            )
        rows = [encode(_raw_row(one, columns)) for one in batch if one.event.__struct_config__.tag == kind]
        await asked(f"INSERT INTO {NAME}_raw.{kind} ({', '.join(names)}) FORMAT JSONEachRow", b"\n".join(rows))


def _raw_row(one: Record, columns: Sequence[str]) -> dict[str, object]:
    e = one.event
    row = {name: getattr(e, name) for name in (*HEAD, *columns)}
    if isinstance(e, BookDelta):
        for side, levels in (("bid", e.bids), ("ask", e.asks)):
            row[f"{side}_price"] = [price for price, _ in levels]
            row[f"{side}_size"] = [size for _, size in levels]
    return row | {"run_id": one.run_id, "ordinal": one.ordinal, "key": one.key}


PLACES = (kafka, zeromq, tcp, influxdb, clickhouse)
# by the clock TCP would show whether the receiver was reading just then: CPU seconds of this process instead
HOW = {tcp: (process_time, 60)}


async def report() -> None:
    """Print the figures."""
    for place in PLACES:
        try:
            async with place() as (sink, raw):
                ours, theirs, ratio = await compared(sink, raw, *HOW.get(place, ()))
        except (OSError, RetryableError) as error:
            print(f"{place.__name__:<16} left out: {error}")
            continue
        verdict = "met" if ratio >= BUDGET else "NOT MET"
        figures = f"{ours:9,.0f} events/s   raw {theirs:9,.0f}   {ratio:4.2f} × raw"
        print(f"{place.__name__:<16} {figures}   budget ≥ {BUDGET}  {verdict}")


if __name__ == "__main__":
    asyncio.run(report())
