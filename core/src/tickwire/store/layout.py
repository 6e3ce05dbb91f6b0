"""Where stored data lies: ``DATA/exchange=…/channel=…/date=YYYY-MM-DD/symbol=…/HHMM-<run_id>.parquet``.

Date and time are those of the window that ``ts_recv`` falls into, UTC. A second file of one window and run has ``-2``
before the ending. Names are percent-encoded once more than symbols are, as readers of hive partitions decode them once.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, unquote

import attrs

from tickwire.model.clock import Nanos

__all__ = [
    "DAY",
    "JOURNAL",
    "NO_SYMBOL",
    "PARQUET",
    "Window",
    "partition",
    "partitions_of",
    "sync_directory",
    "window_of",
]

JOURNAL = ".arrows"
PARQUET = ".parquet"
NO_SYMBOL = "__HIVE_DEFAULT_PARTITION__"
"""What readers of hive partitions take for null."""

_SECOND = 1_000_000_000
DAY = 86_400 * _SECOND
_START = datetime(1970, 1, 1, tzinfo=UTC)
_PART = re.compile(r"([a-z_]+)=(.*)", re.DOTALL)


@attrs.frozen
class Window:
    """A stretch of ``ts_recv`` that one file holds.

    Attributes:
        start: Inclusive, ns.
        end: Exclusive, ns.
    """

    start: Nanos
    end: Nanos

    @property
    def date(self) -> str:
        """The day it begins on, ``YYYY-MM-DD``."""
        return self._moment.strftime("%Y-%m-%d")

    @property
    def time(self) -> str:
        """When it begins, ``HHMM``; ``HHMMSS`` where it does not begin at a full minute."""
        return self.clock if self.start % (60 * _SECOND) else self.clock[:4]

    @property
    def clock(self) -> str:
        """When it begins, ``HHMMSS``."""
        return self._moment.strftime("%H%M%S")

    @property
    def _moment(self) -> datetime:
        return _START + timedelta(seconds=self.start // _SECOND)


def window_of(moment: Nanos, length: Nanos) -> Window:
    """Give the window that a moment falls into; windows are counted from midnight and end there at the latest."""
    midnight = moment - moment % DAY
    start = midnight + (moment - midnight) // length * length
    return Window(start, min(start + length, midnight + DAY))


def partition(name: str, value: str | None) -> str:
    """Write one folder of the layout: ``symbol=FLX%252DCRCL-USDC``; without a value it is what stands for null."""
    return f"{name}={NO_SYMBOL if value is None else quote(value, safe='')}"


def partitions_of(path: Path) -> dict[str, str | None]:
    """Read the folders of the layout that a path goes through."""
    found = (_PART.fullmatch(part) for part in path.parts)
    return {one[1]: None if one[2] == NO_SYMBOL else unquote(one[2]) for one in found if one}


def sync_directory(folder: Path) -> None:
    """Have the system keep what was made and renamed in a folder, whatever happens to the machine."""
    if os.name == "nt":
        return  # Windows opens no folders
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
