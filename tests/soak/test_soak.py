"""The soak's short form: every kind of fault at least once, over real sockets, judged by the truth."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(300)
def test_a_hundred_faults_lose_double_and_invent_nothing() -> None:
    command = [sys.executable, str(Path(__file__).parent / "run.py"), "--faults", "100", "--worlds", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=290, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "soak: passed, seed 1, 0 wrong" in done.stdout
