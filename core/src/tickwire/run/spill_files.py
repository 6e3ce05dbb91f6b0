"""The files of one sink's spilled records: appended to, read in order, and gone once the sink has them.

``STATE/spill/CONFIGURATION/SINK/RUN/NUMBER.spill``:
a folder for each process that spilled, which it keeps locked, so that an old and a new
process can run at once. What a process left behind that has ended, in whatever way, is taken over by the next one and
read first. Everything here blocks; it is called from one thread at a time.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import attrs

from tickwire.model.stored import Record
from tickwire.run.folder_lock import FolderLock
from tickwire.run.run_id import new_run_id
from tickwire.run.settings import Config
from tickwire.run.spill_form import HEAD, framed, unframed

__all__ = ["SpillFiles", "spill_folder"]

logger = logging.getLogger(__name__)

_FIRST = 5_000_000_000  # ten digits whether it goes up or down, so that names sort as numbers do
_SEGMENT = 16 * 2**20
_READ = 2**20
_AT_ONCE = 10_000
_CURSOR = "cursor"


@attrs.define(eq=False)
class _Segment:
    """A file: how much of it is good, was read, and is done with."""

    path: Path
    size: int
    read: int = len(HEAD)
    done: int = len(HEAD)


def spill_folder(state: Path | None, config: Config) -> Path | None:
    """Tell where a configuration's sinks spill; two configurations share a state directory and no files.

    Args:
        state: The directory; ``None``: there is none.
        config: The one that is run.
    """
    if state is None:
        return None
    place = hashlib.sha256(f"{config.name}:{config.file}".encode()).hexdigest()[:16]
    return state / "spill" / place


class SpillFiles:
    """What one sink still has to get, on disk.

    Attributes:
        size: Bytes on disk.
        at_once: How many records are best appended at once.
    """

    def __init__(self, folder: Path, limit: int, segment: int = _SEGMENT) -> None:
        """Take over a folder; nothing is touched before ``open``.

        Args:
            folder: Of the sink.
            limit: Bytes that all files may have.
            segment: Bytes from which on a new file is begun.
        """
        self.folder = folder
        self.size = 0
        self.at_once = min(max(limit // 4096, 1), _AT_ONCE)
        self._limit = limit
        self._segment_size = min(segment, max(1, limit // 8))
        self._own: Path | None = None
        self._locks: list[FolderLock] = []
        self._segments: list[_Segment] = []
        self._appending: tuple[_Segment, int] | None = None
        self._number = _FIRST

    @property
    def is_empty(self) -> bool:
        """Whether everything was read and is done with."""
        return not self._segments

    def open(self) -> int:
        """Take over what ended processes left, oldest first; a second call finds nothing new.

        Returns:
            Bytes of it.

        Raises:
            OSError: The folder cannot be used.
        """
        if self._own is not None:
            return 0
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in sorted(path for path in self.folder.iterdir() if path.is_dir()):
            lock = FolderLock.of(left)
            if lock is not None:
                self._locks.append(lock)
                self._take_over(left)
        found = self.size
        while self._own is None:
            self._own = self._made()
        return found

    # None: another process that has just started looked into the new folder before it was locked
    def _made(self) -> Path | None:
        folder = self.folder / new_run_id()
        folder.mkdir()
        lock = FolderLock.of(folder)
        if lock is None:
            return None
        self._locks.append(lock)
        return folder

    def _take_over(self, folder: Path) -> None:
        name, done = _cursor(folder)
        for path in sorted(folder.glob("*.spill")):
            if not _is_ours(path):
                continue
            segment = _Segment(path, path.stat().st_size)
            if path.name == name:
                segment.read = segment.done = max(done, len(HEAD))
            self._segments.append(segment)
            self.size += segment.size

    def append(self, records: Sequence[Record]) -> list[Record]:
        """Add records at the end; they are on the disk when this returns.

        Returns:
            Those that cannot be written at all.

        Raises:
            OSError: There is no room; nothing of them was added.
        """
        data, unfit = _framed(records)
        segment, file = self._appending or self._begin(self._next_number(), len(self._segments))
        self._add(segment, file, data)
        if segment.size >= self._segment_size:
            self._end_appending()
        return unfit

    def put_first(self, records: Sequence[Record]) -> list[Record]:
        """Add records before all others, as if they had just been read; otherwise like ``append``."""
        data, unfit = _framed(records)
        numbers = [int(one.path.stem) for one in self._segments if one.path.parent == self._own]
        segment, file = self._begin(min([*numbers, _FIRST]) - 1, 0, is_appending=False)
        try:
            self._add(segment, file, data)
        finally:
            os.close(file)
        segment.read = segment.size
        return unfit

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _begin(self, number: int, place: int, is_appending: bool = True) -> tuple[_Segment, int]:
        assert self._own is not None
        path = self._own / f"{number}.spill"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        _sync(self._own)
        segment = _Segment(path, 0)
        self._segments.insert(place, segment)
        begun = (segment, file)
        if is_appending:
            self._appending = begun
        return begun

    def _add(self, segment: _Segment, file: int, data: bytes) -> None:
        if not segment.size:
            data = HEAD + data
        try:
            if self.size + len(data) > self._limit:
                raise OSError(errno.EDQUOT, f"spill_limit of {self._limit:,} bytes is reached")
            _write(file, data)
            os.fsync(file)
        except OSError:
            # what was written of it must not stand before what comes later
            if segment.size:
                os.ftruncate(file, segment.size)
            else:
                self._abandon(segment, file)
            raise
        segment.size += len(data)
        self.size += len(data)

    def _abandon(self, segment: _Segment, file: int) -> None:
        self._segments.remove(segment)
        segment.path.unlink(missing_ok=True)
        if self._appending == (segment, file):
            self._end_appending()

    def _end_appending(self) -> None:
        if self._appending is not None:
            os.close(self._appending[1])
            self._appending = None

    def read(self, limit: int) -> list[Record]:
        """Give the next records, in order, at most so many; empty: there are none that were not read."""
        for segment in list(self._segments):
            if segment.read < segment.size and (records := self._read_or_leave(segment, limit)):
                return records
            if segment.read >= segment.size and segment.done >= segment.size:
                self._remove(segment)
        return []

    # what cannot be read now stays where it is, for the next process
    def _read_or_leave(self, segment: _Segment, limit: int) -> list[Record]:
        try:
            return self._read(segment, limit)
        except OSError as error:
            logger.error("%s cannot be read and is left out: %s", segment.path, error.strerror or error)
            self._forget(segment)
            return []

    def _read(self, segment: _Segment, limit: int) -> list[Record]:
        records: list[Record] = []
        with segment.path.open("rb") as file:
            file.seek(segment.read)
            want = _READ
            while not records:
                data = file.read(min(want, segment.size - segment.read))
                end = 0
                for place, record in unframed(data):
                    end = place
                    if record is None:
                        logger.warning("%s: a record of another tickwire was left out", segment.path)
                    else:
                        records.append(record)
                    if len(records) == limit:
                        break
                segment.read += end
                if end == 0 and len(data) == segment.size - segment.read:
                    self._cut(segment)
                    break
                file.seek(segment.read)
                want = want if end else want * 2
                if segment.read >= segment.size:
                    break
        return records

    # torn by a crash while it was written, or damaged: nothing after that can be trusted
    def _cut(self, segment: _Segment) -> None:
        lost = segment.size - segment.read
        if lost:
            logger.warning("%s is torn: its last %d bytes are left out", segment.path, lost)
        self.size -= lost
        segment.size = segment.read
        if self._appending is not None and self._appending[0] is segment:
            self._end_appending()

    def done(self) -> None:
        """Forget what was read: the sink has it."""
        for segment in list(self._segments):
            if segment.read == segment.done and segment.read < segment.size:
                break
            segment.done = segment.read
            if segment.done >= segment.size:
                self._remove(segment)
            else:
                _note(segment)
                break

    def _remove(self, segment: _Segment) -> None:
        self._forget(segment)
        try:
            segment.path.unlink(missing_ok=True)
        except OSError as error:  # its records will come twice
            logger.warning("%s cannot be removed: %s", segment.path, error.strerror or error)

    def _forget(self, segment: _Segment) -> None:
        if self._appending is not None and self._appending[0] is segment:
            self._end_appending()
        self._segments.remove(segment)
        self.size -= segment.size

    def close(self) -> None:
        """Let go of the folder; a second call is harmless. What is on disk is for the next process."""
        self._end_appending()
        self._own = None
        self._segments.clear()
        for lock in self._locks:
            lock.release()
        self._locks.clear()


def _framed(records: Sequence[Record]) -> tuple[bytes, list[Record]]:
    frames: list[bytes] = []
    unfit: list[Record] = []
    for record in records:
        try:
            frames.append(framed(record))
        except (ValueError, TypeError, OverflowError):
            unfit.append(record)
    return b"".join(frames), unfit


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(len(HEAD))
    if HEAD.startswith(head) and head != HEAD:
        path.unlink()  # torn before it held anything
    elif head != HEAD:
        logger.warning("%s is of another tickwire, and stays where it is", path)
    return head == HEAD


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


# A new file's name must survive a crash of the machine as its content does.
def _sync(folder: Path) -> None:
    if os.name != "posix":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


# How far a file was read when it is not done with; not synced: an old place only means that records come twice.
def _note(segment: _Segment) -> None:
    cursor = segment.path.with_name(_CURSOR)
    try:
        cursor.with_suffix(".new").write_text(f"{segment.path.name} {segment.done}")
        cursor.with_suffix(".new").replace(cursor)
    except OSError as error:
        logger.debug("%s cannot be written: %s", cursor, error)


def _cursor(folder: Path) -> tuple[str, int]:
    try:
        name, _, done = (folder / _CURSOR).read_text().partition(" ")
        return name, int(done)
    except (OSError, ValueError):
        return "", 0
