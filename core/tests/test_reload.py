"""A run takes over a changed configuration: the difference and nothing else, or nothing at all."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

from tickwire.model.errors import ConfigError, TickwireError
from tickwire.model.events import Trade
from tickwire.model.instruments import Instrument
from tickwire.model.quality import ListingChange, Subscribed, Unsubscribed
from tickwire.model.stored import Record
from tickwire.plugin.hookspecs import hookimpl
from tickwire.plugin.info import SinkInfo
from tickwire.plugin.registry import Registry
from tickwire.run.changes import Changes, changes_between
from tickwire.run.config import config_from
from tickwire.run.runner import Runner
from tickwire.run.settings import Config

RECORDS: dict[str, list[Record]] = {}
LISTS: dict[str, list[tuple[str, int]]] = {}


@attrs.frozen
class KeepOptions:
    to: str
    opens: bool = True


class KeepSink:
    def __init__(self, options: KeepOptions) -> None:
        self._options = options
        self._records = RECORDS.setdefault(options.to, [])

    async def open(self) -> None:
        if not self._options.opens:
            raise TickwireError("cannot open", hint="no hint")

    async def write(self, records: Sequence[Record]) -> None:
        self._records += records

    async def close(self) -> None: ...

    def see_instruments(self, exchange: str, instruments: Sequence[Instrument], now: int) -> None:
        LISTS.setdefault(self._options.to, []).append((exchange, len(instruments)))


class KeepPlugin:
    @hookimpl
    def tickwire_sinks(self) -> list[SinkInfo]:
        return [SinkInfo("keep", KeepOptions, "tests_keep_sink:KeepSink")]


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch, scripted: ModuleType) -> None:
    monkeypatch.setitem(sys.modules, "tests_keep_sink", sys.modules[__name__])
    RECORDS.clear()
    LISTS.clear()


def entry(*symbols: str, **more: Any) -> dict[str, Any]:
    return {"symbols": list(symbols), "exchange": "scripted", "options": {"trades": 1_000_000}, **more}


def config(exchanges: dict[str, Any], sinks: dict[str, Any] | None = None, **more: Any) -> Config:
    data = {"exchanges": exchanges, "sinks": {"a": {"type": "keep", "to": "a"}} if sinks is None else sinks, **more}
    return config_from(data, "night.yaml", {})


def while_running(
    first: Config, act: Callable[[Runner], Awaitable[None]], said: list[str] | None = None, state: Path | None = None
) -> Runner:
    registry = Registry.of(scripted=sys.modules["tickwire_scripted"], keep=KeepPlugin())
    runner = Runner(first, registry, say=([] if said is None else said).append, state=state)

    async def main() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(runner.run(stop))
        async with asyncio.timeout(10):
            await act(runner)
            stop.set()
            await running

    asyncio.run(main())
    return runner


async def trades(sink: str, symbol: str, more: int = 20) -> None:
    """Wait until that many more trades of a symbol have arrived."""

    def count() -> int:
        return sum(isinstance(one.event, Trade) and one.event.symbol == symbol for one in RECORDS.get(sink, ()))

    wanted = count() + more
    while count() < wanted:  # noqa: ASYNC110 each round lets the runner take a step
        await asyncio.sleep(0)


def coverage(sink: str) -> list[str]:
    return [
        f"{type(one.event).__name__} {one.event.symbol}"
        for one in RECORDS[sink]
        if isinstance(one.event, Subscribed | Unsubscribed)
    ]


def numbers(sink: str, symbol: str) -> list[int | None]:
    events = [one.event for one in RECORDS[sink]]
    return [one.sequence for one in events if isinstance(one, Trade) and one.symbol == symbol]


def test_symbols_are_changed_in_place_and_what_stays_is_not_touched() -> None:
    async def act(runner: Runner) -> None:
        await trades("a", "AAA-USD")
        feed = runner.feeds[0]
        changes = await runner.reload(config({"x": entry("AAA-USD", "BBB-USD")}))
        await trades("a", "BBB-USD")
        await trades("a", "AAA-USD")
        assert changes.lines() == ["exchanges.x: subscriptions changed"]
        assert runner.feeds == [feed]

    while_running(config({"x": entry("AAA-USD")}), act)
    assert coverage("a")[:2] == ["Subscribed AAA-USD", "Subscribed BBB-USD"]
    found = numbers("a", "AAA-USD")
    assert found == list(range(1, len(found) + 1))


def test_feeds_come_and_go_and_the_others_are_not_touched() -> None:
    async def act(runner: Runner) -> None:
        await trades("a", "AAA-USD")
        kept = runner.feeds[0]
        first = await runner.reload(config({"x": entry("AAA-USD"), "y": entry("BBB-USD")}))
        await trades("a", "BBB-USD")
        second = await runner.reload(config({"x": entry("AAA-USD")}))
        await trades("a", "AAA-USD")
        assert (first.lines(), second.lines()) == (["exchanges.y: added"], ["exchanges.y: removed"])
        assert runner.feeds == [kept]

    while_running(config({"x": entry("AAA-USD")}), act)
    assert coverage("a") == [
        "Subscribed AAA-USD", "Subscribed BBB-USD", "Unsubscribed BBB-USD", "Unsubscribed AAA-USD",
    ]  # fmt: skip


def test_what_cannot_be_changed_in_place_restarts_that_feed_alone() -> None:
    async def act(runner: Runner) -> None:
        await trades("a", "BBB-USD")
        await trades("a", "AAA-USD")
        kept = runner.feeds[1]
        other = entry("AAA-USD", endpoints={"rest": "https://other.example"})
        changes = await runner.reload(config({"x": other, "y": entry("BBB-USD")}))
        await trades("a", "AAA-USD")
        assert changes.lines() == ["exchanges.x: started again, since endpoints cannot be changed while it runs"]
        assert runner.feeds[0].network.rest == ("https://other.example",)
        assert runner.feeds[1] is kept

    while_running(config({"x": entry("AAA-USD"), "y": entry("BBB-USD")}), act)
    assert coverage("a").count("Subscribed AAA-USD") == 2
    assert coverage("a").count("Subscribed BBB-USD") == 1


def test_a_sink_that_comes_later_is_told_of_instruments_too() -> None:
    async def act(runner: Runner) -> None:
        await trades("a", "AAA-USD")
        sinks = {name: {"type": "keep", "to": name} for name in "ab"}
        await runner.reload(config({"x": entry("AAA-USD")}, sinks))

    one = while_running(config({"x": entry("AAA-USD")}), act)
    told = [("scripted", len(one.feeds[0].instruments))]
    assert {"a": told, "b": told} == LISTS


def test_sinks_come_go_and_change_and_no_event_is_lost_between(tmp_path: Path) -> None:
    def jsonl(**more: Any) -> dict[str, Any]:
        return {"type": "jsonl", "path": str(tmp_path / "x.jsonl"), **more}

    async def act(runner: Runner) -> None:
        await trades("a", "AAA-USD")
        sinks = {"a": {"type": "keep", "to": "a"}, "f": jsonl(queue=500_000), "b": {"type": "keep", "to": "b"}}
        first = await runner.reload(config({"x": entry("AAA-USD")}, sinks))
        await trades("b", "AAA-USD")
        second = await runner.reload(config({"x": entry("AAA-USD")}, {"b": sinks["b"], "f": sinks["f"]}))
        assert first.lines() == [
            "sinks.b: added", "sinks.f: closed and opened again, since it has changed",
        ]  # fmt: skip
        assert second.lines() == ["sinks.a: removed"]
        await trades("b", "AAA-USD")

    first = config({"x": entry("AAA-USD")}, {"a": {"type": "keep", "to": "a"}, "f": jsonl(queue=400_000)})
    while_running(first, act)
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert [line["ordinal"] for line in lines] == list(range(1, len(lines) + 1))
    assert RECORDS["a"][-1].ordinal < RECORDS["b"][-1].ordinal == lines[-1]["ordinal"]


def test_nothing_changed_is_said_so() -> None:
    async def act(runner: Runner) -> None:
        await trades("a", "AAA-USD")
        changes = await runner.reload(config({"x": entry("AAA-USD", credentials={"api_key": "k", "api_secret": "s"})}))
        assert changes == Changes([], [], [], [], [], [], [])
        assert changes.lines() == ["nothing has changed"]

    while_running(config({"x": entry("AAA-USD", credentials={"api_key": "k", "api_secret": "s"})}), act)


AAA = {"x": entry("AAA-USD")}
KEEP: dict[str, Any] = {"type": "keep", "to": "a"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda: config(AAA, name="other"), "night.yaml: name: is read at the start only → restart tickwire to"),
        (lambda: config(AAA, state="x"), "night.yaml: state: is read at the start only → restart tickwire to"),
        (lambda: config(AAA, instruments={"refresh": 5}), "night.yaml: instruments: is read at the start only → re"),
        (
            lambda: config(AAA, {"a": {"type": "keep", "to": "a", "when_full": "block"}}),
            "night.yaml: sinks.a.when_full: block cannot begin or end while feeds run → restart tickwire to change it",
        ),
        (lambda: config(AAA, {}), "night.yaml: sinks: the console cannot come or go while feeds run → restart"),
        (lambda: config({"x": entry("CCC-USD")}), "night.yaml: exchanges.x.symbols[0]: 'CCC-USD' is not listed"),
        (lambda: config({**AAA, "y": {"symbols": ["A-B"]}}), "night.yaml: exchanges.y: no installed plugin serves 'y'"),
        (
            lambda: config({"x": entry("BBB-USD"), "y": entry("A-B", options={"no": 1})}),
            "exchanges.y.options.no: unknown key → one of trades, is_down, refuses",
        ),
        (
            lambda: config({"x": entry("BBB-USD")}, {"a": {"type": "keep", "to": "a"}, "b": {"type": "none"}}),
            "night.yaml: sinks.b.type: no installed plugin offers a sink of type 'none' → one of",
        ),
        (
            lambda: config({"x": entry("BBB-USD")}, {"a": KEEP, "b": {**KEEP, "to": "b", "opens": False}}),
            "sink 'b': cannot open → no hint",
        ),
    ],
)  # fmt: skip
def test_a_wrong_configuration_is_refused_as_a_whole(change: Callable[[], Config], says: str) -> None:
    async def act(runner: Runner) -> None:
        await trades("a", "AAA-USD")
        before, feeds = runner.config, runner.feeds
        with pytest.raises(TickwireError) as caught:
            await runner.reload(change())
        assert says in str(caught.value)
        await trades("a", "AAA-USD")
        assert (runner.config, runner.feeds) == (before, feeds)

    while_running(config(AAA), act)
    assert coverage("a") == ["Subscribed AAA-USD", "Unsubscribed AAA-USD"]


def test_a_feed_added_while_running_does_not_end_the_others_and_is_tried_again_by_the_next_reload() -> None:
    said: list[str] = []

    async def act(runner: Runner) -> None:
        await trades("a", "AAA-USD")
        after = config({**AAA, "y": entry("CCC-USD")})
        await runner.reload(after)
        while not said:  # noqa: ASYNC110 each round lets the runner take a step
            await asyncio.sleep(0)
        await trades("a", "AAA-USD")
        assert (await runner.reload(after)).lines() == ["exchanges.y: added"]
        await runner.reload(config({**AAA, "y": entry("BBB-USD")}))
        await trades("a", "BBB-USD")

    while_running(config(AAA), act, said)
    assert said[0].startswith(
        "exchanges.y: ended, the others run: night.yaml: exchanges.y.symbols[0]: 'CCC-USD' is not"
    )


def test_nothing_can_be_reloaded_before_or_after_a_run() -> None:
    runner = Runner(config(AAA), Registry.of(scripted=sys.modules["tickwire_scripted"], keep=KeepPlugin()))
    with pytest.raises(TickwireError, match="nothing runs that could take over a configuration"):
        asyncio.run(runner.reload(config(AAA)))


def test_a_symbol_that_was_listed_at_the_last_run_is_a_warning_at_this_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(runner: Runner) -> None:
        await trades("a", "AAA-USD")

    module = sys.modules["tickwire_scripted"]
    while_running(config(AAA), act, state=tmp_path)
    symbols = module.ScriptedSymbols

    class Fewer(symbols):  # type: ignore[misc, valid-type]
        def _include_market(self, entry: Any) -> bool:
            return bool(entry["name"] != "BBB-USD")

    module.ScriptedSymbols = Fewer  # type: ignore[attr-defined]
    for _ in range(2):  # the memory of it survives the run that did not list it
        RECORDS.clear()
        with caplog.at_level(logging.WARNING):
            while_running(config({"x": entry("AAA-USD", "BBB-USD")}), act, state=tmp_path)
        assert "scripted: 'BBB-USD' is listed no longer; the rest runs" in caplog.messages
        changes = [one.event for one in RECORDS["a"] if isinstance(one.event, ListingChange)]
        assert [(one.symbol, str(one.kind)) for one in changes] == [("BBB-USD", "delisted")]
        caplog.clear()


def test_two_sinks_cannot_have_one_file(tmp_path: Path) -> None:
    sinks = {
        name: {"type": "jsonl", "path": path}
        for name, path in (("a", f"{tmp_path}"), ("b", f"{tmp_path}/x/../events.jsonl"))
    }
    with pytest.raises(ConfigError) as caught:
        Runner(config(AAA, sinks), Registry.of(scripted=sys.modules["tickwire_scripted"]))
    assert str(caught.value) == (
        f"night.yaml: sinks.b.path: '{tmp_path}/x/../events.jsonl' is the file of sinks.a already "
        "→ give each sink a file of its own"
    )


def test_a_file_of_authorities_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    exchanges = {"x": entry("AAA-USD", tls={"ca_file": str(tmp_path / "ca.pem")})}
    with pytest.raises(ConfigError) as caught:
        Runner(config(exchanges), Registry.of(scripted=sys.modules["tickwire_scripted"], keep=KeepPlugin()))
    assert str(caught.value) == (
        f"night.yaml: exchanges.x.tls.ca_file: cannot read '{tmp_path}/ca.pem': "
        "No such file or directory → name a PEM file"
    )


def test_a_selector_is_told_what_it_came_to() -> None:
    said: list[str] = []

    async def act(runner: Runner) -> None:
        await trades("a", "BBB-USD")

    while_running(config({"x": entry("*-USD", "!AAA-*")}), act, said)
    assert said == ["x: 1 of 2 instruments, 1 subscriptions"]


def test_another_number_of_connections_starts_the_feed_again() -> None:
    changes = changes_between(config({"x": entry("AAA-USD")}), config({"x": entry("AAA-USD", connections=2)}))
    assert changes.lines() == ["exchanges.x: started again, since connections cannot be changed while it runs"]
