"""Parquet: rows go to journals at once, which become files when their window is over, at the end or the next start."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tickwire.model.clock import Nanos
from tickwire.model.errors import TickwireError
from tickwire.model.instruments import Instrument
from tickwire.model.stored import Record
from tickwire.run.disk_errors import disk_error
from tickwire.run.off_loop import OffLoop
from tickwire.run.sinks import ParquetOptions
from tickwire.store.arrow import parquet, warm_up
from tickwire.store.closing import close_journal
from tickwire.store.instruments import InstrumentFiles
from tickwire.store.writing import JournalWriter

__all__ = ["ParquetSink"]

_log = logging.getLogger(__name__)

_SETTLE = 5.0
_TRY_AGAIN = 60.0


class ParquetSink:
    """Stores records in a directory; see ``tickwire.load`` for reading them.

    A batch that ``write`` has taken is the system's: a crash of ours cannot lose it. The disk holds it within a second.

    Attributes:
        path: The directory.
    """

    def __init__(self, options: ParquetOptions) -> None:
        """Take over the settings.

        Raises:
            ConfigError: pyarrow is not installed.
        """
        parquet()
        self.path = Path(options.path).expanduser()
        self._level = options.level
        self._writer = JournalWriter(self.path, round(options.rotate * 1e9))
        self._instruments = InstrumentFiles(self.path)
        self._thread = OffLoop(f"tickwire-parquet-{self.path.name}", tick=self._tick, settle=_SETTLE)
        self._closer = OffLoop(f"tickwire-parquet-close-{self.path.name}", settle=_SETTLE)
        self._failure: OSError | None = None
        self._is_abandoned = False
        self._waiting: list[Path] = []
        self._try_again = 0.0

    async def open(self) -> None:
        """Make the directory; journals that a crash left are closed meanwhile.

        Raises:
            ConfigError: There can be no such directory; names the path.
            RetryableError: It cannot be made now.
        """
        self._failure, self._is_abandoned = None, False
        try:
            await self._thread.call(self._open)
        except OSError as error:
            self._thread.close()
            raise self._error("open", error) from error

    async def write(self, records: Sequence[Record]) -> None:
        """Append a batch: all of it, or nothing.

        Raises:
            RetryableError: It could not be written, or what was written before could not be kept; names the path.
            TypeError, ValueError, OverflowError: A record holds what its columns cannot hold.
        """
        try:
            await self._thread.call(lambda: self._write(records))
        except OSError as error:
            raise self._error("write", error) from error

    def see_instruments(self, exchange: str, instruments: Sequence[Instrument], now: Nanos) -> None:
        """Note how an exchange lists its instruments from now on; stored beside the data where something is new."""
        self._thread.post(lambda: self._instruments.note(exchange, instruments, now))

    async def close(self) -> None:
        """Close all journals into Parquet files; a second call is harmless.

        What there is no time for, as the caller's patience ends, is done at the next start.

        Raises:
            RetryableError: The disk could not be made to hold what was written last.
        """
        try:
            await self._thread.call(self._close)
            await self._closer.call(lambda: None)
        except asyncio.CancelledError:
            self._is_abandoned = True
            raise
        except OSError as error:
            raise self._error("close", error) from error
        finally:
            self._thread.close()
            self._closer.close()

    def _error(self, doing: str, error: OSError) -> TickwireError:
        return disk_error(doing, Path(error.filename or self.path), error)

    # in the thread that writes
    def _open(self) -> None:
        warm_up()
        self.path.mkdir(parents=True, exist_ok=True)
        self._close_later(self._writer.leftovers())

    def _write(self, records: Sequence[Record]) -> None:
        if self._failure is not None:
            raise self._failure
        self._writer.append(records)
        self._close_later(self._writer.take_due())

    def _tick(self) -> None:
        try:
            self._writer.sync()
            self._instruments.write()
        except OSError as error:  # the next batch tells, and so whoever delivers it
            self._failure = error
        self._close_later(self._writer.take_due())
        if self._waiting and time.monotonic() >= self._try_again:
            waiting, self._waiting = self._waiting, []
            self._close_later(waiting)

    def _close(self) -> None:
        try:
            self._writer.sync()
            self._instruments.write()
        finally:
            self._close_later(self._writer.close())

    def _close_later(self, journals: Sequence[Path]) -> None:
        for path in journals:
            self._closer.post(partial(self._to_parquet, path))

    # in the thread that closes
    def _to_parquet(self, path: Path) -> None:
        if self._is_abandoned:
            return
        try:
            close_journal(path, self._level, lambda: not self._is_abandoned)
        except Exception as error:  # nothing is lost: the journal stays, and whatever is wrong with it is told
            _log.warning("%s stays a journal, which reads as well: %s", path, error)
            self._try_again = time.monotonic() + _TRY_AGAIN
            self._waiting.append(path)
