"""F: random sequences of faults, shrunk by hypothesis to the shortest that shows what is wrong."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack, ExitStack
from random import Random
from typing import Any

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tickwire import Channel
from tickwire.simulation import FaultKind
from tickwire.simulation.storm import random_fault
from tickwire.testing.checks import check
from tickwire.testing.faults import channels_for
from tickwire.testing.hostile import Trial, runner, trial
from tickwire.testing.kit import Conformance, same_each_run
from tickwire.testing.subject import Subject
from tickwire.testing.verdicts import cannot

__all__ = ["SequenceChecks"]

_STEPS = 15
_UNNOTICED = 60.0  # a connection may be dead so long before its pings tell
_SHARE = 4


class SequenceChecks(Conformance):
    """The check F2."""

    @check(
        "F2",
        proves="random sequences of faults, subscriptions and silences: as F1, and it recovers at the end",
        skip_when="there is no simulator, or neither trades nor l2_book are offered",
    )
    def test_f2_sequences_of_faults(self, subject: Subject) -> None:
        subject.dress_maker()
        kinds = [kind for kind in FaultKind if _can_be_met(subject, kind)]
        if not kinds:
            cannot("nothing it offers can meet a fault")
        state = random.getstate()
        try:
            run_state_machine_as_test(
                _machine(subject, kinds),
                settings=settings(same_each_run(max(2, subject.examples // _SHARE)), stateful_step_count=_STEPS),
            )
        finally:
            random.setstate(state)


def _can_be_met(subject: Subject, kind: FaultKind) -> bool:
    try:
        channels = channels_for(subject, kind)
    except pytest.skip.Exception:
        return False
    # a fault that falls upon every frame may fall upon a channel that cannot show it
    return all(channel in channels for channel in _offered(subject)) or kind.site != "frame"


def _offered(subject: Subject) -> list[Channel]:
    return [channel for channel in (Channel.TRADES, Channel.L2_BOOK) if subject.info.offers(channel)]


def _machine(subject: Subject, kinds: list[FaultKind]) -> type[RuleBasedStateMachine]:
    class Storm(RuleBasedStateMachine):
        """One feed, and what is done to it."""

        def __init__(self) -> None:
            super().__init__()
            random.seed(0)  # the back-off's jitter
            self.ground = ExitStack()
            self.loop = self.ground.enter_context(runner(subject))
            self.stack = AsyncExitStack()
            opening = self.stack.enter_async_context(trial(subject))
            self.trial = self.loop.run(_opened(opening))
            self.trial.oracle.in_flight = _UNNOTICED
            self.trial.oracle.believes_watermarks = False
            self.dropped = False

        @rule(kind=st.sampled_from(kinds), seed=st.integers(0, 1_000))
        def fault(self, kind: FaultKind, seed: int) -> None:
            self.loop.run(self._inject(kind, seed))

        async def _inject(self, kind: FaultKind, seed: int) -> None:
            fault = random_fault(kind, Random(seed))
            if kind is FaultKind.CLOCK_SKEW:
                self.trial.oracle.skew += abs(fault.seconds)  # those that are under way at once add up
            # where lots are whole numbers, -1 is a price alone, and prices may be negative
            self.trial.faults.inject(attrs.evolve(fault, number="nan"))
            await self.trial.live(0.5)

        @rule(seconds=st.sampled_from((0.2, 1.0, 5.0)))
        def wait(self, seconds: float) -> None:
            self.loop.run(self.trial.live(seconds))

        @precondition(lambda self: not self.dropped)
        @rule()
        def leave(self) -> None:
            self.dropped = True
            self.loop.run(self.trial.feed.unsubscribe(self.trial.symbols[:1], _offered(subject)))

        @precondition(lambda self: self.dropped)
        @rule()
        def return_(self) -> None:
            self.dropped = False
            self.loop.run(self.trial.feed.subscribe(self.trial.symbols[:1], _offered(subject)))

        def teardown(self) -> None:
            try:
                self.loop.run(self._end())
            finally:
                self.loop.run(self.stack.aclose())
                self.ground.close()

        async def _end(self) -> None:
            self.trial.faults.clear()
            await self.trial.must_recover()
            await self.trial.live(1)
            await self.trial.judge()

    return Storm


async def _opened(opening: Any) -> Trial:
    run: Trial = await opening
    await run.must_recover(30)
    return run
