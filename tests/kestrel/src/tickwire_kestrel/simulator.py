"""Dresses the simulated market as Kestrel; faults, timing and ground truth are the simulation's."""

import hashlib
import hmac
import zlib
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakSet

import msgspec

from tickwire import Channel
from tickwire.plugin import Request
from tickwire.testing import SimBook, SimClient, SimMarket, SimOrder, SimTrade

CHANNELS = {"trades": Channel.TRADES, "book": Channel.L2_BOOK, "orders": Channel.ORDERS}


class KestrelSimulator:
    """Has one account: ``kestrel-key`` and ``kestrel-secret``. A socket may ask for its orders once it has logged in.

    Public and private socket are one here: what a socket may ask for follows from its login, not from its path.
    """

    key, secret = "kestrel-key", "kestrel-secret"

    def __init__(self) -> None:
        self._members: WeakSet[SimClient] = WeakSet()

    def rest(self, request: Request, market: SimMarket) -> object:
        if request.path == "/v1/instruments":
            return [
                {
                    "name": i.native,
                    "base": i.base,
                    "quote": i.quote,
                    "tick": str(i.tick_size),
                    "lot": str(i.lot_size),
                    "state": "open",
                }
                for i in market.instruments
            ]
        p = request.params
        return [self.row(t) for t in market.trades(str(p["symbol"]), int(p["after_id"]), int(p["limit"]))]

    def received(self, payload: bytes, client: SimClient) -> None:
        m = msgspec.json.decode(payload)
        if m["op"] == "ping":
            return client.send({"op": "pong"})
        bad = self.login(m, client) if m["op"] == "login" else self.topics(m, client)
        client.send({"op": "ack", "id": m["id"], "bad": bad})
        return None

    def login(self, m: Mapping[str, Any], client: SimClient) -> Sequence[object]:
        sign = hmac.new(self.secret.encode(), f"{m['ms']}LOGIN".encode(), hashlib.sha256).hexdigest()
        if m["key"] != self.key or not hmac.compare_digest(m["sign"], sign):
            return [{"topic": "login", "why": "bad signature" if m["key"] == self.key else "unknown key"}]
        self._members.add(client)
        return []

    def topics(self, m: Mapping[str, Any], client: SimClient) -> Sequence[object]:
        bad = []
        for topic in m.get("topics", ()):
            name, _, native = topic.partition(":")
            if m["op"] == "unsub":
                client.leave(topic)
            elif name == "orders" and client not in self._members:
                bad.append({"topic": topic, "why": "log in first"})
            elif not client.join(topic, CHANNELS[name], native):
                bad.append({"topic": topic, "why": "unknown instrument"})
        return bad

    def row(self, t: SimTrade) -> object:
        return {
            "id": t.number,
            "p": t.price,
            "q": t.size,
            "maker": "sell" if t.buyer_is_taker else "buy",
            "ts": t.ts // 1_000,
        }

    def trade(self, trade: SimTrade) -> object:
        return {"op": "trades", "s": trade.instrument.native, "rows": [self.row(trade)]}

    def recent(self, trades: Sequence[SimTrade]) -> object:
        rows = [self.row(trade) for trade in trades]
        return {"op": "trades", "s": trades[0].instrument.native, "rows": rows, "recent": True}

    def order(self, order: SimOrder) -> object:
        return {
            "op": "order",
            "s": order.instrument.native,
            "id": str(order.number),
            "state": order.status,
            "side": "buy" if order.is_buy else "sell",
            "q": order.size,
            "done": order.filled,
            "ts": order.ts // 1_000,
        }

    def book(self, change: SimBook, whole: SimBook) -> object:
        crc = zlib.crc32(":".join(f"{p}:{s}" for p, s in [*whole.bids[:10], *whole.asks[:10]]).encode())
        head = {"op": "snap"} if change.previous is None else {"op": "upd", "prev": change.previous}
        return {
            **head,
            "s": change.instrument.native,
            "seq": change.sequence,
            "ts": change.ts // 1_000,
            "crc": crc,
            "bids": change.bids,
            "asks": change.asks,
        }
