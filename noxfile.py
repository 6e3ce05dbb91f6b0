"""Every command a developer or CI runs. Plain ``nox``: all but demo and release.

A package is a folder with a ``pyproject.toml``: ``core``, and whatever stands in ``plugins/``. One that has a folder
``tests/`` gets its test sessions without a line here.
"""

from __future__ import annotations

import os
import shutil
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
BACKPACK_SDK = "backpack-exchange-sdk>=1.1.4,<2"
JSONSCHEMA = "jsonschema>=4.20"

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "venv"
nox.options.download_python = "never"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = bool(os.environ.get("CI"))
nox.options.sessions = ["lint", "types", "tests", "integration", "minimums", "wheels"]


def install(session: nox.Session, *requirements: str | Path) -> None:
    """Install packages of this repository and others, as a user's pip would."""
    session.install("--disable-pip-version-check", "--quiet", *map(str, requirements))


def core(*extras: str) -> str:
    """Name core with extras, for pip."""
    return f"{ROOT / 'core'}[{','.join(extras)}]"


def extras(package: Path) -> str:
    """Name a package with all its extras, for pip."""
    found = nox.project.load_toml(package / "pyproject.toml")["project"].get("optional-dependencies", {})
    return f"{package}[{','.join(found)}]" if found else str(package)


def build(session: nox.Session) -> Path:
    """Build sdist and wheel of every package, without isolation: the backend is in the session's environment."""
    install(session, "build", "hatchling", "packaging")
    dist = session.cache_dir / session.name / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    for package in PACKAGES:
        options = ["--no-isolation", "--sdist", "--wheel", "--outdir", str(dist)]
        session.run("python", "-m", "build", *options, shown(package), silent=True)
    return dist


def wheel_of(package: Path, dist: Path) -> Path:
    """Find the wheel of a package."""
    name = nox.project.load_toml(package / "pyproject.toml")["project"]["name"]
    (wheel,) = dist.glob(f"{name.replace('-', '_')}-*.whl")
    return wheel


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
    """Check types, strictly, in every package, its tests, Kestrel, the examples and scripts."""
    install(
        session,
        core("testing", "ed25519", "tls", "speed"),
        *PLUGINS,
        KESTREL,
        CCXT,
        BACKPACK_SDK,
        MYPY,
        "types-PyYAML",
        "types-jsonschema",
        "nox",
        "numpy",
    )
    folders = [package / part for package in [*PACKAGES, KESTREL] for part in ("src", "tests")]
    for folder in [*folders, ROOT / "tests", ROOT / "examples", ROOT / "bench", ROOT / "release"]:
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
    install(session, core("testing", "ed25519", "tls", "speed"), *plugin, "numpy", JSONSCHEMA)
    session.run("pytest", shown(package / "tests"), *session.posargs)


@nox.session
def integration(session: nox.Session) -> None:
    """Test what no single package can: all plugins together, Kestrel as a third party's, real clients, public types."""
    install(
        session,
        core("testing", "ed25519", "tls", "speed"),
        *PLUGINS,
        KESTREL,
        CCXT,
        BACKPACK_SDK,
        MYPY,
        "jsonschema>=4.20",
    )
    session.run("python", "-m", "pip", "check")
    session.run("pytest", "tests", *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """Start the simulated exchange, collect from it, and compare with its ground truth."""
    install(session, core("ed25519", "tls"), ROOT / "plugins" / "backpack")
    session.run("python", "examples/demo.py", *session.posargs)


@nox.session
def wheels(session: nox.Session) -> None:
    """Build all packages, look into the files, and use what was built outside the repository."""
    dist = build(session)
    rebuilt = dist.parent / "rebuilt"
    shutil.rmtree(rebuilt, ignore_errors=True)
    sdists = map(str, sorted(dist.glob("*.tar.gz")))
    pip = ["-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
    session.run("python", *pip, "--no-index", "--wheel-dir", str(rebuilt), *sdists)
    session.run("python", "release/contents.py", str(dist), str(rebuilt))
    session.run("python", "release/outside.py", str(dist), *session.posargs)


@nox.session(python=PYTHONS[0])
@nox.parametrize("package", [nox.param(package, id=package.name) for package in TESTED])
def minimums(session: nox.Session, package: Path) -> None:
    """Test one package with the lowest version its and core's ``pyproject.toml`` allow of every direct dependency."""
    install(session, "packaging")
    folders = dict.fromkeys([ROOT / "core", package])
    floors = session.cache_dir / f"floors-{package.name}.txt"
    found = session.run("python", "release/floors.py", *map(shown, folders), silent=True)
    floors.write_text(str(found))
    session.log("lowest versions: %s", " ".join(str(found).split("\n")))
    install(session, "-c", floors, "hatchling")  # the build's lowest version too: nothing is built in isolation
    install(session, "-c", floors, "--no-build-isolation", *map(extras, folders), "numpy", JSONSCHEMA)
    session.run("pytest", shown(package / "tests"), *session.posargs)


@nox.session
def release(session: nox.Session) -> None:
    """Check what a release needs; publish nothing. ``-- --release``: be strict, and leave the files in ``dist/``."""
    dist = build(session)
    install(session, "twine")
    session.run("python", "release/agreement.py", str(dist), *session.posargs)
    session.run("twine", "check", "--strict", *map(str, sorted(dist.iterdir())))
    everything = dist.parent / "everything"
    session.run("python", "-m", "venv", "--clear", str(everything))
    python = str(everything / ("Scripts" if os.name == "nt" else "bin") / "python")
    built = [extras(package).replace(str(package), str(wheel_of(package, dist))) for package in PACKAGES]
    pip = ["-m", "pip", "--quiet", "--disable-pip-version-check"]
    session.run(python, *pip, "install", *built, CCXT, external=True)
    session.run(python, *pip, "check", external=True)
    if "--release" in session.posargs:
        shutil.copytree(dist, ROOT / "dist", dirs_exist_ok=True)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure: ratios in one run. ``-- path``, ``startup``, ``memory`` or ``wire`` for a part."""
    install(session, core("ed25519", "tls", "speed"), ROOT / "plugins" / "backpack", "orjson", CCXT, "cryptofeed")
    session.run("python", "bench/run.py", *session.posargs)
