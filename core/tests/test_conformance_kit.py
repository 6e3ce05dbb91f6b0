"""The kit around its checks: its page, reports, the matrix, frames, and registries with an addition."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tickwire import Channel, DecodeError, Registry, Side, Subscription, Trade, hookimpl
from tickwire.plugin import Confirmed, Request, Response, Send, Unknown
from tickwire.testing import ExchangeConformance, SinkConformance, checks_of
from tickwire.testing.catalogue import catalogue, sink_catalogue
from tickwire.testing.checks import GROUPS
from tickwire.testing.frames import RECEIVED, answers_in, events_lines, frames_in, read_frames
from tickwire.testing.matrix import main, matrix
from tickwire.testing.mutations import leaves, objects, replaced, with_member, writes_number, writes_time
from tickwire.testing.report import CheckResult, Report, read_report, shipped_report

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
BEGIN, END = "<!-- checks: python -m tickwire.testing.catalogue -->\n", "<!-- end of checks -->"


SINKS_BEGIN = "<!-- checks: python -m tickwire.testing.catalogue sinks -->\n"


def report(exchange: str, *checks: CheckResult) -> Report:
    return Report(1, exchange, exchange, f"tickwire-{exchange}", "0.1.0", "0.1.0", "3.11.7", "2026-11-26", checks)


def test_the_page_lists_every_check_as_the_code_does() -> None:
    written = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    assert written == catalogue(), "put in what python -m tickwire.testing.catalogue prints"


def test_the_page_of_sinks_lists_every_check_as_the_code_does() -> None:
    written = PAGE.with_name("sinks.md").read_text().partition(SINKS_BEGIN)[2].partition(END)[0]
    assert written == sink_catalogue(), "put in what python -m tickwire.testing.catalogue sinks prints"


def test_every_test_of_the_sink_kit_is_a_check_with_an_id_of_its_own() -> None:
    tests = [name for name in dir(SinkConformance) if name.startswith("test_")]
    numbers = [int(one.id.removeprefix("K")) for one in checks_of(SinkConformance)]
    assert numbers == list(range(1, len(tests) + 1))
    assert sorted(f"k{number}" for number in numbers) == sorted(name.split("_")[1] for name in tests)


def test_every_test_of_the_kit_is_a_check_with_an_id_of_its_own() -> None:
    tests = [name for name in dir(ExchangeConformance) if name.startswith("test_")]
    ids = [one.id for one in checks_of(ExchangeConformance)]
    assert len(ids) == len(set(ids)) == len(tests)
    assert sorted(name.split("_")[1] for name in tests) == sorted(id.lower() for id in ids)
    for letter in GROUPS:
        numbers = [int(id[1:]) for id in ids if id.startswith(letter)]
        assert numbers == list(range(1, len(numbers) + 1))


def test_kit_classes_are_not_collected_by_themselves() -> None:
    assert not [base.__name__ for base in ExchangeConformance.__mro__ if base.__name__.startswith("Test")]


@pytest.mark.parametrize("module", ["tickwire.testing", "tickwire.testing.pytest_plugin", "tickwire.testing.report"])
def test_what_pytest_doctor_and_dresses_import_is_light(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"hypothesis", "aiohttp", "tickwire.run.feed"} & set(done.stdout.split())


def test_a_dress_can_be_used_where_pytest_and_hypothesis_are_not_installed() -> None:
    code = (
        "import sys; sys.modules['pytest'] = sys.modules['hypothesis'] = None\n"
        "from tickwire.testing import MemoryExchange, Oracle, SimBook, SimTrade\n"
        "import tickwire.testing.matrix"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_report_sums_itself_up_and_is_read_back(tmp_path: Path) -> None:
    outcomes = ["passed"] * 3 + ["skipped"] * 2 + ["xfailed", "failed"]
    found = report("acme", *(CheckResult(f"R{number}", "", outcome) for number, outcome in enumerate(outcomes)))
    words = "kit 1: 3 passed, 1 FAILED, 2 skipped (cannot), 1 not yet · 2026-11-26 · tickwire-acme 0.1.0"
    assert str(found) == words
    (tmp_path / "out.json").write_bytes(msgspec.json.encode(found))
    assert read_report(tmp_path / "out.json") == found
    (tmp_path / "out.json").write_bytes(b"[]")
    with pytest.raises(DecodeError, match=r"out\.json is no conformance report: Expected `object`"):
        read_report(tmp_path / "out.json")


def test_a_package_ships_a_report_for_each_exchange_that_it_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "kit_test_shipping"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    (package / "conformance.json").write_bytes(msgspec.json.encode(report("one")))
    (package / "conformance.two.json").write_bytes(msgspec.json.encode(report("two")))
    shipped = {name: shipped_report("kit_test_shipping", name) for name in ("one", "two", "three", None)}
    assert shipped == {"one": report("one"), "two": report("two"), "three": None, None: report("one")}


def test_the_matrix_is_made_of_what_was_found(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    one = report(
        "one",
        CheckResult("R1", "", "passed", "trades"),
        CheckResult("R12", "", "failed", "trades"),
        CheckResult("R1", "", "xfailed", "candles"),
        CheckResult("B1", "", "passed"),
    )
    other = report("other", CheckResult("R1", "", "passed", "trades"), CheckResult("B6", "", "skipped"))
    assert matrix([one, other]).splitlines() == [
        "|  | one | other |",
        "| --- | --- | --- |",
        "| `trades` | **fails** | yes |",
        "| `candles` | not yet | – |",
        "| book equal at every sequence | yes | – |",
        "| book checksum | – | – |",
        "| snapshot over REST | – | – |",
        "| history of trades | – | – |",
        "| login | – | – |",
        "| exact decimals | – | – |",
        "| checks passed | 2 | 1 |",
        "| plugin | tickwire-one 0.1.0 | tickwire-other 0.1.0 |",
        "| date | 2026-11-26 | 2026-11-26 |",
    ]
    twin = msgspec.structs.replace(other, exchange="one")
    assert matrix([one, twin]).splitlines()[0] == f"|  | one by {one.plugin} | one by {twin.plugin} |"
    assert main([]) == 2
    assert main([str(tmp_path / "none.json")]) == 1
    assert "none.json" in capsys.readouterr().err


HEADER = '{"source": "docs", "date": "2026-11-26", "kind": "documented"}'


def test_frames_are_read_with_their_header(tmp_path: Path) -> None:
    path = tmp_path / "trades.perp.jsonl"
    path.write_text(f'{HEADER}\n{{"a":1}}\n{{"b":2}}\n')
    (tmp_path / "trades.perp.events.jsonl").write_text("[]\n")
    assert frames_in(tmp_path) == [path]
    file = read_frames(path)
    assert (file.channel, file.frames, file.events_path.name) == (
        Channel.TRADES, (b'{"a":1}', b'{"b":2}'), "trades.perp.events.jsonl",
    )  # fmt: skip
    path.write_text(HEADER.replace("}", ', "binary": true}') + "\n/wA=\n")
    assert read_frames(path).frames == (b"\xff\x00",)
    other = tmp_path / "pongs.jsonl"
    other.write_text(f"{HEADER}\n")
    assert read_frames(other).channel is None


@pytest.mark.parametrize("header", ["", "[]", '{"source": "x", "date": "y"}', HEADER.replace("documented", "made up")])
def test_a_file_without_a_header_says_what_to_write(header: str, tmp_path: Path) -> None:
    path = tmp_path / "trades.jsonl"
    path.write_text(header)
    with pytest.raises(ValueError, match=r"^trades\.jsonl: "):
        read_frames(path)


def test_events_and_controls_are_written_down_one_line_a_frame() -> None:
    trade = Trade("acme", "BTC-USD", 1, 2, 1e-7, 2.0, Side.BUY, "7")
    lines = events_lines([[trade, Unknown("x")], [], [Confirmed((Subscription(Channel.TRADES, None),)), Send(b"ping")]])
    first, second, third = lines.decode().splitlines()
    assert first == (
        '[{"type":"trade","schema":1,"exchange":"acme","symbol":"BTC-USD","ts_event":1,"ts_recv":2,"price":0.0000001,'
        '"size":2.0,"taker_side":"buy","trade_id":"7","sequence":null,"matches":null,"backfilled":false,'
        '"conditions":[]}, {"control":"Unknown","kind":"x"}]'
    )
    assert (second, third) == (
        "[]",
        '[{"control":"Confirmed","subscriptions":["* trades"]}, '
        '{"control":"Send","payload":"ping","subscriptions":[]}]',
    )


def test_recorded_answers_are_found_by_method_and_path(tmp_path: Path) -> None:
    (tmp_path / "rest").mkdir()
    facts = {"request": "GET /v1/markets", "source": "docs", "date": "2026", "kind": "recorded", "body": [1]}
    (tmp_path / "rest" / "markets.json").write_text(json.dumps(facts))
    answers = answers_in(tmp_path)
    assert answers(Request("GET", "/v1/markets?type=spot")) == Response(
        200, {"content-type": "application/json"}, b"[1]", RECEIVED
    )


def test_mutations_reach_every_place_of_a_document() -> None:
    document = {"a": "1.5", "b": [{"c": None}, "2026-01-01T00:00:00"], "d": True}
    assert dict(leaves(document)) == {
        ("a",): "1.5", ("b", 0, "c"): None, ("b", 1): "2026-01-01T00:00:00", ("d",): True,
    }  # fmt: skip
    assert list(objects(document)) == [(), ("b", 0)]
    assert json.loads(replaced(document, ("b", 0, "c"), "nan"))["b"][0] == {"c": "nan"}
    assert json.loads(with_member(document, ("b", 0), "new", 1))["b"][0] == {"c": None, "new": 1}
    assert [writes_number(value) for value in ("1.5", 7, True, None, "x")] == [True, True, False, False, False]
    assert [writes_time(value) for value in ("1780000000", "1.5", "2026-01-01", None)] == [True, False, True, False]


class Way:
    @hookimpl
    def tickwire_transport(self) -> object:
        return object()


def test_a_registry_can_have_an_addition_that_a_feed_names_as_an_extension() -> None:
    registry = Registry.discover()
    more = registry.including(way=Way())
    assert [record.name for record in more.records] == [*(one.name for one in registry.records), "way"]
    assert registry.including() == registry
    assert more.module("way").__class__ is Way
