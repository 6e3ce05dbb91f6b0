"""Sinks on one core: events a second, and beside hand-written code on the raw library that does the same work.

Four book changes of one level to one trade, batches of 1,000. CPU time, not the clock's: other work on the machine does
not count. Both write real files, turn by turn; what is given is the median over the rounds.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from tickwire import BookDelta, Record, Side, Trade
from tickwire.run.sink_jsonl import JsonLinesSink
from tickwire.run.sink_parquet import ParquetSink
from tickwire.run.sinks import JsonLinesOptions, ParquetOptions

COUNT = 200_000
BATCH = 1_000
ROUNDS = 5
LEAST = 0.6
BUDGETS = {"parquet": 200_000, "jsonl": 150_000, "jsonl, zstd": 150_000}
NOON = 1_795_694_400_000_000_000
RUN = "01K0RUN0000000000000000000"

Write = Callable[[Path, Sequence[Sequence[Record]]], None]


def records() -> list[list[Record]]:
    """Make what is written, in batches."""
    made: list[Record] = []
    for n in range(COUNT):
        price, ts = round(98 + n % 97 / 100, 2), NOON + n * 1_000_000
        event: Any
        if n % 5 == 0:
            event = Trade("backpack", "SOL-USDC", ts - 5_000, ts, price, 12.4, Side.BUY, str(341_399_899 + n), n, 1)
            key = f"backpack/SOL-USDC/{event.trade_id}"
        else:
            event = BookDelta("backpack", "SOL-USDC", ts - 5_000, ts, ((price, n / 8),), (), n, n)
            key = f"{RUN}/{n}"
        made.append(Record(event, RUN, n, key))
    return [made[start : start + BATCH] for start in range(0, COUNT, BATCH)]


def through(sink: Callable[[Path], Any]) -> Write:
    """Write through a sink of ours, to its end."""

    def write(folder: Path, batches: Sequence[Sequence[Record]]) -> None:
        async def main() -> None:
            one = sink(folder)
            await one.open()
            for batch in batches:
                await one.write(batch)
            await one.close()

        asyncio.run(main())

    return write


HEAD = [("type", pa.string()), ("schema", pa.int64()), ("run_id", pa.string()), ("ordinal", pa.int64()),
        ("key", pa.string()), ("exchange", pa.string()), ("symbol", pa.string()),
        ("ts_event", pa.timestamp("ns", tz="UTC")), ("ts_recv", pa.timestamp("ns", tz="UTC"))]  # fmt: skip
LEVELS = pa.list_(pa.float64())
TRADES = pa.schema(
    [*HEAD, ("price", pa.float64()), ("size", pa.float64()), ("taker_side", pa.string()), ("trade_id", pa.string()),
     ("sequence", pa.int64()), ("matches", pa.int64()), ("backfilled", pa.bool_()),
     ("conditions", pa.list_(pa.string()))]
)  # fmt: skip
DELTAS = pa.schema(
    [*HEAD, ("bid_price", LEVELS), ("bid_size", LEVELS), ("ask_price", LEVELS), ("ask_size", LEVELS),
     ("first_sequence", pa.int64()), ("last_sequence", pa.int64()), ("previous_sequence", pa.int64()),
     ("checksum", pa.int64())]
)  # fmt: skip


def head_columns(tag: str, rows: Sequence[Record]) -> list[list[Any]]:
    """Give the columns that every event has."""
    count = len(rows)
    return [
        [tag] * count, [1] * count, [r.run_id for r in rows], [r.ordinal for r in rows], [r.key for r in rows],
        [r.event.exchange for r in rows], [r.event.symbol for r in rows], [r.event.ts_event for r in rows],
        [r.event.ts_recv for r in rows],
    ]  # fmt: skip


def raw_parquet(folder: Path, batches: Sequence[Sequence[Record]]) -> None:
    """Write an Arrow stream a channel with pyarrow, and turn it into Parquet at the end."""
    streams = {}
    for tag, schema in (("trade", TRADES), ("book_delta", DELTAS)):
        file = (folder / f"{tag}.arrows").open("wb", buffering=0)
        streams[tag] = file, pa.ipc.new_stream(file, schema), schema
    for batch in batches:
        trades = [record for record in batch if isinstance(record.event, Trade)]
        deltas = [record for record in batch if isinstance(record.event, BookDelta)]
        e: list[Any] = [record.event for record in trades]
        columns = [
            *head_columns("trade", trades), [x.price for x in e], [x.size for x in e], [x.taker_side for x in e],
            [x.trade_id for x in e], [x.sequence for x in e], [x.matches for x in e], [x.backfilled for x in e],
            [x.conditions for x in e],
        ]  # fmt: skip
        write_columns(streams["trade"], columns)
        e = [record.event for record in deltas]
        columns = [
            *head_columns("book_delta", deltas),
            [[p for p, _ in x.bids] for x in e], [[s for _, s in x.bids] for x in e],
            [[p for p, _ in x.asks] for x in e], [[s for _, s in x.asks] for x in e], [x.first_sequence for x in e],
            [x.last_sequence for x in e], [x.previous_sequence for x in e], [x.checksum for x in e],
        ]  # fmt: skip
        write_columns(streams["book_delta"], columns)
    for tag, (file, writer, _) in streams.items():
        writer.close()
        file.close()
        with pa.memory_map(str(folder / f"{tag}.arrows")) as source:
            table = pa.ipc.open_stream(source).read_all()
            pq.write_table(table, folder / f"{tag}.parquet", compression="zstd")


def write_columns(stream: tuple[Any, Any, Any], columns: Sequence[Any]) -> None:
    """Write one batch."""
    _, writer, schema = stream
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))


def raw_lines(folder: Path, batches: Sequence[Sequence[Record]]) -> None:
    """Write the same lines with orjson and a file."""
    with (folder / "x.jsonl").open("wb", buffering=0) as file:
        for batch in batches:
            file.write(b"".join([orjson.dumps(plain(record), option=orjson.OPT_APPEND_NEWLINE) for record in batch]))


def raw_packed(folder: Path, batches: Sequence[Sequence[Record]]) -> None:
    """Write the same lines with orjson, a Zstandard frame a batch."""
    compress = zstandard.ZstdCompressor().compress
    with (folder / "x.jsonl.zst").open("wb", buffering=0) as file:
        for batch in batches:
            lines = b"".join([orjson.dumps(plain(record), option=orjson.OPT_APPEND_NEWLINE) for record in batch])
            file.write(compress(lines))


def plain(record: Record) -> dict[str, Any]:
    """Write a record out as a dictionary."""
    e: Any = record.event
    if isinstance(e, Trade):
        return {
            "type": "trade", "schema": 1, "run_id": record.run_id, "ordinal": record.ordinal, "key": record.key,
            "exchange": e.exchange, "symbol": e.symbol, "ts_event": e.ts_event, "ts_recv": e.ts_recv, "price": e.price,
            "size": e.size, "taker_side": e.taker_side, "trade_id": e.trade_id, "sequence": e.sequence,
            "matches": e.matches, "backfilled": e.backfilled, "conditions": e.conditions,
        }  # fmt: skip
    return {
        "type": "book_delta", "schema": 1, "run_id": record.run_id, "ordinal": record.ordinal, "key": record.key,
        "exchange": e.exchange, "symbol": e.symbol, "ts_event": e.ts_event, "ts_recv": e.ts_recv, "bids": e.bids,
        "asks": e.asks, "first_sequence": e.first_sequence, "last_sequence": e.last_sequence,
        "previous_sequence": e.previous_sequence, "checksum": e.checksum,
    }  # fmt: skip


PAIRS: dict[str, tuple[Write, Write]] = {
    "parquet": (raw_parquet, through(lambda folder: ParquetSink(ParquetOptions(str(folder))))),
    "jsonl": (raw_lines, through(lambda folder: JsonLinesSink(JsonLinesOptions(str(folder / "x.jsonl"))))),
    "jsonl, zstd": (
        raw_packed,
        through(lambda folder: JsonLinesSink(JsonLinesOptions(str(folder / "x.jsonl"), "zstd"))),
    ),
}


def spent(write: Write, batches: Sequence[Sequence[Record]]) -> float:
    """Give the CPU seconds that writing everything takes, all threads together."""
    with tempfile.TemporaryDirectory() as folder:
        start = process_time()
        write(Path(folder), batches)
        return process_time() - start


def measure() -> list[tuple[str, float, float]]:
    """Give (sink, events a second, raw time by our time)."""
    batches = records()
    pa.array([0.0])  # what pyarrow imports at its first array
    results = []
    for name, (raw, ours) in PAIRS.items():
        ours(Path(tempfile.mkdtemp()), batches[:1])
        rounds = [(spent(raw, batches), spent(ours, batches)) for _ in range(ROUNDS)]
        rate = statistics.median(COUNT / own for _, own in rounds)
        results.append((name, rate, statistics.median(base / own for base, own in rounds)))
    return results


if __name__ == "__main__":
    for name, rate, times in measure():
        print(f"{name:<12} {rate:9,.0f} events/s   {times:4.2f} of the raw library's rate")
