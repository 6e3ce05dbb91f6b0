"""A stream whose snapshot or history waits because the exchange asked for fewer requests says so, once a wait."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from tickwire.model.channels import Channel
from tickwire.model.errors import ExchangeUnavailableError, PluginContractError, RateLimitedError
from tickwire.model.events import BookSnapshot, Trade
from tickwire.model.quality import (
    Backfilled,
    Gap,
    QualityEvent,
    Recovered,
    Resynced,
    Severity,
    Stale,
    StaleAction,
    Subscribed,
)
from tickwire.plugin.info import By, ChannelInfo, History, Ids, RateLimit

if TYPE_CHECKING:
    from conftest import Toy

SECOND = 1_000_000_000
THREE = ["SOL-USD", "BTC-USD", "ETH-USD"]


def trade(number: int) -> dict[str, Any]:
    return {"k": "trade", "s": "SOL_USD", "n": number}


def delta(number: int, symbol: str = "SOL") -> dict[str, Any]:
    return {"k": "delta", "s": f"{symbol}_USD", "n": number}


def has_history(toy: Toy) -> None:
    toy.declare(
        channels={**toy.info.channels, Channel.TRADES: ChannelInfo(ids=Ids.CONSECUTIVE, history=History(By.ID, 100))}
    )


def told(toy: Toy) -> list[str]:
    """Sum up what was said of waiting: symbol, and seconds rounded to whole ones."""
    said = []
    for event in toy.events:
        match event:
            case Stale():
                assert event.action is StaleAction.NONE
                said.append(f"{event.symbol} waits {event.threshold / SECOND:.0f}")
            case Recovered():
                said.append(f"{event.symbol} had waited {event.ts_down / SECOND:.0f}")
    return said


async def synced(toy: Toy, *symbols: str) -> None:
    await toy.settle()
    toy.last.give(*(delta(101, symbol.removesuffix("-USD")) for symbol in symbols))
    await toy.settle(1)
    assert len(toy.seen(BookSnapshot)) == len(symbols)


def test_a_snapshot_refused_for_its_rate_is_stale_until_the_book_is_in_sync_again(toy: Toy) -> None:
    async def scenario() -> None:
        async with toy.feed(channels=["l2_book"]):
            await synced(toy, "SOL-USD")
            toy.answers.append(RateLimitedError("429", retry_after=12))
            toy.last.give(delta(105))
            since = len(toy.events)
            await toy.settle(11.9)
            (stale,) = toy.seen(Stale)
            assert (stale.symbol, stale.channel, stale.severity, stale.threshold, stale.action) == (
                "SOL-USD", Channel.L2_BOOK, Severity.WARNING, 12 * SECOND, StaleAction.NONE,
            )  # fmt: skip
            toy.sequence = 105
            await toy.settle(1)
            after = [type(event) for event in toy.events[since:]]
            assert after == [Stale, BookSnapshot, Resynced, Recovered]
            assert told(toy) == ["SOL-USD waits 12", "SOL-USD had waited 12"]

    asyncio.run(scenario())


def test_all_books_that_wait_are_told_those_too_that_have_not_asked_yet(toy: Toy) -> None:
    async def scenario() -> None:
        async with toy.feed(THREE, channels=["l2_book"]):
            await synced(toy, *THREE)
            toy.answers.append(RateLimitedError("429", retry_after=12))
            toy.last.give(delta(105))
            await toy.settle(2)
            toy.last.give(delta(105, "BTC"))
            await toy.settle(3)
            assert told(toy) == ["SOL-USD waits 12", "BTC-USD waits 10"]
            toy.sequence = 105
            await toy.settle(20)
            assert told(toy)[2:] == ["SOL-USD had waited 12", "BTC-USD had waited 10"]

    asyncio.run(scenario())


def test_what_waits_for_its_turn_in_the_budget_is_told_when_the_gate_closes(toy: Toy) -> None:
    async def scenario() -> None:
        toy.declare(limits={"default": RateLimit(3, 10.0)})  # the list of instruments takes one
        toy.on_open = lambda made: made.give(*(delta(101, symbol.removesuffix("-USD")) for symbol in THREE))
        toy.answers.extend([{}, RateLimitedError("429", retry_after=30)])
        async with toy.feed(THREE, channels=["l2_book"]):
            await toy.settle(1)
            assert sorted(told(toy)) == ["BTC-USD waits 30", "ETH-USD waits 30", "SOL-USD waits 30"]

    asyncio.run(scenario())


def test_refusals_of_one_burst_are_one_wait_and_one_after_it_is_another(toy: Toy) -> None:
    async def scenario() -> None:
        async with toy.feed(channels=["l2_book"]):
            await synced(toy, "SOL-USD")
            toy.answers.extend(RateLimitedError("429", retry_after=5) for _ in range(2))
            toy.last.give(delta(105))
            await toy.settle(4)
            assert told(toy) == ["SOL-USD waits 5"]
            await toy.settle(2)
            assert told(toy) == ["SOL-USD waits 5", "SOL-USD waits 5"]
            toy.sequence = 105
            await toy.settle(20)
            assert told(toy)[2:] == ["SOL-USD had waited 10"]

    asyncio.run(scenario())


def test_a_refusal_read_out_of_an_answer_or_an_outage_with_a_time_is_a_wait_too(toy: Toy) -> None:
    async def scenario() -> None:
        async with toy.feed(channels=["l2_book"]):
            await synced(toy, "SOL-USD")
            toy.answers.append(ExchangeUnavailableError("503", retry_after=7))
            toy.last.give(delta(105))
            await toy.settle(1)
            assert told(toy) == ["SOL-USD waits 7"]

    asyncio.run(scenario())


def test_history_refused_for_its_rate_is_stale_until_the_hole_is_filled(toy: Toy) -> None:
    async def scenario() -> None:
        has_history(toy)
        async with toy.feed():
            await toy.settle()
            toy.answers.append(RateLimitedError("429", retry_after=4))
            toy.history = [2]
            toy.last.give(trade(1), trade(3))
            await toy.settle(6)
            kinds = [type(event) for event in toy.events]
            assert kinds == [Subscribed, Trade, Gap, Stale, Trade, Backfilled, Recovered, Trade]
            assert told(toy) == ["SOL-USD waits 4", "SOL-USD had waited 4"]

    asyncio.run(scenario())


def test_a_hole_given_up_waits_no_more(toy: Toy) -> None:
    async def scenario() -> None:
        has_history(toy)
        async with toy.feed():
            await toy.settle()
            toy.answers.extend([RateLimitedError("429", retry_after=4), PluginContractError("a bug", hint="mend it")])
            toy.last.give(trade(1), trade(3))
            await toy.settle(6)
            quality = [type(event) for event in toy.seen(QualityEvent)]
            assert quality == [Subscribed, Gap, Stale, Gap, Recovered]

    asyncio.run(scenario())


def test_who_still_waits_when_coverage_ends_has_not_recovered(toy: Toy) -> None:
    async def scenario() -> None:
        has_history(toy)
        async with toy.feed() as feed:
            await toy.settle()
            toy.answers.append(RateLimitedError("429", retry_after=60))
            toy.last.give(trade(1), trade(3))
            await toy.settle(1)
            await feed.stop()
        assert told(toy) == ["SOL-USD waits 60"]

    asyncio.run(scenario())


def test_a_wait_outlives_a_reconnection_and_is_not_told_twice(toy: Toy) -> None:
    async def scenario() -> None:
        async with toy.feed(channels=["l2_book"]):
            await synced(toy, "SOL-USD")
            toy.answers.append(RateLimitedError("429", retry_after=12))
            toy.last.give(delta(105))
            await toy.settle(2)
            toy.last.end()
            await toy.settle(2)
            toy.last.give(delta(106))
            await toy.settle(2)
            assert told(toy) == ["SOL-USD waits 12"]
            toy.sequence = 106
            await toy.settle(10)
            assert told(toy) == ["SOL-USD waits 12", "SOL-USD had waited 12"]

    asyncio.run(scenario())


def test_live_trades_that_pass_meanwhile_do_not_end_the_wait(toy: Toy) -> None:
    from tickwire.feed.settings import Backfill, RecoverySettings

    async def scenario() -> None:
        has_history(toy)
        async with toy.feed(recovery=RecoverySettings(Backfill.LATE)):
            await toy.settle()
            toy.answers.append(RateLimitedError("429", retry_after=40))
            toy.last.give(trade(1), trade(3))
            for number in range(4, 30):
                await toy.settle(1)
                toy.last.give(trade(number))
            assert told(toy) == ["SOL-USD waits 40"]

    asyncio.run(scenario())


@pytest.mark.parametrize("body", [{"n": 105, "b": [[10, 1]], "a": [[11, 1]]}])
def test_requests_that_are_answered_say_nothing(toy: Toy, body: object) -> None:
    async def scenario() -> None:
        async with toy.feed(channels=["l2_book"]):
            await synced(toy, "SOL-USD")
            toy.answers.append(json.dumps(body).encode())
            toy.last.give(delta(105))
            await toy.settle(2)
            assert told(toy) == []
            assert len(toy.seen(Resynced)) == 1

    asyncio.run(scenario())
