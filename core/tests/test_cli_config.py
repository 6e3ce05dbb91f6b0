"""The commands around a config file, as people run them: init, plan, schema, reload; logs and settings of ``run``."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tickwire.run.config import load_config

Start = Callable[..., "subprocess.Popen[str]"]
MODULE = Path(__file__).parent / "scripted" / "tickwire_scripted.py"
NIGHT = """\
state: kept
exchanges:
  scripted:
    symbols: [{symbols}]
    options: {{trades: 1000000000}}
sinks: {{f: {{type: jsonl, path: x.jsonl}}}}
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Give a function that starts a command with a really installed plugin."""
    site = tmp_path / "site"
    metadata = site / "tickwire_scripted-0.1.0.dist-info"
    metadata.mkdir(parents=True)
    shutil.copy(MODULE, site)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tickwire-scripted\nVersion: 0.1.0\n")
    (metadata / "entry_points.txt").write_text("[tickwire.v1]\nscripted = tickwire_scripted\n")
    environ = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(site), "TICKWIRE_LOAD_PLUGINS": "scripted",
        "XDG_STATE_HOME": str(tmp_path / "home"),
    }  # fmt: skip
    started: list[subprocess.Popen[str]] = []

    def launch(*arguments: str, **more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tickwire.cli.main", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**environ, **more},
        )
        started.append(process)
        return process

    yield launch
    for process in started:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


def write(folder: Path, symbols: str = "AAA-USD", more: str = "") -> Path:
    file = folder / "night.yaml"
    file.write_text(NIGHT.format(symbols=symbols) + more)
    return file


def wait_for(file: Path, text: str) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if file.exists() and text in file.read_text():
            return
        time.sleep(0.02)  # the other process has nothing else to tell it by
    raise AssertionError(f"{text!r} did not appear in {file.name}")


# init


def test_init_writes_a_config_that_runs(start: Start, tmp_path: Path) -> None:
    code, out, err = ended(start("init", "new.yaml"))
    assert (code, err) == (0, "")
    assert out == "wrote new.yaml\nnext:  tickwire plan new.yaml\nthen:  tickwire run new.yaml\n"
    config = load_config(tmp_path / "new.yaml", {})
    [entry] = config.exchanges
    assert (entry.exchange, entry.symbols, [str(one.channel) for one in entry.channels]) == (
        "scripted",
        ("BTC-*",),
        ["trades"],
    )
    assert "#   api_key: ${API_KEY:?}" in (tmp_path / "new.yaml").read_text()


def test_the_comments_of_a_starter_are_a_config_too(start: Start, tmp_path: Path) -> None:
    assert ended(start("init", "new.yaml"))[0] == 0
    text = (tmp_path / "new.yaml").read_text().replace("    # proxy", "    proxy").replace("# log:", "log:")
    for key in ("  # archive", "  #   type", "  #   path", "  # alerts", "  #   call", "  #   channels"):
        text = text.replace(key, key.replace("# ", ""))
    (tmp_path / "new.yaml").write_text(text)
    config = load_config(tmp_path / "new.yaml", {})
    assert [sink.name for sink in config.sinks] == ["screen", "archive", "alerts"]


def test_init_leaves_a_file_alone_that_exists(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "tickwire.yaml"
    file.write_text("mine")
    code, _, err = ended(start("init"))
    assert (code, err) == (3, "error: 'tickwire.yaml' exists → name another file, or move that one away\n")
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "says"),
    [
        (["init", "--exchange", "nowhere"], {}, 3, "error: no installed plugin serves 'nowhere' → pip install"),
        (["init", "no/new.yaml"], {}, 3, "error: cannot write 'no/new.yaml': No such file or directory → name another"),
        (
            ["init"], {"TICKWIRE_LOAD_PLUGINS": "none"}, 4,
            "error: no installed plugin serves any exchange → pip install tickwire-backpack, or another exchange's",
        ),
    ],
)  # fmt: skip
def test_what_keeps_init_from_writing(
    start: Start, arguments: list[str], environ: dict[str, str], code: int, says: str
) -> None:
    found, _, err = ended(start(*arguments, **environ))
    assert (found, err.splitlines()[-1][: len(says)]) == (code, says)


# plan


def test_plan_says_what_a_config_amounts_to(start: Start, tmp_path: Path) -> None:
    write(tmp_path, '"*-USD", "!X-*"')
    code, out, err = ended(start("plan", "night.yaml", "--set", "instruments.refresh=90"))
    assert (code, err) == (0, "")
    assert [line.split() for line in out.splitlines()] == [
        [
            "feed",
            "exchange",
            "instruments",
            "streams",
            "connections",
            "per",
            "connection",
            "snapshots",
            "weight",
            "complete",
            "after",
        ],
        [
            "scripted",
            "scripted",
            "2",
            "of",
            "2",
            "2",
            "1",
            "no",
            "limit",
            "known",
            "0",
            "1,",
            "no",
            "limit",
            "known",
            "~1",
            "s",
        ],
        ["sinks", "f", "jsonl,", "drop_oldest"],
        ["understood", "exchanges.scripted.symbols:", "AAA-USD,", "BBB-USD"],
        ["understood", "instruments.refresh:", "90s"],
        ["understood", "instruments.keep:", "7d"],
        ["notes", "exchanges.scripted.symbols[1]", "'!X-*'", "excludes", "nothing", "the", "others", "match"],
    ]


def test_plan_counts_every_connection_of_a_stand_by(start: Start, tmp_path: Path) -> None:
    write(tmp_path)
    code, out, err = ended(start("plan", "night.yaml", "--set", "exchanges.scripted.connections=2"))
    assert (code, err, " 1 × 2 " in out.splitlines()[1]) == (0, "", True)


def test_plan_says_what_steps_a_sink_has_and_what_was_understood_of_them(start: Start, tmp_path: Path) -> None:
    write(tmp_path)
    steps = "sinks.f.process=[candles: {interval: 90}, throttle: {every: 250ms}]"
    code, out, err = ended(start("plan", "night.yaml", "--set", steps))
    assert (code, err) == (0, "")
    assert [line.split(maxsplit=1)[1] for line in out.splitlines() if "sinks" in line] == [
        "f jsonl, through candles → throttle, drop_oldest",
        "sinks.f.process[0].candles.interval: 90s",
        "sinks.f.process[1].throttle.every: 250ms",
    ]


def test_plan_offline_asks_nobody(start: Start, tmp_path: Path) -> None:
    write(tmp_path, more="instruments: {keep: 1d}\n")
    code, _, err = ended(start("plan", "night.yaml", "--offline"))
    assert (code, err) == (
        1,
        "error: exchanges.scripted: the instruments of scripted were never read "
        "→ run tickwire plan without --offline\n",
    )  # fmt: skip
    assert ended(start("plan", "night.yaml"))[0] == 0
    down = ["--set", "exchanges.scripted.options.is_down=true"]
    code, out, _ = ended(start("plan", "night.yaml", "--offline", "--json", *down))
    [feed] = json.loads(out)["feeds"]
    assert (code, feed["symbols"], feed["streams"], feed["connections"]) == (
        0, ["AAA-USD"], 1, [{"socket": "public", "streams": 1, "connections": 1, "times": 1, "most": None}],
    )  # fmt: skip
    code, _, err = ended(start("plan", "night.yaml", *down))
    assert (code, err) == (
        1,
        "error: exchanges.scripted: cannot reach api.scripted.example "
        "→ try again, or use the list read before: --offline\n",
    )
    [file] = (tmp_path / "kept" / "instruments").iterdir()
    text = json.loads(file.read_text())
    file.write_text(json.dumps({**text, "ts_read": text["ts_read"] - 2 * 86_400_000_000_000}))
    code, _, err = ended(start("plan", "night.yaml", "--offline"))
    assert (code, err) == (
        1,
        "error: exchanges.scripted: the instruments of scripted are 2.0 days old "
        "→ run tickwire plan without --offline\n",
    )


def test_plan_names_the_place_of_a_symbol_that_is_not_listed(start: Start, tmp_path: Path) -> None:
    write(tmp_path, "AAA-USD, CCC-USD")
    code, _, err = ended(start("plan", "night.yaml"))
    assert (code, err) == (
        3,
        "error: night.yaml: exchanges.scripted.symbols[1]: 'CCC-USD' is not listed on scripted (2 instruments) "
        "→ tickwire symbols scripted lists them\n",
    )


# schema


def test_schema_prints_one_document(start: Start) -> None:
    code, out, err = ended(start("schema"))
    assert (code, err) == (0, "")
    assert json.loads(out)["title"] == "tickwire"


# run


def test_settings_from_the_command_line_beat_the_environment_and_the_file(start: Start, tmp_path: Path) -> None:
    write(tmp_path)
    process = start(
        "run", "night.yaml", "--duration", "100ms", "--set", "sinks.f.path=last.jsonl",
        TICKWIRE__SINKS__F__PATH="first.jsonl", TICKWIRE__EXCHANGES__SCRIPTED__OPTIONS__TRADES="3",
    )  # fmt: skip
    code, _, _ = ended(process)
    assert (code, (tmp_path / "first.jsonl").exists()) == (0, False)
    lines = (tmp_path / "last.jsonl").read_text().splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["subscribed", *["trade"] * 3, "unsubscribed"]


def test_a_run_leaves_its_instruments_in_its_state(start: Start, tmp_path: Path) -> None:
    write(tmp_path)
    assert ended(start("run", "night.yaml", "--duration", "300ms"))[0] == 0
    [file] = (tmp_path / "kept" / "instruments").iterdir()
    assert [one["symbol"] for one in json.loads(file.read_text())["instruments"]] == ["AAA-USD", "BBB-USD"]


def test_logs_as_json_lines_are_all_there_is_on_stderr(start: Start, tmp_path: Path) -> None:
    write(tmp_path, "AAA-USD, CCC-USD", "log: {format: json, level: error}\n")
    process = start(
        "run", "night.yaml", "--duration", "100ms", "--set", "exchanges.scripted.on_unknown_symbol=warn",
        "--set", "log.level=warning",
    )  # fmt: skip
    code, _, err = ended(process)
    *lines, summary = err.splitlines()
    found: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert (code, summary.split(" · ")[-1]) == (0, "nothing dropped")
    assert [(one["level"], one["message"].split(",")[0]) for one in found] == [
        ("info", "scripted: plugin tickwire-scripted 0.1.0 (native)"),
        ("warning", "scripted: 'CCC-USD' is not listed; it is subscribed to once it is"),
        ("info", "scripted: 1 of 2 instruments"),
    ]
    assert set(found[0]) == {"ts", "level", "logger", "message"}


def test_logs_go_to_a_file(start: Start, tmp_path: Path) -> None:
    write(tmp_path, "AAA-USD, CCC-USD", "log: {file: x.log}\n")
    settings = ["--set", "exchanges.scripted.on_unknown_symbol=warn"]
    code, _, err = ended(start("run", "night.yaml", "--duration", "100ms", *settings))
    assert (code, "is not listed" in err) == (0, False)
    [line] = [line for line in (tmp_path / "x.log").read_text().splitlines() if "CCC-USD" in line]
    assert line.endswith(" WARNING scripted: 'CCC-USD' is not listed; it is subscribed to once it is")


def test_a_log_that_cannot_be_opened_is_named(start: Start, tmp_path: Path) -> None:
    write(tmp_path, more="log: {file: no/x.log}\n")
    code, _, err = ended(start("run", "night.yaml"))
    assert (code, err.splitlines()[-1]) == (
        3,
        "error: night.yaml: log.file: cannot open 'no/x.log': No such file or directory "
        "→ name a file that can be written",
    )


# reload


def test_reload_has_a_running_process_take_over_its_config(start: Start, tmp_path: Path) -> None:
    write(tmp_path)
    running = start("run", "night.yaml")
    wait_for(tmp_path / "x.jsonl", "AAA-USD")
    write(tmp_path, "AAA-USD, BBB-USD")
    assert ended(start("reload", "night.yaml")) == (0, "exchanges.scripted: subscriptions changed\n", "")
    wait_for(tmp_path / "x.jsonl", "BBB-USD")
    assert ended(start("reload", str(running.pid))) == (0, "nothing has changed\n", "")
    write(tmp_path, "AAA-USD", "nonsense: 1\n")
    code, out, err = ended(start("reload"))
    assert (code, out, err.partition(", and")[2]) == (
        3, "",
        " runs on as before: night.yaml: nonsense: unknown key → "
        "one of exchanges, sinks, name, state, instruments, log, recovery, serve\n",
    )  # fmt: skip
    running.send_signal(signal.SIGTERM)
    code, _, err = ended(running)
    assert code == 0
    assert "reload: exchanges.scripted: subscriptions changed" in err.splitlines()
    assert "reload refused, everything runs on as before: night.yaml: nonsense: unknown key" in err
    assert list((tmp_path / "home" / "tickwire" / "running").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "error: no tickwire is running → start one: tickwire run CONFIG\n"),
        (["night.yaml"], "error: no tickwire is running night.yaml → start one: tickwire run CONFIG\n"),
        (["1"], "error: process 1 is no running tickwire of yours → start one: tickwire run CONFIG\n"),
    ],
)
def test_reload_signals_nobody_it_does_not_know(start: Start, arguments: list[str], says: str) -> None:
    assert ended(start("reload", *arguments)) == (3, "", says)


def test_the_file_of_a_process_that_was_killed_names_nobody(start: Start, tmp_path: Path) -> None:
    write(tmp_path)
    running = start("run", "night.yaml")
    wait_for(tmp_path / "x.jsonl", "AAA-USD")
    running.kill()
    running.wait(30)
    assert [file.suffix for file in (tmp_path / "home" / "tickwire" / "running").glob("*.json")] == [".json"]
    assert ended(start("reload"))[0] == 3


def test_reload_asks_which_of_several(start: Start, tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "day.yaml").write_text(NIGHT.format(symbols="BBB-USD").replace("x.jsonl", "y.jsonl"))
    start("run", "night.yaml")
    start("run", "day.yaml")
    wait_for(tmp_path / "x.jsonl", "AAA-USD")
    wait_for(tmp_path / "y.jsonl", "BBB-USD")
    code, _, err = ended(start("reload"))
    assert (code, err[:35]) == (3, "error: 2 are running → name one of ")
    assert "day.yaml" in err
