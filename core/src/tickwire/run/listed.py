"""Tells sinks how exchanges list their instruments: those sinks that store them beside the data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import attrs

from tickwire.feed.listing import ListingSettings
from tickwire.model.clock import Clock
from tickwire.model.instruments import Instruments
from tickwire.plugin.protocols import InstrumentSink, Sink

__all__ = ["ListTeller"]


class ListTeller:
    """Remembers what each exchange lists now, and tells it to sinks when it was read, or when they come later."""

    def __init__(self, clock: Clock, sinks: Callable[[], Iterable[Sink]]) -> None:
        """Make it.

        Args:
            clock: Dates what is told.
            sinks: Gives those of the run.
        """
        self._clock = clock
        self._sinks = sinks
        self._known: dict[str, Instruments] = {}

    def settings(self, exchange: str, listing: ListingSettings) -> ListingSettings:
        """Give a feed's settings that tell the sinks too whenever its list was read."""
        return attrs.evolve(listing, loaded=partial(self._loaded, exchange, listing.loaded))

    def greet(self, sinks: Iterable[Sink]) -> None:
        """Tell sinks that were added to the run."""
        for exchange, instruments in self._known.items():
            self._tell(sinks, exchange, instruments)

    def _loaded(self, exchange: str, before: Callable[[Instruments], None], instruments: Instruments) -> None:
        before(instruments)
        self._known[exchange] = instruments
        self._tell(self._sinks(), exchange, instruments)

    def _tell(self, sinks: Iterable[Sink], exchange: str, instruments: Instruments) -> None:
        now = self._clock.now()
        for sink in sinks:
            if isinstance(sink, InstrumentSink):
                sink.see_instruments(exchange, list(instruments), now)
