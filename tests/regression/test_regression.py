"""The regression session's short form, mistakes that its judge must find, and the same set-up as containers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
Rows = list[dict[str, Any]]


def named(module: str) -> Any:
    """Import one of the session's scripts, which find each other as scripts do."""
    sys.path.insert(0, str(HERE))
    try:
        return import_module(module)
    finally:
        sys.path.remove(str(HERE))


def of(rows: Rows, kind: str, exchange: str) -> list[int]:
    return [n for n, row in enumerate(rows) if (row["type"], row["exchange"]) == (kind, exchange)]


def lose_a_trade(rows: Rows) -> None:
    del rows[of(rows, "trade", "kraken")[20]]


def double_a_trade(rows: Rows) -> None:
    number = of(rows, "trade", "backpack")[20]
    rows.insert(number, rows[number])


def change_a_price(rows: Rows) -> None:
    rows[of(rows, "trade", "binanceus")[20]]["price"] += 1


def change_a_level(rows: Rows) -> None:
    changed = [n for n in of(rows, "book_delta", "kraken") if rows[n]["bids"]]
    rows[changed[5]]["bids"][0][1] += 1


def silence_the_outages(rows: Rows) -> None:
    rows[:] = [row for row in rows if row.get("cause") != "disconnected" or row["exchange"] != "backpack"]


def silence_the_pauses(rows: Rows) -> None:
    rows[:] = [row for row in rows if row.get("cause") != "not_running" or row["exchange"] != "binanceus"]


MISTAKES: list[tuple[Callable[[Rows], None], str]] = [
    (lose_a_trade, "kraken: .* missing"),
    (double_a_trade, "backpack: .* came twice"),
    (change_a_price, "binanceus: .* and it was"),
    (change_a_level, "kraken: .* at no moment the exchange's"),
    (silence_the_outages, "backpack: an outage of .* was not announced"),
    (silence_the_pauses, "binanceus: the pause before run 2 was not announced"),
]


@pytest.mark.long
@pytest.mark.timeout(420)
def test_restarts_lose_double_and_invent_nothing_and_the_judge_would_find_it(tmp_path: Path) -> None:
    # one test: a session takes long, and spread over workers each would have its own
    command = [sys.executable, str(HERE / "session.py"), "--minutes", "0.2", "--keep", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "regression: passed, 0 wrong" in done.stdout
    events, judge = tmp_path / "events.jsonl", named("verdict").judge
    lines = [line for line in events.read_text().splitlines() if line.endswith("}")]
    for spoil, verdict in MISTAKES:
        rows = list(map(json.loads, lines))
        spoil(rows)
        events.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows))
        _, wrong = judge(tmp_path)
        assert re.search(verdict, "\n".join(wrong)), (spoil.__name__, wrong)


# the containers: nothing here can run them, so what they would start is compared with what the session starts


def services() -> dict[str, dict[str, Any]]:
    read = yaml.safe_load((HERE / "compose.yaml").read_text())
    found: dict[str, dict[str, Any]] = read["services"]
    return found


def stages() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (HERE / "Dockerfile").read_text().splitlines():
        if line.startswith("FROM "):
            _, base, _, name = line.split()
            found[name] = list(found.get(base, ()))
        elif line and not line.startswith("#"):
            found[name].append(line)
    return found


def test_the_containers_are_the_venues_and_the_collector_of_the_session() -> None:
    made, composed = named("setting"), services()
    hosts = {}
    for venue in made.VENUES:
        script, *arguments = composed[venue.exchange]["command"]
        port = int(arguments[-1])
        hosts[venue.exchange] = f"{venue.exchange}:{port}"
        assert script == "/tests/regression/venue.py"
        assert arguments == made.venue_command(venue.exchange, 3, "/data", "0.0.0.0", port)
    collector = composed["collector"]
    assert collector["command"] == made.collector_command("/regression/night.yaml")
    assert collector["environment"] == made.collector_environ(hosts, "/data")
    assert composed["judge"]["command"] == ["/tests/regression/verdict.py", "/data"]
    assert set(composed) == {*hosts, "collector", "judge"}


def test_the_images_hold_what_the_containers_start() -> None:
    built, composed = stages(), services()
    for service in composed.values():
        build = service["build"]
        assert ((HERE / build["context"]).resolve(), ROOT / build["dockerfile"]) == (ROOT, HERE / "Dockerfile")
        steps = built[build["target"]]
        copied = {target: source for _, source, target in (s.split() for s in steps if s.startswith("COPY "))}
        assert all((ROOT / source).exists() for source in copied.values())
        assert service["volumes"] == ["data:/data"]
        entry = json.loads(next(s for s in reversed(steps) if s.startswith("ENTRYPOINT ")).removeprefix("ENTRYPOINT "))
        assert entry == (["tickwire"] if build["target"] == "collector" else ["python"])
        for word in service["command"]:
            if word.startswith("/") and word != "/data":
                assert any(word == target or word.startswith(f"{target}/") for target in copied), word
    installed = next(s for s in built["collector"] if s.startswith("RUN pip install"))
    assert installed.split()[-2:] == ["./core", "./plugins/ccxt_generic"]


def test_the_config_has_the_symbols_of_the_venues() -> None:
    config = yaml.safe_load((HERE / "night.yaml").read_text())
    assert {name: (entry["plugin"], entry["symbols"]) for name, entry in config["exchanges"].items()} == {
        venue.exchange: ("ccxt_generic", list(venue.symbols)) for venue in named("setting").VENUES
    }
