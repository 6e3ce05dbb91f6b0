"""Every command a developer or CI runs. Plain ``nox``: lint, types, tests, integration.

A package is a folder with a ``pyproject.toml``: ``core``, and whatever stands in ``plugins/``. One that has a folder
``tests/`` gets its test sessions without a line here.
"""

from __future__ import annotations

import os
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PYTHONS = ["3.11", "3.12", "3.13"]
PACKAGES = [path.parent for path in sorted([ROOT / "core/pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")])]
PLUGINS = [package for package in PACKAGES if package.name != "core"]
TESTED = [package for package in PACKAGES if (package / "tests").is_dir()]
KESTREL = ROOT / "tests" / "kestrel"
CCXT = "ccxt>=4.5.89"
MYPY = "mypy>=1.18"

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "venv"
nox.options.download_python = "never"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = bool(os.environ.get("CI"))
nox.options.sessions = ["lint", "types", "tests", "integration"]


def install(session: nox.Session, *requirements: str | Path) -> None:
    """Install packages of this repository and others, as a user's pip would."""
    session.install("--disable-pip-version-check", "--quiet", *map(str, requirements))


def core(*extras: str) -> str:
    """Name core with extras, for pip."""
    return f"{ROOT / 'core'}[{','.join(extras)}]"


def shown(path: Path) -> str:
    """Give a path as one types it from the root."""
    return path.relative_to(ROOT).as_posix()


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    install(session, "ruff>=0.17,<0.18")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly, in every package, its tests, Kestrel and the examples."""
    install(
        session,
        core("testing", "ed25519", "tls", "speed"),
        *PLUGINS,
        KESTREL,
        CCXT,
        MYPY,
        "types-PyYAML",
        "nox",
        "numpy",
    )
    folders = [package / part for package in [*PACKAGES, KESTREL] for part in ("src", "tests")]
    for folder in [*folders, ROOT / "tests", ROOT / "examples", ROOT / "bench"]:
        if any(folder.rglob("*.py")):
            # one run a folder: test files of two packages may have the same name
            extra = ["--exclude", "^tests/(kestrel|typing/snippets)/"] if folder == ROOT / "tests" else []
            session.run("mypy", "--config-file", "pyproject.toml", *extra, shown(folder))
    session.run("mypy", "--config-file", "pyproject.toml", "noxfile.py")


@nox.session(python=PYTHONS)
@nox.parametrize("package", [nox.param(package, id=package.name) for package in TESTED])
def tests(session: nox.Session, package: Path) -> None:
    """Test one package on one Python."""
    plugin = [] if package.name == "core" else [package]
    install(session, core("testing", "ed25519", "tls", "speed"), *plugin, "numpy")
    session.run("pytest", shown(package / "tests"), *session.posargs)


@nox.session
def integration(session: nox.Session) -> None:
    """Test what no single package can: all plugins, Kestrel as a third party's, real clients, public types."""
    install(session, core("testing", "ed25519", "tls", "speed"), *PLUGINS, KESTREL, CCXT, MYPY)
    session.run("python", "-m", "pip", "check")
    session.run("pytest", "tests", *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """Start the simulated exchange, collect from it, and compare with its ground truth."""
    install(session, core("ed25519", "tls"), ROOT / "plugins" / "backpack")
    session.run("python", "examples/demo.py", *session.posargs)
