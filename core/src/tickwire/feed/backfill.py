"""Filling holes in the trades off the read path: history, page by page, within the limits, or the reason why not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tickwire.feed.backoff import Backoff, BackoffPolicy
from tickwire.feed.holes import TradeHole
from tickwire.feed.patience import Patience, Step
from tickwire.feed.rate_wait import RateWait
from tickwire.feed.requests import Requests
from tickwire.feed.settings import RecoverySettings
from tickwire.feed.trades import TradeStream
from tickwire.model.channels import Channel, Subscription
from tickwire.model.clock import Clock, Nanos
from tickwire.model.errors import TickwireError
from tickwire.model.events import Trade
from tickwire.model.quality import StaleAction
from tickwire.plugin.assembly import Wiring
from tickwire.plugin.info import By
from tickwire.plugin.protocols import Hole

__all__ = ["TradeBackfill"]

_log = logging.getLogger(__name__)

_AT_ONCE = 4
_MOST_PAGES = 1_000
_POLICY = BackoffPolicy(first=0.5, cap=5.0)
_GRACE = 1.0  # REST may be ahead of the socket by as much
_FIRST_STEP = 1_000_000_000
_CLOCK_WRONG = 64_000_000_000


class TradeBackfill:
    """Fills the holes of one feed, each in a task of its own.

    The read path only notes what is needed; tasks are made by ``run``.
    """

    def __init__(
        self,
        wiring: Wiring,
        requests: Requests,
        clock: Clock,
        settings: RecoverySettings,
        revive: Callable[[Subscription, StaleAction], None],
    ) -> None:
        """Make one for a feed.

        Args:
            wiring: The feed's strategies.
            requests: All its REST.
            clock: Tells the time, and waits.
            settings: How long live trades are held.
            revive: Asks anew for a subscription that delivers nothing, or makes its connection anew.
        """
        self._wiring = wiring
        self._requests = requests
        self._clock = clock
        self._settings = settings
        self._revive = revive
        self._noted: dict[TradeStream, None] = {}
        self._has_noted = asyncio.Event()
        self._running: dict[TradeStream, asyncio.Task[None]] = {}
        self._timers: dict[TradeStream, asyncio.Task[None]] = {}
        self._wakes: dict[TradeStream, asyncio.Event] = {}
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._rate_wait = RateWait(clock)
        trades = wiring.info.channels.get(Channel.TRADES)
        self._history = trades.history if trades is not None else None

    @property
    def why_not(self) -> str:
        """Why holes cannot be filled; empty: they can."""
        return "" if self._history is not None else f"{self._wiring.info.id} gives no history of trades"

    def needed(self, stream: TradeStream) -> None:
        """Fill a stream's hole; where that is being done, go on at once."""
        self._noted[stream] = None
        self._has_noted.set()

    def stop(self, stream: TradeStream) -> None:
        """Ask for nothing more until ``needed``: its connection ended, or nobody wants it."""
        self._noted.pop(stream, None)
        for tasks in (self._running, self._timers):
            task = tasks.pop(stream, None)
            if task is not None:
                task.cancel()

    async def run(self) -> None:
        """Work off what is noted, for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._has_noted.wait()
                self._has_noted.clear()
                noted, self._noted = self._noted, {}
                for stream in noted:
                    if stream.hole is not None:
                        self._begin(tasks, stream, stream.hole)

    def _begin(self, tasks: asyncio.TaskGroup, stream: TradeStream, hole: TradeHole) -> None:
        name = f"of {stream.subscription}"
        if stream not in self._running:
            self._wakes[stream] = asyncio.Event()
            self._running[stream] = tasks.create_task(self._work(stream, hole), name=f"backfill {name}")
            self._running[stream].add_done_callback(partial(self._done, self._running, stream))
        self._wakes[stream].set()
        if hole.before is not None and hole.is_holding and stream not in self._timers:
            self._timers[stream] = tasks.create_task(self._release_in_time(stream, hole), name=f"hold {name}")
            self._timers[stream].add_done_callback(partial(self._done, self._timers, stream))

    def _done(
        self, tasks: dict[TradeStream, asyncio.Task[None]], stream: TradeStream, task: asyncio.Task[None]
    ) -> None:
        if tasks.get(stream) is task:
            del tasks[stream]
            if tasks is self._running and stream.hole is not None:
                self.needed(stream)  # another hole began while the task of the last one was still at rest

    async def _release_in_time(self, stream: TradeStream, hole: TradeHole) -> None:
        await self._clock.sleep(self._settings.hold)
        if stream.hole is hole:
            stream.release(f"waited {self._settings.hold:g} s")

    async def _work(self, stream: TradeStream, hole: TradeHole) -> None:
        with self._rate_wait.of(stream):
            await self._fill(stream, hole)

    async def _fill(self, stream: TradeStream, hole: TradeHole) -> None:
        patience, earlier = Patience(self._settings.hold, self._clock.monotonic()), 0
        history = self._history
        assert history is not None
        backoff, wake, asks = Backoff(_POLICY), self._wakes[stream], stream.asks
        while stream.hole is hole:
            asked_at, reason = self._clock.monotonic(), "the exchange's history does not have them"
            wake.clear()
            if stream.asks != asks:
                asks = stream.asks
                patience.subscribed(asked_at)
            try:
                fresh = await self._read(stream, hole)
                if not fresh and stream.hole is hole and history.by is By.TIME:
                    # the last trade may be dated by a clock that has been put right since
                    earlier = min(max(_FIRST_STEP, 4 * earlier), _CLOCK_WRONG)
                    fresh = await self._read(stream, hole, earlier)
                step = patience.read(hole, fresh, asked_at)
            except TickwireError as error:
                step, reason = patience.failed(error, asked_at), str(error)
            except Exception as error:  # a task's outermost edge: a plugin's mistake must not end the feed
                _log.exception("%s: the history of %s cannot be read", self._wiring.info.id, stream.subscription)
                step, reason = Step.GIVE_UP, f"{type(error).__name__} in the plugin's history()"
            if stream.hole is not hole:
                return None
            if step is Step.SETTLE:
                return stream.settle()
            if step is Step.GIVE_UP:
                return stream.give_up(reason)
            if step is Step.NOT_DELIVERED:
                await self._clock.sleep(_GRACE)
                if hole.before is None and stream.hole is hole:
                    self._not_delivered(stream, round(patience.hold * 1e9))
            await self._pause(wake, backoff.failed())
        return None

    def _not_delivered(self, stream: TradeStream, threshold: Nanos) -> None:
        # history shows trades since the subscription, and the socket brought none of them
        action = StaleAction.RECONNECT if stream.is_stale else StaleAction.RESUBSCRIBE
        stream.stale(threshold, action)
        self._revive(stream.subscription, action)

    async def _pause(self, wake: asyncio.Event, seconds: float) -> None:
        try:
            async with self._clock.timeout(seconds):
                await wake.wait()
        except TimeoutError:
            pass

    async def _read(self, stream: TradeStream, hole: TradeHole, earlier: Nanos = 0) -> int:
        # pages until nothing is missing, or one brings nothing; tells how many missing trades they brought
        history, instrument = self._history, stream.subscription.instrument
        assert history is not None
        assert instrument is not None
        total = 0
        for page in range(_MOST_PAGES):
            after, before = hole.edges
            start = (
                (after.ts_event if after is not None else None) or (stream.gap.ts_start if stream.gap else None) or 0
            )
            end = (before and before.ts_event) or self._clock.now()
            wanted = Hole(instrument, Channel.TRADES, after, before, start - earlier, end, page)
            async with self._at_once:
                events = await self._requests.converse(self._wiring.routing.history(wanted), self._rate_wait.closed)
            trades = [event for event in events if isinstance(event, Trade) and event.symbol == instrument.symbol]
            if stream.hole is not hole:
                break
            # pages by id and time begin where the hole does, others at the newest trade
            is_oldest = history.by in (By.ID, By.TIME) or len(trades) < history.page
            fresh = stream.filled(trades, is_oldest=is_oldest)
            total += fresh
            is_before = history.by is By.PAGE and (
                not hole.has_beginning if after is None else _is_newer(trades, after)
            )
            if stream.hole is not hole or hole.is_closed or not trades or not (fresh or is_before):
                break
            if history.by is By.LATEST:
                break
        return total


def _is_newer(trades: Sequence[Trade[Any]], after: Trade[Any]) -> bool:
    # pages come newest first: all of this one lies behind the hole
    if after.sequence is not None:
        return all(trade.sequence is not None and trade.sequence > after.sequence for trade in trades)
    return all((trade.ts_event or 0) > (after.ts_event or 0) for trade in trades)
