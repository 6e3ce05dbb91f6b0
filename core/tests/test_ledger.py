"""The ledger's file, and what a run writes into it."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.model.channels import Channel
from tickwire.model.errors import ConfigError, DecodeError, TickwireError
from tickwire.model.events import Trade
from tickwire.model.quality import (
    Backfilled,
    Dropped,
    Gap,
    GapCause,
    QualityEvent,
    Severity,
    Stale,
    StaleAction,
    Subscribed,
    Unsubscribed,
    UnsubscribeReason,
    Watermark,
)
from tickwire.model.stored import Record, encode_record
from tickwire.record.coverage import coverage
from tickwire.record.sources import ledger_of, quality_events
from tickwire.run.ledger import RunLedger
from tickwire.run.ledger_file import LEDGER, LedgerFile
from tickwire.run.settings import Config
from tickwire.run.sinks import ParquetOptions

RUN = "01K0000000000000000000000A"
Head = tuple[str, str, None, int, Channel, None, Severity]


def head(now: int, symbol: str = "SOL-USDC") -> Head:
    return ("toy", symbol, None, now, Channel.TRADES, None, Severity.INFO)


def records(*events: QualityEvent | Trade, first: int = 1, run_id: str = RUN) -> list[Record]:
    return [Record(event, run_id, number, f"{run_id}/{number}") for number, event in enumerate(events, first)]


STORY = records(
    Subscribed(*head(100), 100, True),
    Watermark(*head(110), 110),
    Gap(*head(115), "g", GapCause.SEQUENCE, 112, 115, 7, 8, 2),
    Watermark(*head(120), 120),
    Subscribed(*head(121, "BTC-USDC"), 121, None),
    Watermark(*head(130), 130),
    Unsubscribed(*head(131), UnsubscribeReason.STOPPED),
    Subscribed(*head(140), 140, True),
    Watermark(*head(150), 150),
    Dropped(*head(151), "hot", "drop_oldest", 3, 141, 142),
    Backfilled(*head(152), "g", 2, is_complete=True),
)


def ledger(folder: Path, run_id: str = RUN, name: str = "night") -> LedgerFile:
    return LedgerFile(folder / LEDGER, run_id, name, "night.yaml")


def test_of_the_watermarks_of_one_stretch_the_last_is_kept_and_everything_else(tmp_path: Path) -> None:
    file = ledger(tmp_path)
    file.write(STORY)
    superseded = {2, 4}  # the watermarks of 110 and 120
    assert list(file.read()) == [record for record in STORY if record.ordinal not in superseded]


@settings(max_examples=20, deadline=None)  # each writes files
@given(cuts=st.lists(st.integers(0, len(STORY)), max_size=4), twice=st.booleans())
def test_in_whatever_batches_it_is_written_and_even_twice_it_says_the_same(
    tmp_path_factory: pytest.TempPathFactory, cuts: Sequence[int], twice: bool
) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    file = ledger(folder)
    edges = [0, *sorted(cuts), len(STORY)]
    for begin, end in pairwise(edges):
        for _ in range(2 if twice else 1):
            file.write(STORY[begin:end])
        assert coverage(file.read()) == coverage(STORY[:end])


def test_several_runs_write_at_once_and_are_told_apart_by_the_name_of_their_config(tmp_path: Path) -> None:
    night, day = ledger(tmp_path), ledger(tmp_path, "01K0000000000000000000000B", "day")
    night.write(STORY[:2])
    day.write(records(Subscribed(*head(200), 200), Watermark(*head(210), 210), run_id="01K0000000000000000000000B"))
    night.write(STORY[2:4])
    assert [one.complete for one in coverage(night.read())] == [[(100, 112), (115, 120), (200, 210)]]
    assert [one.complete for one in coverage(quality_events(tmp_path, "day"))] == [[(200, 210)]]


def test_its_gaps_are_a_view_for_sql(tmp_path: Path) -> None:
    ledger(tmp_path).write(STORY)
    with closing(sqlite3.connect(tmp_path / LEDGER)) as file:
        rows = file.execute("SELECT exchange, symbol, channel, cause, ts_start, ts_end, missing FROM gaps").fetchall()
    assert rows == [("toy", "SOL-USDC", "trades", "sequence", 112, 115, 2)]


WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from test_ledger import STORY, ledger
from tickwire.model.stored import Record
file = ledger(Path(sys.argv[1]))
for number in range(1_000_000):
    file.write([Record(one.event, one.run_id, number * 100 + one.ordinal, "") for one in STORY])
    print(number, flush=True)
"""


