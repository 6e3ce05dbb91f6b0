"""What one run says of its own completeness, written to the ledger once the sinks have everything that came before.

Like a mark, a watermark may only say so of what a crash can no longer take away.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import deque
from itertools import takewhile
from pathlib import Path

from tickwire.model.errors import TickwireError
from tickwire.model.quality import Backfilled, Dropped, Gap, Resynced, Subscribed, Unsubscribed, Watermark
from tickwire.model.stored import Record
from tickwire.run.ledger_file import LEDGER, LedgerFile
from tickwire.run.off_loop import OffLoop
from tickwire.run.settings import Config

__all__ = ["RunLedger"]

logger = logging.getLogger(__name__)

_KEPT = (Backfilled, Dropped, Gap, Resynced, Subscribed, Unsubscribed, Watermark)


class RunLedger:
    """The ledger of one run; only what a configuration file collects is worth one."""

    def __init__(self, state: Path | None, config: Config, run_id: str) -> None:
        """Make it; ``state``: ``None`` keeps nothing."""
        is_kept = state is not None and (config.file is not None or config.state is not None)
        place = "" if config.file is None else str(config.file)
        self._file = LedgerFile(state / LEDGER, run_id, config.name, place) if is_kept and state is not None else None
        self._thread = OffLoop("tickwire-ledger")
        self._waiting: deque[Record] = deque()
        self._is_failing = False

    def passed(self, record: Record) -> None:
        """Note a quality event that was handed to the sinks."""
        if self._file is not None and isinstance(record.event, _KEPT):
            self._waiting.append(record)

    async def write(self, safe: int) -> None:
        """Write what is safe; ``safe`` is the last ordinal that every sink has written."""
        ready = list(takewhile(lambda record: record.ordinal <= safe, self._waiting))
        if not ready or self._file is None:
            return
        file = self._file
        try:
            await self._thread.call(lambda: file.write(ready))
        except (OSError, sqlite3.Error, TickwireError) as error:
            # what comes later must not be written without it: a hole would be forgotten
            if not self._is_failing:
                logger.warning("%s cannot be written, it is tried again: %s", file.path, error)
            self._is_failing = True
        else:
            self._is_failing = False
            for _ in ready:
                self._waiting.popleft()

    async def close(self, safe: int) -> None:
        """Write what is safe now that the sinks are done."""
        await self.write(safe)
        self._thread.close()
