"""Where rows go: a journal for each exchange, channel and window, and when a window is over."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tickwire.model.channels import Channel
from tickwire.model.events import BookDelta, Quote, Trade
from tickwire.model.quality import Severity, Watermark
from tickwire.model.stored import Record

pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'tickwire[parquet]'")

from tickwire.store.journal import read_journal
from tickwire.store.layout import partition, partitions_of, window_of
from tickwire.store.writing import JournalWriter

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
QUARTER = 15 * MINUTE
NOON = 1_795_694_400 * SECOND  # 2026-11-26T12:00
DAY = "exchange=acme/channel=trades/date=2026-11-26"


class Times:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.ns = NOON
        self.seconds = 0.0

    def pass_(self, seconds: float) -> None:
        self.ns += round(seconds * SECOND)
        self.seconds += seconds


def writer(root: Path, rotate: int = QUARTER) -> tuple[JournalWriter, Times]:
    times = Times()
    return JournalWriter(root, rotate, now=lambda: times.ns, monotonic=lambda: times.seconds), times


def trade(number: int, ts: int = NOON, exchange: str = "acme", price: Any = 1.5, run: str = "RUN") -> Record:
    return Record(Trade(exchange, "A-B", None, ts, price, price, None, str(number)), run, number, f"{run}/{number}")


def held(root: Path) -> dict[str, list[int]]:
    """Ordinals by journal."""
    found = {}
    for path in sorted(root.rglob("*.arrows")):
        table = read_journal(path).table
        found[path.relative_to(root).as_posix()] = table["ordinal"].to_pylist()
    return found


@pytest.mark.parametrize(
    ("moment", "length", "start", "end", "time"),
    [
        (NOON, QUARTER, NOON, NOON + QUARTER, "1200"),
        (NOON + QUARTER - 1, QUARTER, NOON, NOON + QUARTER, "1200"),
        (NOON + 7 * SECOND, 5 * SECOND, NOON + 5 * SECOND, NOON + 10 * SECOND, "120005"),
        # windows end at midnight at the latest
        (NOON + 719 * MINUTE, 7 * MINUTE, NOON + 715 * MINUTE, NOON + 720 * MINUTE, "2355"),
    ],
)
def test_windows_are_counted_from_midnight(moment: int, length: int, start: int, end: int, time: str) -> None:
    window = window_of(moment, length)
    assert (window.start, window.end, window.date, window.time) == (start, end, "2026-11-26", time)


@pytest.mark.parametrize("symbol", ["SOL-USDC", "FLX%2DCRCL-USDC", "BTC-USD:BTC-PERP", "a/b", "é.x", None])
def test_a_partition_reads_back(symbol: str | None) -> None:
    assert partitions_of(Path("/data") / partition("symbol", symbol) / "x.parquet") == {"symbol": symbol}


def test_rows_go_by_exchange_channel_window_and_run(tmp_path: Path) -> None:
    one, _ = writer(tmp_path)
    one.append(
        [
            trade(1),
            Record(BookDelta("acme", "A-B", None, NOON, ((1.0, 2.0),), ()), "RUN", 2, "RUN/2"),
            trade(3, NOON + QUARTER),
            trade(4, exchange="other"),
            trade(5),
            trade(6, run="OLD"),
            Record(Watermark("acme", "A-B", None, NOON, Channel.TRADES, None, Severity.INFO, 5), "RUN", 7, "RUN/7"),
        ]
    )
    assert held(tmp_path) == {
        f"{DAY}/1200-OLD.arrows": [6],
        f"{DAY}/1200-RUN.arrows": [1, 5],
        f"{DAY}/1215-RUN.arrows": [3],
        "exchange=acme/channel=l2_book/date=2026-11-26/1200-RUN.arrows": [2],
        "exchange=acme/channel=quality/date=2026-11-26/1200-RUN.arrows": [7],
        "exchange=other/channel=trades/date=2026-11-26/1200-RUN.arrows": [4],
    }
    one.close()


def test_thousands_of_instruments_share_a_journal(tmp_path: Path) -> None:
    one, _ = writer(tmp_path)
    quotes = [Quote("acme", f"S{number}-USD", None, NOON, 1.0, 1.0, 2.0, 1.0) for number in range(3000)]
    one.append([Record(quote, "RUN", number, f"RUN/{number}") for number, quote in enumerate(quotes)])
    assert len(held(tmp_path)) == 1
    one.close()


def test_floats_and_decimals_stand_apart(tmp_path: Path) -> None:
    one, _ = writer(tmp_path)
    one.append([trade(1), trade(2, price=Decimal("1.50")), trade(3)])
    one.append([trade(4, price=Decimal("1.50"))])
    assert held(tmp_path) == {f"{DAY}/1200-RUN.arrows": [2, 4], f"{DAY}/1200-RUN-2.arrows": [1, 3]}
    assert read_journal(tmp_path / DAY / "1200-RUN.arrows").table["price"].to_pylist() == ["1.5", "1.5"]
    one.close()


# when a window is over
def test_a_window_takes_what_comes_late_and_is_over_half_a_minute_after_its_end(tmp_path: Path) -> None:
    one, _ = writer(tmp_path)
    one.append([trade(1), trade(2, NOON + QUARTER + 29 * SECOND), trade(3, NOON + QUARTER - 1)])
    assert one.take_due() == []
    one.append([trade(4, NOON + QUARTER + 30 * SECOND)])
    assert one.take_due() == [tmp_path / DAY / "1200-RUN.arrows"]
    one.append([trade(5)])
    assert held(tmp_path) == {
        f"{DAY}/1200-RUN.arrows": [1, 3],
        f"{DAY}/1200-RUN-2.arrows": [5],
        f"{DAY}/1215-RUN.arrows": [2, 4],
    }
    one.close()


def test_a_window_is_over_when_nothing_comes_any_more(tmp_path: Path) -> None:
    one, times = writer(tmp_path)
    one.append([trade(1)])
    times.pass_(899)
    assert one.take_due() == []
    times.pass_(1)
    assert one.take_due() == [tmp_path / DAY / "1200-RUN.arrows"]


def test_a_replay_of_the_past_fills_its_windows(tmp_path: Path) -> None:
    one, times = writer(tmp_path)
    for number in range(3):
        one.append([trade(number, NOON - 86_400 * SECOND)])
        times.pass_(29)
        assert one.take_due() == []
    assert [len(rows) for rows in held(tmp_path).values()] == [3]
    one.close()


def test_the_name_of_a_file_is_never_used_again(tmp_path: Path) -> None:
    (tmp_path / DAY / "symbol=A-B").mkdir(parents=True)
    (tmp_path / DAY / "symbol=A-B" / "1200-RUN.parquet").touch()
    one, _ = writer(tmp_path)
    one.append([trade(1)])
    assert list(held(tmp_path)) == [f"{DAY}/1200-RUN-2.arrows"]
    one.close()


def test_the_least_used_of_too_many_journals_are_closed(tmp_path: Path) -> None:
    one, times = writer(tmp_path)
    for number in range(66):
        one.append([trade(number, exchange=f"x{number:02}")])
        times.pass_(0.1)
    assert [path.parts[-4] for path in one.take_due()] == ["exchange=x00", "exchange=x01"]
    one.close()


def test_leftovers_are_those_of_others(tmp_path: Path) -> None:
    before, _ = writer(tmp_path)
    before.append([trade(1)])
    before.close()
    one, _ = writer(tmp_path)
    one.append([trade(2)])
    assert one.leftovers() == [tmp_path / DAY / "1200-RUN.arrows"]
    one.close()


# all or nothing
@contextmanager
def files_hold(count: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes: a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def book(number: int, levels: int) -> Record:
    sides = tuple((float(price), 1.0) for price in range(levels))
    return Record(BookDelta("acme", "A-B", None, NOON, sides, ()), "RUN", number, f"RUN/{number}")


def refused(records: Sequence[Record], one: JournalWriter) -> None:
    with pytest.raises(OSError, match="File too large"):
        one.append(records)


def test_a_batch_that_does_not_fit_is_in_no_file_and_is_written_once_when_it_fits(tmp_path: Path) -> None:
    one, _ = writer(tmp_path)
    one.append([trade(1)])
    batch = [trade(2), book(3, 10_000)]
    with files_hold(20_000):
        refused(batch, one)
        refused(batch, one)
        one.append([trade(4)])
    one.append(batch)
    assert list(held(tmp_path).values()) == [[3], [1, 4, 2]]
    one.close()


def test_a_batch_with_a_record_that_cannot_be_written_is_in_no_file(tmp_path: Path) -> None:
    one, _ = writer(tmp_path)
    poison = Record(Quote("acme", "A-B", None, NOON, "?", 1.0, 2.0, 1.0), "RUN", 2, "RUN/2")  # type: ignore[type-var]
    with pytest.raises(ValueError, match=r"Could not convert '\?'"):
        one.append([trade(1), poison])
    one.append([trade(3)])
    assert [rows for rows in held(tmp_path).values() if rows] == [[3]]
    one.close()
