"""The streams of one feed: by subscription for who asks, by class and symbol for the read path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tickwire.feed.books import BookStream
from tickwire.feed.listener import BySymbol
from tickwire.feed.streams import Stream, SubscriptionState, SubscriptionStatus
from tickwire.feed.trades import TradeStream
from tickwire.model.account import AccountEvent, Balance, Fill, OrderUpdate, Position
from tickwire.model.book import L2Book
from tickwire.model.channels import PER_INTERVAL, Channel, Subscription
from tickwire.model.events import (
    BookDelta,
    BookSnapshot,
    Candle,
    Funding,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    Quote,
    Ticker,
    Trade,
)
from tickwire.model.metrics import Metrics
from tickwire.plugin.info import ExchangeInfo

__all__ = ["StreamTable"]

_OTHERS: Mapping[Channel, type[MarketEvent | AccountEvent]] = {
    Channel.L1_BOOK: Quote,
    Channel.TICKER: Ticker,
    Channel.CANDLES: Candle,
    Channel.MARK_PRICE: MarkPrice,
    Channel.FUNDING: Funding,
    Channel.OPEN_INTEREST: OpenInterest,
    Channel.LIQUIDATIONS: Liquidation,
    Channel.ORDERS: OrderUpdate,
    Channel.FILLS: Fill,
    Channel.BALANCES: Balance,
    Channel.POSITIONS: Position,
}


class StreamTable:
    """Finds the stream of a subscription, and that of an event.

    Attributes:
        market: What takes the market events, by class and symbol.
        books: By symbol; each exactly at the event that is being emitted.
    """

    def __init__(self, info: ExchangeInfo, metrics: Metrics) -> None:
        """Begin without streams."""
        self.books: dict[str, L2Book[Any]] = {}
        self._streams: dict[Subscription, Stream] = {}
        self._trades = BySymbol(self._on_stray)
        self._deltas = BySymbol(self._on_stray)
        self._snapshots = BySymbol(self._on_stray)
        self._others: dict[tuple[type, str, str | None], Stream] = {}
        self.market: Mapping[type, Mapping[str, Callable[[Any], None]]] = {
            Trade: self._trades,
            BookDelta: self._deltas,
            BookSnapshot: self._snapshots,
            **{kind: BySymbol(self._on_other) for kind in _OTHERS.values()},
            Candle: BySymbol(self._on_candle),
        }
        # one frame of a shared stream gives the events of all its channels, whoever asked for which
        shares = [(channel, one.shares) for channel, one in info.channels.items() if one.shares is not None]
        self._unasked = {_OTHERS.get(channel) for pair in shares for channel in pair}
        self._stray = metrics.counter("stray_events_total", exchange=info.id)

    def __getitem__(self, subscription: Subscription) -> Stream:
        return self._streams[subscription]

    def __contains__(self, subscription: Subscription) -> bool:
        return subscription in self._streams

    def __iter__(self) -> Iterator[Subscription]:
        return iter(list(self._streams))

    def get(self, subscription: Subscription) -> Stream | None:
        """Give a subscription's stream, ``None`` if there is none."""
        return self._streams.get(subscription)

    def streams(self) -> list[Stream]:
        """Give all streams."""
        return list(self._streams.values())

    def of_symbol(self, symbol: str | None) -> list[Subscription]:
        """Give what is subscribed to of one instrument."""
        return [one for one in self._streams if one.symbol == symbol]

    def of_event(self, event: Any) -> Stream | None:
        """Give the stream of a market event; beside the read path, which asks ``market``."""
        symbol = event.symbol
        if isinstance(event, Trade | BookDelta | BookSnapshot):
            channel = Channel.TRADES if isinstance(event, Trade) else Channel.L2_BOOK
            held = (one for one in self._streams.values() if one.subscription.channel is channel)
            return next((one for one in held if one.subscription.symbol == symbol), None)
        return self._others.get((type(event), symbol, event.interval if isinstance(event, Candle) else None))

    def add(self, stream: Stream) -> None:
        """Let a stream take its events; a book that is known by its symbol goes on being that book."""
        subscription = stream.subscription
        symbol = subscription.symbol or ""
        self._streams[subscription] = stream
        if isinstance(stream, TradeStream):
            self._trades[symbol] = stream.on_event
        elif isinstance(stream, BookStream):
            self._deltas[symbol] = stream.on_delta
            self._snapshots[symbol] = stream.on_snapshot
            stream.book = self.books.setdefault(symbol, stream.book)
        elif (key := _key(subscription)) is not None:
            self._others[key] = stream

    def remove(self, subscription: Subscription) -> Stream:
        """Let its stream take nothing more."""
        symbol = subscription.symbol or ""
        stream = self._streams.pop(subscription)
        if isinstance(stream, BookStream):
            self._deltas.pop(symbol, None)
            self._snapshots.pop(symbol, None)
        elif isinstance(stream, TradeStream):
            self._trades.pop(symbol, None)
        elif (key := _key(subscription)) is not None:
            self._others.pop(key, None)
        return stream

    def status(self) -> Mapping[Subscription, SubscriptionStatus]:
        """Sum up every subscription."""
        return {subscription: stream.status() for subscription, stream in self._streams.items()}

    def is_all_refused(self) -> bool:
        """Tell whether there is something, and the exchange refused all of it."""
        return {stream.state for stream in self._streams.values()} == {SubscriptionState.REFUSED}

    def _on_stray(self, event: Any) -> None:
        self._stray.value += 1

    def _on_other(self, event: Any) -> None:
        stream = self._others.get((type(event), event.symbol, None))
        if event.symbol is None:  # a balance: told once, however many instruments it was subscribed to with
            stream = next((one for (kind, _, _), one in self._others.items() if kind is type(event)), None)
        if stream is not None:
            stream.on_event(event)
        elif type(event) not in self._unasked:
            self._stray.value += 1

    def _on_candle(self, candle: Candle[Any]) -> None:
        stream = self._others.get((Candle, candle.symbol, candle.interval))
        if stream is None:
            self._stray.value += 1
        else:
            stream.on_event(candle)


def _key(subscription: Subscription) -> tuple[type, str, str | None] | None:
    # how the events of a subscription are found; None: a channel without events of its own
    kind = _OTHERS.get(subscription.channel)
    interval = subscription.interval if subscription.channel in PER_INTERVAL else None
    return None if kind is None else (kind, subscription.symbol or "", interval)
