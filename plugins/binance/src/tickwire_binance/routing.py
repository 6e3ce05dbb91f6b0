"""What Binance answers over REST: books and aggregate trades, of three exchanges that differ in paths and weights."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from tickwire import BookSnapshot, Event, Subscription
from tickwire.native import NativeRouting, instrument_of
from tickwire.plugin import Fetch, Hole
from tickwire_binance.info import BINANCE, BINANCEUS, BINANCEUSDM
from tickwire_binance.router import BinanceRouter
from tickwire_binance.wire import MS, Depth, TradeRow


class BinanceRouting(NativeRouting):
    """Spot: makes the routers, fetches books and aggregate trades."""

    info = BINANCE
    router_type = BinanceRouter
    prefix: ClassVar[str] = "/api/v3"
    listing_weight: ClassVar[float] = 20
    trades_weight: ClassVar[float] = 4
    depth_weights: ClassVar[Mapping[int, float]] = {1000: 50, 5000: 250}

    def snapshot(self, subscription: Subscription) -> Fetch[BookSnapshot]:
        """Fetch the 1,000 best levels a side, or 5,000 where they were asked for.

        The stream reports changes at any depth, so a shallower snapshot would leave holes once the price moves.
        """
        i, limit = instrument_of(subscription), subscription.depth or 1000
        path, weight = f"{self.prefix}/depth", self.depth_weights[limit]
        depth, ts_recv = yield from self.get(Depth, path, {"symbol": i.native, "limit": limit}, weight=weight)
        ts_event = None if depth.T is None else depth.T * MS
        return BookSnapshot(i.exchange, i.symbol, ts_event, ts_recv, depth.bids, depth.asks, depth.lastUpdateId)

    def history(self, hole: Hole) -> Fetch[Sequence[Event]]:
        """Fetch 1,000 aggregate trades from an id on, or from a time where no id is known."""
        i, last = hole.instrument, hole.last_sequence
        start = {"startTime": hole.start // MS} if last is None else {"fromId": last + 1}
        path, weight = f"{self.prefix}/aggTrades", self.trades_weight
        query: dict[str, str | int] = {"symbol": i.native, "limit": 1000, **start}
        rows, ts_recv = yield from self.get(list[TradeRow], path, query, weight=weight)
        return [row.trade(i, ts_recv, backfilled=True) for row in rows]


class BinanceUsRouting(BinanceRouting):
    """Binance.US: the spot API on hosts of its own."""

    info = BINANCEUS


class BinanceUsdmRouting(BinanceRouting):
    """USDⓈ-M futures."""

    info = BINANCEUSDM
    prefix = "/fapi/v1"
    listing_weight = 1
    trades_weight = 20
    depth_weights: ClassVar[Mapping[int, float]] = {1000: 20}


ROUTINGS: Mapping[str, type[BinanceRouting]] = {
    one.info.id: one for one in (BinanceRouting, BinanceUsRouting, BinanceUsdmRouting)
}
