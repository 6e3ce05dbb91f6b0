"""Runs many feeds into many sinks, from start to a clean end, and takes over a changed configuration meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from tickwire.model.channel_events import channel_of
from tickwire.model.channels import Channel
from tickwire.model.clock import Clock, SystemClock
from tickwire.model.errors import TickwireError, UnknownInstrumentError
from tickwire.model.events import BookSnapshot
from tickwire.model.quality import Event, QualityEvent, Subscribed, Watermark
from tickwire.model.stored import KeyMaker, Record
from tickwire.plugin.registry import Registry
from tickwire.run.assembling import make_feed, placed, placed_symbol
from tickwire.run.changes import Changes, changes_between
from tickwire.run.draining import open_all
from tickwire.run.feed import Feed
from tickwire.run.known_lists import KnownLists
from tickwire.run.ledger import RunLedger
from tickwire.run.listed import ListTeller
from tickwire.run.marks import RunMarks
from tickwire.run.report import RunReport, Tally
from tickwire.run.run_id import new_run_id
from tickwire.run.run_sinks import RunSinks
from tickwire.run.settings import Config, ExchangeConfig
from tickwire.run.surroundings import Surroundings
from tickwire.run.sync_progress import SyncProgress

__all__ = ["Runner"]

logger = logging.getLogger(__name__)

_FEEDS_STOP_WITHIN = 1.0
# a person who pressed Ctrl-C waits two seconds at most; the end of a planned run may take its time
_DRAIN_WITHIN = 0.5
_DRAIN_CALMLY_WITHIN = 30.0
_BLOCKED_FEED_HOLDS = 1000
_KEEP_EVERY = 1.0


@attrs.define(eq=False)
class _Running:
    """A feed and the task that follows it; one that is leaving does not end the run, nor does a late one's trouble."""

    entry: ExchangeConfig
    feed: Feed
    task: asyncio.Task[None] | None = None
    is_leaving: bool = False
    is_late: bool = False


