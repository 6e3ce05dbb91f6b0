"""A plain iterator for scripts and notebooks: the feed runs in a thread of its own, no asyncio in sight."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Generic

from tickwire.model.numbers import N
from tickwire.model.quality import EventOf
from tickwire.run.arguments import ChannelLike
from tickwire.run.feed import Feed

__all__ = ["stream"]


def stream(
    exchange: str,
    symbols: Sequence[str],
    channels: Sequence[ChannelLike] = ("trades",),
    *,
    seconds: float | None = None,
    numbers: type[N] = float,  # type: ignore[assignment]
    **settings: Any,
) -> Iterator[EventOf[N]]:
    """Iterate over events; leaving the loop stops the feed.

    The sockets are read while the loop's body runs. A body too slow for the stream loses the oldest events of the
    feed's buffer and meets ``Dropped`` events that count them.

    Args:
        exchange: Its id.
        symbols: Ours.
        channels: Names or requests.
        seconds: Stop after that long; ``None``: never.
        numbers: ``float`` or ``Decimal``.
        **settings: As ``Feed`` takes them.

    Raises:
        TickwireError: What ended the feed, after every event received before it.
    """
    runner = _Runner(Feed(exchange, symbols, channels, numbers=numbers, **settings), seconds)
    runner.start()
    try:
        while True:
            batch = runner.batches.get()
            if batch is None:
                return
            if isinstance(batch, BaseException):
                raise batch
            yield from batch
    finally:
        runner.stop()


class _Runner(threading.Thread, Generic[N]):
    # The queue holds one batch; waiting for its place leaves the loop free to read the sockets.
    def __init__(self, feed: Feed[N], seconds: float | None) -> None:
        super().__init__(name=f"tickwire {feed.name}")
        self.batches: queue.Queue[list[EventOf[N]] | BaseException | None] = queue.Queue(maxsize=1)
        self._feed: Feed[N] = feed
        self._seconds = seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = threading.Event()
        self._wake = asyncio.Event()

    def run(self) -> None:
        end: BaseException | None = None
        try:
            asyncio.run(self._pump())
        except BaseException as error:  # the thread's outermost edge: the caller's loop raises it
            end = error
        self.batches.put(end)

    async def _pump(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        if self._stopped.is_set():
            return
        async with self._feed as feed:
            stopper = asyncio.create_task(self._stop_in_time())
            try:
                while batch := await feed.take():
                    await loop.run_in_executor(None, self.batches.put, batch)
            finally:
                stopper.cancel()

    async def _stop_in_time(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                await self._wake.wait()
        await self._feed.stop()

    def stop(self) -> None:
        """End the feed and wait until the thread is gone."""
        self._stopped.set()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop may have ended by itself
                self._loop.call_soon_threadsafe(self._wake.set)
        while self.is_alive():
            # the thread may wait for a place in the queue that nobody will make any more
            with contextlib.suppress(queue.Empty):
                self.batches.get_nowait()
            self.join(0.02)
