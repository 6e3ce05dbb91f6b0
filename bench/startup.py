"""What starting costs: ``import tickwire`` above the bare interpreter, ``tickwire --help``; medians of many runs."""

from __future__ import annotations

import statistics
import subprocess
import sys
from time import perf_counter

RUNS = 11


def seconds(*command: str) -> float:
    """Give the median wall time of a command, the first run not counted: it may write bytecode."""
    spent = []
    for _ in range(RUNS + 1):
        start = perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        spent.append(perf_counter() - start)
    return statistics.median(spent[1:])


def measure() -> list[tuple[str, float, float]]:
    """Give (what, seconds, budget)."""
    bare = seconds(sys.executable, "-c", "pass")
    return [
        ("import tickwire, above bare Python", seconds(sys.executable, "-c", "import tickwire") - bare, 0.10),
        ("tickwire --help", seconds(sys.executable, "-m", "tickwire.cli.main", "--help"), 0.35),
    ]


if __name__ == "__main__":
    for what, spent, budget in measure():
        print(f"{what:<42} {spent:5.3f} s   (budget {budget:.2f} s)")
