"""The regression session: venues and a collector as processes for minutes, with restarts of both, judged by the truth.

``python tests/regression/session.py --minutes 3``. The collector is the installed ``tickwire run`` with ``night.yaml``;
it is stopped, killed and started anew while venues go away and come back. Exit status 0: see ``verdict.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from setting import RUNS, VENUES, collector_command, collector_environ, venue_command
from verdict import judge, waited_for

HERE = Path(__file__).parent
SETTLING = 90.0  # seconds that a run may take to begin, and the last one to close its holes
COMPLAINTS = ("Traceback", "never retrieved", "was destroyed", "never awaited")


@contextmanager
def venues(minutes: float, folder: Path) -> Iterator[dict[str, str]]:
    """Run every venue; gives where each listens."""
    started: dict[str, subprocess.Popen[str]] = {}
    try:
        for venue in VENUES:
            command = venue_command(venue.exchange, minutes, str(folder))
            started[venue.exchange] = subprocess.Popen(
                [sys.executable, str(HERE / "venue.py"), *command], stdout=subprocess.PIPE, text=True
            )
        yield {exchange: f"127.0.0.1:{_port(venue)}" for exchange, venue in started.items()}
    finally:
        for one in started.values():
            one.terminate()
        failed = {exchange: one.wait(30) for exchange, one in started.items()}
    if any(failed.values()):
        raise SystemExit(f"venues failed: {failed}")


def _port(venue: subprocess.Popen[str]) -> int:
    assert venue.stdout is not None
    line = venue.stdout.readline()
    if not line:
        raise SystemExit(f"a venue did not start: {venue.args!r}")
    return int(json.loads(line)["port"])


def collect(minutes: float, hosts: Mapping[str, str], folder: Path) -> list[str]:
    """Run the collector as often as the setting says; gives what it should not have said or done."""
    tickwire = shutil.which("tickwire", path=str(Path(sys.executable).parent))
    if tickwire is None:
        raise SystemExit(f"no tickwire beside {sys.executable}: pip install ./core ./plugins/ccxt_generic")
    command = [tickwire, *collector_command(str(HERE / "night.yaml"))]
    environ = {**os.environ, **collector_environ(hosts, str(folder))}
    wrong = list[str]()
    for number, run in enumerate(RUNS, 1):
        with (folder / f"run-{number}.txt").open("w+") as said:
            collector = subprocess.Popen(command, env=environ, stdout=said, stderr=said)
            try:
                _wait_until_settled(folder, number)
                time.sleep(run.lasts * minutes * 60)
                if number == len(RUNS):
                    _wait_until_settled(folder, number)
                ended = collector.poll()
                collector.send_signal(run.ending)
                status = collector.wait(60)
            finally:
                collector.kill()
            said.seek(0)
            text = said.read()
        time.sleep(run.pause * minutes * 60)
        wrong += [f"run {number} said: {line}" for line in text.splitlines() if any(one in line for one in COMPLAINTS)]
        if ended is not None or status not in (0, -run.ending):
            wrong.append(f"run {number} ended with {status}: {text[-2000:]}")
    return wrong


def _wait_until_settled(folder: Path, number: int) -> None:
    # what never comes is no reason to wait for ever: the judge will tell
    last = time.monotonic() + SETTLING
    while waited_for(folder, number) and time.monotonic() < last:
        time.sleep(1)


def session(minutes: float, folder: Path) -> list[str]:
    """Run it; gives what is wrong, after printing the figures."""
    folder.mkdir(parents=True, exist_ok=True)
    with venues(minutes, folder) as hosts:
        complaints = collect(minutes, hosts, folder)
    figures, wrong = judge(folder)
    print("\n".join(figures))
    return [*complaints, *wrong]


def main() -> int:
    """Parse, run, and say what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=3.0, help="not below 0.5")
    parser.add_argument("--keep", type=Path, help="a folder, which must be new, for truth and events")
    chosen = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tickwire-regression-") as scratch:
        wrong = session(chosen.minutes, chosen.keep or Path(scratch))
    for one in wrong[:50]:
        print(f"WRONG {one}")
    print(f"regression: {'FAILED' if wrong else 'passed'}, {len(wrong)} wrong, took {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
