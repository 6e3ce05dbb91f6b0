"""Deliberate bugs, each against the check that must notice it: ``python tests/mutants/run.py [-k TEXT] [--jobs N]``.

``mutants.toml`` is the table. Each mutant is made in a copy of the sources, and only its check runs, on that copy. It
is killed if the check ran and said no. Exit status 0: all checks pass without a mutant, and no mutant survives.

``--dry`` runs no check and tells whether every mutant still applies and every check still exists.
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
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from tickwire.testing import ExchangeConformance

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOURCES = sorted([ROOT / "core/src", *ROOT.glob("plugins/*/src"), ROOT / "tests/kestrel/src"])
KITS = {
    "backpack": "plugins/backpack/tests/test_conformance.py::TestBackpack",
    "kestrel": "tests/kestrel/tests/test_conformance.py::TestKestrel",
}
"""Where the conformance kit runs for which exchange."""


class Stale(Exception):
    """The code has moved on: a mutant or its check is not there any more."""


@attrs.frozen
class Mutant:
    """One bug.

    Attributes:
        id: Names it.
        bug: What is wrong with it, in words.
        file: Which file has it, from the root.
        old: Text that stands there exactly once.
        new: What stands there instead.
        check: What must fail: ``kestrel F1[drop]``, a check of the kit, or the id of a test.
    """

    id: str
    bug: str
    file: str
    old: str
    new: str
    check: str

    @property
    def test(self) -> str:
        """The pytest id of its check.

        Raises:
            Stale: The kit has no such check.
        """
        if "::" in self.check:
            return self.check
        exchange, _, check = self.check.partition(" ")
        id, bracket, case = check.partition("[")
        names = [name for name in dir(ExchangeConformance) if name.startswith(f"test_{id.lower()}_")]
        if exchange not in KITS or len(names) != 1:
            raise Stale(f"{self.id}: there is no check {self.check!r}")
        return f"{KITS[exchange]}::{names[0]}{bracket}{case}"

    def applied_to(self, root: Path) -> str:
        """Give the text of its file with the bug in it.

        Raises:
            Stale: There is no such file, or ``old`` does not stand there exactly once.
        """
        path = root / self.file
        if not any(source in path.parents for source in (root / one.relative_to(ROOT) for one in SOURCES)):
            raise Stale(f"{self.id}: {self.file} is not among the sources that are copied")
        text = path.read_text() if path.is_file() else ""
        if text.count(self.old) != 1:
            raise Stale(f"{self.id}: what it changes stands {text.count(self.old)} times in {self.file}")
        return text.replace(self.old, self.new)


@attrs.frozen
class Ended:
    """How a test ended: ``passed``, ``failed`` by its own verdict, ``skipped`` or ``broken``, and why."""

    outcome: str
    why: str


def table() -> list[Mutant]:
    """Read all mutants."""
    return [Mutant(**row) for row in tomllib.loads((HERE / "mutants.toml").read_text())["mutant"]]


def stale(mutants: Sequence[Mutant]) -> list[str]:
    """Tell what of the table is not true any more."""
    wrong, tests = [], []
    if len({one.id for one in mutants}) < len(mutants):
        wrong.append("two mutants have one id")
    for one in mutants:
        try:
            tests.append(one.test)
            one.applied_to(ROOT)
        except Stale as error:
            wrong.append(str(error))
    files = {test.partition("::")[0] for test in tests}
    collected = subprocess.run(_pytest("--collect-only", "-q", *files), capture_output=True, text=True, cwd=ROOT)
    if collected.returncode:
        wrong.append(f"the tests cannot be collected:\n{collected.stdout[-2_000:]}{collected.stderr[-2_000:]}")
    return wrong + [f"there is no test {one}" for one in sorted({*tests} - {*collected.stdout.splitlines()})]


def copy_sources(root: Path, to: Path) -> None:
    """Copy what may be mutated, compiled files too where they are the copy's own."""
    ignore = shutil.ignore_patterns("__pycache__") if root == ROOT else None
    for source in SOURCES:
        folder = source.relative_to(ROOT)
        shutil.copytree(root / folder, to / folder, ignore=ignore)


