"""The L2 book: per side a sorted list of prices and a dict from price to size.

Invariants, held after every call: each list is sorted and holds exactly its dict's keys; no size is zero; an
in-sync book is not crossed; a book that is not in sync answers ``None`` and ``[]``, never its stale levels.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from enum import StrEnum, auto
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeAlias

from tickwire.model.clock import Nanos
from tickwire.model.errors import ConfigError, CrossedBookError, SequenceGapError
from tickwire.model.events import BookDelta, BookSnapshot, Levels, Side, SnapshotCause
from tickwire.model.numbers import N, exact
from tickwire.model.sequence import Decision, SequenceDecider, SequenceRule, decide, expected, rule_of

if TYPE_CHECKING:
    import numpy

__all__ = ["BookArrays", "BookSide", "FillEstimate", "L2Book", "Level"]


_Watch: TypeAlias = tuple[N, N, N, Callable[[BookDelta[N]], None]]

# looking an enum's member up costs as much as a call on the message path
_APPLY, _CONSECUTIVE = Decision.APPLY, SequenceRule.CONSECUTIVE


class BookSide(StrEnum):
    """One side of a book."""

    BID = auto()
    ASK = auto()


class Level(NamedTuple, Generic[N]):
    """One price of one side and the total size resting there."""

    price: N
    size: N


class FillEstimate(NamedTuple, Generic[N]):
    """What a market order would get: average and worst price (``None`` if nothing fills) and what would not fill."""

    average_price: N | None
    worst_price: N | None
    unfilled_size: N


class BookArrays(NamedTuple):
    """Four arrays of ``n`` floats, best first, padded with nan."""

    bid_price: numpy.ndarray[Any, Any]
    bid_size: numpy.ndarray[Any, Any]
    ask_price: numpy.ndarray[Any, Any]
    ask_size: numpy.ndarray[Any, Any]


class L2Book(Generic[N]):
    """Size per price, both sides; the same class live, in replay and over stored events.

    Attributes:
        exchange: The exchange's id.
        symbol: Our symbol.
        is_synced: The levels are the exchange's. While ``False``, every question is answered ``None`` or ``[]``.
        sequence: State the levels show; ``None`` where the exchange does not count.
        ts_event: The exchange's time of the last change.
        ts_recv: When it reached us.
        depth: Window of a windowed book, ``None`` for a whole one.
    """

    def __init__(self, exchange: str, symbol: str, rule: SequenceRule | SequenceDecider | None = None) -> None:
        """Make an empty book, out of sync.

        Args:
            exchange: The exchange's id.
            symbol: Our symbol.
            rule: How deltas are numbered; ``None``: read off each delta's own fields.
        """
        self.exchange = exchange
        self.symbol = symbol
        self.is_synced = False
        self.sequence: int | None = None
        self.ts_event: Nanos | None = None
        self.ts_recv: Nanos | None = None
        self.depth: int | None = None
        self._rule = rule
        self._is_fresh = False
        self._watch: _Watch[N] | None = None
        self._bids: dict[N, N] = {}
        self._asks: dict[N, N] = {}
        self._bid_prices: list[N] = []
        self._ask_prices: list[N] = []

    @classmethod
    def from_snapshot(cls, snapshot: BookSnapshot[N], rule: SequenceRule | SequenceDecider | None = None) -> L2Book[N]:
        """Make a book that shows ``snapshot``."""
        book = cls(snapshot.exchange, snapshot.symbol, rule)
        book.apply_snapshot(snapshot)
        return book

    # --- changing it
    def watch(self, price_above: N, price_below: N, size_below: N, on_beyond: Callable[[BookDelta[N]], None]) -> None:
        """Have every delta looked at that brings a price or a size beyond limits; nan is beyond every limit.

        Here and not beside the book, because the levels are gone through once only.

        Args:
            price_above: Lower limit of prices new to the book.
            price_below: Their upper limit.
            size_below: Limit of sizes.
            on_beyond: Called with the delta once it is applied; what it raises comes out of ``apply_delta``.
        """
        self._watch = (price_above, price_below, size_below, on_beyond)

    def apply(self, event: BookSnapshot[N] | BookDelta[N]) -> None:
        """Take over a snapshot, or apply a delta that follows.

        An old delta is ignored, so is one of a book that is not in sync.

        Raises:
            SequenceGapError: The delta does not follow; the book is now out of sync.
            CrossedBookError: Best bid above best ask afterwards; the book is now out of sync.
        """
        if isinstance(event, BookSnapshot):
            self.apply_snapshot(event)
        else:
            self.apply_delta(event)

    def apply_snapshot(self, snapshot: BookSnapshot[N]) -> None:
        """Replace everything by ``snapshot``; its levels may come in any order, the later of equal prices wins."""
        self._bids = _sizes(snapshot.bids)
        self._asks = _sizes(snapshot.asks)
        self._bid_prices = sorted(self._bids)
        self._ask_prices = sorted(self._asks)
        self.depth = snapshot.depth
        self.sequence = snapshot.sequence
        self.ts_event, self.ts_recv = snapshot.ts_event, snapshot.ts_recv
        self.is_synced = self._is_fresh = True
        if self.depth is not None:
            self._truncate(self.depth)
        self._refuse_crossed()

    def apply_delta(self, delta: BookDelta[N]) -> Decision:
        """Apply a delta if it follows the book's state.

        Returns:
            ``APPLY``, or ``OLD`` if it was ignored: already contained, or the book is not in sync.

        Raises:
            SequenceGapError: It does not follow; the book is now out of sync.
            CrossedBookError: Best bid above best ask afterwards; the book is now out of sync.
        """
        if not self.is_synced:
            return Decision.OLD
        last, end = self.sequence, delta.last_sequence
        # the common case of consecutive numbering, decided without a call
        if (
            last is None
            or end is None
            or delta.first_sequence != last + 1
            or end <= last
            or self._rule is not _CONSECUTIVE
        ):
            decision = decide(self._rule or rule_of(delta), last, delta, self._is_fresh)
            if decision is Decision.OLD:
                return decision
            if decision is Decision.GAP:
                self.lose_sync()
                found = end if delta.first_sequence is None else delta.first_sequence
                raise SequenceGapError(
                    f"{self.exchange} {self.symbol}: a delta starting at {found} does not follow {last}",
                    expected=expected(last), found=found,
                )  # fmt: skip
        bids, asks, watch = self._bid_prices, self._ask_prices, self._watch
        is_beyond = False
        if watch is None:
            _change(self._bids, bids, delta.bids)
            _change(self._asks, asks, delta.asks)
        else:
            if changed := delta.bids:
                is_beyond = _change_watched(self._bids, bids, changed, watch)
            if changed := delta.asks:
                is_beyond = _change_watched(self._asks, asks, changed, watch) or is_beyond
        if self.depth is not None:
            self._truncate(self.depth)
        if end is not None:
            self.sequence = end
        self.ts_event = delta.ts_event
        self.ts_recv = delta.ts_recv
        self._is_fresh = False
        if bids and asks and bids[-1] > asks[0]:
            self._refuse_crossed()
        if is_beyond and watch is not None:
            watch[3](delta)
        return _APPLY

    def turn_of(self, delta: BookDelta[N]) -> Decision:
        """Tell whether a delta would follow; nothing is changed."""
        return decide(self._rule or rule_of(delta), self.sequence, delta, self._is_fresh)

    def lose_sync(self) -> None:
        """Say that the levels are no longer the exchange's."""
        self.is_synced = False

    def _refuse_crossed(self) -> None:
        if self._bid_prices and self._ask_prices and self._bid_prices[-1] > self._ask_prices[0]:
            self.lose_sync()
            raise CrossedBookError(
                f"{self.exchange} {self.symbol}: best bid {self._bid_prices[-1]} is above best ask "
                f"{self._ask_prices[0]} at sequence {self.sequence}"
            )

    def _truncate(self, depth: int) -> None:
        for price in self._bid_prices[:-depth]:
            del self._bids[price]
        del self._bid_prices[:-depth]
        for price in self._ask_prices[depth:]:
            del self._asks[price]
        del self._ask_prices[depth:]

    # --- asking it
    @property
    def best_bid(self) -> Level[N] | None:
        """The highest bid."""
        if not self.is_synced or not self._bid_prices:
            return None
        price = self._bid_prices[-1]
        return Level(price, self._bids[price])

    @property
    def best_ask(self) -> Level[N] | None:
        """The lowest ask."""
        if not self.is_synced or not self._ask_prices:
            return None
        price = self._ask_prices[0]
        return Level(price, self._asks[price])

    @property
    def mid(self) -> N | None:
        """The mean of best bid and best ask, ``None`` unless both are there. Computed in decimals, like ``spread``."""
        bid, ask = self.best_bid, self.best_ask
        return None if bid is None or ask is None else _as(bid.price, (exact(bid.price) + exact(ask.price)) / 2)

    @property
    def spread(self) -> N | None:
        """Best ask less best bid: 0 is locked and valid. As decimals: no digits appear that the prices lack."""
        bid, ask = self.best_bid, self.best_ask
        return None if bid is None or ask is None else _as(bid.price, exact(ask.price) - exact(bid.price))

    def bids(self, n: int | None = None) -> list[Level[N]]:
        """Give the best ``n`` bids (all by default), best first."""
        sizes = self._bids
        return [Level(price, sizes[price]) for price in islice(reversed(self._prices(BookSide.BID)), n)]

    def asks(self, n: int | None = None) -> list[Level[N]]:
        """Give the best ``n`` asks (all by default), best first."""
        sizes = self._asks
        return [Level(price, sizes[price]) for price in islice(self._prices(BookSide.ASK), n)]

    def size_at(self, side: BookSide, price: N) -> N:
        """Give the size resting at a price, zero if none."""
        size = (self._bids if side is BookSide.BID else self._asks).get(price) if self.is_synced else None
        return _as(price, Decimal(0)) if size is None else size

    def volume_to(self, side: BookSide, price: N) -> N:
        """Sum the sizes from the best price up to ``price``, inclusive; zero if there are none. Added as decimals."""
        if side is BookSide.BID:
            within = takewhile(lambda level: level.price >= price, self.bids())
        else:
            within = takewhile(lambda level: level.price <= price, self.asks())
        return _as(price, sum((exact(level.size) for level in within), Decimal(0)))

    def fill(self, side: Side, size: N) -> FillEstimate[N]:
        """Estimate a market order: BUY walks the asks, SELL the bids. Computed in decimals, like ``spread``.

        Args:
            side: The order's side.
            size: Above zero, in the instrument's size unit.
        """
        levels = self.asks() if side is Side.BUY else self.bids()
        wanted = rest = exact(size)
        paid = Decimal(0)
        worst: N | None = None
        for level in levels:
            if rest <= 0:
                break
            taken = min(rest, exact(level.size))
            paid += taken * exact(level.price)
            rest -= taken
            worst = level.price
        average = None if worst is None else _as(size, paid / (wanted - rest))
        return FillEstimate(average, worst, _as(size, rest))

    def arrays(self, n: int) -> BookArrays:
        """Give the best ``n`` levels as four numpy arrays of floats, padded with nan.

        Raises:
            ConfigError: numpy is not installed.
        """
        try:
            import numpy
        except ImportError as error:
            raise ConfigError("L2Book.arrays needs numpy", hint="pip install numpy") from error
        columns = []
        for levels in (self.bids(n), self.asks(n)):
            padded = numpy.full((n, 2), numpy.nan)
            if levels:
                padded[: len(levels)] = levels
            columns += [padded[:, 0], padded[:, 1]]
        return BookArrays(*columns)

    def snapshot(self, n: int | None = None, cause: SnapshotCause = SnapshotCause.PERIODIC) -> BookSnapshot[N]:
        """Give the best ``n`` levels a side (all by default) as an event; empty while not in sync."""
        bids: Levels[N] = tuple((level.price, level.size) for level in self.bids(n))
        asks: Levels[N] = tuple((level.price, level.size) for level in self.asks(n))
        sequence = self.sequence if self.is_synced else None
        return BookSnapshot(
            self.exchange, self.symbol, self.ts_event, self.ts_recv or 0, bids, asks, sequence, None, self.depth, cause
        )

    def _prices(self, side: BookSide) -> Sequence[N]:
        if not self.is_synced:
            return ()
        return self._bid_prices if side is BookSide.BID else self._ask_prices

    def __len__(self) -> int:
        return len(self._bid_prices) + len(self._ask_prices)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        state = "in sync" if self.is_synced else "not in sync"
        levels = f"{len(self._bid_prices)}×{len(self._ask_prices)} levels"
        return f"<L2Book {self.exchange} {self.symbol} {state}, {levels}, sequence {self.sequence}>"


