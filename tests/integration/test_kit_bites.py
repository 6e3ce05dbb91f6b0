"""The conformance kit finds what is wrong and nothing else: a wrong plugin fails just the checks its mistake breaks.

``wrong_plugins.py`` holds the plugins, Kestrel's with one mistake each.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tickwire.testing import Report, read_report

HERE = Path(__file__).parent
BITES = {
    "right": "",
    "notyet": "",
    "mute": "",
    "allornothing": "S6",
    "deaf": "A5 R13[trades] R13[l2_book] R14",
    "halfdigest": "B6",
    "heartless": "R15",
    "leaking": "R8 R9 R10",
    "makersside": "R2 R19 V3",
    "missingframe": "R1[orders]",
    "neverleaves": "R12[trades] R12[l2_book] R12[orders] R13[trades] R13[l2_book]",
    "nolinks": "R2 B1 B2 B3 B4 B6 V2",
    "notyetbutworks": "R1[orders] R12[orders]",
    "onerouter": "R16",
    "overdrawn": "R19 R20",
    "swallowing": "R6",
    "swapped": "R2 B1 B2 B3 B4 B6 V2",
    "talkative": "A2",
    "unbounded": "R10 R11 V6",
    "underscored": "S2 R2",
    "unencrypted": "D2",
    "unmarked": "R19",
    "wrongunit": "R2 R3 R10 R11 R13[trades] R14 R19 V1 V3 V4 V7",
}
"""By plugin, the checks that must fail."""
LOOK_AT = {
    "allornothing": "symbols.py", "halfdigest": "routing.py", "missingframe": "frames/orders.jsonl",
    "notyetbutworks": "info.py", "talkative": "auth.py", "underscored": "symbols.py", "unencrypted": "info.py",
    "overdrawn": "info.py",
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mapping[str, Report], str]:
    """Run the kit on all of them, but life and faults, which need no plugin's mistake to be believed."""
    out = tmp_path_factory.mktemp("reports") / "kit.json"
    command = [
        sys.executable, "-m", "pytest", "-p", "tickwire.testing.pytest_plugin", str(HERE / "wrong_plugins.py"), "-q",
        "-p", "no:cacheprovider", "-k", "not test_f and not test_l", "--conformance-report", str(out),
        "--conformance-examples", "40", "--tb=short",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parents[1])
    assert done.returncode == 1, done.stdout[-2_000:] + done.stderr[-2_000:]
    reports = [read_report(path) for path in out.parent.glob("*.json")]
    return {report.plugin: report for report in reports}, done.stdout


@pytest.mark.timeout(300)
def test_every_wrong_plugin_was_examined(run: tuple[Mapping[str, Report], str]) -> None:
    assert set(run[0]) == set(BITES)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("plugin", BITES)
def test_a_mistake_fails_just_the_checks_that_it_breaks(plugin: str, run: tuple[Mapping[str, Report], str]) -> None:
    failed = [check for check in run[0][plugin].checks if check.outcome == "failed"]
    names = [f"{check.id}[{check.case}]" if check.case else check.id for check in failed]
    assert sorted(names) == sorted(BITES[plugin].split()), [f"{check.id}: {check.reason}" for check in failed]


@pytest.mark.timeout(300)
def test_what_is_not_yet_there_is_an_expected_failure(run: tuple[Mapping[str, Report], str]) -> None:
    expected = [f"{one.id}[{one.case}] {one.reason}" for one in run[0]["notyet"].checks if one.outcome == "xfailed"]
    assert sorted(expected) == ["R12[candles] not yet: candles", "R1[candles] not yet: candles"]


@pytest.mark.timeout(300)
def test_without_a_simulator_the_report_says_what_was_skipped_for_it(run: tuple[Mapping[str, Report], str]) -> None:
    reasons = {one.id: one.reason for one in run[0]["mute"].checks if one.outcome == "skipped"}
    mute = [id for id, reason in reasons.items() if "simulator" in reason]
    assert {"S1", "D7", "B1", "B6", "V1", "R13", "R19"} <= set(mute)
    assert all(reason.startswith("cannot: ") for reason in reasons.values())
    assert {"R1", "R2", "R8", "R10", "A1", "D8"} <= {one.id for one in run[0]["mute"].checks if one.outcome == "passed"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("plugin", LOOK_AT)
def test_the_message_names_the_file_to_look_at(plugin: str, run: tuple[Mapping[str, Report], str]) -> None:
    sections = run[1].split("\n___")
    own = [part for part in sections if f"Test{plugin}".lower() in part.partition("\n")[0].lower()]
    assert any(f"look at  {LOOK_AT[plugin]}" in part for part in own)
