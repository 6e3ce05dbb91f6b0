"""Whatever goes wrong at the exchange, and whenever the run is killed: what its events call complete is all there."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from tickwire import BookDelta, BookSnapshot, Channel, Event, Record, Registry, SnapshotCause, Trade
from tickwire.record.coverage import Coverage, coverage
from tickwire.simulation import Fault, FaultKind, MemoryTruth
from tickwire.testing.hostile import Trial, run_trial
from tickwire.testing.subject import Subject
from tickwire_backpack.simulator import BackpackSimulator

MARGIN = 250_000_000  # what is said of a moment may be off by what is under way at it
# not those by which an exchange keeps things back: nothing that comes tells of them
KINDS = (
    FaultKind.DROP, FaultKind.SEQUENCE_GAP, FaultKind.CLOSE_ABRUPT, FaultKind.CLOSE_CLEAN, FaultKind.GARBAGE,
    FaultKind.TRUNCATED, FaultKind.DUPLICATE, FaultKind.STATUS_429, FaultKind.STALE_HISTORY, FaultKind.STALE_SNAPSHOT,
)  # fmt: skip


def subject() -> Subject:
    registry = Registry.discover({"TICKWIRE_LOAD_PLUGINS": "backpack"})
    return Subject("backpack", registry, Path("frames"), BackpackSimulator)


def records(events: Sequence[Event]) -> list[Record]:
    return [Record(event, "RUN", number, f"RUN/{number}") for number, event in enumerate(events, 1)]


def held(events: Sequence[Event], symbol: str) -> dict[Channel, set[int]]:
    """Give the numbers of the trades and of the book's changes that are there, in what came before any hole too."""
    trades = {one.sequence or 0 for one in events if isinstance(one, Trade) and one.symbol == symbol}
    changes: set[int] = set()
    for one in events:
        if isinstance(one, BookDelta) and one.symbol == symbol:
            changes |= set(range(one.first_sequence or 0, (one.last_sequence or 0) + 1))
        elif isinstance(one, BookSnapshot) and one.symbol == symbol and one.cause is SnapshotCause.INITIAL:
            changes |= set(range((one.sequence or 0) - 5_000, (one.sequence or 0) + 1))  # it holds what came before it
    return {Channel.TRADES: trades, Channel.L2_BOOK: changes}


def claims(one: Coverage, native: str, truth: MemoryTruth) -> set[int]:
    """Give the numbers of what happened when nothing is missing, as the coverage says."""
    if one.channel is Channel.TRADES:
        real = [(each.ts, each.number) for each in truth.trades(native)]
    else:
        real = [(each.ts, each.sequence) for each in truth.changes(native)]
    return {number for ts, number in real if any(a + MARGIN < ts < b - MARGIN for a, b in one.complete)}


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 10))])
def test_at_no_moment_is_anything_called_complete_that_is_not_there(seed: int) -> None:
    chance = random.Random(seed)
    called = {Channel.TRADES: 0, Channel.L2_BOOK: 0}

    async def holds(run: Trial) -> None:
        run.oracle.believes_watermarks = False
        await run.must_recover(30)
        for kind in chance.sample(KINDS, 5):
            channel = chance.choice([Channel.TRADES, Channel.L2_BOOK]) if kind.site == "frame" else None
            run.faults.inject(Fault(kind, channel=channel, seconds=2.0))
            await run.live(chance.uniform(2, 6))
        await run.must_recover()
        await run.live(11)
        await run.judge()
        natives = dict(zip(run.symbols, (one.native for one in run.exchange.market.instruments), strict=True))
        ends = [len(run.events), *(chance.randrange(1, len(run.events)) for _ in range(12))]
        for end in ends:  # as if the run had been killed there
            told = run.events[:end]
            for one in coverage(records(told)):
                inside = claims(one, natives[str(one.symbol)], run.truth)
                called[one.channel] += len(inside)
                missing = inside - held(told, str(one.symbol))[one.channel]
                assert not missing, (seed, end, one.symbol, one.channel, sorted(missing)[:10])

    run_trial(subject(), holds, seed=seed)
    assert min(called.values()) > 100
