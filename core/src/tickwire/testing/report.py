"""What a run of the kit found: written by ``pytest --conformance-report``, shipped by a plugin, read here."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

import msgspec

from tickwire import DecodeError

__all__ = ["SHIPPED", "CheckResult", "Report", "read_report", "shipped_report"]

SHIPPED = "conformance.json"
"""Package data of a plugin: its last report; ``conformance.EXCHANGE.json`` where it serves several exchanges."""


class CheckResult(msgspec.Struct, frozen=True):
    """How one check ended.

    Attributes:
        id: As in ``docs/conformance.md``.
        title: What it proves.
        outcome: ``passed``, ``failed``, ``skipped`` (the exchange cannot) or ``xfailed`` (the plugin does not yet).
        case: The channel or fault it was run for, where it is run for several.
        reason: Why it was skipped or failed, in one line.
        seconds: How long it took.
    """

    id: str
    title: str
    outcome: str
    case: str = ""
    reason: str = ""
    seconds: float = 0.0


class Report(msgspec.Struct, frozen=True):
    """A run of the kit for one plugin.

    Attributes:
        kit: Version of the kit.
        exchange: The exchange's id.
        plugin: Name of the plugin.
        distribution: What it was installed from.
        version: Of the distribution.
        tickwire: Version of tickwire.
        python: Version of Python.
        date: UTC, ``2026-11-26``.
        checks: In the order in which they ran.
    """

    kit: int
    exchange: str
    plugin: str
    distribution: str
    version: str
    tickwire: str
    python: str
    date: str
    checks: tuple[CheckResult, ...]

    def count(self, outcome: str) -> int:
        """Count the checks that ended so."""
        return sum(check.outcome == outcome for check in self.checks)

    def outcome(self, cases: Iterable[CheckResult]) -> str:
        """Sum up some checks: the worst that happened; ``absent`` where there are none."""
        found = {check.outcome for check in cases}
        order = ("failed", "xfailed", "passed", "skipped")
        return next((outcome for outcome in order if outcome in found), "absent")

    def __str__(self) -> str:
        """Sum it up: ``kit 1: 61 passed, 3 skipped (cannot), 2 not yet · 2026-11-20 · tickwire-acme 0.1.0``."""
        names = {"passed": "passed", "failed": "FAILED", "skipped": "skipped (cannot)", "xfailed": "not yet"}
        counts = [f"{self.count(name)} {words}" for name, words in names.items() if self.count(name)]
        return f"kit {self.kit}: {', '.join(counts)} · {self.date} · {self.distribution} {self.version}"


def read_report(path: str | Path) -> Report:
    """Read a report.

    Raises:
        DecodeError: It is none.
        OSError: It cannot be read.
    """
    return _decoded(Path(path).read_bytes(), str(path))


def shipped_report(package: str, exchange: str | None = None) -> Report | None:
    """Read the report that a plugin's package ships; ``None`` where it ships none.

    Args:
        package: The plugin's package.
        exchange: Which of its exchanges the report is of; ``None``: the only one.

    Raises:
        DecodeError: What it ships is no report.
    """
    own = SHIPPED.replace(".", f".{exchange}.")
    for name in (own, SHIPPED) if exchange is not None else (SHIPPED,):
        try:
            data = (files(package) / name).read_bytes()
        except (OSError, ImportError, TypeError):
            continue
        report = _decoded(data, f"{package}/{name}")
        if exchange in (report.exchange, None):
            return report
    return None


def _decoded(data: bytes, where: str) -> Report:
    try:
        return msgspec.json.decode(data, type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DecodeError(f"{where} is no conformance report: {error}") from error
