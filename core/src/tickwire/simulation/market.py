"""The seeded market: many instruments, stepped in turn, with its ground truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import cycle, islice

from tickwire.model.clock import Clock, Nanos, SystemClock
from tickwire.model.errors import ConfigError, UnknownInstrumentError, UnknownNativeError
from tickwire.model.instruments import Instrument, InstrumentStatus
from tickwire.simulation.abilities import Abilities
from tickwire.simulation.candles import bucket_of
from tickwire.simulation.figures import SimCandle, SimMark, SimOpenInterest, SimTicker
from tickwire.simulation.pit import MarketListener, Pit
from tickwire.simulation.records import Dress, SimBook, SimOrder, SimTrade
from tickwire.simulation.truth import TruthLog

__all__ = ["SeededMarket"]


class SeededMarket:
    """All that trades on the simulated exchange; a ``SimMarket``.

    Args:
        instruments: What is listed. Closed ones are listed and nothing else.
        seed: The same seed gives the same market, instrument by instrument.
        clock: Timestamps come from it; nothing else does.
        truth: Records everything that happens; ``None``: nothing is recorded.
        prices: Where instruments open, by native symbol.
        orders: About how many orders rest per instrument.
        kept_trades: How many of the last trades REST can give, per instrument.
        has_account: One limit order in ten belongs to the account of whoever logs in. What trades stays the same.

    Attributes:
        instruments: What is listed.
        clock: Where its time comes from.
        changes: Levels changed since the start, over all instruments.
        trades_made: Matches since the start, over all instruments.

    Raises:
        ConfigError: No instrument is open.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        *,
        seed: int = 0,
        clock: Clock | None = None,
        truth: TruthLog | None = None,
        prices: Mapping[str, Decimal] | None = None,
        orders: int = 400,
        kept_trades: int = 10_000,
        has_account: bool = False,
    ) -> None:
        self.instruments: Sequence[Instrument] = tuple(instruments)
        self.clock = clock or SystemClock()
        self.changes = 0
        self.trades_made = 0
        counter = _Counter(self)
        self._listeners: list[MarketListener] = [counter] if truth is None else [counter, _Recorder(truth)]
        self._order_listeners: list[Callable[[SimOrder, Pit], None]] = []
        if truth is not None:
            self._order_listeners.append(lambda order, pit: truth.order(order))
        self._pits = {
            instrument.native: Pit(
                instrument,
                self._listeners,
                self.clock,
                seed=seed,
                price=(prices or {}).get(instrument.native),
                orders=orders,
                kept_trades=kept_trades,
                tell_order=self._tell_order if has_account else None,
            )
            for instrument in self.instruments
            if instrument.status is not InstrumentStatus.CLOSED
        }
        if not self._pits:
            listed = ", ".join(instrument.symbol for instrument in self.instruments) or "nothing"
            raise ConfigError(f"nothing would trade: only {listed} is listed", hint="choose an open instrument")
        self._turns = cycle(self._pits.values())
        if truth is not None:
            for pit in self._pits.values():
                truth.opened(pit.instrument)
                truth.snapshot(pit.whole())

    @classmethod
    def of(
        cls,
        dress: Dress,
        symbols: Iterable[str] = (),
        *,
        seed: int = 0,
        clock: Clock | None = None,
        truth: TruthLog | None = None,
        orders: int = 400,
        kept_trades: int = 10_000,
    ) -> SeededMarket:
        """Make the market a dress describes.

        Args:
            dress: Its ``instruments`` and ``prices`` are used, where it has them.
            symbols: Only these, in our spelling or the exchange's; none: all.
            seed: As of the class, like the rest.
            clock: Where time comes from.
            truth: What records.
            orders: Resting orders per instrument.
            kept_trades: Trades REST can give.

        Raises:
            UnknownInstrumentError: The dress does not know a symbol.
        """
        abilities = Abilities.of(dress)
        chosen = list(abilities.instruments)
        if wanted := list(symbols):
            known = {name: i for i in abilities.instruments for name in (i.native, i.symbol)}
            if missing := [symbol for symbol in wanted if symbol not in known]:
                raise UnknownInstrumentError(
                    f"the simulated exchange does not list {', '.join(map(repr, missing))}",
                    hint=f"one or more of {', '.join(i.symbol for i in abilities.instruments)}",
                )
            chosen = list(dict.fromkeys(known[symbol] for symbol in wanted))
        return cls(
            chosen,
            seed=seed,
            clock=clock,
            truth=truth,
            prices=abilities.prices,
            orders=orders,
            kept_trades=kept_trades,
            has_account=abilities.order is not None,
        )

    def step(self) -> None:
        """Let one stranger act on the next instrument."""
        next(self._turns).step()

    def listen(self, listener: MarketListener) -> None:
        """Tell a listener everything from now on, synchronously, in order."""
        self._listeners.append(listener)

    def listen_to_orders(self, tell: Callable[[SimOrder, Pit], None]) -> None:
        """Tell of every change of the account's orders from now on, likewise."""
        self._order_listeners.append(tell)

    def _tell_order(self, order: SimOrder, pit: Pit) -> None:
        for tell in self._order_listeners:
            tell(order, pit)

    def pit(self, native: str) -> Pit:
        """Give one instrument's market.

        Raises:
            UnknownNativeError: It is not listed, or closed.
        """
        pit = self._pits.get(native)
        if pit is None:
            raise UnknownNativeError(f"the simulated exchange trades no {native!r}")
        return pit

    def trades(self, native: str, after: int, limit: int) -> Sequence[SimTrade]:
        """Give the first ``limit`` kept trades numbered above ``after``, oldest first."""
        kept = self.pit(native).kept
        start = max(0, after + 1 - kept[0].number) if kept else 0
        return list(islice(kept, start, start + limit))

    def latest(self, native: str, limit: int, offset: int = 0) -> Sequence[SimTrade]:
        """Give ``limit`` trades, newest first, without the newest ``offset``."""
        return list(islice(reversed(self.pit(native).kept), offset, offset + limit))

    def book(self, native: str, depth: int) -> SimBook:
        """Give the best ``depth`` levels of both sides as they are now."""
        return self.pit(native).whole(depth)

    def ticker(self, native: str) -> SimTicker:
        """Sum up the trades so far."""
        return self.pit(native).ticker()

    def candles(self, native: str, bucket: str, start: Nanos, end: Nanos, limit: int) -> Sequence[SimCandle]:
        """Give the first ``limit`` closed candles from the bucket of ``start`` on, none from before the market."""
        pit, now, found = self.pit(native), self.clock.now(), list[SimCandle]()
        first, last = bucket_of(bucket, max(start, pit.tape.began))
        while len(found) < limit and first < end and last <= now:
            found.append(pit.candle(bucket, first, last, True))
            first, last = bucket_of(bucket, last)
        return found

    def mark(self, native: str) -> SimMark:
        """Give mark and index price as they are now."""
        return self.pit(native).mark()

    def open_interest(self, native: str) -> SimOpenInterest:
        """Give what is held open now."""
        return self.pit(native).open_interest()

    def now(self) -> Nanos:
        """Give the market's time."""
        return self.clock.now()


class _Counter:
    def __init__(self, market: SeededMarket) -> None:
        self._market = market

    def trade(self, trade: SimTrade, pit: Pit) -> None:
        self._market.trades_made += 1

    def change(self, change: SimBook, pit: Pit) -> None:
        self._market.changes += 1


class _Recorder:
    def __init__(self, truth: TruthLog) -> None:
        self._truth = truth

    def trade(self, trade: SimTrade, pit: Pit) -> None:
        self._truth.trade(trade)

    def change(self, change: SimBook, pit: Pit) -> None:
        self._truth.change(change)
        if not change.sequence % 1_000:
            self._truth.snapshot(pit.whole())
