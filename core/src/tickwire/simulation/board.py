"""Who receives what: topics, their clients, and the messages made once for all clients of a topic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol, TypeVar

import msgspec

from tickwire.model.channels import Channel
from tickwire.model.clock import Nanos
from tickwire.model.errors import UnknownNativeError
from tickwire.simulation.abilities import Abilities
from tickwire.simulation.candles import CandleSeries
from tickwire.simulation.faults import FaultKind, Faults
from tickwire.simulation.figures import SimMark, SimOpenInterest, SimTicker
from tickwire.simulation.market import SeededMarket
from tickwire.simulation.pit import Pit
from tickwire.simulation.records import Dress, SimBook, SimLevels, SimOrder, SimTrade
from tickwire.simulation.windows import Window
from tickwire.simulation.wrong_clock import skewed

__all__ = ["Board", "Receiver", "encode"]

R = TypeVar("R", SimTrade, SimBook, SimTicker, SimMark, SimOpenInterest)

_GAPS = (FaultKind.SEQUENCE_GAP,)


def _plain(value: object) -> object:
    # A dress may hand on a live side of a book.
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"a dress answered with a {type(value).__name__}, which is no JSON")


_RECENT = 50
_BEAT = 1.0
_encode = msgspec.json.Encoder(enc_hook=_plain).encode


def encode(message: object) -> bytes:
    """Write a dress's message: ``bytes`` as they are, ``str`` as text, anything else as JSON."""
    if isinstance(message, bytes):
        return message
    return message.encode() if isinstance(message, str) else _encode(message)


