"""What ``tickwire new`` writes works: each combination of its options, from built wheels, outside the repository.

``python release/scaffolds.py DIST [--limit SECONDS] [--only TEXT]``. First as an author meets it, against the clock, in
a fresh environment: from ``pip install`` and ``tickwire new acme`` to a green kit. Then every combination (or those
whose name holds a text), all installed side by side in that environment: pytest with the kit, ruff, mypy, doctor.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
from pathlib import Path
from time import perf_counter

from outside import Outside, expect
from packages import ROOT

AUTHS, BOOKS = ("hmac", "ed25519", "none"), ("socket", "rest", "snapshots")
CHECKSUMS = {"": "--no-checksum", "_sum": "--checksum"}
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
EXAMPLES = "10"


def first_minutes(outside: Outside, wheel: Path, limit: float) -> None:
    """Do what an author does first, one command each, and say how long it takes."""
    steps = (
        ("python", *PIP, f"{wheel}[new]"),
        ("tickwire", "new", "acme", "--no-input"),
        ("python", *PIP, "-e", "./tickwire-acme[test]"),
        ("pytest", "-q", "-p", "no:cacheprovider", "tickwire-acme"),
    )
    spent, before = [], os.times()
    for step in steps:
        start = perf_counter()
        shown = outside.run(*step)
        spent.append(perf_counter() - start)
    after = os.times()
    worked = after.children_user + after.children_system - before.children_user - before.children_system
    print(shown.strip().splitlines()[-1])
    words = " + ".join(f"{seconds:.1f}" for seconds in spent)
    print(f"scaffolds from nothing to a green kit: {sum(spent):.1f} s = {words}, {worked:.1f} s of work", flush=True)
    # on a busy machine the clock says more about the others
    expect(min(sum(spent), worked or limit) < limit, f"that is more than {limit:.0f} s")


def combinations(outside: Outside, only: str) -> None:
    """Bake, install and check all of them."""
    chosen = {
        f"acme_{auth}_{book}{suffix}": ("--auth", auth, "--book", book, checksum)
        for auth, book, (suffix, checksum) in itertools.product(AUTHS, BOOKS, CHECKSUMS.items())
    }
    projects = {}
    for name, options in chosen.items():
        if only in name:
            outside.run("tickwire", "new", name, "--no-input", *options)
            projects[name] = outside.folder / f"tickwire-{name.replace('_', '-')}"
    for name in ("x", "a23456789_b23456789_c23456789"):  # lines must be as well with the shortest and the longest id
        outside.run("tickwire", "new", name, "--no-input", "--checksum")
    expect(bool(projects), f"no combination is called {only!r}: {', '.join(chosen)}")
    outside.run("python", *PIP, "hatchling", "mypy>=1.18", "ruff>=0.17,<0.18", "tickwire[ed25519]")
    outside.run("python", *PIP, "--no-deps", "--no-build-isolation", *projects.values())
    outside.run("ruff", "check", ".")
    outside.run("ruff", "format", "--check", ".")
    for name, project in projects.items():
        shown = outside.run("pytest", "-q", "--conformance-examples", EXAMPLES, cwd=project)
        outside.run("ruff", "check", ".", cwd=project)
        outside.run("ruff", "format", "--check", ".", cwd=project)
        outside.run("mypy", cwd=project)
        report = outside.run("tickwire", "doctor", name)
        expect(f"tickwire-{name.replace('_', '-')} 0.1.0" in report, f"doctor does not name it:\n{report}")
        outside.run("tickwire", "check", "tests/frames", cwd=project)
        print(f"scaffolds {name}: {shown.strip().splitlines()[-1]}", flush=True)


def main() -> None:
    """Check everything; the first failure ends it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dist", type=Path)
    parser.add_argument("--limit", type=float, default=120)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    dist = given.dist.resolve()
    (wheel,) = dist.glob("tickwire-*.whl")
    with tempfile.TemporaryDirectory(prefix="tickwire-scaffolds-") as place:
        expect(ROOT not in Path(place).resolve().parents, "the temporary folder is inside the repository")
        outside = Outside(Path(place), PIP_FIND_LINKS=str(dist))
        first_minutes(outside, wheel, given.limit)
        combinations(outside, given.only)


if __name__ == "__main__":
    main()
