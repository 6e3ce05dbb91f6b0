"""Plugins that pip installed: each in its own distribution, found by entry points in a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

_RUN = "import sys; from tickwire.cli.main import main; sys.exit(main())"
_TRACE_HINT = "(TICKWIRE_TRACE=1 for the traceback)"
_HEAD = """
from tickwire import hookimpl
from tickwire.plugin import ExchangeInfo, Tier

def exchange(id):
    return ExchangeInfo(id=id, tier=Tier.NATIVE, rest=(), sockets={}, channels={}, limits={})
"""
_DECLARES = """
@hookimpl
def tickwire_exchanges(): return [exchange(ID)]
"""


@attrs.frozen
class Package:
    """A distribution with one entry point."""

    name: str
    body: str
    plugin: str = ""
    group: str = "tickwire.v1"

    @property
    def module(self) -> str:
        return f"installed_{self.name}"

    def build(self, folder: Path) -> Path:
        """Write the wheel: a zip of the module and its metadata."""
        facts = f"acme_{self.name}-1.2.dist-info"
        files = {
            f"{self.module}.py": self.body,
            f"{facts}/METADATA": f"Metadata-Version: 2.1\nName: acme-{self.name}\nVersion: 1.2\n",
            f"{facts}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{facts}/entry_points.txt": f"[{self.group}]\n{self.plugin or self.name} = {self.module}\n",
        }
        files[f"{facts}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{facts}/RECORD"])
        wheel = folder / f"acme_{self.name}-1.2-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        return wheel


def declares(exchange: str) -> str:
    return f"{_HEAD}\nID = {exchange!r}\n{_DECLARES}"


PACKAGES = (
    Package("good", declares("good")),
    Package("raising", "import a_module_that_nobody_has"),
    Package("leaving", "raise SystemExit('usage: leaving')"),
    Package("misspelt", f"{_HEAD}\n@hookimpl\ndef tickwire_exchange(): return []"),
    Package("undecorated", f"{_HEAD}\ndef tickwire_exchanges(): return []"),
    Package("newer", "raise AssertionError('not to be imported')", group="tickwire.v2"),
    Package("older", "raise AssertionError('not to be imported')", group="tickwire.v0"),
    Package("rival_a", declares("contested")),
    Package("rival_b", declares("contested")),
    Package("twin_a", "raise AssertionError('not to be imported')", plugin="twin"),
    Package("twin_b", "raise AssertionError('not to be imported')", plugin="twin"),
)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Let pip install every package into a folder of its own."""
    wheels = tmp_path_factory.mktemp("wheels")
    target = tmp_path_factory.mktemp("site")
    built = [str(package.build(wheels)) for package in PACKAGES]
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--no-compile", "--target", str(target), *built], check=True)
    return target


