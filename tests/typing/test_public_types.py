"""What a type checker tells users and plugin authors: each snippet is checked, each expected error stands in its line.

A line that must be refused ends in ``# E[code]: a part of mypy's message``. One mypy run serves all snippets.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

SNIPPETS = Path(__file__).parent / "snippets"
KESTREL = Path(__file__).parents[1] / "kestrel" / "src" / "tickwire_kestrel"
NAMES = sorted(path.name for path in SNIPPETS.glob("*.py"))
EXPECTED = re.compile(r"# E\[([\w-]+)\]: (.+)$")


class Mistake(NamedTuple):
    line: int
    code: str
    message: str


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Mistake]]:
    """Errors by file name, of the packages as they are installed and with no configuration but ``--strict``."""
    outside = tmp_path_factory.mktemp("outside")
    options = ["--strict", "--config-file=", f"--cache-dir={outside}", "--output=json"]
    command = [sys.executable, "-m", "mypy", *options, str(SNIPPETS), str(KESTREL)]
    done = subprocess.run(command, cwd=outside, capture_output=True, text=True, timeout=100)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    errors: dict[str, list[Mistake]] = {}
    for line in done.stdout.splitlines():
        one = json.loads(line)
        if one["severity"] == "error":
            errors.setdefault(Path(one["file"]).name, []).append(Mistake(one["line"], one["code"], one["message"]))
    return errors


@pytest.mark.parametrize("name", NAMES)
def test_a_snippet_has_the_errors_it_announces_and_no_others(name: str, found: dict[str, list[Mistake]]) -> None:
    lines = enumerate((SNIPPETS / name).read_text().splitlines(), start=1)
    expected = [Mistake(number, *match.groups()) for number, line in lines if (match := EXPECTED.search(line))]
    errors = found.get(name, [])
    assert [(one.line, one.code) for one in errors] == [(one.line, one.code) for one in expected], errors
    for error, announced in zip(errors, expected, strict=True):
        assert announced.message in error.message


def test_a_plugin_written_by_the_book_has_no_errors(found: dict[str, list[Mistake]]) -> None:
    assert {name: errors for name, errors in found.items() if name not in NAMES} == {}
