"""Takes records to one sink: a bounded queue, one task, and what went wrong counted instead of raised."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from tickwire.feed.backoff import Backoff, BackoffPolicy
from tickwire.feed.buffer import EventBuffer
from tickwire.model.clock import Clock
from tickwire.model.errors import ConfigError, OutputClosedError, RetryableError, TickwireError
from tickwire.model.quality import Dropped, Event
from tickwire.model.stored import Record
from tickwire.plugin.protocols import Sink
from tickwire.run.attempts import Attempts, told
from tickwire.run.conflating import ConflatingBuffer
from tickwire.run.report import SinkFailure
from tickwire.run.settings import SinkConfig
from tickwire.run.spill import SpillingBuffer
from tickwire.run.spill_files import SpillFiles

__all__ = ["Delivery"]

logger = logging.getLogger(__name__)

_BACKOFF = BackoffPolicy(first=0.25, cap=30.0)
_CLOSE_CALMLY_WITHIN = 30.0


class Delivery:
    """One sink's queue and task. A failing sink never stops another.

    What passes (``RetryableError``, ``OSError``, ``TimeoutError``) is tried again without end, with a sink that was
    closed and opened again; what the sink refuses for good is dropped, record by record, and announced.

    Attributes:
        name: The sink's, as the user calls it.
        sink: Where records go.
        failure: What went wrong, ``None`` if nothing did.
        unwritten: Records that were still queued when time was up, and are nowhere.
        put: Hands over a record; never waits.
    """

    def __init__(
        self,
        settings: SinkConfig,
        sink: Sink,
        clock: Clock,
        announce: Callable[[Dropped], Record],
        on_pressure: Callable[[str, bool], None] = lambda name, is_full: None,
        on_closed_pipe: Callable[[], None] = lambda: None,
        *,
        state: Path | None = None,
        backoff: BackoffPolicy = _BACKOFF,
    ) -> None:
        """Make the queue.

        Args:
            settings: Queue, policy and channels.
            sink: Where records go.
            clock: Dates announcements and bounds waits.
            announce: Hands a ``Dropped`` to all sinks and gives its record.
            on_pressure: Told when a ``block`` queue is full, and when it has room again.
            on_closed_pipe: Told when nobody reads the sink's output any more.
            state: Folder of what is spilled; needed for ``spill``.
            backoff: Between attempts.
        """
        self.name = settings.name
        self.failure: SinkFailure | None = None
        self.unwritten = 0
        self.sink = sink
        self._settings = settings
        self._clock = clock
        self._announce = announce
        self._on_closed_pipe = on_closed_pipe
        self._buffer = _buffer(settings, clock, state, lambda full: on_pressure(self.name, full))
        self.put = self._buffer.put
        self._attempts = Attempts(
            settings.name, sink, clock, Backoff(backoff), self._note, self._refused, self._wait_with
        )
        self._late: list[Record] = []
        self._has_told = False

    @property
    def oldest(self) -> int | None:
        """The ordinal of the oldest record that could still be lost; ``None``: all are written, or on disk."""
        record = None if self._is_on_disk else self._attempts.oldest
        record = record or self._buffer.oldest
        return None if record is None else record.ordinal

    @property
    def _is_on_disk(self) -> bool:
        return isinstance(self._buffer, SpillingBuffer) and self._buffer.is_from_disk

    @property
    def written(self) -> int:
        """Records that the sink has taken."""
        return self._attempts.written

    @property
    def dropped(self) -> int:
        """Records that the queue forgot, that the sink refused, or that were not written in time."""
        return self._buffer.dropped + self.unwritten

    @property
    def conflated(self) -> int:
        """Records that a later state took the place of."""
        return self._buffer.conflated if isinstance(self._buffer, ConflatingBuffer) else 0

    @property
    def spilled(self) -> int:
        """Bytes on disk that the sink does not have yet."""
        return self._buffer.size if isinstance(self._buffer, SpillingBuffer) else 0

    @property
    def retries(self) -> int:
        """How often something was tried again."""
        return self._attempts.retries

    def takes(self, channel: str) -> bool:
        """Tell whether the sink wants a channel's events."""
        return self._settings.channels is None or channel in self._settings.channels

    async def open(self) -> None:
        """Open the sink, and what a spilling queue has on disk. A sink that is away now is tried again by ``run``.

        Raises:
            TickwireError: It cannot be opened, and waiting would not help; names the sink.
        """
        try:
            if isinstance(self._buffer, SpillingBuffer):
                await self._buffer.open()
            await self._attempts.open()
        except Exception as error:  # a sink of a plugin may raise anything
            if not isinstance(error, RetryableError | OSError):
                raise self._unopened(error) from error
            self._note(error, 0)
            logger.warning("sink %r cannot be opened yet: %s; tried again until it works", self.name, told(error))
            await self._attempts.close()

    def _unopened(self, error: Exception) -> TickwireError:
        if isinstance(error, TickwireError):
            return TickwireError(f"sink {self.name!r}: {error.message}", hint=error.hint)
        return TickwireError(f"sink {self.name!r} cannot be opened: {told(error)}")

    async def run(self) -> None:
        """Write until the queue is closed and empty, then close the sink; raises nothing."""
        try:
            if isinstance(self._buffer, SpillingBuffer):
                await self._with_spilling(self._buffer)
            else:
                await self._write_all()
            await self._attempts.close(_CLOSE_CALMLY_WITHIN)
        except asyncio.CancelledError:
            self.unwritten += await self._left()
            raise
        except Exception as error:  # the task's outermost edge: what goes wrong here must not end the run
            logger.exception("sink %r ends, the others run", self.name)
            self.finish()
            self.unwritten += await self._left()
            self._failed(error, 0)
        finally:
            await self.close()

    async def _with_spilling(self, buffer: SpillingBuffer) -> None:
        await buffer.open()
        async with asyncio.TaskGroup() as tasks:
            spilling = tasks.create_task(buffer.run(), name=f"spill {self.name}")
            await self._write_all()
            spilling.cancel()

    async def _write_all(self) -> None:
        batch, linger = self._settings.batch, self._settings.linger
        while True:
            if linger:
                await self._buffer.fill(batch, linger)
            records = await self._buffer.take(batch)
            if not records:
                break
            await self._write(records)
            await self._announce_drops()
        await self._announce_drops()
        if self._late:
            await self._write(self._late)

    async def _write(self, batch: list[Record]) -> None:
        try:
            await self._attempts.write(batch)
        except OutputClosedError:
            self.finish()
            self._on_closed_pipe()
        if isinstance(self._buffer, SpillingBuffer):
            await self._buffer.done()

    # before each wait for a sink that is away
    async def _wait_with(self) -> None:
        if isinstance(self._buffer, SpillingBuffer):
            await self._buffer.secure(self._attempts.waiting)
        await self._announce_drops()

    async def _announce_drops(self) -> None:
        records = [self._announce(dropped) for dropped in self._buffer.drops()]
        if self._buffer.is_closed:
            self._late += records  # its own queue takes no more

    # what is still here, or nowhere, when time is up
    async def _left(self) -> int:
        waiting = self._attempts.waiting
        if isinstance(self._buffer, SpillingBuffer):
            return await self._buffer.keep(waiting)
        return len(waiting) + len(self._buffer)

    def announce(self) -> None:
        """Say now what was lost so far, to whoever still takes records."""
        for dropped in self._buffer.drops(at_once=True):
            self._announce(dropped)

    def finish(self) -> None:
        """Take no more records; what is queued is still written."""
        self._buffer.close()
        self._attempts.hurry()

    async def close(self) -> None:
        """Close the sink; raises nothing."""
        await self._attempts.close()
        if isinstance(self._buffer, SpillingBuffer):
            await self._buffer.end()

    def failed(self, error: TickwireError) -> None:
        """Note that the sink could not be opened while the run goes on."""
        self.finish()
        self.unwritten += len(self._buffer)
        self._failed(error, len(self._buffer))

    def _refused(self, record: Record, error: Exception) -> None:
        if isinstance(record.event, Dropped):
            self._buffer.dropped += 1  # to announce it would be refused as well, for ever
        else:
            self._buffer.lose(record, "refused")
        self._failed(error, 1)

    def _failed(self, error: Exception, count: int) -> None:
        if not self._has_told:
            self._has_told = True
            logger.error("sink %r: %s; further errors are counted", self.name, told(error))
        self._note(error, count)

    def _note(self, error: Exception, count: int) -> None:
        before = self.failure
        if before is None:
            self.failure = SinkFailure(1, count, told(error))
        else:
            self.failure = SinkFailure(before.times + 1, before.lost + count, before.first)


def _buffer(
    settings: SinkConfig, clock: Clock, state: Path | None, on_pressure: Callable[[bool], None]
) -> EventBuffer[Record]:
    name, queue, policy = settings.name, settings.queue, settings.when_full
    if policy == "conflate":
        return ConflatingBuffer(name, queue, clock)
    if policy != "spill":
        return EventBuffer(name, queue, policy, clock, _event_of, on_pressure)
    if state is None:
        raise ConfigError("spill needs a directory", hint="write state: DIRECTORY at the top", path="when_full")
    return SpillingBuffer(name, queue, clock, SpillFiles(state, settings.spill_limit))


def _event_of(record: Record) -> Event:
    return record.event
