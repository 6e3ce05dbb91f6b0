"""Runs many feeds into many sinks, from start to a clean end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from tickwire.feed.buffer import channel_of
from tickwire.model.channels import Channel
from tickwire.model.clock import Clock, SystemClock
from tickwire.model.errors import TickwireError, UnknownInstrumentError
from tickwire.model.events import BookSnapshot
from tickwire.model.quality import Event
from tickwire.model.stored import KeyMaker, Record
from tickwire.plugin.registry import Registry
from tickwire.run.assembling import make_feed, make_sink, placed, placed_symbol
from tickwire.run.delivery import Delivery
from tickwire.run.feed import Feed
from tickwire.run.report import RunReport, Tally
from tickwire.run.run_id import new_run_id
from tickwire.run.settings import Config, ExchangeConfig, SinkConfig

__all__ = ["Runner"]

logger = logging.getLogger(__name__)

_FEEDS_STOP_WITHIN = 1.0
# a person who pressed Ctrl-C waits two seconds at most; the end of a planned run may take its time
_DRAIN_WITHIN = 0.5
_DRAIN_CALMLY_WITHIN = 30.0
_BLOCKED_FEED_HOLDS = 1000
_CONSOLE = SinkConfig("console", "console")


class Runner:
    """One run of a configuration.

    Attributes:
        run_id: Its ULID.
        feeds: One per exchange entry, in the same order.
    """

    def __init__(
        self,
        config: Config,
        registry: Registry | None = None,
        *,
        clock: Clock | None = None,
        say: Callable[[str], None] = logger.info,
    ) -> None:
        """Check everything and make feeds and sinks, so that a wrong config never starts half a run; no I/O.

        Args:
            config: What to run.
            registry: The plugins; those installed by default.
            clock: The machine's by default.
            say: Told what a person should know of the run's progress.

        Raises:
            ConfigError: Naming the place.
            PluginError: A plugin is missing or faulty.
        """
        registry = registry or Registry.discover()
        self.run_id = new_run_id()
        self._config = config
        self._clock: Clock = clock or SystemClock()
        self._say = say
        self._keys = KeyMaker(self.run_id)
        self._ordinal = 0
        self._tally = Tally()
        self._over = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._pressed: set[str] = set()
        self._errors: list[BaseException] = []
        self._started = self._clock.monotonic()
        self._unsynced: set[tuple[str, str]] = set()
        self._deliveries = [self._delivery(entry, registry) for entry in config.sinks or (_CONSOLE,)]
        self._puts = {
            channel: tuple(delivery.put for delivery in self._deliveries if delivery.takes(channel))
            for channel in Channel
        }
        self._is_blocking = any(sink.when_full == "block" for sink in config.sinks)
        self.feeds = [self._feed(entry, registry) for entry in config.exchanges]

    def _delivery(self, entry: SinkConfig, registry: Registry) -> Delivery:
        sink = make_sink(self._config, entry, registry)
        return Delivery(entry, sink, self._clock, self._hand_over, self._press, self._over.set)

    def _feed(self, entry: ExchangeConfig, registry: Registry) -> Feed:
        holds = _BLOCKED_FEED_HOLDS if self._is_blocking else 0
        feed = make_feed(self._config, entry, registry, self._clock, buffer=holds)
        if not self._is_blocking:
            feed.on(Event, self._hand_over)
        if any(request.channel is Channel.L2_BOOK for request in entry.channels):
            self._unsynced.update((entry.exchange, symbol) for symbol in entry.symbols)
        return feed

    async def run(self, stop: asyncio.Event | None = None, duration: float | None = None) -> RunReport:
        """Run until told to stop, until the duration is over, or until a feed ends for good.

        Args:
            stop: Set it to end the run.
            duration: Seconds; ``None``: without end.

        Returns:
            What was done.

        Raises:
            ConfigError, PluginError, RefusedError: Of a feed, after the sinks have everything received before.
            TickwireError: A sink cannot be opened; nothing was started.
        """
        stop = stop or asyncio.Event()
        if not self._config.sinks:
            self._say("no sinks are configured: events go to the console")
        await self._open_sinks()
        self._started = self._clock.monotonic()
        self._expected, self._following = len(self._unsynced), len(self.feeds)
        async with asyncio.TaskGroup() as tasks:
            writers = [tasks.create_task(delivery.run(), name=delivery.name) for delivery in self._deliveries]
            followers = [
                tasks.create_task(self._follow(feed, entry), name=feed.name)
                for feed, entry in zip(self.feeds, self._config.exchanges, strict=True)
            ]
            waiters = [tasks.create_task(self._end_when(stop.wait()))]
            if duration is not None:
                waiters.append(tasks.create_task(self._end_when(self._clock.sleep(duration))))
            try:
                await self._over.wait()
            finally:
                for waiter in waiters:
                    waiter.cancel()
            await self._stop_feeds(followers)
            await self._drain(writers, _DRAIN_WITHIN if stop.is_set() else _DRAIN_CALMLY_WITHIN)
        for error in self._errors[1:]:
            logger.error("%s", error)
        if self._errors:
            raise self._errors[0]
        return self.report()

    def report(self) -> RunReport:
        """Tell what was done so far."""
        return self._tally.report(
            self.run_id,
            self._clock.monotonic() - self._started,
            {delivery.name: delivery.dropped for delivery in self._deliveries if delivery.dropped},
            {delivery.name: delivery.failure for delivery in self._deliveries if delivery.failure},
        )

    # events
    def _hand_over(self, event: Event) -> Record:
        self._ordinal = ordinal = self._ordinal + 1
        record = Record(event, self.run_id, ordinal, self._keys.key(event, ordinal))
        self._tally.count(event)
        for put in self._puts[channel_of(event)]:
            put(record)
        if self._unsynced and isinstance(event, BookSnapshot):
            self._synced(event)
        return record

    def _synced(self, event: BookSnapshot[float]) -> None:
        self._unsynced.discard((event.exchange, event.symbol))
        if not self._unsynced:
            seconds = self._clock.monotonic() - self._started
            self._say(f"{self._expected}/{self._expected} books in sync after {seconds:.1f} s")

    def _press(self, sink: str, is_full: bool) -> None:
        (self._pressed.add if is_full else self._pressed.discard)(sink)
        if self._pressed and not self._over.is_set():
            self._has_room.clear()
        else:
            self._has_room.set()

    # the life
    async def _open_sinks(self) -> None:
        opened: list[Delivery] = []
        try:
            for delivery in self._deliveries:
                await delivery.open()
                opened.append(delivery)
        except TickwireError:
            for delivery in opened:
                await delivery.close()
            raise

    async def _follow(self, feed: Feed, entry: ExchangeConfig) -> None:
        try:
            with placed(self._config, entry.path):
                try:
                    async with feed:
                        while self._is_blocking and (batch := await feed.take()):
                            for event in batch:
                                self._hand_over(event)
                            await self._has_room.wait()
                        await feed.wait()
                except UnknownInstrumentError as error:
                    placed_symbol(error, entry)
                    raise
        except Exception as error:  # the task's outermost edge: it ends the run, which raises it
            self._errors.append(error)
            self._over.set()
        finally:
            self._following -= 1
            if not self._following:
                self._over.set()

    async def _end_when(self, waiting: Awaitable[object]) -> None:
        await waiting
        self._over.set()

    async def _stop_feeds(self, followers: list[asyncio.Task[None]]) -> None:
        self._over.set()
        self._has_room.set()
        ends: list[asyncio.Future[Any]] = [asyncio.ensure_future(feed.stop()) for feed in self.feeds]
        ends += followers
        _, late = await asyncio.wait(ends, timeout=_FEEDS_STOP_WITHIN)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_FEEDS_STOP_WITHIN)

    async def _drain(self, writers: list[asyncio.Task[None]], within: float) -> None:
        for delivery in self._deliveries:
            delivery.finish()
        _, late = await asyncio.wait(writers, timeout=within)
        for task in late:
            task.cancel()
