"""Kestrel whole, over real loopback sockets: orders behind a login, recent trades, history, held against the truth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import tickwire_kestrel.plugin
from tickwire import (
    AuthRejectedError,
    Channel,
    CredentialsError,
    Event,
    Feed,
    Gap,
    GapCause,
    OrderStatus,
    OrderUpdate,
    Reconnected,
    Registry,
    Side,
    Subscribed,
    SystemClock,
    Trade,
)
from tickwire.feed.backoff import BackoffPolicy
from tickwire.plugin import Hole
from tickwire.run.assembling import make_feed
from tickwire.run.config import load_config
from tickwire.simulation import MemoryTruth, SeededMarket, SimOrder, SimServer, SimTrade
from tickwire_kestrel.simulator import KestrelSimulator

PAIR = {"api_key": "kestrel-key", "api_secret": "kestrel-secret"}
SYMBOLS = {"SOL-USD": "SOL/USD", "BTC-USD": "BTC/USD"}


class Bench:
    """A simulated Kestrel that a test moves by hand, its truth, and what a feed told of it."""

    def __init__(self) -> None:
        self.truth = MemoryTruth()
        self.market = SeededMarket.of(KestrelSimulator(), SYMBOLS, seed=11, truth=self.truth)
        self.server = SimServer(KestrelSimulator(), self.market)
        self.events: list[Event] = []
        self._told = asyncio.Event()

    def feed(self, channels: Sequence[str], **settings: Any) -> Feed[Any]:
        feed: Feed[Any] = Feed(
            "kestrel", list(SYMBOLS), channels, registry=Registry.of(kestrel=tickwire_kestrel.plugin),
            rest=self.server.rest_url, websocket=self.server.ws_url, backoff=BackoffPolicy(first=0.05, cap=0.3),
            **settings,
        )  # fmt: skip
        feed.on(Event, self._note)
        return feed

    def _note(self, event: Event) -> None:
        self.events.append(event)
        self._told.set()

    def seen(self, *kinds: type, symbol: str | None = None) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds) and symbol in (None, event.symbol)]

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait for something that an event brings about."""
        async with asyncio.timeout(20):
            while not reached():
                self._told.clear()
                await self._told.wait()

    async def subscribed(self, count: int) -> None:
        await self.until(lambda: len(self.seen(Subscribed)) == count)

    async def traded(self, count: int) -> None:
        """Let the market move until so many are subscribed: coverage of trades begins with the first one."""
        async with asyncio.timeout(20):
            while len(self.seen(Subscribed)) < count:
                await self.server.step(50)
                await asyncio.sleep(0.01)

    async def orders_have_come(self) -> None:
        """Wait until the last update of each instrument is there."""
        last = {symbol: list(self.truth.orders(native))[-1] for symbol, native in SYMBOLS.items()}
        await self.until(
            lambda: all(
                told_orders(self.seen(OrderUpdate, symbol=symbol)[-1:]) == [made_order(order)]
                for symbol, order in last.items()
            )
        )


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    async with made.server:
        yield made


def made_order(order: SimOrder) -> object:
    side = Side.BUY if order.is_buy else Side.SELL
    size, filled = Decimal(order.size), Decimal(order.filled)
    return str(order.number), order.status, side, size, filled, order.ts // 1_000 * 1_000


def told_orders(updates: Sequence[OrderUpdate[Any]]) -> list[object]:
    return [
        (one.order_id, one.status, one.side, Decimal(str(one.size)), Decimal(str(one.filled_size)), one.ts_event)
        for one in updates
    ]


@pytest.mark.parametrize("numbers", [float, Decimal])
def test_orders_are_the_truths_in_order_and_carry_the_feeds_name(numbers: type) -> None:
    async def main() -> None:
        async with bench() as kestrel:
            await kestrel.server.step(2_000)
            before = {native: len(list(kestrel.truth.orders(native))) for native in SYMBOLS.values()}
            async with kestrel.feed(["orders"], credentials=PAIR, name="desk", numbers=numbers) as feed:
                await kestrel.subscribed(2)
                await kestrel.server.step(6_000)
                await kestrel.orders_have_come()
            for symbol, native in SYMBOLS.items():
                updates = kestrel.seen(OrderUpdate, symbol=symbol)
                made = list(kestrel.truth.orders(native))[before[native] :]
                assert told_orders(updates) == [made_order(order) for order in made]
                assert {type(number) for one in updates for number in (one.size, one.filled_size)} == {numbers}
            every = {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED, OrderStatus.CANCELLED}
            assert {one.status for one in kestrel.seen(OrderUpdate)} == every
            assert {one.account for one in kestrel.seen(OrderUpdate)} == {"desk"}
            assert kestrel.seen(Gap) == []
            assert feed.metrics.total("decode_errors_total") == feed.metrics.total("unknown_frames_total") == 0

    asyncio.run(main())


def test_public_and_private_channels_have_sockets_of_their_own_in_one_feed() -> None:
    async def main() -> None:
        async with bench() as kestrel, kestrel.feed(["trades", "l2_book", "orders"], credentials=PAIR):
            await kestrel.traded(6)
            assert kestrel.server.clients == 2
            by_connection = {(one.connection, one.channel) for one in kestrel.seen(Subscribed)}
            assert by_connection == {
                ("public-1", Channel.TRADES),
                ("public-1", Channel.L2_BOOK),
                ("private-1", Channel.ORDERS),
            }

    asyncio.run(main())


