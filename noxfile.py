"""Every command a developer or CI runs. Plain ``nox``: those of ``nox.options.sessions``.

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
GENERIC = ROOT / "plugins" / "ccxt_generic"
CCXT = next(
    one
    for one in nox.project.load_toml(GENERIC / "pyproject.toml")["project"]["dependencies"]
    if one.startswith("ccxt>=")
)
MYPY = "mypy>=1.18"
BACKPACK_SDK = "backpack-exchange-sdk>=1.1.4,<2"
JSONSCHEMA = "jsonschema>=4.20"
XDIST = "pytest-xdist>=3.6"

# ccxt takes seconds to compile, in each of dozens of processes that the tests start
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|venv"  # uv makes environments in seconds where it is installed
nox.options.download_python = "never"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = bool(os.environ.get("CI"))
nox.options.sessions = ["lint", "types", "tests", "integration", "minimums", "wheels"]


def adds_requirements(package: Path) -> bool:
    """Tell whether a package requires more than plain tickwire, whose own lowest versions core is tested with."""
    project = nox.project.load_toml(package / "pyproject.toml")["project"]
    named = [*project.get("dependencies", []), *project.get("optional-dependencies", {}).values()]
    return any(not str(one).startswith("tickwire>") for one in named)


def install(session: nox.Session, *requirements: str | Path) -> None:
    """Install packages of this repository and others, as a user's pip would."""
    quiet = ["--quiet"] if session.venv_backend == "uv" else ["--quiet", "--disable-pip-version-check"]
    session.install(*quiet, *map(str, requirements))


def core(*extras: str) -> str:
    """Name core with extras, for pip."""
    return f"{ROOT / 'core'}[{','.join(extras)}]"


def extras(package: Path) -> str:
    """Name a package with all its extras, for pip."""
    found = nox.project.load_toml(package / "pyproject.toml")["project"].get("optional-dependencies", {})
    return f"{package}[{','.join(found)}]" if found else str(package)


def build(session: nox.Session) -> Path:
    """Build sdist and wheel of every package, without isolation: the backend is in the session's environment."""
    install(session, "build", "hatchling", "packaging", "pip")
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
        *map(extras, PLUGINS),
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
    for folder in [*folders, *(ROOT / name for name in ("tests", "examples", "bench", "release", "docs"))]:
        if any(folder.rglob("*.py")):
            # one run a folder: test files of two packages may have the same name
            extra = ["--exclude", "^tests/(kestrel|typing/snippets)/"] if folder == ROOT / "tests" else []
            session.run("mypy", "--config-file", "pyproject.toml", *extra, shown(folder))
    session.run("mypy", "--config-file", "pyproject.toml", "noxfile.py")


@nox.session(python=PYTHONS)
@nox.parametrize("package", [nox.param(package, id=package.name) for package in TESTED])
def tests(session: nox.Session, package: Path) -> None:
    """Test one package on one Python; in CI on the newest, as minimums and integration run on the oldest."""
    if os.environ.get("CI") and session.python != PYTHONS[-1]:
        session.skip("in CI: packages are tested on the newest Python, minimums and integration on the oldest")
    plugin = [] if package.name == "core" else [extras(package)]
    stored = [] if plugin else ["parquet", "png"]
    install(session, core("testing", "ed25519", "tls", "speed", *stored), *plugin, "numpy", JSONSCHEMA, XDIST)
    session.run("pytest", "-n", "auto", shown(package / "tests"), *session.posargs)


@nox.session
def integration(session: nox.Session) -> None:
    """Test what no single package can: all plugins together, Kestrel as a third party's, real clients, public types."""
    install(
        session,
        core("testing", "ed25519", "tls", "speed", "new", "parquet", "png"),
        "duckdb",
        "polars",
        "pandas",
        "matplotlib",
        *map(extras, PLUGINS),
        KESTREL,
        CCXT,
        BACKPACK_SDK,
        MYPY,
        JSONSCHEMA,
        XDIST,
        "pip",
    )
    session.run("python", "-m", "pip", "check")
    session.run("pytest", "-n", "auto", "tests", *session.posargs)


