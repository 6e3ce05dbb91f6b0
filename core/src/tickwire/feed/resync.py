"""Bringing books into sync off the read path: snapshots over REST within a budget, or a new subscription."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from weakref import WeakKeyDictionary

from tickwire.feed.backoff import Backoff, BackoffPolicy
from tickwire.feed.books import BookStream
from tickwire.feed.rate_wait import RateWait
from tickwire.feed.requests import Requests
from tickwire.model.channels import Subscription
from tickwire.model.clock import Clock
from tickwire.model.errors import DataError, RateLimitedError, RefusedError, RetryableError
from tickwire.plugin.assembly import Wiring
from tickwire.plugin.info import BookStart

__all__ = ["BookResync"]

_log = logging.getLogger(__name__)

_AT_ONCE = 4
_FIRST_DELTA_WITHIN = 0.25  # an exchange that does not confirm: its first delta proves that the subscription works
_SNAPSHOT_WITHIN = 30.0
_POLICY = BackoffPolicy(first=0.2, cap=30.0)


class BookResync:
    """Starts and restarts the books of one feed, each in a task of its own.

    The read path only notes what is needed; tasks are made by ``run``.
    """

    def __init__(
        self, wiring: Wiring, requests: Requests, clock: Clock, resubscribe: Callable[[Subscription], None]
    ) -> None:
        """Make one for a feed; ``resubscribe`` asks anew for a snapshot that comes over the socket."""
        self._wiring = wiring
        self._requests = requests
        self._clock = clock
        self._resubscribe = resubscribe
        self._noted: dict[BookStream, bool] = {}
        self._has_noted = asyncio.Event()
        self._running: dict[BookStream, asyncio.Task[None]] = {}
        self._pauses: WeakKeyDictionary[BookStream, Backoff] = WeakKeyDictionary()
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._rate_wait = RateWait(clock)
        book = wiring.info.book
        self._start = book.start if book is not None else BookStart.EVERY_FRAME

    async def run(self) -> None:
        """Work off what is noted, for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._has_noted.wait()
                self._has_noted.clear()
                noted, self._noted = self._noted, {}
                for stream, is_first in noted.items():
                    if stream not in self._running:
                        task = tasks.create_task(self._work(stream, is_first), name=f"resync {stream.subscription}")
                        self._running[stream] = task
                        task.add_done_callback(partial(self._done, stream))

    def subscribed(self, stream: BookStream) -> None:
        """Start a book whose subscription was just sent."""
        self.stop(stream)
        self._note(stream, is_first=True)

    def needed(self, stream: BookStream) -> None:
        """Restart a book that lost sync; one that is being restarted goes on."""
        if stream not in self._running:
            self._note(stream, is_first=False)

    def stop(self, stream: BookStream) -> None:
        """Give up: its connection ended, or nobody wants it."""
        self._noted.pop(stream, None)
        running = self._running.pop(stream, None)
        if running is not None:
            running.cancel()

    def _note(self, stream: BookStream, *, is_first: bool) -> None:
        if self._start is not BookStart.EVERY_FRAME:
            self._noted.setdefault(stream, is_first)
            self._has_noted.set()

    async def _work(self, stream: BookStream, is_first: bool) -> None:
        if not is_first:
            await self._pause(stream)
        if self._start is BookStart.REST:
            with self._rate_wait.of(stream):
                await self._fetch(stream, is_first=is_first)
        else:
            await self._ask(stream, is_first=is_first)

    async def _pause(self, stream: BookStream) -> None:
        # the first resync begins at once; a book lost again and again must not become a storm of requests
        backoff = self._pauses.setdefault(stream, Backoff(_POLICY))
        if stream.synced_at is not None:
            backoff.flowed((self._clock.now() - stream.synced_at) / 1e9)
            stream.synced_at = None  # one stable while forgives once
        is_again = backoff.attempt > 0
        delay = backoff.failed()
        if is_again:
            await self._clock.sleep(delay)

    def _done(self, stream: BookStream, task: asyncio.Task[None]) -> None:
        if self._running.get(stream) is not task:
            return
        del self._running[stream]
        if not stream.book.is_synced and not task.cancelled() and task.exception() is None:
            self.needed(stream)  # lost again while the deltas kept meanwhile were applied

    async def _fetch(self, stream: BookStream, *, is_first: bool) -> None:
        backoff = Backoff(_POLICY)
        if is_first:
            await self._first_delta(stream)
        while not stream.book.is_synced:
            is_limited = False
            try:
                if await self._fetch_once(stream):
                    return
                reason = "the snapshot is older than the deltas that wait"
            except RateLimitedError as error:
                is_limited, reason = True, str(error)
            except (RetryableError, RefusedError, DataError) as error:
                reason = str(error)
            delay = backoff.failed()
            # the first retry is the normal case of a snapshot taken a moment too early; a limiter speaks for itself
            level = logging.DEBUG if backoff.attempt == 1 or is_limited else logging.WARNING
            _log.log(
                level, "%s: no snapshot for %s: %s, next in %.1f s",
                self._wiring.info.id, stream.subscription, reason, delay,
            )  # fmt: skip
            await self._clock.sleep(delay)

    async def _fetch_once(self, stream: BookStream) -> bool:
        async with self._at_once:
            ask = self._wiring.routing.snapshot(stream.subscription)
            snapshot = await self._requests.converse(ask, self._rate_wait.closed)
        return stream.offer(snapshot)

    async def _first_delta(self, stream: BookStream) -> None:
        try:
            async with self._clock.timeout(_FIRST_DELTA_WITHIN):
                await stream.flowing.wait()
        except TimeoutError:
            pass  # a quiet book: the snapshot is shown at once, a later gap would be seen

    async def _ask(self, stream: BookStream, *, is_first: bool) -> None:
        # asking anew makes the connection call ``subscribed``, which replaces this task by one that only waits
        if not is_first:
            stream.answered.clear()
            self._resubscribe(stream.subscription)
        while True:
            try:
                async with self._clock.timeout(_SNAPSHOT_WITHIN):
                    await stream.answered.wait()
                return
            except TimeoutError:
                _log.warning("%s: no snapshot of %s came, asking again", self._wiring.info.id, stream.subscription)
                self._resubscribe(stream.subscription)
