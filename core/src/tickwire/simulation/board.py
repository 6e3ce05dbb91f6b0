"""Who receives what: topics, their clients, and the messages made once for all clients of a topic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol

import msgspec

from tickwire.model.channels import Channel
from tickwire.model.clock import Nanos
from tickwire.model.errors import UnknownNativeError
from tickwire.simulation.abilities import Abilities
from tickwire.simulation.candles import CandleSeries
from tickwire.simulation.market import SeededMarket
from tickwire.simulation.pit import Pit
from tickwire.simulation.records import Dress, SimBook, SimLevels, SimTrade

__all__ = ["Board", "Receiver", "encode"]


def _plain(value: object) -> object:
    # A dress may hand on a live side of a book.
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"a dress answered with a {type(value).__name__}, which is no JSON")


_encode = msgspec.json.Encoder(enc_hook=_plain).encode


def encode(message: object) -> bytes:
    """Write a dress's message: ``bytes`` as they are, ``str`` as text, anything else as JSON."""
    if isinstance(message, bytes):
        return message
    return message.encode() if isinstance(message, str) else _encode(message)


class Receiver(Protocol):
    """A client as the board sees it."""

    def push(self, payload: bytes) -> None:
        """Queue a frame."""
        ...


class _Topic:
    def __init__(self, name: str, channel: Channel, pit: Pit, interval: float) -> None:
        self.name = name
        self.channel = channel
        self.pit = pit
        self.interval = interval
        self.due = 0.0
        self.clients: dict[Receiver, None] = {}
        self.top = pit.top
        self.pending: _Pending | None = None
        self.figures: Callable[[Nanos, bool], Iterable[object]] | None = None


class _Pending:
    # Changes being merged: the later size of a level wins.
    def __init__(self, change: SimBook) -> None:
        self.previous = change.previous
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}

    def add(self, change: SimBook) -> None:
        self.last = change
        self.bids.update(change.bids)
        self.asks.update(change.asks)

    def merged(self) -> SimBook:
        last = self.last
        return SimBook(
            last.instrument, self.previous, last.sequence, last.ts,
            _by_price(self.bids, is_bid=True), _by_price(self.asks, is_bid=False),
        )  # fmt: skip


def _by_price(levels: dict[str, str], *, is_bid: bool) -> SimLevels:
    return sorted(levels.items(), key=lambda level: float(level[0]), reverse=is_bid)


