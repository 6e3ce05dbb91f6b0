"""Reading back: what was stored, once, in order, with what is known to be missing; and the books of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tickwire import (
    Backfilled,
    BookDelta,
    Books,
    BookSnapshot,
    Channel,
    ConfigError,
    DataError,
    Event,
    Gap,
    GapCause,
    L2Book,
    Record,
    Repair,
    Resynced,
    Severity,
    Side,
    Trade,
    Watermark,
)
from tickwire.model.stored import KeyMaker
from tickwire.run.sink_jsonl import JsonLinesSink
from tickwire.run.sinks import JsonLinesOptions, ParquetOptions

pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'tickwire[parquet]'")

from tickwire import StoredHole, arrow_schema, books, load  # noqa: E402
from tickwire.run.sink_parquet import ParquetSink  # noqa: E402

SECOND = 1_000_000_000
NOON = 4_102_488_000 * SECOND  # 2100-01-01T12:00


def run_of(run_id: str, *events: Event) -> list[Record]:
    keys = KeyMaker(run_id)
    return [Record(event, run_id, number, keys.key(event, number)) for number, event in enumerate(events, 1)]


def trade(number: int, second: float = 0, symbol: str = "A-B", **more: Any) -> Trade[Any]:
    ts = NOON + round(second * SECOND)
    return Trade("acme", symbol, ts - 5, ts, 1.5, 2.0, Side.BUY, str(number), number, **more)


def snapshot(sequence: int, second: float, symbol: str = "A-B") -> BookSnapshot[float]:
    ts = NOON + round(second * SECOND)
    return BookSnapshot("acme", symbol, ts, ts, ((1.0, 5.0), (0.9, 4.0)), ((1.1, 3.0),), sequence)


def delta(sequence: int, second: float, size: float) -> BookDelta[float]:
    ts = NOON + round(second * SECOND)
    return BookDelta("acme", "A-B", ts, ts, ((1.0, size),), (), sequence, sequence)


def gap(second: float, start: float, end: float | None = None, channel: Channel = Channel.L2_BOOK, **more: Any) -> Gap:
    until = None if end is None else NOON + round(end * SECOND)
    at = NOON + round(second * SECOND)
    head = ("acme", "A-B", None, at, channel, None, Severity.WARNING, "g1", GapCause.SEQUENCE)
    return Gap(*head, NOON + round(start * SECOND), until, **more)


def quality(kind: Any, second: float, *fields: Any, channel: Channel = Channel.L2_BOOK) -> Any:
    return kind("acme", "A-B", None, NOON + round(second * SECOND), channel, None, Severity.INFO, *fields)


def parquet(folder: Path, *batches: Sequence[Record]) -> Path:
    return stored(ParquetSink(ParquetOptions(str(folder))), folder, *batches)


def json_lines(folder: Path, *batches: Sequence[Record]) -> Path:
    return stored(JsonLinesSink(JsonLinesOptions(str(folder))), folder, *batches)


def packed(folder: Path, *batches: Sequence[Record]) -> Path:
    file = folder / "x.jsonl.zst"
    return stored(JsonLinesSink(JsonLinesOptions(str(file), "zstd")), file, *batches)


def stored(sink: Any, path: Path, *batches: Sequence[Record]) -> Path:
    async def main() -> None:
        await sink.open()
        for batch in batches:
            await sink.write(batch)
        await sink.close()

    asyncio.run(main())
    return path


WAYS = pytest.mark.parametrize("way", [parquet, json_lines, packed])


@WAYS
def test_all_events_come_back_in_their_order_over_all_channels(tmp_path: Path, way: Any) -> None:
    mark = quality(Watermark, 2, NOON)
    rows = run_of("R1", snapshot(1, 0), trade(1, 1), delta(2, 1, 0.0), mark, trade(2, 0, "C-D"), trade(2, 3))
    frame = load(way(tmp_path, rows[:3], rows[3:]))
    assert list(frame.records()) == rows
    assert list(frame.events()) == [row.event for row in rows]
    assert len(frame) == 6
    assert repr(frame) == "<Stored rows: 2 of l2_book, 1 of quality, 3 of trades>"


@WAYS
def test_what_was_stored_twice_comes_once(tmp_path: Path, way: Any) -> None:
    first = run_of("R1", trade(1, 1), trade(2, 2))
    again = run_of("R2", trade(2, 2, backfilled=True), trade(3, 3, backfilled=True), trade(4, 4))
    path = way(tmp_path, first, first, again)
    assert [record.key for record in load(path).records()] == [f"acme/A-B/{number}" for number in (1, 2, 3, 4)]
    assert [event.backfilled for event in load(path).events()] == [False, False, True, False]  # type: ignore[union-attr]


@WAYS
def test_rows_are_chosen_by_exchange_symbol_channel_and_time(tmp_path: Path, way: Any) -> None:
    rows = run_of("R1", trade(1, 1), trade(2, 2), trade(3, 3, "C-D"), snapshot(1, 2), quality(Watermark, 2, NOON))
    path = way(tmp_path, rows)

    def ordinals(**which: Any) -> list[int]:
        return [record.ordinal for record in load(path, **which).records()]

    assert ordinals(exchange="acme") == [1, 2, 3, 4, 5]
    assert ordinals(exchange="other") == []
    assert ordinals(symbol="A-B", channel="trades") == [1, 2]
    assert ordinals(symbol=["A-B", "C-D"], channel="TRADES") == [1, 2, 3]
    assert ordinals(channel=["trades", "l2_book"]) == [1, 2, 3, 4]
    assert ordinals(start=NOON + 2 * SECOND, end=NOON + 3 * SECOND) == [2, 4, 5]
    noon = datetime(2100, 1, 1, 12, tzinfo=UTC)
    assert ordinals(start=noon + timedelta(seconds=2), end="2100-01-01T12:00:03") == [2, 4, 5]
    assert ordinals(start="2100-01-01T13:00:02+01:00", channel="trades") == [2, 3]
    assert ordinals(start="2100-01-02") == []


def test_a_days_folder_and_a_single_file_are_read_too(tmp_path: Path) -> None:
    rows = run_of("R1", trade(1), trade(2, 0, "C-D"))
    parquet(tmp_path, rows)
    (day,) = tmp_path.glob("exchange=*/channel=*/date=*")
    assert [record.ordinal for record in load(day).records()] == [1, 2]
    assert [record.ordinal for record in load(next(day.glob("symbol=C-D/*"))).records()] == [2]


def test_trades_that_were_fetched_late_stand_in_their_place_on_request(tmp_path: Path) -> None:
    late = Trade("acme", "A-B", NOON + 2, NOON + 9 * SECOND, 1.5, 2.0, Side.BUY, "2", 2, None, True)
    first, third = (Trade("acme", "A-B", NOON + n, NOON + n, 1.5, 2.0, Side.BUY, str(n), n) for n in (1, 3))
    path = parquet(tmp_path, run_of("R1", first, third, late))
    assert load(path, channel="trades").arrow["trade_id"].to_pylist() == ["1", "3", "2"]
    assert load(path, channel="trades", sort="event").arrow["trade_id"].to_pylist() == ["1", "2", "3"]
    assert list(load(path, sort="event").events()) == [first, late, third]


def test_decimals_come_back_with_all_their_digits(tmp_path: Path) -> None:
    price = Decimal("0.1234567890123456789012345678")
    event = Trade("acme", "A-B", None, NOON, price, Decimal(2))
    path = parquet(tmp_path, run_of("R1", event))
    assert list(load(path).events()) == [event]
    assert load(path, channel="trades").arrow["price"].to_pylist() == [str(price)]


def test_floats_and_decimals_of_one_channel_are_not_mixed(tmp_path: Path) -> None:
    parquet(tmp_path, run_of("R1", trade(1), Trade("acme", "A-B", None, NOON, Decimal(1), Decimal(2))))
    with pytest.raises(ConfigError, match="trades was stored with floats, and with decimals → load them apart"):
        load(tmp_path)


def test_a_table_is_of_one_channel_and_has_its_schema(tmp_path: Path) -> None:
    path = parquet(tmp_path, run_of("R1", trade(1), snapshot(1, 0)))
    assert load(path, channel="trades").to_arrow().schema.equals(arrow_schema(Trade))
    assert load(path, channel="ticker").arrow.num_rows == 0
    with pytest.raises(ConfigError, match="rows of 2 channels: l2_book, trades → name one"):
        load(path).to_arrow()


def test_flat_is_a_row_a_level(tmp_path: Path) -> None:
    empty = BookDelta("acme", "A-B", None, NOON, (), (), 2, 2)
    path = parquet(tmp_path, run_of("R1", snapshot(1, 0), empty, delta(3, 1, 0.0)))
    table = load(path, channel="l2_book", flat=True).arrow
    rows = [tuple(row[name] for name in ("ordinal", "side", "level", "price", "size")) for row in table.to_pylist()]
    assert rows == [
        (1, "bid", 0, 1.0, 5.0), (1, "bid", 1, 0.9, 4.0), (1, "ask", 0, 1.1, 3.0), (3, "bid", 0, 1.0, 0.0),
    ]  # fmt: skip
    assert "bid_price" not in table.schema.names


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_where_nothing_is_stored_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=rf"nothing is stored in '.*{name}' → name what a parquet or jsonl sink"):
        load(tmp_path / name)


def test_what_is_no_stored_file_is_told(tmp_path: Path) -> None:
    for name, error, message in (
        ("x.csv", ConfigError, r"x.csv' is no stored file → it ends in .parquet, .arrows, .jsonl or"),
        ("x.parquet", DataError, r"x.parquet cannot be read: "),
    ):
        (tmp_path / name).write_text("1,2\n")
        with pytest.raises(error, match=message):
            load(tmp_path / name)


def test_a_torn_line_is_left_out_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = json_lines(tmp_path / "x.jsonl", run_of("R1", trade(1)))
    with path.open("ab") as file:
        file.write(b'{"type":"tra')
    assert len(load(path)) == 1
    assert "line 2 is left out: not a stored event" in caplog.text


# holes
HOLE = StoredHole("acme", "A-B", Channel.TRADES, "sequence", NOON + SECOND, NOON + 3 * SECOND, 2, "g1")


def trades_gap(second: float, **more: Any) -> Gap:
    return gap(second, 1, 3, Channel.TRADES, **more)


@WAYS
def test_holes_are_those_that_stay(tmp_path: Path, way: Any) -> None:
    path = way(tmp_path, run_of("R1", trade(1), trades_gap(3, repair=Repair.BACKFILL), trades_gap(4, missing=2)))
    assert load(path, channel="trades").holes == [HOLE]
    assert load(path, channel="l2_book").holes == []
    assert load(path, symbol="C-D").holes == []
    assert load(path, start=NOON + 3 * SECOND).holes == []
    assert load(path, end=NOON + SECOND).holes == []
    assert load(path, start=NOON + 2 * SECOND, end=NOON + 2 * SECOND + 1).holes == [HOLE]


def test_a_hole_that_was_filled_or_harmless_is_none(tmp_path: Path) -> None:
    filled = quality(Backfilled, 4, "g1", 2, 1, 2, True, 0, channel=Channel.TRADES)
    path = parquet(tmp_path, run_of("R1", trades_gap(3), filled), run_of("R2", trades_gap(3), trades_gap(5, missing=0)))
    assert load(path).holes == []


def test_who_is_careful_is_refused_data_with_holes(tmp_path: Path) -> None:
    path = parquet(tmp_path, run_of("R1", trade(1), trades_gap(4, missing=2)))
    with pytest.raises(DataError, match=r"1 hole: acme A-B trades 2100-01-01 12:00:01 to .* 12:00:03: sequence"):
        load(path, holes="raise")
    assert len(load(path, channel="l2_book", holes="raise")) == 0


# books
def seen(path: Path, every: str = "1s", **more: Any) -> list[tuple[float, float | None]]:
    """Moments in seconds after noon, and the best bid's size."""
    found = books(path, "acme", "A-B", every, **more)
    return [((ts - NOON) / SECOND, None if book.best_bid is None else book.best_bid.size) for ts, book in found]


