"""The manual clock: time passes only when a test says so, and wakes sleepers in order."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire import Clock, ManualClock, SystemClock


def test_time_stands_still_until_it_is_advanced() -> None:
    async def main() -> None:
        clock = ManualClock(now=5_000_000_000)
        assert (clock.now(), clock.monotonic()) == (5_000_000_000, 0.0)
        await clock.advance(1.5)
        assert (clock.now(), clock.monotonic()) == (6_500_000_000, 1.5)

    asyncio.run(main())


@settings(max_examples=50)
@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=8))
def test_sleepers_wake_in_the_order_of_their_moments_and_see_that_moment(milliseconds: list[int]) -> None:
    async def main() -> None:
        clock = ManualClock(now=0)
        woken: list[int] = []

        async def sleep(ms: int) -> None:
            await clock.sleep(ms / 1000)
            assert clock.now() == ms * 1_000_000
            woken.append(ms)

        async with asyncio.TaskGroup() as group:
            for ms in milliseconds:
                group.create_task(sleep(ms))
            await clock.advance(5)
        assert woken == sorted(milliseconds)

    asyncio.run(main())


def test_three_sleeps_of_a_tenth_end_exactly_where_three_tenths_do() -> None:
    async def main() -> None:
        clock = ManualClock()

        async def three() -> None:
            for _ in range(3):
                await clock.sleep(0.1)

        task = asyncio.ensure_future(three())
        await clock.advance(0.3)
        assert task.done()

    asyncio.run(main())


def test_a_sleeper_stays_asleep_before_its_moment() -> None:
    async def main() -> None:
        clock = ManualClock()
        task = asyncio.ensure_future(clock.sleep(1))
        await clock.advance(0.999)
        assert not task.done()
        task.cancel()
        await clock.advance(1)
        assert task.cancelled()

    asyncio.run(main())


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_sleep_of_nothing_lets_other_tasks_run_once(seconds: float) -> None:
    async def main() -> None:
        ran: list[bool] = []
        asyncio.get_running_loop().call_soon(ran.append, True)
        await ManualClock().sleep(seconds)
        assert ran == [True]

    asyncio.run(main())


def test_a_block_that_takes_longer_than_its_timeout_is_interrupted() -> None:
    async def main() -> None:
        clock = ManualClock()

        async def wait() -> None:
            async with clock.timeout(5):
                await asyncio.Event().wait()

        task = asyncio.ensure_future(wait())
        await clock.advance(4.9)
        assert not task.done()
        await clock.advance(0.1)
        with pytest.raises(TimeoutError):
            await task

    asyncio.run(main())


def test_a_block_that_ends_in_time_is_left_alone() -> None:
    async def main() -> None:
        clock = ManualClock()
        async with clock.timeout(5):
            pass
        await clock.advance(10)

    asyncio.run(main())


def test_the_system_clock_is_the_machines() -> None:
    async def main() -> None:
        clock: Clock = SystemClock()
        before = time.time_ns()
        assert before <= clock.now() <= time.time_ns()
        assert clock.monotonic() <= time.monotonic()
        with pytest.raises(TimeoutError):
            async with clock.timeout(0):
                await asyncio.Event().wait()
        await clock.sleep(0)

    asyncio.run(main())
