"""An Arrow IPC stream that grows batch by batch, can be taken back to where it was, and outlives a crash at any byte.

Any reader of Arrow IPC streams reads it. What ``append`` has taken is the system's: a crash of ours cannot lose it. A
batch that a crash left torn is not read, and neither is anything behind it.
"""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path
from typing import Any

import attrs

from tickwire.model.errors import DecodeError
from tickwire.store.arrow import arrow

__all__ = ["Journal", "Recovered", "is_in_use", "read_journal"]


class Journal:
    """A journal being written.

    Attributes:
        path: The file.
        size: Its length in bytes.
        rows: How many rows it holds.
    """

    def __init__(self, path: Path, schema: Any) -> None:
        """Make the file.

        Raises:
            FileExistsError: There is one already.
            OSError: It cannot be made.
        """
        self.path = path
        self._file = FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644), "r+")
        self.size = self.rows = 0
        try:
            _lock(self._file)
            self._write(schema.serialize())
        except BaseException:
            self._file.close()
            path.unlink(missing_ok=True)
            raise

    def append(self, batch: Any) -> None:
        """Write one batch.

        Raises:
            OSError: It could not be written whole; ``rollback`` takes back what was.
        """
        self._write(batch.serialize())
        self.rows += batch.num_rows

    def rollback(self, size: int, rows: int) -> None:
        """Take back everything behind an earlier ``size`` and ``rows``."""
        if os.fstat(self._file.fileno()).st_size > size:
            self._file.truncate(size)
        self.size, self.rows = size, rows

    def sync(self) -> None:
        """Have the disk hold everything."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; a second call is harmless."""
        self._file.close()

    def _write(self, data: Any) -> None:
        rest = memoryview(data)
        self._file.seek(self.size)
        while rest:
            written = self._file.write(rest) or 0
            rest = rest[written:]
        self.size += len(data)


@attrs.frozen
class Recovered:
    """What a journal holds.

    Attributes:
        table: All whole batches; ``None``: not even its schema was written.
        torn: How many bytes stand behind the last whole batch.
    """

    table: Any
    torn: int


def read_journal(path: Path) -> Recovered:
    """Read all whole batches of a journal, also of one that is being written.

    Raises:
        OSError: It cannot be read.
    """
    pa = arrow()
    size = path.stat().st_size
    if size == 0:
        return Recovered(None, 0)
    with pa.memory_map(str(path)) as file:
        good, schema, batches = 0, None, []
        try:
            schema = pa.ipc.read_schema(pa.ipc.read_message(file))
            good = file.tell()
            while good < size:
                message = pa.ipc.read_message(file)
                batch = pa.ipc.read_record_batch(message, schema)
                batch.validate()
                batches.append(batch)
                good = file.tell()
        except (EOFError, OSError, pa.ArrowException, ValueError):
            pass  # a torn tail: what it is made of does not matter, only where it begins
    table = None if schema is None else pa.Table.from_batches(batches, schema)
    return Recovered(table, size - good)


def is_in_use(path: Path) -> bool:
    """Tell whether another process, or another sink of this one, writes a journal now."""
    try:
        with FileIO(path, "r+") as file:
            _lock(file)
    except FileNotFoundError:
        raise
    except OSError:
        return True
    return False


def channel_and_numbers(table: Any) -> tuple[str, str]:
    """Give the channel of a table and what its numbers are, as its schema says.

    Raises:
        DecodeError: It does not say.
    """
    metadata = table.schema.metadata or {}
    try:
        return metadata[b"tickwire.channel"].decode(), metadata[b"tickwire.numbers"].decode()
    except KeyError:
        raise DecodeError("a table that tickwire did not write: its schema names no channel") from None


def _lock(file: FileIO) -> None:
    # held as long as the file is open; the system lets go of it when the process dies, however it dies
    try:
        import fcntl
    except ImportError:  # Windows: a file that is open there cannot be removed, which serves as well
        return
    fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
