"""What a run knows of its exchanges' lists: each reading goes to disk, and what was listed once is looked up there."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from tickwire.feed.listing import ListingSettings
from tickwire.model.clock import Clock
from tickwire.model.instruments import Instrument, Instruments
from tickwire.plugin.registry import Registry
from tickwire.run.assembling import pin_of, placed
from tickwire.run.instrument_cache import InstrumentCache
from tickwire.run.off_loop import OffLoop
from tickwire.run.settings import Config, ExchangeConfig

__all__ = ["KnownLists", "list_file"]


def list_file(cache: InstrumentCache, config: Config, entry: ExchangeConfig, registry: Registry) -> Path:
    """Give the file that holds the list of an entry's exchange.

    Raises:
        ConfigError: Nobody serves the exchange; names the place.
    """
    with placed(config, entry.path):
        plugin = registry.select(entry.exchange, pin_of(entry, registry)).claim.plugin
    hosts = entry.endpoints.rest or ()
    return cache.path(entry.exchange, plugin, (hosts,) if isinstance(hosts, str) else hosts)


class KnownLists:
    """Reads and writes the lists of one run, off the event loop where it writes."""

    def __init__(self, state: Path | None, clock: Clock) -> None:
        """Make it.

        Args:
            state: Where; ``None``: nothing is kept, and nothing was listed before.
            clock: Dates the readings.
        """
        self._cache = InstrumentCache(state) if state is not None else None
        self._clock = clock
        self._thread = OffLoop("tickwire-instruments")
        self._writing: set[asyncio.Task[None]] = set()

    def settings(self, config: Config, entry: ExchangeConfig, registry: Registry) -> ListingSettings:
        """Tell an entry's feed how to deal with its exchange's list.

        Raises:
            ConfigError: Nobody serves the exchange; names the place.
        """
        refresh, is_lenient = config.instruments.refresh, entry.on_unknown_symbol == "warn"
        if self._cache is None:
            return ListingSettings(refresh, is_lenient)
        path = list_file(self._cache, config, entry, registry)
        return ListingSettings(
            refresh, is_lenient, partial(self._former, path), partial(self._loaded, path, entry.exchange)
        )

    def _former(self, path: Path, symbol: str) -> Instrument | None:
        assert self._cache is not None
        found = self._cache.read(path)
        return found.known().get(symbol) if found is not None else None

    def _loaded(self, path: Path, exchange: str, instruments: Instruments) -> None:
        assert self._cache is not None
        write = partial(self._cache.write, path, exchange, self._clock.now(), list(instruments))
        task = asyncio.get_running_loop().create_task(self._thread.call(write))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def close(self) -> None:
        """Wait for what is being written."""
        if self._writing:
            await asyncio.wait(self._writing, timeout=1.0)
        self._thread.close()
