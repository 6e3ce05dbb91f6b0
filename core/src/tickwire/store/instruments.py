"""Instruments beside the data: ``DATA/instruments/exchange=…/<time>.parquet``, every one as it was, with ``ts_from``.

A file holds what is different from the files before it: at the first start everything that the exchange lists, later
what was listed, delisted or changed. The newest row of a symbol at or before a moment is the instrument as it was then.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import msgspec

from tickwire.model.clock import Nanos
from tickwire.model.errors import TickwireError
from tickwire.model.instruments import Instrument
from tickwire.store.arrow import arrow, parquet
from tickwire.store.closing import write_table
from tickwire.store.layout import PARQUET, partition, window_of

__all__ = ["InstrumentFiles", "instruments_at"]

_log = logging.getLogger(__name__)

_SECOND = 1_000_000_000
_FIELDS = tuple(field.name for field in attrs.fields(Instrument))


class InstrumentFiles:
    """Writes the files of one data directory; called by one thread."""

    def __init__(self, root: Path) -> None:
        """Take over the directory."""
        self._root = root
        self._last: dict[str, dict[str, Instrument]] = {}
        self._fresh: list[tuple[str, Nanos, list[tuple[Instrument, bool]]]] = []

    def note(self, exchange: str, instruments: Sequence[Instrument], now: Nanos) -> None:
        """Compare what an exchange lists with what is stored; ``write`` stores the difference."""
        last = self._last.get(exchange)
        if last is None:
            last = self._last[exchange] = self._stored(exchange)
        listed = {one.symbol: one for one in instruments}
        rows = [(one, True) for symbol, one in listed.items() if last.get(symbol) != one]
        rows += [(one, False) for symbol, one in last.items() if symbol not in listed]
        self._last[exchange] = listed
        if rows:
            self._fresh.append((exchange, now, rows))

    def write(self) -> None:
        """Store what was noted.

        Raises:
            OSError: A file cannot be written; it is tried again by the next call.
        """
        while self._fresh:
            exchange, now, rows = self._fresh[0]
            write_table(self._path(exchange, now), _table(rows, now))
            del self._fresh[0]

    def _stored(self, exchange: str) -> dict[str, Instrument]:
        try:
            return {one.symbol: one for one in instruments_at(self._root, exchange)}
        except (
            OSError,
            ValueError,
            KeyError,
            msgspec.MsgspecError,
            TickwireError,
        ) as error:  # what cannot be read is stored once more
            _log.warning("instruments of %s that are stored cannot be read: %s", exchange, error)
            return {}

    def _path(self, exchange: str, now: Nanos) -> Path:
        folder = _folder(self._root, exchange)
        window = window_of(now, _SECOND)
        stem = f"{window.date.replace('-', '')}T{window.clock}.{now % _SECOND:09}Z"
        return folder / f"{stem}{PARQUET}"


def instruments_at(path: Path | str, exchange: str, moment: Nanos | None = None) -> list[Instrument]:
    """Give the instruments that an exchange listed, as they were.

    Args:
        path: The data directory.
        exchange: Its id.
        moment: When, ns; ``None``: as they were stored last.

    Raises:
        ConfigError: pyarrow is not installed.
        OSError: A file cannot be read.
    """
    latest: dict[str, tuple[Nanos, bool, Instrument]] = {}
    for file in sorted(_folder(Path(path), exchange).glob(f"*{PARQUET}")):
        table = parquet().ParquetFile(file).read()
        for row in table.set_column(0, "ts_from", table["ts_from"].cast("int64")).to_pylist():
            since, is_listed, one = row["ts_from"], row["is_listed"], _instrument(row)
            if (moment is None or since <= moment) and since >= latest.get(one.symbol, (0,))[0]:
                latest[one.symbol] = since, is_listed, one
    return [one for _, is_listed, one in latest.values() if is_listed]


def _folder(root: Path, exchange: str) -> Path:
    return root / "instruments" / partition("exchange", exchange)


@cache
def _schema() -> Any:
    pa = arrow()
    types = dict.fromkeys(_FIELDS, pa.string()) | {"expiry": pa.date32(), "is_inverse": pa.bool_()}
    fields = [(name, types[name]) for name in _FIELDS]
    return pa.schema([("ts_from", pa.timestamp("ns", tz="UTC")), ("is_listed", pa.bool_()), *fields])


def _table(rows: Iterable[tuple[Instrument, bool]], now: Nanos) -> Any:
    columns: list[list[Any]] = [[] for _ in range(len(_FIELDS) + 2)]
    for one, is_listed in rows:
        plain = msgspec.to_builtins(one)  # decimals and closed sets as text
        values = (plain[name] for name in _FIELDS)
        for column, value in zip(columns, (now, is_listed, *values), strict=True):
            column.append(value)
    expiry = 2 + _FIELDS.index("expiry")
    columns[expiry] = [None if text is None else date.fromisoformat(text) for text in columns[expiry]]
    schema = _schema()
    arrays = [arrow().array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return arrow().Table.from_arrays(arrays, schema=schema)


def _instrument(row: dict[str, Any]) -> Instrument:
    values = {name: row[name] for name in _FIELDS}
    values["expiry"] = None if row["expiry"] is None else row["expiry"].isoformat()
    return msgspec.convert(values, Instrument)
