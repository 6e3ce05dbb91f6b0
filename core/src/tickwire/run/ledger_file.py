"""The coverage ledger: the quality events of all runs under one state directory, in an SQLite file.

Of the watermarks of one stretch of coverage only the last is kept: it says all that those before it said. Any number of
processes write at once, each the events of its own run; what is written is written in order, so that whoever reads sees
what a run had said up to some moment.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from tickwire.model.errors import ConfigError, TickwireError
from tickwire.model.quality import QualityEvent, Subscribed, Unsubscribed, Watermark
from tickwire.model.stored import Record, decode_event, encode_event

__all__ = ["LEDGER", "LedgerFile"]

LEDGER = "ledger.sqlite"
"""Its name in a state directory."""

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (run_id TEXT PRIMARY KEY, name TEXT NOT NULL, config TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS quality (
    run_id TEXT NOT NULL, ordinal INTEGER NOT NULL, type TEXT NOT NULL, exchange TEXT NOT NULL, symbol TEXT,
    channel TEXT, ts_recv INTEGER NOT NULL, event TEXT NOT NULL, PRIMARY KEY (run_id, ordinal)
) WITHOUT ROWID;
CREATE VIEW IF NOT EXISTS gaps AS SELECT
    run_id, ordinal, exchange, symbol, channel, json_extract(event, '$.gap_id') AS gap_id,
    json_extract(event, '$.cause') AS cause, json_extract(event, '$.ts_start') AS ts_start,
    json_extract(event, '$.ts_end') AS ts_end, json_extract(event, '$.missing') AS missing,
    json_extract(event, '$.detail') AS detail FROM quality WHERE type = 'gap';
"""
_WAIT = 5.0  # seconds for other processes' transactions
_Series = tuple[str, str | None, str | None]


class LedgerFile:
    """The ledger's file, as one run writes it and anybody reads it."""

    def __init__(self, path: Path, run_id: str = "", name: str = "", config: str = "") -> None:
        """Take over a path; the file is made when something is written.

        Args:
            path: The file.
            run_id: The run that writes; empty: it is only read.
            name: The run's configuration's name.
            config: Where that was read; empty: not from a file.
        """
        self.path = path
        self._run = (run_id, name, config)
        self._marks: dict[_Series, int] = {}

    def write(self, records: Iterable[Record]) -> None:
        """Add quality events of the run, all or none.

        Args:
            records: In the order of their ordinals; each once.

        Raises:
            OSError, sqlite3.Error: It cannot be written; nothing of it was, and it may be tried again.
            TickwireError: It is a later tickwire's.
        """
        marks, rows, gone = dict(self._marks), [], []
        for record in records:
            event = record.event
            assert isinstance(event, QualityEvent)
            series = (event.exchange, event.symbol, event.channel)
            if isinstance(event, Watermark):
                before = marks.get(series, record.ordinal)
                gone += [(record.run_id, before)] if before < record.ordinal else []  # not when it is written twice
                marks[series] = record.ordinal
            elif isinstance(event, Subscribed | Unsubscribed):
                marks.pop(series, None)
            type_ = str(event.__struct_config__.tag)
            text = encode_event(event).decode()
            rows.append((record.run_id, record.ordinal, type_, *series, event.ts_recv, text))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(self._connected()) as file, file:
            file.execute("INSERT OR IGNORE INTO runs VALUES (?, ?, ?)", self._run)
            file.executemany("INSERT OR REPLACE INTO quality VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            file.executemany("DELETE FROM quality WHERE run_id = ? AND ordinal = ?", gone)
        self._marks = marks

    def read(self, name: str | None = None) -> Iterator[Record]:
        """Give what is in it, run after run, each in the order of its ordinals.

        Args:
            name: Only runs of the configuration of this name.

        Raises:
            ConfigError: There is no such file, or it is none of ours.
        """
        query = "SELECT run_id, ordinal, event FROM quality"
        if name is not None:
            query += " JOIN runs USING (run_id) WHERE name = :name"
        try:
            with closing(self._connected(is_new=False)) as file:
                if not file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    return  # a run is just making it
                for run_id, ordinal, text in file.execute(f"{query} ORDER BY run_id, ordinal", {"name": name}):
                    yield Record(decode_event(text), run_id, ordinal, f"{run_id}/{ordinal}")
        except sqlite3.Error as error:
            raise ConfigError(
                f"{self.path} cannot be read as a ledger: {error}", hint=f"name a state directory, or its {LEDGER}"
            ) from error

    def _connected(self, *, is_new: bool = True) -> sqlite3.Connection:
        if not is_new and not self.path.is_file():
            raise ConfigError(f"there is no {self.path}", hint="name a state directory that a run has written to")
        file = sqlite3.connect(self.path, timeout=_WAIT)
        try:
            version = file.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise TickwireError(f"{self.path} is of a later tickwire", hint="upgrade tickwire")
            if version < _VERSION and is_new:
                file.execute("PRAGMA journal_mode = WAL")
                file.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT")
            file.execute("PRAGMA synchronous = NORMAL")  # a torn end claims less, never more
        except BaseException:
            file.close()
            raise
        return file
