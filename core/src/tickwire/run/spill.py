"""A queue that goes to disk when it is full, and comes back from there in order, also in the next process.

What is older is on disk, what is newer in memory: the oldest half of a full queue is moved to the end of the files.
Nothing of this is done on the read path.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from tickwire.feed.buffer import EventBuffer
from tickwire.model.clock import Clock
from tickwire.model.errors import ConfigError
from tickwire.model.stored import Record
from tickwire.run.off_loop import OffLoop
from tickwire.run.spill_files import SpillFiles

__all__ = ["SpillingBuffer"]

logger = logging.getLogger(__name__)

_MEANWHILE = 65_536
_TRY_AGAIN = 1.0


class SpillingBuffer(EventBuffer[Record]):
    """Records in memory, up to its capacity, and before them those on disk.

    It may hold more than its capacity while the disk works. Where the disk takes no more, or ``spill_limit`` is
    reached, it forgets the oldest records in memory and counts them; those on disk stay.

    Attributes:
        is_from_disk: Whether what was taken last is on disk still, until ``done``.
    """

    _drops_oldest = False

    def __init__(self, name: str, capacity: int, clock: Clock, files: SpillFiles) -> None:
        """Make an empty buffer; ``files``: opened by ``open``."""
        super().__init__(name, capacity, "drop_oldest", clock, lambda record: record.event)
        self.is_from_disk = False
        self._files = files
        self._thread = OffLoop(f"tickwire-spill-{name}")
        self._turn = asyncio.Lock()
        self._full = asyncio.Event()
        self._moving: list[Record] = []
        self._bound = max(2 * capacity, capacity + _MEANWHILE)
        self._is_failing = False
        self._is_ended = False

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._files.size

    @property
    def oldest(self) -> Record | None:
        """The oldest record that is not on disk."""
        return self._moving[0] if self._moving else super().oldest

    def __len__(self) -> int:
        return len(self._moving) + len(self._items)

    async def open(self) -> None:
        """Take over what was left on disk.

        Raises:
            ConfigError: The folder cannot be used.
        """
        try:
            found = await self._thread.call(self._files.open)
        except OSError as error:
            raise ConfigError(
                f"cannot spill into {self._files.folder}: {error.strerror or error}",
                hint="make that possible, or write state: DIRECTORY",
                path="when_full",
            ) from error
        if found:
            logger.warning("sink %r: %s bytes that were spilled before are delivered first", self.name, f"{found:,}")

    # called for each record above the capacity: cheap
    def _overflow(self) -> None:
        self._full.set()
        if len(self._items) > self._bound:
            self.lose(self._items.popleft())

    async def run(self) -> None:
        """Move to disk what does not fit, for ever."""
        while True:
            await self._full.wait()
            self._full.clear()
            while len(self._items) > self.capacity:
                if not await self._move():
                    await self._clock.sleep(_TRY_AGAIN)

    async def _move(self) -> bool:
        async with self._turn:
            surplus = len(self._items) - self.capacity // 2
            self._moving = [self._items.popleft() for _ in range(min(surplus, self._files.at_once))]
            try:
                unfit = await self._thread.call(self._append_moving)
            except OSError as error:
                self._items.extendleft(reversed(self._moving))
                self._moving = []
                self._failed(error)
                return False
            self._is_failing = False
            for record in unfit:
                self.lose(record, "refused")
            return True

    # in the thread, which goes on when nobody waits for it any more
    def _append_moving(self) -> list[Record]:
        unfit = self._files.append(self._moving)
        self._moving = []
        return unfit

    def _failed(self, error: OSError) -> None:
        if not self._is_failing:
            self._is_failing = True
            reason = error.strerror or error
            logger.error("sink %r cannot spill: %s; the oldest in memory are dropped until it can", self.name, reason)
        while len(self._items) > self.capacity:
            self.lose(self._items.popleft())

    async def fill(self, count: int, within: float) -> None:
        """Wait as any buffer does, unless something is on disk."""
        if not self._moving and self._files.is_empty:
            await super().fill(count, within)

    async def take(self, limit: int = 1000) -> list[Record]:
        """Wait for at least one record and take up to ``limit``, those on disk first.

        Returns:
            Of one place; empty once the buffer is closed, and it and the disk are empty.
        """
        while True:
            if self._moving or not self._files.is_empty:
                async with self._turn:
                    records = await self._thread.call(lambda: self._files.read(limit))
                self.is_from_disk = bool(records)
                if records:
                    return records
            elif self._items:
                return self._from_memory(limit)
            elif self.is_closed:
                return []
            else:
                self._wake.clear()
                await self._wake.wait()

    def _from_memory(self, limit: int) -> list[Record]:
        self.is_from_disk = False
        return [self._items.popleft() for _ in range(min(limit, len(self._items)))]

    async def done(self) -> None:
        """Note that the sink has what was taken last."""
        if self.is_from_disk:
            async with self._turn:
                await self._thread.call(self._files.done)
            self.is_from_disk = False

    async def secure(self, waiting: Sequence[Record]) -> None:
        """Put on disk what was taken and has to wait for the sink; where the disk takes it not, it stays in memory."""
        if waiting and not self.is_from_disk:
            async with self._turn:
                self.is_from_disk = not await self._kept(self._files.put_first, list(waiting))

    async def keep(self, waiting: Sequence[Record]) -> int:
        """Put everything on disk, for the next process.

        Args:
            waiting: What was taken and not written.

        Returns:
            How many are lost, because the disk does not take them.
        """
        await self._thread.call(lambda: None)  # what is being moved has been moved then
        first = [] if self.is_from_disk else list(waiting)
        rest = [*self._moving, *self._items]
        self._moving = []
        self._items.clear()
        return await self._kept(self._files.put_first, first) + await self._kept(self._files.append, rest)

    async def _kept(self, add: Callable[[Sequence[Record]], list[Record]], records: list[Record]) -> int:
        if not records:
            return 0
        try:
            return len(await self._thread.call(lambda: add(records)))
        except OSError as error:
            logger.error("sink %r cannot spill what is left: %s", self.name, error.strerror or error)
            return len(records)

    async def end(self) -> None:
        """Let go of the disk; a second call is harmless."""
        if not self._is_ended:
            self._is_ended = True
            await self._thread.call(self._files.close)
            self._thread.close()
