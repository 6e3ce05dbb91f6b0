"""{{ cookiecutter.title }}'s wire language (README.md, read 2026-11-26): frames in, events out.

Every frame names its ``type``; prices and sizes are texts, times integer microseconds since 1970 UTC.
"""

{% if cookiecutter.checksum %}
import zlib
{% endif %}
from collections.abc import {{ "Iterable, " if cookiecutter.auth != "none" else "" }}Sequence

import msgspec
from tickwire import (
{% if cookiecutter.book != "snapshots" %}
    BookDelta,
{% endif %}
    BookSnapshot,
    Channel,
    Event,
    Instrument,
    Nanos,
{% if cookiecutter.auth != "none" %}
    OrderStatus,
    OrderUpdate,
{% endif %}
    Side,
{% if cookiecutter.book == "rest" %}
    Subscription,
{% endif %}
    Trade,
)
from tickwire.native import (
    Handled,
    Levels,
    Micros,
    NativeMessageRouter,
    NativeRouting,
    Price,
    Size,
    handles,
{% if cookiecutter.book == "rest" %}
    instrument_of,
{% endif %}
)
{% set book_view = "BookView, " if cookiecutter.checksum else "" %}
{% if cookiecutter.auth != "none" %}
from tickwire.plugin import {{ book_view }}Control, Fetch, Hole, LoggedIn, LoginRefused, Send
{% else %}
from tickwire.plugin import {{ book_view }}Fetch, Hole
{% endif %}

{% if cookiecutter.auth != "none" %}
from {{ cookiecutter.__package }}.auth import {{ cookiecutter.__class }}Signer
{% endif %}
from {{ cookiecutter.__package }}.info import {{ cookiecutter.__constant }}


class Message(msgspec.Struct, tag_field="type"):
    """What every frame is."""


class TradeRow(msgspec.Struct):
    """One match; ``side`` is the taker's."""

    id: int
    price: Price
    size: Size
    side: Side
    time: Micros


class Trades(Message, tag="trades"):
    """``{"type":"trades","symbol":"BTC_USD","trades":[{…}]}``, oldest first."""

    symbol: str
    trades: list[TradeRow]


{% if cookiecutter.book == "socket" %}
class Snapshot(Message, tag="snapshot"):
    """The whole book, best first."""

    symbol: str
    sequence: int
    time: Micros
    bids: Levels
    asks: Levels
{% if cookiecutter.checksum %}
    checksum: int
{% endif %}


class Update(Message, tag="update"):
    """Changed levels with their new sizes; ``previous`` is the ``sequence`` of the message before."""

    symbol: str
    previous: int
    sequence: int
    time: Micros
    bids: Levels
    asks: Levels
{% if cookiecutter.checksum %}
    checksum: int
{% endif %}
{% elif cookiecutter.book == "rest" %}
class Update(Message, tag="update"):
    """Changed levels with their new sizes, of the changes ``first`` to ``last``."""

    symbol: str
    first: int
    last: int
    time: Micros
    bids: Levels
    asks: Levels
{% if cookiecutter.checksum %}
    checksum: int
{% endif %}


class Book(msgspec.Struct):
    """``GET /v1/book``: the whole book after change ``sequence``, best first."""

    sequence: int
    time: Micros
    bids: Levels
    asks: Levels
{% else %}
class Book(Message, tag="book"):
    """The best 20 levels a side after change ``sequence``, best first."""

    symbol: str
    sequence: int
    time: Micros
    bids: Levels
    asks: Levels
{% if cookiecutter.checksum %}
    checksum: int
{% endif %}
{% endif %}


{% if cookiecutter.auth != "none" %}
class Order(Message, tag="order"):
    """An order of the account as it is now."""

    symbol: str
    id: str
    status: OrderStatus
    side: Side
    size: Size
    filled: Size
    time: Micros


class Login(Message, tag="login"):
    """The answer to a login; ``refused`` says why not."""

    refused: str | None = None


{% endif %}
class Refusal(msgspec.Struct):
    """One stream that was asked for in vain."""

    stream: str
    reason: str


class Answer(Message, tag="answer"):
    """The answer to request ``id``: every stream that is not refused is confirmed."""

    id: int
    refused: list[Refusal] = []


class Pong(Message, tag="pong"):
    """The answer to a ping."""


def parse_trade(row: TradeRow, i: Instrument, ts_recv: Nanos, backfilled: bool = False) -> Trade:
    """Read one match."""
    ts_event = row.time * 1_000
    return Trade(
        i.exchange, i.symbol, ts_event, ts_recv, row.price, row.size, row.side, str(row.id), row.id, 1, backfilled
    )


class {{ cookiecutter.__class }}Router(NativeMessageRouter):
    """One connection's language."""

