"""Blocking writes beside the event loop, in a daemon thread per sink.

A stuck disk or pipe then stops neither the feeds nor the end of the process; asyncio's own pool is waited for at exit.
"""

from __future__ import annotations

import asyncio
import atexit
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["OffLoop"]

T = TypeVar("T")

_TICK = 1.0


class OffLoop:
    """Runs one call at a time in a thread of its own."""

    def __init__(self, name: str, *, tick: Callable[[], object] | None = None, settle: float = 0.0) -> None:
        """Make it; the thread starts with the first call.

        Args:
            name: The thread's.
            tick: Called in the thread about each second between calls; raises nothing.
            settle: Seconds that the end of the process waits for the call that runs then: for code of other languages,
                which a thread should not be taken away from.
        """
        self._name = name
        self._tick = tick
        self._settle = settle
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def call(self, function: Callable[[], T]) -> T:
        """Run ``function`` in the thread and give its result; cancelling gives up waiting, not the call."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            try:
                result = function()
            except Exception as error:  # handed to the caller, whatever it is
                _tell(loop, done, done.set_exception, error)
            else:
                _tell(loop, done, done.set_result, result)

        self.post(work)
        return await done

    def post(self, function: Callable[[], None]) -> None:
        """Run ``function``, which raises nothing, in the thread, and do not wait for it."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, args=(self._work,), name=self._name, daemon=True)
            self._thread.start()
        self._work.put(function)

    def close(self) -> None:
        """Let the thread end after what it has to do; a second call is harmless, and a later ``call`` begins anew."""
        if self._thread is not None:
            self._work.put(None)
            self._work, self._thread = queue.SimpleQueue(), None

    def _run(self, queued: queue.SimpleQueue[Callable[[], None] | None]) -> None:
        thread = threading.current_thread()

        def end() -> None:
            queued.put(None)
            thread.join(self._settle)

        if self._settle:
            atexit.register(end)
        due = time.monotonic() + _TICK
        while (work := self._next(queued, due)) is not None:
            work()
            if time.monotonic() >= due:
                due = time.monotonic() + _TICK
        atexit.unregister(end)

    def _next(self, queued: queue.SimpleQueue[Callable[[], None] | None], due: float) -> Callable[[], object] | None:
        if self._tick is None:
            return queued.get()
        left = due - time.monotonic()
        try:
            return queued.get(timeout=left) if left > 0 else self._tick
        except queue.Empty:
            return self._tick


def _tell(
    loop: asyncio.AbstractEventLoop, done: asyncio.Future[Any], tell: Callable[[Any], None], what: object
) -> None:
    try:
        loop.call_soon_threadsafe(lambda: None if done.done() else tell(what))
    except RuntimeError:
        return  # the loop is closed: nobody waits any more
