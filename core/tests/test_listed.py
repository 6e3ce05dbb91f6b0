"""What sinks that store instruments are told, by one feed and by several of one exchange."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tickwire.feed.listing import ListingSettings
from tickwire.model.clock import ManualClock
from tickwire.model.instruments import Instrument, Instruments
from tickwire.model.stored import Record
from tickwire.run.listed import ListTeller
from tickwire.run.settings import ExchangeConfig


class Keeper:
    """A sink that stores instruments."""

    def __init__(self) -> None:
        self.told: list[tuple[str, list[str]]] = []
        self.native: dict[str, str] = {}

    async def open(self) -> None: ...

    async def write(self, records: Sequence[Record]) -> None: ...

    async def close(self) -> None: ...

    def see_instruments(self, exchange: str, instruments: Sequence[Instrument], now: int) -> None:
        self.told.append((exchange, sorted(one.symbol for one in instruments)))
        self.native = {one.symbol: one.native for one in instruments}


def listed(*bases: str, mark: str = "") -> Instruments:
    return Instruments(Instrument("acme", f"{base}-USD", f"{base}_USD{mark}", base, "USD") for base in bases)


class Feeds:
    def __init__(self, names: Iterable[str]) -> None:
        self.sink = Keeper()
        self.running = [ExchangeConfig(name, "acme", ()) for name in names]
        self.teller = ListTeller(ManualClock(), lambda: [self.sink], lambda: self.running)
        self.before: list[Instruments] = []
        settings = ListingSettings(loaded=self.before.append)
        self._loaded = {entry.name: self.teller.settings(entry, settings).loaded for entry in self.running}

    def load(self, name: str, instruments: Instruments) -> None:
        self._loaded[name](instruments)


def test_one_feed_s_list_is_told_whenever_it_was_read() -> None:
    feeds = Feeds(["x"])
    feeds.load("x", listed("A", "B"))
    feeds.load("x", listed("B"))
    assert feeds.sink.told == [("acme", ["A-USD", "B-USD"]), ("acme", ["B-USD"])]
    assert len(feeds.before) == 2


def test_what_one_feed_of_an_exchange_lists_is_not_delisted_by_another() -> None:
    feeds = Feeds(["x", "y"])
    feeds.load("y", listed("B", "C", mark="-of-y"))
    assert feeds.sink.told == []  # what x lists is not known yet
    feeds.load("x", listed("A", "B"))
    feeds.load("y", listed("C"))
    assert feeds.sink.told == [("acme", ["A-USD", "B-USD", "C-USD"])] * 2


def test_an_instrument_that_feeds_see_differently_does_not_change_with_every_reading() -> None:
    feeds = Feeds(["x", "y"])
    for name in ("x", "y", "x", "y"):
        feeds.load(name, listed("A", mark=f"-of-{name}"))
        assert feeds.sink.native in ({}, {"A-USD": "A_USD-of-x"})
    assert feeds.sink.native


def test_a_feed_that_was_removed_keeps_nobody_waiting() -> None:
    feeds = Feeds(["x", "y"])
    feeds.load("x", listed("A"))
    del feeds.running[1]
    feeds.load("y", listed("B"))  # it was under way
    feeds.load("x", listed("A"))
    assert feeds.sink.told == [("acme", ["A-USD"])] * 2


def test_a_sink_that_comes_later_is_told_what_is_known() -> None:
    feeds, late = Feeds(["x"]), Keeper()
    feeds.teller.greet([late])
    feeds.load("x", listed("A"))
    feeds.teller.greet([late])
    assert late.told == [("acme", ["A-USD"])]
