"""V: prices, sizes, sides, times and ids are the exchange's own, to the last digit."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tickwire import BookDelta, BookSnapshot, Channel, ConfigError, Nanos, Quote, Side, Trade, exact
from tickwire.plugin import BookStart, Ids, Stamp
from tickwire.simulation import Abilities, SimTrade
from tickwire.testing.checks import check
from tickwire.testing.following import Followed
from tickwire.testing.kit import Conformance
from tickwire.testing.prerequisites import verify_listed
from tickwire.testing.routing import each_frame, read
from tickwire.testing.sanity import market_events
from tickwire.testing.subject import Subject
from tickwire.testing.verdicts import SPOKEN, cannot, verify

__all__ = ["ValueChecks"]

_SKIP = "the exchange has no trades, or there is no simulator"
_SECOND = 1_000_000_000


class ValueChecks(Conformance):
    """The checks whose ids begin with V."""

    @check("V1", proves="each trade has the wire's price and size, to the last digit, in the instrument's own unit",
           skip_when=_SKIP)  # fmt: skip
    def test_v1_trades_are_exact(self, subject: Subject) -> None:
        for trade, truth in _trades(subject):
            for name, found, text in (("price", trade.price, truth.price), ("size", trade.size, truth.size)):
                what = f"{trade.symbol}: {name} {text} comes as {found}"
                verify(exact(found) == Decimal(text), SPOKEN, what, "hand it on unconverted, read from its text")

    @check("V2", proves="each level has the wire's price and size, to the last digit",
           skip_when="the exchange has no l2_book, or there is no simulator")  # fmt: skip
    def test_v2_levels_are_exact(self, subject: Subject) -> None:
        followed = Followed(subject, Channel.L2_BOOK)
        followed.start_books()
        for book, event in followed.changes(120):
            if followed.is_comparable(book):
                bids, asks = followed.true_levels(book, Decimal)
                true = dict(bids), dict(asks)
                for side, levels in enumerate((event.bids, event.asks)):
                    for price, size in levels[:50]:
                        meant = true[side].get(exact(price), Decimal(0))
                        what = f"{book.symbol}: {price} has {size}, and the exchange {meant}"
                        last = dict(levels)[price] == size
                        verify(not last or exact(size) == meant, SPOKEN, what, "hand levels on as they are sent")

    @check(
        "V3", proves="taker_side is who crossed the spread, or None where the exchange does not say", skip_when=_SKIP
    )
    def test_v3_sides_are_the_takers(self, subject: Subject) -> None:
        found = [(trade, Side.BUY if truth.buyer_is_taker else Side.SELL) for trade, truth in _trades(subject)]
        for trade, side in found:
            what = f"trade {trade.trade_id}: the taker's side is {side}, and it says {trade.taker_side}"
            verify(trade.taker_side in (side, None), SPOKEN, what, "turn the maker's side round")
        verify(len({trade.taker_side for trade, _ in found}) < 3, SPOKEN, "some sides are None", "say all or none")

    @check("V4", proves="ts_event is the exchange's time in ns, or None, as declared", skip_when=_SKIP)
    def test_v4_times_are_as_declared(self, subject: Subject) -> None:
        stamp = subject.info.channels[Channel.TRADES].ts_event if Channel.TRADES in subject.info.channels else None
        for trade, truth in _trades(subject):
            _verify_time(trade.ts_event, truth.ts, stamp)
        if subject.info.offers(Channel.L2_BOOK):
            followed = Followed(subject, Channel.L2_BOOK)
            for item in followed.items(60):
                if isinstance(item, BookSnapshot | BookDelta):
                    if _is_fetched(subject, item):
                        continue
                    declared = subject.info.channels[Channel.L2_BOOK].ts_event
                    _verify_time(item.ts_event, followed.exchange.clock.now(), declared)

    @check("V5", proves="instruments have the base, quote, kind, steps and units that the exchange lists",
           skip_when="there is no simulator, or its dress names no instruments", file="symbols.py")  # fmt: skip
    def test_v5_instruments_are_as_listed(self, subject: Subject) -> None:
        exchange = subject.speaking(traded=0)
        if getattr(exchange.dress, "instruments", None) is None:
            cannot("the dress names no instruments")
        verify_listed(Abilities.of(exchange.dress).instruments, subject.loaded(exchange).instruments)

    @check("V6", proves="numbers=Decimal gives the same values, exact", skip_when="the plugin gives floats only")
    def test_v6_decimals_agree(self, subject: Subject) -> None:
        try:
            decimals = subject.reading(numbers=Decimal)
        except ConfigError as error:
            cannot(str(error))
        floats = subject.reading()
        for name, frame, socket in each_frame(subject):
            pairs = zip(
                market_events(read(floats.router(socket), frame)),
                market_events(read(decimals.router(socket), frame)),
                strict=True,
            )
            for one, other in pairs:
                for field in one.__struct_fields__:
                    values = getattr(one, field), getattr(other, field)
                    what = f"{name}: {field} is {values[0]!r} in floats and {values[1]!r} in decimals"
                    verify(_agree(*values), "routing.py", what, "hand numbers to NativeMessageRouter(numbers=…)")

    @check("V7", proves="trade ids and sequences count as declared", skip_when=_SKIP)
    def test_v7_ids_are_as_declared(self, subject: Subject) -> None:
        found: dict[str, list[Trade]] = {}
        for trade, _ in _trades(subject):
            found.setdefault(trade.symbol, []).append(trade)
        ids = subject.info.channels[Channel.TRADES].ids
        for symbol, trades in found.items():
            names = [trade.trade_id for trade in trades]
            numbers = [trade.sequence for trade in trades]
            has_ids = None not in names and len(set(names)) == len(names)
            what = f"{symbol}: ids=Ids.{ids.name}, and ids are {names[:3]}…"
            verify(has_ids or ids is Ids.NONE, SPOKEN, what, "set trade_id to the exchange's own, as text")
            if ids is Ids.CONSECUTIVE:
                start = numbers[0]
                counted = start is not None and numbers == list(range(start, start + len(numbers)))
                what = f"{symbol}: ids=Ids.CONSECUTIVE, and sequences are {numbers[:5]}…"
                verify(counted, SPOKEN, what, "set sequence to the counter, or declare what it is")

    @check("V8", proves="each quote is the best bid and ask of that moment",
           skip_when="the exchange has no l1_book, or the dress gives none")  # fmt: skip
    def test_v8_quotes_are_the_top(self, subject: Subject) -> None:
        if subject.info.offers(Channel.L1_BOOK) and Abilities.of(subject.speaking().dress).quote is None:
            cannot("the dress gives no quotes")
        followed = Followed(subject, Channel.L1_BOOK)
        seen = 0
        for item in followed.items(300):
            if isinstance(item, Quote):
                seen += 1
                native = followed.natives[item.symbol]
                if item.sequence is None:
                    continue  # several changes may lie between the quote and now
                whole = followed.book_at(native, item.sequence)
                meant = tuple(float(text) for text in (*whole.bids[0], *whole.asks[0]))
                found = (item.bid_price, item.bid_size, item.ask_price, item.ask_size)
                verify(found == meant, SPOKEN, f"{item.symbol}: {found} is quoted, and it was {meant}", "bid is b")
        verify(seen, SPOKEN, "no quote comes", "read the exchange's best bid and ask")


def _trades(subject: Subject) -> Iterator[tuple[Trade, SimTrade]]:
    followed = Followed(subject, Channel.TRADES)
    items = followed.items(700)
    given = [item for item in items if isinstance(item, Trade) and not item.backfilled]
    verify(len(given) > 20, SPOKEN, f"700 steps give {len(given)} trades", "read the exchange's trades")
    truth = {symbol: followed.exchange.truth.trades(native) for symbol, native in followed.natives.items()}
    for trade in given:
        true = next(truth[trade.symbol], None)
        verify(true is not None, SPOKEN, f"{trade} never happened", "give each trade once")
        assert true is not None
        yield trade, true
    rest = sum(1 for trades in truth.values() for _ in trades)
    verify(not rest, SPOKEN, f"{rest} of {len(given) + rest} trades never come", "give every row of a frame")


def _verify_time(found: Nanos | None, true: Nanos, stamp: Stamp | None) -> None:
    if stamp is Stamp.NONE:
        verify(found is None, "info.py", f"ts_event=Stamp.NONE, and it is {found}", "declare whose time it is")
        return
    verify(found is not None, SPOKEN, "ts_event is None, and a time is declared", "hand on the wire's time")
    assert found is not None
    what = f"ts_event is {found}, {abs(found - true) / _SECOND:.3g} s from the exchange's own time"
    verify(abs(found - true) < _SECOND, SPOKEN, what, "turn the wire's unit into nanoseconds")


# a snapshot that a transport fetched over REST has whatever time REST gives: often none
def _is_fetched(subject: Subject, item: BookSnapshot[Any] | BookDelta[Any]) -> bool:
    book = subject.info.book
    is_synced = book is not None and book.start is BookStart.SYNCED
    return is_synced and isinstance(item, BookSnapshot) and item.ts_event is None


def _agree(one: Any, other: Any) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_agree, one, other))
    if isinstance(one, float):
        return isinstance(other, Decimal) and float(other) == one
    return bool(one == other)
