"""The real ``ccxt.pro.binance`` and ``binanceusdm`` work against the simulated exchange: they give the ground truth."""

from __future__ import annotations

import asyncio
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from tickwire import InstrumentStatus, InstrumentType
from tickwire.simulation import MemoryTruth, SeededMarket, SimServer
from tickwire_binance.simulator import BinanceSimulator, BinanceUsdmSimulator, BinanceUsSimulator

if TYPE_CHECKING:
    from conftest import Move, ReadCcxt, ReadTruth

DRESSES = {"binance": BinanceSimulator, "binanceus": BinanceUsSimulator, "binanceusdm": BinanceUsdmSimulator}
# by exchange, ccxt's symbol and the native one
MARKETS = [
    ("binance", "BTC/USDT", "BTCUSDT"),
    ("binance", "ETH/BTC", "ETHBTC"),
    ("binanceus", "BTC/USDT", "BTCUSDT"),
    ("binanceusdm", "BTC/USDT:USDT", "BTCUSDT"),
    ("binanceusdm", "BTC/USDT:USDT-261225", "BTCUSDT_261225"),
]


def client(exchange: str, server: SimServer) -> Any:
    """Lead every address that is asked for to the server; ccxt tells spot by ``/stream`` in the socket's."""
    addresses = {
        "public": f"{server.rest_url}/api/v3",
        "fapiPublic": f"{server.rest_url}/fapi/v1",
        "ws": {"spot": f"{server.ws_url}/stream", "linear": f"{server.ws_url}/ws"},
    }
    return getattr(import_module("ccxt.pro"), exchange)(
        {
            "urls": {"api": addresses},
            "enableRateLimit": False,
            "newUpdates": True,
            "options": {
                "tradesLimit": 100_000,
                "fetchCurrencies": False,
                "fetchMarkets": {"types": ["linear" if exchange == "binanceusdm" else "spot"]},
            },
        }
    )


@pytest.mark.parametrize("exchange", DRESSES)
def test_load_markets_reads_every_listed_market(exchange: str) -> None:
    async def main() -> None:
        dress = DRESSES[exchange]()
        async with SimServer(dress, SeededMarket.of(dress)) as server:
            ccxt = client(exchange, server)
            try:
                markets = await ccxt.load_markets()
            finally:
                await ccxt.close()
        kinds = {InstrumentType.SPOT: "spot", InstrumentType.PERP: "swap", InstrumentType.FUTURE: "future"}
        assert {
            one["id"]: (
                one["type"], one["active"], one["precision"]["price"], one["precision"]["amount"], one["settle"],
            )
            for one in markets.values()
        } == {
            i.native: (
                kinds[i.type], i.status is InstrumentStatus.OPEN, float(i.tick_size or 0), float(i.lot_size or 0),
                i.settle,
            )
            for i in dress.instruments
        }  # fmt: skip

    asyncio.run(main())


@pytest.mark.parametrize("stream", ["trade", "aggTrade"])
@pytest.mark.parametrize(("exchange", "symbol", "native"), MARKETS)
def test_watch_trades_gives_every_trade_of_the_truth_in_order(
    exchange: str, symbol: str, native: str, stream: str, move: Move
) -> None:
    async def main() -> None:
        dress, truth = DRESSES[exchange](), MemoryTruth()
        market = SeededMarket.of(dress, [native], seed=9, truth=truth)
        async with SimServer(dress, market) as server, asyncio.timeout(25):
            ccxt, moving = client(exchange, server), asyncio.create_task(move(server))
            try:
                seen: list[Any] = []
                while len(seen) < 200:
                    seen += await ccxt.watch_trades(symbol, None, None, {"name": stream})
                fetched = await ccxt.fetch_trades(symbol, None, 500, {"fromId": int(seen[0]["id"])})
            finally:
                moving.cancel()
                await ccxt.close()
        expected = list(islice(truth.trades(native, int(seen[0]["id"]) - 1), len(seen)))
        for found in (seen, fetched[: len(seen)]):
            assert [(t["id"], t["price"], t["amount"], t["side"], t["timestamp"]) for t in found] == [
                (str(t.number), float(t.price), float(t.size), "buy" if t.buyer_is_taker else "sell", t.ts // 1_000_000)
                for t in expected
            ]

    asyncio.run(main())


@pytest.mark.parametrize(("exchange", "symbol", "native"), MARKETS)
def test_watch_order_book_equals_the_truth_at_its_own_sequence(
    exchange: str, symbol: str, native: str, ccxt_sides: ReadCcxt, true_sides: ReadTruth, move: Move
) -> None:
    async def main() -> None:
        dress, truth = DRESSES[exchange](), MemoryTruth()
        market = SeededMarket.of(dress, [native], seed=9, truth=truth)
        async with SimServer(dress, market) as server, asyncio.timeout(25):
            ccxt, moving = client(exchange, server), asyncio.create_task(move(server))
            try:
                sequences: list[int] = []
                while len(sequences) < 25:
                    book = await ccxt.watch_order_book(symbol)
                    sequences.append(book["nonce"])
                    true = truth.book(native, book["nonce"])
                    assert ccxt_sides(book) == true_sides(true)
            finally:
                moving.cancel()
                await ccxt.close()
        assert sequences == sorted(sequences)
        assert len(set(sequences)) > 20

    asyncio.run(main())


def test_a_stream_of_no_known_kind_is_an_error() -> None:
    async def main() -> None:
        dress = BinanceSimulator()
        async with SimServer(dress, SeededMarket.of(dress)) as server, asyncio.timeout(25):
            ccxt = client("binance", server)
            try:
                with pytest.raises(Exception, match="Invalid request: invalid stream"):
                    await ccxt.watch_trades("BTC/USDT", None, None, {"name": "unheardOf"})
            finally:
                await ccxt.close()

    asyncio.run(main())
