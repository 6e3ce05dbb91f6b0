"""Lists of instruments on disk: what an exchange listed when it was read last, and what it listed once.

One file per exchange and host, replaced as a whole. A file that cannot be read is a miss with a warning, never an
error: everything in it can be read from the exchange again, but for the memory of what was listed once.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import msgspec

from tickwire.model.clock import Nanos
from tickwire.model.instruments import Instrument

__all__ = ["CachedList", "InstrumentCache", "default_state"]

_log = logging.getLogger(__name__)

_VERSION = 1
_REMEMBERED = 366 * 86_400 * 1_000_000_000


@attrs.frozen
class Former:
    """An instrument that is listed no longer, and when it was seen last."""

    instrument: Instrument
    ts_last: Nanos


@attrs.frozen
class CachedList:
    """One file.

    Attributes:
        version: Of the file's form.
        exchange: Whose list it is.
        ts_read: When it was read.
        instruments: What was listed then.
        former: What was listed once, within a year.
    """

    version: int
    exchange: str
    ts_read: Nanos
    instruments: tuple[Instrument, ...]
    former: tuple[Former, ...] = ()

    def known(self) -> Mapping[str, Instrument]:
        """Give by symbol everything that is or was listed."""
        gone = {one.instrument.symbol: one.instrument for one in self.former}
        return gone | {one.symbol: one for one in self.instruments}


def default_state() -> Path:
    """Give the directory where the system keeps such things."""
    from platformdirs import user_state_path

    return user_state_path("tickwire", appauthor=False)


class InstrumentCache:
    """The lists under one state directory."""

    def __init__(self, state: Path) -> None:
        """Take over the directory; it is made when something is written."""
        self._folder = state / "instruments"

    def path(self, exchange: str, plugin: str, hosts: Sequence[str] = ()) -> Path:
        """Give the file of an exchange.

        Args:
            exchange: Its id.
            plugin: Who reads it: two plugins may spell instruments differently.
            hosts: Those the user set instead of the exchange's own: a simulator's list is not the exchange's.
        """
        name = "-".join(re.sub(r"[^A-Za-z0-9_]", "_", part) for part in (exchange, plugin))
        if hosts:
            name += "-" + hashlib.sha256(" ".join(hosts).encode()).hexdigest()[:12]
        return self._folder / f"{name}.json"

    def read(self, path: Path) -> CachedList | None:
        """Read a file; ``None`` if there is none, or none that can be used."""
        try:
            found = msgspec.json.decode(path.read_bytes(), type=CachedList)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, ArithmeticError, msgspec.MsgspecError) as error:
            _log.warning("%s cannot be used and is left aside: %s", path, error)
            return None
        except Exception as error:  # an instrument's own checks raise errors of ours
            _log.warning("%s holds an instrument that is none and is left aside: %s", path, error)
            return None
        if found.version != _VERSION:
            _log.warning("%s has version %d, not %d, and is left aside", path, found.version, _VERSION)
            return None
        return found

    def write(self, path: Path, exchange: str, now: Nanos, instruments: Sequence[Instrument]) -> None:
        """Replace a file by a list just read; what the old one held and is listed no longer is remembered.

        A file that cannot be written is warned of: the run goes on.
        """
        old = self.read(path)
        listed = {one.symbol for one in instruments}
        former = [] if old is None else [*old.former, *(Former(one, old.ts_read) for one in old.instruments)]
        latest = {one.instrument.symbol: one for one in former if now - one.ts_last < _REMEMBERED}
        kept = [one for symbol, one in latest.items() if symbol not in listed]
        data = msgspec.json.encode(CachedList(_VERSION, exchange, now, tuple(instruments), tuple(kept)))
        fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with fresh.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except OSError as error:
            _log.warning("%s cannot be written: %s", path, error.strerror or error)
            with contextlib.suppress(OSError):
                fresh.unlink()
