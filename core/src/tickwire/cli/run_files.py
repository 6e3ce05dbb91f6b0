"""How one process finds another that runs a config: a small file per process, locked as long as it lives.

The lock tells the living from the dead: a number alone may belong to anybody by now, and a signal would end that one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import attrs
import msgspec

from tickwire.run.instrument_cache import default_state

__all__ = ["RunFile", "RunningProcess", "running_processes"]


@attrs.frozen
class RunningProcess:
    """A process that runs a config.

    Attributes:
        pid: Its number.
        config: The file, absolute.
        name: The config's ``name``.
        reloads: How many times it was asked to reload.
        changes: What the last reload changed; ``None`` if it was refused, or there was none.
        refusal: Why the last reload was refused.
    """

    pid: int
    config: str
    name: str
    reloads: int = 0
    changes: Sequence[str] | None = None
    refusal: str | None = None


class RunFile:
    """This process's own file; use it as a context manager."""

    def __init__(self, folder: Path, process: RunningProcess) -> None:
        """Make it; nothing is written yet."""
        self._folder = folder
        self._process = process
        self._lock: IO[bytes] | None = None

    @classmethod
    def of(cls, config: Path, name: str) -> RunFile:
        """Make the file of this process, which runs ``config``."""
        return cls(_folder(), RunningProcess(os.getpid(), str(config.resolve()), name))

    def __enter__(self) -> Self:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self._folder / f"{self._process.pid}.lock").open("wb")
            _take(self._lock)
        except OSError:
            self._lock = None  # without a place to write it cannot be found: kill -HUP still reloads
        self._write()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            self._file.unlink(missing_ok=True)
            Path(self._lock.name).unlink(missing_ok=True)
            self._lock.close()

    def answer(self, changes: Sequence[str] | None, refusal: str | None) -> None:
        """Tell whoever asked what became of the reload."""
        self._process = attrs.evolve(self._process, reloads=self._process.reloads + 1, changes=changes, refusal=refusal)
        self._write()

    @property
    def _file(self) -> Path:
        return self._folder / f"{self._process.pid}.json"

    def _write(self) -> None:
        if self._lock is None:
            return
        fresh = self._file.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(self._process))
        fresh.replace(self._file)


def running_processes() -> list[RunningProcess]:
    """Give all processes of this user that run a config, by number."""
    found: list[RunningProcess] = []
    for file in _folder().glob("*.json"):
        try:
            with file.with_suffix(".lock").open("rb") as lock:
                if _is_taken(lock):
                    found.append(msgspec.json.decode(file.read_bytes(), type=RunningProcess))
        except (OSError, msgspec.DecodeError):
            continue  # it ended just now
    return sorted(found, key=lambda process: process.pid)


def _folder() -> Path:
    # not in the config's own state directory: who reloads must find it without reading the config
    return default_state() / "running"


def _take(lock: IO[bytes]) -> None:
    if os.name == "posix":
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_taken(lock: IO[bytes]) -> bool:
    if os.name != "posix":
        return False
    import fcntl

    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False