class Receiver(Protocol):
    """A client as the board sees it."""

    def push(self, payload: bytes, channel: Channel | None, native: str | None) -> None:
        """Queue a frame of a topic, or of none."""
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
        self.window: Window | None = None
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
        faults: Which changes are never sent, and how wrong the exchange's clock is.
    """

    def __init__(self, dress: Dress, market: SeededMarket, faults: Faults | None = None) -> None:
        self._dress = dress
        self._faults = faults or Faults()
        self._abilities = Abilities.of(dress)
        self._market = market
        self._topics: dict[str, _Topic] = {}
        self._by_pit: dict[tuple[Channel, Pit], list[_Topic]] = {}
        self._told_at: dict[Receiver, float] = {}
        market.listen(self)
        market.listen_to_orders(self.order)

    @property
    def is_periodic(self) -> bool:
        """Whether anybody receives something that ``flush`` sends."""
        is_due = any(topic.interval or topic.figures is not None for topic in self._topics.values())
        return is_due or bool(self._told_at)

    @property
    def is_joined(self) -> bool:
        """Whether anybody receives anything."""
        return bool(self._topics)

    def join(
        self,
        client: Receiver,
        name: str,
        channel: Channel,
        native: str,
        interval: float,
        bucket: str = "",
        depth: int = 0,
    ) -> bytes | None:
        """Let a client receive a topic.

        A book of a ``depth`` is told at each change, whatever the interval.

        Returns:
            What the client is to be sent behind the exchange's answer; ``None`` for nothing.

        Raises:
            UnknownNativeError: There is no such instrument, or it is closed.
        """
        topic = self._topics.get(name)
        if topic is None:
            topic = self._open(name, channel, native, interval, bucket)
            if depth and channel is Channel.L2_BOOK:
                topic.window = Window(topic.pit, depth)
        if client in topic.clients:
            return None
        topic.clients[client] = None
        if self._abilities.heartbeat is not None:
            self._told_at[client] = self._market.clock.monotonic()
        if channel is Channel.TRADES and (recent := self._abilities.recent) is not None:
            last = self._market.latest(native, _RECENT)[::-1]
            return self._wrapped(name, recent(last)) if last else None
        if channel is not Channel.L2_BOOK or not self._abilities.snapshot_on_join:
            return None
        whole = self._dated(topic.pit.whole(depth or None))
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
        self._told_at.pop(client, None)

    def trade(self, trade: SimTrade, pit: Pit) -> None:
        """Send a trade to those who joined its topics."""
        if topics := self._by_pit.get((Channel.TRADES, pit)):
            message = self._dress.trade(self._dated(trade))
            for topic in topics:
                self._send(topic, message)
        if trade.is_liquidation and self._abilities.liquidation is not None:
            for topic in self._by_pit.get((Channel.LIQUIDATIONS, pit), ()):
                self._send(topic, self._abilities.liquidation(self._dated(trade)))

    def order(self, order: SimOrder, pit: Pit) -> None:
        """Send a change of one of the account's orders to those who joined its topics."""
        if (told := self._abilities.order) and (topics := self._by_pit.get((Channel.ORDERS, pit))):
            message = told(order)
            for topic in topics:
                self._send(topic, message)

    def change(self, change: SimBook, pit: Pit) -> None:
        """Send a change, and the quote if the top changed, to those who joined their topics."""
        if topics := self._by_pit.get((Channel.L2_BOOK, pit)):
            if self._faults.books and self._is_left_out(change):
                for topic in topics:
                    topic.pending = None  # what was to be sent in one with it is lost too: a hole in the middle is none
                    if topic.window is not None:
                        topic.window.moved()
            else:
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
                self._send(topic, self._dress.book(self._dated(change), self._dated(topic.pit.live())))
            elif topic.figures is not None:
                is_due = now >= topic.due
                if is_due:
                    topic.due = now + topic.interval
                for message in topic.figures(self._market.now(), is_due):
                    if message is not None:
                        self._send(topic, message)
        if beat := self._abilities.heartbeat:
            for client in [one for one, told in self._told_at.items() if now - told >= _BEAT]:
                self._told_at[client] = now
                client.push(encode(beat()), None, None)

    def _open(self, name: str, channel: Channel, native: str, interval: float, bucket: str) -> _Topic:
        topic = _Topic(name, channel, self._market.pit(native), interval)
        told = {Channel.LIQUIDATIONS: self._abilities.liquidation, Channel.ORDERS: self._abilities.order}
        if channel in told and told[channel] is None:
            raise UnknownNativeError(f"the simulated exchange has no {channel}")
        if channel not in (Channel.TRADES, Channel.L2_BOOK, Channel.L1_BOOK, *told):
            topic.figures = self._figures(channel, topic.pit, bucket)
        topic.due = self._market.clock.monotonic() + interval
        self._topics[name] = topic
        self._by_pit.setdefault((channel, topic.pit), []).append(topic)
        return topic

    def _figures(self, channel: Channel, pit: Pit, bucket: str) -> Callable[[Nanos, bool], Iterable[object]]:
        can = self._abilities
        if channel is Channel.TICKER and (ticker := can.ticker):
            return lambda now, is_due: [ticker(self._dated(pit.ticker()))] if is_due else ()
        if channel is Channel.MARK_PRICE and (mark := can.mark):
            return lambda now, is_due: [mark(self._dated(pit.mark()))] if is_due else ()
        if channel is Channel.OPEN_INTEREST and (interest := can.open_interest):
            return lambda now, is_due: [interest(self._dated(pit.open_interest()))] if is_due else ()
        if channel is Channel.CANDLES and (candle := can.candle):
            series = CandleSeries(bucket, self._market.now(), partial(pit.candle, bucket))
            return lambda now, is_due: map(candle, series.tell(now, is_due))
        raise UnknownNativeError(f"the simulated exchange has no {channel}")

    def _send_change(self, topics: list[_Topic], change: SimBook, pit: Pit) -> None:
        message: object = None
        for topic in topics:
            if topic.window is not None:
                if moved := topic.window.moved():
                    self._send(topic, self._dress.book(self._dated(moved), self._dated(pit.live())))
            elif topic.interval:
                topic.pending = topic.pending or _Pending(change)
                topic.pending.add(change)
            else:
                message = message or self._dress.book(self._dated(change), self._dated(pit.live()))
                self._send(topic, message)

    def _send_quote(self, topics: list[_Topic], pit: Pit) -> None:
        if self._abilities.quote is None:
            return
        top = pit.top
        for topic in topics:
            if topic.top != top:
                topic.top = top
                self._send(topic, self._abilities.quote(self._dated(pit.live())))

    def _send(self, topic: _Topic, message: object) -> None:
        payload = self._wrapped(topic.name, message)
        channel, native = topic.channel, topic.pit.instrument.native
        for client in topic.clients:
            client.push(payload, channel, native)
        if self._told_at:
            self._told_at |= dict.fromkeys(topic.clients, self._market.clock.monotonic())

    def _is_left_out(self, change: SimBook) -> bool:
        native = change.instrument.native
        return self._faults.take(_GAPS, lambda fault: fault.concerns(Channel.L2_BOOK, native)) is not None

    def _dated(self, record: R) -> R:
        return skewed(record, self._faults.skew)

    def _wrapped(self, name: str, message: object) -> bytes:
        envelope = self._abilities.envelope
        return encode(envelope(name, message) if envelope else message)
