"""The soak: hostile exchanges and a collector as processes, thousands of seeded faults, and a verdict with figures.

``python tests/soak/run.py --faults 2000 --worlds 8 --seed 1``. Exit status 0: nothing was lost, doubled, made up or
shown wrong, every hole was announced, and it weighs at the end what it weighed at the beginning.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from judge import Verdict, judge

HERE = Path(__file__).parent
KINDS = 20
MEDIAN = 1.0
CALM = 35.0  # seconds after the last fault: a hole that history could not show yet is asked for until then
GROWTH = 8 * 2**20


def soak(faults: int, worlds: int, seed: int, folder: Path) -> list[str]:
    """Run it; gives what is wrong, after printing the figures."""
    began = time.monotonic()
    python = [sys.executable, "-X", "dev", "-W", "error"]
    exchange = subprocess.Popen(
        [sys.executable, str(HERE / "exchange.py"), str(worlds), str(faults), str(seed), str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert exchange.stdin is not None
    assert exchange.stdout is not None
    urls = [json.loads(exchange.stdout.readline()) for _ in range(worlds)]
    complaints = (folder / "complaints.txt").open("w+")
    collector = subprocess.Popen(
        [*python, str(HERE / "collector.py"), str(folder), json.dumps(urls)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True,
    )  # fmt: skip
    assert collector.stdin is not None
    assert collector.stdout is not None
    assert collector.stdout.readline() == "collecting\n"
    time.sleep(3)
    exchange.stdin.write("go\n")
    exchange.stdin.flush()
    assert exchange.stdout.readline() == "over\n", "the exchange failed"
    time.sleep(CALM)
    left, _ = collector.communicate()
    exchange.communicate()
    verdict = judge(folder)
    complaints.seek(0)
    wrong = [*verdict.wrong, *complaints.read().splitlines()]
    if collector.returncode or exchange.returncode:
        wrong.append(f"exit statuses: collector {collector.returncode}, exchange {exchange.returncode}")
    if json.loads(left or "[]"):
        wrong.append(f"tasks left behind: {left.strip()}")
    wrong += [*_weighed(folder), *_measured(verdict, faults)]
    print("\n".join([*verdict.lines(), f"took {time.monotonic() - began:.0f} s"]))
    return wrong


def _weighed(folder: Path) -> list[str]:
    weights = [json.loads(line) for line in (folder / "weights.jsonl").read_text().splitlines()]
    # the first minute fills caches and buffers
    settled = weights[min(len(weights) // 3, 12) :]
    third = max(1, len(settled) // 3)
    early, late = (sorted(one[0] for one in part)[len(part) // 2] for part in (settled[:third], settled[-third:]))
    tasks = sorted(one[1] for one in settled)
    print(
        f"memory {early / 2**20:.1f} → {late / 2**20:.1f} MiB, "
        f"tasks {tasks[0]}…{tasks[-1]}, at the end {weights[-1][1]}"
    )
    wrong = [f"memory grew by {(late - early) / 2**20:.1f} MiB"] if late - early > GROWTH else []
    return [*wrong, f"tasks grew to {weights[-1][1]}"] if weights[-1][1] > tasks[0] + 12 else wrong


def _measured(verdict: Verdict, faults: int) -> list[str]:
    wrong = []
    if verdict.faults.total() < faults or len(verdict.faults) < KINDS:
        wrong.append(f"only {verdict.faults.total()} faults of {len(verdict.faults)} kinds were over in time")
    if verdict.median >= MEDIAN:
        wrong.append(f"the median recovery took {verdict.median:.2f} s")
    return wrong


def main() -> int:
    """Parse, run, and say what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=2_000)
    parser.add_argument("--worlds", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder, which must be new, for truth and events")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tickwire-soak-") as scratch:
        wrong = soak(chosen.faults, chosen.worlds, chosen.seed, chosen.keep or Path(scratch))
    for line in wrong[:50]:
        print(f"WRONG {line}")
    print(f"soak: {'FAILED' if wrong else 'passed'}, seed {chosen.seed}, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
