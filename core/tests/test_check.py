"""``tickwire check``: what a plugin makes of captured frames, what nobody reads, and what looks wrong."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import attrs
import msgspec
import pytest
import typer

from tickwire import BookDelta, ConfigError, Instrument, Quote, Registry, Side, SymbolParts, Trade
from tickwire.cli.captures import read_any
from tickwire.cli.check import check
from tickwire.cli.examining import Reader
from tickwire.cli.units import refused_for_its_unit, size_doubts, time_doubts, usual_numbers
from tickwire.native import Micros, Millis

PLUGIN = Path(__file__).parent / "scripted" / "tickwire_combined.py"
CAPTURES = Path(__file__).parents[3] / "shared" / "captures"
HEADER = '{"source": "https://docs.combined.example", "date": "2026-11-21", "kind": "documented"}\n'
LISTED = {
    "symbol": "BTCUSD", "baseAsset": "BTC", "quoteAsset": "USD",
    "filters": [
        {"filterType": "PRICE_FILTER", "tickSize": "0.01"}, {"filterType": "LOT_SIZE", "stepSize": "0.00001"},
    ],
}  # fmt: skip
LIST = {"symbols": [LISTED]}
MS, NS = 1_788_361_471_034, 1_788_361_471_034_000_000


def match(**changes: object) -> str:
    data = {"e": "aggTrade", "s": "BTCUSD", "T": MS, "p": "64250.50", "q": "0.01250", "a": 7, "m": True, **changes}
    return json.dumps({"stream": "btcusd@aggTrade", "data": data})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install the plugin as a folder on the path, and make the project that it is developed in."""
    site = tmp_path / "site"
    facts = site / "tickwire_combined-0.1.0.dist-info"
    facts.mkdir(parents=True)
    shutil.copy(PLUGIN, site)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: tickwire-combined\nVersion: 0.1.0\n")
    (facts / "entry_points.txt").write_text("[tickwire.v1]\ncombined = tickwire_combined\n")
    folder = tmp_path / "project"
    rest = folder / "frames" / "rest"
    rest.mkdir(parents=True)
    answer = {"request": "GET /api/v3/exchangeInfo", "source": "s", "date": "d", "kind": "recorded", "body": LIST}
    (rest / "list.json").write_text(json.dumps(answer))
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "x"\n[project.entry-points."tickwire.v1"]\ncombined = "x"\n'
    )
    monkeypatch.syspath_prepend(site)
    yield folder
    sys.modules.pop("tickwire_combined", None)


def frames_of(project: Path, *lines: str) -> Path:
    path = project / "frames" / "trades.jsonl"
    path.write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return path


def run(*paths: Path, write: bool = False, as_json: bool = False, exchange: str | None = None) -> int:
    try:
        check(list(paths), exchange, None, write, as_json)
    except typer.Exit as end:
        return end.exit_code
    return 0


def test_each_frame_is_told_with_what_it_gave(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = frames_of(project, match(), match(new={"x": 1}), '{"stream": "x", "data": {"e": "rumour"}}')
    assert run(path) == 0
    lines = capsys.readouterr().out.replace(str(project), "P").splitlines()
    trade = f"event     Trade BTC-USD ts_event={NS} price=64250.5 size=0.0125 taker_side=sell trade_id=7 sequence=7"
    assert lines == [
        "P/frames/trades.jsonl: 3 frames, documented 2026-11-21, https://docs.combined.example",
        "plugin    combined (tickwire-combined 0.1.0), 1 instruments",
        f"     1  {trade} backfilled=False",
        f"     2  {trade} backfilled=False",
        "     2  new       nothing reads data.new",
        "     3  control   Unknown kind=rumour",
        "made      2 Trade, 1 Unknown",
        "unknown   rumour (1 ×, first in 3)",
        "new       data.new (1 ×, first in 2)",
        "unread    stream (2 ×, first in 1)",
        "",
    ]


def test_fields_are_compared_with_the_type_that_read_the_frame(project: Path) -> None:
    top = {"s": "BTCUSD", "b": "64250.4", "B": "1", "a": "64250.5", "A": "2", "new": 1}
    path = frames_of(project, json.dumps({"stream": "btcusd@bookTicker", "data": top}), match(older=1))
    registry = Registry.discover()
    reader = Reader(registry, registry.select("combined"))
    file = read_any(path)
    reader.load(file)
    assert [(one.new_fields, one.unread) for one in reader.read(file)] == [
        (("data.new",), ("stream",)),
        (("data.older",), ("stream",)),
    ]


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (match(s="ETHUSD"), "UnknownNativeError: no instrument is loaded under the native symbol 'ETHUSD'"),
        (match(p="nan"), "DecodeError: malformed frame of kind 'aggTrade'"),
        ("{", "DecodeError: malformed frame of kind None"),
    ],
)
def test_a_frame_that_cannot_be_read_fails_the_check_and_the_others_are_told(
    project: Path, capsys: pytest.CaptureFixture[str], frame: str, told: str
) -> None:
    path = frames_of(project, frame, match())
    assert run(path, write=True) == 1
    out = capsys.readouterr().out
    assert f"     1  ERROR     {told}" in out
    assert "     2  event     Trade" in out
    assert "errors    1 of 2 frames cannot be read, first 1" in out
    assert "wrote     nothing: a frame cannot be read" in out
    assert not path.with_name("trades.events.jsonl").exists()


