"""The real ``ccxt.pro.backpack`` works against the simulated Backpack: what it gives is the ground truth's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from decimal import Decimal
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from tickwire import InstrumentType, SystemClock
from tickwire.simulation import MemoryTruth, SeededMarket, SimServer, SimTrade
from tickwire_backpack.simulator import BackpackSimulator

if TYPE_CHECKING:
    from conftest import Move, ReadCcxt, ReadTruth

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
def test_watch_trades_gives_every_trade_of_the_truth_in_order(symbol: str, move: Move) -> None:
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
def test_watch_order_book_equals_the_truth_at_its_own_sequence(
    symbol: str, ccxt_sides: ReadCcxt, true_sides: ReadTruth, move: Move
) -> None:
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
                    assert ccxt_sides(book) == true_sides(true)
            finally:
                moving.cancel()
                await exchange.close()
        assert sequences == sorted(sequences)
        assert sequences[-1] > sequences[0]

    asyncio.run(main())


class HurriedClock(SystemClock):
    """The exchange's clock: a minute of it is one second of the world, and it never passes ccxt's own clock."""

    def __init__(self) -> None:
        self._began, self._start = time.monotonic_ns(), time.time_ns() - 3_600_000_000_000

    def now(self) -> int:
        return self._start + (time.monotonic_ns() - self._began) * 60

    def monotonic(self) -> float:
        return (time.monotonic_ns() - self._began) * 60 / 1e9

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 60)


def summed(trades: Sequence[SimTrade]) -> tuple[float, float, float, float, float]:
    """Give open, high, low, close and volume."""
    prices = [float(trade.price) for trade in trades]
    volume = sum(Decimal(trade.size) for trade in trades)
    return prices[0], max(prices), min(prices), prices[-1], float(volume)


@pytest.mark.parametrize("symbol", NATIVES)
def test_watch_ticker_and_fetch_ticker_give_the_trades_so_far(symbol: str) -> None:
    async def main() -> None:
        clock, truth = HurriedClock(), MemoryTruth()
        dress = BackpackSimulator(clock)
        market = SeededMarket.of(dress, NATIVES.values(), seed=9, truth=truth, clock=clock)
        async with SimServer(dress, market) as server, asyncio.timeout(25):
            exchange = client(server)
            try:
                await server.step(2_000)
                watched = await exchange.watch_ticker(symbol)
                fetched = await exchange.fetch_ticker(symbol)
                many = await exchange.fetch_tickers([symbol])
            finally:
                await exchange.close()
        expected = summed(list(truth.trades(NATIVES[symbol])))
        keys = ("open", "high", "low", "close", "baseVolume")
        for ticker in (watched, fetched, many[symbol]):
            assert tuple(ticker[key] for key in keys) == expected

    asyncio.run(main())


@pytest.mark.parametrize("symbol", NATIVES)
def test_watch_ohlcv_and_fetch_ohlcv_give_the_trades_of_their_minutes(symbol: str) -> None:
    async def main() -> None:
        clock, truth = HurriedClock(), MemoryTruth()
        dress = BackpackSimulator(clock)
        market = SeededMarket.of(dress, NATIVES.values(), seed=9, truth=truth, clock=clock)
        async with SimServer(dress, market, rate=60) as server, asyncio.timeout(25):
            exchange = client(server)
            try:
                since = clock.now() // 1_000_000
                watched: dict[int, list[float]] = {}
                while len(watched) < 4:
                    # ccxt dates a candle of the socket by its end
                    rows = await exchange.watch_ohlcv(symbol, "1m")
                    watched |= {end - 60_000: figures for end, *figures in rows}
                fetched = {row[0]: row[1:] for row in await exchange.fetch_ohlcv(symbol, "1m", since)}
            finally:
                await exchange.close()
        by_minute: dict[int, list[SimTrade]] = {}
        for trade in truth.trades(NATIVES[symbol]):
            by_minute.setdefault(trade.ts // 60_000_000_000 * 60_000, []).append(trade)
        # the first may have begun before, the last has not closed
        for minute in sorted(watched)[1:-1]:
            assert tuple(watched[minute]) == summed(by_minute[minute])
        assert len(fetched) >= 2
        assert {minute: tuple(row) for minute, row in fetched.items()} == {
            minute: summed(by_minute[minute]) for minute in fetched
        }

    asyncio.run(main())