def tickwire(site: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TICKWIRE_")}
    environ |= {"PYTHONPATH": str(site), "PYTHONUTF8": "1", "COLUMNS": "200", "NO_COLOR": "1", **variables}
    command = [sys.executable, "-c", _RUN, *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, encoding="utf-8", timeout=60)


def document(site: Path, **variables: str) -> dict[str, Any]:
    done = tickwire(site, "plugins", "--json", **variables)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def states(found: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Give status and reason by distribution, of the packages of this file."""
    by_distribution = {record["distribution"]: record for record in found["plugins"]}
    ours = {package.name: by_distribution[f"acme-{package.name}"] for package in PACKAGES}
    return {name: (record["status"], record["reason"]) for name, record in ours.items()}


_TWINS = "the name 'twin' is used by acme-twin_a 1.2 and by acme-twin_b 1.2: uninstall one"
EXPECTED = {
    "good": ("loaded", ""),
    "raising": ("failed", f"ModuleNotFoundError: No module named 'a_module_that_nobody_has' {_TRACE_HINT}"),
    "leaving": ("failed", f"SystemExit: usage: leaving {_TRACE_HINT}"),
    "misspelt": ("failed", "there is no hook tickwire_exchange → did you mean tickwire_exchanges?"),
    "undecorated": (
        "failed",
        "tickwire_exchanges is not decorated → write @hookimpl above it (from tickwire import hookimpl)",
    ),
    "newer": ("incompatible", "speaks tickwire.v2, this is v1: upgrade tickwire"),
    "older": ("incompatible", "speaks tickwire.v0, this is v1: upgrade acme-older"),
    "rival_a": ("loaded", ""),
    "rival_b": ("loaded", ""),
    "twin_a": ("duplicate", _TWINS),
    "twin_b": ("duplicate", _TWINS),
}


def test_each_plugin_stands_or_falls_on_its_own(site: Path) -> None:
    assert states(document(site)) == EXPECTED


def test_two_native_claims_have_no_winner(site: Path) -> None:
    (contest,) = [each for each in document(site)["contested"] if each["exchange"] == "contested"]
    assert contest == {
        "exchange": "contested",
        "winner": None,
        "rule": "choose one in the config: plugin: rival_a or plugin: rival_b",
        "claims": [
            {"plugin": name, "distribution": f"acme-{name}", "version": "1.2", "tier": "native"}
            for name in ("rival_a", "rival_b")
        ],
    }


def test_blocked_plugins_are_not_imported(site: Path) -> None:
    found = states(document(site, TICKWIRE_BLOCK_PLUGINS="raising,rival_b"))
    blocked = ("blocked", "TICKWIRE_BLOCK_PLUGINS names it")
    assert found == {**EXPECTED, "raising": blocked, "rival_b": blocked}


def test_a_list_of_plugins_to_load_leaves_the_others_alone(site: Path) -> None:
    found = document(site, TICKWIRE_LOAD_PLUGINS="good")
    assert {record["name"] for record in found["plugins"] if record["status"] == "loaded"} == {
        "builtin_sinks",
        "defaults",
        "good",
        "recorder",
        "replayer",
    }


def test_trace_shows_tracebacks_on_stderr(site: Path) -> None:
    done = tickwire(site, "plugins", TICKWIRE_TRACE="1")
    assert done.returncode == 0
    assert "ModuleNotFoundError: No module named 'a_module_that_nobody_has'" in done.stderr
    assert "Traceback (most recent call last)" in done.stderr
    assert "Traceback" not in done.stdout


def test_strict_mode_fails_after_the_table(site: Path) -> None:
    done = tickwire(site, "plugins", TICKWIRE_STRICT="1")
    assert done.returncode == 1
    assert "acme-raising" in done.stdout
    assert done.stderr.startswith("TICKWIRE_STRICT: plugin 'leaving' (acme-leaving 1.2) is failed: SystemExit")


def test_doctor_names_both_rivals_and_the_line_to_write(site: Path) -> None:
    done = tickwire(site, "doctor", "contested")
    assert (done.returncode, done.stdout) == (3, "")
    assert (
        "exchange 'contested' is claimed by plugins 'rival_a' (acme-rival_a 1.2, native), "
        "'rival_b' (acme-rival_b 1.2, native) → choose one in the config: plugin: rival_a or plugin: rival_b"
    ) in done.stderr


def test_doctor_of_an_exchange_whose_plugin_failed_says_why(site: Path) -> None:
    done = tickwire(site, "doctor", "raising")
    assert (done.returncode, done.stdout) == (4, "")
    assert "plugin 'raising' (acme-raising 1.2) is failed: ModuleNotFoundError: No module named" in done.stderr


def test_half_the_metadata_of_an_interrupted_install_harms_nobody(site: Path, tmp_path: Path) -> None:
    facts = tmp_path / "acme_half-1.2.dist-info"
    facts.mkdir()
    (facts / "entry_points.txt").write_text("[tickwire.v1]\nhalf = installed_half\n")
    done = tickwire(site, "plugins", "--json", PYTHONPATH=f"{tmp_path}{os.pathsep}{site}")
    records = {record["name"]: record for record in json.loads(done.stdout)["plugins"]}
    assert (records["half"]["distribution"], records["half"]["status"]) == ("?", "failed")
    assert records["good"]["status"] == "loaded"
