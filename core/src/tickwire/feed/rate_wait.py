"""Which streams wait because the exchange asked for fewer requests? Each is told so, once a wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from tickwire.feed.streams import Stream
from tickwire.model.clock import Clock

__all__ = ["RateWait"]


class RateWait:
    """The waits of one kind of request: all snapshots of a feed, or all of its history.

    A refusal of one holds back all, those too that have not been sent yet.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin with an open gate."""
        self._clock = clock
        self._asking: list[Stream] = []
        self._opens_at = 0.0  # monotonic, as the next
        self._told_until: WeakKeyDictionary[Stream, float] = WeakKeyDictionary()

    @contextmanager
    def of(self, stream: Stream) -> Iterator[None]:
        """Have a stream told of every wait while the block runs; that it was served, it finds out itself."""
        self._asking.append(stream)
        try:
            self._tell(stream)
            yield
        finally:
            self._asking.remove(stream)

    def closed(self, seconds: float) -> None:
        """Note that no such request goes out for so long."""
        self._opens_at = max(self._opens_at, self._clock.monotonic() + seconds)
        for stream in list(self._asking):
            self._tell(stream)

    def _tell(self, stream: Stream) -> None:
        now, told_until = self._clock.monotonic(), self._told_until.get(stream, 0.0)
        if now < self._opens_at:
            self._told_until[stream] = self._opens_at
            if now >= told_until:
                stream.limited(self._opens_at - now)