def run_on(copy: Path, tests: Sequence[str], seen: Path) -> Mapping[str, Ended]:
    """Run tests on a copy of the sources; ``seen``: where to write down how they ended.

    Raises:
        RuntimeError: They ran on other sources.
    """
    paths = [*(copy / source.relative_to(ROOT) for source in SOURCES), HERE]
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "MUTANTS_WITNESS": str(seen),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(copy / "hypothesis"),
    }
    command = _pytest("-q", "-p", "witness", "--hypothesis-seed=0", "--timeout=60", *tests)
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environ)
    missing = Ended("broken", (done.stdout + done.stderr).strip().rpartition("\n")[2])
    if not seen.is_file():
        return dict.fromkeys(tests, missing)
    told = json.loads(seen.read_text())
    if copy not in Path(told["sources"]).parents:
        raise RuntimeError(f"the tests ran on {told['sources']}")
    return dict.fromkeys(tests, missing) | {test: Ended(*how) for test, how in told["ended"].items()}


def complaints(pristine: Path, tests: Sequence[str], jobs: int) -> list[str]:
    """Run all checks without any mutant; tells which do not pass."""

    def run(job: int) -> Mapping[str, Ended]:
        return run_on(pristine, tests[job::jobs], pristine.with_name(f"pristine-{job}.json"))

    with ThreadPoolExecutor(jobs) as pool:
        ended = [item for each in pool.map(run, range(min(jobs, len(tests)))) for item in each.items()]
    return [f"without any mutant {test} {one.outcome}: {one.why}" for test, one in ended if one.outcome != "passed"]


def is_killed(mutant: Mutant, pristine: Path, to: Path) -> bool:
    """Make one mutant and run its check; prints a line about it."""
    began = time.monotonic()
    copy_sources(pristine, to)
    (to / mutant.file).write_text(mutant.applied_to(pristine))
    one = run_on(to, [mutant.test], to / "seen.json")[mutant.test]
    shutil.rmtree(to)
    killed = one.outcome == "failed"
    verdict = f"killed by {mutant.check}" if killed else f"SURVIVES {mutant.check}, which {one.outcome}"
    print(f"{time.monotonic() - began:5.1f} s  {mutant.id}: {verdict}  ({one.why[:120]})", flush=True)
    return killed


def main() -> int:
    """Run what the command line says; gives the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-k", default="", metavar="TEXT", help="only mutants with this in id, bug, file or check")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="so many at once (default: 2)")
    parser.add_argument("--dry", action="store_true", help="only tell whether all apply and all checks exist")
    said = parser.parse_args()
    mutants = [one for one in table() if any(said.k in text for text in (one.id, one.bug, one.file, one.check))]
    if wrong := stale(mutants):
        print(*wrong, sep="\n")
        return 1
    if said.dry:
        print(f"{len(mutants)} mutants apply, and their checks exist")
        return 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tickwire-mutants-") as scratch, ThreadPoolExecutor(said.jobs) as pool:
        folder = Path(scratch).resolve()
        pristine = folder / "pristine"
        copy_sources(ROOT, pristine)
        if wrong := complaints(pristine, list(dict.fromkeys(one.test for one in mutants)), said.jobs):
            print(*wrong, sep="\n")
            return 1
        killed = list(pool.map(lambda one: is_killed(one, pristine, folder / one.id), mutants))
    survivors = [one.id for one, is_dead in zip(mutants, killed, strict=True) if not is_dead]
    verdict = f"{len(survivors)} SURVIVE: {', '.join(survivors)}" if survivors else "none survives"
    print(f"{len(mutants)} mutants in {time.monotonic() - began:.0f} s: {verdict}")
    return 1 if survivors else 0


def _pytest(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]


if __name__ == "__main__":
    sys.exit(main())