@nox.session
def long(session: nox.Session) -> None:
    """Run the tests that take too long for every run: a million updates, patience by the clock, ccxt's every burst."""
    wanted = ("testing", "ed25519", "tls", "speed", "new", "parquet", "png")
    install(session, core(*wanted), *map(extras, PLUGINS), KESTREL, CCXT, MYPY, JSONSCHEMA, XDIST)
    session.run("pytest", "-n", "auto", "-m", "long", "tests", *session.posargs)


@nox.session
def side_by_side(session: nox.Session) -> None:
    """Compare ccxt_generic with each native plugin, and both with the truth, over 100,000 updates."""
    install(session, core("testing", "ed25519", "tls", "speed"), *PLUGINS, CCXT, XDIST)
    test = "tests/integration/test_ccxt_generic.py"
    env = {"TICKWIRE_CHANGES": "100000"}
    session.run("pytest", test, "-k", "same_trades_and_books", *session.posargs, env=env)


@nox.session
def ccxt_table(session: nox.Session) -> None:
    """Compare the table of what ccxt's classes can do with the newest ccxt allowed. ``-- --write``: make it anew."""
    install(session, ROOT / "core", GENERIC)
    session.install("--quiet", "--upgrade", CCXT)
    table = GENERIC / "src" / "tickwire_ccxt_generic" / "capabilities.json"
    session.run("python", "-m", "tickwire_ccxt_generic.generate", "--file", str(table), *session.posargs)


@nox.session
@nox.parametrize("version", ["oldest", "newest"], ids=["oldest", "newest"])
def ccxt_versions(session: nox.Session, version: str) -> None:
    """Test what stands on ccxt's private conventions with the oldest and the newest ccxt allowed."""
    chosen = CCXT.partition(",")[0].replace(">=", "==") if version == "oldest" else CCXT
    install(session, core("testing", "ed25519", "tls", "speed"), *PLUGINS, KESTREL, XDIST, "pip")
    session.install("--quiet", "--upgrade", chosen)
    session.run("python", "-m", "pip", "check")
    session.run("python", "-c", "import ccxt; print('ccxt', ccxt.__version__)")
    contract = [GENERIC / "tests", *sorted((ROOT / "tests" / "integration").glob("test_ccxt_*.py"))]
    session.run("pytest", "-n", "2", *map(shown, contract), *session.posargs)


@nox.session
def conformance(session: nox.Session) -> None:
    """Run the conformance kit, with more examples than in the tests, for every plugin and for Kestrel."""
    install(session, core("testing", "ed25519", "tls", "speed"), *PLUGINS, KESTREL, CCXT, XDIST)
    kits = {package.name: package / "tests" / "test_conformance.py" for package in [*PLUGINS, KESTREL]}
    kits[GENERIC.name] = ROOT / "tests" / "integration" / "test_ccxt_conformance.py"  # needs the dresses of the others
    for name, test in kits.items():
        if test.exists():
            report = session.cache_dir / f"conformance-{name}.json"
            options = ["--conformance-examples", "100" if name == GENERIC.name else "500"]
            options += ["--conformance-report", str(report)]
            session.run("pytest", "-n", "auto", shown(test), *options, *session.posargs)
    reports = sorted(map(str, session.cache_dir.glob("conformance-*.json")))
    session.run("python", "-m", "tickwire.testing.matrix", *reports)


