"""What ``tickwire coverage`` prints and draws."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import typer

from tickwire.cli.coverage import coverage as coverage_command
from tickwire.cli.layout import columns
from tickwire.cli.main import exit_code
from tickwire.model.channels import Channel
from tickwire.model.errors import ConfigError, TickwireError
from tickwire.model.quality import (
    Backfilled,
    Dropped,
    Gap,
    GapCause,
    QualityEvent,
    Severity,
    Subscribed,
    Unsubscribed,
    UnsubscribeReason,
    Watermark,
)
from tickwire.model.stored import Record, encode_record
from tickwire.record.coverage import Coverage, coverage
from tickwire.record.heat_strip import heat_strip
from tickwire.record.moments import moment_text, parse_moment, span_words
from tickwire.record.words import head_line, loss_lines, row_of, verdict

SECOND = 1_000_000_000
TWO = round(datetime(2026, 11, 21, 14, tzinfo=UTC).timestamp()) * SECOND
THREE = TWO + 3600 * SECOND
Head = tuple[str, str, None, int, Channel, None, Severity]
Told = tuple[type, float, tuple[object, ...]]


def at(seconds: float) -> int:
    return TWO + round(seconds * 1000) * (SECOND // 1000)


def series(
    exchange: str, symbol: str, channel: Channel, *middle: Told, is_verified: bool | None = True, until: float = 3600
) -> list[QualityEvent]:
    def head(seconds: float) -> Head:
        return (exchange, symbol, None, at(seconds), channel, None, Severity.INFO)

    inside = [kind(*head(seconds), *more) for kind, seconds, more in middle]
    return [Subscribed(*head(0), at(0), is_verified), *inside, Watermark(*head(until), at(until))]


def gap(start: float, end: float | None, missing: int | None = None, name: str = "g") -> Told:
    ids = (None, None, None) if missing is None else (5, 4 + missing, missing)
    return Gap, end or start, (name, GapCause.DISCONNECTED, at(start), end and at(end), *ids)


DROPPED = (Dropped, 20, ("hot", "drop_oldest", 12, at(10), at(11)))
FILLED = (Backfilled, 1290, ("g", 212, None, None, True))
SOME = gap(600, 660, 3, "a"), gap(700, 700.02, 1, "b"), gap(800, 810, 0, "c")
STORY = [
    *series("backpack", "SOL-USDC", Channel.TRADES, gap(1267, None), FILLED),
    *series("backpack", "SOL-USDC", Channel.L2_BOOK, gap(1267.1, 1267.4)),
    *series("binance", "BTC-USDT", Channel.TRADES, *SOME),
    *series("binance", "BTC-USDT", Channel.L2_BOOK, until=1500),
    *series("bitvavo", "BTC-EUR", Channel.L2_BOOK, DROPPED, is_verified=False),
]


def story() -> list[Record]:
    return [Record(event, "A", number, f"A/{number}") for number, event in enumerate(STORY, 1)]


def printed(found: Sequence[Coverage], start: int | None, end: int | None) -> list[str]:
    head = ("exchange", "symbol", "channel", "complete", "holes")
    return [head_line(found, start, end), *columns([head, *(row_of(one, found) for one in found)]), verdict(found)]


def test_the_table_of_an_hour() -> None:
    assert printed(coverage(story(), TWO, THREE), TWO, THREE) == [
        "2026-11-21 14:00–15:00 UTC    known until 15:00:00 (watermark)",
        "exchange  symbol    channel  complete  holes",
        "backpack  SOL-USDC  trades   100.00 %  1 filled (14:21:07, 212 trades)",
        "backpack  SOL-USDC  l2_book   99.99 %  14:21:07.1–14:21:07.4 disconnected",
        "binance   BTC-USDT  trades    98.33 %  14:10:00–14:11:00 disconnected, 3 missing (5…7) · "
        "14:11:40.000–14:11:40.020 disconnected, 1 missing (5) · 1 without loss",
        "binance   BTC-USDT  l2_book   41.66 %  not known after 14:25:00",
        "bitvavo   BTC-EUR   l2_book  100.00 %  unverified (no sequence)",
        "3 holes open · 1 period not covered",
    ]


def test_without_an_interval_each_series_is_judged_up_to_where_it_is_known() -> None:
    lines = printed(coverage(story()), None, None)
    assert lines[5] == "binance   BTC-USDT  l2_book  100.00 %  known until 14:25:00"
    assert lines[-1] == "3 holes open"


def test_what_a_sink_did_not_write_is_told_with_what_to_do() -> None:
    assert loss_lines(coverage(story())) == [
        "sink hot did not write 12 events (2026-11-21 14:00:10–14:00:11): --sink hot counts them as holes"
    ]


def test_nothing_known_is_not_complete() -> None:
    head = ("toy", "SOL-USDC", None, TWO, Channel.TRADES, None, Severity.INFO)
    found = coverage([Record(Subscribed(*head, TWO), "A", 1, "")])
    assert row_of(found[0], found) == ("toy", "SOL-USDC", "trades", "       –", "nothing known")
    assert verdict(found) == "1 series of which nothing is known"


def test_what_was_given_up_before_the_interval_is_not_missing_in_it() -> None:
    head = ("toy", "OLD-USDC", None, TWO + 20, Channel.TRADES, None, Severity.INFO)
    events = [Subscribed(*head, TWO), Watermark(*head, TWO + 10), Unsubscribed(*head, UnsubscribeReason.DELISTED)]
    records = [Record(event, "A", number, "") for number, event in enumerate(events, 1)]
    assert coverage(records, TWO + 30, TWO + 40) == []
    assert [one.is_complete for one in coverage(records, TWO, TWO + 10)] == [True]


# moments
NOW = TWO + 1800 * SECOND  # 14:30


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("14:00", TWO),
        ("14:00:07.25", at(7.25)),
        ("15:00", THREE - 86_400 * SECOND),  # the last one there was
        ("24:00", TWO + 10 * 3600 * SECOND - 86_400 * SECOND),
        ("2026-11-21T14:00", TWO),
        ("2026-11-21 14:00:00Z", TWO),
        ("2026-11-21", TWO - 14 * 3600 * SECOND),
        ("-1h", NOW - 3600 * SECOND),
        ("-90s", NOW - 90 * SECOND),
        ("now", NOW),
        (str(TWO), TWO),
    ],
)
def test_a_moment_is_read(text: str, moment: int) -> None:
    assert parse_moment(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "25:00", "14:60", "24:01", "-", "-soon", "2026-13-01", "21.11.2026", "1h"])
def test_what_is_no_moment_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ConfigError, match="write 14:00, 2026-11-21T14:00, -1h or now; times are UTC"):
        parse_moment(text, NOW)


def test_moments_are_written() -> None:
    assert [moment_text(at(7.456), digits) for digits in (0, 1, 3)] == ["14:00:07", "14:00:07.4", "14:00:07.456"]
    assert span_words(TWO, THREE) == "2026-11-21 14:00–15:00"
    assert span_words(at(1), THREE + 86_400 * SECOND) == "2026-11-21 14:00:01 – 2026-11-22 15:00"


# the picture
def strips(svg: str) -> list[list[tuple[str, int]]]:
    """Give each strip's colours with their widths, from left to right, as the document has them."""
    space = "{http://www.w3.org/2000/svg}"
    rows: dict[int, list[tuple[str, int]]] = {}
    for rect in ElementTree.fromstring(svg).iter(f"{space}rect"):
        if rect.find(f"{space}title") is not None:
            row = (int(rect.attrib["y"]) - 54) // 22
            rows.setdefault(row, []).append((rect.attrib["class"], int(rect.attrib["width"])))
    return [rows[row] for row in sorted(rows)]


