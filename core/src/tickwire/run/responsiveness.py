"""Who blocks the event loop, and how late is it? Measured beside the message path, in real time.

A thread, one per process, looks twenty times a second which callback of which feed is running; that costs the message
path two stores a call. How late the loop is tells a timer on it. Both are there only while somebody needs them.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Protocol
from weakref import WeakKeyDictionary

import attrs

from tickwire.model.metrics import Gauge, Metrics

__all__ = ["Callback", "CallbackWatch", "CallerWatch", "LoopLag", "name_of", "responsiveness", "shared_callback_watch"]

_log = logging.getLogger(__name__)

Callback = Callable[[Any], object]

_LOOK_EVERY = 0.05
_WORTH_A_WARNING = 0.2
_HANGS = 2.0
_WARN_EVERY = 60.0
_LAG_EVERY = 0.25
_LAG_WARNING = 0.5


def name_of(callback: Callback) -> str:
    """Give what to call a callback in logs and metrics."""
    return getattr(callback, "__qualname__", repr(callback))


class Caller(Protocol):
    """A feed as the watch sees it.

    Attributes:
        name: For logs.
        metrics: Figures.
    """

    name: str
    metrics: Metrics

    @property
    def calling(self) -> Callback | None:
        """The callback that is running; ``None``: none is."""
        ...

    @property
    def emitted(self) -> int:
        """How many events were emitted so far: while that stands still, it is the same call."""
        ...


@contextmanager
def responsiveness(caller: Caller, exchange: str, callbacks: Iterable[Callback]) -> Iterator[None]:
    """Measure how late the loop is, and who of the user's callbacks blocks it, while the block runs."""
    lag, gauge = LoopLag.here(), caller.metrics.gauge("loop_lag_seconds", exchange=exchange)
    # what hands events on to sinks and buffers does not block, and is no user's to mend
    users = [one for one in callbacks if str(getattr(one, "__module__", "")).partition(".")[0] != "tickwire"]
    watch = CallerWatch(caller, exchange, users) if users else None
    lag.add(gauge)
    if watch is not None:
        _shared.add(watch)
    try:
        yield
    finally:
        lag.remove(gauge)
        if watch is not None:
            _shared.remove(watch)


@attrs.define
class _Call:
    callback: Callback
    events: int
    frames: int
    seen_at: float
    is_told: bool = False


class CallerWatch:
    """What is known of one feed's calls; no thread and no clock of its own."""

    def __init__(self, caller: Caller, exchange: str, callbacks: Iterable[Callback], *, hangs: float = _HANGS) -> None:
        """Begin to watch a feed.

        Args:
            caller: The feed.
            exchange: The exchange's id.
            callbacks: Those that are watched; each gets a figure.
            hangs: Seconds after which a call is warned about before it is over.
        """
        self._hangs = hangs
        self._caller = caller
        # made here: the thread must not add metrics while somebody reads them
        metrics = caller.metrics
        self._longest: dict[str, Gauge] = {
            name: metrics.gauge("callback_seconds", callback=name) for name in map(name_of, callbacks)
        }
        self._frames = metrics.counter("frames_total", exchange=exchange)
        self._call: _Call | None = None
        self._told_at: dict[str, float] = {}
        self._rate_from: tuple[float, int] | None = None

    def look(self, now: float) -> None:
        """Take one look, at ``now`` seconds."""
        calling = self._caller.calling
        events, frames = self._caller.emitted, self._frames.value
        if self._rate_from is None:
            self._rate_from = (now, frames)
        call = self._call
        if call is not None:
            is_same = calling is not None and calling == call.callback and events == call.events
            self._lasted(call, now - call.seen_at, is_over=not is_same)
            if is_same:
                return
        self._call = None
        if calling is not None and name_of(calling) in self._longest:
            self._call = _Call(calling, events, frames, now)

    def _lasted(self, call: _Call, seconds: float, *, is_over: bool) -> None:
        longest = self._longest[name_of(call.callback)]
        longest.value = max(longest.value, seconds)
        if not call.is_told and (seconds >= self._hangs or (is_over and seconds >= _WORTH_A_WARNING)):
            call.is_told = True
            self._warn(call, seconds, is_over=is_over)

    def _warn(self, call: _Call, seconds: float, *, is_over: bool) -> None:
        name, now = name_of(call.callback), call.seen_at + seconds
        if now - self._told_at.get(name, -_WARN_EVERY) < _WARN_EVERY:
            return
        self._told_at[name] = now
        _log.warning(
            "%s: callback %s %s the event loop for %.2f s: about %d frames waited; "
            "make it async or hand the work to a thread",
            self._caller.name, name, "blocked" if is_over else "has been blocking", seconds,
            self._waited(call, seconds),
        )  # fmt: skip

    def _waited(self, call: _Call, seconds: float) -> int:
        # what lies in the socket cannot be seen; how many come in such a while can
        assert self._rate_from is not None
        since, frames = self._rate_from
        elapsed = call.seen_at - since
        return round((call.frames - frames) / elapsed * seconds) if elapsed > 0 else 0