def _change(sizes: dict[N, N], prices: list[N], levels: Iterable[tuple[N, N]]) -> None:
    for price, size in levels:
        if size:
            if price not in sizes:
                insort(prices, price)
            sizes[price] = size
        elif price in sizes:
            del sizes[price]
            del prices[bisect_left(prices, price)]


def _change_watched(sizes: dict[N, N], prices: list[N], levels: Iterable[tuple[N, N]], watch: _Watch[N]) -> bool:
    # as _change, and tells whether a limit was passed; a price that is in the book already was looked at before
    price_above, price_below, size_below, _ = watch
    is_beyond = False
    for price, size in levels:
        if size:
            if price not in sizes:
                insort(prices, price)
                if not price_above < price < price_below:
                    is_beyond = True
            sizes[price] = size
            if size < size_below:
                continue
            is_beyond = True
        elif price in sizes:
            del sizes[price]
            del prices[bisect_left(prices, price)]
    return is_beyond


def _sizes(levels: Levels[N]) -> dict[N, N]:
    # the later of equal prices wins, a later zero too; an exchange sends neither, a test does
    sizes = dict(levels)
    return {price: size for price, size in sizes.items() if size} if 0 in sizes.values() else sizes


def _as(number: N, value: Decimal) -> N:
    # the answer in the number type of the question
    if isinstance(number, Decimal):
        return value
    return float(value)
