"""The Parquet sink: what it has taken survives, whatever ends it, and is there once."""

from __future__ import annotations

import asyncio
import builtins
import logging
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tickwire.model.errors import ConfigError, RetryableError
from tickwire.model.events import BookDelta, Trade
from tickwire.model.instruments import Instrument, InstrumentStatus
from tickwire.model.stored import Record
from tickwire.run.durations import Duration
from tickwire.run.sinks import ParquetOptions

pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'tickwire[parquet]'")

from tickwire import instruments_at, load
from tickwire.run.sink_parquet import ParquetSink

NOON = 4_102_488_000_000_000_000  # 2100-01-01T12:00, which no clock has passed
FOLDER = "exchange=acme/channel=trades/date=2100-01-01"


def trade(number: int, symbol: str = "A-B", run: str = "RUN") -> Record:
    event = Trade("acme", symbol, None, NOON + number, 1.5, 2.0, None, str(number))
    return Record(event, run, number, f"acme/{symbol}/{number}")


def sink(folder: Path, **options: Any) -> ParquetSink:
    return ParquetSink(ParquetOptions(str(folder), **options))


def written(one: ParquetSink, *batches: Sequence[Record]) -> None:
    async def main() -> None:
        await one.open()
        for batch in batches:
            await one.write(batch)
        await one.close()
        await one.close()

    asyncio.run(main())


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def ordinals(folder: Path) -> list[int]:
    return [record.ordinal for record in load(folder).records()]


@contextmanager
def files_hold(count: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes: a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_was_written_is_parquet_when_the_sink_is_closed(tmp_path: Path) -> None:
    rows = [trade(1), trade(2, "C-D"), trade(3)]
    written(sink(tmp_path), rows[:2], rows[2:])
    assert files(tmp_path) == [f"{FOLDER}/symbol=A-B/1200-RUN.parquet", f"{FOLDER}/symbol=C-D/1200-RUN.parquet"]
    assert list(load(tmp_path).records()) == rows


def test_a_batch_is_read_back_before_the_sink_is_closed(tmp_path: Path) -> None:
    one = sink(tmp_path)

    async def main() -> None:
        await one.open()
        await one.write([trade(1), trade(2)])
        assert files(tmp_path) == [f"{FOLDER}/1200-RUN.arrows"]
        assert ordinals(tmp_path) == [1, 2]
        await one.close()

    asyncio.run(main())


def test_a_window_that_is_over_becomes_parquet_meanwhile(tmp_path: Path) -> None:
    one = sink(tmp_path, rotate=Duration(1.0))

    async def main() -> None:
        await one.open()
        late = Record(Trade("acme", "A-B", None, NOON + 31_000_000_000, 1.5, 2.0), "RUN", 9, "9")
        await one.write([trade(1), late])
        await one._closer.call(lambda: None)
        assert files(tmp_path) == [f"{FOLDER}/120031-RUN.arrows", f"{FOLDER}/symbol=A-B/1200-RUN.parquet"]
        await one.close()

    asyncio.run(main())
    assert ordinals(tmp_path) == [1, 9]


CRASHING = """
import asyncio, sys
from tickwire import Record, Trade
from tickwire.run.sink_parquet import ParquetSink
from tickwire.run.sinks import ParquetOptions

async def main():
    sink, number = ParquetSink(ParquetOptions(sys.argv[1])), 0
    await sink.open()
    while True:
        rows = [
            Record(Trade("acme", f"S{n % 3}-USD", None, 4_102_488_000_000_000_000 + n, 1.5, 2.0), "OLD", n, f"OLD/{n}")
            for n in range(number + 1, number + 8)
        ]
        await sink.write(rows)
        number += 7
        print(number, flush=True)

asyncio.run(main())
"""


def test_after_kill_9_everything_that_was_taken_is_there_and_the_next_start_makes_files_of_it(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", CRASHING, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process:
        for line in process.stdout:
            if int(line) >= 700:
                process.send_signal(signal.SIGKILL)
                break
        taken = int([line, *process.stdout][-1])
    there = ordinals(tmp_path)
    assert there == list(range(1, len(there) + 1))
    assert len(there) >= taken
    written(sink(tmp_path), [trade(1, "S0-USD", "RUN")])
    assert not list(tmp_path.rglob("*.arrows"))
    assert ordinals(tmp_path) == [*there, 1]


def test_a_journal_torn_by_a_crash_is_cut_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    crashed = sink(tmp_path)

    async def crash() -> None:
        await crashed.open()
        await crashed.write([trade(1)])
        await crashed.write([trade(2)])
        crashed._writer.close()  # and nobody makes a file of it
        await crashed.close()

    asyncio.run(crash())
    (journal,) = tmp_path.rglob("*.arrows")
    os.truncate(journal, journal.stat().st_size - 3)
    with caplog.at_level(logging.WARNING):
        written(sink(tmp_path))
    assert "torn bytes" in caplog.text
    assert ordinals(tmp_path) == [1]


def test_a_journal_that_another_process_writes_is_left_alone(tmp_path: Path) -> None:
    other, one = sink(tmp_path), sink(tmp_path)

    async def main() -> None:
        await other.open()
        await other.write([trade(1, run="OTHER")])
        await one.open()
        await one.write([trade(2)])
        await one.close()
        assert files(tmp_path) == [f"{FOLDER}/1200-OTHER.arrows", f"{FOLDER}/symbol=A-B/1200-RUN.parquet"]
        await other.write([trade(3, run="OTHER")])
        await other.close()

    asyncio.run(main())
    assert ordinals(tmp_path) == [1, 3, 2]


# a disk that refuses
def test_a_full_disk_is_told_and_the_batch_is_written_once_when_there_is_room(tmp_path: Path) -> None:
    one = sink(tmp_path)
    levels = tuple((float(price), 1.0) for price in range(10_000))
    wide = Record(BookDelta("acme", "A-B", None, NOON, levels, ()), "RUN", 2, "RUN/2")

    async def main() -> None:
        await one.open()
        await one.write([trade(1)])
        with files_hold(20_000):
            for _ in range(2):  # as a delivery does: close, open, and the same batch again
                with pytest.raises(RetryableError, match=r"cannot write .*: File too large → make room"):
                    await one.write([trade(3), wide])
                await one.close()
                await one.open()
        await one.write([trade(3), wide])
        await one.close()

    asyncio.run(main())
    assert ordinals(tmp_path) == [1, 2, 3]
    assert sum(load(path).arrow.num_rows for path in tmp_path.rglob("*.parquet")) == 3


def test_a_journal_that_no_room_is_for_as_parquet_stays_and_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = sink(tmp_path)

    async def main() -> None:
        await one.open()
        await one.write([trade(number) for number in range(200)])
        with files_hold(1000), caplog.at_level(logging.WARNING):
            await one.close()
        assert "stays a journal, which reads as well" in caplog.text
        assert len(ordinals(tmp_path)) == 200
        await one.open()
        await one.close()

    asyncio.run(main())
    assert files(tmp_path) == [f"{FOLDER}/symbol=A-B/1200-RUN.parquet"]


def test_a_close_that_is_given_up_leaves_the_journals_to_the_next_start(tmp_path: Path) -> None:
    one = sink(tmp_path)

    async def main() -> None:
        await one.open()
        await one.write([trade(1)])
        closing = asyncio.create_task(one.close())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing

    asyncio.run(main())
    assert ordinals(tmp_path) == [1]
    written(sink(tmp_path))
    assert ordinals(tmp_path) == [1]


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot open .*file/x: Not a directory → change path"):
        written(sink(tmp_path / "file/x"))


def test_what_the_disk_did_not_keep_is_told_by_the_next_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = sink(tmp_path)

    def broken(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    async def main() -> None:
        await one.open()
        await one.write([trade(1)])
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", broken)
            await one._thread.call(one._tick)
        with pytest.raises(RetryableError, match=r"cannot write .*: Input/output error"):
            await one.write([trade(2)])
        await one.close()
        await one.open()
        await one.write([trade(2)])
        await one.close()

    asyncio.run(main())
    assert ordinals(tmp_path) == [1, 2]


def test_without_pyarrow_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *rest)

    monkeypatch.setattr("tickwire.store.arrow.import_module", missing)
    with pytest.raises(ConfigError, match=r"Parquet files need pyarrow.* → pip install 'tickwire\[parquet\]'"):
        sink(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"rotate": Duration(0.5)}, "rotate is 500ms → write 1s to 24h"), ({"rotate": Duration(86_401.0)}, "rotate is"),
     ({"level": 0}, "level is 0"), ({"level": 23}, "level is 23")],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ParquetOptions("data", **options)


