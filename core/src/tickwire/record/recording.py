"""One run being recorded: its files, its door for what comes from outside, and what it was told at the start."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from time import monotonic_ns, time_ns
from typing import Any

import attrs
import msgspec

from tickwire.feed.limits import Limits
from tickwire.feed.listing import ListingSettings
from tickwire.feed.marks import Mark, Marks
from tickwire.model.channels import Subscription
from tickwire.model.clock import Clock, Nanos
from tickwire.model.instruments import Instrument
from tickwire.model.quality import Event
from tickwire.plugin.protocols import Network, Transport
from tickwire.record.clocks import DeliveredClock
from tickwire.record.config_document import RECORDER, document_of, redactor_of
from tickwire.record.entries import FORMAT, Arrival, Done, Known, Lost, Marked, RunBegun, Stopped
from tickwire.record.operations import Operation, Operations
from tickwire.record.recorder import RecordingTransport, Tape
from tickwire.record.redaction import Redactor
from tickwire.record.turns import Turns, is_outside
from tickwire.record.writer import CaptureOptions, CaptureWriter
from tickwire.run.report import RunReport
from tickwire.run.run_id import new_run_id
from tickwire.run.runner import Runner
from tickwire.run.settings import Config, ExchangeConfig

__all__ = ["FeedRecording", "RecordedRun", "Recording"]

_REST_WITHIN = 5.0


class Recording:
    """A run that is recorded; goes around a ``Runner``'s feeds.

    Attributes:
        run_id: The run's.
        clock: The feeds'.
        limits: The feeds', by that clock.
        writer: Takes the entries.
    """

    def __init__(self, options: CaptureOptions, config: Config | None = None, *, is_exact: bool = True) -> None:
        """Begin to write.

        Args:
            options: Where, and how.
            config: What is run; kept without its secrets.
            is_exact: The feeds will live by ``clock``.

        Raises:
            ConfigError: The folder cannot be written to.
        """
        self.run_id = new_run_id()
        wall, mono = time_ns(), monotonic_ns()
        document = None if config is None else document_of(config)
        begun = RunBegun(wall, mono, FORMAT, version("tickwire"), self.run_id, 0, is_exact, document)
        self.writer = CaptureWriter(options, begun)
        self._operations = Operations()
        self._turns = Turns(self._keep, self._show)
        self._clock = _RecordingClock(self._operations, self._wait, wall, mono)
        self.clock: Clock = self._clock
        self.limits = Limits(self._clock)
        self._is_over = False

    # around the feeds
    def recorded(self, config: Config) -> Config:
        """Give the configuration with the recorder around every feed's transport."""
        return attrs.evolve(config, exchanges=tuple(map(self._recorded, config.exchanges)))

    def _recorded(self, entry: ExchangeConfig) -> ExchangeConfig:
        others = {name: options for name, options in entry.extensions.items() if name != RECORDER}
        mine: Any = FeedRecording(self, entry.name, redactor_of(entry))
        # the first one is innermost: what other extensions do to frames is done again in a replay
        return attrs.evolve(entry, extensions={RECORDER: mine, **others})

    def listing(self, entry: ExchangeConfig, settings: ListingSettings) -> ListingSettings:
        """Note down what the feed is told of earlier lists."""
        return attrs.evolve(settings, former=partial(self._former, entry.name, settings.former))

    def marks(self, entry: ExchangeConfig, marks: Marks) -> Marks:
        """Note down what the feed is told of the run before."""
        return _NotedMarks(entry.name, marks, self.writer)

    def _former(self, feed: str, former: Callable[[str], Instrument | None], symbol: str) -> Instrument | None:
        found = former(symbol)
        kept = None if found is None else msgspec.to_builtins(found, str_keys=True)
        self.writer.keep(Known(time_ns(), feed, symbol, kept))
        return found

    def transport(
        self,
        inner: Transport[Any],
        feed: str,
        exchange: str,
        network: Network,
        secrets: Redactor,
        on_close: Callable[[], None] = lambda: None,
    ) -> RecordingTransport:
        """Stand in front of a feed's transport; ``on_close`` is called once that is closed."""
        declared = (*network.rest, *(url for urls in network.websocket.values() for url in urls))
        tape = Tape(feed, self._turns, self._operations, self.writer.keep, secrets, declared)
        tape.begin(exchange, network)
        return RecordingTransport(inner, tape, on_close)

    # the life
    def around(self, runner: Runner) -> RecordedRun:
        """Give what runs a runner that was made with this recording around its feeds."""
        return RecordedRun(self, runner)

    async def at_rest(self) -> None:
        """Wait until all I/O is over, and write to the end."""
        await self._turns.at_rest(_REST_WITHIN)
        await asyncio.get_running_loop().run_in_executor(None, self.close)

    def interrupted(self, reason: str) -> None:
        """Note that something happened that a replay cannot follow turn by turn."""
        self.writer.keep(Lost(time_ns(), 0, reason))

    def stop(self, stop: asyncio.Event) -> None:
        """Have it delivered that the run is to stop; a second call is harmless."""
        self._turns.bind()

        def make(turns: int, ts: Nanos, mono: int) -> Stopped:
            return Stopped(turns, ts, mono)

        if not self._is_over:
            self._is_over = True
            self._turns.push(make, stop.set)

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.writer.folder

    def close(self) -> None:
        """Write to the end; a second call is harmless."""
        self.writer.close()

    def __str__(self) -> str:
        return f"run {self.run_id}: {self.writer}"

    # time
    def _keep(self, entry: Arrival) -> None:
        self.writer.keep(entry)  # type: ignore[arg-type]

    def _show(self, wall: Nanos, mono: int) -> None:
        self._clock.wall, self._clock.mono = wall, mono

    def _wait(self, operation: Operation, seconds: float) -> Callable[[], None]:
        loop = self._turns.bind()
        number = operation.number

        def make(turns: int, ts: Nanos, mono: int) -> Done:
            return Done(turns, ts, mono, number)

        deliver = partial(self._operations.finish, number)
        return loop.call_later(seconds, self._turns.push, make, deliver).cancel


