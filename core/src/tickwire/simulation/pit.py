"""Where one instrument is traded: engine and strangers, counted, timed and written as texts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import islice
from random import Random
from typing import Protocol, overload

from tickwire.model.clock import Clock, Nanos
from tickwire.model.instruments import Instrument
from tickwire.simulation.account import Account
from tickwire.simulation.figures import SimCandle, SimMark, SimOpenInterest, SimTicker, Tally, Tape
from tickwire.simulation.matching import BookHalf, MatchingEngine
from tickwire.simulation.order_flow import OrderFlow
from tickwire.simulation.records import SimBook, SimOrder, SimTrade
from tickwire.simulation.texts import StepTexts

__all__ = ["MarketListener", "Pit"]

_OPENING_TICKS = 10_000


class MarketListener(Protocol):
    """Told of everything that happens, as it happens."""

    def trade(self, trade: SimTrade, pit: Pit) -> None:
        """Two orders met."""
        ...

    def change(self, change: SimBook, pit: Pit) -> None:
        """A level changed; ``pit`` shows the book right after."""
        ...


class Pit:
    """One instrument's market. The same seed and instrument give the same trades and changes, step by step.

    Attributes:
        instrument: What is traded.
        sequence: Number of the last changed level.
        number: Number of the last trade.
        kept: The last trades, oldest first.
        tape: The sums of all trades.
    """

    def __init__(
        self,
        instrument: Instrument,
        listeners: Sequence[MarketListener],
        clock: Clock,
        *,
        seed: int,
        price: Decimal | None,
        orders: int,
        kept_trades: int,
        tell_order: Callable[[SimOrder, Pit], None] | None = None,
    ) -> None:
        random = Random(f"{seed}:{instrument.native}")
        self.instrument = instrument
        self.sequence = 4_330_000_000 + random.randrange(10_000_000)
        self.number = 341_000_000 + random.randrange(1_000_000)
        self.kept: deque[SimTrade] = deque(maxlen=kept_trades)
        self._listeners = listeners
        self._clock = clock
        self._price, self._size = StepTexts(instrument.tick_size), StepTexts(instrument.lot_size)
        self._ts: Nanos = clock.now()
        self.tape = Tape(instrument, self._ts)
        self._is_open = False
        self._account: Account | None = None
        self._engine = MatchingEngine(self, first_order=113_780_000_000 + random.randrange(1_000_000))
        self._bids, self._asks = _Levels(self, self._engine.bids), _Levels(self, self._engine.asks)
        opening = int(price / (instrument.tick_size or 1)) if price is not None else _OPENING_TICKS
        self._flow = OrderFlow(self._engine, random, opening, orders)
        self._flow.populate()
        if tell_order is not None:
            self._account = Account(instrument, self._price, self._size, lambda order: tell_order(order, self))
        self._is_open = True

    def step(self) -> None:
        """Let one stranger act, which trades and changes levels, or neither."""
        self._ts = self._clock.now()
        self._flow.step()

    @property
    def top(self) -> tuple[int, int, int, int]:
        """Tick and lots of best bid and best ask."""
        bids, asks = self._engine.bids, self._engine.asks
        bid, ask = bids.best, asks.best
        return bid, bids.totals[bid], ask, asks.totals[ask]

    def live(self) -> SimBook:
        """Give a view of the whole book: cheap, and true until the next step."""
        return SimBook(self.instrument, None, self.sequence, self._ts, self._bids, self._asks)

    def whole(self, depth: int | None = None) -> SimBook:
        """Give the best ``depth`` levels of both sides, fixed."""
        bids, asks = self._bids[:depth], self._asks[:depth]
        return SimBook(self.instrument, None, self.sequence, self._ts, bids, asks)

    def ticker(self) -> SimTicker:
        """Sum up the trades so far."""
        total = self.tape.total
        volume, value = self._size(total.lots), self.tape.quote_text(total)
        return SimTicker(self.instrument, self._clock.now(), *self._prices(total), volume, value, total.count)

    def candle(self, bucket: str, start: Nanos, end: Nanos, is_closed: bool) -> SimCandle:
        """Sum up the trades of a bucket."""
        tally = self.tape.between(start, end)
        volume, value = self._size(tally.lots), self.tape.quote_text(tally)
        prices = self._prices(tally)
        return SimCandle(self.instrument, bucket, start, end, *prices, volume, value, tally.count, is_closed)

    def _prices(self, tally: Tally) -> tuple[str | None, str | None, str | None, str | None]:
        if not tally.count:
            return (None, None, None, None)
        return self._price(tally.open), self._price(tally.high), self._price(tally.low), self._price(tally.close)

    def mark(self) -> SimMark:
        """Give the middle of the book."""
        bid, _, ask, _ = self.top
        middle = (bid + ask) * (self.instrument.tick_size or Decimal(1)) / 2
        return SimMark(self.instrument, self._clock.now(), self._price((bid + ask) // 2), f"{middle:.8f}")

    def open_interest(self) -> SimOpenInterest:
        """Give the volume of all trades: each opens a position."""
        return SimOpenInterest(self.instrument, self._clock.now(), self._size(self.tape.total.lots))

    def level(self, tick: int, lots: int) -> tuple[str, str]:
        """Write a level."""
        return self._price(tick), self._size(lots)

    def placed(self, number: int, is_bid: bool, tick: int, lots: int) -> None:
        """Let the account take its own orders over."""
        if self._account is not None:
            self._account.placed(number, is_bid, tick, lots, self._ts)

    def reduced(self, number: int, lots: int, left: int) -> None:
        """Let the account know of its own orders."""
        if self._account is not None:
            self._account.reduced(number, lots, left, self._ts)

    def matched(self, tick: int, lots: int, buyer: int, seller: int, buyer_is_taker: bool) -> None:
        """Number a match and tell it."""
        if not self._is_open:
            return
        self.number += 1
        trade = SimTrade(
            self.instrument, self.number, self._price(tick), self._size(lots), buyer_is_taker, self._ts, buyer, seller
        )
        self.kept.append(trade)
        self.tape.add(self._ts, tick, lots)
        for listener in self._listeners:
            listener.trade(trade, self)
        if self._account is not None:
            self._account.matched(buyer, lots, self._ts)
            self._account.matched(seller, lots, self._ts)

    def level_changed(self, is_bid: bool, tick: int, lots: int) -> None:
        """Number a changed level and tell it."""
        if not self._is_open:
            return
        previous = self.sequence
        self.sequence = previous + 1
        level = ((self._price(tick), self._size(lots)),)
        bids, asks = (level, ()) if is_bid else ((), level)
        change = SimBook(self.instrument, previous, self.sequence, self._ts, bids, asks)
        for listener in self._listeners:
            listener.change(change, self)


class _Levels(Sequence[tuple[str, str]]):
    # One side, written only as far as somebody reads it.
    def __init__(self, pit: Pit, half: BookHalf) -> None:
        self._pit = pit
        self._half = half

    def __len__(self) -> int:
        return len(self._half)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return (self._pit.level(tick, lots) for tick, lots in self._half)

    @overload
    def __getitem__(self, index: int) -> tuple[str, str]: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[tuple[str, str], ...]: ...
    def __getitem__(self, index: int | slice) -> tuple[str, str] | tuple[tuple[str, str], ...]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step < 0:
                return tuple(self)[index]
            return tuple(self._pit.level(tick, lots) for tick, lots in islice(self._half, start, stop, step))
        return self[index : index + 1 or None][0]