def test_write_leaves_what_the_kit_compares_with(project: Path) -> None:
    path = frames_of(project, match(), '{"stream": "x", "data": {"e": "rumour"}}')
    assert run(path, write=True) == 0
    first, second = path.with_name("trades.events.jsonl").read_text().splitlines()
    assert [one["type"] for one in json.loads(first)] == ["trade"]
    assert json.loads(second) == [{"control": "Unknown", "kind": "rumour"}]


def test_json_is_one_document_of_all_files(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames_of(project, match(new=1), match(T=MS // 1_000))
    assert run(project / "frames", as_json=True) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["exchange"], found["plugin"]) == ("combined", "combined")
    (file,) = found["files"]
    assert (file["kind"], file["date"], file["instruments"], file["notes"]) == ("documented", "2026-11-21", 1, [])
    good, bad = file["frames"]
    assert [one["trade_id"] for one in good["made"]] == ["7"]
    assert {name: good[name] for name in ("number", "error", "new_fields", "unread", "doubts")} == {
        "number": 1, "error": None, "new_fields": ["data.new"], "unread": ["stream"], "doubts": [],
    }  # fmt: skip
    assert (bad["made"], bad["doubts"]) == ([], ["the type says milliseconds: the wire has another unit"])


def test_the_project_around_the_frames_says_whose_they_are(project: Path, tmp_path: Path) -> None:
    path = frames_of(project, match())
    (project / "pyproject.toml").write_text('[project]\n[project.entry-points."tickwire.v1"]\nacme = "x"\n')
    with pytest.raises(ConfigError, match="is not installed, or cannot be used: see tickwire plugins → python -m pip"):
        run(path)
    assert run(path, exchange="combined") == 0


def test_what_is_no_frames_file_says_what_to_write(project: Path) -> None:
    path = project / "frames" / "trades.jsonl"
    path.write_text(match())
    with pytest.raises(ConfigError, match=r'the first line must be {"source"'):
        run(path)
    path.unlink()
    with pytest.raises(ConfigError, match=r"has no frames → name a file of frames, or a folder of \*.jsonl files"):
        run(project / "frames")


def test_a_simulator_that_speaks_another_language_is_a_note(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry.discover()
    reader = Reader(registry, registry.select("combined"))
    wiring = reader._wiring
    named = attrs.evolve(wiring, info=attrs.evolve(wiring.info, simulator="tickwire_nowhere:Simulator"))
    monkeypatch.setattr(reader, "_wiring", named)
    assert reader.load(read_any(frames_of(project, match()))) == 1
    assert reader.notes == ["the simulator's list of instruments cannot be read: No module named 'tickwire_nowhere'"]


# cryptofeed's raw captures
def capture(folder: Path) -> Path:
    (folder / "COMBINED.0").write_text(
        f"https://api.combined.example/api/v3/exchangeInfo?x=1 -> 1788361470.5: {json.dumps(LIST)}\n"
        'configuration: {"trades": ["BTC-USD"]}\n'
    )
    path = folder / "COMBINED.ws.1.0"
    path.write_text(
        "wss://ws.combined.example/stream?streams=x <-> 1788361470.75\n"
        'wss://ws.combined.example/stream?streams=x <- 1788361470.8: {"op": "sub"}\n'
        f"\n1788361471.0345: {match()}\nwhat is this?\n"
        f"1788361471.134567891: {match(T=MS - 90_000_000)}\n"
    )
    return path


def test_a_capture_of_cryptofeed_gives_frames_with_their_times_and_the_instruments_beside_it(project: Path) -> None:
    file = read_any(capture(project))
    assert [received for received, _ in file.frames] == [1788361471_034500000, 1788361471_134567891]
    assert [frame.decode() for _, frame in file.frames] == [match(), match(T=MS - 90_000_000)]
    assert (file.header.source, file.header.date) == ("wss://ws.combined.example/stream?streams=x", "2026-09-02")
    registry = Registry.discover()
    reader = Reader(registry, registry.select("combined"))
    assert reader.load(file) == 1
    assert reader.notes == ["1 lines have no known form and are left out"]
    one, other = reader.read(file)
    assert one.items == [
        Trade("combined", "BTC-USD", NS, 1788361471_034500000, 64250.5, 0.0125, Side.SELL, "7", 7)
    ]  # fmt: skip
    assert (one.doubts, other.doubts) == ((), ("Trade: ts_event is 2026-09-01 14:04:31, -1.0 days from its arrival",))


def test_what_a_capture_gives_is_written_beside_it(project: Path) -> None:
    path = capture(project)
    assert run(path, write=True) == 0
    assert len(path.with_name("COMBINED.ws.1.0.events.jsonl").read_text().splitlines()) == 2
    assert run(path) == 0  # what was written is no part of the capture


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="no captures beside the repository")
@pytest.mark.parametrize("name", ["binance/BINANCE", "binanceus/BINANCE_US"])
def test_real_captures_are_read_to_the_last_frame(project: Path, name: str) -> None:
    path = CAPTURES / f"{name}.ws.1.0"
    file = read_any(path)
    lines = [line.partition(": ") for line in path.read_text().splitlines() if line and "<->" not in line]
    assert [(int(Decimal(time) * 10**9), frame) for time, _, frame in lines] == [
        (received, frame.decode()) for received, frame in file.frames
    ]
    registry = Registry.discover()
    reader = Reader(registry, registry.select("combined"))
    assert reader.load(file) > 100
    outcomes = reader.read(file)
    kinds = Counter(frame.split('"', 4)[3].partition("@")[2].partition("@")[0] for _, _, frame in lines)
    given = Counter(type(item) for one in outcomes for item in one.items)
    unknown = Counter(kind for one in outcomes for kind in one.unknown)
    assert given[BookDelta] == kinds["depth"]
    assert given[Quote] == kinds["bookTicker"]
    assert given[Trade] == kinds["aggTrade"]
    assert unknown == {"kline": kinds["kline_1m"]}
    assert [one for one in outcomes if one.error or one.doubts] == []


# units
HEAD = ("combined", "BTC-USD")
BTC = Instrument.of(
    "combined", "BTCUSD", SymbolParts("BTC", "USD"), tick_size=Decimal("0.01"), lot_size=Decimal("0.00001")
)


def trade(price: float, size: float, ts: int | None = NS) -> Trade:
    return Trade(*HEAD, ts, NS, price, size, Side.BUY, "1", 1)


@pytest.mark.parametrize(
    ("ts", "received", "doubts"),
    [
        (NS, NS, []),
        (NS, None, []),
        (None, NS, []),
        (NS // 10**3, None, [f"ts_event is {NS // 10**3}: it looks like microseconds, times are ns (× 1,000)"]),
        (NS // 10**6, None, [f"ts_event is {NS // 10**6}: it looks like milliseconds, times are ns (× 1,000,000)"]),
        (NS // 10**9, None, [f"ts_event is {NS // 10**9}: it looks like seconds, times are ns (× 1,000,000,000)"]),
        (NS * 1_000, None, [f"ts_event is {NS * 1_000}: in no unit is it a time"]),
        (NS + 3 * 86_400 * 10**9, NS, ["ts_event is 2026-09-05 15:04:31, +3.0 days from its arrival"]),
    ],
)
def test_a_time_in_another_unit_is_doubted(ts: int | None, received: int | None, doubts: list[str]) -> None:
    assert list(time_doubts(trade(1.0, 1.0, ts), received)) == doubts


@pytest.mark.parametrize(
    ("event", "doubts"),
    [
        (trade(64250.5, 0.0125), []),
        (
            trade(0.01255, 64250.5),
            ["price 0.01255 is no multiple of the tick 0.01, and size 64250.5 is: are they turned round?"],
        ),
        (trade(64250.505, 0.012345), ["price 64250.505 is no multiple of the tick 0.01"]),
        (BookDelta(*HEAD, NS, NS, ((64250.4, 0.0),), ((64250.505, 0.012345),), 1, 1),
         ["price 64250.505 is no multiple of the tick 0.01"]),
        (Quote(*HEAD, None, NS, 64250.4, 1.0, None, None), []),
    ],
)  # fmt: skip
def test_a_price_off_its_tick_is_doubted(event: object, doubts: list[str]) -> None:
    assert list(size_doubts(event, BTC, usual_numbers([event]))) == doubts


def test_a_price_among_sizes_is_doubted() -> None:
    good = [trade(100.0 + number, 0.5 * number + 0.1) for number in range(9)]
    bad = trade(2.0, 101.0)
    usual = usual_numbers([*good, bad])
    assert [list(size_doubts(one, None, usual)) for one in good] == [[]] * 9
    assert list(size_doubts(trade(0.5, 101.0), None, usual)) == [
        "price 0.5 and size 101.0: other prices are around 103.5: are they turned round?"
    ]


def test_a_file_of_prices_and_sizes_turned_round_is_doubted_as_a_whole() -> None:
    turned = [trade(0.01 * 3**number, 100.0 + number) for number in range(9)]
    usual = usual_numbers(turned)
    assert list(size_doubts(turned[0], None, usual)) == [
        "price 0.01 and size 100.0: sizes stay close together, prices do not: are they turned round?"
    ]


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        (Micros, MS, "the type says microseconds: the wire has another unit"),
        (Millis, NS, "the type says milliseconds: the wire has another unit"),
        (Millis, "soon", ""),
    ],
)
def test_a_wire_type_of_another_unit_is_told(kind: object, value: object, told: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, kind)
    assert refused_for_its_unit(str(caught.value)) == told
