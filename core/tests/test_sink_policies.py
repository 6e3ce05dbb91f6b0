"""What a run does about sinks that are away, slow or gone, by its configuration alone."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

from tickwire.model.counting import size_text
from tickwire.model.errors import ConfigError, ConnectionLostError
from tickwire.model.events import Trade
from tickwire.model.quality import Dropped
from tickwire.model.stored import Record
from tickwire.plugin.hookspecs import hookimpl
from tickwire.plugin.info import SinkInfo
from tickwire.plugin.registry import Registry
from tickwire.run.config import config_from
from tickwire.run.report import RunReport
from tickwire.run.runner import Runner

IS_AWAY: set[str] = set()
RECORDS: dict[str, list[Record]] = {}


@attrs.frozen
class ServerOptions:
    to: str


class ServerSink:
    """Writes to a server that is away as long as its name is in ``IS_AWAY``."""

    def __init__(self, options: ServerOptions) -> None:
        self._name = options.to

    def _ask(self) -> None:
        if self._name in IS_AWAY:
            raise ConnectionLostError(f"{self._name} is away")

    async def open(self) -> None:
        self._ask()

    async def write(self, records: Sequence[Record]) -> None:
        self._ask()
        RECORDS.setdefault(self._name, []).extend(records)

    async def close(self) -> None: ...


class ServerPlugin:
    @hookimpl
    def tickwire_sinks(self) -> list[SinkInfo]:
        return [SinkInfo("server", ServerOptions, "tests_server_sink:ServerSink")]


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch, scripted: ModuleType) -> None:
    monkeypatch.setitem(sys.modules, "tests_server_sink", sys.modules[__name__])
    RECORDS.clear()
    IS_AWAY.clear()


def runner(sinks: dict[str, Any], trades: int = 100, state: Path | None = None) -> Runner:
    registry = Registry.of(scripted=sys.modules["tickwire_scripted"], servers=ServerPlugin())
    exchange = {"symbols": ["AAA-USD"], "exchange": "scripted", "options": {"trades": trades}}
    sinks = {name: {"type": "server", "to": name, **settings} for name, settings in sinks.items()}
    data = {"exchanges": {"x": exchange}, "sinks": sinks}
    return Runner(config_from(data, "night.yaml", {}), registry, say=lambda line: None, state=state)


def run(one: Runner, act: Callable[[], Awaitable[None]]) -> RunReport:
    async def main() -> RunReport:
        stop = asyncio.Event()
        running = asyncio.create_task(one.run(stop))
        async with asyncio.timeout(60):
            await act()
            stop.set()
            return await running

    return asyncio.run(main())


def numbers(sink: str) -> list[int | None]:
    return [one.event.sequence for one in RECORDS.get(sink, ()) if isinstance(one.event, Trade)]


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 each round lets the run take a step, and its threads
        await asyncio.sleep(0.001)


def test_a_sink_that_is_away_at_the_start_keeps_nobody_waiting_and_gets_everything_later() -> None:
    IS_AWAY.add("late")

    async def act() -> None:
        await until(lambda: len(numbers("there")) == 100)
        IS_AWAY.clear()
        await until(lambda: len(numbers("late")) == 100)

    report = run(runner({"late": {}, "there": {}}), act)
    assert numbers("late") == numbers("there") == list(range(1, 101))
    assert (report.dropped, set(report.failures)) == ({}, {"late"})


def test_a_sink_that_goes_and_comes_hurts_no_other_and_loses_nothing(tmp_path: Path) -> None:
    async def act() -> None:
        await until(lambda: len(numbers("spills")) >= 10)
        IS_AWAY.add("spills")
        await until(lambda: len(numbers("there")) == 3_000)
        IS_AWAY.clear()
        await until(lambda: len(numbers("spills")) == 3_000)

    sinks = {"spills": {"when_full": "spill", "queue": 50, "batch": 20}, "there": {}}
    report = run(runner(sinks, 3_000, tmp_path), act)
    assert numbers("spills") == numbers("there") == list(range(1, 3_001))
    assert (report.dropped, report.spilled) == ({}, {})


def test_what_was_spilled_is_delivered_by_the_next_run_before_its_own(tmp_path: Path) -> None:
    IS_AWAY.add("archive")
    sinks = {"archive": {"when_full": "spill", "queue": 50}, "there": {}}
    first = runner(sinks, 1_000, tmp_path)

    async def until_there() -> None:
        await until(lambda: len(numbers("there")) == 1_000)

    report = run(first, until_there)
    assert report.dropped == {}
    assert report.spilled["archive"] > 0
    assert f"{size_text(report.spilled['archive'])} on disk for archive, the next run delivers them" in str(report)

    IS_AWAY.clear()
    everything = [one for one in RECORDS["there"] if one.run_id == first.run_id]
    second = runner(sinks, 10, tmp_path)

    async def until_all() -> None:
        await until(lambda: len(numbers("archive")) == 1_010)

    report = run(second, until_all)
    assert report.spilled == {}
    assert RECORDS["archive"][: len(everything)] == everything
    assert {one.run_id for one in RECORDS["archive"][len(everything) :]} == {second.run_id}


def test_what_is_on_disk_is_safe_to_leave_behind_a_mark(tmp_path: Path) -> None:
    IS_AWAY.add("archive")
    one = runner({"archive": {"when_full": "spill", "queue": 50, "batch": 20}}, 5_000, tmp_path)
    safe: list[int] = []

    async def act() -> None:
        await until(lambda: one.report().events.get("trade") == 5_000 and one._safe() > 4_900)
        safe.append(one._safe())

    run(one, act)
    assert 4_900 < safe[0] <= 5_001


def test_what_a_queue_drops_while_its_sink_is_away_is_counted_and_said_to_all(tmp_path: Path) -> None:
    IS_AWAY.add("drops")

    async def act() -> None:
        await until(lambda: len(numbers("there")) == 1_000)
        IS_AWAY.clear()
        await until(lambda: numbers("drops")[-1:] == [1_000])

    report = run(runner({"drops": {"queue": 100, "batch": 10}, "there": {}}, 1_000), act)
    lost = 1_000 - len(numbers("drops"))
    assert lost > 0
    announced = [one.event for one in RECORDS["there"] if isinstance(one.event, Dropped)]
    assert sum(one.count for one in announced) == report.dropped["drops"]
    assert sum(one.count for one in announced if one.channel == "trades") == lost
    assert any(isinstance(one.event, Dropped) for one in RECORDS["drops"])


def test_a_sink_that_is_away_does_not_keep_a_reload_from_taking_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickwire.run.run_sinks._LEAVE_WITHIN", 0.05)
    IS_AWAY.add("gone")
    one, other = runner({"gone": {}, "there": {}}), runner({"there": {}})

    async def act() -> None:
        await until(lambda: len(numbers("there")) == 100)
        changes = await one.reload(other.config)
        assert changes.sinks_removed == ["gone"]

    report = run(one, act)
    assert report.dropped == {"gone": 101}


def test_spill_without_a_state_directory_names_its_place() -> None:
    with pytest.raises(ConfigError) as caught:
        runner({"archive": {"when_full": "spill"}})
    assert str(caught.value).startswith("night.yaml: sinks.archive.when_full: spill needs a directory → write state:")
