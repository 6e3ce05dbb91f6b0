"""The loop on which time passes only when nobody has anything to do, and what a kit class may say it lacks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest

from tickwire.testing.checks import check
from tickwire.testing.clocked_loop import ClockedLoop, LoopClock, machine_showing
from tickwire.testing.kit import Conformance
from tickwire.testing.verdicts import Nonconformity, verify

T = TypeVar("T")
START = 1_700_000_000_000_000_000


def run(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=ClockedLoop) as runner:
        return runner.run(main)


def test_an_hour_passes_at_once_and_in_the_order_of_the_timers() -> None:
    async def main() -> list[tuple[str, float]]:
        loop, seen = asyncio.get_running_loop(), list[tuple[str, float]]()

        async def note(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            seen.append((name, round(loop.time(), 6)))

        await asyncio.gather(note("late", 3_600), note("soon", 0.25), note("now", 0))
        return seen

    began = time.monotonic()
    assert run(main()) == [("now", 0.0), ("soon", 0.25), ("late", 3_600.0)]
    assert time.monotonic() - began < 10


def test_on_loopback_an_answer_takes_no_time() -> None:
    async def main() -> tuple[bytes, float]:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            alarm = asyncio.create_task(asyncio.sleep(5))
            writer.write(b"hello\n")
            answer = await reader.readline()
            passed = asyncio.get_running_loop().time()
            writer.close()
            alarm.cancel()
            return answer, passed

    assert run(main()) == (b"hello\n", 0.0)


def test_a_time_out_rings_at_its_moment() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(30)


def test_what_is_meant_for_a_thread_runs_at_once_and_raises_to_its_caller() -> None:
    async def main() -> int:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        return await asyncio.to_thread(lambda: 7)

    assert run(main()) == 7


def test_the_clock_is_the_loops_and_the_machine_shows_it_while_asked_to() -> None:
    async def main() -> tuple[float, int, int]:
        clock = LoopClock(asyncio.get_running_loop(), START)
        with machine_showing(clock.now):
            await clock.advance(1.5)
            return clock.monotonic(), clock.now(), time.time_ns()

    assert run(main()) == (1.5, START + 1_500_000_000, START + 1_500_000_000)
    assert abs(time.time_ns() - START) > 10**15


@pytest.mark.parametrize("is_named", [True, False])
def test_a_library_that_is_imported_meanwhile_does_not_keep_the_false_time(
    is_named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"keeps_time_{is_named}".lower()
    (tmp_path / f"{name}.py").write_text("from time import time, time_ns\n")
    monkeypatch.syspath_prepend(tmp_path)
    with machine_showing(lambda: START, [f"{name}.time"] if is_named else ()):
        library = import_module(name)
        assert library.time() == START / 1e9
    assert (library.time, library.time_ns) == (time.time, time.time_ns)


class Lacking(Conformance):
    lacks: ClassVar[dict[str, str]] = {"X1": "its library cannot"}

    @check("X1", proves="one is two")
    def lacking(self, holds: bool) -> None:
        verify(holds, "acme.py", "one is one", "count")

    @check("X2", proves="one is two")
    def owed(self, holds: bool) -> None:
        verify(holds, "acme.py", "one is one", "count")


def test_a_lacking_check_that_fails_is_skipped_with_its_reason() -> None:
    with pytest.raises(pytest.skip.Exception, match="cannot: its library cannot"):
        Lacking().lacking(False)


def test_a_lacking_check_that_holds_fails() -> None:
    with pytest.raises(Nonconformity, match="X1 is said to be lacking, and it holds"):
        Lacking().lacking(True)


def test_any_other_check_passes_and_fails_by_itself() -> None:
    Lacking().owed(True)
    with pytest.raises(Nonconformity, match="one is one"):
        Lacking().owed(False)
