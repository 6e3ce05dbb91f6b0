"""The real ``ccxt.pro.backpack`` works against the simulated Backpack: its book and trades are the ground truth's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from typing import Any

import pytest

from tickwire import InstrumentType
from tickwire.simulation import MemoryTruth, SeededMarket, SimBook, SimServer
from tickwire_backpack.simulator import BackpackSimulator

NATIVES = {"SOL/USDC": "SOL_USDC", "BTC/USDC:USDC": "BTC_USDC_PERP"}


def client(server: SimServer) -> Any:
    """One dict of configuration; deltas are taken up from the first on, and no trade falls out of the cache."""
    sockets = {"public": server.ws_url, "private": server.ws_url}
    return import_module("ccxt.pro").backpack(
        {
            "urls": {"api": {"public": server.rest_url, "private": server.rest_url, "ws": sockets}},
            "enableRateLimit": False,
            "newUpdates": True,
            "options": {"tradesLimit": 100_000, "watchOrderBook": {"snapshotDelay": 0}},
        }
    )


def numbers(book: SimBook) -> tuple[list[list[float]], list[list[float]]]:
    bids, asks = ([[float(price), float(size)] for price, size in side] for side in (book.bids, book.asks))
    return bids, asks


async def move(server: SimServer) -> None:
    while True:
        await server.step(20)
        await asyncio.sleep(0.002)


def test_load_markets_reads_every_listed_market() -> None:
    async def main() -> None:
        dress = BackpackSimulator()
        async with SimServer(dress, SeededMarket.of(dress)) as server:
            exchange = client(server)
            try:
                markets = await exchange.load_markets()
            finally:
                await exchange.close()
        # By native symbol: ccxt has names of its own for some coins, and makes stock RFQ markets of the securities.
        listed = {market["id"]: market for market in markets.values() if market["info"].get("marketType") != "RFQ"}
        expected = {i.native: i for i in dress.instruments if i.type is not InstrumentType.PREDICTION}
        assert {
            native: (market["type"], market["precision"]["price"], market["precision"]["amount"])
            for native, market in listed.items()
        } == {
            native: (
                "swap" if i.type is InstrumentType.PERP else "spot",
                float(i.tick_size or 0),
                float(i.lot_size or 0),
            )
            for native, i in expected.items()
        }

    asyncio.run(main())


@pytest.mark.parametrize("symbol", NATIVES)
def test_watch_trades_gives_every_trade_of_the_truth_in_order(symbol: str) -> None:
    async def main() -> None:
        dress, truth = BackpackSimulator(), MemoryTruth()
        market = SeededMarket.of(dress, NATIVES.values(), seed=9, truth=truth)
        async with SimServer(dress, market) as server, asyncio.timeout(25):
            exchange, moving = client(server), asyncio.create_task(move(server))
            try:
                seen: list[Any] = []
                while len(seen) < 300:
                    seen += await exchange.watch_trades(symbol)
            finally:
                moving.cancel()
                await exchange.close()
        first = int(seen[0]["id"])
        expected = islice(truth.trades(NATIVES[symbol], first - 1), len(seen))
        assert [(t["id"], t["price"], t["amount"], t["side"], int(t["info"]["T"])) for t in seen] == [
            (
                str(t.number), float(t.price), float(t.size), "buy" if t.buyer_is_taker else "sell",
                t.ts // 1_000,
            )
            for t in expected
        ]  # fmt: skip

    asyncio.run(main())


@pytest.mark.parametrize("symbol", NATIVES)
def test_watch_order_book_equals_the_truth_at_its_own_sequence(symbol: str) -> None:
    async def main() -> None:
        dress, truth = BackpackSimulator(), MemoryTruth()
        market = SeededMarket.of(dress, NATIVES.values(), seed=9, truth=truth)
        async with SimServer(dress, market) as server, asyncio.timeout(25):
            exchange, moving = client(server), asyncio.create_task(move(server))
            try:
                sequences: list[int] = []
                while len(sequences) < 300:
                    book = await exchange.watch_order_book(symbol)
                    sequences.append(book["nonce"])
                    true = truth.book(NATIVES[symbol], book["nonce"])
                    assert (list(rows(book["bids"])), list(rows(book["asks"]))) == numbers(true)
            finally:
                moving.cancel()
                await exchange.close()
        assert sequences == sorted(sequences)
        assert sequences[-1] > sequences[0]

    asyncio.run(main())


def rows(side: Any) -> Iterator[list[float]]:
    return ([float(price), float(size)] for price, size, *_ in side)
