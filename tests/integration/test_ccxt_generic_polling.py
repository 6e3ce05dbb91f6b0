"""What ccxt polls instead of streaming, and its other channels: against simulated exchanges on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tickwire import BookSnapshot, Candle, Event, Feed, Gap, GapCause, Quote, Registry, Ticker, Trade
from tickwire.simulation import Dress, Fault, FaultKind, Faults, MemoryTruth, SeededMarket, SimServer
from tickwire_backpack.simulator import BackpackSimulator
from tickwire_binance.simulator import BinanceUsSimulator
from tickwire_kraken.simulator import KrakenSimulator

if TYPE_CHECKING:
    from conftest import SocksProxy

REGISTRY = Registry.discover()
PLACES: Sequence[tuple[str, Callable[[], Dress], str, str]] = [
    ("backpack", BackpackSimulator, "SOL-USDC", "SOL_USDC"),
    ("binanceus", BinanceUsSimulator, "BTC-USDT", "BTCUSDT"),
    ("kraken", KrakenSimulator, "BTC-USD", "BTC/USD"),
]
Read = tuple[SimServer, MemoryTruth, Feed[Any], list[Event], Callable[[Callable[[], bool]], Awaitable[None]]]


@asynccontextmanager
async def reading(
    place: tuple[str, Callable[[], Dress], str, str], channels: Sequence[str], folder: Path, **options: object
) -> AsyncIterator[Read]:
    """Read a simulated exchange through ccxt; what is given last moves its market until something is so."""
    exchange, dressed, symbol, native = place
    dress, truth, faults = dressed(), MemoryTruth(), Faults()
    market = SeededMarket.of(dress, [native], seed=4, truth=truth)
    async with SimServer(dress, market, faults=faults) as server:
        await server.step(3_000)
        feed: Feed[Any] = Feed(
            exchange, [symbol], channels, plugin="ccxt_generic", options={"state": str(folder), **options},
            rest=server.rest_url, websocket=server.ws_url, registry=REGISTRY, buffer=0,
        )  # fmt: skip
        events: list[Event] = []
        feed.on(Event, events.append)

        async def move(is_so: Callable[[], bool]) -> None:
            async with asyncio.timeout(100):
                while not is_so():
                    await server.step(5)
                    await asyncio.sleep(0.01)

        async with feed:
            yield server, truth, feed, events, move


def of(kind: type[Any], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


@pytest.mark.parametrize(
    "place", [*PLACES[:-1], pytest.param(PLACES[-1], marks=pytest.mark.long)], ids=lambda place: place[0]
)
def test_polled_trades_come_once_and_in_order_and_polled_books_are_the_truth_s(
    place: tuple[str, Callable[[], Dress], str, str], tmp_path: Path
) -> None:
    async def main() -> None:
        options = {"rest_only": True, "snapshot_interval": 0.3, "limit": 500}
        async with reading(place, ["trades", "l2_book"], tmp_path, **options) as (server, truth, _, events, move):
            await move(lambda: len(of(BookSnapshot, events)) > 5 and not all(t.backfilled for t in of(Trade, events)))
            assert server.clients == 0
            numbers = [trade.sequence for trade in of(Trade, events)]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            first, last = truth.span(place[3])
            real = {tops(truth.book(place[3], n)) for n in range(first, last + 1)}
            assert [book for book in of(BookSnapshot, events) if (book.bids[:5], book.asks[:5]) not in real] == []
            assert of(Gap, events) == []

    asyncio.run(main())


def tops(book: Any) -> tuple[Any, Any]:
    bids, asks = (tuple((float(price), float(size)) for price, size in side[:5]) for side in (book.bids, book.asks))
    return bids, asks


def test_trades_between_two_polls_that_no_answer_holds_are_a_gap(tmp_path: Path) -> None:
    async def main() -> None:
        options = {"rest_only": True, "snapshot_interval": 0.5, "limit": 20}
        async with reading(PLACES[0], ["trades"], tmp_path, **options) as (server, _, _, events, move):
            await move(lambda: bool(of(Trade, events)))
            await server.step(2_000)
            await move(lambda: bool(of(Gap, events)))
            assert {gap.cause for gap in of(Gap, events)} == {GapCause.SEQUENCE}

    asyncio.run(main())


def test_a_host_that_does_not_serve_polls_is_a_disconnection_and_asked_again(tmp_path: Path) -> None:
    async def main() -> None:
        options = {"rest_only": True, "snapshot_interval": 0.3}
        async with reading(PLACES[0], ["l2_book"], tmp_path, **options) as (server, _, feed, events, move):
            await move(lambda: feed.books["SOL-USDC"].is_synced)
            server.faults.inject(Fault(FaultKind.STATUS_5XX, count=2))
            await move(lambda: bool(of(Gap, events)))
            assert [gap.cause for gap in of(Gap, events)] == [GapCause.DISCONNECTED]
            await move(lambda: feed.books["SOL-USDC"].is_synced)

    asyncio.run(main())


KINDS = {"ticker": Ticker, "l1_book": Quote, "candles:interval=1m": Candle}
# what ccxt tells apart, and the simulated exchanges serve over REST
CHANNELS = [
    *((place, channel, False) for place in PLACES for channel in KINDS if (place[0], channel) != ("kraken", "l1_book")),
    *((PLACES[0], channel, True) for channel in KINDS),
    (PLACES[1], "candles:interval=1m", True),
]


@pytest.mark.parametrize(
    ("place", "channel", "is_polled"),
    [
        pytest.param(
            place,
            channel,
            polled,
            id=f"{place[0]}-{channel}-{'polled' if polled else 'streamed'}",
            # up to a minute of the world's
            marks=[pytest.mark.long] if polled and channel.startswith("candles") else [],
        )
        for place, channel, polled in CHANNELS
    ],
)
def test_tickers_quotes_and_candles_flow(
    place: tuple[str, Callable[[], Dress], str, str], channel: str, is_polled: bool, tmp_path: Path
) -> None:
    kind: type[Any] = KINDS[channel]

    async def main() -> None:
        options = {"rest_only": True, "snapshot_interval": 0.5} if is_polled else {}
        async with reading(place, [channel], tmp_path, **options) as (_, truth, _, events, move):
            # a polled candle is news once it has ended, a minute after the last
            wanted = 1 if is_polled and kind is Candle else 3
            await move(lambda: len(of(kind, events)) >= wanted)
            prices = {float(trade.price) for trade in truth.trades(place[3])}
            for event in of(kind, events):
                if isinstance(event, Ticker):
                    assert event.last in prices
                elif isinstance(event, Candle):
                    assert (event.interval, event.ts_end - event.ts_start) == ("1m", 60_000_000_000)
                    assert event.close in prices
                else:
                    assert event.bid_price is None or event.ask_price is None or event.bid_price < event.ask_price

    asyncio.run(main())


def test_rest_and_socket_go_through_the_proxy_and_another_host_is_taken_where_one_refuses(
    tmp_path: Path, socks_proxy: SocksProxy
) -> None:
    async def main() -> None:
        exchange, dressed, symbol, native = PLACES[0]
        dress = dressed()
        market = SeededMarket.of(dress, [native], seed=4)
        async with SimServer(dress, market) as server, socks_proxy:
            socks_proxy.names = {"other.example", "stream.example"}  # the first of the hosts it does not know
            hosts = [f"http://{name}.example:{server.port}" for name in ("main", "other")]
            feed: Feed[Any] = Feed(
                exchange, [symbol], ["trades", "l2_book"], plugin="ccxt_generic", options={"state": str(tmp_path)},
                rest=hosts, websocket=f"ws://stream.example:{server.port}", proxy=socks_proxy.url.replace("5:", "5h:"),
                registry=REGISTRY, buffer=0,
            )  # fmt: skip
            async with feed, asyncio.timeout(60):
                while not (symbol in feed.books and feed.books[symbol].is_synced):
                    await server.step(20)
                    await asyncio.sleep(0.01)
                assert socks_proxy.tunnels["stream.example"] == server.clients == 1
        assert set(socks_proxy.asked) == {"main.example", "other.example", "stream.example"}

    asyncio.run(main())
