"""The markets of one ccxt exchange on disk, and the symbols that were given to them.

Two files. The markets may be deleted at any time: they are asked for again. The symbols are kept for good: a name once
given must not go to another market, since stored data carries it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from tickwire import DecodeError, Instrument
from tickwire_ccxt_generic.instruments import read_markets

__all__ = ["CcxtMetadataCache", "MarketsClient"]

_log = logging.getLogger(__name__)

_FORM = 1
_REFRESH_AT_MOST_EVERY = 60.0


class MarketsClient(Protocol):
    """What of a ccxt client is needed."""

    markets: Any
    currencies: Any

    def set_markets(self, markets: Any, currencies: Any = None) -> Any:
        """Take over markets without asking."""
        ...

    async def load_markets(self, reload: bool = False, params: Any = ...) -> Any:
        """Ask, unless it has them."""
        ...


class CcxtMetadataCache:
    """Markets of one exchange, with a time to live; and the persisted table from ccxt's symbols to ours.

    Use ``await ready(client)`` before a client is used, ``instruments()`` for what it then has, and ``await
    refresh(client)`` when the exchange speaks of a market that nobody knows. The files are read and written in a
    thread; the object itself belongs to one event loop.

    Attributes:
        symbols: Our symbol by ccxt's, of every market that was ever seen.
        quarantined: Reasons by ccxt's symbol of the markets that ``instruments`` left out last.
    """

    def __init__(
        self,
        exchange_id: str,
        folder: Path | None = None,
        *,
        ttl: float = 3600.0,
        hosts: Sequence[str] = (),
        scope: str = "",
        precision: str = "tick_size",
        now: Callable[[], float] = time.time,
    ) -> None:
        """Make it; nothing is read yet.

        Args:
            exchange_id: ccxt's id.
            folder: Where both files are. ``None``: the markets with the system's caches, the symbols with its state.
            ttl: Seconds for which markets on disk are used; 0: never.
            hosts: Those the user set instead of the exchange's own: a simulator's list is not the exchange's.
            scope: What else the list depends on, e.g. ``"spot"`` where only those markets are loaded.
            precision: As ``Capabilities.precision``.
            now: Seconds since 1970.
        """
        self.exchange_id = exchange_id
        self.symbols: Mapping[str, str] = {}
        self.quarantined: Mapping[str, str] = {}
        self._folders = (folder, folder) if folder is not None else _folders()
        self._ttl = ttl
        self._precision = precision
        self._now = now
        self._listed = self._file(0, "markets", [*hosts, *([scope] if scope else [])])
        self._named = self._file(1, "symbols", list(hosts))
        self._markets: list[Mapping[str, Any]] = []
        self._read_at: float | None = None
        self._are_symbols_read = False
        self._lock = asyncio.Lock()

    async def ready(self, client: MarketsClient) -> None:
        """Give a client that is not in use yet its markets: from disk while they are young, else from the exchange.

        Raises:
            DecodeError: The exchange lists nothing.
            Exception: What ccxt raises when it asks.
        """
        async with self._lock:
            if await asyncio.to_thread(self.fill, client):
                return
            await self._ask(client)

    async def refresh(self, client: MarketsClient) -> bool:
        """Ask the exchange again, but not within a minute of the last time; tells whether it was asked.

        Raises:
            DecodeError: The exchange lists nothing.
            Exception: What ccxt raises when it asks.
        """
        async with self._lock:
            if self._read_at is not None and 0 <= self._now() - self._read_at < _REFRESH_AT_MOST_EVERY:
                return False
            await self._ask(client)
            return True

    def instruments(self) -> tuple[Instrument, ...]:
        """Read the markets that are held, name those that are new, and keep the names on disk.

        Blocking: call it in a thread. One row that cannot be read never breaks the rest.
        """
        known = self._known()
        listing = read_markets(self.exchange_id, self._markets, known, precision=self._precision)
        for native, reason in listing.quarantined.items():
            if native not in self.quarantined:
                _log.warning("%s: market %s is left out: %s", self.exchange_id, native, reason)
        self.symbols, self.quarantined = listing.symbols, listing.quarantined
        if listing.symbols != known:
            _write(self._named, {"form": _FORM, "exchange": self.exchange_id, "symbols": dict(listing.symbols)})
        return listing.instruments

    def load(self) -> Mapping[str, Any] | None:
        """Read the file of markets: ``{"markets": [...], "currencies": {...}, "ts": …, …}``, ``ts`` in s since 1970.

        ``None`` if there is none, if it is too old or of another version of ccxt, or if it cannot be used.
        """
        found = _read(self._listed)
        if found is None or found.get("ccxt") != version("ccxt") or not isinstance(found.get("markets"), list):
            return None
        written = found.get("ts")
        is_young = isinstance(written, int | float) and 0 <= self._now() - written < self._ttl
        return found if is_young and found["markets"] else None

    def save(self, markets: Mapping[str, Mapping[str, Any]], currencies: Any = None) -> None:
        """Take over markets that were just read, by ccxt's symbol, and replace the file.

        A file that cannot be written is warned of.
        """
        self._markets, self._read_at = list(markets.values()), self._now()
        _write(
            self._listed,
            {
                "form": _FORM,
                "exchange": self.exchange_id,
                "ccxt": version("ccxt"),
                "ts": self._read_at,
                "markets": self._markets,
                "currencies": currencies,
            },
        )

    def fill(self, client: MarketsClient) -> bool:
        """Give a client the markets in memory or on disk, ``info`` included; tells whether they are young enough."""
        if self._read_at is None or self._now() - self._read_at >= self._ttl:
            found = self.load()
            if found is None:
                return False
            self._markets, self._read_at = found["markets"], float(found["ts"])
            client.set_markets(self._markets, found.get("currencies"))
        elif not client.markets:
            client.set_markets(self._markets)
        return True

    async def _ask(self, client: MarketsClient) -> None:
        await client.load_markets(True)
        if not client.markets:
            raise DecodeError(f"{self.exchange_id}: ccxt found no market in the exchange's list")
        await asyncio.to_thread(self.save, dict(client.markets), dict(client.currencies or {}))

    def _known(self) -> Mapping[str, str]:
        if not self._are_symbols_read:
            found = _read(self._named) or {}
            symbols = found.get("symbols", {})
            if isinstance(symbols, dict) and all(isinstance(one, str) for pair in symbols.items() for one in pair):
                self.symbols = symbols
            else:
                _log.warning("%s does not hold symbols and is left aside", self._named)
            self._are_symbols_read = True
        return self.symbols

    def _file(self, kind: int, name: str, apart: Sequence[str]) -> Path:
        tail = f"-{hashlib.sha256(' '.join(apart).encode()).hexdigest()[:12]}" if apart else ""
        return self._folders[kind] / f"{re.sub(r'[^A-Za-z0-9_]', '_', self.exchange_id)}{tail}.{name}.json"


def _folders() -> tuple[Path, Path]:
    from platformdirs import user_cache_path, user_state_path

    return user_cache_path("tickwire", appauthor=False) / "ccxt", user_state_path("tickwire", appauthor=False) / "ccxt"


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        _log.warning("%s cannot be used and is left aside: %s", path, error)
        return None
    if not isinstance(found, dict) or found.get("form") != _FORM:
        _log.warning("%s is not of form %d and is left aside", path, _FORM)
        return None
    return found


def _write(path: Path, content: Mapping[str, Any]) -> None:
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        # a client with number=Decimal has Decimals in its markets; ccxt reads floats as well
        data = json.dumps(content, default=_plain, ensure_ascii=False).encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except (OSError, TypeError, ValueError) as error:
        _log.warning("%s cannot be written: %s", path, error)
        with contextlib.suppress(OSError):
            fresh.unlink()


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} in ccxt's markets cannot be kept")