class CallbackWatch:
    """The thread that looks; it runs while there is a feed with callbacks to watch."""

    def __init__(self, every: float = _LOOK_EVERY) -> None:
        """Make one that looks every that many seconds."""
        self._every = every
        self._lock = threading.Lock()
        self._watched: tuple[CallerWatch, ...] = ()
        self._thread: threading.Thread | None = None
        self._is_over = threading.Event()

    @property
    def is_running(self) -> bool:
        """Whether there is a thread."""
        return self._thread is not None

    def add(self, watch: CallerWatch) -> None:
        """Watch a feed."""
        with self._lock:
            self._watched += (watch,)
            if self._thread is None:
                self._is_over = threading.Event()
                self._thread = threading.Thread(
                    target=self._run, args=(self._is_over,), name="tickwire callbacks", daemon=True
                )
                self._thread.start()

    def remove(self, watch: CallerWatch) -> None:
        """Watch it no longer; with the last one the thread ends."""
        with self._lock:
            self._watched = tuple(one for one in self._watched if one is not watch)
            thread, is_last = self._thread, not self._watched
            if is_last:
                self._thread = None
                self._is_over.set()
        if is_last and thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self, is_over: threading.Event) -> None:
        while not is_over.wait(self._every):
            now = time.monotonic()
            for watch in self._watched:
                try:
                    watch.look(now)
                except Exception:  # the thread's outermost edge: a figure less must not end all of them
                    _log.exception("cannot look at the callbacks")


_shared = CallbackWatch()


def shared_callback_watch() -> CallbackWatch:
    """Give the one of this process."""
    return _shared


class LoopLag:
    """How late the timers of one event loop are, told to all feeds that run on it."""

    _of_loops: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, LoopLag]] = WeakKeyDictionary()

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make one; ``here`` shares it."""
        self._loop = loop
        self._gauges: list[Gauge] = []
        self._timer: asyncio.TimerHandle | None = None
        self._told_at: float | None = None

    @classmethod
    def here(cls) -> LoopLag:
        """Give the one of the running loop."""
        loop = asyncio.get_running_loop()
        return cls._of_loops.setdefault(loop, cls(loop))

    @property
    def is_running(self) -> bool:
        """Whether it measures."""
        return self._timer is not None

    def add(self, gauge: Gauge) -> None:
        """Keep a gauge up to date, in seconds."""
        self._gauges.append(gauge)
        if self._timer is None:
            self._arm()

    def remove(self, gauge: Gauge) -> None:
        """Do so no longer; with the last one the timer ends."""
        self._gauges = [one for one in self._gauges if one is not gauge]
        if not self._gauges and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        due = self._loop.time() + _LAG_EVERY
        self._timer = self._loop.call_at(due, self._look, due)

    def _look(self, due: float) -> None:
        now = self._loop.time()
        self.measured(max(0.0, now - due), now)
        self._arm()

    def measured(self, lag: float, now: float) -> None:
        """Note that a timer was late by ``lag`` seconds, at ``now`` of the loop."""
        for gauge in self._gauges:
            gauge.value = lag
        if lag > _LAG_WARNING and (self._told_at is None or now - self._told_at >= _WARN_EVERY):
            self._told_at = now
            _log.warning("the event loop was late by %.2f s: something blocks it, or the machine is overloaded", lag)
