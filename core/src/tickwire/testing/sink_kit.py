"""What the author of a sink writes for the sink kit, and what its checks are given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tickwire import BackoffPolicy, Delivery, Dropped, Record, Registry, SinkConfig, SystemClock, sink_of
from tickwire.plugin import Sink
from tickwire.testing.sink_records import recorded
from tickwire.testing.verdicts import cannot, verify

__all__ = ["SinkKit", "Watched", "delivering", "keys_of"]

WITHIN = 60.0
"""Seconds that a check may wait for anything; nothing comes near it unless it hangs."""
_PATIENCE = 15.0


class SinkKit:
    """What an author writes; the coroutines run on the loop of one check, a new instance for each.

    Class attributes:
        sink: Its type, as in a config file.
        is_idempotent: A record that is written again, with the same key, is there once.
        is_ordered: ``read_back`` gives records in the order of writing, at least for each instrument.
        lacks: Checks that cannot hold, by id, and why. Each of them is run all the same, is skipped with that reason
            when it fails, and fails when it holds.

    Attributes:
        timeout: Seconds to put into the options as the sink's time limit; short in the check of a target that hangs,
            and so long in all others that a busy machine does not matter.
    """

    timeout: float = 30.0
    sink: ClassVar[str]
    is_idempotent: ClassVar[bool] = False
    is_ordered: ClassVar[bool] = True
    lacks: ClassVar[Mapping[str, str]] = {}

    async def prepare(self) -> None:
        """Make a namespace of its own in the target, start a server or a proxy; called before everything."""

    def make_options(self, tmp_path: Path) -> Mapping[str, object]:
        """Give the sink's settings as a config file has them; called once a check, after ``prepare``."""
        raise NotImplementedError

    async def read_back(self) -> Sequence[Record | str]:
        """Give what the target holds now: records, or their keys where it does not keep whole ones."""
        raise NotImplementedError

    async def cut(self) -> None:
        """Take the target away, e.g. kill the server; left out: it cannot be."""
        raise NotImplementedError

    async def restore(self) -> None:
        """Bring the target back, with what it held."""
        raise NotImplementedError

    def slow(self) -> None:
        """Make the target slow until ``restore``; left out: it cannot be."""
        raise NotImplementedError

    def stall(self) -> None:
        """Make the target take connections and never answer; ``self.timeout`` is short then."""
        raise NotImplementedError

    def poison(self, record: Record) -> Record | None:
        """Make of a record one that the target refuses; ``None``: it takes everything."""
        return None

    async def clean(self) -> None:
        """Remove what ``prepare`` made; called at the end, also after a failure."""

    @classmethod
    def registry(cls) -> Registry:
        """Find the plugins as users get them; override it to test one that is not installed."""
        return Registry.discover()

    # what the checks use
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self._tmp_path = tmp_path

    def make_sink(self) -> Sink:
        """Make the sink as a run would."""
        if not hasattr(self, "_options"):
            self._options = self.make_options(self._tmp_path)
        return sink_of(self.sink, self._options, type(self).registry())

    def can(self, name: str) -> bool:
        """Tell whether the author wrote a method that may be left out."""
        return getattr(type(self), name) is not getattr(SinkKit, name)

    def need(self, *names: str) -> None:
        """Skip the check unless the author wrote these."""
        for name in names:
            if not self.can(name):
                cannot(f"the tests of {self.sink} have no {name}()")

    def check(self, body: Callable[[], Awaitable[None]]) -> None:
        """Run a check on a loop of its own, between ``prepare`` and ``clean``; no task may be left."""

        async def main() -> None:
            await self.prepare()
            before = asyncio.all_tasks()
            try:
                async with asyncio.timeout(WITHIN):
                    await body()
                left = await _left(before)
                verify(not left, "sink.py", f"tasks are left after close: {left}", "end them in close()")
            finally:
                await self.clean()

        asyncio.run(main())


# Connections of a proxy are tasks too, and a task that was cancelled needs a moment to end.
async def _left(before: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    left: set[asyncio.Task[Any]] = set()
    for _ in range(100):
        left = {task for task in asyncio.all_tasks() - before if "TcpProxy" not in repr(task.get_coro())}
        if not left:
            break
        await asyncio.sleep(0)
    return left


class Watched:
    """A sink around the sink: tells when it wrote and when it failed, and refuses one record by its key."""

    def __init__(self, sink: Sink, refused: str = "") -> None:
        """Wrap it; ``refused``: the key of a record that no target would take."""
        self.wrote = asyncio.Event()
        self.failed = asyncio.Event()
        self._sink = sink
        self._refused = refused

    async def open(self) -> None:
        """Open the sink."""
        await self._told(self._sink.open())

    async def write(self, records: Sequence[Record]) -> None:
        """Write to the sink."""
        if self._refused and any(record.key == self._refused for record in records):
            raise ValueError(f"{self._refused} is refused")
        await self._told(self._sink.write(records))
        self.wrote.set()

    async def close(self) -> None:
        """Close the sink."""
        await self._sink.close()

    async def _told(self, doing: Awaitable[None]) -> None:
        try:
            await doing
        except Exception:
            self.failed.set()
            raise

    async def has_failed(self) -> None:
        """Wait for a failure; not for ever, since a library may try again by itself."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self.failed.wait()
        except TimeoutError:
            return


@asynccontextmanager
async def delivering(
    sink: Watched, state: Path, *, when_full: str = "block", queue: int = 50, batch: int = 20
) -> AsyncIterator[tuple[Delivery, list[Dropped]]]:
    """Run the real delivery before a sink; at the end of the block it is finished and waited for.

    Yields:
        The delivery, and the list of what it announces.
    """
    announced: list[Dropped] = []

    def announce(dropped: Dropped) -> Record:
        announced.append(dropped)
        (record,) = recorded([dropped], first=1_000_000 + len(announced))
        return record

    settings = SinkConfig("kit", "kit", queue=queue, when_full=when_full, batch=batch)
    delivery = Delivery(
        settings, sink, SystemClock(), announce, state=state, backoff=BackoffPolicy(first=0.01, cap=0.2)
    )
    await delivery.open()
    running = asyncio.create_task(delivery.run())
    try:
        yield delivery, announced
        delivery.finish()
        await running
    finally:
        running.cancel()
        await asyncio.wait([running])


def keys_of(found: Sequence[Record | str]) -> list[str]:
    """Give the keys of what was read back."""
    return [one if isinstance(one, str) else one.key for one in found]
