"""The table of deliberate bugs is not out of date: ``nox -s mutants`` runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

RUNNER = Path(__file__).parent / "mutants" / "run.py"


def test_every_mutant_still_applies_and_its_check_exists() -> None:
    done = subprocess.run([sys.executable, str(RUNNER), "--dry"], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split(" ", 1)[1:], done.stderr) == (
        0, ["mutants apply, and their checks exist\n"], "",
    ), done.stdout  # fmt: skip
