"""A journal -> one Parquet file a symbol, each whole or not there at all; then the journal goes."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tickwire.model.channels import Channel
from tickwire.store.arrow import compute, parquet
from tickwire.store.journal import channel_and_numbers, is_in_use, read_journal
from tickwire.store.layout import PARQUET, partition, sync_directory
from tickwire.store.schema import HEADER, Kind, channel_columns, channel_schema

__all__ = ["close_journal", "write_table"]

_log = logging.getLogger(__name__)

_ROW_GROUP = 128 * 1024
_STEADY = ("ordinal", "ts_event", "ts_recv")


def close_journal(path: Path, level: int = 3, go_on: Callable[[], bool] = lambda: True) -> list[Path]:
    """Write what a journal holds into ``symbol=…/<its name>.parquet`` beside it, and remove it.

    Done again after a crash in the middle it writes the same files again.

    Args:
        path: The journal; it may have a torn tail, which is cut and warned of.
        level: Of zstd.
        go_on: Asked before each file; ``False``: the journal stays, and everything can be done again.

    Returns:
        The files; none if the journal is gone already, in use, or to be left.

    Raises:
        OSError: A file cannot be written, e.g. because the disk is full; the journal stays.
    """
    try:
        if is_in_use(path):
            return []
        found = read_journal(path)
    except FileNotFoundError:
        return []
    if found.torn:
        rows = 0 if found.table is None else found.table.num_rows
        _log.warning("%s ends in %d torn bytes, of a crash perhaps: cut; its %d rows are kept", path, found.torn, rows)
    written = []
    for symbol, table in _by_symbol(found.table):
        if not go_on():
            return []
        target = path.parent / partition("symbol", symbol) / f"{path.stem}{PARQUET}"
        write_table(target, table, level)
        written.append(target)
    path.unlink(missing_ok=True)
    return written


def write_table(path: Path, table: Any, level: int = 3) -> None:
    """Write a Parquet file that is whole when it appears.

    Raises:
        OSError: It cannot be written; names the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    try:
        with fresh.open("wb") as file:
            _write(file, table, level)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    sync_directory(path.parent)


def _write(file: Any, table: Any, level: int) -> None:
    steady = [name for name in _STEADY if name in table.schema.names]
    words = [
        name for name in table.schema.names
        if name not in (*steady, "key", "trade_id", "order_id") and not name.endswith(("_size", "sequence"))
    ]  # fmt: skip
    parquet().write_table(
        table,
        file,
        compression="zstd",
        compression_level=level,
        use_dictionary=words,
        column_encoding=dict.fromkeys(steady, "DELTA_BINARY_PACKED"),
        row_group_size=_ROW_GROUP,
    )


def _by_symbol(table: Any) -> Iterator[tuple[str | None, Any]]:
    # in ordinal order within a symbol, each symbol's rows a slice of the sorted table
    if table is None or table.num_rows == 0:
        return
    table = finished(table)
    order = compute().sort_indices(table, [("symbol", "ascending"), ("ordinal", "ascending")])
    symbols = table["symbol"].value_counts()
    counts = {one["values"].as_py(): one["counts"].as_py() for one in symbols}
    table = table.take(order)
    start = 0
    for symbol in sorted((one for one in counts if one is not None), key=str.encode) + [None] * (None in counts):
        yield symbol, table.slice(start, counts[symbol])
        start += counts[symbol]


def finished(table: Any) -> Any:
    """Turn a journal's table into that of a Parquet file: closed sets become dictionaries."""
    channel, numbers = channel_and_numbers(table)
    schema = channel_schema(Channel(channel), "decimal" if numbers == "decimal" else "float")
    words = {column.name for column in channel_columns(Channel(channel)) if column.kind is Kind.WORD} | {HEADER[0]}
    columns = [
        column.dictionary_encode().cast(schema.field(name).type) if name in words else column
        for name, column in zip(table.schema.names, table.columns, strict=True)
    ]
    return type(table).from_arrays(columns, schema=schema)
