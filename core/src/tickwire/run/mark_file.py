"""The marks of all runs under one state directory, in an SQLite file: what a restart goes on from.

Invariant: a mark never goes back in time, also where an old and a new process write at once.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from tickwire.feed.marks import Mark
from tickwire.model.events import Trade

__all__ = ["MarkFile", "MarkKey"]

_log = logging.getLogger(__name__)

MarkKey = tuple[str, str, str]
"""Feed, symbol, and channel with its interval."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS marks (
    run TEXT NOT NULL, feed TEXT NOT NULL, symbol TEXT NOT NULL, channel TEXT NOT NULL,
    ts_until INTEGER NOT NULL, trade BLOB, PRIMARY KEY (run, feed, symbol, channel)
) WITHOUT ROWID
"""
_UPSERT = """
INSERT INTO marks VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
SET ts_until = excluded.ts_until, trade = coalesce(excluded.trade, trade) WHERE excluded.ts_until > ts_until
"""


class MarkFile:
    """The marks of one configuration; a file that cannot be used is warned of, and the run begins anew."""

    def __init__(self, state: Path, run: str) -> None:
        """Take over the file of a state directory; it is made when something is written.

        Args:
            state: The directory.
            run: Names the configuration: two of them share a directory and no marks.
        """
        self._path = state / "marks.sqlite3"
        self._run = run

    def read(self, numbers: type = float) -> Mapping[MarkKey, Mark]:
        """Give all marks; prices and sizes in ``numbers``."""
        if not self._path.exists():
            return {}
        decode = msgspec.json.Decoder(Trade[numbers], strict=False).decode  # type: ignore[valid-type]
        try:
            with self._open() as file:
                rows = file.execute(
                    "SELECT feed, symbol, channel, ts_until, trade FROM marks WHERE run = ?", (self._run,)
                ).fetchall()
            return {(row[0], row[1], row[2]): Mark(row[3], _trade(decode, row[4])) for row in rows}
        except (sqlite3.Error, OSError, msgspec.MsgspecError) as error:
            _log.warning("%s cannot be read (%s): the hole since the last run is not known", self._path, error)
            return {}

    def write(self, marks: Iterable[tuple[MarkKey, Mark]]) -> None:
        """Keep marks, unless later ones are kept already."""
        encode = msgspec.json.Encoder(decimal_format="number").encode
        rows = [
            (self._run, *key, mark.ts_until, None if mark.trade is None else encode(mark.trade)) for key, mark in marks
        ]
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._open() as file, file:
                file.executemany(_UPSERT, rows)
        except (sqlite3.Error, OSError) as error:
            _log.warning("%s cannot be written: %s", self._path, error)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=5.0)) as file:
            file.execute("PRAGMA journal_mode = WAL")
            file.execute(_SCHEMA)
            yield file


def _trade(decode: Any, blob: bytes | None) -> Trade[Any] | None:
    return None if blob is None else decode(blob)
