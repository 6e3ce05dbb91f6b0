"""A feed that may not read for too long closes its sockets, says so, and comes back when there is room."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tickwire.feed.silence import SilenceSettings
from tickwire.model.channels import Channel
from tickwire.model.quality import Event, Gap, GapCause, Reconnected

if TYPE_CHECKING:
    from conftest import Toy

CALM = SilenceSettings(floor=3600.0)


def trade(number: int, symbol: str = "SOL") -> dict[str, Any]:
    return {"k": "trade", "s": f"{symbol}_USD", "n": number}


def gaps(events: list[Event]) -> list[tuple[str | None, Channel | None, GapCause, str]]:
    return [(one.symbol, one.channel, one.cause, one.detail) for one in events if isinstance(one, Gap)]


async def taken(feed: Any) -> list[Event]:
    return [*await feed.take(1000)]


def test_sockets_that_were_paused_for_too_long_are_closed_with_a_gap_of_their_own_kind(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(buffer=4, when_full="block", pause_limit=20.0, silence=CALM) as feed:
            await toy.settle()
            toy.connections[0].give(*map(trade, range(1, 20)))
            assert toy.connections[0].is_paused
            await toy.clock.advance(19.9)
            assert toy.connections[0].is_open
            await toy.clock.advance(0.1)
            assert not toy.connections[0].is_open
            # nobody connects to what could not be read
            await toy.clock.advance(3600.0)
            assert len(toy.connections) == 1
            events = await taken(feed)
            assert gaps(events) == [
                ("SOL-USD", Channel.TRADES, GapCause.OVERFLOW, "disconnected (1000 paused for 20 s)")
            ]
            await toy.clock.advance(1.0)
            assert (len(toy.connections), toy.last.is_paused) == (2, False)
            toy.last.give(trade(50))
            await toy.settle()
            more = await taken(feed)
            assert any(isinstance(one, Reconnected) for one in more)

    asyncio.run(main())


def test_a_pause_that_ends_in_time_changes_nothing(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(buffer=4, when_full="block", pause_limit=20.0, silence=CALM) as feed:
            await toy.settle()
            for first in (1, 11, 21):
                toy.connections[0].give(*map(trade, range(first, first + 10)))
                assert toy.connections[0].is_paused
                await toy.clock.advance(19.0)
                while toy.connections[0].is_paused:
                    assert gaps(await taken(feed)) == []
                    await toy.settle()
            await toy.clock.advance(60.0)
            assert (len(toy.connections), toy.connections[0].is_open) == (1, True)

    asyncio.run(main())


@pytest.mark.parametrize("connections", [1, 2])
def test_a_feed_whose_sockets_were_closed_for_a_full_buffer_can_be_stopped(toy: Toy, connections: int) -> None:
    async def main() -> None:
        async with toy.feed(
            ["SOL-USD", "BTC-USD"], buffer=4, when_full="block", pause_limit=5.0, connections=connections, silence=CALM
        ) as feed:
            await toy.settle()
            toy.connections[0].give(trade(1, "BTC"), *map(trade, range(1, 20)))
            await toy.clock.advance(10.0)
            assert not any(one.is_open for one in toy.connections)
            stopping = asyncio.create_task(feed.stop())
            await toy.clock.advance(10.0)
            await stopping
            events = await taken(feed)
            assert {one[0] for one in gaps(events) if one[2] is GapCause.OVERFLOW} == {"SOL-USD", "BTC-USD"}

    asyncio.run(main())
