"""Writes entries to a folder, in a thread of its own: the event loop never waits for the disk.

What waits to be written is bounded. Past the bound entries are left out, and the capture says how many (``Lost``): a
feed must not stand still, nor the process run out of memory, because a disk is slow.
"""

from __future__ import annotations

import logging
import os
import threading
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from time import monotonic, time_ns

import attrs
import msgspec

from tickwire.model.counting import counted, size_text
from tickwire.model.errors import ConfigError
from tickwire.record.blocks import make_block
from tickwire.record.entries import Entry, Lost, RunBegun, encode_entry

__all__ = ["SUFFIX", "CaptureOptions", "CaptureWriter", "name_of_file"]

_log = logging.getLogger(__name__)

_BLOCK = 256 * 1024
_CLOSE_WITHIN = 10.0
SUFFIX = ".twcap.zst"


@attrs.frozen
class CaptureOptions:
    """How a capture is written.

    Attributes:
        path: The folder.
        rotate_size: Bytes after which a new file is begun.
        rotate_time: Seconds after which a new file is begun.
        flush: Seconds that an entry waits at most before it is handed to the system.
        hold_most: Bytes that may wait for the disk.
    """

    path: Path
    rotate_size: int = 256 * 1024 * 1024
    rotate_time: float = 3600.0
    flush: float = 0.5
    hold_most: int = 64 * 1024 * 1024


def name_of_file(begun: RunBegun) -> str:
    """Name a file: files of one run sort by number, runs by their start."""
    start = datetime.fromtimestamp(begun.ts // 1_000_000_000, UTC)
    return f"{start:%Y%m%dT%H%M%SZ}-{begun.run_id}-{begun.file:04d}{SUFFIX}"


class CaptureWriter:
    """One run's files.

    Attributes:
        entries: Taken so far.
        lost: Left out so far.
        written: Bytes on disk so far.
        error: What made writing impossible, if anything.
    """

    def __init__(self, options: CaptureOptions, begun: RunBegun) -> None:
        """Make the folder and the first file, and start the thread.

        Args:
            options: Where, and how.
            begun: What every file begins with.

        Raises:
            ConfigError: The folder cannot be written to.
        """
        self.entries = self.lost = self.written = 0
        self.error: OSError | None = None
        self._options = options
        self._begun = begun
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._unsaid = 0
        self._reason = ""
        self._is_over = False
        self._wake = threading.Condition()
        try:
            options.path.mkdir(parents=True, exist_ok=True)
            self._file = self._begin(begun)
        except OSError as error:
            raise ConfigError(
                f"cannot write a capture to {str(options.path)!r}: {error.strerror}", hint="name another folder"
            ) from error
        self._thread = threading.Thread(target=self._run, name="tickwire-capture", daemon=True)
        self._thread.start()

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self._options.path

    def keep(self, entry: Entry) -> None:
        """Take one entry; never waits for the disk."""
        try:
            data = encode_entry(entry)
        except (TypeError, ValueError, OverflowError) as error:
            self._leave_out(f"cannot be written down: {error}")
            return
        with self._wake:
            if self.error is not None or self._bytes > self._options.hold_most:
                self._leave_out("the disk is too slow" if self.error is None else str(self.error))
                return
            if self._unsaid:
                said = encode_entry(Lost(time_ns(), self._unsaid, self._reason))
                self._unsaid = 0
                self._waiting.append(said)
                self._bytes += len(said)
            self.entries += 1
            self._waiting.append(data)
            self._bytes += len(data)
            if self._bytes >= _BLOCK:
                self._wake.notify()

    def close(self) -> None:
        """Write what waits and close the file; a second call is harmless."""
        with self._wake:
            self._is_over = True
            self._wake.notify()
        self._thread.join(_CLOSE_WITHIN)
        if self._thread.is_alive():
            _log.error("the capture in %s could not be written to its end in time", self._options.path)

    def __str__(self) -> str:
        lost = f" · {self.lost:,} entries lost" if self.lost else ""
        files = counted(self._begun.file + 1, "file")
        return f"{self.entries:,} entries · {size_text(self.written)} · {files} in {self._options.path}{lost}"

    def _leave_out(self, reason: str) -> None:
        if not self.lost:
            _log.error("the capture in %s is not complete: an entry %s", self._options.path, reason)
        self.lost += 1
        self._unsaid += 1
        self._reason = reason

    def _begin(self, begun: RunBegun) -> FileIO:
        # "x": never over another run's file
        file = FileIO(self._options.path / name_of_file(begun), "x")
        block = make_block(encode_entry(begun))
        _write_all(file, block)
        self.written += len(block)
        self._file_bytes = len(block)
        self._file_until = monotonic() + self._options.rotate_time
        return file

    # the thread
    def _run(self) -> None:
        while True:
            with self._wake:
                if not self._is_over and self._bytes < _BLOCK:
                    self._wake.wait(self._options.flush)
                waiting, self._waiting, self._bytes = self._waiting, [], 0
                is_over = self._is_over
            try:
                self._write(waiting)
                if is_over:
                    self._end(self._file)
                    return
            except OSError as error:
                self._failed(error, len(waiting))
                if is_over:
                    return

    def _write(self, waiting: list[bytes]) -> None:
        if not waiting or self.error is not None:
            return
        block = make_block(b"".join(waiting))
        if self._file_bytes + len(block) > self._options.rotate_size or monotonic() > self._file_until:
            self._rotate()
        _write_all(self._file, block)
        self.written += len(block)
        self._file_bytes += len(block)

    def _rotate(self) -> None:
        self._end(self._file)
        self._begun = msgspec.structs.replace(self._begun, file=self._begun.file + 1)
        self._file = self._begin(self._begun)

    def _end(self, file: FileIO) -> None:
        if not file.closed:
            os.fsync(file.fileno())
            file.close()

    def _failed(self, error: OSError, count: int) -> None:
        with self._wake:
            self.error = error
            self.lost += count
        _log.error("the capture in %s ends here: %s; the feeds go on", self._options.path, error.strerror or error)


def _write_all(file: FileIO, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[file.write(rest) or 0 :]
