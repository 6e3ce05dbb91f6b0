"""Replays a capture: the same feeds, the same router, sync and backfill, into whatever sinks are wanted."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import attrs

from tickwire.feed.backoff import JITTER
from tickwire.feed.buffer import EventBuffer
from tickwire.model.clock import SystemClock
from tickwire.model.errors import ConfigError
from tickwire.model.quality import Event
from tickwire.plugin.registry import Registry
from tickwire.record.config_document import RECORDER, config_of_document
from tickwire.record.entries import Entry, RunBegun
from tickwire.record.pace import Pace
from tickwire.record.reading import Capture, open_capture
from tickwire.record.replay_transport import ReplayedFeed
from tickwire.record.replayer import Replayer
from tickwire.run.report import RunReport
from tickwire.run.runner import Runner
from tickwire.run.settings import Config, ExchangeConfig, SinkConfig

__all__ = ["NOWHERE", "Replay", "replay"]

REPLAYER = "replayer"
NOWHERE = SinkConfig("nowhere", "callback", (), options={"call": "tickwire.record.replay:ignore"})
"""A sink that takes nothing: for who wants no sink at all."""
_MOST_QUEUED = 100_000_000
_READ_AHEAD = 10_000


class Replay:
    """One replay of one recorded run.

    Attributes:
        runner: Runs it.
        replayer: Delivers it.
        capture: What is read; ``None`` where the entries came from elsewhere.
    """

    def __init__(
        self,
        capture: Capture | tuple[RunBegun, Sequence[Entry]],
        *,
        config: Config | None = None,
        sinks: Sequence[SinkConfig] = (),
        speed: float | None = None,
        registry: Registry | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Make the feeds and sinks; no I/O but the files.

        Args:
            capture: What to replay.
            config: Instead of the one in the capture.
            sinks: Where events go; the config's are not used.
            speed: 1 is as fast as it was; ``None``: as fast as possible.
            registry: The plugins; those installed by default.
            say: Told what a person should know.

        Raises:
            ConfigError: Nothing says what was subscribed to, or a sink is wrong.
            PluginError: The exchange's plugin is not installed.
        """
        self.capture = capture if isinstance(capture, Capture) else None
        begun, entries = (capture.begun, capture.entries()) if isinstance(capture, Capture) else capture
        config = config or _recorded_config(begun)
        self._pace = Pace(speed)
        self.replayer = Replayer(begun, entries, self._pace)
        feeds = tuple(self._replayed(entry) for entry in config.exchanges)
        # nothing is dropped: the replay waits for its sinks before it goes on
        endless = [attrs.evolve(sink, queue=_MOST_QUEUED, when_full="drop_oldest") for sink in sinks or (NOWHERE,)]
        config = attrs.evolve(config, exchanges=feeds, sinks=tuple(endless), state=None, source="replay")
        self._context = contextvars.copy_context()
        self._context.run(JITTER.set, Random(begun.run_id).random)
        self.runner = self._context.run(_runner, config, registry, say, self.replayer)
        self._pace.backlog = lambda: self.runner.backlog

    def _replayed(self, entry: ExchangeConfig) -> ExchangeConfig:
        others = {name: options for name, options in entry.extensions.items() if name != RECORDER}
        mine: Any = ReplayedFeed(self.replayer, entry.name)
        return attrs.evolve(entry, extensions={REPLAYER: mine, **others}, proxy=None)

    async def run(self, stop: asyncio.Event | None = None) -> RunReport:
        """Replay to the end.

        Args:
            stop: Set it to end early.

        Raises:
            TickwireError: What ended the run.
        """
        loop = asyncio.get_running_loop()
        return await loop.create_task(self._run(stop or asyncio.Event()), context=self._context)

    async def _run(self, stop: asyncio.Event) -> RunReport:
        try:
            report = await self.runner.run(stop, until=self.replayer.until)
        finally:
            self.replayer.close()
        if self.replayer.error is not None:
            raise self.replayer.error
        return report

    def remarks(self) -> list[str]:
        """Say what a person should know of how it went: torn files, and where it went by time."""
        told = [str(torn) for torn in self.capture.torn] if self.capture is not None else []
        return [*told, *([] if self.replayer.is_exact else [f"replayed by time: {self.replayer.course}"])]

    async def events(self) -> AsyncIterator[Event]:
        """Replay, and give each event; the replay waits for who iterates."""
        buffer: EventBuffer[Event] = EventBuffer("replay", _MOST_QUEUED, "drop_oldest", SystemClock(), _itself)
        for feed in self.runner.feeds:
            feed.on(Event, buffer.put)
        self._pace.backlog = lambda: max(self.runner.backlog, 5 * len(buffer))
        stop = asyncio.Event()
        running = asyncio.create_task(self.run(stop))
        running.add_done_callback(lambda task: buffer.close())
        try:
            while batch := await buffer.take(_READ_AHEAD):
                for event in batch:
                    yield event
            await running
        finally:
            stop.set()
            await asyncio.wait([running])


async def replay(
    path: Path | str, *, run_id: str | None = None, speed: float | None = None, registry: Registry | None = None
) -> AsyncIterator[Event]:
    """Replay a capture and give its events, the same each time.

    Args:
        path: The folder that was recorded into.
        run_id: Which run, where the folder holds several.
        speed: 1 is as fast as it was, 10 ten times that; ``None``: as fast as possible.
        registry: The plugins; those installed by default.

    Yields:
        Market, account and quality events, in the order of the recorded run.

    Raises:
        ConfigError: There is no capture, or it does not say what was subscribed to.
        PluginError: The exchange's plugin is not installed.
    """
    one = Replay(open_capture(Path(path), run_id), speed=speed, registry=registry)
    async for event in one.events():
        yield event


def ignore(event: Event) -> None:
    """Take an event and do nothing with it."""


def _recorded_config(begun: RunBegun) -> Config:
    if begun.config is None:
        raise ConfigError(
            "the recorder was not told what was subscribed to", hint="give the config of that run: --config FILE"
        )
    return config_of_document(begun.config, f"run {begun.run_id}")


def _runner(config: Config, registry: Registry | None, say: Callable[[str], None], replayer: Replayer) -> Runner:
    return Runner(config, registry, say=say, surroundings=replayer)


def _itself(event: Event) -> Event:
    return event
