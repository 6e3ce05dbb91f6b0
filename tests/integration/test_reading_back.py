"""What ``tickwire run`` stores as Parquet, over a ``kill -9`` and a clean end, read by tickwire and by other tools."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tickwire import (
    BookDelta,
    BookSnapshot,
    Channel,
    ConfigError,
    Event,
    Reconnected,
    Record,
    Severity,
    Side,
    Subscribed,
    Trade,
    instruments_at,
    load,
)
from tickwire.model.stored import KeyMaker
from tickwire.run.sinks import ParquetOptions
from tickwire.simulation import MemoryTruth, SeededMarket, SimServer
from tickwire_backpack.simulator import BackpackSimulator

pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'tickwire[parquet]'")

from tickwire.run.sink_parquet import ParquetSink

SYMBOLS = ("SOL-USDC", "BTC-USDC")
CONFIG = """\
state: state
exchanges:
  backpack:
    symbols: [SOL-USDC, BTC-USDC]
    channels: [trades, l2_book]
    endpoints: {{rest: "{rest}", websocket: "{websocket}"}}
sinks:
  archive: {{type: parquet, path: data}}
  lines: {{type: jsonl, path: lines/, compress: zstd}}
"""


def library(name: str) -> ModuleType:
    """A tool that reads Parquet, where it is installed."""
    found = pytest.importorskip(name, reason=f"needs {name}: pip install {name}")
    assert isinstance(found, ModuleType)
    return found


async def _two_runs(folder: Path) -> None:
    market = SeededMarket.of(BackpackSimulator(), SYMBOLS, seed=3, truth=MemoryTruth())
    async with SimServer(BackpackSimulator(), market, rate=200) as server:
        text = CONFIG.format(rest=server.rest_url, websocket=server.ws_url)
        (folder / "night.yaml").write_text(text)
        first = await _started(folder, market)
        first.kill()
        await first.communicate()
        second = await _started(folder, market)
        second.send_signal(signal.SIGINT)
        _, err = await second.communicate()
        assert second.returncode == 0, err.decode()


async def _started(folder: Path, market: SeededMarket) -> Process:
    """Start a run, and wait until it has begun in earnest, and for some changes more."""
    env = {**os.environ, "TICKWIRE_LOAD_PLUGINS": "backpack"}
    command = (sys.executable, "-m", "tickwire.cli.main", "run", "night.yaml")
    run = await asyncio.create_subprocess_exec(*command, cwd=folder, env=env, stdout=DEVNULL, stderr=PIPE)
    known = _subscribed(folder)
    while not (len(_subscribed(folder) - known) == 4 and _is_settled(folder)):
        assert run.returncode is None, (await run.communicate())[1].decode()
        await asyncio.sleep(0.2)
    end = market.changes + 200
    while market.changes < end:  # noqa: ASYNC110 - it is a plain counter, and moves by itself
        await asyncio.sleep(0.05)
    return run


def _subscribed(folder: Path) -> set[tuple[str, str | None, Channel | None]]:
    """Which subscriptions of which runs are known to have begun, journals being read while they are written."""
    try:
        stored = load(folder / "data", channel="quality").records()
        return {
            (one.run_id, one.event.symbol, one.event.channel) for one in stored if isinstance(one.event, Subscribed)
        }
    except ConfigError:
        return set()  # nothing is stored yet


def _is_settled(folder: Path) -> bool:
    """Whether the next run can know of this one, and this one has repaired what the last one left."""
    is_marked = (folder / "state" / "marks.sqlite3").exists()
    return is_marked and all(hole.end is not None for hole in load(folder / "data", channel="l2_book").holes)


def by_run(records: Iterator[Record]) -> list[list[Record]]:
    runs: dict[str, list[Record]] = {}
    for record in records:
        runs.setdefault(record.run_id, []).append(record)
    return [runs[run_id] for run_id in sorted(runs)]


def test_what_two_runs_stored_is_read_back_though_one_was_killed(tmp_path: Path) -> None:
    asyncio.run(_two_runs(tmp_path))
    data = tmp_path / "data"

    # Parquet and JSON Lines hold the same events; the kill may have come between the two
    killed, stopped = by_run(load(data).records())
    killed_lines, stopped_lines = by_run(load(tmp_path / "lines").records())
    shorter = min(len(killed), len(killed_lines))
    assert shorter > 0
    assert killed[:shorter] == killed_lines[:shorter]
    assert stopped[-100:] == stopped_lines[-100:]

    # nothing is missing before a run's last event; what the second fetched and the first had stored comes once
    assert [record.ordinal for record in killed] == list(range(1, len(killed) + 1))
    assert len({record.key for record in (*killed, *stopped)}) == len(killed) + len(stopped)

    # the hole between the runs is known
    holes = load(data, "backpack", "SOL-USDC", "l2_book").holes
    assert [(hole.cause, hole.end is None) for hole in holes] == [("not_running", False)]

    # journals of the killed run became Parquet, and the instruments stand beside the data
    assert list(data.rglob("*.arrows")) == []
    assert len({path.name.rpartition("-")[2] for path in data.glob("exchange=*/**/*.parquet")}) == 2
    instruments = {one.symbol: one for one in instruments_at(data, "backpack")}
    assert set(SYMBOLS) <= set(instruments)
    assert instruments["SOL-USDC"].tick_size is not None


# other tools
NOON = 1_795_694_400_000_000_000
ODD = ("FLX%2DCRCL-USDC", "BTC-USD:BTC-PERP", "SOL-USDC")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Some of everything, with symbols that need care in a path."""
    head = ("acme", None, None, NOON, None, "public-1", Severity.WARNING)
    events: list[Event] = [Reconnected(*head, "ws.acme.example", "closed", 1, 5, 3)]
    for symbol in ODD:
        about = ("acme", symbol, None, NOON, Channel.TRADES, None, Severity.INFO)
        events += [
            Subscribed(*about, NOON),
            Trade("acme", symbol, NOON - 5, NOON, 1.5, 2.0, Side.BUY, "1"),
            Trade("acme", symbol, None, NOON + 5, 1e-7, 3.0, None, "2"),
            BookSnapshot("acme", symbol, None, NOON, ((1.0, 2.0), (0.5, 2.0)), (), 7),
            BookDelta("acme", symbol, None, NOON, ((1.0, 0.0),), ((1.5, 4.0),), 8, 8),
        ]
    keys = KeyMaker("RUN")
    records = [Record(event, "RUN", number, keys.key(event, number)) for number, event in enumerate(events, 1)]

    async def write() -> None:
        sink = ParquetSink(ParquetOptions(str(tmp_path)))
        await sink.open()
        await sink.write(records)
        await sink.close()

    asyncio.run(write())
    return tmp_path