@WAYS
def test_books_are_as_they_were_at_regular_moments(tmp_path: Path, way: Any) -> None:
    mark = quality(Watermark, 4, NOON)
    path = way(tmp_path, run_of("R1", snapshot(1, 0.5), delta(2, 1, 6.0), delta(3, 1.5, 7.0), mark, delta(4, 4.5, 8)))
    assert seen(path) == [(1, 6.0), (2, 7.0), (3, 7.0), (4, 7.0)]
    assert seen(path, "500ms", start=NOON + 4 * SECOND) == [(4, 7.0), (4.5, 8.0)]
    assert seen(path, end=NOON + 3 * SECOND) == [(1, 6.0)]


def test_a_book_that_is_not_known_is_not_shown(tmp_path: Path) -> None:
    # the hole was noticed at 3, and had begun at 1.5
    resynced = quality(Resynced, 4.5, "g1", 9, SECOND)
    path = parquet(tmp_path, run_of("R1", snapshot(1, 0.5), gap(3, 1.5), snapshot(9, 4.5), resynced, delta(10, 6, 1)))
    assert seen(path) == [(1, 5.0), (2, None), (3, None), (4, None), (5, 5.0), (6, 1.0)]


def test_between_a_crash_and_the_next_run_no_book_is_shown(tmp_path: Path) -> None:
    path = parquet(
        tmp_path, run_of("R1", snapshot(1, 0), delta(2, 2.5, 6)), run_of("R2", snapshot(7, 100), delta(8, 102, 1))
    )
    assert seen(path) == [(0, 5.0), (1, 5.0), (2, 5.0), (100, 5.0), (101, 5.0), (102, 1.0)]


