"""The market as a hostile exchange's REST sees it: books of some changes ago, trades without the last seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final

from tickwire.model.channels import Channel
from tickwire.model.clock import Nanos
from tickwire.model.instruments import Instrument, InstrumentStatus
from tickwire.plugin.protocols import Request
from tickwire.simulation.faults import Fault, FaultKind, Faults
from tickwire.simulation.figures import SimCandle, SimMark, SimOpenInterest, SimTicker
from tickwire.simulation.market import SeededMarket
from tickwire.simulation.pit import Pit
from tickwire.simulation.records import SimBook, SimLevels, SimTrade
from tickwire.simulation.wrong_clock import skewed

__all__ = ["PastBooks", "StaleMarket", "names"]

_KEPT: Final = 2_000
_WHOLE: Final = 1_000_000


def names(request: Request, native: str) -> bool:
    """Tell whether a request names an instrument, as a value of its query or in its path."""
    return native in map(str, request.params.values()) or native in request.path


class PastBooks:
    """Remembers the last 2,000 changes of each book, and trades that a wrong clock has dated; listens to the market."""

    def __init__(self, market: SeededMarket, faults: Faults) -> None:
        self._faults = faults
        self._skews: dict[tuple[str, int], Nanos] = {}
        self._books = {
            instrument.native: _PastBook(market.book(instrument.native, _WHOLE))
            for instrument in market.instruments
            if instrument.status is not InstrumentStatus.CLOSED
        }
        market.listen(self)

    def trade(self, trade: SimTrade, pit: Pit) -> None:
        """Remember how wrong the date of a trade is; the trade itself is the market's to remember."""
        if skew := self._faults.skew:
            self._skews[trade.instrument.native, trade.number] = skew

    def dated(self, trade: SimTrade) -> SimTrade:
        """Give a trade as it was dated when it happened: what the clock says later changes nothing."""
        return skewed(trade, self._skews.get((trade.instrument.native, trade.number), 0))

    def change(self, change: SimBook, pit: Pit) -> None:
        """Remember a change."""
        self._books[change.instrument.native].add(change)

    def book(self, native: str, behind: int, depth: int) -> SimBook:
        """Give the book as it was that many changes ago, or as far back as is remembered."""
        return self._books[native].before(behind, depth)


class _PastBook:
    def __init__(self, whole: SimBook) -> None:
        self._oldest = whole
        self._bids, self._asks = dict(whole.bids), dict(whole.asks)
        self._changes: deque[SimBook] = deque()

    def add(self, change: SimBook) -> None:
        self._changes.append(change)
        if len(self._changes) > _KEPT:
            self._oldest = self._changes.popleft()
            _apply(self._oldest, self._bids, self._asks)

    def before(self, behind: int, depth: int) -> SimBook:
        bids, asks, last = dict(self._bids), dict(self._asks), self._oldest
        for change in islice(self._changes, max(0, len(self._changes) - behind)):
            _apply(change, bids, asks)
            last = change
        return SimBook(
            last.instrument, None, last.sequence, last.ts,
            _best(bids, depth, is_bid=True), _best(asks, depth, is_bid=False),
        )  # fmt: skip


def _apply(change: SimBook, bids: dict[str, str], asks: dict[str, str]) -> None:
    for side, levels in ((bids, change.bids), (asks, change.asks)):
        for price, size in levels:
            if float(size):
                side[price] = size
            else:
                side.pop(price, None)


def _best(levels: dict[str, str], depth: int, *, is_bid: bool) -> SimLevels:
    return sorted(levels.items(), key=lambda level: float(level[0]), reverse=is_bid)[:depth]


class StaleMarket:
    """A ``SimMarket`` for one request, as wrong as the faults that are under way."""

    def __init__(self, market: SeededMarket, past: PastBooks, faults: Faults, request: Request) -> None:
        self.instruments: Sequence[Instrument] = market.instruments
        self._market = market
        self._past = past
        self._faults = faults
        self._request = request

    def book(self, native: str, depth: int) -> SimBook:
        """Give the book, of some changes ago where a fault says so."""
        book = self._market.book(native, depth)
        if stale := self._taken(FaultKind.STALE_SNAPSHOT, Channel.L2_BOOK, native):
            book = self._past.book(native, stale.behind, depth)
        return skewed(book, self._faults.skew)

    def trades(self, native: str, after: int, limit: int) -> Sequence[SimTrade]:
        """Give trades above a number, without those that a fault hides."""
        known_until = self._known_until(native)
        found = self._market.trades(native, after, limit)
        return [self._past.dated(trade) for trade in found if trade.ts <= known_until]

    def latest(self, native: str, limit: int, offset: int = 0) -> Sequence[SimTrade]:
        """Give the newest trades that no fault hides."""
        known_until = self._known_until(native)
        kept = reversed(self._market.pit(native).kept)
        known = (self._past.dated(trade) for trade in kept if trade.ts <= known_until)
        return list(islice(known, offset, offset + limit))

    def now(self) -> Nanos:
        """Give the time as the exchange's clock shows it."""
        return self._market.now() + self._faults.skew

    def ticker(self, native: str) -> SimTicker:
        """Sum up the trades so far."""
        return skewed(self._market.ticker(native), self._faults.skew)

    def candles(self, native: str, bucket: str, start: Nanos, end: Nanos, limit: int) -> Sequence[SimCandle]:
        """Give closed candles; their buckets are those of the true clock."""
        return self._market.candles(native, bucket, start, end, limit)

    def mark(self, native: str) -> SimMark:
        """Give mark and index price."""
        return skewed(self._market.mark(native), self._faults.skew)

    def open_interest(self, native: str) -> SimOpenInterest:
        """Give what is held open."""
        return skewed(self._market.open_interest(native), self._faults.skew)

    def _known_until(self, native: str) -> Nanos:
        now = self._market.now()
        stale = self._taken(FaultKind.STALE_HISTORY, Channel.TRADES, native)
        return now if stale is None else now - round(stale.seconds * 1e9)

    def _taken(self, kind: FaultKind, channel: Channel, native: str) -> Fault | None:
        path = self._request.path
        taken = self._faults.take((kind,), lambda fault: fault.concerns(channel, native) and fault.path in path)
        return None if taken is None else taken.fault