def test_kill_9_at_any_moment_leaves_a_ledger_that_claims_what_was_written_and_no_more(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", WRITER, str(tmp_path), str(Path(__file__).parent)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline() for _ in range(5)]
        writer.kill()
    assert told[-1] == "4\n"
    found = list(ledger(tmp_path).read())
    ordinals = {record.ordinal for record in found}
    whole = max(ordinals) // 100
    assert whole >= 4
    for number in range(whole + 1):  # a batch is there as a whole or not at all
        assert {number * 100 + one.ordinal for one in STORY if one.ordinal not in (2, 4)} <= ordinals


def test_what_is_no_ledger_and_what_is_a_later_tickwire_s_is_refused(tmp_path: Path) -> None:
    (tmp_path / LEDGER).write_bytes(b"SQLite format 3\0 and then something else entirely" * 100)
    with pytest.raises(ConfigError, match="cannot be read as a ledger"):
        list(quality_events(tmp_path))
    (tmp_path / LEDGER).unlink()
    with closing(sqlite3.connect(tmp_path / LEDGER)) as file:
        file.execute("PRAGMA user_version = 99")
        file.execute("CREATE TABLE t (a)")
        file.commit()
    with pytest.raises(TickwireError, match="of a later tickwire"):
        list(ledger(tmp_path).read())
    with pytest.raises(TickwireError, match="of a later tickwire"):
        ledger(tmp_path).write(STORY)
    assert ledger_of(tmp_path) == tmp_path / LEDGER
    assert ledger_of(tmp_path / "nowhere") is None


# what a run writes
def kept(folder: Path) -> RunLedger:
    return RunLedger(folder, Config((), name="night", state=folder), RUN)


def test_a_run_writes_only_what_every_sink_has_and_the_rest_at_its_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        own = kept(tmp_path)
        for record in STORY[:4]:
            own.passed(record)
        own.passed(*records(Stale(*head(1), None, 1, StaleAction.NONE), first=90))  # says nothing of coverage
        await own.write(safe=3)
        assert [record.ordinal for record in ledger(tmp_path).read()] == [1, 2, 3]
        await own.close(safe=100)
        assert [record.ordinal for record in ledger(tmp_path).read()] == [1, 3, 4]

    asyncio.run(scenario())


def test_a_ledger_that_cannot_be_written_is_warned_of_once_and_caught_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        blocked = tmp_path / "state"
        blocked.write_text("a file where the directory should be")
        own = kept(blocked)
        with caplog.at_level(logging.WARNING):
            for record in STORY[:2]:
                own.passed(record)
                await own.write(100)
        assert [one.getMessage().partition(", ")[0] for one in caplog.records] == [
            f"{blocked / LEDGER} cannot be written"
        ]
        blocked.unlink()
        own.passed(STORY[2])
        await own.close(100)
        assert [record.ordinal for record in ledger(blocked).read()] == [1, 2, 3]

    asyncio.run(scenario())


def test_what_no_config_file_collects_is_not_kept(tmp_path: Path) -> None:
    async def scenario() -> None:
        own = RunLedger(tmp_path, Config(()), RUN)
        own.passed(STORY[0])
        await own.close(100)

    asyncio.run(scenario())
    assert list(tmp_path.iterdir()) == []


# stored events
TRADE = Trade("toy", "SOL-USDC", 5, 5, 1.5, 2.0)


def lines(story: Sequence[Record]) -> bytes:
    return b"".join(encode_record(record) + b"\n" for record in story)


def test_json_lines_are_read_and_torn_ones_passed_over(tmp_path: Path) -> None:
    trades = records(TRADE, first=50)
    torn = encode_record(records(Watermark(*head(900), 900), first=60)[0])[:-9]
    (tmp_path / "events.jsonl").write_bytes(lines(STORY) + lines(trades) + torn + b"\n" + torn)
    assert list(quality_events(tmp_path / "events.jsonl")) == STORY
    assert coverage(quality_events(tmp_path)) == coverage(STORY)


def test_files_of_a_run_are_read_in_its_order_whatever_their_names(tmp_path: Path) -> None:
    (tmp_path / "z" / "a").mkdir(parents=True)
    (tmp_path / "z" / "first.jsonl").write_bytes(lines(STORY[:5]))
    (tmp_path / "z" / "a" / "second.jsonl").write_bytes(lines(STORY[5:]) + lines(STORY[:3]))
    assert coverage(quality_events(tmp_path)) == coverage(STORY)


def test_packed_lines_are_read_up_to_where_a_crash_cut_them(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard", reason="pip install zstandard")
    pack = zstandard.ZstdCompressor().compress
    cut = pack(lines(STORY[5:]))[:-20]
    (tmp_path / "events.jsonl.zst").write_bytes(pack(lines(STORY[:3])) + pack(lines(STORY[3:5])) + cut)
    found = list(quality_events(tmp_path))
    assert found == STORY[: len(found)]
    assert len(found) >= 5
    (tmp_path / "events.jsonl.zst").write_bytes(b"nothing packed")
    with pytest.raises(DecodeError, match=r"events\.jsonl\.zst"):
        list(quality_events(tmp_path))


@pytest.mark.parametrize("is_killed", [False, True])
def test_stored_tables_are_read_also_those_of_a_run_that_was_killed(tmp_path: Path, is_killed: bool) -> None:
    pytest.importorskip("pyarrow", reason="pip install 'tickwire[parquet]'")
    from tickwire.run.sink_parquet import ParquetSink

    async def scenario() -> None:
        sink = ParquetSink(ParquetOptions(str(tmp_path / "data")))
        await sink.open()
        await sink.write(STORY)
        if is_killed:
            shutil.copytree(tmp_path / "data", tmp_path / "left")
        await sink.close()

    asyncio.run(scenario())
    left = tmp_path / ("left" if is_killed else "data")
    assert bool(list(left.rglob("*.arrows"))) is is_killed
    other = left / "exchange=toy" / "channel=trades" / "date=1970-01-01" / "symbol=SOL-USDC"
    other.mkdir(parents=True)
    (other / "1400.parquet").write_bytes(b"never opened")
    assert list(quality_events(left)) == STORY
    file = next(one for one in left.rglob("*/channel=quality/**/*") if one.suffix in (".parquet", ".arrows"))
    found = list(quality_events(file))
    assert found
    assert found == [one for one in STORY if one in found]


def test_what_holds_nothing_of_that_kind_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no"):
        list(quality_events(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="no stored events"):
        list(quality_events(tmp_path))
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    with pytest.raises(ConfigError, match="neither a ledger nor stored events"):
        list(quality_events(tmp_path / "picture.png"))
    (tmp_path / "events.jsonl").write_bytes(b'{"type":"gap","schema":1}\n')
    with pytest.raises(DecodeError, match=r"events\.jsonl:1"):
        list(quality_events(tmp_path))