def test_a_hole_that_nobody_announced_is_not_shown_either(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = parquet(tmp_path, run_of("R1", snapshot(1, 0), delta(5, 1.5, 6), delta(6, 3, 6)))
    assert seen(path) == [(0, 5.0), (1, 5.0), (2, None), (3, None)]
    assert "record R1/2 does not follow" in caplog.text


def test_books_are_as_deep_as_asked_for(tmp_path: Path) -> None:
    path = parquet(tmp_path, run_of("R1", snapshot(1, 0)))
    [(_, book)] = books(path, "acme", "A-B", depth=1)
    assert (book.bids(), book.asks()) == ([(1.0, 5.0)], [(1.1, 3.0)])
    with pytest.raises(ConfigError, match="'often' is not a duration"):
        list(books(path, "acme", "A-B", every="often"))


def test_books_of_random_changes_are_those_of_the_stream(tmp_path: Path) -> None:
    rng = random.Random(7)
    events: list[Any] = [snapshot(1, 0)]
    for sequence in range(2, 400):
        side = ((round(rng.uniform(0.1, 1.0), 2), float(rng.randrange(3))),)
        bids, asks = (side, ()) if rng.random() < 0.5 else ((), ((round(side[0][0] + 1, 2), side[0][1]),))
        ts = NOON + sequence * SECOND // 10
        events.append(BookDelta("acme", "A-B", ts, ts, bids, asks, sequence, sequence))
    path = parquet(tmp_path, run_of("R1", *events))
    shown = {ts: book.snapshot() for ts, book in books(path, "acme", "A-B", "1s", depth=None)}
    truth, expected = Books(), {}
    for event in events:
        truth.apply(event)
        if event.ts_recv % SECOND == 0:
            book: L2Book[float] = truth["A-B"]
            expected[event.ts_recv] = book.snapshot()
    assert shown == expected
