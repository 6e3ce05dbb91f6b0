"""Stored files -> Arrow tables by channel: Parquet, open journals, and JSON Lines, plain or compressed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import attrs

from tickwire.model.channels import Channel
from tickwire.model.clock import Nanos
from tickwire.model.errors import ConfigError, DataError, DecodeError
from tickwire.model.stored import Record, decode_record
from tickwire.store.arrow import arrow, compute, parquet
from tickwire.store.closing import finished
from tickwire.store.columns import batch_of
from tickwire.store.frames import whole_frames
from tickwire.store.journal import channel_and_numbers, read_journal
from tickwire.store.layout import DAY, JOURNAL, PARQUET, partitions_of, window_of
from tickwire.store.schema import CHANNEL_OF, Numbers, channel_schema

__all__ = ["Wanted", "read_tables"]

_log = logging.getLogger(__name__)

_LINES = ".jsonl"
_PACKED = ".jsonl.zst"
_BATCH = 10_000
_TRIES = 5

Key = tuple[Channel, Numbers]


@attrs.frozen
class Wanted:
    """Which rows are asked for; ``None``: any.

    Attributes:
        exchange: Of this exchange.
        symbols: Of these symbols; ``None`` among them: rows of no symbol.
        channels: Of these channels.
        start: With a ``ts_recv`` from here on, ns.
        end: With a ``ts_recv`` before, ns.
    """

    exchange: str | None = None
    symbols: frozenset[str | None] | None = None
    channels: frozenset[Channel] | None = None
    start: Nanos | None = None
    end: Nanos | None = None

    def takes_channel(self, channel: Channel) -> bool:
        """Tell whether a channel is asked for."""
        return self.channels is None or channel in self.channels

    def takes(self, record: Record) -> bool:
        """Tell whether a record is asked for."""
        event = record.event
        return (
            (self.exchange is None or event.exchange == self.exchange)
            and (self.symbols is None or event.symbol in self.symbols)
            and self.takes_channel(CHANNEL_OF[event.__class__])
            and (self.start is None or event.ts_recv >= self.start)
            and (self.end is None or event.ts_recv < self.end)
        )

    def may_hold(self, partitions: Mapping[str, str | None]) -> bool:
        """Tell whether a file may hold rows that are asked for, by the folders it is in."""
        channel, date = partitions.get("channel"), partitions.get("date")
        return (
            (self.exchange is None or partitions.get("exchange", self.exchange) == self.exchange)
            and (self.channels is None or channel is None or channel in self.channels)
            and (self.symbols is None or "symbol" not in partitions or partitions["symbol"] in self.symbols)
            and (date is None or self.start is None or date >= _day(self.start))
            and (date is None or self.end is None or date <= _day(self.end))
        )


def read_tables(path: Path, wanted: Wanted, *, with_lines: bool = True) -> dict[Key, list[Any]]:
    """Read everything asked for that a path holds.

    Args:
        path: A data directory or a file of it, ``.jsonl`` or ``.jsonl.zst``, or a directory of those.
        wanted: What is asked for.
        with_lines: In a directory read JSON Lines too, not only Parquet and journals.

    Returns:
        ``pyarrow.Table`` s by channel and kind of numbers, in no order; rows may be there twice.

    Raises:
        ConfigError: There is nothing stored there, or pyarrow is not installed.
        DataError: A file cannot be understood; names it.
    """
    arrow()
    for _ in range(_TRIES):
        try:
            return _all_of(_files(path, with_lines), wanted)
        except FileNotFoundError:
            continue  # a journal became Parquet meanwhile
    return _all_of(_files(path, with_lines), wanted)


def _all_of(files: Iterable[Path], wanted: Wanted) -> dict[Key, list[Any]]:
    found: dict[Key, list[Any]] = {}
    for file in files:
        if wanted.may_hold(partitions_of(file)):
            for key, table in _reader(file)(file, wanted):
                if table.num_rows:
                    found.setdefault(key, []).append(table)
    return found


def _files(path: Path, with_lines: bool) -> list[Path]:
    if path.is_dir():
        files = [
            *path.rglob(f"exchange=*/channel=*/date=*/symbol=*/*{PARQUET}"),
            *path.rglob(f"exchange=*/channel=*/date=*/*{JOURNAL}"),
        ]
        if with_lines:
            files += [*path.glob(f"*{_LINES}"), *path.glob(f"*{_PACKED}")]
        inside = partitions_of(path.resolve())  # a folder of the layout, or one beneath it
        if inside:
            files += [*path.rglob(f"*{PARQUET}"), *path.rglob(f"*{JOURNAL}")]
    else:
        files = [path]
    if not files or not path.exists():
        raise ConfigError(f"nothing is stored in {str(path)!r}", hint="name what a parquet or jsonl sink writes to")
    return sorted(one for one in set(files) if not one.name.startswith("."))


def _reader(file: Path) -> Callable[[Path, Wanted], Iterator[tuple[Key, Any]]]:
    for ending, read in ((PARQUET, _parquet), (JOURNAL, _journal), (_LINES, _lines), (_PACKED, _lines)):
        if file.name.endswith(ending):
            return read
    raise ConfigError(
        f"{str(file)!r} is no stored file", hint=f"it ends in {PARQUET}, {JOURNAL}, {_LINES} or {_PACKED}"
    )


def _parquet(file: Path, wanted: Wanted) -> Iterator[tuple[Key, Any]]:
    pa = arrow()
    try:
        table = parquet().ParquetFile(file).read()
    except pa.ArrowException as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    key = _key(file, table)
    yield key, _conformed(_filtered(table, wanted), channel_schema(*key))


def _conformed(table: Any, schema: Any) -> Any:
    # what an earlier tickwire had no column for is null
    columns = [
        table[field.name].cast(field.type) if field.name in table.schema.names else _nulls(len(table), field.type)
        for field in schema
    ]
    return arrow().Table.from_arrays(columns, schema=schema)


def _nulls(count: int, type: Any) -> Any:
    return arrow().nulls(count, type)


def _journal(file: Path, wanted: Wanted) -> Iterator[tuple[Key, Any]]:
    found = read_journal(file)
    if found.table is not None:
        yield _key(file, found.table), _filtered(finished(found.table), wanted)


def _key(file: Path, table: Any) -> Key:
    try:
        channel, numbers = channel_and_numbers(table)
    except DecodeError as error:
        raise DecodeError(f"{file}: {error}") from error
    return Channel(channel), "decimal" if numbers == "decimal" else "float"


def _filtered(table: Any, wanted: Wanted) -> Any:
    pc, pa = compute(), arrow()
    masks = []
    time = pa.timestamp("ns", tz="UTC")
    if wanted.start is not None:
        masks.append(pc.greater_equal(table["ts_recv"], pa.scalar(wanted.start, pa.int64()).cast(time)))
    if wanted.end is not None:
        masks.append(pc.less(table["ts_recv"], pa.scalar(wanted.end, pa.int64()).cast(time)))
    if wanted.exchange is not None:
        masks.append(pc.equal(table["exchange"], wanted.exchange))
    if wanted.symbols is not None:
        masks.append(pc.is_in(table["symbol"], pa.array(sorted(wanted.symbols, key=str), pa.string())))
    return table.filter(reduce(pc.and_, masks)) if masks else table


def _lines(file: Path, wanted: Wanted) -> Iterator[tuple[Key, Any]]:
    kept: dict[Channel, list[Record]] = {}
    for record in _records(file):
        if wanted.takes(record):
            kept.setdefault(CHANNEL_OF[record.event.__class__], []).append(record)
    pa = arrow()
    for channel, records in kept.items():
        runs: dict[str, list[Record]] = {}
        for record in records:
            runs.setdefault(record.run_id, []).append(record)
        batches = [
            batch_of(channel, rows[start : start + _BATCH], "float")
            for rows in runs.values()
            for start in range(0, len(rows), _BATCH)
        ]
        yield (channel, "float"), finished(pa.Table.from_batches(batches))


def _records(file: Path) -> Iterator[Record]:
    for number, line in enumerate(_texts(file), 1):
        try:
            if line:
                yield decode_record(line)
        except DecodeError as error:
            # torn by a crash, and ended by the next start
            _log.warning("%s: line %d is left out: %s", file, number, error)


def _texts(file: Path) -> Iterator[bytes]:
    if file.name.endswith(_PACKED):
        for piece in whole_frames(file):
            yield from piece.splitlines()
        return
    with file.open("rb") as lines:
        for line in lines:
            yield line.rstrip(b"\n")


def _day(moment: Nanos) -> str:
    return window_of(moment, DAY).date
