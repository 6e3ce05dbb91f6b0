"""One budget: no window ever holds more than it, first come first served, and a gate that holds for everybody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.feed.limiter import Limiter
from tickwire.model.clock import ManualClock, Nanos, SystemClock
from tickwire.model.errors import PluginContractError
from tickwire.plugin.info import RateLimit

TEN_IN_A_MINUTE = RateLimit(10, 60)


@attrs.frozen
class Ask:
    """A request: when it comes, what it weighs, how long it is under way, when its user gives up."""

    at: float
    weight: float
    lasts: float
    gives_up_after: float | None


@attrs.define(eq=False)
class Sent:
    """A request that was started; ``end`` is when its answer came."""

    number: int
    weight: float
    start: Nanos
    end: Nanos


class Office:
    """Sends requests through a limiter and writes down what happened."""

    def __init__(self, budget: RateLimit | None) -> None:
        self.clock = ManualClock()
        self.limiter = Limiter(budget, self.clock)
        self.sent: list[Sent] = []

    async def send(self, number: int, weight: float = 1, lasts: float = 0) -> None:
        async with self.limiter.spend(weight):
            one = Sent(number, weight, self.clock.now(), 0)
            self.sent.append(one)
            try:
                if lasts:
                    await self.clock.sleep(lasts)
            finally:
                one.end = self.clock.now()

    def start(self, *weights: float, lasts: float = 0) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self.send(number, weight, lasts)) for number, weight in enumerate(weights)]

    def times(self) -> list[float]:
        return [(one.start - ManualClock().now()) / 1e9 for one in self.sent]

    @property
    def order(self) -> list[int]:
        return [one.number for one in self.sent]


def fullest(moments: Sequence[tuple[Nanos, float]], seconds: float) -> float:
    """The most weight in any half-open window; one that begins at an event is the fullest of those that hold it."""
    window = round(seconds * 1e9)
    return max(
        (sum(weight for at, weight in moments if first <= at < first + window) for first, _ in moments), default=0.0
    )


@st.composite
def budgets(draw: st.DrawFn) -> RateLimit:
    return RateLimit(draw(st.integers(1, 20)), draw(st.sampled_from([0.1, 1.0, 7.5, 60.0])))


@st.composite
def cases(draw: st.DrawFn) -> tuple[RateLimit, list[Ask]]:
    budget = draw(budgets())
    spans = st.floats(0, 3 * budget.seconds)
    weights = st.one_of(st.integers(0, int(budget.weight)), st.floats(0, budget.weight))
    ask = st.builds(
        Ask, spans, weights, st.one_of(st.just(0.0), st.floats(0, 2 * budget.seconds)), st.one_of(st.none(), spans)
    )
    return budget, draw(st.lists(ask, max_size=25))


async def play(budget: RateLimit, asks: Sequence[Ask]) -> Office:
    office = Office(budget)

    async def live(number: int, ask: Ask) -> None:
        await office.clock.sleep(ask.at)
        try:
            async with office.clock.timeout(1e9 if ask.gives_up_after is None else ask.gives_up_after):
                await office.send(number, ask.weight, ask.lasts)
        except TimeoutError:
            pass

    async with asyncio.TaskGroup() as tasks:
        for number, ask in enumerate(asks):
            tasks.create_task(live(number, ask))
        await office.clock.advance(100 * (len(asks) + 1) * budget.seconds)
    return office


@settings(max_examples=60, deadline=None)
@given(case=cases(), share=st.floats(0, 1))
def test_no_window_ever_holds_more_than_its_budget(case: tuple[RateLimit, list[Ask]], share: float) -> None:
    """Neither by the time requests start, nor by the time they reach the exchange, somewhere on their way."""
    budget, asks = case
    office = asyncio.run(play(budget, asks))
    slack = 1e-6 * len(asks)  # weights are counted in millionths
    starts = [(one.start, one.weight) for one in office.sent]
    assert fullest(starts, budget.seconds) <= budget.weight + slack
    for way in (share, 1 - share):
        arrivals = [
            (one.start + round((share if one.number % 2 else way) * (one.end - one.start)), one.weight)
            for one in office.sent
        ]
        assert fullest(arrivals, budget.seconds) <= budget.weight + slack


@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_whoever_does_not_give_up_is_served_and_nothing_stays_behind(case: tuple[RateLimit, list[Ask]]) -> None:
    budget, asks = case
    office = asyncio.run(play(budget, asks))
    assert {number for number, ask in enumerate(asks) if ask.gives_up_after is None} <= set(office.order)
    assert (office.limiter.waiting, office.limiter.used) == (0, 0)


@settings(max_examples=40, deadline=None)
@given(weights=st.lists(st.integers(0, 10), max_size=30), quitters=st.sets(st.integers(0, 29)))
def test_first_come_first_served_whatever_each_weighs_and_whoever_leaves(
    weights: list[int], quitters: set[int]
) -> None:
    async def main() -> None:
        office = Office(TEN_IN_A_MINUTE)
        tasks = office.start(10, *weights)
        await office.clock.advance(1)
        for number in sorted(quitters):
            if number < len(weights):
                tasks[number + 1].cancel()
        await office.clock.advance(60 * (len(weights) + 2))
        await asyncio.gather(*tasks, return_exceptions=True)
        assert office.order == sorted(office.order)

    asyncio.run(main())


def test_a_full_budget_spent_at_once_is_followed_by_a_whole_window_of_silence() -> None:
    async def main() -> None:
        office = Office(TEN_IN_A_MINUTE)
        tasks = office.start(*[1] * 25)
        await office.clock.advance(200)
        await asyncio.gather(*tasks)
        assert office.times() == [0] * 10 + [60] * 10 + [120] * 5

    asyncio.run(main())


def test_a_request_counts_until_a_window_after_its_end() -> None:
    async def main() -> None:
        office = Office(RateLimit(1, 60))
        tasks = office.start(1, 1, lasts=7)
        await office.clock.advance(200)
        await asyncio.gather(*tasks)
        assert office.times() == [0, 67]

    asyncio.run(main())


def test_a_heavy_request_is_not_overtaken_by_light_ones() -> None:
    async def main() -> None:
        office = Office(TEN_IN_A_MINUTE)
        tasks = office.start(5, 8, 1, 1)
        await office.clock.advance(200)
        await asyncio.gather(*tasks)
        assert list(zip(office.order, office.times(), strict=True)) == [(0, 0), (1, 60), (2, 60), (3, 60)]

    asyncio.run(main())


def test_a_cancelled_wait_spends_nothing_and_lets_the_next_one_through() -> None:
    async def main() -> None:
        office = Office(TEN_IN_A_MINUTE)
        tasks = office.start(9, 5, 1)
        await office.clock.advance(10)
        tasks[1].cancel()
        await office.clock.advance(0)
        assert (office.order, office.times(), office.limiter.used) == ([0, 2], [0, 10], 10)

    asyncio.run(main())


def test_a_request_cancelled_under_way_counts_as_sent() -> None:
    async def main() -> None:
        office = Office(TEN_IN_A_MINUTE)
        [task] = office.start(10, lasts=30)
        await office.clock.advance(1)
        task.cancel()
        await office.clock.advance(59)
        assert office.limiter.used == 10
        await office.clock.advance(1)
        assert office.limiter.used == 0

    asyncio.run(main())


def test_a_request_cancelled_between_its_admission_and_its_start_spends_nothing() -> None:
    async def main() -> None:
        clock = ManualClock()
        limiter = Limiter(TEN_IN_A_MINUTE, clock)
        limiter.refuse(30)

        async def first() -> None:
            async with limiter.spend(4):
                second.cancel()  # the gate has just let in both

        async def other() -> None:
            async with limiter.spend(6):
                raise AssertionError

        tasks = [asyncio.create_task(first())]
        tasks.append(second := asyncio.create_task(other()))
        await clock.advance(31)
        assert (second.cancelled(), limiter.used) == (True, 4)
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())


def test_the_gate_holds_everybody_back_in_order_and_without_a_budget_too() -> None:
    async def main(budget: RateLimit | None) -> None:
        office = Office(budget)
        assert office.limiter.refuse(30) == 30
        tasks = office.start(1, 0, 1)
        await office.clock.advance(29.9)
        assert (office.sent, office.limiter.waiting) == ([], 3)
        await office.clock.advance(0.2)
        await asyncio.gather(*tasks)
        assert (office.order, office.times()) == ([0, 1, 2], [30, 30, 30])

    asyncio.run(main(TEN_IN_A_MINUTE))
    asyncio.run(main(None))


def test_a_gate_that_closes_while_others_wait_holds_them_too() -> None:
    async def main() -> None:
        office = Office(TEN_IN_A_MINUTE)
        tasks = office.start(10, 1)
        await office.clock.advance(50)
        office.limiter.refuse(100)
        await office.clock.advance(200)
        await asyncio.gather(*tasks)
        assert office.times() == [0, 150]

    asyncio.run(main())


def test_whoever_waits_at_the_gate_is_told_for_how_long_and_nobody_else() -> None:
    async def main() -> None:
        office = Office(TEN_IN_A_MINUTE)
        told: list[tuple[str, float]] = []

        async def ask(name: str, weight: float) -> None:
            async with office.limiter.spend(weight, on_gate=lambda seconds: told.append((name, seconds))):
                pass

        tasks = [asyncio.create_task(ask("sent", 10)), asyncio.create_task(ask("queued", 1))]
        await office.clock.advance(50)
        assert told == []
        office.limiter.refuse(100)
        await office.clock.advance(20)
        tasks.append(asyncio.create_task(ask("late", 1)))
        await office.clock.advance(20)
        assert told == [("queued", 100), ("late", 80)]
        await office.clock.advance(100)
        await asyncio.gather(*tasks)

    asyncio.run(main())


def test_a_shorter_refusal_does_not_open_the_gate_earlier() -> None:
    limiter = Limiter(None, ManualClock())
    assert [limiter.refuse(30), limiter.refuse(5), limiter.refuse(40)] == [30, 30, 40]


def test_refusals_without_a_time_double_the_wait_once_for_each_burst() -> None:
    async def main() -> None:
        clock = ManualClock()
        limiter = Limiter(None, clock)
        waits = []
        for _ in range(4):
            first = limiter.refuse()
            assert limiter.refuse() == first
            waits.append(first)
            await clock.advance(first + 0.1)
        assert all(full / 2 <= wait <= full for wait, full in zip(waits, [2, 4, 8, 16], strict=True))
        await clock.advance(60)
        assert limiter.refuse() <= 2

    asyncio.run(main())


@pytest.mark.parametrize("weight", [10.5, -1, float("nan"), float("inf")])
def test_a_weight_no_budget_can_hold_is_an_error_at_once(weight: float) -> None:
    async def main() -> None:
        office = Office(TEN_IN_A_MINUTE)
        with pytest.raises(PluginContractError) as raised:
            async with office.limiter.spend(weight, "GET /all"):
                raise AssertionError
        assert str(raised.value) == (
            f"GET /all weighs {weight:g}, and the whole budget is 10 per 60 s → correct Request.weight or "
            "ExchangeInfo.limits in the plugin, or ask for less at once"
        )
        assert (office.limiter.waiting, office.limiter.used) == (0, 0)

    asyncio.run(main())


def test_threads_with_event_loops_of_their_own_share_one_budget() -> None:
    limiter = Limiter(RateLimit(3, 0.05), SystemClock())
    moments: list[tuple[Nanos, float]] = []

    async def ask() -> None:
        async with limiter.spend(1):
            moments.append((SystemClock.now(), 1.0))

    async def many() -> None:
        await asyncio.gather(*(ask() for _ in range(6)))

    threads = [threading.Thread(target=lambda: asyncio.run(many())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(moments) == 18
    assert fullest(sorted(moments), 0.049) <= 3


def test_a_loop_that_was_closed_with_a_request_waiting_blocks_nobody() -> None:
    limiter = Limiter(RateLimit(1, 0.05), SystemClock())

    async def ask() -> None:
        async with limiter.spend(1):
            pass

    async def leave_one_waiting() -> asyncio.Task[None]:
        await ask()
        task = asyncio.create_task(ask())
        await asyncio.sleep(0)
        return task

    async def ask_twice() -> None:
        async with asyncio.timeout(5):
            await ask()
            await ask()

    loop = asyncio.new_event_loop()
    task = loop.run_until_complete(leave_one_waiting())
    loop.close()
    asyncio.run(ask_twice())
    assert limiter.waiting == 0
    abandoned = task.get_coro()
    assert abandoned is not None
    abandoned.close()
    task._log_destroy_pending = False  # type: ignore[attr-defined]
