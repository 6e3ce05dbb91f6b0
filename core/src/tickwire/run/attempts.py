"""Opens and writes one sink again and again: what passes is tried anew without end, what is refused is found out.

A sink that is away, or that fails on its own, is closed, waited for and opened again. A batch that it refuses is cut
in halves until the records that are refused stand alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from tickwire.feed.backoff import Backoff
from tickwire.model.clock import Clock
from tickwire.model.errors import OutputClosedError, RecordsRefusedError, RetryableError, TickwireError
from tickwire.model.stored import Record
from tickwire.plugin.protocols import Sink

__all__ = ["Attempts", "is_passing", "told"]

logger = logging.getLogger(__name__)

_CLOSE_WITHIN = 0.5
_HURRY_WAIT = 0.05


def is_passing(error: BaseException) -> bool:
    """Tell whether trying again may help: the network, the disk, or a server that cannot serve now."""
    return isinstance(error, RetryableError | OSError) or (
        type(error) is TickwireError and isinstance(error.__cause__, OSError)
    )


def told(error: BaseException) -> str:
    """Say what went wrong, in one line."""
    return str(error) if isinstance(error, TickwireError) else f"{type(error).__name__}: {error}"


class Attempts:
    """One sink, and how often it was tried.

    Attributes:
        is_open: Whether the sink is open.
        retries: How often something was tried again.
        written: Records that the sink has taken.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        clock: Clock,
        backoff: Backoff,
        on_failure: Callable[[Exception, int], None],
        on_refused: Callable[[Record, Exception], None],
        between: Callable[[], Awaitable[None]],
    ) -> None:
        """Make it; nothing is opened.

        Args:
            name: The sink's, for the log.
            sink: Where records go.
            clock: Bounds waits.
            backoff: Says how long to wait.
            on_failure: Told an error, and how many records were lost by it.
            on_refused: Told a record that the sink does not take.
            between: Called before each wait.
        """
        self.is_open = False
        self.retries = 0
        self.written = 0
        self._waiting: list[Sequence[Record]] = []
        self._name = name
        self._sink = sink
        self._clock = clock
        self._backoff = backoff
        self._on_failure = on_failure
        self._on_refused = on_refused
        self._between = between
        self._hurry = asyncio.Event()
        self._is_away = False

    def hurry(self) -> None:
        """Wait no more than a moment from now on: the run ends."""
        self._hurry.set()

    async def open(self) -> None:
        """Open the sink, once.

        Raises:
            Exception: Whatever the sink raises.
        """
        await self._sink.open()
        self.is_open = True

    async def write(self, batch: Sequence[Record]) -> None:
        """Write a batch, in order, until it is written or each record of it was refused alone.

        Raises:
            OutputClosedError: Nobody reads the sink's output any more.
        """
        self._waiting = waiting = [batch]
        while waiting:
            part = waiting[-1]
            refusal = await self._written(part, is_whole=part is batch)
            del waiting[-1]
            if refusal is None:
                self.written += len(part)
            elif isinstance(refusal, RecordsRefusedError):
                self.written += len(part) - len(refusal.indices)
                for index in refusal.indices:
                    self._on_refused(part[index], refusal)
            elif len(part) == 1:
                self._on_refused(part[0], refusal)
            else:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]

    @property
    def waiting(self) -> list[Record]:
        """What of the batch is not written yet, in order."""
        return [record for part in reversed(self._waiting) for record in part]

    @property
    def oldest(self) -> Record | None:
        """The first of them."""
        return self._waiting[-1][0] if self._waiting else None

    # None: it is written; else why it is refused. The whole batch is tried once more with a sink newly opened, since
    # a connection that an error left in a bad state would refuse everything.
    async def _written(self, batch: Sequence[Record], is_whole: bool) -> Exception | None:
        is_last = not is_whole
        while True:
            try:
                if not self.is_open:
                    await self._open_again()
                await self._sink.write(batch)
            except OutputClosedError:
                raise
            except RecordsRefusedError as error:
                return error
            except Exception as error:  # a sink of a plugin may raise anything
                if is_passing(error):
                    await self._pass(error)
                elif is_last:
                    return error
                else:
                    is_last = True
                    await self.close()
            else:
                self._back()
                return None

    async def _open_again(self) -> None:
        while True:
            try:
                await self.open()
            except Exception as error:  # whatever it is, somebody may set it right while the run lasts
                await self._pass(error)
            else:
                return

    async def _pass(self, error: Exception) -> None:
        self._on_failure(error, 0)
        self.retries += 1
        if not self._is_away:
            self._is_away = True
            logger.warning("sink %r: %s; tried again until it works", self._name, told(error))
        await self.close()
        seconds = self._backoff.failed(getattr(error, "retry_after", None))
        await self._between()
        await self._wait(min(seconds, _HURRY_WAIT) if self._hurry.is_set() else seconds)

    async def _wait(self, seconds: float) -> None:
        if self._hurry.is_set():
            await self._clock.sleep(seconds)
            return
        tasks = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._hurry.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    def _back(self) -> None:
        self._backoff.attempt = 0
        if self._is_away:
            self._is_away = False
            logger.warning("sink %r: it works again", self._name)

    async def close(self, within: float = _CLOSE_WITHIN) -> None:
        """Close the sink; raises nothing but cancellation. ``within``: seconds that it may take."""
        self.is_open = False
        try:
            async with self._clock.timeout(within):
                await self._sink.close()
        except TimeoutError:
            logger.warning("sink %r did not close in time", self._name)
        except Exception as error:  # a sink's error must not hide another's, nor the run's own
            if not self._is_away:
                logger.warning("sink %r did not close well: %s", self._name, told(error))
            self._on_failure(error, 0)
