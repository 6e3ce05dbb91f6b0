"""What is in the built files: the wheel holds the sources, licence, readme and ``py.typed``, and nothing else.

``python release/contents.py DIST REBUILT``: files as built from the tree, and wheels built again from the sdists.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path

from packages import Package, all_packages

_TEMPLATE = "tickwire/_template/"  # what a new plugin begins with, its tests included


def tracked(folder: Path) -> set[str]:
    """Give the files in a folder that git knows or would take; a link to a folder stands for the files in there."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listing, cwd=folder, check=True, capture_output=True, text=True)
    found: set[str] = set()
    for name in filter(None, done.stdout.split("\0")):
        path = folder / name
        if path.is_symlink() and path.is_dir():
            found |= {f"{name}/{inner}" for inner in tracked(path.resolve())}
        elif path.exists():
            found.add(name)
    return found


def wheel_files(wheel: Path) -> dict[str, bytes]:
    """Give the files of a wheel with their bytes."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def sdist_files(sdist: Path) -> set[str]:
    """Give the files of an sdist, without its top folder."""
    with tarfile.open(sdist) as archive:
        return {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}


def faults(package: Package, dist: Path, rebuilt: Path) -> list[str]:
    """Compare a package's wheel and sdist with its folder, and the wheel with the one made from the sdist."""
    stem = f"{package.name.replace('-', '_')}-{package.version}"
    wheel_name, facts = f"{stem}-py3-none-any.whl", f"{stem}.dist-info"
    files = wheel_files(dist / wheel_name)
    sources = {name.removeprefix("src/") for name in tracked(package.folder) if name.startswith("src/")}
    about = {f"{facts}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")}
    found = [f"{name} is in the wheel, from nowhere in src/" for name in sorted(files.keys() - sources - about)]
    found += [f"{name} is missing in the wheel" for name in sorted((sources | about) - files.keys())]
    tests = [name for name in sorted(files) if {"tests", "conftest.py"} & set(name.split("/"))]
    found += [f"{name} is a test" for name in tests if not name.startswith(_TEMPLATE)]
    if not any(name.count("/") == 1 and name.endswith("/py.typed") for name in files):
        found.append("no py.typed in the wheel: type checkers would ignore the annotations")
    readme = message_from_string(files.get(f"{facts}/METADATA", b"").decode()).get_payload()
    if str(readme).strip() != (package.folder / "README.md").read_text().strip():
        found.append("README.md is not the description of the wheel")
    if files != wheel_files(rebuilt / wheel_name):
        found.append("the wheel made from the sdist differs from the one made from the tree")
    strays = sdist_files(dist / f"{stem}.tar.gz") - tracked(package.folder) - {"PKG-INFO", ".gitignore"}
    return found + [f"{name} is in the sdist and unknown to git" for name in sorted(strays)]


def main(dist: Path, rebuilt: Path) -> int:
    """Check every package."""
    wrong = 0
    for package in all_packages():
        found = faults(package, dist, rebuilt)
        print(f"contents  {package.name} {package.version}: " + ("as it should be" if not found else "WRONG"))
        print("".join(f"          {fault}\n" for fault in found), end="")
        wrong += len(found)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
