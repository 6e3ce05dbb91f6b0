"""A lock on a folder, held by one process at a time and let go when it ends, in whatever way."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self

__all__ = ["FolderLock"]

_NAME = "lock"


class FolderLock:
    """The lock of one folder."""

    def __init__(self, folder: Path, file: int) -> None:
        """Hold an open and locked file; use ``of``."""
        self._folder = folder
        self._file: int | None = file

    @classmethod
    def of(cls, folder: Path) -> Self | None:
        """Lock a folder; ``None``: another process has it, or took and removed it meanwhile."""
        try:
            file = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            return None
        if _locked(file) and _is_same(folder / _NAME, file):
            return cls(folder, file)
        os.close(file)
        return None

    def release(self) -> None:
        """Let it go; a folder that holds no spilled records any more is removed. A second call is harmless."""
        if self._file is None:
            return
        with suppress(OSError):  # somebody removed it, or it cannot be removed: no harm either way
            if not list(self._folder.glob("*.spill")):
                for path in self._folder.iterdir():
                    path.unlink(missing_ok=True)
                self._folder.rmdir()
        os.close(self._file)
        self._file = None


def _is_same(path: Path, file: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(file).st_ino
    except FileNotFoundError:
        return False


if sys.platform == "win32":

    def _locked(file: int) -> bool:
        import msvcrt

        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:

    def _locked(file: int) -> bool:
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
