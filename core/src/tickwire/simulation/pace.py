"""How fast the market moves: in bursts, at most at a rate, and never faster than its clients take it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tickwire.simulation.market import SeededMarket

__all__ = ["burst", "run_market"]

_BURST = 50
_TICK = 0.01


async def burst(market: SeededMarket, until: int, room: Callable[[], Awaitable[None]]) -> None:
    """Move the market until it has made ``until`` changes in all, letting clients keep up."""
    while market.changes < until:
        goal = min(until, market.changes + _BURST)
        while market.changes < goal:
            market.step()
        await asyncio.sleep(0)
        await room()


async def run_market(
    market: SeededMarket,
    rate: float,
    limit: int | None,
    room: Callable[[], Awaitable[None]],
    is_wanted: Callable[[], bool],
) -> None:
    """Move the market at a rate, or flat out.

    Args:
        market: What moves.
        rate: Changes per second over all instruments. Zero: as fast as the clients take them, and not at all while
            nobody has joined a topic.
        limit: Changes after which it stands still; ``None``: never.
        room: Waits until every client can take more.
        is_wanted: Whether anybody has joined a topic.
    """
    end = market.changes + limit if limit is not None else None
    clock = market.clock
    began, before = clock.monotonic(), market.changes
    while end is None or market.changes < end:
        if rate:
            elapsed = clock.monotonic() - began
            goal = before + int(elapsed * rate)
            if elapsed > 1:
                began, before = began + elapsed, max(goal, market.changes)
                # What clients could not take in a second is not made up for.
                goal = min(goal, market.changes + int(rate))
        else:
            goal = market.changes + _BURST if is_wanted() else 0
        if goal <= market.changes:
            await clock.sleep(_TICK)
            continue
        await burst(market, goal if end is None else min(goal, end), room)
