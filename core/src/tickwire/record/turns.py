"""One door for everything that comes from outside: deliveries in order, and the loop's turns between them counted.

Tasks that a delivery wakes run in the turns after it. A replay that lets as many turns pass between the same deliveries
lets the same tasks run in between, which is why its events are the live run's to the byte.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from time import monotonic_ns, time_ns
from typing import Any, TypeAlias, TypeVar

from tickwire.model.clock import Nanos
from tickwire.record.entries import Arrival

__all__ = ["SETTLED", "Turns", "is_outside", "others_are_ready"]

T = TypeVar("T")

SETTLED = 50
"""Turns after which whatever a delivery had set going has come to rest."""

MakeArrival: TypeAlias = Callable[[int, Nanos, int], Arrival]

_outside: contextvars.ContextVar[bool] = contextvars.ContextVar("tickwire_outside", default=False)


def is_outside() -> bool:
    """Tell whether the caller belongs to a real transport, which lives by the machine's clock."""
    return _outside.get()


def others_are_ready(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether anything else would run in the next turn; a loop that does not show it may have something."""
    ready = getattr(loop, "_ready", None)
    return ready is None or len(ready) > 0


class Turns:
    """Takes what comes, from whatever task and in whatever turn, and delivers it in turns of its own."""

    def __init__(self, keep: Callable[[Arrival], None], show: Callable[[Nanos, int], None]) -> None:
        """Make it.

        Args:
            keep: Is given each delivery, before it is delivered.
            show: Is told the time, wall and monotonic in ns, before something is delivered.
        """
        self._keep = keep
        self._show = show
        self._waiting: deque[tuple[MakeArrival, Callable[[], None]]] = deque()
        self._turns = SETTLED
        self._is_idle = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._inside = contextvars.Context()
        self._work: set[asyncio.Task[Any]] = set()

    def bind(self) -> asyncio.AbstractEventLoop:
        """Take over the running loop, and what surrounds the feeds there; called from inside, again and again."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._inside = contextvars.copy_context()
            # the feeds' start is followed by turns as a delivery is
            self._turns = 0
            self._is_idle = False
            self._loop.call_soon(self._turn, context=self._inside)
        return self._loop

    def push(self, make: MakeArrival, deliver: Callable[[], None]) -> None:
        """Have something delivered next.

        Args:
            make: Makes the entry, of turns, wall clock and monotonic clock.
            deliver: Does it; raises nothing.
        """
        self._waiting.append((make, deliver))
        if self._is_idle and self._loop is not None:
            self._is_idle = False
            self._loop.call_soon(self._turn, context=self._inside)

    def outside(self, work: Coroutine[Any, Any, T], then: Callable[[T | None, BaseException | None], None]) -> Any:
        """Run what does I/O, out of the feeds' sight.

        Args:
            work: What to do.
            then: Is given its result or its error, unless it was cancelled.

        Returns:
            Its task.
        """
        loop = self.bind()
        context = contextvars.copy_context()
        context.run(_outside.set, True)
        task = loop.create_task(work, context=context)
        self._work.add(task)
        task.add_done_callback(partial(self._over, then), context=context)
        return task

    def run_outside(self, call: Callable[..., None], *arguments: Any) -> None:
        """Call something of a real transport that does not wait."""
        context = contextvars.copy_context()
        context.run(_outside.set, True)
        context.run(call, *arguments)

    async def at_rest(self, within: float) -> None:
        """Wait until all I/O is over, and cancel what takes longer."""
        if self._work:
            _, late = await asyncio.wait(tuple(self._work), timeout=within)
            for task in late:
                task.cancel()

    def _over(self, then: Callable[[Any, BaseException | None], None], task: asyncio.Task[Any]) -> None:
        self._work.discard(task)
        if not task.cancelled():
            error = task.exception()
            then(None if error is not None else task.result(), error)

    def _turn(self) -> None:
        loop = self._loop
        assert loop is not None
        try:
            if self._waiting:
                self._deliver()
        finally:
            self._go_on(loop)

    def _go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        self._turns += 1
        if not self._waiting and (self._turns > SETTLED or not others_are_ready(loop)):
            self._turns = SETTLED
            self._is_idle = True
        else:
            loop.call_soon(self._turn, context=self._inside)

    def _deliver(self) -> None:
        waiting, turns = self._waiting, self._turns
        wall, mono = time_ns(), monotonic_ns()
        self._show(wall, mono)
        while waiting:
            make, deliver = waiting.popleft()
            self._keep(make(turns, wall, mono))
            turns = 0
            deliver()
        self._turns = 0