def test_after_a_lost_connection_the_login_is_repeated_the_hole_told_and_orders_flow() -> None:
    async def main() -> None:
        async with bench() as kestrel, kestrel.feed(["orders"], credentials=PAIR):
            await kestrel.subscribed(2)
            await kestrel.server.step(1_000)
            await kestrel.orders_have_come()
            await kestrel.server.stop(abrupt=True)
            await kestrel.until(lambda: len(kestrel.seen(Gap)) == 2)
            await kestrel.server.start()
            await kestrel.until(lambda: bool(kestrel.seen(Reconnected)))
            # the subscription's answer is no event: the orders themselves tell that it is there again
            async with asyncio.timeout(20):
                while len(kestrel.seen(Gap)) < 4:
                    await kestrel.server.step(200)
            assert {gap.cause for gap in kestrel.seen(Gap)} == {GapCause.DISCONNECTED}
            await kestrel.orders_have_come()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        (PAIR | {"api_secret": "something else"}, "bad signature"),
        (PAIR | {"api_key": "kestrel-yek"}, "unknown key"),
    ],
)
def test_a_refused_login_ends_the_feed_and_names_exchange_and_key(pair: dict[str, str], why: str) -> None:
    async def run() -> None:
        async with bench() as kestrel, kestrel.feed(["orders"], credentials=pair) as feed:
            await feed.wait()

    with pytest.raises(AuthRejectedError) as raised:
        asyncio.run(run())
    assert str(raised.value) == (
        f"kestrel refused the key 'kest…' ({why}) → "
        "check that the clock is right and that api_secret belongs to api_key"
    )


def test_orders_without_credentials_are_refused_and_trades_are_not() -> None:
    async def main() -> None:
        async with bench() as kestrel:
            with pytest.raises(CredentialsError, match="kestrel orders: a login is needed, and api_key and api_secret"):
                kestrel.feed(["trades", "orders"])
            async with kestrel.feed(["trades"]):
                await kestrel.traded(2)

    asyncio.run(main())


def test_in_a_file_the_place_of_the_missing_pair_is_named(tmp_path: Path) -> None:
    file = tmp_path / "night.yaml"
    file.write_text("exchanges: {desk: {exchange: kestrel, symbols: [SOL-USD], channels: [orders]}}")
    config = load_config(file, {})
    with pytest.raises(CredentialsError) as raised:
        make_feed(config, config.exchanges[0], Registry.of(kestrel=tickwire_kestrel.plugin), SystemClock(), buffer=0)
    assert str(raised.value).removeprefix(f"{tmp_path}/") == (
        "night.yaml: exchanges.desk.credentials: kestrel orders: a login is needed, and api_key and api_secret are not "
        "set → write credentials: {api_key: ${API_KEY:?}, api_secret: ${API_SECRET:?}} under exchanges.desk in the "
        "configuration"
    )


def test_an_incomplete_pair_is_refused_by_name() -> None:
    with pytest.raises(CredentialsError, match="api_secret is not set"):
        Bench().feed(["orders"], credentials={"api_key": "kestrel-key"})


def made_trade(trade: SimTrade) -> tuple[int, float, float, Side]:
    return trade.number, float(trade.price), float(trade.size), Side.BUY if trade.buyer_is_taker else Side.SELL


def told_trade(trade: Trade) -> object:
    return trade.sequence, trade.price, trade.size, trade.taker_side


def test_the_last_fifty_trades_come_first_marked_as_backfilled_and_live_ones_are_not() -> None:
    async def main() -> None:
        async with bench() as kestrel:
            await kestrel.server.step(8_000)
            last = {symbol: list(kestrel.truth.trades(native))[-50:] for symbol, native in SYMBOLS.items()}
            async with kestrel.feed(["trades"]):
                await kestrel.until(lambda: len(kestrel.seen(Trade)) == 100)
                await kestrel.server.step(2_000)
                whole = {symbol: list(kestrel.truth.trades(native)) for symbol, native in SYMBOLS.items()}
                await kestrel.until(
                    lambda: all(
                        kestrel.seen(Trade, symbol=symbol)[-1].sequence == trades[-1].number
                        for symbol, trades in whole.items()
                    )
                )
            for symbol, recent in last.items():
                trades = kestrel.seen(Trade, symbol=symbol)
                live = [trade for trade in whole[symbol] if trade.number > recent[-1].number]
                assert [told_trade(trade) for trade in trades] == [made_trade(trade) for trade in [*recent, *live]]
                assert [trade.backfilled for trade in trades] == [True] * 50 + [False] * len(live)

    asyncio.run(main())


def test_history_by_id_gives_the_trades_after_the_last_good_one_a_page_at_a_time() -> None:
    async def main() -> None:
        async with bench() as kestrel, kestrel.feed(["trades"]) as feed:
            await feed.ready()
            await kestrel.server.step(5_000)
            made = list(kestrel.truth.trades("SOL/USD"))
            assert 500 < len(made) < 1_000
            instrument = feed.instruments.symbols["SOL-USD"]
            after: Trade | None = None
            pages: list[Sequence[Any]] = []
            while page := await feed.requests().converse(
                feed.wiring.routing.history(Hole(instrument, Channel.TRADES, after, None, 0, SystemClock().now()))
            ):
                pages.append(page)
                after = pages[-1][-1]
            assert [len(page) for page in pages] == [500, len(made) - 500]
            trades = [trade for page in pages for trade in page]
            assert [told_trade(trade) for trade in trades] == [made_trade(trade) for trade in made]
            assert {trade.backfilled for trade in trades} == {True}

    asyncio.run(main())
