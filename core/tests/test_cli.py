"""The commands as people run them: in a process of their own, with a really installed plugin."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tickwire.cli.main import exit_code
from tickwire.cli.stream import channel_texts
from tickwire.model.errors import (
    AmbiguousExchangeError,
    AuthRejectedError,
    ConfigError,
    ConnectionLostError,
    PluginLoadError,
    SubscriptionRejectedError,
)
from tickwire.model.stored import decode_event

Start = Callable[..., "subprocess.Popen[str]"]
MODULE = Path(__file__).parent / "scripted" / "tickwire_scripted.py"
EXCHANGE = "exchanges: {{scripted: {{symbols: [AAA-USD], options: {{trades: {trades}, {more}}}}}}}\n"
MANY = 1_000_000_000


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    site = tmp_path / "site"
    metadata = site / "tickwire_scripted-0.1.0.dist-info"
    metadata.mkdir(parents=True)
    shutil.copy(MODULE, site)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tickwire-scripted\nVersion: 0.1.0\n")
    (metadata / "entry_points.txt").write_text("[tickwire.v1]\nscripted = tickwire_scripted\n")
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(site),
        "TICKWIRE_LOAD_PLUGINS": "scripted",
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    started: list[subprocess.Popen[str]] = []

    def launch(*arguments: str, **more: str) -> "subprocess.Popen[str]":
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


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=90)
    return process.returncode, out, err


def write(folder: Path, trades: int = 3, more: str = "", sinks: str = "") -> None:
    (folder / "night.yaml").write_text(EXCHANGE.format(trades=trades, more=more) + sinks)


def test_help_lists_the_commands_and_each_has_an_example(start: Start) -> None:
    code, out, _ = ended(start("--help"))
    commands = [line.split()[0] for line in out.partition("Commands:")[2].splitlines() if line.strip()]
    known = [
        "check",
        "coverage",
        "doctor",
        "init",
        "new",
        "plan",
        "plugins",
        "record",
        "reload",
        "replay",
        "run",
        "schema",
        "simulate",
        "stream",
        "symbols",
    ]
    assert (code, sorted(commands)) == (0, known)
    processes = [start(command, "--help") for command in commands]
    assert ["Example: tickwire " in ended(process)[1] for process in processes] == [True] * len(known)


def test_the_version(start: Start) -> None:
    code, out, err = ended(start("--version"))
    assert (code, out.split()[0], err) == (0, "tickwire", "")


def test_stream_prints_events_on_stdout_and_the_rest_on_stderr(start: Start) -> None:
    code, out, err = ended(start("stream", "scripted", "AAA-USD", "--duration", "300ms"))
    assert code == 0
    assert [line.split()[1:7] for line in out.splitlines()] == [["AAA-USD", "trade", "–", "1.5", "×", "2.0"]] * 3
    header, summary = err.splitlines()
    assert header == (
        "scripted: plugin tickwire-scripted 0.1.0 (native), wss://ws.scripted.example, 1 subscription on 1 connection"
    )
    seconds, _, rest = summary.partition(" · ")
    assert float(seconds.removesuffix(" s")) >= 0.3  # longer on a busy machine
    assert rest == "3 trades · no gaps · nothing dropped"


def test_stream_as_json_prints_events_that_read_back(start: Start) -> None:
    code, out, _ = ended(start("stream", "scripted", "AAA-USD", "BBB-USD", "--json", "--duration", "300ms"))
    types = [type(decode_event(line)).__name__ for line in out.splitlines()]
    assert (code, sorted(types)) == (0, ["Subscribed"] * 2 + ["Trade"] * 6 + ["Unsubscribed"] * 2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_cleanly_and_flushes(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    write(tmp_path, MANY, sinks="sinks: {f: {type: jsonl, path: x.jsonl}, c: {type: console}}")
    process = start("run", "night.yaml")
    assert process.stdout is not None
    process.stdout.readline()
    before = time.monotonic()
    process.send_signal(number)
    code, _, err = ended(process)
    assert (code, time.monotonic() - before < 20) == (0, True)
    lines = (tmp_path / "x.jsonl").read_bytes()
    assert lines.endswith(b"\n")
    assert json.loads(lines.splitlines()[-1])["type"] in ("unsubscribed", "dropped")
    assert " trades · no gaps · " in err.splitlines()[-1]


def test_a_second_ctrl_c_kills(start: Start, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\ndef wait(event):\n    print('waiting', flush=True)\n    time.sleep(60)\n"
    )
    write(tmp_path, sinks="sinks: {s: {type: callback, call: 'slow:wait'}}")
    process = start("run", "night.yaml")
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < deadline:
        process.send_signal(signal.SIGINT)
    assert process.wait(30) == -signal.SIGINT


def test_a_reader_that_closes_the_pipe_ends_the_stream_quietly(start: Start, tmp_path: Path) -> None:
    write(tmp_path, MANY)
    process = start("run", "night.yaml", "--json")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    assert (process.wait(30), len(err.splitlines())) == (0, 2)


def test_a_reader_that_does_not_read_does_not_keep_it_from_ending(start: Start, tmp_path: Path) -> None:
    write(tmp_path, MANY)
    process = start("run", "night.yaml", "--json")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0  # a drain that nobody had cut short would take 30 s


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["stream", "scripted"], 2, "Missing argument"),
        (["stream", "scripted", "AAA-USD", "--duration", "x"], 2, "'x' is not a duration"),
        (
            ["stream", "nowhere", "AAA-USD"],
            3,
            "error: no installed plugin serves 'nowhere' → pip install tickwire-nowhere",
        ),
        (["stream", "scripted", "AAA-USD", "-c", "trade"], 3, "error: there is no channel 'trade' → one of trades, "),
        (
            ["stream", "scripted", "AAA-USD", "-c", "l2_book"],
            3,
            "error: scripted does not offer 'l2_book' (it offers: ",
        ),
        (["stream", "scripted", "AAA-USDT"], 3, "error: 'AAA-USDT' is not listed on scripted (2 instruments"),
        (["stream", "scripted", "AAA-USD", "--rest-url", "x"], 3, "error: 'x' is not a URL for this → begin it with "),
        (
            ["stream", "backpack", "AAA-USD", "--plugin", "nobodys"],
            4,
            "error: no installed plugin named 'nobodys'",
        ),
        (
            ["run", "nowhere.yaml"],
            3,
            "error: cannot read 'nowhere.yaml': No such file or directory → name a config file",
        ),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(start: Start, arguments: list[str], code: int, message: str) -> None:
    found, out, err = ended(start(*arguments))
    assert (found, out) == (code, "")
    assert message in err
    assert "Traceback" not in err


def test_a_refusal_by_the_exchange_is_exit_code_5(start: Start, tmp_path: Path) -> None:
    write(tmp_path, more="refuses: [AAA-USD]")
    code, _, err = ended(start("run", "night.yaml"))
    assert (code, err.splitlines()[-1][:46]) == (5, "error: scripted refused every subscription, la")


def test_a_sink_that_cannot_be_opened_is_exit_code_1(start: Start, tmp_path: Path) -> None:
    write(tmp_path, sinks="sinks: {f: {type: jsonl, path: night.yaml/x}}")
    code, _, err = ended(start("run", "night.yaml"))
    assert (code, err.splitlines()[-1][:21]) == (1, "error: sink 'f': cann")


def test_a_sink_that_failed_on_the_way_is_exit_code_1_and_told_at_the_end(start: Start, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def choke(event):\n    raise ValueError('no')\n")
    write(tmp_path, sinks="sinks: {s: {type: callback, call: 'mine:choke'}}")
    code, _, err = ended(start("run", "night.yaml", "--duration", "300ms"))
    assert code == 1
    assert "sink s: mine:choke raised ValueError: no" in err
    assert "s failed" in err.splitlines()[-1]


def test_the_trace_variable_shows_the_traceback(start: Start) -> None:
    code, _, err = ended(start("stream", "nowhere", "A-B", TICKWIRE_TRACE="1"))
    assert code != 0
    assert "Traceback" in err
    assert "UnknownExchangeError" in err


def test_no_output_holds_a_secret(start: Start, tmp_path: Path) -> None:
    (tmp_path / "night.yaml").write_text(
        "exchanges:\n  scripted:\n    symbols: [AAA-USD, 5]\n    options: {trades: '${SECRET}'}\n"
        "    credentials: {api_key: hunter2, api_secret: '${SECRET}', other: 12345}\n"
    )
    _, out, err = ended(start("run", "night.yaml", SECRET="hunter2"))
    assert "night.yaml: 2 mistakes" in err
    assert "hunter2" not in out + err
    assert "12345" not in out + err


def test_symbols_lists_what_matches(start: Start) -> None:
    code, out, _ = ended(start("symbols", "scripted", "aaa-*"))
    assert (code, [line.split() for line in out.splitlines()]) == (
        0,
        [["symbol", "native", "type", "tick", "lot", "status"], ["AAA-USD", "AAA-USD", "spot", "open"]],
    )


def test_symbols_as_json(start: Start) -> None:
    code, out, _ = ended(start("symbols", "scripted", "--json"))
    assert (code, [one["symbol"] for one in json.loads(out)]) == (0, ["AAA-USD", "BBB-USD"])


def test_symbols_without_a_match_is_exit_code_1(start: Start) -> None:
    code, out, err = ended(start("symbols", "scripted", "ZZZ-*"))
    assert (code, out, err) == (1, "", "none of 2 instruments of scripted matches 'ZZZ-*'\n")


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        (["trades"], ["trades"]),
        (["trades,l2_book"], ["trades", "l2_book"]),
        (["trades", "l2_book"], ["trades", "l2_book"]),
        (
            ["trades, l2_book:depth=100,interval=100ms,l1_book"],
            ["trades", "l2_book:depth=100,interval=100ms", "l1_book"],
        ),
        (["l2_book:depth=5", "trades"], ["l2_book:depth=5", "trades"]),
        ([",trades,"], ["trades"]),
    ],
)
def test_a_comma_between_parameters_does_not_split_channels(given: list[str], texts: list[str]) -> None:
    assert channel_texts(given) == texts


def test_the_error_tree_gives_the_exit_codes() -> None:
    errors = [
        ValueError(),
        ConnectionLostError(""),
        ConfigError("", hint=""),
        AmbiguousExchangeError("", hint=""),
        PluginLoadError("", hint=""),
        AuthRejectedError(""),
        SubscriptionRejectedError(""),
    ]
    assert [exit_code(error) for error in errors] == [1, 1, 3, 3, 4, 5, 5]
