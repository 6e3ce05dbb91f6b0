"""The packages of this repository, as their ``pyproject.toml`` files declare them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]


class Package(NamedTuple):
    """One distribution.

    Attributes:
        folder: Where its ``pyproject.toml`` stands.
        name: Of the distribution, normalised.
        version: As written.
        requirements: Of the package, its extras and its build.
        facts: The whole file.
    """

    folder: Path
    name: str
    version: str
    requirements: list[Requirement]
    facts: dict[str, Any]


def read(folder: Path) -> Package:
    """Read one package."""
    facts = tomllib.loads((folder / "pyproject.toml").read_text())
    project = facts["project"]
    extras = project.get("optional-dependencies", {}).values()
    texts = [*project.get("dependencies", ()), *(one for extra in extras for one in extra)]
    requirements = [Requirement(text) for text in [*facts["build-system"]["requires"], *texts]]
    return Package(folder, canonicalize_name(project["name"]), project["version"], requirements, facts)


def all_packages() -> list[Package]:
    """Give core and every plugin."""
    return [
        read(file.parent) for file in [ROOT / "core/pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))]
    ]


def own_names() -> set[str]:
    """Names of our distributions."""
    return {package.name for package in all_packages()}
