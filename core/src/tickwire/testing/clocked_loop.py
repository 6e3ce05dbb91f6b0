"""An event loop on which time passes only when nobody has anything to do: real sockets, and no waiting.

A plugin whose transport is a library of its own waits by ``asyncio.sleep``, on sockets of its own. On this loop both
go by the kit's time: whatever is ready runs first, loopback sockets are read until they are quiet, and then time jumps
to the next timer.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from importlib import import_module
from typing import Any
from unittest.mock import patch

from tickwire import ManualClock, Nanos

__all__ = ["ClockedLoop", "LoopClock", "machine_showing"]

_QUIET = 3
_UNTIL_THREADS = 0.05


class ClockedLoop(asyncio.SelectorEventLoop):
    """The loop; blocking calls that are meant for a thread run at once, so nobody waits for a thread."""

    def __init__(self) -> None:
        super().__init__(_JumpingSelector(self._jump))
        self._passed = 0.0

    def time(self) -> float:
        """Give the seconds that have passed since it was made."""
        return self._passed

    def _jump(self, seconds: float) -> None:
        self._passed += seconds

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Call it now."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # whatever it is: it is the caller's
            future.set_exception(error)
        return future


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        for _ in range(_QUIET):
            found: list[tuple[selectors.SelectorKey, int]] = super().select(0)
            if found:
                return found
        if timeout is None:  # no timer either: only a socket or a signal can go on
            return super().select(_UNTIL_THREADS)
        self._jump(timeout)
        return []


class LoopClock(ManualClock):
    """The time of a ``ClockedLoop``: who waits for it waits like everybody else there.

    Args:
        loop: Whose time it is.
        now: What the wall clock shows when the loop is made.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, now: Nanos) -> None:
        super().__init__(now)
        self._wall = now
        self._loop = loop

    def now(self) -> Nanos:
        """Give the start plus what has passed."""
        return self._wall + round(self._loop.time() * 1e9)

    def monotonic(self) -> float:
        """Give the seconds passed so far."""
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Bound a block."""
        return asyncio.timeout(seconds)

    async def advance(self, seconds: float) -> None:
        """Let that much time pass."""
        await asyncio.sleep(seconds)


@contextmanager
def machine_showing(now: Callable[[], Nanos], names: Sequence[str] = ()) -> Iterator[None]:
    """Let the machine's wall clock show another time, for a library that looks at it by itself.

    Args:
        now: The time.
        names: Where somebody keeps ``time.time`` by a name of his own: ``"library.module.time"``.
    """

    def seconds() -> float:
        return now() / 1e9

    # what is imported meanwhile may keep the false time by a name of its own, for as long as the process lives
    homes = {module: import_module(module) for module, _, _ in _split(names)}
    known = set(sys.modules)
    real = {seconds: time.time, now: time.time_ns}
    with patch.object(time, "time", seconds), patch.object(time, "time_ns", now):
        patches = [patch.object(homes[module], name, seconds) for module, _, name in _split(names)]
        for one in patches:
            one.start()
        try:
            yield
        finally:
            for one in patches:
                one.stop()
            for name in sys.modules.keys() - known:
                _undeceive(sys.modules[name], real)


def _undeceive(module: object, real: Mapping[Callable[[], Any], Callable[[], Any]]) -> None:
    for name, value in list(getattr(module, "__dict__", {}).items()):
        for false, true in real.items():
            if value is false:
                setattr(module, name, true)


def _split(names: Sequence[str]) -> list[tuple[str, str, str]]:
    return [name.rpartition(".") for name in names]
