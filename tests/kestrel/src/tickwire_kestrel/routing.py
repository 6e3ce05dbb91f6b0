"""Kestrel's wire language (docs.kestrel.example/ws, read 2026-11-21). ``maker`` rests: the taker is the other one."""

# fmt: off
# isort: off
# ruff: noqa: E702
import zlib
from collections.abc import Iterable, Sequence

import msgspec

from tickwire import (BookDelta, BookSnapshot, Channel, Event, Instrument, Instruments, Nanos, OrderStatus, OrderUpdate,
                      Side, Subscription, Trade)
from tickwire.native import Metrics, Micros, NativeMessageRouter, NativeRouting, Price, Size, decoder_for, handles
from tickwire.plugin import Alive, BookView, ConnectionInfo, Control, Fetch, Hole, LoggedIn, LoginRefused, Request, Send
from tickwire_kestrel.auth import KestrelSigner
from tickwire_kestrel.info import KESTREL

TOPICS = {Channel.TRADES: "trades", Channel.L2_BOOK: "book", Channel.ORDERS: "orders"}
Levels = tuple[tuple[Price, Size], ...]

class Wire(msgspec.Struct, tag_field="op"): ...
class Row(msgspec.Struct):
    id: int; p: Price; q: Size; maker: Side; ts: Micros
class Trades(Wire, tag="trades"):
    s: str; rows: list[Row]; recent: bool = False            # recent: the last 50, sent on subscribing
class Snap(Wire, tag="snap"):
    s: str; seq: int; ts: Micros; crc: int; bids: Levels; asks: Levels
class Upd(Wire, tag="upd"):
    s: str; seq: int; prev: int; ts: Micros; crc: int; bids: Levels; asks: Levels
class Order(Wire, tag="order"):
    s: str; id: str; state: OrderStatus; side: Side; q: Size; done: Size; ts: Micros
class Bad(msgspec.Struct):
    topic: str; why: str
class Ack(Wire, tag="ack"):
    id: int; bad: list[Bad] = []
class Pong(Wire, tag="pong"): ...

def parse_trade(row: Row, i: Instrument, ts_recv: Nanos, late: bool = False) -> Trade:
    taker = Side.SELL if row.maker is Side.BUY else Side.BUY
    return Trade(i.exchange, i.symbol, row.ts * 1_000, ts_recv, row.p, row.q, taker, str(row.id), row.id, None, late)

class KestrelRouter(NativeMessageRouter):
    decoder = msgspec.json.Decoder(Trades | Snap | Upd | Order | Ack | Pong, strict=False)

    def __init__(self, instruments: Instruments, signer: KestrelSigner | None, numbers: type = float,
                 metrics: Metrics | None = None) -> None:
        super().__init__(instruments, metrics=metrics, numbers=numbers)
        self._signer = signer

    def stream(self, subscription: Subscription) -> str:
        return f"{TOPICS[subscription.channel]}:{subscription.instrument.native if subscription.instrument else '*'}"

    def request(self, add: bool, streams: Sequence[str], number: int) -> object:
        return {"op": "sub" if add else "unsub", "id": number, "topics": streams}

    def opened(self) -> Iterable[Control]:
        return (Send(msgspec.json.encode({"op": "login", "id": 0, **self._signer.login()})),) if self._signer else ()

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

    @handles(Order)
    def order(self, m: Order, ts_recv: Nanos) -> Iterable[Event]:
        i = self.native[m.s]
        return (OrderUpdate(i.exchange, i.symbol, m.ts * 1_000, ts_recv, m.id, m.state, m.side, m.q, m.done),)

    @handles(Pong)
    def pong(self, m: Pong, ts_recv: Nanos) -> Iterable[Control]:
        return (Alive(),)

    @handles(Ack)
    def ack(self, m: Ack, ts_recv: Nanos) -> Iterable[Event | Control]:
        if m.id == 0:
            return (LoginRefused(m.bad[0].why),) if m.bad else (LoggedIn(),)
        return self.answered(m.id, {bad.topic: bad.why for bad in m.bad})

class KestrelRouting(NativeRouting):
    info = KESTREL

    def __init__(self, instruments: Instruments, signer: KestrelSigner | None, numbers: type = float) -> None:
        self._listed, self._signer, self._numbers = instruments, signer, numbers

    def router(self, connection: ConnectionInfo) -> KestrelRouter:
        signer = self._signer if connection.endpoint == "private" else None
        return KestrelRouter(self._listed, signer, self._numbers, connection.metrics)

    def history(self, hole: Hole) -> Fetch[Sequence[Event]]:
        i, after = hole.instrument, (hole.after.sequence if hole.after else None) or 0
        reply = yield Request("GET", "/v1/trades", {"symbol": i.native, "after_id": after, "limit": 500}, weight=2)
        rows = decoder_for(list[Row], self._numbers).decode(reply.body)
        return [parse_trade(row, i, reply.ts_recv, True) for row in rows]

    def checksum(self, book: BookView, i: Instrument) -> int:
        levels = [*book.bids(10), *book.asks(10)]
        return zlib.crc32(":".join(f"{i.price_text(p)}:{i.size_text(s)}" for p, s in levels).encode())