@nox.session
def mutants(session: nox.Session) -> None:
    """Make deliberate bugs, and see that each is caught by the check that should. ``-- -k TEXT``: only some."""
    install(session, core("testing", "ed25519", "tls", "speed"), *PLUGINS, KESTREL, CCXT, BACKPACK_SDK)
    session.run("python", "tests/mutants/run.py", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Let thousands of seeded faults loose on feeds over real sockets, judged by the truth. ``-- --faults N``."""
    install(session, core("testing", "ed25519", "tls", "speed"), ROOT / "plugins" / "backpack")
    session.run("python", "tests/soak/run.py", *session.posargs)


@nox.session
def outages(session: nox.Session) -> None:
    """Let six sinks fail at random for ten minutes, and account for every record. ``-- --minutes N``."""
    install(session, core("testing", "parquet"), ROOT / "plugins" / "backpack", extras(ROOT / "plugins" / "sinks"))
    session.run("python", "tests/outages/outages.py", *session.posargs)


@nox.session
def regression(session: nox.Session) -> None:
    """Restart venues and a collector through ccxt for minutes, judged by the truth. ``-- --minutes N``: not 3."""
    install(session, core("testing"), *PLUGINS)
    session.run("python", "tests/regression/session.py", *session.posargs)


@nox.session
def live(session: nox.Session) -> None:
    """Look at a real exchange, Binance.US, for a minute, natively and through ccxt: the only session that goes out.

    Only where it is asked for, never in CI. ``-- --exchange kraken --symbol BTC-USD`` for another one.
    """
    if os.environ.get("CI"):
        session.error("the live session asks a real exchange: it does not run in CI")
    install(session, ROOT / "core", *PLUGINS)
    session.run("python", "tests/live/smoke.py", *session.posargs)


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


@nox.session
def template(session: nox.Session) -> None:
    """Make a plugin with every combination of what ``tickwire new`` asks, from wheels, and check each.

    ``-- --only rest`` for some of them, ``-- --limit 300`` where two minutes to the first green kit are too few.
    """
    session.run("python", "release/scaffolds.py", str(build(session)), *session.posargs)
    install(session, core("testing", "ed25519", "tls", "new"), MYPY, XDIST)
    every = {"TICKWIRE_EVERY_MISTAKE": "1"}
    session.run("pytest", "-n", "auto", "tests/integration/test_template.py", "-k", "wrong_file", env=every)


@nox.session(python=PYTHONS[0])
@nox.parametrize("package", [nox.param(package, id=package.name) for package in TESTED if adds_requirements(package)])
def minimums(session: nox.Session, package: Path) -> None:
    """Test one package with the lowest version its and core's ``pyproject.toml`` allow of every direct dependency."""
    install(session, "packaging", "pip")
    folders = dict.fromkeys([ROOT / "core", package])
    floors = session.cache_dir / f"floors-{package.name}.txt"
    found = session.run("python", "release/floors.py", *map(shown, folders), silent=True)
    floors.write_text(str(found))
    session.log("lowest versions: %s", " ".join(str(found).split("\n")))
    install(session, "-c", floors, "hatchling")  # the build's lowest version too: nothing is built in isolation
    install(session, "-c", floors, "--no-build-isolation", *map(extras, folders), "numpy", JSONSCHEMA, XDIST)
    session.run("pytest", "-n", "auto", shown(package / "tests"), *session.posargs)


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
def docs(session: nox.Session) -> None:
    """Build the site from the Markdown and the code, every warning an error. ``-- serve`` to look at it."""
    install(session, ROOT / "core", *PLUGINS, "mkdocs>=1.6,<2", "mkdocs-material>=9.6,<10")
    folder = session.cache_dir / "docs"
    session.run("python", "docs/site/pages.py", str(folder))
    session.run("mkdocs", *(session.posargs or ["build"]), "--strict", "-f", str(folder / "mkdocs.yml"))
    session.log("the site: %s", folder / "html" / "index.html")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure: ratios in one run. ``-- path``, ``startup``, ``memory``, ``wire``, ``ccxt`` or ``sinks``: a part."""
    install(session, core("ed25519", "tls", "speed", "parquet"), *map(extras, PLUGINS), "orjson", CCXT, "cryptofeed")
    session.run("python", "bench/run.py", *session.posargs)
