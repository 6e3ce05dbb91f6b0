"""Many feeds into many sinks."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

from tickwire.model.clock import SystemClock
from tickwire.model.errors import (
    ConfigError,
    PluginContractError,
    PluginLoadError,
    SubscriptionRejectedError,
    TickwireError,
)
from tickwire.model.events import Trade
from tickwire.model.instruments import Instrument
from tickwire.model.stored import Record
from tickwire.plugin.hookspecs import hookimpl
from tickwire.plugin.info import SinkInfo
from tickwire.plugin.registry import Registry
from tickwire.run.config import config_from
from tickwire.run.report import RunReport
from tickwire.run.runner import Runner


@attrs.frozen
class ListOptions:
    to: str = ""
    fails: bool = False
    waits: bool = False


RECORDS: dict[str, list[Record]] = {}
GATE: list[asyncio.Event] = []


class ListSink:
    """Keeps what it is given in ``RECORDS``, or fails, or waits for ``GATE``."""

    def __init__(self, options: ListOptions) -> None:
        self._options = options
        self._records = RECORDS[options.to] = []

    async def open(self) -> None: ...

    async def write(self, records: Sequence[Record]) -> None:
        if self._options.waits:
            await GATE[0].wait()
        if self._options.fails:
            raise OSError("broken")
        self._records += records

    async def close(self) -> None: ...


class ListPlugin:
    @hookimpl
    def tickwire_sinks(self) -> list[SinkInfo]:
        return [
            SinkInfo("list", ListOptions, "tests_list_sink:ListSink"),
            SinkInfo("listed", ListOptions, "tests_list_sink:InstrumentListSink"),
            SinkInfo("bad", ListOptions, "builtins:repr"),
            SinkInfo("worse", ListOptions, "json:loads"),
        ]


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch, scripted: ModuleType) -> None:
    monkeypatch.setitem(sys.modules, "tests_list_sink", sys.modules[__name__])
    RECORDS.clear()
    GATE.clear()


def registry() -> Registry:
    return Registry.of(scripted=sys.modules["tickwire_scripted"], lists=ListPlugin())


def runner(exchanges: Any, sinks: Any = None, say: list[str] | None = None) -> Runner:
    data = {"exchanges": exchanges, "sinks": {"a": {"type": "list", "to": "a"}} if sinks is None else sinks}
    lines: list[str] = [] if say is None else say
    return Runner(config_from(data, "night.yaml", {}), registry(), say=lines.append)


def entry(*symbols: str, exchange: str = "scripted", **options: object) -> dict[str, object]:
    return {"symbols": list(symbols), "exchange": exchange, "options": options}


def trades(sink: str) -> list[str]:
    return [f"{r.event.symbol} {r.event.trade_id}" for r in RECORDS[sink] if isinstance(r.event, Trade)]


async def until(sink: str, count: int) -> None:
    # each symbol begins with one Subscribed
    while len(RECORDS[sink]) <= count:  # noqa: ASYNC110 each round lets the runner take a step
        await asyncio.sleep(0)


def run(one: Runner, *wanted: tuple[str, int]) -> RunReport:
    """Run until each named sink has that many events and one more; without, until it ends."""

    async def main() -> RunReport:
        stop = asyncio.Event()

        async def watch() -> None:
            for sink, count in wanted:
                await until(sink, count)
            if wanted:
                stop.set()

        watching = asyncio.create_task(watch())
        try:
            async with asyncio.timeout(10):
                return await one.run(stop)
        finally:
            watching.cancel()

    return asyncio.run(main())


def test_every_sink_gets_every_event_in_one_total_order() -> None:
    sinks = {name: {"type": "list", "to": name} for name in "ab"}
    one = runner({"x": entry("AAA-USD", trades=50), "y": entry("BBB-USD", trades=50)}, sinks)
    report = run(one, ("a", 101), ("b", 101))
    assert RECORDS["a"] == RECORDS["b"]
    assert [record.ordinal for record in RECORDS["a"]] == list(range(1, len(RECORDS["a"]) + 1))
    assert {record.run_id for record in RECORDS["a"]} == {one.run_id}
    assert RECORDS["a"][0].key == f"{one.run_id}/1"
    assert sorted(trades("a")) == sorted(f"{s} {n}" for s in ("AAA-USD", "BBB-USD") for n in range(1, 51))
    assert report.events == {"subscribed": 2, "trade": 100, "unsubscribed": 2}


def test_a_sink_gets_only_its_channels() -> None:
    sinks = {
        "a": {"type": "list", "to": "a", "channels": ["trades"]},
        "b": {"type": "list", "to": "b", "channels": ["quality"]},
    }
    run(runner({"x": entry("AAA-USD")}, sinks), ("a", 2))
    assert {type(record.event).__name__ for record in RECORDS["a"]} == {"Trade"}
    assert {type(record.event).__name__ for record in RECORDS["b"]} == {"Subscribed", "Unsubscribed"}


def test_a_failing_sink_stops_no_other_and_is_reported() -> None:
    sinks = {"bad": {"type": "list", "to": "bad", "fails": True}, "a": {"type": "list", "to": "a"}}
    report = run(runner({"x": entry("AAA-USD", trades=20)}, sinks), ("a", 20))
    assert len(trades("a")) == 20
    assert report.failures["bad"].first == "OSError: broken"
    assert "bad failed" in str(report)


def test_an_exchange_that_is_down_does_not_keep_the_others_from_running() -> None:
    report = run(runner({"down": entry("AAA-USD", is_down=True), "up": entry("BBB-USD")}), ("a", 3))
    assert report.events["trade"] == 3


def test_a_symbol_that_is_not_listed_ends_the_run_and_is_named_with_its_place() -> None:
    with pytest.raises(ConfigError) as caught:
        run(runner({"x": entry("AAA-USD"), "y": entry("BBB-USD", "AAA-USDT")}))
    assert str(caught.value).startswith("night.yaml: exchanges.y.symbols[1]: 'AAA-USDT' is not listed on scripted")


def test_a_refusal_of_everything_ends_the_run_after_the_sinks_have_all_events() -> None:
    one = runner({"x": entry("AAA-USD", refuses=["AAA-USD"])})
    with pytest.raises(SubscriptionRejectedError):
        run(one)
    assert [type(record.event).__name__ for record in RECORDS["a"]] == ["Unsubscribed"]


def test_the_duration_ends_a_run() -> None:
    one = runner({"x": entry("AAA-USD")})
    assert asyncio.run(one.run(duration=0.05)).events["trade"] == 3


def test_a_blocking_sink_stops_the_sockets_and_loses_nothing() -> None:
    sinks = {"a": {"type": "list", "to": "a", "waits": True, "queue": 10, "when_full": "block"}}
    one = runner({"x": entry("AAA-USD", trades=20_000)}, sinks)

    async def main() -> RunReport:
        GATE.append(asyncio.Event())
        stop = asyncio.Event()
        running = asyncio.create_task(one.run(stop))
        for _ in range(5_000):
            await asyncio.sleep(0)
        # the socket is paused: what has passed is what the buffers on the way hold
        assert 0 < one.report().events["trade"] < 3_000
        GATE[0].set()
        await until("a", 20_000)
        stop.set()
        return await running

    report = asyncio.run(main())
    assert trades("a") == [f"AAA-USD {number}" for number in range(1, 20_001)]
    assert report.dropped == {}


def test_a_stuck_sink_does_not_keep_a_stopped_run_from_ending_and_its_loss_is_counted() -> None:
    sinks = {"stuck": {"type": "list", "to": "stuck", "waits": True}, "a": {"type": "list", "to": "a"}}
    one = runner({"x": entry("AAA-USD")}, sinks)

    async def main() -> tuple[RunReport, float]:
        GATE.append(asyncio.Event())
        stop = asyncio.Event()
        running = asyncio.create_task(one.run(stop))
        await until("a", 3)
        stop.set()
        before = SystemClock.monotonic()
        return await running, SystemClock.monotonic() - before

    report, seconds = asyncio.run(main())
    assert report.dropped == {"stuck": 5}
    assert seconds < 2


def test_what_one_sink_still_has_to_write_is_not_safe() -> None:
    sinks = {"stuck": {"type": "list", "to": "stuck", "waits": True}, "a": {"type": "list", "to": "a"}}
    one = runner({"x": entry("AAA-USD")}, sinks)

    async def main() -> list[int]:
        GATE.append(asyncio.Event())
        stop = asyncio.Event()
        running = asyncio.create_task(one.run(stop))
        await until("a", 3)
        safe = [one._safe()]
        GATE[0].set()
        await until("stuck", 3)
        safe.append(one._safe())
        stop.set()
        await running
        return safe

    assert asyncio.run(main()) == [0, 4]


def test_without_sinks_events_go_to_the_console_and_a_line_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    one = runner({"x": entry("AAA-USD")}, {}, said)
    asyncio.run(one.run(duration=0.05))
    assert said == ["no sinks are configured: events go to the console"]
    assert [line.split()[1:5] for line in capfd.readouterr().out.splitlines()] == [["AAA-USD", "trade", "–", "1.5"]] * 3


def test_a_file_of_events(tmp_path: Path) -> None:
    one = runner({"x": entry("AAA-USD")}, {"f": {"type": "jsonl", "path": str(tmp_path / "x.jsonl")}})
    asyncio.run(one.run(duration=0.05))
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert [line["type"] for line in lines] == ["subscribed", "trade", "trade", "trade", "unsubscribed"]
    assert [line["ordinal"] for line in lines] == [1, 2, 3, 4, 5]


def test_a_sink_that_cannot_be_opened_is_named_and_nothing_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    one = runner({"x": entry("AAA-USD")}, {"f": {"type": "jsonl", "path": f"{tmp_path}/file/x.jsonl"}})
    with pytest.raises(TickwireError, match=r"^sink 'f': cannot open .*: File exists → change path"):
        asyncio.run(one.run(duration=1))
    assert one.report().events == {}


@pytest.mark.parametrize(
    ("exchanges", "sinks", "expected"),
    [
        (
            {"x": {"symbols": ["A-B"], "exchange": "nowhere"}},
            None,
            "night.yaml: exchanges.x: no installed plugin serves 'nowhere' → pip install tickwire-nowhere",
        ),
        (
            {"scripted": {"symbols": ["A-B"], "channels": ["trades", "l1_book"]}},
            None,
            "night.yaml: exchanges.scripted.channels[1]: scripted does not offer 'l1_book' (it offers: trades)",
        ),
        (
            {"scripted": {"symbols": ["A-B"], "options": {"trade": 1}}},
            None,
            "night.yaml: exchanges.scripted.options.trade: unknown key → did you mean trades?",
        ),
        (
            {"scripted": {"symbols": ["A-B"], "options": {"trades": "many"}}},
            None,
            "night.yaml: exchanges.scripted.options.trades: expected a whole number, found 'many'",
        ),
        (
            {"scripted": {"symbols": ["A-B"], "credentials": {"api_kee": "x"}}},
            None,
            "night.yaml: exchanges.scripted.credentials.api_kee: unknown key → did you mean api_key?",
        ),
        (
            {"scripted": {"symbols": ["A-B"], "rest": {"snapshot_interval": 30}}},
            None,
            "night.yaml: exchanges.scripted.rest.snapshot_interval: scripted is streamed, not polled",
        ),
        (
            {"scripted": {"symbols": ["A-B"], "websocket": {"rest_only": True}}},
            None,
            "night.yaml: exchanges.scripted.websocket.rest_only: scripted is streamed, not polled",
        ),
        (
            {"scripted": {"symbols": ["A-B"], "endpoints": {"websocket": {"privat": "wss://x"}}}},
            None,
            "night.yaml: exchanges.scripted: scripted has no socket 'privat' → one of public",
        ),
        (
            {"scripted": {"symbols": ["A-B"]}},
            {"s": {"type": "lost"}},
            "night.yaml: sinks.s.type: no installed plugin offers a sink of type 'lost' → did you mean list?",
        ),
        (
            {"scripted": {"symbols": ["A-B"]}},
            {"s": {"type": "list", "when_ful": "block"}},
            "night.yaml: sinks.s.when_ful: unknown key → did you mean when_full?",
        ),
        (
            {"scripted": {"symbols": ["A-B"]}},
            {"s": {"type": "callback", "call": "print"}},
            "night.yaml: sinks.s: call is 'print' → write module:function",
        ),
        (
            {"scripted": {"symbols": ["A-B"]}},
            {"s": {"type": "callback", "call": "json:no_such"}},
            "night.yaml: sinks.s.call: cannot import 'json:no_such'",
        ),
    ],
)
def test_a_wrong_config_never_starts_half_a_run(exchanges: Any, sinks: Any, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        runner(exchanges, sinks)
    assert str(caught.value).startswith(expected)


def test_a_plugin_that_is_not_installed_is_named_with_what_to_install() -> None:
    with pytest.raises(PluginLoadError) as caught:
        runner({"x": {"symbols": ["A-B"], "class": "CcxtGenericFeed", "exchange": "backpack"}})
    assert str(caught.value) == "no installed plugin named 'ccxt_generic' → pip install tickwire-ccxt-generic"


def test_a_key_that_is_a_plugins_name_pins_it() -> None:
    with pytest.raises(ConfigError, match="plugin 'scripted' does not serve 'backpack'"):
        runner({"scripted": {"symbols": ["A-B"], "exchange": "backpack"}})
    with pytest.raises(ConfigError, match="no installed plugin serves 'backpack'"):
        runner({"mine": {"symbols": ["A-B"], "exchange": "backpack"}})


@pytest.mark.parametrize(
    ("type", "message"),
    [("bad", "builtins:repr gave a str, which is no Sink"), ("worse", "json:loads raised TypeError")],
)
def test_a_factory_that_gives_no_sink_is_the_plugins_fault(type: str, message: str) -> None:
    with pytest.raises(PluginContractError, match=message):
        runner({"scripted": {"symbols": ["A-B"]}}, {"s": {"type": type}})


class InstrumentListSink(ListSink):
    """Keeps the lists of instruments too."""

    async def open(self) -> None:
        LISTS.clear()

    def see_instruments(self, exchange: str, instruments: Sequence[Instrument], now: int) -> None:
        LISTS.append((exchange, [one.symbol for one in instruments]))


LISTS: list[tuple[str, list[str]]] = []


def test_a_sink_that_stores_instruments_is_told_what_each_exchange_lists() -> None:
    one = runner(
        {"x": entry("AAA-USD", trades=5)},
        {"a": {"type": "list", "to": "a"}, "i": {"type": "listed", "to": "i"}},
    )
    run(one, ("a", 5))
    assert [exchange for exchange, _ in LISTS] == ["scripted"]
    assert LISTS[0][1] == [instrument.symbol for instrument in one.feeds[0].instruments]
