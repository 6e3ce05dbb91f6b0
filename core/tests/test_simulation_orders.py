"""The account of the simulated exchange: its orders follow from what trades, and whoever joins is told of them."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import aiohttp
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire import Channel, ManualClock, OrderStatus
from tickwire.plugin import Request
from tickwire.simulation import (
    Dress,
    FileTruth,
    MemoryTruth,
    SeededMarket,
    SimBook,
    SimClient,
    SimMarket,
    SimOrder,
    SimServer,
    SimTrade,
    TruthFiles,
    default_instruments,
)
from tickwire.simulation.pit import Pit

SOL = "SOL/USD"
CHANNELS = {"trades": Channel.TRADES, "orders": Channel.ORDERS}


class Recording:
    def __init__(self, market: SeededMarket) -> None:
        self.happened: list[SimTrade | SimBook] = []
        self.orders: list[SimOrder] = []
        market.listen(self)
        market.listen_to_orders(lambda order, pit: self.orders.append(order))

    def trade(self, trade: SimTrade, pit: Pit) -> None:
        self.happened.append(trade)

    def change(self, change: SimBook, pit: Pit) -> None:
        self.happened.append(change)


def market_of(seed: int, has_account: bool = True) -> SeededMarket:
    return SeededMarket(default_instruments()[2:], seed=seed, clock=ManualClock(), orders=60, has_account=has_account)


def run(market: SeededMarket, changes: int) -> None:
    while market.changes < changes:
        market.step()


SEEDS = st.integers(0, 2**32)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_an_order_begins_new_only_grows_in_what_is_filled_and_ends_once(seed: int) -> None:
    seen = Recording(market := market_of(seed))
    run(market, 1_500)
    lives: dict[int, list[SimOrder]] = defaultdict(list)
    for order in seen.orders:
        lives[order.number].append(order)
    assert len(lives) > 10
    for life in lives.values():
        filled = [Decimal(order.filled) for order in life]
        assert (life[0].status, life[0].filled) == (OrderStatus.NEW, "0.00")
        assert filled == sorted(filled)
        assert {(order.is_buy, order.price) for order in life} == {(life[0].is_buy, life[0].price)}
        for order, done in zip(life, filled, strict=True):
            is_last = order is life[-1]
            is_over = order.status in (OrderStatus.FILLED, OrderStatus.CANCELLED)
            assert is_last or not is_over
            assert (order.status is OrderStatus.FILLED) == (done == Decimal(order.size))
            assert is_over or (order.status is OrderStatus.PARTIALLY_FILLED) == (done > 0)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_what_orders_were_filled_is_what_their_trades_sum_up_to(seed: int) -> None:
    seen = Recording(market := market_of(seed))
    run(market, 1_500)
    ours, traded = {order.number: order for order in seen.orders}, defaultdict[int, Decimal](Decimal)
    for trade in seen.happened:
        if isinstance(trade, SimTrade):
            for number in (trade.buyer_order, trade.seller_order):
                traded[number] += Decimal(trade.size)
    assert {number: Decimal(order.filled) for number, order in ours.items()} == {
        number: traded[number] for number in ours
    }


def test_over_a_while_orders_meet_every_fate() -> None:
    seen = Recording(market := market_of(3))
    run(market, 5_000)
    statuses = [OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED, OrderStatus.CANCELLED]
    assert {order.status for order in seen.orders} == set(statuses)
    sizes = defaultdict[int, set[str]](set)
    for order in seen.orders:
        sizes[order.number].add(order.size)
    assert any(len(each) > 1 for each in sizes.values()), "none was ever reduced"


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_an_account_changes_nothing_of_what_trades(seed: int) -> None:
    with_account, without = market_of(seed), market_of(seed, has_account=False)
    seen, other = Recording(with_account), Recording(without)
    for market in (with_account, without):
        run(market, 500)
    assert (seen.happened, other.orders) == (other.happened, [])


def test_the_truth_holds_every_change_of_an_order(tmp_path: Path) -> None:
    memory, files = MemoryTruth(), FileTruth(tmp_path)
    markets = [
        SeededMarket(default_instruments(), seed=5, clock=ManualClock(), truth=truth, has_account=True)
        for truth in (memory, files)
    ]
    seen = Recording(markets[0])
    for market in markets:
        run(market, 3_000)
    files.close()
    told = [order for order in seen.orders if order.instrument.native == SOL]
    assert list(memory.orders(SOL)) == told
    assert list(TruthFiles(tmp_path).orders(SOL)) == told
    assert len(told) > 10


class Plain:
    """Sends numbers, nothing else."""

    def rest(self, request: Request, market: SimMarket) -> object:
        return None

    def received(self, payload: bytes, client: SimClient) -> None:
        name, _, native = (topic := payload.decode()).partition(":")
        client.send({"joined": client.join(topic, CHANNELS[name], native)})

    def trade(self, trade: SimTrade) -> object:
        return trade.number

    def book(self, change: SimBook, whole: SimBook) -> object:
        return change.sequence


class Complete(Plain):
    def order(self, order: SimOrder) -> object:
        return [order.number, order.filled, order.status]

    def recent(self, trades: Sequence[SimTrade]) -> object:
        return [trade.number for trade in trades]


def talk(dress: Dress, changes: int, topics: Sequence[str], later: int) -> tuple[list[object], MemoryTruth]:
    """What a client receives that joins after some changes and leaves after some more."""

    async def main() -> list[object]:
        market = SeededMarket.of(dress, [SOL], seed=3, truth=truth, clock=ManualClock())
        async with (
            SimServer(dress, market) as server,
            aiohttp.ClientSession() as session,
            session.ws_connect(server.ws_url) as socket,
        ):
            await server.step(changes)
            for topic in topics:
                await socket.send_str(topic)
            received = [await socket.receive_json() for _ in topics]
            if changes and "recent" in dir(dress) and "trades:SOL/USD" in topics:
                received.append(await socket.receive_json())
            await server.step(later)
            await socket.send_str("orders:XXX/USD")
            while (message := json.loads(await socket.receive_str())) != {"joined": False}:
                received.append(message)
            return received

    truth = MemoryTruth()
    return asyncio.run(main()), truth


def test_who_joins_the_orders_is_told_every_change_from_then_on() -> None:
    dress = Complete()
    received, truth = talk(dress, 2_000, ["orders:SOL/USD"], 2_000)
    told = [json.loads(json.dumps(dress.order(order))) for order in truth.orders(SOL)]
    assert received[0] == {"joined": True}
    assert len(received) > 20
    assert received[1:] == told[-len(received) + 1 :]


def test_who_joins_the_trades_is_sent_the_last_fifty_first_and_misses_none_after() -> None:
    (joined, recent, *later), truth = talk(Complete(), 3_000, ["trades:SOL/USD"], 1_000)
    numbers = [trade.number for trade in truth.trades(SOL)]
    assert joined == {"joined": True}
    assert isinstance(recent, list)
    assert len(recent) == 50
    assert [*recent, *later] == numbers[-len(recent) - len(later) :]


def test_without_trades_yet_nothing_is_sent_first() -> None:
    (joined, *later), truth = talk(Complete(), 0, ["trades:SOL/USD"], 1_000)
    assert (joined, later) == ({"joined": True}, [trade.number for trade in truth.trades(SOL)])


def test_a_dress_without_these_abilities_has_no_orders_and_sends_no_recent_trades() -> None:
    received, truth = talk(Plain(), 1_000, ["orders:SOL/USD", "trades:SOL/USD"], 1_000)
    assert received[:2] == [{"joined": False}, {"joined": True}]
    numbers = [trade.number for trade in truth.trades(SOL)]
    assert received[2:] == numbers[-len(received) + 2 :]
    assert list(truth.orders(SOL)) == []
