"""The lowest allowed version of every direct dependency, as constraints for pip: what session ``minimums`` installs.

``python release/floors.py core plugins/backpack`` prints one line a dependency. Where a dependency of a plugin cannot
live with a floor of core's (ccxt pins exact versions), that floor is left to pip, and the output says so.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from packages import own_names, read
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def floors_of(folder: Path, ours: set[str]) -> dict[str, Requirement]:
    """Give ``name==lowest`` by name, for all direct dependencies of a package that are not ours."""
    found: dict[str, Requirement] = {}
    for requirement in read(folder).requirements:
        name = canonicalize_name(requirement.name)
        if name in ours:
            continue
        lowest = [one.version for one in requirement.specifier if one.operator in (">=", "==", "~=")]
        if len(lowest) != 1:
            raise SystemExit(
                f"{folder.name}: {str(requirement)!r} has no lowest version: write >= and the one you tried"
            )
        marker = f"; {requirement.marker}" if requirement.marker else ""
        found[name] = Requirement(f"{requirement.name}=={lowest[0]}{marker}")
    return found


def needs_of(floors: list[Requirement]) -> list[Requirement]:
    """Ask pip, without its warnings, what these versions require themselves."""
    pip = ["-m", "pip", "install", "-qq", "--disable-pip-version-check", "--dry-run", "--ignore-installed"]
    command = [sys.executable, *pip, "--no-deps", "--report", "-", *map(str, floors)]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    texts = [text for one in report["install"] for text in one["metadata"].get("requires_dist", ())]
    needs = [Requirement(text) for text in texts]
    return [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]


def main(folders: list[Path]) -> None:
    """Print the constraints of all the packages."""
    ours = own_names()
    floors: dict[str, Requirement] = {}
    for folder in folders:
        added = {name: floor for name, floor in floors_of(folder, ours).items() if name not in floors}
        for need in needs_of(list(added.values())) if floors and added else ():
            name = canonicalize_name(need.name)
            if name in floors and not need.specifier.contains(next(iter(floors[name].specifier)).version):
                print(f"# {floors.pop(name)}: {folder.name} brings what requires {need}")
        floors |= added
    print(*map(str, floors.values()), sep="\n")


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
