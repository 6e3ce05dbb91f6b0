"""Dresses the simulated market as Kestrel; faults, timing and ground truth are the simulation's."""

import zlib

import msgspec

from tickwire import Channel
from tickwire.plugin import Request
from tickwire.testing import SimBook, SimClient, SimMarket, SimTrade

CHANNELS = {"trades": Channel.TRADES, "book": Channel.L2_BOOK}


class KestrelSimulator:
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
        bad = []
        for topic in m.get("topics", ()):
            name, _, native = topic.partition(":")
            if m["op"] == "unsub":
                client.leave(topic)
            elif not client.join(topic, CHANNELS[name], native):
                bad.append({"topic": topic, "why": "unknown instrument"})
        client.send({"op": "ack", "id": m["id"], "bad": bad})
        return None

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