{% set types = {"socket": "Snapshot | Update", "rest": "Update", "snapshots": "Book"}[cookiecutter.book] %}
{% if cookiecutter.auth != "none" %}
    decoder = msgspec.json.Decoder(Trades | {{ types }} | Order | Login | Answer | Pong, strict=False)
{% else %}
    decoder = msgspec.json.Decoder(Trades | {{ types }} | Answer | Pong, strict=False)
{% endif %}
    signs_of_life = (Pong,)
    ping_message = b'{"op":"ping"}'  # a connection that says nothing for a minute is cut
    stream_names = {
        Channel.TRADES: "trades.{native}",
        Channel.L2_BOOK: "book.{native}",
{% if cookiecutter.auth != "none" %}
        Channel.ORDERS: "orders.{native}",
{% endif %}
    }
{% if cookiecutter.auth != "none" %}
    signer: {{ cookiecutter.__class }}Signer | None

    def opened(self) -> Iterable[Control]:
        """Log in on the private socket, which carries nothing before; there is a key where it is used."""
        if self.socket != "private" or self.signer is None:
            return ()
        return (Send(msgspec.json.encode(self.signer.login())),)
{% endif %}

    def request(self, add: bool, streams: Sequence[str], number: int) -> object:
        """Ask for streams, or no longer."""
        return {"op": "subscribe" if add else "unsubscribe", "id": number, "streams": streams}

    @handles(Trades)
    def trades(self, m: Trades, ts_recv: Nanos) -> Handled:
        """Read matches."""
        i = self.native[m.symbol]
        return [parse_trade(row, i, ts_recv) for row in m.trades]

{% set crc = ", m.checksum" if cookiecutter.checksum else "" %}
{% if cookiecutter.book == "socket" %}
    @handles(Snapshot)
    def snapshot(self, m: Snapshot, ts_recv: Nanos) -> Handled:
        """Read the whole book."""
        i, ts_event = self.native[m.symbol], m.time * 1_000
        return (BookSnapshot(i.exchange, i.symbol, ts_event, ts_recv, m.bids, m.asks, m.sequence{{ crc }}),)

    @handles(Update)
    def update(self, m: Update, ts_recv: Nanos) -> Handled:
        """Read changed levels."""
        i, ts_event, last = self.native[m.symbol], m.time * 1_000, m.sequence
        return (BookDelta(i.exchange, i.symbol, ts_event, ts_recv, m.bids, m.asks, last, last, m.previous{{ crc }}),)
{% elif cookiecutter.book == "rest" %}
    @handles(Update)
    def update(self, m: Update, ts_recv: Nanos) -> Handled:
        """Read changed levels."""
        i, ts_event = self.native[m.symbol], m.time * 1_000
{% set crc = ", None, m.checksum" if cookiecutter.checksum else "" %}
        return (BookDelta(i.exchange, i.symbol, ts_event, ts_recv, m.bids, m.asks, m.first, m.last{{ crc }}),)
{% else %}
    @handles(Book)
    def book(self, m: Book, ts_recv: Nanos) -> Handled:
        """Read the whole book, as deep as it is sent."""
        i, ts_event = self.native[m.symbol], m.time * 1_000
{% set crc = ", m.checksum" if cookiecutter.checksum else ", None" %}
        return (BookSnapshot(i.exchange, i.symbol, ts_event, ts_recv, m.bids, m.asks, m.sequence{{ crc }}, 20),)
{% endif %}

{% if cookiecutter.auth != "none" %}
    @handles(Order)
    def order(self, m: Order, ts_recv: Nanos) -> Handled:
        """Read an order of the account."""
        i, ts_event = self.native[m.symbol], m.time * 1_000
        return (OrderUpdate(i.exchange, i.symbol, ts_event, ts_recv, m.id, m.status, m.side, m.size, m.filled),)

    @handles(Login)
    def login(self, m: Login, ts_recv: Nanos) -> Handled:
        """Say whether the key was taken."""
        return (LoggedIn() if m.refused is None else LoginRefused(m.refused),)

{% endif %}
    @handles(Answer)
    def answer(self, m: Answer, ts_recv: Nanos) -> Handled:
        """Confirm what was asked for, but what was refused."""
        return self.answered(m.id, {one.stream: one.reason for one in m.refused})


class {{ cookiecutter.__class }}Routing(NativeRouting):
    """Makes a router for each connection, and asks over REST."""

    info = {{ cookiecutter.__constant }}
    router_type = {{ cookiecutter.__class }}Router

{% if cookiecutter.book == "rest" %}
    def snapshot(self, subscription: Subscription) -> Fetch[BookSnapshot]:
        """Fetch a book; the stream reports changes at any depth, so all of it."""
        i = instrument_of(subscription)
        book, ts_recv = yield from self.get(Book, "/v1/book", {"symbol": i.native}, weight=10)
        return BookSnapshot(i.exchange, i.symbol, book.time * 1_000, ts_recv, book.bids, book.asks, book.sequence)

{% endif %}
    def history(self, hole: Hole) -> Fetch[Sequence[Event]]:
        """Fetch up to 500 trades after the last good one."""
        i = hole.instrument
        query: dict[str, str | int] = {"symbol": i.native, "after": hole.last_sequence or 0, "limit": 500}
        rows, ts_recv = yield from self.get(list[TradeRow], "/v1/trades", query, weight=2)
        return [parse_trade(row, i, ts_recv, backfilled=True) for row in rows]
{% if cookiecutter.checksum %}

    def checksum(self, book: BookView, instrument: Instrument) -> int:
        """Digest the best ten levels a side, bids first: CRC32 of ``price:size:price:size…``."""
        price, size = instrument.price_text, instrument.size_text
        levels = [*book.bids(10), *book.asks(10)]
        return zlib.crc32(":".join(f"{price(level[0])}:{size(level[1])}" for level in levels).encode())
{% endif %}
