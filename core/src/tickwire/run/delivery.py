"""Takes records to one sink: a bounded queue, one task, and what went wrong counted instead of raised."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from tickwire.feed.buffer import EventBuffer
from tickwire.model.clock import Clock
from tickwire.model.errors import TickwireError
from tickwire.model.quality import Dropped, Event
from tickwire.model.stored import Record
from tickwire.plugin.protocols import Sink
from tickwire.run.report import SinkFailure
from tickwire.run.settings import SinkConfig

__all__ = ["Delivery"]

logger = logging.getLogger(__name__)

_BATCH = 1000
_CLOSE_WITHIN = 0.5


class Delivery:
    """One sink's queue and task. A failing sink never stops another.

    Attributes:
        name: The sink's, as the user calls it.
        sink: Where records go.
        failure: What went wrong, ``None`` if nothing did.
        unwritten: Records that were still queued when time was up.
    """

    def __init__(
        self,
        settings: SinkConfig,
        sink: Sink,
        clock: Clock,
        announce: Callable[[Dropped], Record],
        on_pressure: Callable[[str, bool], None],
        on_closed_pipe: Callable[[], None],
    ) -> None:
        """Make the queue.

        Args:
            settings: Queue, policy and channels.
            sink: Where records go.
            clock: Dates announcements and bounds waits.
            announce: Hands a ``Dropped`` to all sinks and gives its record.
            on_pressure: Told when a ``block`` queue is full, and when it has room again.
            on_closed_pipe: Told when nobody reads the sink's output any more.
        """
        self.name = settings.name
        self.failure: SinkFailure | None = None
        self.unwritten = 0
        self._settings = settings
        self.sink = sink
        self._clock = clock
        self._announce = announce
        self._on_closed_pipe = on_closed_pipe
        self._buffer: EventBuffer[Record] = EventBuffer(
            settings.name,
            settings.queue,
            settings.when_full,
            clock,
            _event_of,
            lambda full: on_pressure(self.name, full),
        )
        self.put = self._buffer.put

    @property
    def dropped(self) -> int:
        """Records that the queue forgot or that were not written in time."""
        return self._buffer.dropped + self.unwritten

    def takes(self, channel: str) -> bool:
        """Tell whether the sink wants a channel's events."""
        return self._settings.channels is None or channel in self._settings.channels

    async def open(self) -> None:
        """Open the sink.

        Raises:
            TickwireError: It cannot be opened; names the sink.
        """
        try:
            await self.sink.open()
        except TickwireError as error:
            raise TickwireError(f"sink {self.name!r}: {error.message}", hint=error.hint) from error
        except Exception as error:  # a sink of a plugin may raise anything
            raise TickwireError(f"sink {self.name!r} cannot be opened: {type(error).__name__}: {error}") from error

    async def run(self) -> None:
        """Write until the queue is closed and empty, then close the sink; raises nothing."""
        try:
            while batch := await self._buffer.take(_BATCH):
                await self._write(batch)
                await self._announce_drops()
            await self._announce_drops()
        except asyncio.CancelledError:
            self.unwritten += len(self._buffer)
            raise
        finally:
            await self.close()

    async def _announce_drops(self) -> None:
        records = [self._announce(dropped) for dropped in self._buffer.drops()]
        if records and self._buffer.is_closed:
            await self._write(records)  # its own queue takes no more

    def failed(self, error: TickwireError) -> None:
        """Note that the sink could not be opened while the run goes on."""
        self.finish()
        self.unwritten += len(self._buffer)
        self._failed(error, len(self._buffer))

    def finish(self) -> None:
        """Take no more records; what is queued is still written."""
        self._buffer.close()

    async def close(self) -> None:
        """Close the sink; raises nothing."""
        try:
            async with self._clock.timeout(_CLOSE_WITHIN):
                await self.sink.close()
        except TimeoutError:
            logger.warning("sink %r did not close in time", self.name)
        except Exception as error:  # a sink's error must not hide another's, nor the run's own
            self._failed(error, 0)

    async def _write(self, batch: list[Record]) -> None:
        try:
            await self.sink.write(batch)
        except asyncio.CancelledError:
            self.unwritten += len(batch)
            raise
        except BrokenPipeError:
            self.finish()
            self._on_closed_pipe()
        except Exception as error:  # one failing sink must not stop the others
            self._failed(error, len(batch))

    def _failed(self, error: Exception, count: int) -> None:
        text = str(error) if isinstance(error, TickwireError) else f"{type(error).__name__}: {error}"
        before = self.failure
        if before is None:
            logger.error("sink %r: %s; further errors are counted", self.name, text)
            self.failure = SinkFailure(1, count, text)
        else:
            self.failure = SinkFailure(before.batches + 1, before.events + count, before.first)


def _event_of(record: Record) -> Event:
    return record.event