@attrs.frozen
class RecordedRun:
    """Runs a runner and its recording to their end."""

    recording: Recording
    runner: Runner

    async def run(self, asked: asyncio.Event, duration: float | None = None) -> RunReport:
        """Run.

        Args:
            asked: Set by who wants the run to stop.
            duration: Seconds; ``None``: without end.

        Raises:
            TickwireError: What ended the run.
        """
        stop, until = asyncio.Event(), asyncio.Event()
        watching = [asyncio.create_task(self._when(asked.wait(), stop))]
        if duration is not None:
            watching.append(asyncio.create_task(self._when(asyncio.sleep(duration), until)))
        try:
            return await self.runner.run(stop, until=until)
        finally:
            for watcher in watching:
                watcher.cancel()
            await self.recording.at_rest()

    async def _when(self, waiting: Awaitable[object], event: asyncio.Event) -> None:
        await waiting
        self.recording.stop(event)


class _RecordingClock(DeliveredClock):
    """The machine's clock for the transport, and for the feed that of the last delivery."""

    def now(self) -> Nanos:
        return time_ns() if is_outside() else self.wall

    def monotonic(self) -> float:
        return (monotonic_ns() if is_outside() else self.mono) / 1e9

    async def sleep(self, seconds: float) -> None:
        if is_outside():
            await asyncio.sleep(seconds)
        else:
            await super().sleep(seconds)


@attrs.frozen
class FeedRecording:
    """The recorder's options where a whole run is recorded.

    Attributes:
        recording: The run's.
        feed: The feed's name.
        secrets: What must not be kept of it.
    """

    recording: Recording
    feed: str
    secrets: Redactor = attrs.field(repr=False)


class _NotedMarks:
    def __init__(self, feed: str, marks: Marks, writer: CaptureWriter) -> None:
        self._feed = feed
        self._marks = marks
        self._writer = writer

    def last(self, subscription: Subscription) -> Mark | None:
        mark = self._marks.last(subscription)
        trade = None if mark is None or mark.trade is None else _encode(mark.trade)
        until = None if mark is None else mark.ts_until
        self._writer.keep(Marked(time_ns(), self._feed, subscription.symbol or "*", subscription.label, until, trade))
        return mark

    def note(self, subscription: Subscription, mark: Mark, event: Event) -> None:
        self._marks.note(subscription, mark, event)


_encode = msgspec.json.Encoder(decimal_format="number").encode