class Board:
    """Keeps the topics and listens to the market.

    Everything here is synchronous: a client that joins between two changes gets the book before and every change after.

    Args:
        dress: The wire format.
        market: What is listened to.
    """

    def __init__(self, dress: Dress, market: SeededMarket) -> None:
        self._dress = dress
        self._abilities = Abilities.of(dress)
        self._market = market
        self._topics: dict[str, _Topic] = {}
        self._by_pit: dict[tuple[Channel, Pit], list[_Topic]] = {}
        market.listen(self)

    @property
    def is_joined(self) -> bool:
        """Whether anybody receives anything."""
        return bool(self._topics)

    def join(
        self, client: Receiver, name: str, channel: Channel, native: str, interval: float, bucket: str = ""
    ) -> bytes | None:
        """Let a client receive a topic.

        Returns:
            What the client is to be sent behind the exchange's answer; ``None`` for nothing.

        Raises:
            UnknownNativeError: There is no such instrument, or it is closed.
        """
        topic = self._topics.get(name)
        if topic is None:
            topic = self._open(name, channel, native, interval, bucket)
        if client in topic.clients:
            return None
        topic.clients[client] = None
        if channel is not Channel.L2_BOOK or not self._abilities.snapshot_on_join:
            return None
        whole = topic.pit.whole()
        return self._wrapped(name, self._dress.book(whole, whole))

    def leave(self, client: Receiver, name: str) -> None:
        """Let a client receive a topic no more."""
        topic = self._topics.get(name)
        if topic is None:
            return
        topic.clients.pop(client, None)
        if not topic.clients:
            del self._topics[name]
            self._by_pit[topic.channel, topic.pit].remove(topic)

    def forget(self, client: Receiver) -> None:
        """Let a client receive nothing more."""
        for name in tuple(self._topics):
            self.leave(client, name)

    def trade(self, trade: SimTrade, pit: Pit) -> None:
        """Send a trade to those who joined its topics."""
        if topics := self._by_pit.get((Channel.TRADES, pit)):
            message = self._dress.trade(trade)
            for topic in topics:
                self._send(topic, message)
        if trade.is_liquidation and self._abilities.liquidation is not None:
            for topic in self._by_pit.get((Channel.LIQUIDATIONS, pit), ()):
                self._send(topic, self._abilities.liquidation(trade))

    def change(self, change: SimBook, pit: Pit) -> None:
        """Send a change, and the quote if the top changed, to those who joined their topics."""
        if topics := self._by_pit.get((Channel.L2_BOOK, pit)):
            self._send_change(topics, change, pit)
        if topics := self._by_pit.get((Channel.L1_BOOK, pit)):
            self._send_quote(topics, pit)

    def flush(self, now: float) -> None:
        """Send what intervals have merged, where the interval is over, and the figures that are due.

        Args:
            now: Seconds on the market's monotonic clock.
        """
        for topic in self._topics.values():
            if topic.pending is not None and now >= topic.due:
                change, topic.pending = topic.pending.merged(), None
                topic.due = now + topic.interval
                self._send(topic, self._dress.book(change, topic.pit.live()))
            elif topic.figures is not None:
                is_due = now >= topic.due
                if is_due:
                    topic.due = now + topic.interval
                for message in topic.figures(self._market.now(), is_due):
                    self._send(topic, message)

    def _open(self, name: str, channel: Channel, native: str, interval: float, bucket: str) -> _Topic:
        topic = _Topic(name, channel, self._market.pit(native), interval)
        if channel is Channel.LIQUIDATIONS and self._abilities.liquidation is None:
            raise UnknownNativeError(f"the simulated exchange has no {channel}")
        if channel not in (Channel.TRADES, Channel.L2_BOOK, Channel.L1_BOOK, Channel.LIQUIDATIONS):
            topic.figures = self._figures(channel, topic.pit, bucket)
        topic.due = self._market.clock.monotonic() + interval
        self._topics[name] = topic
        self._by_pit.setdefault((channel, topic.pit), []).append(topic)
        return topic

    def _figures(self, channel: Channel, pit: Pit, bucket: str) -> Callable[[Nanos, bool], Iterable[object]]:
        can = self._abilities
        if channel is Channel.TICKER and (ticker := can.ticker):
            return lambda now, is_due: [ticker(pit.ticker())] if is_due else ()
        if channel is Channel.MARK_PRICE and (mark := can.mark):
            return lambda now, is_due: [mark(pit.mark())] if is_due else ()
        if channel is Channel.OPEN_INTEREST and (interest := can.open_interest):
            return lambda now, is_due: [interest(pit.open_interest())] if is_due else ()
        if channel is Channel.CANDLES and (candle := can.candle):
            series = CandleSeries(bucket, self._market.now(), partial(pit.candle, bucket))
            return lambda now, is_due: map(candle, series.tell(now, is_due))
        raise UnknownNativeError(f"the simulated exchange has no {channel}")

    def _send_change(self, topics: list[_Topic], change: SimBook, pit: Pit) -> None:
        message: object = None
        for topic in topics:
            if topic.interval:
                topic.pending = topic.pending or _Pending(change)
                topic.pending.add(change)
            else:
                message = message or self._dress.book(change, pit.live())
                self._send(topic, message)

    def _send_quote(self, topics: list[_Topic], pit: Pit) -> None:
        if self._abilities.quote is None:
            return
        top = pit.top
        for topic in topics:
            if topic.top != top:
                topic.top = top
                self._send(topic, self._abilities.quote(pit.live()))

    def _send(self, topic: _Topic, message: object) -> None:
        payload = self._wrapped(topic.name, message)
        for client in topic.clients:
            client.push(payload)

    def _wrapped(self, name: str, message: object) -> bytes:
        envelope = self._abilities.envelope
        return encode(envelope(name, message) if envelope else message)
