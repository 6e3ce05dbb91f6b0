"""Follows a pytest run and writes a report for each plugin that the kit was run for."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest

from tickwire import TickwireError
from tickwire.testing.checks import KIT_VERSION, Check
from tickwire.testing.kit import Conformance
from tickwire.testing.report import CheckResult, Report

__all__ = ["Reporter"]

_KEY = "tickwire_check"
_SKIPPED = "Skipped: "


@attrs.define
class _Seen:
    # One test as far as it has gone: setup, call, teardown.
    who: tuple[str, str, str, str]
    check: tuple[str, str, str]
    outcome: str = "passed"
    reason: str = ""
    seconds: float = 0.0

    def add(self, report: pytest.TestReport) -> None:
        self.seconds += report.duration
        if hasattr(report, "wasxfail") and report.skipped:
            self.outcome, self.reason = "xfailed", report.wasxfail.removeprefix("reason: ")
        elif report.skipped:
            words = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self.outcome, self.reason = "skipped", words.removeprefix(_SKIPPED)
        elif report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self.outcome, self.reason = "failed", _line(crash.message if crash else str(report.longrepr))

    @property
    def result(self) -> CheckResult:
        id, title, case = self.check
        return CheckResult(id, title, self.outcome, case, self.reason, round(self.seconds, 3))


class Reporter:
    """A pytest plugin.

    Args:
        path: The report's file. Where a run is of several plugins, each has ``NAME.PLUGIN.json`` beside it; where one
            plugin serves several exchanges, each of them has ``NAME.EXCHANGE.json``.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._seen: dict[str, _Seen] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note beside each test which check of whom it is; xdist carries that to where the report is written."""
        claims: dict[type, tuple[str, str, str, str]] = {}
        for item in items:
            check: Check | None = getattr(getattr(item, "function", None), "_tickwire_check", None)
            kit = getattr(item, "cls", None)
            if check is None or kit is None or not issubclass(kit, Conformance):
                continue
            if kit not in claims:
                claims[kit] = _claim(kit)
            case = str(getattr(getattr(item, "callspec", None), "id", ""))
            item.user_properties.append((_KEY, [claims[kit], (check.id, check.proves, case)]))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in one phase of one test."""
        found: Any = dict(report.user_properties).get(_KEY)
        if found is not None:
            who, check = (tuple(part) for part in found)
            self._seen.setdefault(report.nodeid, _Seen(who, check)).add(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the reports."""
        if hasattr(session.config, "workerinput"):
            return
        owners = list(dict.fromkeys(seen.who for seen in self._seen.values()))
        for who in owners:
            shared = sum(other[1] == who[1] for other in owners) > 1
            name = who[0] if shared or not who[1] else who[1]
            path = self._path if len(owners) == 1 else self._path.with_suffix(f".{name}.json")
            checks = tuple(seen.result for seen in self._seen.values() if seen.who == who)
            today = datetime.now(UTC).date().isoformat()
            report = Report(KIT_VERSION, *who, version("tickwire"), platform.python_version(), today, checks)
            path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")


def _claim(kit: type[Conformance]) -> tuple[str, str, str, str]:
    try:
        claim = kit.registry().select(kit.exchange).claim
    except TickwireError:
        return kit.exchange, "", "", ""
    return kit.exchange, claim.plugin, claim.distribution, claim.version


def _line(text: str) -> str:
    words = text.partition("\n")[0]
    return words.partition(": ")[2] or words
