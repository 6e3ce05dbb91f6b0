"""Tells sinks how exchanges list their instruments: those sinks that store them beside the data.

Feeds of one exchange may be told different lists, by another host or another account. What is told is all of them
together, once each feed has its own: else every list would say of the others' instruments that they are delisted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import attrs

from tickwire.feed.listing import ListingSettings
from tickwire.model.clock import Clock
from tickwire.model.instruments import Instruments
from tickwire.plugin.protocols import InstrumentSink, Sink
from tickwire.run.settings import ExchangeConfig

__all__ = ["ListTeller"]


class ListTeller:
    """Remembers what each feed was listed last, and tells it to sinks when it was read, or when they come later."""

    def __init__(
        self, clock: Clock, sinks: Callable[[], Iterable[Sink]], feeds: Callable[[], Iterable[ExchangeConfig]]
    ) -> None:
        """Make it.

        Args:
            clock: Dates what is told.
            sinks: Gives those of the run.
            feeds: Gives the entries of those of the run.
        """
        self._clock = clock
        self._sinks = sinks
        self._feeds = feeds
        self._lists: dict[tuple[str, str], Instruments] = {}

    def settings(self, entry: ExchangeConfig, listing: ListingSettings) -> ListingSettings:
        """Give a feed's settings that tell the sinks too whenever its list was read."""
        return attrs.evolve(listing, loaded=partial(self._loaded, entry, listing.loaded))

    def greet(self, sinks: Iterable[Sink]) -> None:
        """Tell sinks that were added to the run."""
        added = list(sinks)
        for exchange in dict.fromkeys(entry.exchange for entry in self._feeds()):
            self._tell(added, exchange)

    def _loaded(self, entry: ExchangeConfig, before: Callable[[Instruments], None], instruments: Instruments) -> None:
        before(instruments)
        self._lists[entry.exchange, entry.name] = instruments
        self._tell(self._sinks(), entry.exchange)

    def _tell(self, sinks: Iterable[Sink], exchange: str) -> None:
        lists = [self._lists.get((exchange, entry.name)) for entry in self._feeds() if entry.exchange == exchange]
        known = [instruments for instruments in lists if instruments is not None]
        if not known or len(known) < len(lists):
            return
        # an instrument that they see differently is as the first feed sees it, whichever was read last
        every = {one.symbol: one for instruments in reversed(known) for one in instruments}
        now = self._clock.now()
        for sink in sinks:
            if isinstance(sink, InstrumentSink):
                sink.see_instruments(exchange, list(every.values()), now)
