"""Opens a folder of captures: which runs are there, and the entries of one of them in order."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import attrs
import msgspec

from tickwire.model.errors import ConfigError
from tickwire.record.blocks import Torn, read_blocks
from tickwire.record.entries import FORMAT, Entry, Lost, RunBegun, decode_entries
from tickwire.record.writer import SUFFIX

__all__ = ["Capture", "captures_in", "open_capture"]

_log = logging.getLogger(__name__)


@attrs.define(eq=False)
class Capture:
    """One run's files.

    Attributes:
        run_id: The run's.
        begun: How it began.
        files: In order.
        torn: Files that end early; complete once ``entries`` was read to its end.
    """

    run_id: str
    begun: RunBegun
    files: list[Path]
    torn: list[Torn] = attrs.field(factory=list)

    def entries(self) -> Iterator[Entry]:
        """Read from the first to the last whole block; what a crash tore off is cut, and reported.

        Raises:
            ConfigError: A file is damaged otherwise.
        """
        self.torn.clear()
        for path in self.files:
            for block in read_blocks(path, self.torn):
                yield from (entry for entry in _decoded(block, path) if not isinstance(entry, RunBegun))
            if self.torn and self.torn[-1].path == path:
                _log.warning("%s", self.torn[-1])
                if path != self.files[-1]:
                    yield Lost(self.begun.ts, 1, str(self.torn[-1]))


def captures_in(folder: Path) -> list[Capture]:
    """Give the runs that were recorded into a folder, oldest first.

    Raises:
        ConfigError: There is none, a file is missing, or one was written by a later tickwire.
    """
    found: dict[str, Capture] = {}
    paths = sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else [folder] if folder.is_file() else []
    for path in paths:
        begun = _beginning(path)
        if begun is None:
            _log.warning("%s: torn before its first entry, nothing to read", path.name)
            continue
        if begun.format > FORMAT:
            raise ConfigError(
                f"{str(path)!r} is of format {begun.format}; this tickwire reads up to {FORMAT}",
                hint="upgrade tickwire",
            )
        capture = found.setdefault(begun.run_id, Capture(begun.run_id, begun, []))
        if begun.file != len(capture.files):
            raise ConfigError(
                f"file {len(capture.files)} of run {begun.run_id} is missing before {path.name}",
                hint="put it back; what comes after a hole cannot be replayed",
            )
        capture.files.append(path)
    if not found:
        raise ConfigError(f"no capture in {str(folder)!r}", hint="name a folder that tickwire record wrote")
    return list(found.values())


def open_capture(folder: Path, run_id: str | None = None) -> Capture:
    """Give one run of a folder; which one must be said where there are several.

    Raises:
        ConfigError: There is no such run, or it is not clear which one is meant.
    """
    captures = captures_in(folder)
    chosen = [one for one in captures if run_id in (None, one.run_id)]
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(one.run_id for one in captures)
    what = f"{len(captures)} runs" if run_id is None else f"no run {run_id!r}"
    raise ConfigError(f"{str(folder)!r} holds {what}", hint=f"choose with --run one of {names}")


def _beginning(path: Path) -> RunBegun | None:
    for block in read_blocks(path, []):
        first = next(_decoded(block, path), None)
        if isinstance(first, RunBegun):
            return first
        break
    else:
        return None
    raise ConfigError(
        f"{str(path)!r} does not begin as a capture does", hint="name a folder that tickwire record wrote"
    )


def _decoded(block: bytes, path: Path) -> Iterator[Entry]:
    try:
        yield from decode_entries(block)
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"{path.name} holds what is no entry of a capture: {error}", hint="upgrade tickwire, or report it"
        ) from error
