"""The marks of one run: read at the start, and written once the sinks have everything that came before.

A mark says that nothing before it is missing. It may only say so of what a crash can no longer take away: of what no
sink still has to write.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from pathlib import Path

from tickwire.feed.marks import Mark, Marks, NoMarks
from tickwire.model.channels import Subscription
from tickwire.model.quality import Event
from tickwire.run.mark_file import MarkFile, MarkKey
from tickwire.run.off_loop import OffLoop
from tickwire.run.settings import Config, ExchangeConfig

__all__ = ["RunMarks"]


class RunMarks:
    """Marks by feed, kept where the configuration keeps its state."""

    def __init__(self, state: Path | None, config: Config) -> None:
        """Make it; ``state``: ``None`` keeps nothing."""
        place = f"{config.name}:{config.file}".encode()
        self._file = MarkFile(state, hashlib.sha256(place).hexdigest()[:16]) if state is not None else None
        self._thread = OffLoop("tickwire-marks")
        self._noted: dict[int, tuple[Event, MarkKey, Mark]] = {}
        self._passed: deque[tuple[int, MarkKey, Mark]] = deque()

    def of(self, entry: ExchangeConfig, numbers: type) -> Marks:
        """Give the marks of one feed."""
        if self._file is None:
            return NoMarks()
        # a simulator's marks are not the exchange's
        hosts = repr((entry.endpoints.rest, entry.endpoints.websocket)) if entry.endpoints.rest else ""
        feed = f"{entry.name}/{entry.exchange}{hosts}"
        return _FeedMarks(feed, self._file, numbers, self._note)

    def _note(self, key: MarkKey, mark: Mark, event: Event) -> None:
        self._noted[id(event)] = (event, key, mark)

    def passed(self, event: Event, ordinal: int) -> None:
        """Note that an event that a mark hangs on was handed to the sinks."""
        noted = self._noted.pop(id(event), None)
        if noted is not None:
            self._passed.append((ordinal, *noted[1:]))

    async def write(self, safe: int) -> None:
        """Write what is safe; ``safe`` is the last ordinal that every sink has written."""
        marks: dict[MarkKey, Mark] = {}
        while self._passed and self._passed[0][0] <= safe:
            _, key, mark = self._passed.popleft()
            marks[key] = mark
        if marks and self._file is not None:
            file = self._file
            await self._thread.call(lambda: file.write(marks.items()))

    async def close(self, safe: int) -> None:
        """Write what is safe now that the sinks are done."""
        await self.write(safe)
        self._thread.close()


class _FeedMarks:
    def __init__(self, feed: str, file: MarkFile, numbers: type, note: Callable[[MarkKey, Mark, Event], None]) -> None:
        self._feed = feed
        self._file = file
        self._numbers = numbers
        self._note = note
        self._read: dict[MarkKey, Mark] | None = None

    def last(self, subscription: Subscription) -> Mark | None:
        if self._read is None:
            self._read = dict(self._file.read(self._numbers))
        # who comes back within the run does not go on where the last run ended
        return self._read.pop(self._key(subscription), None)

    def note(self, subscription: Subscription, mark: Mark, event: Event) -> None:
        self._note(self._key(subscription), mark, event)

    def _key(self, subscription: Subscription) -> MarkKey:
        return (self._feed, subscription.symbol or "*", subscription.label)
