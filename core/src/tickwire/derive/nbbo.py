"""The best bid and ask of a symbol over all exchanges; an exchange that is silent, or has a hole, does not count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from tickwire.derive.exchange_books import ExchangeBooks
from tickwire.model.book import L2Book
from tickwire.model.channels import Channel
from tickwire.model.clock import Nanos
from tickwire.model.events import BookDelta, BookSnapshot, Quote
from tickwire.model.quality import Event, Gap, Unsubscribed

__all__ = ["Nbbo"]

_Best = tuple[Any, Any, Any, Any]
_NOTHING: _Best = (None, None, None, None)


@attrs.frozen
class _Side:
    # what one exchange shows
    best: _Best
    ts_event: Nanos | None
    ts_recv: Nanos


class Nbbo:
    """Gives a ``Quote`` of an exchange of its own name, whenever the best of all changes; what it is made of passes.

    Quotes are taken where an exchange gives them (``l1_book``), else the top of its books. Sizes at one price are those
    of the exchange that showed it first. Time is that of the events: staleness is noticed with the next event of
    anything.
    """

    def __init__(self, stale: Nanos, name: str = "nbbo") -> None:
        """Begin.

        Args:
            stale: An exchange that said nothing for so long does not count, ns of ``ts_recv``.
            name: The exchange's id in the quotes.
        """
        self._stale = stale
        self._name = name
        self._books = ExchangeBooks()
        self._shown: dict[str, dict[str, _Side]] = {}
        self._quoted: set[tuple[str, str]] = set()
        self._last: dict[str, _Best] = {}
        self._due: Nanos | None = None

    def apply(self, event: Event) -> Iterator[Event]:
        """Take one event."""
        yield event
        book = self._books.apply(event)
        if self._due is not None and event.ts_recv >= self._due:
            yield from self._aged(event.ts_recv)
        if isinstance(event, Quote):
            if event.exchange == self._name:
                return
            self._quoted.add((event.exchange, event.symbol))
            best = (event.bid_price, event.bid_size, event.ask_price, event.ask_size)
            yield from self._show(event.exchange, event.symbol, _Side(best, event.ts_event, event.ts_recv))
        elif isinstance(event, BookSnapshot | BookDelta):
            if (event.exchange, event.symbol) not in self._quoted:
                side = None if book is None else _Side(_top(book), event.ts_event, event.ts_recv)
                yield from self._show(event.exchange, event.symbol, side)
        elif isinstance(event, Gap | Unsubscribed):
            yield from self._lost(event)

    def flush(self) -> Iterator[Event]:
        """Give nothing: nothing is held back."""
        yield from ()

    def _show(self, exchange: str, symbol: str, side: _Side | None) -> Iterator[Event]:
        shown = self._shown.setdefault(symbol, {})
        if side is None:
            now = shown[exchange].ts_recv if exchange in shown else 0
            if shown.pop(exchange, None) is None:
                return
        else:
            shown[exchange] = side
            now = side.ts_recv
            due = now + self._stale
            self._due = due if self._due is None else min(self._due, due)
        yield from self._best(symbol, None if side is None else side.ts_event, now)

    def _lost(self, event: Gap | Unsubscribed) -> Iterator[Event]:
        if isinstance(event, Gap) and event.ts_end is not None:
            return  # it is over: what came after it was shown
        for symbol in list(self._shown) if event.symbol is None else [event.symbol]:
            is_quoted = (event.exchange, symbol) in self._quoted
            of = Channel.L1_BOOK if is_quoted else Channel.L2_BOOK
            if event.channel in (None, of) and self._shown.get(symbol, {}).pop(event.exchange, None) is not None:
                yield from self._best(symbol, None, event.ts_recv)

    def _aged(self, now: Nanos) -> Iterator[Event]:
        for symbol, shown in self._shown.items():
            old = [exchange for exchange, side in shown.items() if now - side.ts_recv >= self._stale]
            for exchange in old:
                del shown[exchange]
            if old:
                yield from self._best(symbol, None, now)
        times = [side.ts_recv + self._stale for shown in self._shown.values() for side in shown.values()]
        self._due = min(times, default=None)

    def _best(self, symbol: str, ts_event: Nanos | None, now: Nanos) -> Iterator[Event]:
        bid: tuple[Any, Any] = (None, None)
        ask: tuple[Any, Any] = (None, None)
        for side in self._shown[symbol].values():
            bid_price, bid_size, ask_price, ask_size = side.best
            if bid_price is not None and (bid[0] is None or bid_price > bid[0]):
                bid = (bid_price, bid_size)
            if ask_price is not None and (ask[0] is None or ask_price < ask[0]):
                ask = (ask_price, ask_size)
        best = (*bid, *ask)
        if best != self._last.get(symbol, _NOTHING):
            self._last[symbol] = best
            yield Quote(self._name, symbol, ts_event, now, *best)


def _top(book: L2Book[Any]) -> _Best:
    bid, ask = book.best_bid, book.best_ask
    return (*(bid or (None, None)), *(ask or (None, None)))
