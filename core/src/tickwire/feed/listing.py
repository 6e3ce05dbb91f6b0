"""An exchange's list of instruments while a feed runs: read again now and then, and what changed is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

import attrs

from tickwire.feed.requests import Requests
from tickwire.model.clock import Clock
from tickwire.model.errors import TickwireError
from tickwire.model.instruments import Instrument, Instruments
from tickwire.model.quality import ListingChange, ListingKind, Severity
from tickwire.plugin.assembly import Wiring

__all__ = ["ListingSettings", "ListingWatch", "listing_change", "listing_changes"]

_log = logging.getLogger(__name__)

_AT_MOST_EVERY = 60.0


@attrs.frozen
class ListingSettings:
    """How a feed deals with its exchange's list.

    Attributes:
        refresh: Seconds between two readings; ``None``: it is read once, at the start.
        is_lenient: A symbol that was never listed is a warning instead of an error.
        former: Gives the instrument that a symbol named when it was listed; ``None``: it never was, as far as known.
        loaded: Told after each reading.
    """

    refresh: float | None = None
    is_lenient: bool = False
    former: Callable[[str], Instrument | None] = lambda symbol: None
    loaded: Callable[[Instruments], None] = lambda instruments: None


def listing_changes(
    before: Mapping[str, Instrument], after: Mapping[str, Instrument]
) -> list[tuple[ListingKind, str, Instrument | None, Instrument | None]]:
    """Compare two readings by symbol: what came, what went, what is different, and what is only halted or resumed.

    Returns:
        (kind, symbol, instrument now, instrument before).
    """
    changes: list[tuple[ListingKind, str, Instrument | None, Instrument | None]] = []
    for symbol, now in after.items():
        was = before.get(symbol)
        if was is None:
            changes.append((ListingKind.LISTED, symbol, now, None))
        elif was != now:
            is_status = attrs.evolve(was, status=now.status) == now
            changes.append((ListingKind.STATUS if is_status else ListingKind.CHANGED, symbol, now, was))
    changes += [(ListingKind.DELISTED, symbol, None, was) for symbol, was in before.items() if symbol not in after]
    return changes


class ListingWatch:
    """Reads the list again at its interval, and soon after a frame named an instrument that nobody knows."""

    def __init__(
        self,
        wiring: Wiring,
        requests: Requests,
        clock: Clock,
        settings: ListingSettings,
        on_changes: Callable[[Sequence[ListingChange]], None],
    ) -> None:
        """Make one for a feed whose instruments are loaded; ``on_changes`` is told what is different."""
        self._wiring = wiring
        self._requests = requests
        self._clock = clock
        self._settings = settings
        self._on_changes = on_changes
        self._is_unknown = asyncio.Event()

    def unknown(self) -> None:
        """Note that a frame named an instrument that is not loaded."""
        self._is_unknown.set()

    async def run(self) -> None:
        """Read again and again, for ever; without an interval never."""
        interval = self._settings.refresh
        while interval is not None:
            least = min(interval, _AT_MOST_EVERY)
            await self._clock.sleep(least)
            if interval > least:
                try:
                    async with self._clock.timeout(interval - least):
                        await self._is_unknown.wait()
                except TimeoutError:
                    pass
            self._is_unknown.clear()
            await self._read()

    async def _read(self) -> None:
        wiring = self._wiring
        instruments, exchange = wiring.instruments, wiring.info.id
        before = dict(instruments.symbols)
        try:
            fresh = list(await self._requests.converse(wiring.symbols.load()))
            if before and not fresh:
                _log.warning("%s: the list of instruments came back empty; the one before stays", exchange)
                return
            instruments.replace(fresh)
        except TickwireError as error:
            _log.warning("%s: the list of instruments cannot be read again: %s", exchange, error)
            return
        except Exception:  # a task's outermost edge: a plugin's mistake in one reading must not end the feed
            _log.exception("%s: the list of instruments cannot be read again", exchange)
            return
        self._settings.loaded(instruments)
        changes = listing_changes(before, instruments.symbols)
        if changes:
            self._on_changes([listing_change(exchange, self._clock.now(), *change) for change in changes])


def listing_change(
    exchange: str,
    now: int,
    kind: ListingKind,
    symbol: str,
    instrument: Instrument | None,
    before: Instrument | None,
) -> ListingChange:
    """Make the event; a listing is good news, everything else may matter to who trades it."""
    severity = Severity.INFO if kind is ListingKind.LISTED else Severity.WARNING
    return ListingChange(exchange, symbol, None, now, None, None, severity, kind, instrument, before)
