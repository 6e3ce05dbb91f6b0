"""Whether the packages agree: versions with ranges and changelog, metadata with what an index shows.

``python release/agreement.py DIST [--release]``. With ``--release`` the changelog must have a dated section for every
version, nothing may stand under [Unreleased], and the tree must be clean. Nothing is published.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from email import message_from_bytes
from email.message import Message
from pathlib import Path

from packages import ROOT, Package, all_packages
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

_SECTION = re.compile(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_REQUIRED = ("Summary", "License-Expression", "License-File", "Requires-Python", "Keywords")


def range_faults(packages: Sequence[Package]) -> Iterator[str]:
    """Check that each of our packages accepts the versions that stand beside it, and only up to a next major."""
    versions = {package.name: package.version for package in packages}
    for package in packages:
        for requirement in package.requirements:
            version = versions.get(canonicalize_name(requirement.name))
            if version is None:
                continue
            if not requirement.specifier.contains(version, prereleases=True):
                yield f"{package.name} requires {requirement}, which leaves out {version}"
            if {">=", "<"} - {one.operator for one in requirement.specifier}:
                yield f"{package.name} requires {requirement}: write a lowest and a first unsupported version"


def template_faults(packages: Sequence[Package], template: str) -> Iterator[str]:
    """Check that a new plugin is given the range of core that our own plugins have.

    Args:
        packages: All of ours.
        template: The text of ``template/cookiecutter.json``.
    """
    pin = SpecifierSet(json.loads(template)["_tickwire"])
    for package in packages:
        for requirement in package.requirements:
            if canonicalize_name(requirement.name) == "tickwire" and requirement.specifier != pin:
                yield f"template/cookiecutter.json gives tickwire{pin}, and {package.name} requires {requirement}"
    for package in packages:
        if package.name == "tickwire" and not pin.contains(package.version, prereleases=True):
            yield f"template/cookiecutter.json gives tickwire{pin}, which leaves out {package.version}"


def changelog_faults(packages: Sequence[Package], text: str, is_release: bool) -> Iterator[str]:
    """Check that the changelog speaks of the versions."""
    sections = {name: (date, body.strip()) for name, date, body in _SECTION.findall(text)}
    unreleased = sections.get("Unreleased", ("", ""))[1]
    for version in sorted({package.version for package in packages}):
        date, body = sections.get(version, ("", ""))
        if is_release and not (date and body):
            yield f"CHANGELOG.md has no section '## [{version}] - YYYY-MM-DD'"
        elif not (body or unreleased):
            yield f"CHANGELOG.md has neither [Unreleased] nor [{version}] with something in it"
    if is_release and unreleased:
        yield "CHANGELOG.md has lines under [Unreleased]: move them to the section of the version"


def metadata(package: Package, dist: Path) -> Message:
    """Read what an index would show, from the wheel."""
    stem = f"{package.name.replace('-', '_')}-{package.version}"
    with zipfile.ZipFile(dist / f"{stem}-py3-none-any.whl") as archive:
        return message_from_bytes(archive.read(f"{stem}.dist-info/METADATA"))


def metadata_faults(package: Package, shown: Message, classifiers: Iterable[str]) -> Iterator[str]:
    """Check that nothing is missing on the page of a package, and that its links lead somewhere."""
    for field in _REQUIRED:
        if not shown.get(field):
            yield f"{package.name}: no {field}"
    if shown.get("Description-Content-Type") != "text/markdown" or not str(shown.get_payload()).strip():
        yield f"{package.name}: no readme"
    for missing in sorted(set(classifiers) - set(shown.get_all("Classifier", []))):
        yield f"{package.name}: no classifier {missing!r}"
    for url in shown.get_all("Project-URL", []):
        if not url.partition(", ")[2].startswith("https://"):
            yield f"{package.name}: {url!r} is no https address"
    for target in re.findall(r"\]\((?!https?:|#)([^)]*)\)", str(shown.get_payload())):
        yield f"{package.name}: the readme links to {target!r}, which an index does not have"


def tree_faults() -> Iterator[str]:
    """Check that everything is committed."""
    done = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, check=True, capture_output=True, text=True)
    if done.stdout:
        yield f"the tree is not clean:\n{done.stdout}"


def main(dist: Path, is_release: bool) -> int:
    """Check everything and say what is wrong."""
    packages = all_packages()
    core = packages[0].facts["project"]["classifiers"]
    needed = {one for one in core if one.startswith(("Programming Language", "Typing", "Development Status"))}
    found = [*range_faults(packages), *changelog_faults(packages, (ROOT / "CHANGELOG.md").read_text(), is_release)]
    found += template_faults(packages, (ROOT / "template" / "cookiecutter.json").read_text())
    for package in packages:
        found += metadata_faults(package, metadata(package, dist), needed)
    found += tree_faults() if is_release else ()
    print("".join(f"release   WRONG: {fault}\n" for fault in found), end="")
    listed = ", ".join(f"{package.name} {package.version}" for package in packages)
    print(f"release   {listed}: " + (f"{len(found)} faults" if found else "they agree"))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), "--release" in sys.argv[2:]))
