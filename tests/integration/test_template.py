"""What ``tickwire new`` writes: complete, green at once, as its README says, and honest while it is being replaced.

Here a few combinations of options are run; ``nox -s template`` runs all of them, installed from wheels.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest

from tickwire import Books, BookSnapshot, Channel, Instruments, Registry, Subscription, decode_event
from tickwire.cli.main import app
from tickwire.cli.new import Auth, Book, scaffold
from tickwire.plugin import ConnectionInfo, Located
from tickwire.testing import Report, read_report

Options: TypeAlias = tuple[Auth, Book, bool]
Bake: TypeAlias = Callable[..., Path]
ALL: list[Options] = list(itertools.product(Auth, Book, (False, True)))
SOME: list[Options] = [
    (Auth.HMAC, Book.SOCKET, True),
    (Auth.ED25519, Book.REST, False),
    (Auth.NONE, Book.SNAPSHOTS, True),
]
FILES = {
    ".gitignore", "README.md", "noxfile.py", "pyproject.toml", "src/P/__init__.py", "src/P/info.py", "src/P/plugin.py",
    "src/P/py.typed", "src/P/routing.py", "src/P/simulator.py", "src/P/symbols.py", "tests/frames/answers.events.jsonl",
    "tests/frames/answers.jsonl", "tests/frames/l2_book.events.jsonl", "tests/frames/l2_book.jsonl",
    "tests/frames/rest/markets.json", "tests/frames/trades.events.jsonl", "tests/frames/trades.jsonl",
    "tests/test_conformance.py",
}  # fmt: skip
SIGNED = {"src/P/auth.py", "tests/frames/orders.jsonl", "tests/frames/orders.events.jsonl"}
QUICK = ("-k", "not test_f and not test_l and not test_r8 and not test_r9", "--conformance-examples", "10")


def name_of(options: object) -> str:
    return "-".join(map(str, options)) if isinstance(options, tuple) else str(options)


@pytest.fixture
def bake(tmp_path: Path) -> Bake:
    """Make a project, and let it be found as if pip had installed it in place."""

    def baked(auth: Auth, book: Book, checksum: bool, exchange: str = "zebra_x") -> Path:
        project = scaffold(exchange, tmp_path, auth, book, checksum)
        facts = project / "src" / f"tickwire_{exchange}-0.1.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project.name}\nVersion: 0.1.0\n")
        plugins = tomllib.loads((project / "pyproject.toml").read_text())["project"]["entry-points"]["tickwire.v1"]
        lines = "".join(f"{name} = {module}\n" for name, module in plugins.items())
        (facts / "entry_points.txt").write_text(f"[tickwire.v1]\n{lines}")
        return project

    return baked


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(project / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    environ = {**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1", "NO_COLOR": "1", "COLUMNS": "200"}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True, encoding="utf-8")


def kit(project: Path, *arguments: str) -> tuple[Report, str]:
    found = project / "report.json"
    done = run(
        project, "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", "--conformance-report", str(found), *arguments
    )
    assert found.is_file(), done.stdout[-3_000:] + done.stderr[-3_000:]
    return read_report(found), done.stdout


def files_of(project: Path) -> list[Path]:
    return [path for path in sorted(project.rglob("*")) if path.is_file() and ".dist-info" not in str(path)]


# green at once
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "options", [SOME[0], *(pytest.param(one, marks=pytest.mark.long) for one in SOME[1:])], ids=name_of
)
def test_a_new_plugin_passes_the_kit_types_doctor_and_check(options: Options, bake: Bake) -> None:
    project = bake(*options)
    report, out = kit(project, "--conformance-examples", "10")
    assert [f"{one.id}: {one.reason}" for one in report.checks if one.outcome not in ("passed", "skipped")] == [], out
    skipped = [one.reason for one in report.checks if one.outcome == "skipped"]
    assert not [reason for reason in skipped if "simulator" in reason or not reason.startswith("cannot: ")]
    assert report.count("passed") > 85
    tickwire = "tickwire.cli.main"
    for command in (["mypy"], [tickwire, "doctor", "zebra_x"], [tickwire, "check", "tests/frames"]):
        done = run(project, *command)
        assert done.returncode == 0, done.stdout + done.stderr


# complete
@pytest.mark.parametrize("options", ALL, ids=name_of)
def test_all_files_are_there_and_no_placeholder_survives(options: Options, bake: Bake) -> None:
    project = bake(*options)
    names = {path.relative_to(project).as_posix().replace("tickwire_zebra_x", "P") for path in files_of(project)}
    assert names == FILES | (SIGNED if options[0] is not Auth.NONE else set())
    for path in files_of(project):
        text = path.read_text()
        assert not re.search(r"cookiecutter|\{\{|\}\}\}|\{%|%\}|\{#|acme|TODO|FIXME|XXX", text, re.IGNORECASE), path
        assert text == "" or (text.endswith("\n") and not text.endswith("\n\n")), path
        assert not re.search(r"\n\n\n\n", text), path
    for path in [one for one in files_of(project) if one.suffix in (".json", ".jsonl")]:
        for line in [path.read_text()] if path.suffix == ".json" else path.read_text().splitlines():
            json.loads(line)


@pytest.mark.parametrize("auth", Auth)
def test_the_project_file_names_the_plugin_and_the_range_of_tickwire(auth: Auth, bake: Bake) -> None:
    project = bake(auth, Book.REST, False)
    facts = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    template = json.loads((Path(__file__).parents[2] / "template" / "cookiecutter.json").read_text())
    extra = "[ed25519]" if auth is Auth.ED25519 else ""
    assert facts["dependencies"] == [f"tickwire{extra}{template['_tickwire']}"]
    assert facts["entry-points"] == {"tickwire.v1": {"zebra_x": "tickwire_zebra_x.plugin"}}
    assert (project.name, facts["name"]) == ("tickwire-zebra-x", "tickwire-zebra-x")


def test_a_folder_that_exists_is_left_alone(bake: Bake, tmp_path: Path) -> None:
    (tmp_path / "tickwire-zebra-x").mkdir()
    (tmp_path / "tickwire-zebra-x" / "mine.txt").write_text("mine")
    with pytest.raises(Exception, match=r"tickwire-zebra-x' exists → choose another --output-dir, or move it away"):
        bake(*SOME[0])
    assert [path.name for path in (tmp_path / "tickwire-zebra-x").iterdir()] == ["mine.txt"]


def test_nothing_is_written_outside_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    scaffold("zebra_x", tmp_path / "out", *SOME[0])
    assert list(home.iterdir()) == []
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["tickwire-zebra-x"]


# as its README says
def messages(readme: str) -> list[str]:
    return [line for block in re.findall(r"```json\n(.*?)```", readme, re.DOTALL) for line in block.splitlines()]


@pytest.mark.parametrize("options", ALL, ids=name_of)
def test_the_readme_documents_every_frame_and_names_what_is_there(options: Options, bake: Bake) -> None:
    project = bake(*options)
    readme = (project / "README.md").read_text()
    documented = messages(readme)
    for path in sorted((project / "tests" / "frames").glob("*.jsonl")):
        if path.name.endswith(".events.jsonl"):
            continue
        head, *frames = path.read_text().splitlines()
        name = path.stem
        assert json.loads(head) == {"source": f"README.md#{name}", "date": "2026-11-26", "kind": "documented"}
        assert f"\n### {name}\n" in readme
        assert [frame for frame in frames if frame not in documented] == []
    (listing,) = (project / "tests" / "frames" / "rest").iterdir()
    assert json.loads(listing.read_text())["body"] in [json.loads(one) for one in documented]
    for name in re.findall(r"`((?:src|tests)/[\w./]+)`", readme):
        assert (project / name).exists() or name.endswith("conformance.json"), name
    commands = typer_commands()
    assert set(re.findall(r"`?tickwire (\w+)", readme)) <= {*commands, "new"}
    letters = set(re.findall(r"pytest -k test_(\w)", readme))
    assert letters == ({"a", "d", "r", "s"} if options[0] is not Auth.NONE else {"d", "r", "s"})
    steps = [int(number) for number in re.findall(r"^(\d)\. ", readme, re.MULTILINE)]
    assert steps == list(range(1, (8 if options[0] is not Auth.NONE else 7)))
    told = re.search(r"until step (\d)", readme)
    assert told
    assert f"\n{told[1]}. **`src/tickwire_zebra_x/simulator.py`**" in readme


def typer_commands() -> set[str]:
    import typer.main

    return set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("options", SOME, ids=name_of)
def test_what_the_plugin_says_is_documented_to_the_letter(
    options: Options, bake: Bake, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = f"zebra_{options[0]}"  # a module of its own for each, since they are imported here
    project = bake(*options, exchange=exchange)
    documented = messages((project / "README.md").read_text())
    monkeypatch.syspath_prepend(project / "src")
    registry = Registry.discover()
    module: Any = registry.module(exchange)
    listing = json.loads((project / "tests" / "frames" / "rest" / "markets.json").read_text())["body"]["markets"]
    symbols = module.tickwire_symbols()
    symbols.read(listing)
    instruments = Instruments(market.instrument for market in symbols.markets.values())
    arguments = (instruments, float) if options[0] is Auth.NONE else (instruments, None, float)
    routing = module.tickwire_routing(*arguments)
    router = routing.router(ConnectionInfo("x", "public", Located("wss://x")))
    assert [send.payload.decode() for send in router.heartbeat(0)] == ['{"op":"ping"}']
    btc = instruments.symbols["BTC-USD"]
    streams = [Subscription(Channel.TRADES, btc), Subscription(Channel.L2_BOOK, btc)]
    (send,) = router.subscribe(streams)
    asked = json.loads(send.payload)
    (shown,) = [json.loads(one) for one in documented if '"op":"subscribe"' in one]
    assert asked == {**shown, "streams": shown["streams"][:2]}
    if options[2]:
        books = Books(exchange)
        for line in (project / "tests" / "frames" / "l2_book.events.jsonl").read_text().splitlines():
            event: Any = decode_event(msgspec.json.encode(json.loads(line)[0]))
            books.apply(event)
            if books["BTC-USD"].is_synced:
                assert isinstance(event, BookSnapshot) or event.checksum
                assert routing.checksum(books["BTC-USD"], btc) == event.checksum


# the replacing path
WRONG: dict[str, tuple[str, str, str, str]] = {
    "base and quote turned round": (
        "symbols.py", 'SymbolParts(entry["base"], entry["quote"])', 'SymbolParts(entry["quote"], entry["base"])',
        "B6 R2 V5",
    ),
    "the tick as lot": (
        "symbols.py", 'lot_size=Decimal(entry["lot_size"])', 'lot_size=Decimal(entry["tick_size"])', "B6 V5",
    ),
    "another text is signed at login": ("auth.py", '}LOGIN")', '}login")', "A5"),
    "requests go unsigned": ("auth.py", "headers={**request.headers, **headers}", "headers=request.headers", "A1"),
    "the maker's side": (
        "routing.py", "row.size, row.side,", "row.size, Side.SELL if row.side is Side.BUY else Side.BUY,", "R2 V3",
    ),
    "bids as asks": (
        "routing.py", "m.bids, m.asks, last, last", "m.asks, m.bids, last, last", "B1 B2 B3 B4 B6 R2 V2",
    ),
    "answers unread": (
        "routing.py", "return self.answered(m.id, {one.stream: one.reason for one in m.refused})", "return ()",
        "R13 R14",
    ),
    "the dress turns sides round": ("simulator.py", 'side = "buy" if trade', 'side = "sell" if trade', "V3"),
    "the dress links to itself": (
        "simulator.py", '"previous": change.previous}', '"previous": change.sequence}', "B1 B2 B3 B4 B6 V2",
    ),
    "the dress refuses nothing": ("simulator.py", '"refused": refused}', '"refused": []}', "R14"),
}  # fmt: skip
"""A wrong version of a file: what was replaced by what, and the checks that must fail."""


_ONE_A_FILE = list({wrong[0]: name for name, wrong in reversed(WRONG.items())}.values())
# each takes a kit of its own: here one a file, all of them with ``nox -s template``
MISTAKES = list(WRONG) if "TICKWIRE_EVERY_MISTAKE" in os.environ else _ONE_A_FILE


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_file_fails_its_checks_alone_and_they_name_it(mistake: str, bake: Bake) -> None:
    file, right, wrong, expected = WRONG[mistake]
    project = bake(*SOME[0])
    path = project / "src" / "tickwire_zebra_x" / file
    assert path.read_text().count(right) == 1
    path.write_text(path.read_text().replace(right, wrong))
    report, out = kit(project, *QUICK)
    failed = {one.id for one in report.checks if one.outcome == "failed"}
    assert sorted(failed) == expected.split(), out[-3_000:]
    sections = [section for section in out.split("\n____")[1:] if "Error" in section or "Nonconformity" in section]
    places = [re.findall(r"look at +(.*)", section)[-1:] for section in sections]
    assert [place for place in places if not place or file not in place[0]] == [], places


@pytest.mark.timeout(600)
def test_without_its_simulator_a_half_replaced_plugin_is_checked_as_far_as_it_goes(bake: Bake) -> None:
    project = bake(*SOME[0])
    info = project / "src" / "tickwire_zebra_x" / "info.py"
    line = '    simulator="tickwire_zebra_x.simulator:ZebraXSimulator",\n'
    assert info.read_text().count(line) == 1
    info.write_text(info.read_text().replace(line, ""))
    report, out = kit(project, *QUICK)
    assert report.count("failed") == 0, out[-3_000:]
    passed = {one.id for one in report.checks if one.outcome == "passed"}
    assert {"S1", "S6", "R1", "R2", "R10", "R12", "A1", "A4", "D5"} <= passed
    assert not {"B1", "V1", "V3"} & passed
