"""Connections replaced before the exchange cuts them: the change itself loses nothing that is numbered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from tickwire.feed.backoff import BackoffPolicy
from tickwire.feed.silence import SilenceSettings
from tickwire.feed.streams import SubscriptionState
from tickwire.model.channels import Channel
from tickwire.model.events import BookSnapshot, Quote, Trade
from tickwire.model.instruments import Instrument
from tickwire.model.quality import Gap, GapCause, Reconnected, Severity
from tickwire.plugin.protocols import Closing, Fetch, Frame, Located

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conftest import Toy, ToyConnection

CALM = SilenceSettings(3_600, 3_600)  # the watchdog is another test's
ONE = ["SOL-USD"]
INSTRUMENT = Instrument("toy", "SOL-USD", "SOL_USD", "SOL", "USD")


def trade(number: int) -> dict[str, Any]:
    return {"k": "trade", "s": "SOL_USD", "n": number, "t": number}


def delta(number: int) -> dict[str, Any]:
    return {"k": "delta", "s": "SOL_USD", "n": number, "b": [[10, number]]}


def quote() -> dict[str, Any]:
    return {"k": "quote", "s": "SOL_USD"}


def is_answered(toy: Toy) -> None:
    # what nobody answers has not caught up
    toy.declare(channels={name: attrs.evolve(one, acknowledged=True) for name, one in toy.info.channels.items()})


def acknowledge(connection: ToyConnection, message: dict[str, Any]) -> None:
    if message["op"] == "sub":
        connection.give({"k": "ack", "streams": message["streams"]})


def acknowledge_and_trade(connection: ToyConnection, message: dict[str, Any]) -> None:
    acknowledge(connection, message)
    connection.give(trade(1))


def passed(toy: Toy) -> list[int | None]:
    return [one.sequence for one in toy.seen(Trade)]


def gaps(toy: Toy) -> list[tuple[Channel | None, GapCause, int | None]]:
    return [(one.channel, one.cause, one.missing) for one in toy.seen(Gap)]


def test_a_connection_is_replaced_before_its_age_without_a_gap(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(public={"max_age": 100.0})
        toy.answer = acknowledge
        async with toy.feed(ONE, ["trades", "l2_book"], silence=CALM) as feed:
            await toy.settle(1)
            toy.last.give(trade(1), delta(101))
            await toy.settle(78)
            assert len(toy.connections) == 1
            while len(toy.connections) == 1:
                await toy.settle(0.5)
            first, second = toy.connections
            assert second.at <= 90
            assert first.is_open
            second.give(trade(1), trade(2), delta(101))
            first.give(trade(2), trade(3), delta(102))
            await toy.settle(0.2)
            assert (first.is_open, second.is_open) == (False, True)
            second.give(trade(3), trade(4), delta(102), delta(103))
            assert (passed(toy), gaps(toy), feed.books["SOL-USD"].sequence) == ([1, 2, 3, 4], [], 103)
            [rotated] = toy.seen(Reconnected)
            assert rotated == Reconnected(
                "toy", None, None, rotated.ts_recv, None, "public-1", Severity.INFO, "toy.example",
                "rotated before the exchange's 100 s", 1, 0, 2,
            )  # fmt: skip
            assert {one.state for one in feed.status().values()} == {SubscriptionState.ACTIVE}
            assert len(toy.seen(BookSnapshot)) == 1
            await toy.settle(95)
            assert len(toy.connections) == 3

    asyncio.run(main())


def test_a_quiet_connection_is_replaced_once_nothing_can_be_on_its_way(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(public={"max_age": 100.0})
        toy.answer = acknowledge
        async with toy.feed(silence=CALM):
            await toy.settle(95)
            assert [one.is_open for one in toy.connections] == [False, True]
            assert toy.connections[1].at <= 90
            assert (len(toy.seen(Reconnected)), gaps(toy)) == (1, [])

    asyncio.run(main())


def test_an_unnumbered_channel_is_cut_by_a_rotation_and_says_so(toy: Toy) -> None:
    async def main() -> None:
        sockets = {**toy.info.sockets, "other": attrs.evolve(toy.info.sockets["other"], max_age=100.0)}
        toy.declare(sockets=sockets)
        toy.answer = acknowledge
        async with toy.feed(ONE, ["l1_book"], silence=CALM):
            await toy.settle(1)
            toy.last.give(quote())
            await toy.settle(95)
            toy.last.give(quote())
            assert [(one.cause, one.detail) for one in toy.seen(Gap)] == [
                (GapCause.DISCONNECTED, "disconnected (rotated before the exchange's 100 s; other-1 carries on)"),
                (GapCause.DISCONNECTED, "flows again; how many are missing is not known"),
            ]
            assert len(toy.seen(Quote)) == 2

    asyncio.run(main())


def test_a_replacement_that_does_not_catch_up_is_tried_again_until_the_exchange_cuts(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(public={"max_age": 1_200.0})
        is_answered(toy)
        async with toy.feed(backoff=BackoffPolicy(first=1, cap=1), silence=CALM):
            await toy.settle()
            toy.last.give(trade(1))
            await toy.settle(1_140)
            await toy.settle(40)
            first, *tried = toy.connections
            assert (first.is_open, len(tried) >= 2, [one.is_open for one in tried[:-1]]) == (
                True, True, [False] * (len(tried) - 1),
            )  # fmt: skip
            assert toy.seen(Reconnected, Gap) == []
            first.end(1000, "24 h are over")
            await toy.settle(2)
            assert gaps(toy) == [(Channel.TRADES, GapCause.DISCONNECTED, None)]
            assert len([one for one in toy.connections if one.is_open]) == 1

    asyncio.run(main())


def test_a_primary_that_ends_while_its_replacement_catches_up_is_followed_by_it(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(public={"max_age": 100.0})
        toy.answer = acknowledge
        async with toy.feed(silence=CALM):
            await toy.settle(1)
            toy.last.give(trade(1))
            while len(toy.connections) == 1:
                await toy.settle(0.5)
            first, second = toy.connections
            second.give(trade(3))
            first.end(1006, "lost")
            await toy.settle(5)
            second.give(trade(4))
            assert (passed(toy), gaps(toy)) == ([1, 3, 4], [(Channel.TRADES, GapCause.SEQUENCE, 1)])
            assert [(one.reason, one.connection) for one in toy.seen(Reconnected)] == [
                ("1006 lost; its replacement was there", "public-1")
            ]
            assert len(toy.connections) == 2

    asyncio.run(main())


def test_a_replacement_that_has_to_dial_twice_is_one_rotation(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(public={"max_age": 100.0})
        toy.answer = acknowledge
        async with toy.feed(silence=CALM):
            await toy.settle(1)
            while len(toy.connections) == 1:
                await toy.settle(0.5)
            toy.last.end()
            await toy.settle(8)
            assert [one.is_open for one in toy.connections] == [False, False, True]
            assert [one.severity for one in toy.seen(Reconnected)] == [Severity.INFO]

    asyncio.run(main())


def test_what_the_old_connection_brings_while_it_closes_is_merged(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(public={"max_age": 100.0})
        toy.answer = acknowledge
        feed = toy.feed(silence=CALM)
        feed.on(Reconnected, lambda event: toy.connections[0].give(trade(2), trade(5)))
        async with feed:
            await toy.settle(1)
            toy.last.give(trade(1))
            await toy.settle(95)
            assert (passed(toy), gaps(toy)) == ([1, 2], [])
            toy.last.give(trade(2), trade(3), trade(4), trade(5), trade(6))
            assert (passed(toy), gaps(toy)) == ([1, 2, 3, 4, 5, 6], [])

    asyncio.run(main())


def say_that_it_closes(connection: ToyConnection) -> None:
    for _ in range(3):
        asyncio.get_running_loop().call_soon(connection.give, b"closing")


class Urgent:
    """A router that also understands that the exchange will close."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def route(self, frame: Frame) -> Iterable[Any]:
        return (Closing(30),) if frame.payload == b"closing" else self._inner.route(frame)


