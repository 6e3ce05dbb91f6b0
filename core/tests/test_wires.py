"""Two channels of one stream: it is asked for once, counted once, left last, and both get their events."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.feed.streams import SubscriptionState
from tickwire.feed.wires import Wires, wire_of
from tickwire.model.channels import Channel, Subscribe, Subscription
from tickwire.model.errors import PluginContractError, UnsupportedChannelError
from tickwire.model.events import Candle, Funding, MarkPrice
from tickwire.model.instruments import Instrument
from tickwire.model.quality import Gap, Subscribed, Unsubscribed, UnsubscribeReason
from tickwire.plugin.info import ChannelInfo, Endpoint, ExchangeInfo, Tier

if TYPE_CHECKING:
    from conftest import Toy

FIGURES = {
    Channel.TRADES: ChannelInfo(),
    Channel.MARK_PRICE: ChannelInfo(),
    Channel.FUNDING: ChannelInfo(shares=Channel.MARK_PRICE),
    Channel.CANDLES: ChannelInfo(intervals=("1m", "5m", "1h")),
}
BOTH = ["mark_price", "funding"]


def exchange(**channels: ChannelInfo) -> ExchangeInfo:
    sockets = {"public": Endpoint("wss://acme"), "other": Endpoint("wss://acme/other")}
    named = {Channel(name): info for name, info in channels.items()}
    return ExchangeInfo("acme", Tier.NATIVE, (), sockets, named, {})


def mark(symbol: str = "SOL") -> dict[str, Any]:
    return {"k": "mark", "s": f"{symbol}_USD"}


def candle(interval: str, symbol: str = "SOL") -> dict[str, Any]:
    return {"k": "candle", "s": f"{symbol}_USD", "i": interval}


def states(feed: Any) -> dict[str, SubscriptionState]:
    return {str(subscription): status.state for subscription, status in feed.status().items()}


# a shared stream


def test_a_shared_stream_is_asked_for_once_and_both_channels_get_their_events(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(channels=FIGURES)
        async with toy.feed(channels=BOTH):
            await toy.settle()
            assert toy.last.asked() == ["mark:SOL_USD"]
            toy.last.give({"k": "ack", "streams": ["mark:SOL_USD"]}, mark())
            assert [(one.symbol, one.channel) for one in toy.seen(Subscribed)] == [
                ("SOL-USD", Channel.MARK_PRICE),
                ("SOL-USD", Channel.FUNDING),
            ]
            assert [type(event) for event in toy.seen(MarkPrice, Funding)] == [MarkPrice, Funding]

    asyncio.run(main())


def test_the_second_channel_of_a_stream_that_flows_is_confirmed_without_asking_again(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(channels=FIGURES)
        async with toy.feed(channels=["mark_price"]) as feed:
            await toy.settle()
            toy.last.give({"k": "ack", "streams": ["mark:SOL_USD"]})
            await feed.subscribe(["SOL-USD"], ["funding"])
            await toy.settle()
            assert toy.last.asked() == ["mark:SOL_USD"]
            assert states(feed) == dict.fromkeys(["SOL-USD mark_price", "SOL-USD funding"], SubscriptionState.ACTIVE)
            toy.last.give(mark())
            assert len(toy.seen(Funding)) == 1

    asyncio.run(main())


@pytest.mark.parametrize(("first", "second"), [BOTH, BOTH[::-1]])
def test_leaving_one_channel_keeps_the_stream_for_the_other(toy: Toy, first: str, second: str) -> None:
    async def main() -> None:
        toy.declare(channels=FIGURES)
        async with toy.feed(channels=BOTH) as feed:
            await toy.settle()
            await feed.unsubscribe(["SOL-USD"], [first])
            await toy.settle()
            assert toy.last.asked("unsub") == []
            toy.last.give(mark())
            kept = {"mark_price": MarkPrice, "funding": Funding}[second]
            assert [type(event) for event in toy.seen(MarkPrice, Funding)] == [kept]
            await feed.unsubscribe(["SOL-USD"], [second])
            await toy.settle()
            assert toy.last.asked("unsub") == ["mark:SOL_USD"]
            await feed.subscribe(["SOL-USD"], [first])
            await toy.settle()
            assert toy.last.asked() == ["mark:SOL_USD"] * 2

    asyncio.run(main())


def test_events_of_a_shared_stream_that_nobody_asked_for_are_not_stray(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(channels=FIGURES)
        async with toy.feed(channels=["funding"]) as feed:
            await toy.settle()
            toy.last.give(mark(), mark())
            assert (len(toy.seen(Funding)), toy.seen(MarkPrice)) == (2, [])
            assert feed.metrics.total("stray_events_total") == 0

    asyncio.run(main())


def test_a_shared_stream_is_asked_for_once_on_every_new_connection(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(channels=FIGURES)
        async with toy.feed(channels=BOTH):
            await toy.settle()
            toy.last.give(mark())
            toy.last.end()
            await toy.settle(1)
            assert (len(toy.connections), toy.last.asked()) == (2, ["mark:SOL_USD"])
            toy.last.give(mark())
            assert len(toy.seen(MarkPrice)) == len(toy.seen(Funding)) == 2
            assert {gap.channel for gap in toy.seen(Gap)} == {Channel.MARK_PRICE, Channel.FUNDING}

    asyncio.run(main())


def test_a_refusal_of_a_shared_stream_refuses_both_channels(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(channels=FIGURES)
        async with toy.feed(channels=[*BOTH, "trades"]) as feed:
            await toy.settle()
            toy.last.give({"k": "no", "streams": ["mark:SOL_USD"], "why": "halted"})
            assert [(one.channel, one.reason) for one in toy.seen(Unsubscribed)] == [
                (Channel.MARK_PRICE, UnsubscribeReason.REFUSED),
                (Channel.FUNDING, UnsubscribeReason.REFUSED),
            ]
            assert states(feed)["SOL-USD trades"] is SubscriptionState.PENDING

    asyncio.run(main())


def test_a_refused_stream_that_may_be_retried_is_asked_for_again_once(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(channels=FIGURES)
        async with toy.feed(channels=BOTH):
            await toy.settle()
            toy.last.give({"k": "no", "streams": ["mark:SOL_USD"], "why": "busy", "retry": True})
            await toy.settle(5)
            assert toy.last.asked() == ["mark:SOL_USD"] * 2

    asyncio.run(main())


def test_the_limit_of_a_connection_counts_streams(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(channels=FIGURES, public={"max_streams": 2})
        async with toy.feed(["SOL-USD", "BTC-USD"], BOTH) as feed:
            await toy.settle()
            assert [one.asked() for one in toy.connections] == [["mark:SOL_USD", "mark:BTC_USD"]]
            await feed.subscribe(["ETH-USD"], ["mark_price"])
            await feed.unsubscribe(["SOL-USD"], ["mark_price"])
            await feed.subscribe(["SOL-USD"], ["mark_price"])
            await feed.subscribe(["ETH-USD"], ["funding"])
            await toy.settle()
            assert [one.asked() for one in toy.connections] == [["mark:SOL_USD", "mark:BTC_USD"], ["mark:ETH_USD"]]

    asyncio.run(main())


@pytest.mark.parametrize(
    "channels",
    [
        {"funding": ChannelInfo(shares=Channel.MARK_PRICE)},
        {"funding": ChannelInfo(shares=Channel.MARK_PRICE), "mark_price": ChannelInfo(socket="other")},
        {"funding": ChannelInfo(shares=Channel.FUNDING)},
    ],
    ids=["not declared", "on another socket", "shares itself"],
)
def test_a_declaration_that_shares_what_is_not_there_is_refused(channels: dict[str, ChannelInfo]) -> None:
    with pytest.raises(PluginContractError, match="channel funding shares the stream of"):
        exchange(**channels)


ACME = exchange(mark_price=ChannelInfo(), funding=ChannelInfo(shares=Channel.MARK_PRICE), trades=ChannelInfo())
ONES = [
    Subscription(channel, Instrument("acme", f"{base}-USD", f"{base}USD", base, "USD"))
    for base in ("SOL", "BTC")
    for channel in ACME.channels
]


@given(st.lists(st.tuples(st.booleans(), st.lists(st.sampled_from(ONES), min_size=1, unique=True)), max_size=30))
def test_whatever_comes_and_goes_the_exchange_is_asked_for_exactly_the_streams_that_have_riders(
    steps: list[tuple[bool, Sequence[Subscription]]],
) -> None:
    wires, riding, sent = Wires(ACME), set[Subscription](), list[Subscription]()
    for is_coming, batch in steps:
        for one in batch:
            (wires.add if is_coming else wires.discard)(one)
        if is_coming:
            riding |= set(batch)
            sent += [wire_of(ACME, one) for one in wires.to_ask(batch)]
        else:
            riding -= set(batch)
            for one in wires.to_leave(batch):
                sent.remove(wire_of(ACME, one))
        wanted = {wire_of(ACME, one) for one in riding}
        assert (set(sent), len(sent), len(wires)) == (wanted, len(wanted), len(wanted))
        assert {one for one in ONES if wires.carries(one)} == {one for one in ONES if wire_of(ACME, one) in wanted}


# candles of several intervals


def test_candles_of_several_intervals_are_subscriptions_of_their_own(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(channels=FIGURES)
        async with toy.feed(channels=[Subscribe.candles("1m"), "candles:interval=5m"]) as feed:
            await toy.settle()
            assert toy.last.asked() == ["candles:1m:SOL_USD", "candles:5m:SOL_USD"]
            toy.last.give(candle("5m"), candle("5m"), candle("1m"), candle("1h"))
            assert [event.interval for event in toy.seen(Candle)] == ["5m", "5m", "1m"]
            assert {str(one): status.ts_last is not None for one, status in feed.status().items()} == {
                "SOL-USD candles:1m": True,
                "SOL-USD candles:5m": True,
            }
            assert feed.metrics.total("stray_events_total") == 1

    asyncio.run(main())


def test_one_interval_may_be_left_and_another_joined_while_running(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(channels=FIGURES)
        async with toy.feed(channels=["candles:interval=1m", "candles:interval=5m"]) as feed:
            await toy.settle()
            await feed.unsubscribe(["SOL-USD"], [Subscribe.candles("1m")])
            await feed.subscribe(["SOL-USD"], [Subscribe.candles("1h")])
            await toy.settle()
            assert (toy.last.asked()[2:], toy.last.asked("unsub")) == (["candles:1h:SOL_USD"], ["candles:1m:SOL_USD"])
            toy.last.give(candle("1m"), candle("5m"), candle("1h"))
            assert [event.interval for event in toy.seen(Candle)] == ["5m", "1h"]
            await feed.unsubscribe(["SOL-USD"], ["candles"])
            assert feed.status() == {}

    asyncio.run(main())


def test_holes_in_two_intervals_have_names_of_their_own(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(channels=FIGURES)
        async with toy.feed(channels=["candles:interval=1m", "candles:interval=5m"]):
            await toy.settle()
            toy.last.give(candle("1m"), candle("5m"))
            toy.last.end()
            await toy.settle()
            opened = toy.seen(Gap)
            assert len({gap.gap_id for gap in opened}) == len(opened) == 2
            await toy.settle(1)
            toy.last.give(candle("1m"))
            (ended,) = toy.seen(Gap)[2:]
            assert (ended.gap_id, ended.detail) == (
                opened[0].gap_id,
                "candles:1m flows again; how many are missing is not known",
            )

    asyncio.run(main())


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        (["candles"], "toy candles: an interval is needed → one of 1m, 5m, 1h: candles:interval=1m"),
        (["candles:interval=2m"], "toy candles: interval '2m' is not offered → one of 1m, 5m, 1h"),
    ],
)
def test_candles_need_an_interval_that_the_exchange_offers(toy: Toy, channels: list[str], message: str) -> None:
    toy.declare(channels=FIGURES)
    with pytest.raises(UnsupportedChannelError) as raised:
        toy.feed(channels=channels)
    assert str(raised.value) == message
