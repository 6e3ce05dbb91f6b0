"""The language of Kraken's sockets (docs.kraken.com, "Spot WebSocket v2", read 2026-11-26).

One frame subscribes to one channel of many symbols, and each symbol is answered by itself. Books carry no numbers.
"""

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from tickwire import BookDelta, BookSnapshot, Candle, Channel, Event, Nanos, Quote, Subscription, Ticker, Trade
from tickwire.native import Handled, NativeMessageRouter, handles, rfc3339_nanos
from tickwire_kraken import wire
from tickwire_kraken.info import DEPTHS, INTERVALS

# words of our stream names that are numbers on the wire
NUMBERS = {name: minutes for minutes, name in INTERVALS.items()} | {str(depth): depth for depth in DEPTHS}


class KrakenRouter(NativeMessageRouter):
    """Reads Kraken's frames; on the socket ``quotes`` a ticker is a quote."""

    decoder = msgspec.json.Decoder(wire.Data, strict=False)
    answers = msgspec.json.Decoder(wire.Answer, strict=False)
    unread = wire.UNREAD
    signs_of_life = (wire.Heartbeat, wire.Status, wire.Pong)
    ping_message = b'{"method":"ping"}'  # so that a socket without subscriptions is not idle
    default_depth = 10  # the exchange's own, and all of it is under the checksum
    # a channel, a parameter with its value, and a symbol
    stream_names: ClassVar = {
        Channel.TRADES: "trade {native}",
        Channel.L2_BOOK: "book depth {depth} {native}",
        Channel.L1_BOOK: "ticker event_trigger bbo {native}",
        Channel.TICKER: "ticker event_trigger trades {native}",
        Channel.CANDLES: "ohlc interval {interval} {native}",
    }

    def group(self, subscription: Subscription) -> str:
        """Name what a frame asks for, parameters included: ``book depth 10``."""
        return self.stream(subscription).rpartition(" ")[0]

    def request(self, add: bool, streams: Sequence[str], number: int) -> object:
        """Make a request of one channel; whether trades are pushed at once by default the documents disagree."""
        channel, *words = streams[0].split()[:-1]
        params: dict[str, object] = {"channel": channel, "symbol": [name.rpartition(" ")[2] for name in streams]}
        if words:
            name, value = words
            params[name] = NUMBERS.get(value, value)
        if add:
            params["snapshot"] = True
        return {"method": "subscribe" if add else "unsubscribe", "params": params, "req_id": number}

    @handles(wire.Subscribed, wire.Unsubscribed)
    def answer(self, m: wire.Subscribed, ts_recv: Nanos) -> Handled:
        """Read the answer for one symbol; one that names none is for all that its request asked for."""
        symbol = m.symbol or (m.result.symbol if m.result is not None else None)
        return self.answered_for(m.req_id, symbol, None if m.success else m.error)

    @handles(wire.Trades)
    def trades(self, m: wire.Trades, ts_recv: Nanos) -> Handled:
        """Read trades; whether fills are merged in one is not said."""
        native, late = self.native, m.type == "snapshot"
        return [
            Trade(
                (i := native[row.symbol]).exchange, i.symbol, rfc3339_nanos(row.timestamp), ts_recv, row.price, row.qty,
                row.side, str(row.trade_id), row.trade_id, None, late,
            )
            for row in m.data
        ]  # fmt: skip

    @handles(wire.Book)
    def book(self, m: wire.Book, ts_recv: Nanos) -> Handled:
        """Read the window, or what changed in it."""
        events: list[Event] = []
        for row in m.data:
            i = self.native[row.symbol]
            ts_event, bids, asks = rfc3339_nanos(row.timestamp), _levels(row.bids), _levels(row.asks)
            head = (i.exchange, i.symbol, ts_event, ts_recv, bids, asks)
            if m.type == "snapshot":
                depth = self.book_depths.get(row.symbol, self.default_depth)
                events.append(BookSnapshot(*head, None, row.checksum, depth))
            else:
                events.append(BookDelta(*head, checksum=row.checksum))
        return events

    @handles(wire.Tickers)
    def ticker(self, m: wire.Tickers, ts_recv: Nanos) -> Handled:
        """Read best bid and ask, or the figures of the last 24 hours."""
        is_quote = self.socket == "quotes"
        events: list[Event] = []
        for row in m.data:
            i, ts_event = self.native[row.symbol], rfc3339_nanos(row.timestamp)
            head = (i.exchange, i.symbol, ts_event, ts_recv)
            if is_quote:
                events.append(Quote(*head, row.bid, row.bid_qty, row.ask, row.ask_qty))
            else:
                events.append(Ticker(*head, row.last, None, None, row.high, row.low, row.volume, None, None, "24h"))
        return events

    @handles(wire.Candles)
    def candles(self, m: wire.Candles, ts_recv: Nanos) -> Handled:
        """Read candles; the exchange never says that one is closed."""
        ts_event = rfc3339_nanos(m.timestamp)
        events: list[Event] = []
        for row in m.data:
            i, start = self.native[row.symbol], rfc3339_nanos(row.interval_begin)
            end = start + row.interval * 60_000_000_000
            head = (i.exchange, i.symbol, ts_event, ts_recv, INTERVALS[row.interval], start, end)
            prices = (row.open, row.high, row.low, row.close)
            events.append(Candle(*head, *prices, row.volume, None, None, row.trades))
        return events


def _levels(levels: Sequence[wire.Level]) -> tuple[tuple[float, float], ...]:
    return tuple([(level.price, level.qty) for level in levels])
