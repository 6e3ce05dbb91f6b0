"""What sessions ``minimums`` and ``release`` compute from the ``pyproject.toml`` files, and what they refuse."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "release"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Import scripts as they import each other."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    yield import_module
    for path in SCRIPTS.glob("*.py"):
        sys.modules.pop(path.stem, None)


def package(folder: Path, name: str, *dependencies: str, version: str = "0.1.0") -> Path:
    folder = folder / name
    folder.mkdir()
    lines = [
        "[build-system]",
        'requires = ["hatchling>=1.26"]',
        "[project]",
        f"name = '{name}'",
        f"version = '{version}'",
        f"dependencies = {list(dependencies)}",
        "optional-dependencies.tls = ['trustme>=1.0; sys_platform != \"win32\"']",
    ]
    (folder / "pyproject.toml").write_text("\n".join(lines))
    return folder


def test_floors_are_the_lowest_versions_of_dependencies_extras_and_backend(script: Any, tmp_path: Path) -> None:
    folder = package(tmp_path, "acme", "attrs>=23.2,<27", "tickwire[tls]>=0.1,<1")
    floors = script("floors").floors_of(folder, {"tickwire"})
    assert {name: str(floor) for name, floor in floors.items()} == {
        "hatchling": "hatchling==1.26",
        "attrs": "attrs==23.2",
        "trustme": 'trustme==1.0; sys_platform != "win32"',
    }


def test_a_dependency_without_a_lowest_version_is_refused(script: Any, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="acme: 'attrs<27' has no lowest version"):
        script("floors").floors_of(package(tmp_path, "acme", "attrs<27"), set())


def test_every_package_has_a_lowest_version_for_everything(script: Any) -> None:
    packages = script("packages")
    for one in packages.all_packages():
        assert script("floors").floors_of(one.folder, packages.own_names())


@pytest.mark.parametrize(
    ("requirement", "faults"),
    [
        ("tickwire>=0.1,<1", []),
        ("tickwire>=0.2,<1", ["acme requires tickwire<1,>=0.2, which leaves out 0.1.0"]),
        ("tickwire>=0.1", ["acme requires tickwire>=0.1: write a lowest and a first unsupported version"]),
        ("attrs", []),
    ],
)
def test_a_plugin_accepts_the_core_beside_it(script: Any, tmp_path: Path, requirement: str, faults: list[str]) -> None:
    folders = [package(tmp_path, "tickwire"), package(tmp_path, "acme", requirement)]
    packages = [script("packages").read(folder) for folder in folders]
    assert list(script("agreement").range_faults(packages)) == faults


GIVES = "template/cookiecutter.json gives tickwire"


@pytest.mark.parametrize(
    ("pin", "version", "faults"),
    [
        (">=0.1,<1", "0.1.0", []),
        ("<1,>=0.1", "0.4.2", []),
        (
            ">=0.2,<1",
            "0.2.0",
            [f"{GIVES}<1,>=0.2, and acme requires tickwire<1,>=0.1"],
        ),
        (">=0.1,<1", "1.0.0", [f"{GIVES}<1,>=0.1, which leaves out 1.0.0"]),
    ],
)
def test_a_new_plugin_is_given_the_range_of_our_own(
    script: Any, tmp_path: Path, pin: str, version: str, faults: list[str]
) -> None:
    folders = [package(tmp_path, "tickwire", version=version), package(tmp_path, "acme", "tickwire>=0.1,<1")]
    packages = [script("packages").read(folder) for folder in folders]
    assert list(script("agreement").template_faults(packages, f'{{"_tickwire": "{pin}"}}')) == faults


def test_the_template_moves_with_the_packages(script: Any) -> None:
    text = (SCRIPTS.parent / "template" / "cookiecutter.json").read_text()
    assert list(script("agreement").template_faults(script("packages").all_packages(), text)) == []


def test_a_link_to_a_folder_stands_for_the_files_in_it(script: Any, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for name in ("core/src/one.py", "template/{{ x }}/two.py", "template/three.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "core" / "src" / "_template").symlink_to("../../template")
    found = script("contents").tracked(tmp_path / "core")
    assert found == {"src/one.py", "src/_template/{{ x }}/two.py", "src/_template/three.json"}


def test_the_template_stands_in_core_as_a_link(script: Any) -> None:
    link = SCRIPTS.parent / "core" / "src" / "tickwire" / "_template"
    assert link.is_symlink()
    assert link.resolve() == SCRIPTS.parent / "template"
    in_core = {name for name in script("contents").tracked(SCRIPTS.parent / "core") if "/_template/" in name}
    assert {name.partition("/_template/")[2] for name in in_core} == script("contents").tracked(link.resolve())


DATED = "# Changelog\n\n## [Unreleased]\n\n## [0.1.0] - 2026-11-21\n\n- First.\n"
OPEN = "# Changelog\n\n## [Unreleased]\n\n- Soon.\n"


@pytest.mark.parametrize(
    ("text", "is_release", "faults"),
    [
        (OPEN, False, []),
        (DATED, False, []),
        (DATED, True, []),
        ("# Changelog\n", False, ["CHANGELOG.md has neither [Unreleased] nor [0.1.0] with something in it"]),
        (
            OPEN,
            True,
            [
                "CHANGELOG.md has no section '## [0.1.0] - YYYY-MM-DD'",
                "CHANGELOG.md has lines under [Unreleased]: move them to the section of the version",
            ],
        ),
    ],
)
def test_the_changelog_speaks_of_the_version(
    script: Any, tmp_path: Path, text: str, is_release: bool, faults: list[str]
) -> None:
    packages = [script("packages").read(package(tmp_path, "tickwire"))]
    assert list(script("agreement").changelog_faults(packages, text, is_release)) == faults
