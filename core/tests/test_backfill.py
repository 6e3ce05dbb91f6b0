"""History is read page by page within the limits, again while it may be stale, and given up with the reason."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from tickwire.feed.settings import Backfill, RecoverySettings
from tickwire.feed.silence import SilenceSettings
from tickwire.model.channels import Channel
from tickwire.model.errors import ConnectionLostError, ExchangeUnavailableError, RateLimitedError, RequestRejectedError
from tickwire.model.events import Trade
from tickwire.model.quality import Backfilled, Gap, Repair, Stale, StaleAction
from tickwire.plugin.info import By, ChannelInfo, History, Ids

if TYPE_CHECKING:
    from conftest import Toy

CALM = SilenceSettings(3_600, 3_600)  # the watchdog is another test's


def trade(number: int) -> dict[str, Any]:
    return {"k": "trade", "s": "SOL_USD", "n": number}


def has_history(toy: Toy, by: By = By.ID, page: int = 100) -> None:
    toy.declare(
        channels={**toy.info.channels, Channel.TRADES: ChannelInfo(ids=Ids.CONSECUTIVE, history=History(by, page))}
    )


def passed(toy: Toy) -> list[int | None]:
    return [event.sequence for event in toy.seen(Trade)]


def page(*numbers: int) -> bytes:
    return json.dumps(numbers).encode()


async def lose_and_come_back(toy: Toy, *numbers: int) -> None:
    toy.last.end()
    await toy.settle(1)
    toy.last.give(*(trade(number) for number in numbers))
    await toy.settle()


def test_a_hole_is_filled_after_a_reconnection(toy: Toy) -> None:
    async def scenario() -> None:
        has_history(toy)
        async with toy.feed():
            await toy.settle()
            toy.last.give(trade(1), trade(2))
            toy.history = [3, 4, 5]
            await lose_and_come_back(toy, 6)
            assert passed(toy) == [1, 2, 3, 4, 5, 6]
            (filled,) = toy.seen(Backfilled)
            assert (filled.count, filled.first_id, filled.last_id, filled.is_complete) == (3, 3, 5, True)
            assert [event.backfilled for event in toy.seen(Trade)] == [False, False, True, True, True, False]

    asyncio.run(scenario())


def test_history_is_asked_for_with_the_trades_around_the_hole(toy: Toy) -> None:
    async def scenario() -> None:
        has_history(toy)
        async with toy.feed():
            await toy.settle()
            toy.last.give(trade(1), trade(5))
            toy.history = [2]
            await toy.settle()
            edges = [(hole.after and hole.after.sequence, hole.before and hole.before.sequence) for hole in toy.holes]
            assert edges[:2] == [(1, 5), (2, 5)]

    asyncio.run(scenario())


def test_pages_that_lie_behind_the_hole_are_passed_over(toy: Toy) -> None:
    async def scenario() -> None:
        has_history(toy, By.PAGE)
        async with toy.feed():
            await toy.settle()
            toy.last.give(trade(1), trade(5), trade(6))
            toy.answers.extend([page(6, 5), page(5, 4, 3), page(3, 2, 1)])
            await toy.settle()
            assert passed(toy) == [1, 2, 3, 4, 5, 6]
            assert [hole.page for hole in toy.holes] == [0, 1, 2]

    asyncio.run(scenario())


def test_a_stale_answer_is_asked_for_again_until_it_can_be_stale_no_more(toy: Toy) -> None:
    async def scenario() -> None:
        has_history(toy)
        async with toy.feed():
            await toy.settle()
            toy.last.give(trade(1), trade(4))
            await toy.settle(8)
            assert passed(toy) == [1]
            toy.history = [2, 3]
            await toy.settle(5)
            assert passed(toy) == [1, 2, 3, 4]

    asyncio.run(scenario())


def test_live_trades_wait_for_so_long_and_no_longer(toy: Toy) -> None:
    async def scenario() -> None:
        has_history(toy)
        async with toy.feed(recovery=RecoverySettings(hold=3)):
            await toy.settle()
            toy.answers.extend([ConnectionLostError("lost")] * 50)
            toy.last.give(trade(1), trade(4))
            await toy.settle(2.9)
            assert passed(toy) == [1]
            await toy.settle(0.1)
            assert passed(toy) == [1, 4]
            toy.answers.clear()
            toy.history = [2, 3]
            await toy.settle(6)
            assert passed(toy) == [1, 4, 2, 3]
            assert toy.seen(Backfilled)[-1].is_complete

    asyncio.run(scenario())


@pytest.mark.parametrize(("by", "earlier"), [(By.TIME, [0, 1, 0, 4]), (By.ID, [0, 0, 0, 0])])
def test_a_history_by_time_is_looked_through_earlier_too(toy: Toy, by: By, earlier: list[int]) -> None:
    async def scenario() -> None:
        has_history(toy, by)
        async with toy.feed():
            await toy.settle()
            toy.last.give(trade(1))
            (last,) = toy.seen(Trade)
            assert last.ts_event is not None
            toy.last.give(trade(4))
            await toy.settle(5)
            assert [(last.ts_event - hole.start) / 1e9 for hole in toy.holes][:4] == earlier
            # dated by a clock that was put right since: before the last trade
            toy.history = [{"n": 2, "t": last.ts_event - 9_000_000_000}, {"n": 3, "t": last.ts_event - 8_000_000_000}]
            await toy.settle(5)
            assert passed(toy) == [1, 2, 3, 4]

    asyncio.run(scenario())


def test_what_history_lacks_is_given_up_with_the_reason(toy: Toy) -> None:
    async def scenario() -> None:
        has_history(toy)
        async with toy.feed():
            await toy.settle()
            toy.last.give(trade(1), trade(5))
            toy.history = [4]
            await toy.settle(40)
            assert passed(toy) == [1, 4, 5]
            assert (toy.seen(Gap)[-1].missing, toy.seen(Gap)[-1].detail) == (
                2, "2 trades missing; not filled: the exchange's history does not have them",
            )  # fmt: skip
            asked = len(toy.holes)
            await toy.settle(10)  # before the watchdog asks for the latest
            assert len(toy.holes) == asked

    asyncio.run(scenario())


def test_a_history_that_stays_refused_is_given_up_with_the_reason(toy: Toy) -> None:
    async def scenario() -> None:
        has_history(toy)
        async with toy.feed(silence=CALM):
            await toy.settle()
            toy.answers.extend([RequestRejectedError("forbidden here", status=403)] * 100)
            toy.last.give(trade(1), trade(3))
            await toy.settle(29)
            assert all("not filled: " not in gap.detail for gap in toy.seen(Gap))
            await toy.settle(10)
            assert passed(toy) == [1, 3]
            assert toy.seen(Gap)[-1].detail.endswith("not filled: forbidden here")

    asyncio.run(scenario())


def test_a_subscription_that_delivers_nothing_of_what_history_shows_is_asked_for_anew(toy: Toy) -> None:
    async def scenario() -> None:
        has_history(toy)
        async with toy.feed(silence=CALM):
            await toy.settle()
            toy.last.give(trade(1))
            await lose_and_come_back(toy)
            for second in range(40):  # a trade a second, and none of them on the socket
                toy.history = list(range(2, 3 + second))
                await toy.settle(1)
            assert [one.action for one in toy.seen(Stale)][:1] == [StaleAction.RESUBSCRIBE]
            assert toy.last.asked().count("trades:SOL_USD") >= 2
            assert toy.seen(Backfilled) == []  # the hole is not over
            assert passed(toy) == list(range(1, len(passed(toy)) + 1))
            toy.last.give(trade(42))
            await toy.settle(8)
            assert (passed(toy)[-1], toy.seen(Backfilled)[-1].is_complete) == (42, True)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "error", [ConnectionLostError("lost"), ExchangeUnavailableError("503"), RateLimitedError("429")]
)
def test_a_history_that_cannot_be_reached_is_tried_again(toy: Toy, error: Exception) -> None:
    async def scenario() -> None:
        has_history(toy)
        async with toy.feed():
            await toy.settle()
            toy.answers.append(error)
            toy.history = [2]
            toy.last.give(trade(1), trade(3))
            await toy.settle(70)
            assert sorted(number or 0 for number in passed(toy)) == [1, 2, 3]

    asyncio.run(scenario())


def test_retries_of_a_history_out_of_reach_are_exhausted_and_that_surfaces_with_its_reason(toy: Toy) -> None:
    async def scenario() -> None:
        has_history(toy)
        async with toy.feed():
            await toy.settle()
            toy.answers.extend(ConnectionLostError("cannot reach it") for _ in range(1_000))
            toy.last.give(trade(1), trade(3))
            for number in range(4, 300):  # the stream goes on, so that the watchdog asks for nothing
                await toy.settle(1)
                toy.last.give(trade(number))
            assert [gap.repair for gap in toy.seen(Gap)] == [Repair.BACKFILL] * 2  # told once more when the wait ended
            await toy.settle(15)
            last = toy.seen(Gap)[-1]
            assert (last.repair, last.first_missing, last.missing, last.detail) == (
                Repair.NONE, 2, 1, "1 trade missing; not filled: cannot reach it",
            )  # fmt: skip
            asked = len(toy.holes)
            await toy.settle(10)
            assert len(toy.holes) == asked

    asyncio.run(scenario())


def test_a_bug_in_a_plugin_s_history_ends_the_hole_and_not_the_feed(toy: Toy) -> None:
    async def scenario() -> None:
        has_history(toy)
        async with toy.feed():
            await toy.settle()
            toy.answers.append({"no": "list"})
            toy.last.give(trade(1), trade(3))
            await toy.settle(40)
            toy.last.give(trade(4))
            assert 4 in passed(toy)

    asyncio.run(scenario())


def test_without_history_a_hole_says_so(toy: Toy) -> None:
    async def scenario() -> None:
        async with toy.feed():
            await toy.settle()
            toy.last.give(trade(1), trade(3))
            assert toy.seen(Gap)[-1].detail == "1 trade missing (2); not filled: toy gives no history of trades"

    asyncio.run(scenario())


def test_with_backfill_off_nothing_is_asked_for_and_nothing_waits(toy: Toy) -> None:
    async def scenario() -> None:
        has_history(toy)
        async with toy.feed(recovery=RecoverySettings(Backfill.OFF)):
            await toy.settle()
            toy.last.give(trade(1), trade(3))
            assert passed(toy) == [1, 3]
            await toy.settle(10)  # before the watchdog asks for the latest
            assert (toy.holes, toy.seen(Gap)[-1].detail) == ([], "1 trade missing (2); not filled: backfill is off")

    asyncio.run(scenario())


def test_nothing_is_asked_for_while_the_connection_is_down(toy: Toy) -> None:
    async def scenario() -> None:
        has_history(toy)
        async with toy.feed():
            await toy.settle()
            toy.last.give(trade(1))
            toy.refusal = ConnectionLostError("down")
            toy.last.end()
            await toy.settle(30)
            assert toy.holes == []

    asyncio.run(scenario())


def test_a_quiet_instrument_is_asked_about_once_more_when_history_can_be_stale_no_more(toy: Toy) -> None:
    async def scenario() -> None:
        has_history(toy)
        async with toy.feed(silence=CALM):
            await toy.settle()
            toy.last.give(trade(1))
            await lose_and_come_back(toy)
            await toy.settle(35)
            assert [(event.missing, event.detail) for event in toy.seen(Gap)] == [
                (None, "disconnected (1006 lost)"), (0, "nothing was missed"),
            ]  # fmt: skip
            asked = len(toy.holes)
            await toy.settle(10)  # before the watchdog asks for the latest
            assert len(toy.holes) == asked

    asyncio.run(scenario())


def test_stopping_while_a_hole_is_open_loses_nothing_received(toy: Toy) -> None:
    async def scenario() -> None:
        has_history(toy)
        async with toy.feed() as feed:
            await toy.settle()
            toy.last.give(trade(1), trade(3), trade(4))
            await toy.settle()
            await feed.stop()
        assert passed(toy) == [1, 3, 4]

    asyncio.run(scenario())


def test_a_hole_that_begins_while_the_last_one_s_filling_rests_is_filled_too(toy: Toy) -> None:
    async def scenario() -> None:
        has_history(toy)
        async with toy.feed():
            await toy.settle()
            toy.last.give(trade(1), trade(4))  # history lacks them for now: asked again after a rest
            await toy.settle()
            toy.last.give(trade(2), trade(3), trade(7))
            toy.history = [5, 6]
            await toy.settle(5)
            assert passed(toy) == [1, 2, 3, 4, 5, 6, 7]

    asyncio.run(scenario())
