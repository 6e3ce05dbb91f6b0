"""Collects from the hostile exchanges: ``collector.py FOLDER URLS``, with a JSON list of their URLs.

Writes every event of every world to a file, and what it weighs (memory, tasks) each five seconds. Stops when standard
input ends. Whatever Python or asyncio warn of is printed on standard error, and the judge counts it.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import logging
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
from exchange import SYMBOLS

from tickwire import BookDelta, BookSnapshot, Event, Feed
from tickwire.feed.backoff import BackoffPolicy
from tickwire.feed.settings import RecoverySettings

BACKOFF = BackoffPolicy(first=0.1, cap=1.0, stable=3.0)
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Log:
    """Events of one world, encoded at once: what is kept in memory is not the feed's."""

    def __init__(self, folder: Path, feed: Feed) -> None:
        self._file = (folder / "events.msgpack").open("wb", buffering=1 << 20)
        self._encode = msgspec.msgpack.Encoder().encode
        self._feed = feed
        self._books = (folder / "live.jsonl").open("w")
        self._count = 0

    def write(self, event: Event) -> None:
        """Write an event, and now and then what the feed's own book says at that event."""
        data = self._encode(event)
        self._file.write(len(data).to_bytes(4, "big") + data)
        if isinstance(event, BookDelta | BookSnapshot):
            self._count += 1
            if self._count % 50 == 0:
                book = self._feed.books[event.symbol]
                line = [event.symbol, book.is_synced, book.sequence, book.best_bid, book.best_ask]
                self._books.write(json.dumps(line) + "\n")

    def close(self) -> None:
        """Write the rest."""
        self._file.close()
        self._books.close()


def resident() -> int:
    """Give the memory that this process holds, bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


async def weigh(path: Path) -> None:
    """Write resident memory in bytes and the number of tasks, again and again."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    with path.open("w") as file:
        while True:
            gc.collect()
            if trim is not None:
                trim(0)  # what is free already is nobody's: a frame of 10 MiB leaves a hole of that size
            file.write(json.dumps([resident(), len(asyncio.all_tasks())]) + "\n")
            file.flush()
            await asyncio.sleep(5)


async def main(folder: Path, urls: list[dict[str, str]]) -> None:
    """Collect until told to stop."""
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(name)s %(levelname)s %(message)s")
    logs = []
    async with AsyncExitStack() as stack:
        weighing = asyncio.create_task(weigh(folder / "weights.jsonl"))
        for number, hosts in enumerate(urls):
            rest = [hosts["rest"], hosts["rest"].replace("127.0.0.1", "localhost")]
            feed = Feed(
                "backpack", SYMBOLS, ["trades", "l2_book"], name=f"world-{number}", rest=rest,
                websocket=hosts["websocket"], buffer=0, backoff=BACKOFF, recovery=RecoverySettings(hold=15.0),
            )  # fmt: skip
            log = Log(folder / f"world-{number}", feed)
            logs.append(log)
            feed.on(Event, log.write)
            await stack.enter_async_context(feed)
        print("collecting", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        weighing.cancel()
    for log in logs:
        log.close()
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task() and not task.done()]
    print(json.dumps([task.get_name() for task in left if task is not weighing]), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), json.loads(sys.argv[2])))
