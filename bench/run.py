"""All figures in one run: ``nox -s bench``; ``nox -s bench -- wire`` for some. Ratios against a floor, not times."""

from __future__ import annotations

import asyncio
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import memory
import message_path
import startup

BUDGETS = (2.0, 2.8, 3.4)


def paths() -> None:
    """Print the read path's ratios and where its time goes."""
    for (name, times, floor, ours), budget in zip(asyncio.run(message_path.measure()), BUDGETS, strict=True):
        verdict = "met" if times <= budget else "NOT MET"
        print(
            f"{name:<42} {times:5.2f} × orjson.loads   budget ≤ {budget}  {verdict}   ({ours:,.0f} / {floor:,.0f} ns)"
        )
    print()
    message_path.profile()


def starting() -> None:
    """Print what starting costs."""
    for what, spent, budget in startup.measure():
        print(f"{what:<42} {spent:5.3f} s   budget ≤ {budget:.2f}  {'met' if spent <= budget else 'NOT MET'}")


def books() -> None:
    """Print what books cost."""
    before, after = asyncio.run(memory.measure())
    verdict = "met" if after <= memory.BUDGET else "NOT MET"
    print(
        f"{memory.BOOKS} books of {memory.LEVELS:,} levels a side{'':<11} {after:5.0f} MiB "
        f"({before:.0f} before)   budget ≤ {memory.BUDGET}  {verdict}"
    )


def wire() -> None:
    """Print the CPU of whole clients; in processes of their own."""
    subprocess.run([sys.executable, Path(__file__).with_name("wire.py")], check=True)


PARTS: dict[str, Callable[[], None]] = {"path": paths, "startup": starting, "memory": books, "wire": wire}


def main() -> None:
    """Run the parts that are named, or all."""
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}\n", flush=True)
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()
        print(flush=True)


if __name__ == "__main__":
    main()
