"""Records -> journals by exchange, channel and window; called by one thread, and told which are due to be closed.

One journal holds all symbols of an exchange's channel, so thousands of instruments cost a handful of open files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs

from tickwire.model.channels import Channel
from tickwire.model.clock import Nanos
from tickwire.model.stored import Record, has_decimals
from tickwire.store.columns import NumbersError, batch_of
from tickwire.store.journal import Journal
from tickwire.store.layout import DAY, JOURNAL, PARQUET, Window, partition, window_of
from tickwire.store.schema import CHANNEL_OF, Numbers, journal_schema

__all__ = ["JournalWriter"]

_SECOND = 1_000_000_000
_GRACE = 30  # seconds after its end that a window takes what comes late; live trades are held for 15
_JOURNAL_HOLDS = 128 * 1024 * 1024
_OPEN_AT_MOST = 64

_Place = tuple[str, str, Nanos, str]
"""Exchange, channel, start of the window, run."""
_CHANNELS = {one: channel.value for one, channel in CHANNEL_OF.items()}  # plain texts, which hash without a call


@attrs.define(eq=False)
class _Open:
    journal: Journal
    place: _Place
    window: Window
    touched: float = 0.0
    is_synced: bool = False


class JournalWriter:
    """The open journals of one data directory."""

    def __init__(
        self,
        root: Path,
        rotate: Nanos,
        *,
        now: Callable[[], Nanos] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take over the directory.

        Args:
            root: Where the layout begins.
            rotate: Length of a window, ns; at most a day.
            now: Our clock.
            monotonic: Seconds, never set back.
        """
        self._root = root
        self._rotate = rotate
        self._now = now
        self._monotonic = monotonic
        self._open: dict[tuple[_Place, Numbers], _Open] = {}
        self._newest: dict[tuple[str, str], Nanos] = {}

    def append(self, records: Sequence[Record]) -> None:
        """Write a batch: all of it, or nothing.

        Raises:
            OSError: It could not be written; names the file.
            TypeError, ValueError, OverflowError: A record holds what its columns cannot hold.
        """
        marks: dict[int, tuple[Journal, int, int]] = {}
        try:
            for place, rows in self._grouped(records).items():
                for numbers, batch in _batches(Channel(place[1]), rows):
                    one = self._journal(place, numbers)
                    journal = one.journal
                    marks.setdefault(id(journal), (journal, journal.size, journal.rows))
                    journal.append(batch)
                    one.touched, one.is_synced = self._monotonic(), False
                self._newest[place[:2]] = max(rows[-1].event.ts_recv, self._newest.get(place[:2], 0))
        except BaseException:
            for journal, size, held in marks.values():
                journal.rollback(size, held)
            raise

    def sync(self) -> None:
        """Have the disk hold everything."""
        for one in self._open.values():
            if not one.is_synced:
                one.journal.sync()
                one.is_synced = True

    def take_due(self) -> list[Path]:
        """Close the journals whose window is over, or which are full, and give their files."""
        due = [key for key, one in self._open.items() if self._is_due(one)]
        rest = sorted(self._open.keys() - due, key=lambda key: self._open[key].touched)
        return self._closed([*due, *rest[: max(0, len(rest) - _OPEN_AT_MOST)]])

    def close(self) -> list[Path]:
        """Close all journals and give their files; a second call is harmless."""
        return self._closed(list(self._open))

    def leftovers(self) -> list[Path]:
        """Give the journals that lie there and are not being written by this object."""
        ours = {one.journal.path for one in self._open.values()}
        return sorted(set(self._root.glob(f"exchange=*/channel=*/date=*/*{JOURNAL}")) - ours)

    def _grouped(self, records: Sequence[Record]) -> dict[_Place, list[Record]]:
        rotate, is_even = self._rotate, DAY % self._rotate == 0
        groups: dict[_Place, list[Record]] = {}
        for record in records:
            event = record.event
            moment = event.ts_recv
            start = moment - moment % rotate if is_even else window_of(moment, rotate).start
            place = (event.exchange, _CHANNELS[event.__class__], start, record.run_id)
            try:
                groups[place].append(record)
            except KeyError:
                groups[place] = [record]
        return groups

    def _journal(self, place: _Place, numbers: Numbers) -> _Open:
        found = self._open.get((place, numbers))
        if found is None:
            window = window_of(place[2], self._rotate)
            journal = _made(self._root, place, window, journal_schema(Channel(place[1]), numbers))
            found = self._open[place, numbers] = _Open(journal, place, window)
        return found

    def _is_due(self, one: _Open) -> bool:
        # an exchange's own times tell, so that a replay of the past fills its windows; ours only when nothing comes
        is_passed = self._newest.get(one.place[:2], 0) >= one.window.end + _GRACE * _SECOND
        is_idle = self._monotonic() - one.touched >= _GRACE and self._now() >= one.window.end
        return is_passed or is_idle or one.journal.size >= _JOURNAL_HOLDS

    def _closed(self, keys: list[tuple[_Place, Numbers]]) -> list[Path]:
        closed = [self._open.pop(key).journal for key in keys]
        for journal in closed:
            journal.close()
        return [journal.path for journal in closed]


def _batches(channel: Channel, rows: Sequence[Record]) -> Iterator[tuple[Numbers, Any]]:
    try:
        yield "float", batch_of(channel, rows, "float")
    except NumbersError:
        decimals = [record for record in rows if has_decimals(record.event)]
        if not decimals:
            raise
        yield "decimal", batch_of(channel, decimals, "decimal")
        floats = [record for record in rows if not has_decimals(record.event)]
        if floats:
            yield "float", batch_of(channel, floats, "float")


def _made(root: Path, place: _Place, window: Window, schema: Any) -> Journal:
    exchange, channel, _, run_id = place
    folder = root / partition("exchange", exchange) / partition("channel", channel) / f"date={window.date}"
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{window.time}-{quote(run_id, safe='')}"
    for name in chain([stem], (f"{stem}-{part}" for part in count(2))):
        # the name of a journal that became Parquet is taken for good: its files would be replaced
        if any(folder.glob(f"symbol=*/{name}{PARQUET}")):
            continue
        try:
            return Journal(folder / f"{name}{JOURNAL}", schema)
        except FileExistsError:
            continue
    raise AssertionError("count never ends")
