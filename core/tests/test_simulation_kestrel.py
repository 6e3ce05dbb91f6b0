"""The example dress of ``interfaces.md`` §9, word for word, served and understood."""

# ruff: noqa: E501, RET503

from __future__ import annotations

import asyncio
import zlib
from decimal import Decimal
from typing import Any

import aiohttp
import msgspec

from tickwire import BookDelta, Books, BookSnapshot, Channel, L2Book
from tickwire.plugin import Request
from tickwire.simulation import MemoryTruth, SeededMarket, SimServer
from tickwire.testing import SimBook, SimClient, SimMarket, SimTrade

CHANNELS = {"trades": Channel.TRADES, "book": Channel.L2_BOOK}


# fmt: off
class KestrelSimulator:
    def rest(self, request: Request, market: SimMarket) -> object:
        if request.path == "/v1/instruments":
            return [{"name": i.native, "base": i.base, "quote": i.quote, "tick": str(i.tick_size), "lot": str(i.lot_size),
                     "state": "open"} for i in market.instruments]
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

    def row(self, t: SimTrade) -> object:
        return {"id": t.number, "p": t.price, "q": t.size, "maker": "sell" if t.buyer_is_taker else "buy", "ts": t.ts // 1_000}

    def trade(self, trade: SimTrade) -> object:
        return {"op": "trades", "s": trade.instrument.native, "rows": [self.row(trade)]}

    def book(self, change: SimBook, whole: SimBook) -> object:
        crc = zlib.crc32(":".join(f"{p}:{s}" for p, s in [*whole.bids[:10], *whole.asks[:10]]).encode())
        head = {"op": "snap"} if change.previous is None else {"op": "upd", "prev": change.previous}
        return {**head, "s": change.instrument.native, "seq": change.sequence, "ts": change.ts // 1_000, "crc": crc,
                "bids": change.bids, "asks": change.asks}
# fmt: on


def numbers(levels: list[tuple[str, str]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(price), float(size)) for price, size in levels)


def event(m: Any) -> BookSnapshot | BookDelta:
    ts, bids, asks = m["ts"] * 1_000, numbers(m["bids"]), numbers(m["asks"])
    if m["op"] == "snap":
        return BookSnapshot("kestrel", "SOL-USD", ts, ts, bids, asks, m["seq"], m["crc"])
    return BookDelta("kestrel", "SOL-USD", ts, ts, bids, asks, m["seq"], m["seq"], m["prev"], m["crc"])


def checksum(book: L2Book) -> int:
    levels = [*book.bids(10), *book.asks(10)]
    return zlib.crc32(":".join(f"{level.price:.2f}:{level.size:.2f}" for level in levels).encode())


def test_kestrel_speaks_over_the_socket_with_links_and_checksums_that_hold() -> None:
    async def main() -> None:
        dress, truth = KestrelSimulator(), MemoryTruth()
        market = SeededMarket.of(dress, seed=11, truth=truth)
        async with (
            SimServer(dress, market) as server,
            aiohttp.ClientSession() as session,
            session.ws_connect(server.ws_url) as socket,
        ):
            await socket.send_json({"op": "ping", "ms": 1})
            assert await socket.receive_json() == {"op": "pong"}
            topics = ["trades:SOL/USD", "book:SOL/USD", "book:DOGE/USD"]
            await socket.send_json({"op": "sub", "id": 7, "topics": topics})
            refused = [{"topic": "book:DOGE/USD", "why": "unknown instrument"}]
            assert await socket.receive_json() == {"op": "ack", "id": 7, "bad": refused}
            await server.step(1_500)
            last, books, trades = market.pit("SOL/USD").sequence, Books(), []
            while (books["SOL-USD"].sequence if "SOL-USD" in books else 0) != last:
                message = await socket.receive_json()
                if message["op"] == "trades":
                    trades += message["rows"]
                    continue
                books.apply(event(message))
                assert checksum(books["SOL-USD"]) == message["crc"]
            final = truth.book("SOL/USD", last)
            assert books["SOL-USD"].bids() == [(float(p), float(s)) for p, s in final.bids]
            assert trades == [dress.row(trade) for trade in truth.trades("SOL/USD")]

    asyncio.run(main())


def test_kestrel_speaks_rest() -> None:
    async def main() -> None:
        dress, truth = KestrelSimulator(), MemoryTruth()
        market = SeededMarket.of(dress, seed=11, truth=truth)
        async with SimServer(dress, market) as server, aiohttp.ClientSession(server.rest_url) as session:
            async with session.get("/v1/instruments") as answer:
                listed = await answer.json()
            assert [row["name"] for row in listed] == ["BTC/USD", "ETH/USD", "SOL/USD"]
            assert {Decimal(row["tick"]) for row in listed} == {Decimal("0.1"), Decimal("0.01")}
            await server.step(2_000)
            made = list(truth.trades("SOL/USD"))
            params = {"symbol": "SOL/USD", "after_id": str(made[3].number), "limit": "5"}
            async with session.get("/v1/trades", params=params) as answer:
                assert await answer.json() == [dress.row(trade) for trade in made[4:9]]

    asyncio.run(main())
