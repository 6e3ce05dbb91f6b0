"""The sinks of a run: which events go to which, what all of them have written, whether one keeps the feeds waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import attrs

from tickwire.model.channels import Channel
from tickwire.model.clock import Clock
from tickwire.model.errors import TickwireError
from tickwire.model.quality import Dropped
from tickwire.model.stored import Record
from tickwire.plugin.protocols import Sink
from tickwire.plugin.registry import Registry
from tickwire.run.assembling import make_sink, placed, refuse_shared_files
from tickwire.run.changes import Changes
from tickwire.run.delivery import Delivery
from tickwire.run.draining import Draining, ended, open_all
from tickwire.run.processing import Processing
from tickwire.run.report import SinkFailure
from tickwire.run.settings import Config, SinkConfig
from tickwire.run.spill_files import spill_folder

__all__ = ["RunSinks", "SinkPlan"]

# a sink that a reload takes away, and that is not there, is not waited for as long as at the end
_LEAVE_WITHIN = 5.0
_CONSOLE = SinkConfig("console", "console")


@attrs.frozen
class SinkPlan:
    """What a changed configuration makes of the sinks; nothing of it is done yet.

    Attributes:
        after: All sinks, in order.
        added: Those that are new; opened before anything changes.
        changed: By name, those that take the place of one of the same name; opened once that one has ended.
    """

    after: Sequence[Draining]
    added: Sequence[Draining]
    changed: Mapping[str, Draining]

    @property
    def fresh(self) -> list[Sink]:
        """The sinks that were not there before."""
        return [one.delivery.sink for one in (*self.changed.values(), *self.added)]


class RunSinks:
    """Those that write now, and those that a reload took away and that still have something.

    Attributes:
        puts: For each channel, what takes its records.
        has_room: Set while no ``block`` queue is full.
    """

    def __init__(
        self,
        config: Config,
        registry: Registry,
        clock: Clock,
        announce: Callable[[Dropped], Record],
        on_closed_pipe: Callable[[], None],
        state: Path | None,
    ) -> None:
        """Make the sinks of a configuration, the console where it has none; nothing is opened.

        Args:
            config: What is run.
            registry: The plugins.
            clock: Dates announcements and bounds waits.
            announce: Hands a ``Dropped`` to all sinks and gives its record.
            on_closed_pipe: Told when nobody reads the output any more.
            state: Where sinks spill unless the configuration says where; ``None``: nowhere.

        Raises:
            ConfigError: Naming the place.
            PluginError: A plugin is missing or faulty.
        """
        self._registry = registry
        self._clock = clock
        self._announce = announce
        self._on_closed_pipe = on_closed_pipe
        self._spill = spill_folder(config.state or state, config)
        self._tasks: asyncio.TaskGroup | None = None
        self._pressed: set[str] = set()
        self._is_released = False
        self.has_room = asyncio.Event()
        self.has_room.set()
        self._past: list[Draining] = []
        self._use([self._made(config, entry) for entry in config.sinks or (_CONSOLE,)])
        _refuse_shared_files(config, self._present)

    @property
    def sinks(self) -> list[Sink]:
        """Those that write now."""
        return [one.delivery.sink for one in self._present]

    def _made(self, config: Config, entry: SinkConfig) -> Draining:
        sink = make_sink(config, entry, self._registry)
        with placed(config, entry.path):
            delivery = Delivery(
                entry, sink, self._clock, self._announce, self._press, self._on_closed_pipe,
                state=None if self._spill is None else self._spill / quote(entry.name, safe=""),
            )  # fmt: skip
            processing = Processing(entry, delivery.put) if entry.process else None
        return Draining(entry, delivery, processing)

    def _use(self, sinks: Sequence[Draining]) -> None:
        self._present = list(sinks)
        self.puts = {channel: tuple(one.put for one in self._present if one.takes(channel)) for channel in Channel}

    def _press(self, sink: str, is_full: bool) -> None:
        (self._pressed.add if is_full else self._pressed.discard)(sink)
        if self._pressed and not self._is_released:
            self.has_room.clear()
        else:
            self.has_room.set()

    def release(self) -> None:
        """Keep no feed waiting any more: the run ends."""
        self._is_released = True
        self.has_room.set()

    async def open(self) -> None:
        """Open all of them.

        Raises:
            TickwireError: One cannot be opened, and waiting would not help; all are closed.
        """
        await open_all(self._present)

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Begin to write."""
        self._tasks = tasks
        for one in self._present:
            self._write(one)

    def _write(self, one: Draining) -> None:
        assert self._tasks is not None
        one.task = self._tasks.create_task(one.delivery.run(), name=one.entry.name)

    def safe(self, latest: int) -> int:
        """Give the last ordinal that every sink has written, or that was announced as lost; ``latest``: handed over."""
        waiting = [oldest for one in (*self._past, *self._present) if (oldest := one.delivery.oldest) is not None]
        return min(waiting) - 1 if waiting else latest

    async def drain(self, within: float) -> None:
        """Take no more and write what is queued; what is left after ``within`` seconds is counted, or kept on disk."""
        for one in self._present:
            one.delivery.announce()  # while all sinks still take it
        for one in self._present:
            one.finish()
        await ended([one.task for one in (*self._past, *self._present) if one.task is not None], within)

    def losses(self) -> tuple[dict[str, int], dict[str, SinkFailure], dict[str, int]]:
        """Tell by sink how many records were dropped, what went wrong, and the bytes that are on disk still."""
        dropped: dict[str, int] = {}
        failures: dict[str, SinkFailure] = {}
        spilled: dict[str, int] = {}
        for delivery in [one.delivery for one in (*self._past, *self._present)]:
            if delivery.dropped:
                dropped[delivery.name] = dropped.get(delivery.name, 0) + delivery.dropped
            if delivery.failure:
                lost = delivery.failure.lost + delivery.unwritten
                failures[delivery.name] = attrs.evolve(delivery.failure, lost=lost)
            if delivery.spilled:
                spilled[delivery.name] = delivery.spilled
        return dropped, failures, spilled

    # a changed configuration
    def plan(self, config: Config, changes: Changes) -> SinkPlan:
        """Make the sinks that a configuration adds or changes.

        Raises:
            ConfigError, PluginError: As for a new run; nothing was changed.
        """
        added = [self._made(config, entry) for entry in changes.sinks_added]
        changed = {entry.name: self._made(config, entry) for entry in changes.sinks_changed}
        names = {entry.name for entry in config.sinks}
        after = [changed.get(one.entry.name, one) for one in self._present if one.entry.name in names]
        after += added
        _refuse_shared_files(config, after)
        return SinkPlan(after, added, changed)

    async def take_over(self, plan: SinkPlan) -> None:
        """Do what was planned, once ``plan.added`` are open."""
        leaving = [one for one in self._present if one not in plan.after]
        self._past += leaving
        self._use(plan.after)
        for one in leaving:
            one.finish()
            self._press(one.entry.name, False)
        for one in plan.added:
            self._write(one)
        for one in leaving:
            if one.task is not None:
                await ended([one.task], _LEAVE_WITHIN)  # its successor may write into the same file
            successor = plan.changed.get(one.entry.name)
            if successor is not None:
                await self._succeed(successor)

    async def _succeed(self, one: Draining) -> None:
        try:
            await one.delivery.open()
        except TickwireError as error:
            one.delivery.failed(error)
            self._past.append(one)
            self._use([other for other in self._present if other is not one])
        else:
            self._write(one)


def _refuse_shared_files(config: Config, sinks: Sequence[Draining]) -> None:
    refuse_shared_files(config, [(one.entry, one.delivery.sink) for one in sinks])