def test_duckdb_reads_the_partitions(data: Path) -> None:
    duckdb = library("duckdb")

    def rows(columns: str, channel: str, rest: str) -> list[tuple[object, ...]]:
        files = f"{data}/exchange=*/channel={channel}/**/*.parquet"
        query = f"select {columns} from read_parquet('{files}', hive_partitioning = true) {rest}"
        found: list[tuple[object, ...]] = duckdb.sql(query).fetchall()
        return found

    columns = "exchange, channel, symbol, date::text, count(*), sum(size), min(epoch_ns(ts_recv))"
    assert rows(columns, "trades", "group by all order by symbol") == [
        ("acme", "trades", symbol, "2026-11-26", 2, 5.0, NOON) for symbol in sorted(ODD)
    ]
    columns = "symbol, type, bid_price, bid_size, ask_price, sequence, cause"
    assert rows(columns, "l2_book", "where symbol = 'SOL-USDC' order by ordinal") == [
        ("SOL-USDC", "book_snapshot", [1.0, 0.5], [2.0, 2.0], [], 7, "exchange"),
        ("SOL-USDC", "book_delta", [1.0], [0.0], [1.5], None, None),
    ]
    assert rows("channel, of_channel, symbol, type", "quality", "order by ordinal") == [
        ("quality", None, None, "reconnected"), *(("quality", "trades", symbol, "subscribed") for symbol in ODD),
    ]  # fmt: skip


def test_polars_reads_what_is_loaded_and_the_files_themselves(data: Path) -> None:
    polars = library("polars")
    frame = load(data, channel="trades")
    assert frame.to_polars()["price"].to_list() == [1.5, 1e-7] * 3
    files = polars.read_parquet(f"{data}/exchange=*/channel=trades/**/*.parquet", hive_partitioning=True)
    assert sorted(files["symbol"]) == sorted(frame.arrow["symbol"].to_pylist())
    assert set(files["channel"]) == {"trades"}


def test_pyarrow_reads_the_folder_as_a_data_set(data: Path) -> None:
    dataset = pytest.importorskip("pyarrow.dataset")
    table = dataset.dataset(data / "exchange=acme" / "channel=trades", partitioning="hive").to_table()
    assert sorted(set(table["symbol"].to_pylist())) == sorted(ODD)
    assert set(table["date"].to_pylist()) == {"2026-11-26"}


def test_pandas_reads_what_is_loaded(data: Path) -> None:
    library("pandas")
    found = load(data, channel="trades").to_pandas()
    assert found["price"].tolist() == [1.5, 1e-7] * 3
    assert str(found["ts_recv"].dtype) == "datetime64[ns, UTC]"
