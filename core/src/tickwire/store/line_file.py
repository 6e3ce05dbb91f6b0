"""A file of JSON lines that grows batch by batch: plain, or as zstd frames; never with half a batch in it."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from io import FileIO
from pathlib import Path

from tickwire.store.frames import compressed, whole_until

__all__ = ["LineFile"]

_log = logging.getLogger(__name__)


class LineFile:
    """Appends; what a crash left torn at the end is ended (plain) or cut (zstd), and warned of."""

    def __init__(self, path: Path, is_compressed: bool) -> None:
        """Open the file, or make it with its directory.

        Raises:
            OSError: That is not possible.
        """
        self.path = path
        self._is_compressed = is_compressed
        self._is_torn = False
        path.parent.mkdir(parents=True, exist_ok=True)
        # unbuffered: what write() has taken is the system's, a crash of ours cannot lose it
        self._file = FileIO(path, "a+")
        try:
            self._mend()
        except BaseException:
            self._file.close()
            raise

    def append(self, lines: bytes) -> int:
        """Write whole lines: all of them, or nothing.

        Returns:
            How long the file was before, in bytes.

        Raises:
            OSError: They could not be written.
        """
        data = compressed(lines) if self._is_compressed else b"\n" + lines if self._is_torn else lines
        size = self._file.seek(0, os.SEEK_END)
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
        except OSError:
            with suppress(OSError):  # the first error is the one to tell
                self._file.truncate(size)
            raise
        self._is_torn = False
        return size

    def close(self) -> None:
        """Close the file; a second call is harmless."""
        self._file.close()

    def _mend(self) -> None:
        size = self._file.seek(0, os.SEEK_END)
        if not size:
            return
        if self._is_compressed:
            whole = whole_until(self.path)
            if whole < size:
                _log.warning("%s ends in %d torn bytes, of a crash perhaps: cut", self.path, size - whole)
                self._file.truncate(whole)
            return
        self._file.seek(size - 1)
        if self._file.read(1) != b"\n":
            self._is_torn = True
            _log.warning("%s ends in a torn line, of a crash perhaps: it is ended at byte %d", self.path, size)