# instruments
def instrument(symbol: str, **changes: Any) -> Instrument:
    base, _, quote = symbol.partition("-")
    return Instrument("acme", symbol, symbol.lower(), base, quote, tick_size=Decimal("0.01"), **changes)


def seen(one: ParquetSink, *lists: tuple[int, list[Instrument]]) -> None:
    async def main() -> None:
        await one.open()
        for now, instruments in lists:
            one.see_instruments("acme", instruments, now)
        await one.close()

    asyncio.run(main())


def test_instruments_are_stored_as_they_were(tmp_path: Path) -> None:
    first = [instrument("A-B"), instrument("C-D")]
    second = [instrument("A-B", status=InstrumentStatus.CLOSED), instrument("E-F")]
    seen(sink(tmp_path), (NOON, first), (NOON + 5, first), (NOON + 10, second))
    assert instruments_at(tmp_path, "acme", NOON - 1) == []
    assert instruments_at(tmp_path, "acme", NOON + 9) == first
    assert instruments_at(tmp_path, "acme") == second
    assert files(tmp_path) == [
        "instruments/exchange=acme/21000101T120000.000000000Z.parquet",
        "instruments/exchange=acme/21000101T120000.000000010Z.parquet",
    ]


def test_the_next_start_stores_what_is_different_only(tmp_path: Path) -> None:
    seen(sink(tmp_path), (NOON, [instrument("A-B")]))
    seen(sink(tmp_path), (NOON + 20, [instrument("A-B")]))
    assert len(files(tmp_path)) == 1
    seen(sink(tmp_path), (NOON + 30, []))
    assert (instruments_at(tmp_path, "acme", NOON + 20), instruments_at(tmp_path, "acme")) == ([instrument("A-B")], [])