class Runner:
    """One run of a configuration.

    Attributes:
        run_id: Its ULID.
        config: What is run now.
    """

    def __init__(
        self,
        config: Config,
        registry: Registry | None = None,
        *,
        clock: Clock | None = None,
        say: Callable[[str], None] = logger.info,
        state: Path | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        """Check everything and make feeds and sinks, so that a wrong config never starts half a run; no I/O.

        Args:
            config: What to run.
            registry: The plugins; those installed by default.
            clock: The machine's by default.
            say: Told what a person should know of the run's progress.
            state: Where lists of instruments and what is spilled are kept, unless the config says where; ``None``:
                nowhere.
            surroundings: Of the feeds of a run that is recorded or replayed.

        Raises:
            ConfigError: Naming the place.
            PluginError: A plugin is missing or faulty.
        """
        self.run_id = new_run_id() if surroundings is None else surroundings.run_id
        self._surroundings = surroundings
        self.config = config
        self._registry = registry or Registry.discover()
        self._clock: Clock = clock or SystemClock()
        self._say = say
        self._keys = KeyMaker(self.run_id)
        self._ordinal = 0
        self._tally = Tally()
        self._over = asyncio.Event()
        self._errors: list[BaseException] = []
        self._started = self._clock.monotonic()
        self._sync = SyncProgress(self._clock, say)
        self._lists = KnownLists(config.state or state, self._clock)
        self._teller = ListTeller(self._clock, lambda: self._sinks.sinks, lambda: [one.entry for one in self._running])
        self._marks = RunMarks(config.state or state, config)
        self._ledger = RunLedger(config.state or state, config, self.run_id)
        self._tasks: asyncio.TaskGroup | None = None
        self._reloading = asyncio.Lock()
        self._is_blocking = any(sink.when_full == "block" for sink in config.sinks)
        self._sinks = RunSinks(
            config, self._registry, self._clock, self._hand_over, self._over.set, config.state or state
        )
        self._running = [self._made(config, entry) for entry in config.exchanges]

    @property
    def feeds(self) -> list[Feed]:
        """One per exchange entry, in the same order."""
        return [one.feed for one in self._running]

    def _made(self, config: Config, entry: ExchangeConfig) -> _Running:
        listing = self._teller.settings(entry, self._lists.settings(config, entry, self._registry))
        marks = self._marks.of(entry, Decimal if entry.numbers == "decimal" else float)
        around = self._surroundings
        feed = make_feed(
            config,
            entry,
            self._registry,
            self._clock if around is None else around.clock,
            buffer=_BLOCKED_FEED_HOLDS if self._is_blocking else 0,
            listing=listing if around is None else around.listing(entry, listing),
            marks=marks if around is None else around.marks(entry, marks),
            pause_limit=min((sink.pause_limit for sink in config.sinks if sink.when_full == "block"), default=20.0),
            limits=None if around is None else around.limits,
        )
        if not self._is_blocking:
            feed.on(Event, self._hand_over)
        return _Running(entry, feed)

    async def run(
        self, stop: asyncio.Event | None = None, duration: float | None = None, until: asyncio.Event | None = None
    ) -> RunReport:
        """Run until told to stop, until the duration is over, or until a feed ends for good.

        Args:
            stop: Set it to end the run.
            duration: Seconds; ``None``: without end.
            until: Ends the run as the end of its duration does: without haste.

        Returns:
            What was done.

        Raises:
            ConfigError, PluginError, RefusedError: Of a feed, after the sinks have everything received before.
            TickwireError: A sink cannot be opened; nothing was started.
        """
        stop = stop or asyncio.Event()
        if not self.config.sinks:
            self._say("no sinks are configured: events go to the console")
        await self._sinks.open()
        self._started = self._clock.monotonic()
        self._sync.begin(feed.name for feed in self.feeds)
        async with asyncio.TaskGroup() as self._tasks:
            self._sinks.start(self._tasks)
            for running in self._running:
                self._start(running)
            waiters = [self._tasks.create_task(self._end_when(stop.wait()))]
            keeper = self._tasks.create_task(self._keep())
            if duration is not None:
                waiters.append(self._tasks.create_task(self._end_when(self._clock.sleep(duration))))
            if until is not None:
                waiters.append(self._tasks.create_task(self._end_when(until.wait())))
            try:
                await self._over.wait()
            finally:
                for waiter in waiters:
                    waiter.cancel()
            async with self._reloading:
                await self._stop_feeds(self._running)
            await self._sinks.drain(_DRAIN_WITHIN if stop.is_set() else _DRAIN_CALMLY_WITHIN)
            keeper.cancel()
        await self._marks.close(self._safe())
        await self._ledger.close(self._safe())
        await self._lists.close()
        for error in self._errors[1:]:
            logger.error("%s", error)
        if self._errors:
            raise self._errors[0]
        return self.report()

    def report(self) -> RunReport:
        """Tell what was done so far."""
        return self._tally.report(self.run_id, self._clock.monotonic() - self._started, *self._sinks.losses())

    # a changed configuration
    async def reload(self, config: Config) -> Changes:
        """Take over a configuration while running: the difference is applied, what stayed is not touched.

        Returns:
            What was changed.

        Raises:
            TickwireError: Something is wrong with it, or can only be changed by a new run; nothing was changed.
        """
        async with self._reloading:
            if self._tasks is None or self._over.is_set():
                raise TickwireError("nothing runs that could take over a configuration")
            changes = self._with_dead(changes_between(self.config, config), config)
            kept = {running.feed.name: running for running in self._running}
            fresh = [self._made(config, entry) for entry in (*changes.added, *(e for e, _ in changes.restarted))]
            sinks = self._sinks.plan(config, changes)
            for entry in changes.resubscribed:
                self._check(config, entry, kept[entry.name].feed)
            await open_all(sinks.added)

            # from here on nothing is refused any more
            self.config = config
            await self._sinks.take_over(sinks)
            self._teller.greet(sinks.fresh)
            for running in fresh:
                await self._stop_feed(kept.get(running.entry.name))
            for name in changes.removed:
                await self._stop_feed(kept.get(name))
            for entry in changes.resubscribed:
                fresh += await self._rewant(config, kept[entry.name], entry)
            started = {running.entry.name: running for running in fresh}
            for running in fresh:
                running.is_late = True
                self._start(running)
            order = [started.get(entry.name) or kept.get(entry.name) for entry in config.exchanges]
            self._running = [running for running in order if running is not None]
            return changes

    # a feed that a reload added and that ended in an error is tried again by the next one
    def _with_dead(self, changes: Changes, config: Config) -> Changes:
        ended = {one.entry.name for one in self._running if one.task is not None and one.task.done()}
        taken = {entry.name for entry in (*changes.added, *(entry for entry, _ in changes.restarted))}
        dead = [entry for entry in config.exchanges if entry.name in ended - taken]
        changed = [entry for entry in changes.resubscribed if entry.name not in ended]
        return attrs.evolve(changes, added=[*changes.added, *dead], resubscribed=changed)

    def _check(self, config: Config, entry: ExchangeConfig, feed: Feed) -> None:
        with placed(config, entry.path):
            try:
                feed.check(entry.symbols, entry.channels)
            except UnknownInstrumentError as error:
                placed_symbol(error, entry)
                raise

    async def _rewant(self, config: Config, running: _Running, entry: ExchangeConfig) -> list[_Running]:
        try:
            running.feed.want(entry.symbols, entry.channels)
        except TickwireError:  # it has just ended, or its exchange's list changed: a new one tells what is wrong
            await self._stop_feed(running)
            return [self._made(config, entry)]
        running.entry = entry
        return []

    async def _stop_feed(self, running: _Running | None) -> None:
        if running is not None:
            running.is_leaving = True
            await self._stop_feeds([running])

    # events
    def _hand_over(self, event: Event) -> Record:
        self._ordinal = ordinal = self._ordinal + 1
        record = Record(event, self.run_id, ordinal, self._keys.key(event, ordinal))
        self._tally.count(event)
        for put in self._sinks.puts[channel_of(event)]:
            put(record)
        if isinstance(event, QualityEvent):
            self._ledger.passed(record)
            if isinstance(event, Watermark | Subscribed):
                self._marks.passed(event, ordinal)
        elif not self._sync.is_over and isinstance(event, BookSnapshot):
            self._sync.snapshot(event)
        return record

    @property
    def backlog(self) -> int:
        """How many records came since the oldest that a sink still has to write."""
        return self._ordinal - self._safe()

    def _safe(self) -> int:
        return self._sinks.safe(self._ordinal)

    async def _keep(self) -> None:
        while True:
            await self._clock.sleep(_KEEP_EVERY)
            await self._marks.write(self._safe())
            await self._ledger.write(self._safe())

    # the life
    def _start(self, running: _Running) -> None:
        assert self._tasks is not None
        running.task = self._tasks.create_task(self._follow(running), name=running.entry.name)

    async def _follow(self, running: _Running) -> None:
        feed = running.feed
        try:
            with placed(self.config, running.entry.path):
                try:
                    async with feed:
                        greeting = asyncio.create_task(self._greet(running))
                        while self._is_blocking and (batch := await feed.take()):
                            for event in batch:
                                self._hand_over(event)
                            await self._sinks.has_room.wait()
                        await greeting
                        await feed.wait()
                except UnknownInstrumentError as error:
                    placed_symbol(error, running.entry)
                    raise
        except Exception as error:  # the task's outermost edge: it ends the run, which raises it
            if running.is_late and not running.is_leaving:
                self._say(f"exchanges.{running.entry.name}: ended, the others run: {error}")
            elif not running.is_leaving:
                self._errors.append(error)
                self._over.set()
        finally:
            self._sync.gone(feed.name)
            others = [one for one in self._running if one is not running and one.task and not one.task.done()]
            if not others and not running.is_leaving:
                self._over.set()

    async def _greet(self, running: _Running) -> None:
        feed, entry = running.feed, running.entry
        try:
            await feed.ready()
        except TickwireError:
            return  # it has ended: whoever follows it tells why
        wanted = feed.status()
        books = [one for one in wanted if one.channel is Channel.L2_BOOK and one.instrument is not None]
        self._sync.wants(feed.name, [(entry.exchange, one.symbol or "") for one in books])
        count = len({one.symbol for one in wanted})
        if count != len(entry.symbols):
            listed = len(feed.instruments)
            self._say(f"{entry.name}: {count:,} of {listed:,} instruments, {len(wanted):,} subscriptions")

    async def _end_when(self, waiting: Awaitable[object]) -> None:
        await waiting
        self._over.set()

    async def _stop_feeds(self, stopped: Sequence[_Running]) -> None:
        if self._over.is_set():
            self._sinks.release()
        ends: list[asyncio.Future[Any]] = [asyncio.ensure_future(one.feed.stop()) for one in stopped]
        ends += [one.task for one in stopped if one.task is not None]
        if not ends:
            return
        await self._ended_in_time(ends)
        late = [task for task in ends if not task.done()]
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_FEEDS_STOP_WITHIN)

    async def _ended_in_time(self, ends: Sequence[asyncio.Future[Any]]) -> None:
        if self._surroundings is None:
            await asyncio.wait(ends, timeout=_FEEDS_STOP_WITHIN)
            return
        # by the feeds' own time: a replay cuts off what the recorded run cut off
        with suppress(TimeoutError):
            async with self._surroundings.clock.timeout(_FEEDS_STOP_WITHIN):
                await asyncio.wait(ends)
