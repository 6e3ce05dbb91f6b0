"""The real ``ccxt.pro.kraken`` works against the simulated Kraken: what it gives is the ground truth's."""

from __future__ import annotations

import asyncio
from collections import deque
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from tickwire.simulation import MemoryTruth, SeededMarket, SimServer
from tickwire_kraken.simulator import KrakenSimulator, digest

if TYPE_CHECKING:
    from conftest import Move, ReadCcxt, ReadTruth, Sides

SYMBOLS = ("BTC/USD", "DOGE/USD")


def client(server: SimServer) -> Any:
    """One dict of configuration; no trade falls out of the cache."""
    return import_module("ccxt.pro").kraken(
        {
            "urls": {
                "api": {
                    "public": server.rest_url,
                    "private": server.rest_url,
                    "ws": {"publicV2": f"{server.ws_url}/v2", "public": server.ws_url},
                }
            },
            "enableRateLimit": False,
            "newUpdates": True,
            "options": {"tradesLimit": 100_000},
        }
    )


def test_load_markets_reads_every_listed_pair() -> None:
    async def main() -> None:
        dress = KrakenSimulator()
        async with SimServer(dress, SeededMarket.of(dress)) as server:
            exchange = client(server)
            try:
                markets = await exchange.load_markets()
            finally:
                await exchange.close()
        assert {
            symbol: (market["precision"]["price"], market["precision"]["amount"], market["active"])
            for symbol, market in markets.items()
        } == {
            i.native: (float(i.tick_size or 0), float(i.lot_size or 0), i.status == "open") for i in dress.instruments
        }

    asyncio.run(main())


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_watch_trades_gives_every_trade_of_the_truth_in_order(symbol: str, move: Move) -> None:
    async def main() -> None:
        dress, truth = KrakenSimulator(), MemoryTruth()
        market = SeededMarket.of(dress, SYMBOLS, seed=9, truth=truth)
        async with SimServer(dress, market) as server, asyncio.timeout(25):
            exchange, moving = client(server), asyncio.create_task(move(server, 5))
            try:
                seen: list[Any] = []
                while len(seen) < 300:
                    seen += await exchange.watch_trades(symbol)
            finally:
                moving.cancel()
                await exchange.close()
        first = int(seen[0]["id"])
        expected = islice(truth.trades(symbol, first - 1), len(seen))
        assert [(t["id"], t["price"], t["amount"], t["side"], t["timestamp"]) for t in seen] == [
            (str(t.number), float(t.price), float(t.size), "buy" if t.buyer_is_taker else "sell", t.ts // 1_000_000)
            for t in expected
        ]

    asyncio.run(main())


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("depth", [10, 25])
def test_watch_order_book_is_a_book_of_the_truth_and_has_its_checksum(
    symbol: str, depth: int, ccxt_sides: ReadCcxt, true_sides: ReadTruth, move: Move
) -> None:
    # ccxt's own check is off by default and cannot run in Python: it splits the text of what is a float. What it
    # compares is compared here: the checksum that came with the frame, and the digest of the book ccxt made of it.
    async def main() -> None:
        dress, truth = KrakenSimulator(), MemoryTruth()
        market = SeededMarket.of(dress, SYMBOLS, seed=9, truth=truth)
        async with SimServer(dress, market) as server, asyncio.timeout(50):
            exchange = client(server)
            digests = deque[tuple[int, int]]()
            watched = exchange.handle_order_book

            def handle(websocket: Any, message: Any) -> None:
                watched(websocket, message)
                (row,) = message["data"]
                if row["symbol"] == symbol:
                    book = exchange.orderbooks[symbol]
                    texts = [
                        (f"{price:.{decimals}f}", f"{size:.8f}")
                        for side in (book["asks"], book["bids"]) for price, size in list(side)[:10]
                    ]  # fmt: skip
                    digests.append((digest(texts), row["checksum"]))

            exchange.handle_order_book = handle
            books: list[Sides] = []
            await exchange.load_markets()
            decimals = exchange.markets[symbol]["info"]["pair_decimals"]
            moving = asyncio.create_task(move(server, 5))
            try:
                while len(books) < 200:
                    book = await exchange.watch_order_book(symbol, depth)
                    books.append(ccxt_sides(book))
            finally:
                moving.cancel()
                await exchange.close()
        first, last = truth.span(symbol)
        real = [true_sides(truth.book(symbol, sequence), depth) for sequence in range(first, last + 1)]
        assert [book for book in books if book not in real] == []
        assert len(digests) >= 200
        assert [ours for ours, _ in digests] == [theirs for _, theirs in digests]

    asyncio.run(main())


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_watch_ticker_and_bids_asks_give_the_top_and_the_trades_so_far(symbol: str) -> None:
    async def main() -> None:
        dress, truth = KrakenSimulator(), MemoryTruth()
        market = SeededMarket.of(dress, SYMBOLS, seed=9, truth=truth)
        async with SimServer(dress, market) as server, asyncio.timeout(25):
            exchange = client(server)
            try:
                await server.step(2_000)
                watched = await exchange.watch_ticker(symbol)
            finally:
                await exchange.close()
        trades, top = list(truth.trades(symbol)), market.book(symbol, 1)
        prices = [float(trade.price) for trade in trades]
        found = [watched[key] for key in ("last", "high", "low", "bid", "bidVolume", "ask", "askVolume")]
        assert found == [
            prices[-1], max(prices), min(prices), *map(float, top.bids[0]), *map(float, top.asks[0])
        ]  # fmt: skip

    asyncio.run(main())
