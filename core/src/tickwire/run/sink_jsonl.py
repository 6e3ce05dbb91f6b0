"""JSON Lines: one record a line, appended, and out of our hands with each batch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tickwire.model.clock import Nanos
from tickwire.model.errors import TickwireError
from tickwire.model.stored import Record, encode_records
from tickwire.run.disk_errors import disk_error
from tickwire.run.off_loop import OffLoop
from tickwire.run.sinks import JsonLinesOptions
from tickwire.store.layout import window_of
from tickwire.store.line_file import LineFile

__all__ = ["JsonLinesSink"]

_COMPRESSED = ".zst"


class JsonLinesSink:
    """Appends records to a file; a line that a crash left torn is ended, never glued to the next record.

    Attributes:
        path: The file; with ``rotate`` its name without the time.
    """

    def __init__(self, options: JsonLinesOptions) -> None:
        """Take over the settings; the file is opened by ``open``."""
        self.path = _file(options.path, options.compress is not None)
        self._is_compressed = options.compress is not None
        self._rotate = None if options.rotate is None else round(options.rotate * 1e9)
        self._thread = OffLoop(f"tickwire-jsonl-{self.path.name}")
        self._file: LineFile | None = None
        self._until: Nanos = 0

    async def open(self) -> None:
        """Make the directory and open the file; with ``rotate`` the first batch opens it.

        Raises:
            ConfigError: There can be no such file; names the path.
            RetryableError: It cannot be opened now.
        """
        try:
            await self._thread.call(self._open)
        except TickwireError:
            self._thread.close()
            raise

    async def write(self, records: Sequence[Record]) -> None:
        """Append a batch: all of it, or nothing.

        Raises:
            RetryableError: It could not be written; names the path.
            TypeError, ValueError: A record holds what cannot be written.
        """
        await self._thread.call(lambda: self._write(records))

    async def close(self) -> None:
        """Close the file; a second call is harmless."""
        if self._file is not None:
            await self._thread.call(self._close)
        self._thread.close()

    def _open(self) -> None:
        try:
            if self._rotate is None:
                self._file = LineFile(self.path, self._is_compressed)
            else:
                self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error("open", self.path, error) from error

    def _write(self, records: Sequence[Record]) -> None:
        if self._file is None and self._rotate is None:
            raise TickwireError(f"{self.path} is not open")
        written: list[tuple[Path, int]] = []
        for moment, lines in list(self._pieces(records)):
            try:
                file = self._turned(moment)
                written.append((file.path, file.append(lines)))
            except OSError as error:
                for path, size in written:
                    os.truncate(path, size)
                raise disk_error("write", self.path, error) from error

    def _pieces(self, records: Sequence[Record]) -> Iterator[tuple[Nanos, bytes]]:
        # all are encoded before any is written: a record that cannot be must not leave half a batch behind
        rotate = self._rotate
        if rotate is None:
            yield 0, encode_records(records)
            return
        until, first = self._until, 0
        for place, record in enumerate(records):
            moment = record.event.ts_recv
            if moment >= until:
                if place > first:
                    yield records[first].event.ts_recv, encode_records(records[first:place])
                until, first = window_of(moment, rotate).end, place
        yield records[first].event.ts_recv, encode_records(records[first:])

    def _turned(self, moment: Nanos) -> LineFile:
        # what comes late stands in the file of its arrival
        if self._rotate is not None and (moment >= self._until or self._file is None):
            self._close()
            window = window_of(max(moment, self._until - 1), self._rotate)
            stem, dot, endings = self.path.name.partition(".")
            name = f"{stem}-{window.date.replace('-', '')}T{window.time}Z{dot}{endings}"
            self._file = LineFile(self.path.with_name(name), self._is_compressed)
            self._until = window.end
        assert self._file is not None
        return self._file

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                raise disk_error("close", self.path, error) from error


def _file(text: str, is_compressed: bool) -> Path:
    path = Path(text).expanduser()
    is_directory = path.is_dir() or text.endswith(("/", os.sep)) or not path.suffix
    path = path / "events.jsonl" if is_directory else path
    if is_compressed and path.suffix != _COMPRESSED:
        path = path.with_name(path.name + _COMPRESSED)
    return path
