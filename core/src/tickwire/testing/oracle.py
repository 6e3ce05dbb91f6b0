"""Judges a feed by what really happened: every trade once, every book right, every hole announced, nothing made up.

Feed it every event (``feed.on(Event, oracle.see)``), stop the feed, and ask for the verdict. It knows what cannot be
seen: trades before ``Subscribed`` and after ``Unsubscribed``, and those that were under way when the feed stopped.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs

from tickwire import (
    Backfilled,
    BookDelta,
    Books,
    BookSnapshot,
    Channel,
    DataError,
    Event,
    Gap,
    Instrument,
    L2Book,
    Nanos,
    Resynced,
    Subscribed,
    Trade,
    Unsubscribed,
    Watermark,
)
from tickwire.simulation import SimTrade, TruthReader
from tickwire.testing.true_books import Digest, digest_of, wrong_books

__all__ = ["Oracle", "number_of"]

_SECOND = 1_000_000_000
_NAMED = 5


def number_of(trade: Trade[Any]) -> int | None:
    """Give the number that a trade has in the ground truth: its sequence, or its id; ``None``: it has none."""
    if trade.sequence is not None:
        return trade.sequence
    return int(trade.trade_id) if trade.trade_id is not None and trade.trade_id.isdecimal() else None


@attrs.define
class _Coverage:
    # From ``Subscribed`` to ``Unsubscribed``; numbers are those of live trades.
    since: Nanos
    until: Nanos | None = None
    first: int | None = None
    last: int | None = None

    def requires(self, trade: SimTrade, in_flight: Nanos, end: Nanos) -> bool:
        is_begun = trade.ts > self.since or (self.first is not None and trade.number >= self.first)
        is_left = self.last is not None and trade.number <= self.last
        until = end if self.until is None else self.until
        return is_begun and (is_left or trade.ts < until - in_flight)


@attrs.define
class _Hole:
    # An announced hole: after the last live trade before it, up to the first live one after it was closed.
    after: int | None
    before: int | None = None
    is_closed: bool = False
    is_void: bool = False
    is_filled: bool = False
    is_left: bool = False
    told: Nanos = 0
    since: int = 0
    ids: tuple[int, int] | None = None

    def excuses(self, number: int) -> bool:
        if self.is_void or self.is_filled:
            return False
        if self.is_closed and self.ids is not None:
            return self.ids[0] <= number <= self.ids[1]
        return (self.after is None or number > self.after) and (self.before is None or number < self.before)


@attrs.define
class _Symbol:
    coverage: list[_Coverage] = attrs.field(factory=list)
    trades: dict[int, Trade[Any]] = attrs.field(factory=dict)
    unnumbered: list[Trade[Any]] = attrs.field(factory=list)
    order: dict[int, int] = attrs.field(factory=dict)
    watermarks: list[tuple[Nanos, int]] = attrs.field(factory=list)
    earlier: set[int] = attrs.field(factory=set)
    holes: dict[str, _Hole] = attrs.field(factory=dict)
    last_live: int | None = None
    has_book: bool = False
    book_gap: str | None = None
    awaits_resynced: bool = False
    book_until: Nanos | None = None
    is_hidden: bool = False
    digests: list[Digest] = attrs.field(factory=list)


class Oracle:
    """Sees every event of one feed.

    Args:
        require_filled: A hole that is announced and not filled is a loss too: for exchanges whose history reaches.
        in_flight: Seconds before the end of coverage within which nothing has to have arrived: how long a connection
            may be dead before a feed can know.
        skew: Seconds by which the exchange's clock was wrong at most; may be set later, like ``in_flight``.
        number: What a trade's number in the ground truth is.
        live: Gives the feed's own books, to be compared at each event.
        numbers: The feed's number type.
        believes_watermarks: What a ``Watermark`` says must be so: not where the exchange keeps things back or loses
            them, which no socket tells.

    Attributes:
        seen: How many events.
        violations: What is wrong already, whatever the truth.
    """

    def __init__(
        self,
        *,
        require_filled: bool = True,
        in_flight: float = 1.0,
        skew: float = 0.0,
        number: Callable[[Trade[Any]], int | None] = number_of,
        live: Callable[[], Mapping[str, L2Book[Any]]] | None = None,
        numbers: type = float,
        believes_watermarks: bool = False,
    ) -> None:
        self.believes_watermarks = believes_watermarks
        self.seen = 0
        self.violations: list[str] = []
        self.skew = skew
        self.in_flight = in_flight
        self._require_filled = require_filled
        self._number = number
        self._live = live
        self._numbers = numbers
        self._symbols: dict[str, _Symbol] = {}
        self._books = Books()
        self._end: Nanos = 0
        self._takes: dict[type, Callable[[Any], None]] = {
            Trade: self._trade,
            BookSnapshot: self._snapshot,
            BookDelta: self._delta,
            Gap: self._gap,
            Backfilled: self._backfilled,
            Resynced: self._resynced,
            Subscribed: self._subscribed,
            Unsubscribed: self._unsubscribed,
            Watermark: self._watermark,
        }

    def see(self, event: Event) -> None:
        """Take in one event; all of them, in order."""
        self.seen += 1
        self._end = max(self._end, event.ts_recv)
        take = self._takes.get(type(event))
        if take is not None:
            take(event)

    def verdict(self, truth: TruthReader) -> list[str]:
        """Say what the feed did wrong; empty: nothing.

        Args:
            truth: Of all that was traded while it ran.
        """
        wrong = list(self.violations)
        for instrument in truth.instruments():
            state = self._symbols.get(instrument.symbol)
            if state is None:
                continue
            real = {trade.number: trade for trade in truth.trades(instrument.native)}
            wrong += self._wrong_trades(instrument, state, real)
            wrong += self._missing_trades(instrument, state, real)
            wrong += self._false_watermarks(instrument, state, real)
            is_hidden = state.is_hidden or state.book_gap is not None
            stands_until = None if is_hidden else (state.book_until or self._end)
            wrong += wrong_books(
                truth, instrument, state.digests, self._numbers,
                None if stands_until is None else stands_until - self._under_way,
            )  # fmt: skip
        known = {instrument.symbol for instrument in truth.instruments()}
        strangers = [name for name, one in self._symbols.items() if name not in known and (one.trades or one.digests)]
        wrong += [f"{symbol}: the exchange trades no such instrument" for symbol in strangers]
        return wrong

    @property
    def _under_way(self) -> Nanos:
        return round(self.in_flight * _SECOND)

    # trades
    def _trade(self, trade: Trade[Any]) -> None:
        state, number = self._of(trade.symbol), self._number(trade)
        if number is None:
            state.unnumbered.append(trade)
            return
        if number in state.trades:
            # an exchange that pushes its last trades does so at each beginning: to a user who came back it is news
            if not (trade.backfilled and number in state.earlier):
                self._blame(f"{trade.symbol}: trade {number} came twice")
            state.earlier.discard(number)
            return
        state.trades[number] = trade
        state.order[number] = self.seen
        if trade.backfilled:
            return
        if not state.coverage or state.coverage[-1].until is not None:
            self._blame(f"{trade.symbol}: trade {number} came without Subscribed")
            return
        coverage = state.coverage[-1]
        coverage.first = number if coverage.first is None else coverage.first
        if state.last_live is not None and number < state.last_live and not self._is_late(state, number):
            self._blame(f"{trade.symbol}: trade {number} came after {state.last_live}")
        coverage.last = state.last_live = max(number, state.last_live or 0)
        for hole in state.holes.values():
            if hole.is_closed and hole.before is None:
                hole.before = number

    @staticmethod
    def _is_late(state: _Symbol, number: int) -> bool:
        return any(hole.excuses(number) for hole in state.holes.values())

    def _wrong_trades(self, instrument: Instrument, state: _Symbol, real: Mapping[int, SimTrade]) -> Iterable[str]:
        slack = _SECOND + round(abs(self.skew) * _SECOND)
        for number, trade in state.trades.items():
            true = real.get(number)
            if true is None:
                yield f"{instrument.symbol}: trade {number} never happened"
                continue
            side = None if trade.taker_side is None else trade.taker_side == ("buy" if true.buyer_is_taker else "sell")
            is_right = (trade.price, trade.size) == (self._numbers(true.price), self._numbers(true.size))
            is_timely = trade.ts_event is None or abs(trade.ts_event - true.ts) <= slack
            if not is_right or side is False or not is_timely:
                yield f"{instrument.symbol}: trade {number} is {trade}, and it was {true}"

    def _missing_trades(self, instrument: Instrument, state: _Symbol, real: Mapping[int, SimTrade]) -> Iterable[str]:
        if state.unnumbered:
            return
        missing = [
            number
            for number, trade in real.items()
            if number not in state.trades
            and any(one.requires(trade, self._under_way, self._end) for one in state.coverage)
        ]
        holes = list(state.holes.values())
        silent = [number for number in missing if not any(hole.excuses(number) for hole in holes)]
        if silent:
            yield f"{instrument.symbol}: {len(silent)} of {len(real)} trades are missing unannounced: {_some(silent)}"
            return
        left = [hole for hole in holes if hole.is_left]
        unfilled = [number for number in missing if not any(hole.excuses(number) for hole in left)]
        if unfilled and self._require_filled:
            yield f"{instrument.symbol}: {len(unfilled)} of {len(real)} trades were never filled: {_some(unfilled)}"

    def _false_watermarks(self, instrument: Instrument, state: _Symbol, real: Mapping[int, SimTrade]) -> Iterable[str]:
        marks = state.watermarks if self.believes_watermarks and not state.unnumbered else []
        for number, trade in real.items() if marks else ():
            first = bisect_left(marks, (trade.ts + _SECOND, 0))
            if first == len(marks) or not any(
                one.requires(trade, self._under_way, self._end) for one in state.coverage
            ):
                continue
            until, when = marks[first]
            is_told = any(hole.since < when and hole.excuses(number) for hole in state.holes.values())
            if state.order.get(number, self.seen + 1) > when and not is_told:
                yield f"{instrument.symbol}: a Watermark says complete until {until}, and trade {number} came later"
                return

    # books
    def _snapshot(self, snapshot: BookSnapshot[Any]) -> None:
        state = self._of(snapshot.symbol)
        state.has_book, state.book_until, state.is_hidden = True, None, False
        self._follow(snapshot, state)
        if state.book_gap is not None:
            state.awaits_resynced = True

    def _delta(self, delta: BookDelta[Any]) -> None:
        state = self._of(delta.symbol)
        if not state.has_book:
            self._blame(f"{delta.symbol}: a delta came before any snapshot")
            return
        if state.book_gap is not None:
            self._blame(f"{delta.symbol}: a delta came between Gap and Resynced")
        self._follow(delta, state)

    def _follow(self, event: BookSnapshot[Any] | BookDelta[Any], state: _Symbol) -> None:
        try:
            self._books.apply(event)
        except DataError as error:
            self._blame(f"{event.symbol}: the stream itself does not follow: {error}")
            return
        book = self._books[event.symbol]
        digest = digest_of(book)
        state.digests.append(digest)
        live = self._live().get(event.symbol) if self._live is not None else None
        if live is not None and digest_of(live) != digest:
            self._blame(f"{event.symbol}: at its event {digest.sequence} the feed's book is {live}")

    def _resynced(self, event: Resynced) -> None:
        state = self._of(event.symbol or "")
        if not state.awaits_resynced or event.gap_id != state.book_gap:
            self._blame(f"{event.symbol}: Resynced of {event.gap_id} follows no snapshot of it")
        state.book_gap, state.awaits_resynced = None, False

    # quality
    def _gap(self, gap: Gap) -> None:
        self._books.apply(gap)
        for symbol in list(self._symbols) if gap.symbol is None else [gap.symbol]:
            state = self._of(symbol)
            if gap.channel in (None, Channel.TRADES):
                self._trade_gap(state, gap)
            if gap.channel in (None, Channel.L2_BOOK) and gap.ts_end is None:
                state.book_gap = gap.gap_id
                self._must_be_hidden(symbol)

    def _trade_gap(self, state: _Symbol, gap: Gap) -> None:
        hole = state.holes.setdefault(gap.gap_id, _Hole(state.last_live, since=self.seen))
        hole.is_closed = gap.ts_end is not None and gap.repair != "backfill"
        hole.is_void = gap.missing == 0
        hole.told = gap.ts_recv
        if gap.first_missing is not None and gap.last_missing is not None:
            hole.ids = gap.first_missing, gap.last_missing

    def _must_be_hidden(self, symbol: str) -> None:
        live = self._live().get(symbol) if self._live is not None else None
        if live is not None and live.is_synced:
            self._blame(f"{symbol}: the book is shown although its Gap is announced")

    def _backfilled(self, event: Backfilled) -> None:
        hole = self._of(event.symbol or "").holes.get(event.gap_id)
        if hole is None:
            self._blame(f"{event.symbol}: Backfilled of {event.gap_id}, which was never announced")
        elif event.is_complete:
            hole.is_filled = hole.is_closed = True

    def _watermark(self, event: Watermark) -> None:
        if event.channel is Channel.TRADES and event.symbol is not None:
            marks = self._of(event.symbol).watermarks
            if marks and event.ts_until < marks[-1][0]:
                self._blame(f"{event.symbol}: a Watermark goes back to {event.ts_until}")
                return
            marks.append((event.ts_until, self.seen))

    def _subscribed(self, event: Subscribed) -> None:
        if event.channel is Channel.TRADES:
            self._of(event.symbol or "").coverage.append(_Coverage(event.ts_since))

    def _unsubscribed(self, event: Unsubscribed) -> None:
        self._books.apply(event)
        state = self._of(event.symbol or "")
        # what was wanted again and never covered again ends with one too
        if event.channel is Channel.TRADES and state.coverage and state.coverage[-1].until is None:
            state.coverage[-1].until = event.ts_recv
            state.earlier.update(state.trades)
            for hole in state.holes.values():
                # nobody waits any more for what is being fetched
                hole.is_left = hole.is_left or not hole.is_closed or hole.told == event.ts_recv
        if event.channel is Channel.L2_BOOK:
            if state.has_book:
                state.has_book, state.book_until = False, event.ts_recv
                state.is_hidden = state.book_gap is not None
            # a hole that opened before the first snapshot ends here too
            state.book_gap, state.awaits_resynced = None, False

    def _of(self, symbol: str) -> _Symbol:
        return self._symbols.setdefault(symbol, _Symbol())

    def _blame(self, what: str) -> None:
        if len(self.violations) < 100:
            self.violations.append(what)


def _some(numbers: Sequence[int]) -> str:
    more = f" … {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else ""
    return ", ".join(map(str, sorted(numbers)[:_NAMED])) + more