def test_a_connection_the_exchange_will_close_is_replaced_at_once_and_not_in_a_storm(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with toy.feed(connections=1, silence=CALM) as feed:
            routing: Any = feed.wiring.routing
            make = routing.router
            monkeypatch.setattr(routing, "router", lambda info: Urgent(make(info)))
            toy.answer = acknowledge_and_trade
            toy.on_open = say_that_it_closes
            await toy.settle(2)
            assert len(toy.connections) >= 2
            await toy.settle(30)
            assert len(toy.connections) < 12
            assert {one.reason for one in toy.seen(Reconnected)} == {"rotated: the exchange closes within 30 s"}
            assert [one.is_open for one in toy.connections].count(True) <= 2

    asyncio.run(main())


def test_an_address_that_must_be_renewed_is_located_again_before(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        toy.answer = acknowledge
        feed = toy.feed(silence=CALM)
        located = iter(range(1, 9))

        def locate(endpoint: str, url: str) -> Fetch[Located]:
            return Located(f"{url}?token={next(located)}", renew_after=100.0)
            yield

        monkeypatch.setattr(feed.wiring.routing, "locate", locate)
        async with feed:
            await toy.settle(95)
            assert [(one.url[-1], one.is_open) for one in toy.connections] == [("1", False), ("2", True)]
            assert [one.reason for one in toy.seen(Reconnected)] == ["rotated to renew its address after 100 s"]

    asyncio.run(main())


def test_a_stand_by_is_replaced_in_time_too(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(public={"max_age": 100.0})
        toy.answer = acknowledge
        async with toy.feed(connections=2, silence=CALM):
            await toy.settle(1)
            toy.connections[0].give(trade(1))
            await toy.settle(97)
            assert [one.is_open for one in toy.connections] == [False, False, True, True]
            assert sorted(one.connection for one in toy.seen(Reconnected)) == ["public-1", "public-1b"]
            assert gaps(toy) == []
            assert toy.names().count("Subscribed SOL-USD trades") == 1

    asyncio.run(main())


def test_a_stop_while_a_replacement_catches_up_closes_both(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(public={"max_age": 100.0})
        is_answered(toy)
        async with toy.feed(silence=CALM):
            await toy.settle(92)
            assert [one.is_open for one in toy.connections] == [True, True]
        assert [one.is_open for one in toy.connections] == [False, False]
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
