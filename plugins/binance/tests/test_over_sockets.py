"""A whole feed over loopback sockets, all channels, a cut in the middle: judged by what really happened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tickwire import BookDelta, Candle, Event, Feed, Funding, MarkPrice, Quote, Reconnected, Registry, Ticker
from tickwire.simulation import MemoryTruth, SeededMarket, SimServer
from tickwire.testing import Oracle
from tickwire_binance import plugin
from tickwire_binance.simulator import BinanceSimulator, BinanceUsdmSimulator

FUTURES = ["BTC-USDT-PERP", "BTC-USDT-20261225"]
SPOT = ["trades", "l2_book", "l1_book", "ticker", "candles:interval=1m"]


@pytest.mark.parametrize("numbers", [float, Decimal])
@pytest.mark.parametrize(
    ("exchange", "dress", "symbols", "channels", "sockets"),
    [
        ("binance", BinanceSimulator, ["BTC-USDT", "ETH-BTC"], SPOT, 1),
        ("binanceusdm", BinanceUsdmSimulator, FUTURES, [*SPOT, "mark_price", "funding"], 2),
    ],
)  # fmt: skip
def test_nothing_is_lost_in_silence_over_a_cut(
    exchange: str, dress: Callable[[], BinanceSimulator], symbols: list[str], channels: list[str], sockets: int,
    numbers: type,
) -> None:  # fmt: skip
    async def main() -> None:
        made, truth, events = dress(), MemoryTruth(), list[Event]()
        server = SimServer(made, SeededMarket.of(made, symbols, seed=5, truth=truth), rate=1_500)
        async with server, asyncio.timeout(60):
            feed: Feed[Any] = Feed(
                exchange, symbols, channels, registry=Registry.of(binance=plugin), numbers=numbers,
                rest=server.rest_url, websocket=server.ws_url,
            )  # fmt: skip
            oracle = Oracle(live=lambda: feed.books, numbers=numbers)
            feed.on(Event, oracle.see)
            feed.on(Event, events.append)
            async with feed:
                await until(lambda: count(events, BookDelta) > 20 and count(events, Candle) > 1)
                assert server.clients == sockets
                await server.stop(abrupt=True)
                await server.start()
                before = count(events, BookDelta)
                await until(lambda: count(events, BookDelta) > before + 20 and count(events, Ticker) > 4)
                # a dated future has no funding, so that nothing ends that hole
                await until(lambda: not any(s.open_gap for key, s in feed.status().items() if key.channel != "funding"))
                await feed.stop()
            assert oracle.verdict(truth) == []
            assert count(events, Reconnected) == sockets
            assert count(events, Quote) > 100
            kinds = {type(event) for event in events}
            assert ({MarkPrice, Funding} <= kinds) is (exchange == "binanceusdm")
            funded = {event.symbol for event in events if isinstance(event, Funding)}
            assert funded == ({"BTC-USDT-PERP"} if exchange == "binanceusdm" else set())
            assert feed.metrics.total("decode_errors_total") == feed.metrics.total("unknown_frames_total") == 0
            assert feed.metrics.total("drift_total") == 0

    asyncio.run(main())


def count(events: list[Event], kind: type) -> int:
    return sum(isinstance(event, kind) for event in events)


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - the world's clock runs here, and many things may make it hold
        await asyncio.sleep(0.02)
