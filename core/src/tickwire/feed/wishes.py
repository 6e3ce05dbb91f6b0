"""From symbols and channels as a user names them to subscriptions: what is meant, what is missing, what changed."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Sequence

from tickwire.feed.listing import ListingSettings
from tickwire.feed.selectors import Selected, select
from tickwire.model.channels import PER_INTERVAL, Channel, ChannelRequest, Subscription
from tickwire.model.errors import UnknownInstrumentError, UnsupportedChannelError
from tickwire.model.instruments import Instrument, Instruments, InstrumentStatus
from tickwire.model.quality import ListingChange

__all__ = ["Wishes", "is_beginning", "named", "native_of"]

_log = logging.getLogger(__name__)


class Wishes:
    """Reads what users ask for against the exchange's list."""

    def __init__(self, exchange: str, instruments: Instruments, listing: ListingSettings) -> None:
        """Read against a live list."""
        self._exchange = exchange
        self._instruments = instruments
        self._listing = listing

    def resolve(self, symbols: Sequence[str]) -> Selected:
        """Find out which symbols are meant.

        Raises:
            UnknownInstrumentError: One was never listed, or none is meant at all.
        """
        instruments = self._instruments
        selected = select(self._spelled(symbols), instruments.symbols, instruments.closed())
        names = [symbols[number] for number in selected.unlisted]
        known = [symbol for symbol in names if self._listing.former(symbol) is not None]
        if not self._listing.is_lenient:
            for symbol in names:
                if symbol not in known:
                    self.instrument(symbol)
            if symbols and not selected.symbols and not known:
                raise UnknownInstrumentError(
                    f"{', '.join(map(repr, symbols))} selects none of {len(instruments)} instruments of "
                    f"{self._exchange}",
                    hint=f"tickwire symbols {self._exchange} lists them",
                )
        return selected

    def chosen(self, symbols: Sequence[str]) -> set[str]:
        """Give the listed symbols that are meant, whatever else is."""
        return set(select(self._spelled(symbols), self._instruments.symbols, self._instruments.closed()).symbols)

    def subscriptions(self, symbols: Iterable[str], requests: Sequence[ChannelRequest]) -> list[Subscription]:
        """Give one subscription for each symbol and request.

        Raises:
            UnknownInstrumentError: A symbol is not listed.
        """
        pairs = ((self.instrument(symbol), request) for symbol in symbols for request in requests)
        made = [Subscription(request.channel, one, request.depth, request.interval) for one, request in pairs]
        return list(dict.fromkeys(made))

    def instrument(self, symbol: str) -> Instrument:
        """Give what a symbol names.

        Raises:
            UnknownInstrumentError: It is not listed; the hint names the near ones.
        """
        instruments, exchange = self._instruments, self._exchange
        found = instruments.symbols.get(instruments.canonical(symbol))
        if found is None:
            spelled = {name.upper(): name for name in instruments.symbols}
            near = [spelled[name] for name in difflib.get_close_matches(symbol.upper(), spelled, n=3, cutoff=0.6)]
            base = near[0].partition("-")[0] if near else ""
            raise UnknownInstrumentError(
                f"{symbol!r} is not listed on {exchange} ({len(instruments)} instruments, read just now)",
                hint=(f"did you mean {' or '.join(near)}? " if near else "")
                + f"tickwire symbols {exchange} '{base if near else '*'}{'-*' if near else ''}'",
            )
        if found.status is InstrumentStatus.CLOSED:
            _log.warning("%s: %s is closed; nothing will come until it opens", exchange, symbol)
        return found

    def fresh(self, wanted: Iterable[Subscription], held: Iterable[Subscription]) -> list[Subscription]:
        """Give those of ``wanted`` that are not held.

        Raises:
            UnsupportedChannelError: One is held with other parameters.
        """
        taken = {(one.symbol, one.label): one for one in held}
        added = []
        for one in wanted:
            found = taken.get((one.symbol, one.label))
            if found is None:
                added.append(one)
            elif (found.depth, found.interval) != (one.depth, one.interval):
                raise UnsupportedChannelError(
                    f"{self._exchange}: {one} is subscribed to with other parameters", hint="unsubscribe first"
                )
        return added

    def meant(
        self, symbols: Iterable[str], requests: Iterable[ChannelRequest], held: Iterable[Subscription]
    ) -> list[Subscription]:
        """Give those of ``held`` that are named, candles of all intervals where none is."""
        names, kinds = {self._instruments.canonical(symbol) for symbol in symbols}, set[str]()
        for request in requests:
            is_one = request.channel in PER_INTERVAL and request.interval is not None
            kinds.add(f"{request.channel}:{request.interval}" if is_one else request.channel.value)
        return [one for one in held if one.symbol in names and not kinds.isdisjoint((one.channel.value, one.label))]

    def missing(self, symbols: Sequence[str], selected: Selected) -> list[tuple[str, Instrument]]:
        """Warn of what selects nothing.

        Returns:
            Symbols that were listed once, each with what it named then.
        """
        exchange, delisted = self._exchange, []
        for number in selected.unlisted:
            symbol = symbols[number]
            before = self._listing.former(symbol)
            if before is None:
                _log.warning("%s: %r is not listed; it is subscribed to once it is", exchange, symbol)
            else:
                _log.warning("%s: %r is listed no longer; the rest runs", exchange, symbol)
                delisted.append((symbol, before))
        for number in selected.idle:
            does = "excludes nothing" if symbols[number].startswith("!") else "matches nothing yet"
            _log.warning("%s: selector %r %s", exchange, symbols[number], does)
        return delisted

    # a contract may be named with its settle currency, wherever users name it
    def _spelled(self, selectors: Iterable[str]) -> list[str]:
        canonical = self._instruments.canonical
        return [f"!{canonical(one[1:])}" if one.startswith("!") else canonical(one) for one in selectors]


def named(subscription: Subscription) -> tuple[str | None, Channel, int | None, str | None]:
    """Give what makes two subscriptions the same to a user, whatever the instrument's details are."""
    return subscription.symbol, subscription.channel, subscription.depth, subscription.interval


def native_of(instrument: Instrument | None) -> str | None:
    """Give the exchange's own name of an instrument."""
    return None if instrument is None else instrument.native_key or instrument.native


def is_beginning(change: ListingChange) -> bool:
    """Tell whether a listing is new or open again: what a user left stays left, whatever else changes."""
    before = change.before
    return before is None or (before.status is InstrumentStatus.CLOSED and change.instrument is not None)
