"""The sinks of a run: opened at once, and waited for when they end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import attrs

from tickwire.model.channels import Channel
from tickwire.model.stored import Record
from tickwire.run.delivery import Delivery
from tickwire.run.processing import Processing
from tickwire.run.settings import SinkConfig

__all__ = ["Draining", "ended", "open_all"]


@attrs.define(eq=False)
class Draining:
    """A sink's steps, its delivery and the task that writes."""

    entry: SinkConfig
    delivery: Delivery
    processing: Processing | None = None
    task: asyncio.Task[None] | None = None

    def takes(self, channel: Channel) -> bool:
        """Tell whether a channel's events go here."""
        return self.processing is not None or self.delivery.takes(channel)

    @property
    def put(self) -> Callable[[Record], None]:
        """Take a record."""
        return self.delivery.put if self.processing is None else self.processing.put

    def finish(self) -> None:
        """Take no more; what the steps hold back and what is queued is still written."""
        if self.processing is not None:
            self.processing.flush()
        self.delivery.finish()


async def open_all(sinks: Sequence[Draining]) -> None:
    """Open sinks at once, so that a server that does not answer keeps no other one waiting.

    Raises:
        TickwireError: One cannot be opened, and waiting would not help; all are closed.
    """
    ends = await asyncio.gather(*(sink.delivery.open() for sink in sinks), return_exceptions=True)
    errors = [end for end in ends if end is not None]
    if errors:
        await asyncio.gather(*(sink.delivery.close() for sink in sinks))
        raise errors[0]


async def ended(writers: Sequence[asyncio.Task[None]], within: float) -> None:
    """Wait for tasks that write, and give up those that are late: they count, or keep, what they still have.

    Args:
        writers: The tasks.
        within: Seconds.
    """
    if not writers:
        return
    _, late = await asyncio.wait(writers, timeout=within)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late)
