"""What goes wrong in a soak: seeded faults of every kind, each with what makes it be felt, and a log of when."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

from tickwire import Channel
from tickwire.simulation import Fault, FaultKind, Faults
from tickwire.simulation.faults import Site

__all__ = ["SKEW", "run_mishaps"]

SKEW = 3.0
"""Seconds by which the exchange's clock is off at most."""

_PAUSE = 0.6
_LASTING = 12.0  # a half-open socket is reset then, if the client has not left it before
_CLOSES = (FaultKind.CLOSE_ABRUPT, FaultKind.CLOSE_CLEAN)


def _fault(kind: FaultKind, random: Random, natives: Sequence[str]) -> Fault:
    native, few = random.choice(natives), random.randint(1, 5)
    channel = random.choice((Channel.TRADES, Channel.L2_BOOK))
    match kind:
        case FaultKind.DROP | FaultKind.DUPLICATE | FaultKind.GARBAGE | FaultKind.TRUNCATED:
            return Fault(kind, count=few, channel=channel, native=native)
        case FaultKind.UNKNOWN_FIELD | FaultKind.UNKNOWN_KIND:
            return Fault(kind, count=few, channel=channel)
        case FaultKind.CORRUPT_NUMBER:
            return Fault(kind, count=few, channel=channel, number=random.choice(("nan", "inf", "-1")))
        case FaultKind.REORDER:
            return Fault(kind, count=few + 1, channel=channel, native=native, seconds=0.5)
        case FaultKind.STALL:
            return Fault(kind, seconds=random.uniform(0.2, 2.0))
        case FaultKind.SEQUENCE_GAP:
            return Fault(kind, count=random.randint(1, 150), native=native)
        case FaultKind.HALF_OPEN | FaultKind.SILENT:
            return Fault(kind, lasts=_LASTING)
        case FaultKind.CLOSE_CLEAN | FaultKind.CLOSE_ON_OPEN | FaultKind.CLOSE_AFTER_SUBSCRIBE:
            return Fault(kind, code=random.choice((1000, 1001, 1012)))
        case FaultKind.SUBSCRIPTION_IGNORED:
            return Fault(kind, lasts=_LASTING)
        case FaultKind.STALE_SNAPSHOT:
            return Fault(kind, count=few, behind=random.randint(1, 500), lasts=3.0)
        case FaultKind.STALE_HISTORY:
            return Fault(kind, count=few, seconds=random.uniform(1, 8), lasts=3.0)
        case FaultKind.STATUS_429 | FaultKind.STATUS_418:
            return Fault(kind, retry_after=random.choice((0, 1)), lasts=3.0)
        case FaultKind.SLOW_ANSWER:
            return Fault(kind, seconds=random.uniform(0.2, 2.0), lasts=3.0)
        case FaultKind.CLOCK_SKEW:
            return Fault(kind, seconds=random.uniform(-SKEW, SKEW), lasts=random.uniform(0.5, 3.0))
    return Fault(kind, lasts=3.0 if kind.site is Site.REQUEST else None)


def _triggers(fault: Fault, random: Random, natives: Sequence[str]) -> list[Fault]:
    # some faults fall upon what happens seldom: it is made to happen
    if fault.kind.site in (Site.DIAL, Site.SUBSCRIPTION):
        return [_fault(random.choice(_CLOSES), random, natives)]
    if fault.kind in (FaultKind.STALE_HISTORY,):
        return [Fault(FaultKind.DROP, count=2, channel=Channel.TRADES)]
    if fault.kind.site is Site.REQUEST:
        channel = random.choice((Channel.TRADES, Channel.L2_BOOK))
        return [Fault(FaultKind.DROP, count=2, channel=channel, native=random.choice(natives))]
    return []


async def run_mishaps(faults: Faults, natives: Sequence[str], count: int, seed: int, is_less: asyncio.Event) -> None:
    """Let at least ``count`` faults loose, of all kinds in turn, in a seeded order; the last ones end by themselves.

    Args:
        faults: The exchange's.
        natives: What is traded.
        count: How many.
        seed: The same seed lets the same faults loose.
        is_less: Set whenever a fault is over.
    """
    random, done, kinds = Random(seed), 0, list[FaultKind]()
    while done < count:
        if not kinds:
            kinds = random.sample(list(FaultKind), len(FaultKind))
        fault = _fault(kinds.pop(), random, natives)
        for one in (fault, *_triggers(fault, random, natives)):
            faults.inject(one)
            done += 1
        await asyncio.sleep(random.expovariate(1 / _PAUSE))
        await _at_most(faults, 6, is_less)  # a storm of everything at once would be one long outage
    async with asyncio.timeout(60):
        await _at_most(faults, 0, is_less)


async def _at_most(faults: Faults, count: int, is_less: asyncio.Event) -> None:
    while len(faults.active) > count:
        is_less.clear()
        await is_less.wait()
