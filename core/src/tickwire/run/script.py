"""A plain iterator for scripts and notebooks: the feed runs in a thread of its own, no asyncio in sight."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from tickwire.model.quality import Event
from tickwire.run.feed import ChannelLike, Feed

__all__ = ["stream"]


def stream(
    exchange: str,
    symbols: Sequence[str],
    channels: Sequence[ChannelLike] = ("trades",),
    *,
    seconds: float | None = None,
    **settings: Any,
) -> Iterator[Event]:
    """Iterate over events; leaving the loop stops the feed.

    The sockets are read while the loop's body runs. A body too slow for the stream loses the oldest events of the
    feed's buffer and meets ``Dropped`` events that count them.

    Args:
        exchange: Its id.
        symbols: Ours.
        channels: Names or requests.
        seconds: Stop after that long; ``None``: never.
        **settings: As ``Feed`` takes them.

    Raises:
        TickwireError: What ended the feed, after every event received before it.
    """
    feed = Feed(exchange, symbols, channels, **settings)
    batches: queue.Queue[list[Event] | BaseException | None] = queue.Queue(maxsize=1)
    stopped = threading.Event()
    runner = threading.Thread(target=_run, args=(feed, seconds, batches, stopped), name=f"tickwire {exchange}")
    runner.start()
    try:
        while True:
            batch = batches.get()
            if batch is None:
                return
            if isinstance(batch, BaseException):
                raise batch
            yield from batch
    finally:
        stopped.set()
        while runner.is_alive():
            _emptied(batches)
            runner.join(0.05)


def _emptied(batches: queue.Queue[Any]) -> None:
    # the thread may wait for a place that nobody will make any more
    with contextlib.suppress(queue.Empty):
        batches.get_nowait()


def _run(
    feed: Feed,
    seconds: float | None,
    batches: queue.Queue[list[Event] | BaseException | None],
    stopped: threading.Event,
) -> None:
    try:
        asyncio.run(_pump(feed, seconds, batches, stopped))
        batches.put(None)
    except BaseException as error:  # the thread's outermost edge: the caller's loop raises it
        batches.put(error)


async def _pump(
    feed: Feed,
    seconds: float | None,
    batches: queue.Queue[list[Event] | BaseException | None],
    stopped: threading.Event,
) -> None:
    loop = asyncio.get_running_loop()
    async with feed:
        watcher = asyncio.create_task(_stop_when(feed, seconds, stopped))
        try:
            while batch := await feed.take():
                # the queue holds one batch; waiting for its place leaves the loop free to read the sockets
                await loop.run_in_executor(None, batches.put, batch)
        finally:
            watcher.cancel()


async def _stop_when(feed: Feed, seconds: float | None, stopped: threading.Event) -> None:
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, stopped.wait, seconds)
    await feed.stop()
