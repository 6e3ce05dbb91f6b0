"""Journals: whole batches are read, whatever follows them; what could not be written whole is taken back."""

from __future__ import annotations

import logging
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.model.channels import Channel
from tickwire.model.events import Trade
from tickwire.model.stored import Record

pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'tickwire[parquet]'")
pq = pytest.importorskip("pyarrow.parquet")

from tickwire.store.closing import close_journal, write_table  # noqa: E402
from tickwire.store.columns import batch_of  # noqa: E402
from tickwire.store.journal import Journal, is_in_use, read_journal  # noqa: E402
from tickwire.store.schema import channel_schema, journal_schema  # noqa: E402

SCHEMA = journal_schema(Channel.TRADES)


def batch(*numbers: int, symbol: str = "SOL-USDC") -> Any:
    trades = [Trade("acme", symbol, 5, 6 + number, 98.97, 12.4, None, str(number)) for number in numbers]
    rows = [Record(one, "RUN", one.ts_recv - 6, f"acme/{symbol}/{one.trade_id}") for one in trades]
    return batch_of(Channel.TRADES, rows, "float")


def written(path: Path, *batches: Any) -> list[int]:
    """Write a journal; gives its size after the schema and after each batch."""
    journal = Journal(path, SCHEMA)
    sizes = [journal.size]
    for one in batches:
        journal.append(one)
        sizes.append(journal.size)
    journal.close()
    return sizes


@contextmanager
def files_hold(count: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes: a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_journal_is_an_arrow_stream_that_anyone_reads(tmp_path: Path) -> None:
    path = tmp_path / "x.arrows"
    written(path, batch(1, 2), batch(3))
    with pa.ipc.open_stream(path) as stream:
        assert stream.read_all()["trade_id"].to_pylist() == ["1", "2", "3"]


def test_a_journal_cut_at_any_byte_gives_the_whole_batches_before_it(tmp_path: Path) -> None:
    path = tmp_path / "x.arrows"
    sizes = written(path, batch(1, 2), batch(3), batch(4, 5, 6))
    whole, rows = path.read_bytes(), [0, 2, 3, 6]
    assert len(whole) == sizes[-1]
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        found = read_journal(path)
        last = max((place for place, size in enumerate(sizes) if size <= cut), default=None)
        if last is None:
            assert (found.table, found.torn) == (None, cut)
        else:
            assert (found.table.num_rows, found.torn) == (rows[last], cut - sizes[last])


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=300))
def test_whatever_stands_behind_the_last_batch_is_left_out(tail: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.arrows"
        written(path, batch(1, 2))
        with path.open("ab") as file:
            file.write(tail)
        found = read_journal(path)
    assert (found.table["trade_id"].to_pylist(), found.torn) == (["1", "2"], len(tail))


def test_a_batch_is_taken_back_and_others_follow(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "x.arrows", SCHEMA)
    journal.append(batch(1))
    mark = journal.size, journal.rows
    journal.append(batch(2, 3))
    journal.rollback(*mark)
    journal.append(batch(4))
    journal.close()
    assert read_journal(journal.path).table["trade_id"].to_pylist() == ["1", "4"]
    assert journal.rows == 2


def test_a_full_disk_is_an_os_error_and_what_was_written_is_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "x.arrows", SCHEMA)
    journal.append(batch(1))
    mark = journal.size, journal.rows
    with files_hold(journal.size + 100), pytest.raises(OSError, match="File too large"):
        journal.append(batch(2))
    assert read_journal(journal.path).torn == 100
    journal.rollback(*mark)
    journal.append(batch(3))
    journal.close()
    assert read_journal(journal.path).table["trade_id"].to_pylist() == ["1", "3"]


def test_a_journal_is_made_once(tmp_path: Path) -> None:
    written(tmp_path / "x.arrows", batch(1))
    with pytest.raises(FileExistsError):
        Journal(tmp_path / "x.arrows", SCHEMA)
    assert read_journal(tmp_path / "x.arrows").table.num_rows == 1


def test_a_journal_is_in_use_while_it_is_open(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "x.arrows", SCHEMA)
    assert is_in_use(journal.path)
    assert close_journal(journal.path) == []
    journal.close()
    assert not is_in_use(journal.path)


# closing
def stored(folder: Path) -> dict[str, list[str]]:
    files = sorted(folder.glob("symbol=*/*.parquet"))
    return {f"{one.parent.name}/{one.name}": pq.ParquetFile(one).read()["trade_id"].to_pylist() for one in files}


def test_each_symbol_gets_a_file_in_the_order_of_ordinals(tmp_path: Path) -> None:
    path = tmp_path / "1400-RUN.arrows"
    written(path, batch(1, symbol="SOL-USDC"), batch(4, 2, symbol="FLX%2DCRCL-USDC"), batch(3, symbol="SOL-USDC"))
    files = close_journal(path)
    assert stored(tmp_path) == {
        "symbol=FLX%252DCRCL-USDC/1400-RUN.parquet": ["2", "4"],
        "symbol=SOL-USDC/1400-RUN.parquet": ["1", "3"],
    }
    assert sorted(files) == sorted(tmp_path.glob("symbol=*/*"))
    assert not path.exists()
    assert pq.ParquetFile(files[0]).schema_arrow == channel_schema(Channel.TRADES)


def test_a_torn_tail_is_cut_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "1400-RUN.arrows"
    written(path, batch(1, 2), batch(3))
    os.truncate(path, path.stat().st_size - 1)
    with caplog.at_level(logging.WARNING):
        close_journal(path)
    assert stored(tmp_path) == {"symbol=SOL-USDC/1400-RUN.parquet": ["1", "2"]}
    assert "torn bytes, of a crash perhaps: cut; its 2 rows are kept" in caplog.text


def test_a_journal_without_rows_leaves_nothing(tmp_path: Path) -> None:
    for name, content in (("a.arrows", b""), ("b.arrows", b"\xff\xff\xff\xff\x10")):
        (tmp_path / name).write_bytes(content)
        assert close_journal(tmp_path / name) == []
    written(tmp_path / "c.arrows")
    assert close_journal(tmp_path / "c.arrows") == []
    assert list(tmp_path.iterdir()) == []


def test_closing_that_was_broken_off_can_be_done_again(tmp_path: Path) -> None:
    path = tmp_path / "1400-RUN.arrows"
    written(path, batch(1, symbol="A-B"), batch(2, symbol="C-D"))
    answers = iter([True, False])
    assert close_journal(path, go_on=lambda: next(answers)) == []
    assert (list(stored(tmp_path)), path.exists()) == (["symbol=A-B/1400-RUN.parquet"], True)
    close_journal(path)
    assert stored(tmp_path) == {"symbol=A-B/1400-RUN.parquet": ["1"], "symbol=C-D/1400-RUN.parquet": ["2"]}
    assert close_journal(path) == []


def test_a_disk_too_full_for_the_file_leaves_the_journal_and_no_half_file(tmp_path: Path) -> None:
    path = tmp_path / "1400-RUN.arrows"
    written(path, batch(*range(100)))
    with files_hold(1000), pytest.raises(OSError, match=r"File too large: .*1400-RUN.parquet"):
        close_journal(path)
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == [path]
    assert len(close_journal(path)) == 1


def test_a_file_that_is_replaced_is_whole_at_any_moment(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    table = pa.Table.from_batches([batch(1)])
    write_table(path, table)
    with files_hold(1000), pytest.raises(OSError, match="File too large"):
        write_table(path, pa.Table.from_batches([batch(*range(100))]))
    assert pq.ParquetFile(path).read()["trade_id"].to_pylist() == ["1"]
