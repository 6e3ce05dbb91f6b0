"""Blocking writes beside the event loop, in a daemon thread per sink.

A stuck disk or pipe then stops neither the feeds nor the end of the process; asyncio's own pool is waited for at exit.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["OffLoop"]

T = TypeVar("T")


class OffLoop:
    """Runs one call at a time in a thread of its own."""

    def __init__(self, name: str) -> None:
        """Make it; the thread starts with the first call.

        Args:
            name: The thread's.
        """
        self._name = name
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def call(self, function: Callable[[], T]) -> T:
        """Run ``function`` in the thread and give its result; cancelling gives up waiting, not the call."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            try:
                result = function()
            except Exception as error:  # handed to the caller, whatever it is
                _tell(loop, done, done.set_exception, error)
            else:
                _tell(loop, done, done.set_result, result)

        self._work.put(work)
        return await done

    def close(self) -> None:
        """Let the thread end after what it has to do; a second call is harmless."""
        self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()


def _tell(
    loop: asyncio.AbstractEventLoop, done: asyncio.Future[Any], tell: Callable[[Any], None], what: object
) -> None:
    try:
        loop.call_soon_threadsafe(lambda: None if done.done() else tell(what))
    except RuntimeError:
        return  # the loop is closed: nobody waits any more
