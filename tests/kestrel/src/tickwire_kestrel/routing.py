"""Kestrel's wire language (docs.kestrel.example/ws, read 2026-11-21). ``maker`` rests: the taker is the other one."""

import zlib
from collections.abc import Iterable, Sequence

import msgspec

from tickwire import BookDelta, BookSnapshot, Channel, Event, Instrument, Instruments, Nanos, Side, Subscription, Trade
from tickwire.native import Micros, NativeMessageRouter, NativeRouting, Price, Size, handles
from tickwire.plugin import Alive, BookView, ConnectionInfo, Control, Send
from tickwire_kestrel.info import KESTREL

TOPICS = {Channel.TRADES: "trades", Channel.L2_BOOK: "book"}
Levels = tuple[tuple[Price, Size], ...]


class Wire(msgspec.Struct, tag_field="op"): ...


class Row(msgspec.Struct):
    id: int
    p: Price
    q: Size
    maker: Side
    ts: Micros


class Trades(Wire, tag="trades"):
    s: str
    rows: list[Row]
    recent: bool = False  # the last 50, sent on subscribing


class Snap(Wire, tag="snap"):
    s: str
    seq: int
    ts: Micros
    crc: int
    bids: Levels
    asks: Levels


class Upd(Wire, tag="upd"):
    s: str
    seq: int
    prev: int
    ts: Micros
    crc: int
    bids: Levels
    asks: Levels


class Bad(msgspec.Struct):
    topic: str
    why: str


class Ack(Wire, tag="ack"):
    id: int
    bad: list[Bad] = []


class Pong(Wire, tag="pong"): ...


def parse_trade(row: Row, i: Instrument, ts_recv: Nanos, backfilled: bool = False) -> Trade:
    taker = Side.SELL if row.maker is Side.BUY else Side.BUY
    return Trade(
        i.exchange, i.symbol, row.ts * 1_000, ts_recv, row.p, row.q, taker, str(row.id), row.id, None, backfilled
    )


class KestrelRouter(NativeMessageRouter):
    decoder = msgspec.json.Decoder(Trades | Snap | Upd | Ack | Pong, strict=False)

    def stream(self, subscription: Subscription) -> str:
        return f"{TOPICS[subscription.channel]}:{subscription.instrument.native if subscription.instrument else '*'}"

    def request(self, add: bool, streams: Sequence[str], number: int) -> object:
        return {"op": "sub" if add else "unsub", "id": number, "topics": streams}

    def heartbeat(self, now: Nanos) -> Iterable[Send]:
        return (Send(msgspec.json.encode({"op": "ping", "ms": now // 1_000_000})),)

    @handles(Trades)
    def trades(self, m: Trades, ts_recv: Nanos) -> Iterable[Event]:
        return [parse_trade(row, self.native[m.s], ts_recv, m.recent) for row in m.rows]

    @handles(Snap)
    def snapshot(self, m: Snap, ts_recv: Nanos) -> Iterable[Event]:
        i = self.native[m.s]
        return (BookSnapshot(i.exchange, i.symbol, m.ts * 1_000, ts_recv, m.bids, m.asks, m.seq, m.crc),)

    @handles(Upd)
    def delta(self, m: Upd, ts_recv: Nanos) -> Iterable[Event]:
        i = self.native[m.s]
        return (BookDelta(i.exchange, i.symbol, m.ts * 1_000, ts_recv, m.bids, m.asks, m.seq, m.seq, m.prev, m.crc),)

    @handles(Pong)
    def pong(self, m: Pong, ts_recv: Nanos) -> Iterable[Control]:
        return (Alive(),)

    @handles(Ack)
    def ack(self, m: Ack, ts_recv: Nanos) -> Iterable[Event | Control]:
        return self.answered(m.id, {bad.topic: bad.why for bad in m.bad})


class KestrelRouting(NativeRouting):
    info = KESTREL

    def __init__(self, instruments: Instruments, numbers: type = float) -> None:
        self._instruments = instruments
        self._numbers = numbers

    def router(self, connection: ConnectionInfo) -> KestrelRouter:
        return KestrelRouter(self._instruments, numbers=self._numbers)

    def checksum(self, book: BookView, instrument: Instrument) -> int:
        levels = [*book.bids(10), *book.asks(10)]
        text = ":".join(f"{instrument.price_text(p)}:{instrument.size_text(s)}" for p, s in levels)
        return zlib.crc32(text.encode())