def test_each_series_has_a_strip_and_the_shortest_hole_is_seen() -> None:
    svg = heat_strip(coverage(story(), TWO, THREE), TWO, THREE)
    found = strips(svg)
    assert {sum(width for _, width in strip) for strip in found} == {720}
    assert [[kind for kind, _ in strip] for strip in found] == [
        ["ok", "filled", "ok"],
        ["ok", "hot", "ok"],
        ["ok", "worst", "ok", "warm", "ok"],
        ["ok", "none"],
        ["bare"],
    ]
    assert found[3] == [("ok", 300), ("none", 420)]
    texts = re.findall(r"<text [^>]*>([^<]*)</text>", svg)
    assert "backpack  SOL-USDC  l2_book" in texts
    assert {"14:00", "14:30", "15:00", "99.99 %", "complete, unverified", "not covered"} <= set(texts)


def test_names_are_escaped_in_the_picture() -> None:
    head = ("toy", "A<B&C-USD", None, TWO, Channel.TRADES, None, Severity.INFO)
    found = coverage([Record(Subscribed(*head, TWO), "A", 1, ""), Record(Watermark(*head, THREE), "A", 2, "")])
    assert "A<B&C-USD" in "".join(ElementTree.fromstring(heat_strip(found)).itertext())


# the command
def command(folder: Path, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tickwire.cli.main", "coverage", *arguments], cwd=folder, capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "events.jsonl").write_bytes(b"".join(encode_record(record) + b"\n" for record in story()))
    return tmp_path


def test_the_command_answers_with_its_status_and_as_json(folder: Path) -> None:
    hour = ("events.jsonl", "--from", "2026-11-21T14:00", "--to", "2026-11-21T15:00")
    code, out, err = command(folder, *hour, "--json", "--symbol", "SOL-*")
    answer = json.loads(out)
    assert (code, err, answer["is_complete"], answer["start"], answer["end"]) == (1, "", False, TWO, THREE)
    assert [(one["channel"], one["is_complete"], len(one["holes"])) for one in answer["series"]] == [
        ("trades", True, 0),
        ("l2_book", False, 1),
    ]
    assert answer["series"][1]["complete"] == [[TWO, at(1267.1)], [at(1267.4), THREE]]
    assert answer["series"][0]["closed"][0]["fetched"] == 212
    code, out, err = command(folder, *hour, "--exchange", "bitvavo", "--svg", "strip.svg")
    assert (code, out.splitlines()[-2:], err) == (
        0,
        [
            "sink hot did not write 12 events (2026-11-21 14:00:10–14:00:11): --sink hot counts them as holes",
            "complete",
        ],
        "",
    )
    assert strips((folder / "strip.svg").read_text()) == [[("bare", 720)]]
    code, out, _ = command(folder, *hour, "--exchange", "bitvavo", "--sink", "hot")
    assert (code, out.splitlines()[-1]) == (1, "exit 1: 1 hole open")


def test_a_png_shows_the_same_or_says_what_is_missing(folder: Path) -> None:
    code, _, err = command(folder, "events.jsonl", "--exchange", "bitvavo", "--png", "strip.png")
    try:
        import resvg_py  # noqa: F401
    except ImportError:
        assert (code, "pip install 'tickwire[png]'" in err) == (3, True)
    else:
        assert (code, err, (folder / "strip.png").read_bytes()[:8]) == (0, "", b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize(
    ("place", "options", "code", "says"),
    [
        ("nowhere", {}, 3, "there is no"),
        ("events.jsonl", {"sql": True}, 3, "has no ledger"),
        ("events.jsonl", {"from_": "noon"}, 3, "'noon' is not a moment"),
        ("events.jsonl", {"symbol": "DOGE-*"}, 1, "it knows backpack SOL-USDC trades"),
        ("events.jsonl", {"channel": "tardes"}, 3, "there is no channel 'tardes'"),
    ],
)
def test_what_cannot_be_answered_is_said(folder: Path, place: str, options: Any, code: int, says: str) -> None:
    with pytest.raises(TickwireError) as caught:
        coverage_command(folder / place, **options)
    assert (exit_code(caught.value), says in str(caught.value)) == (code, True)


def test_an_interval_that_ends_before_it_begins_is_a_wrong_command_line(folder: Path) -> None:
    with pytest.raises(typer.BadParameter, match="is not before"):
        coverage_command(folder / "events.jsonl", from_="-1h", to="-2h")
