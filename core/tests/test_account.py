"""Account channels: whose events they are, on which socket, and what is asked of the user first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tickwire.model.account import Balance, OrderStatus, OrderUpdate
from tickwire.model.channels import Channel
from tickwire.model.errors import CredentialsError
from tickwire.model.events import Side, Trade
from tickwire.model.quality import Gap, GapCause, Subscribed
from tickwire.plugin.info import ChannelInfo, Endpoint

if TYPE_CHECKING:
    from conftest import Toy, ToyConnection

KEY = {"api_key": "k"}


@pytest.fixture
def bank(toy: Toy) -> Toy:
    """Give a toy that has an account, behind a login."""
    private = Endpoint("wss://toy.example/ws/private", batch=10, login=True)
    channels = {channel: ChannelInfo(socket="private") for channel in (Channel.ORDERS, Channel.BALANCES)}
    toy.declare(sockets={**toy.info.sockets, "private": private}, channels={**toy.info.channels, **channels})

    def answer(connection: ToyConnection, message: dict[str, Any]) -> None:
        if message["op"] == "login":
            connection.give({"k": "login", "ok": True})

    toy.answer = answer
    return toy


def order(done: float, symbol: str = "SOL") -> dict[str, Any]:
    return {"k": "order", "s": f"{symbol}_USD", "id": "7", "done": done}


def test_an_order_update_says_whose_account_it_is(bank: Toy) -> None:
    async def main() -> None:
        async with bank.feed(channels=["orders"], credentials=KEY, name="desk"):
            await bank.settle()
            assert bank.last.said == [{"op": "login"}, {"op": "sub", "streams": ["orders:SOL_USD"]}]
            bank.last.give(order(0.0), order(0.5))
            head = ("toy", "SOL-USD", None, bank.clock.now(), "7")
            assert bank.seen(OrderUpdate) == [
                OrderUpdate(*head, OrderStatus.NEW, Side.BUY, 2.0, 0.0, account="desk"),
                OrderUpdate(*head, OrderStatus.PARTIALLY_FILLED, Side.BUY, 2.0, 0.5, account="desk"),
            ]

    asyncio.run(main())


def test_two_feeds_of_one_exchange_tell_their_accounts_apart(bank: Toy) -> None:
    async def main() -> None:
        first, second = (bank.feed(channels=["orders"], credentials=KEY, name=name) for name in ("a", "b"))
        async with first, second:
            await bank.settle()
            for connection in bank.connections:
                connection.give(order(0.0))
            assert sorted(one.account for one in bank.seen(OrderUpdate)) == ["a", "b"]

    asyncio.run(main())


def test_a_balance_belongs_to_no_instrument_and_is_told_once(bank: Toy) -> None:
    async def main() -> None:
        async with bank.feed(["SOL-USD", "BTC-USD"], ["balances"], credentials=KEY, name="desk") as feed:
            await bank.settle()
            bank.last.give({"k": "balance", "asset": "USD"})
            assert bank.seen(Balance) == [Balance("toy", None, None, bank.clock.now(), "USD", 5.0, account="desk")]
            assert feed.metrics.total("stray_events_total") == 0

    asyncio.run(main())


def test_orders_nobody_subscribed_to_are_counted_and_not_told(bank: Toy) -> None:
    async def main() -> None:
        async with bank.feed(["SOL-USD"], ["orders"], credentials=KEY) as feed:
            await bank.settle()
            bank.last.give(order(0.0, "BTC"), {"k": "balance", "asset": "USD"})
            assert bank.seen(OrderUpdate, Balance) == []
            assert feed.metrics.total("stray_events_total") == 2

    asyncio.run(main())


def test_a_lost_private_connection_is_a_gap_of_its_orders_and_the_login_is_repeated(bank: Toy) -> None:
    async def main() -> None:
        async with bank.feed(channels=["orders"], credentials=KEY):
            await bank.settle()
            bank.last.give(order(0.0))
            bank.last.end()
            await bank.settle(1)
            assert bank.last.said == [{"op": "login"}, {"op": "sub", "streams": ["orders:SOL_USD"]}]
            bank.last.give(order(0.5))
            assert [(one.channel, one.cause, one.ts_end is None) for one in bank.seen(Gap)] == [
                (Channel.ORDERS, GapCause.DISCONNECTED, True),
                (Channel.ORDERS, GapCause.DISCONNECTED, False),
            ]
            assert len(bank.seen(Subscribed)) == 1

    asyncio.run(main())


def test_public_channels_need_no_credentials_where_private_ones_exist(bank: Toy) -> None:
    async def main() -> None:
        async with bank.feed(channels=["trades"]):
            await bank.settle()
            bank.last.give({"k": "trade", "s": "SOL_USD", "n": 1})
            assert len(bank.seen(Trade)) == 1
            assert [connection.url for connection in bank.connections] == ["wss://toy.example/ws"]

    asyncio.run(main())


def test_a_private_channel_without_credentials_is_refused_when_the_feed_is_made(bank: Toy) -> None:
    bank.declare(credentials=("api_key", "api_secret"))
    with pytest.raises(CredentialsError) as raised:
        bank.feed(channels=["trades", "orders", "balances"])
    assert str(raised.value) == (
        "toy orders, balances: a login is needed, and api_key and api_secret are not set → "
        'give the feed credentials={"api_key": …, "api_secret": …}'
    )


def test_in_a_configuration_the_place_is_named(bank: Toy) -> None:
    with pytest.raises(CredentialsError) as raised:
        bank.feed(channels=["orders"], path="exchanges.desk")
    assert str(raised.value) == (
        "exchanges.desk.credentials: toy orders: a login is needed, and api_key is not set → "
        "write credentials: {api_key: ${API_KEY:?}} under exchanges.desk in the configuration"
    )


def test_a_private_channel_added_while_running_is_refused_likewise(bank: Toy) -> None:
    async def main() -> None:
        async with bank.feed(channels=["trades"]) as feed:
            await bank.settle()
            with pytest.raises(CredentialsError, match="toy orders: a login is needed"):
                await feed.subscribe(["SOL-USD"], ["orders"])
            for change in (feed.check, feed.want):
                with pytest.raises(CredentialsError, match="toy orders: a login is needed"):
                    change(["SOL-USD"], ["orders"])
            await bank.settle()
            assert len(bank.connections) == 1

    asyncio.run(main())
