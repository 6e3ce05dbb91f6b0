"""JSON Lines: one record a line, appended, and out of our hands with each batch."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from io import FileIO
from pathlib import Path

from tickwire.model.errors import TickwireError
from tickwire.model.stored import Record, encode_record
from tickwire.run.off_loop import OffLoop
from tickwire.run.sinks import JsonLinesOptions

__all__ = ["JsonLinesSink"]

logger = logging.getLogger(__name__)


class JsonLinesSink:
    """Appends records to a file; a line that a crash left torn is ended, never glued to the next record."""

    def __init__(self, options: JsonLinesOptions) -> None:
        """Take over the settings; the file is opened by ``open``."""
        self.path = _file(options.path)
        self._thread = OffLoop(f"tickwire-jsonl-{self.path.name}")
        self._file: FileIO | None = None
        self._is_torn = False

    async def open(self) -> None:
        """Make the directory and open the file.

        Raises:
            TickwireError: That is not possible; names the path.
        """
        try:
            await self._thread.call(self._open)
        except TickwireError:
            self._thread.close()
            raise

    async def write(self, records: Sequence[Record]) -> None:
        """Append a batch.

        Raises:
            TickwireError: It could not be written whole; names the path.
        """
        await self._thread.call(lambda: self._write(records))

    async def close(self) -> None:
        """Close the file; a second call is harmless."""
        if self._file is not None:
            await self._thread.call(self._close)
        self._thread.close()

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # unbuffered: what write() has taken is the system's, a crash of ours cannot lose it
            self._file = FileIO(self.path, "a+")
            size = self._file.seek(0, os.SEEK_END)
            if size:
                self._file.seek(size - 1)
                self._is_torn = self._file.read(1) != b"\n"
        except OSError as error:
            raise self._error("open", error) from error
        if self._is_torn:
            logger.warning("%s ends in a torn line, of a crash perhaps: it is ended at byte %d", self.path, size)

    def _write(self, records: Sequence[Record]) -> None:
        file = self._file
        if file is None:
            raise TickwireError(f"{self.path} is not open")
        lines = [*map(encode_record, records), b""]
        rest = memoryview(b"\n".join([b"", *lines] if self._is_torn else lines))
        try:
            while rest:
                written = file.write(rest) or 0
                self._is_torn = rest[written - 1] != 0x0A if written else self._is_torn
                rest = rest[written:]
        except OSError as error:
            raise self._error("write", error) from error

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                raise self._error("close", error) from error

    def _error(self, doing: str, error: OSError) -> TickwireError:
        hint = "make room, or change path" if doing == "write" else "change path, or what stands in its way"
        return TickwireError(f"cannot {doing} {self.path}: {error.strerror or error}", hint=hint)


def _file(text: str) -> Path:
    path = Path(text).expanduser()
    is_directory = path.is_dir() or text.endswith(("/", os.sep)) or not path.suffix
    return path / "events.jsonl" if is_directory else path
