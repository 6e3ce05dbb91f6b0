"""Imports point one way (design.md §2), plugins use public names only, and core names no exchange."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import attrs
import pytest

import tickwire

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "core" / "src" / "tickwire"
PLUGINS = sorted(path for path in (REPOSITORY / "plugins").glob("*/src/*") if (path / "plugin.py").is_file())

LOW = {"model", "plugin"}
MAY_IMPORT = {
    "model": set(),
    "plugin": {"model"},
    "native": LOW,
    "feed": LOW,
    "store": {"model"},
    "derive": {"model"},
    "run": LOW | {"native", "feed", "store", "derive"},
    "record": LOW | {"native", "feed", "store", "run"},
    "simulation": LOW,
    "testing": LOW | {"simulation"},
    "cli": LOW | {"native", "feed", "store", "run", "record", "simulation", "testing"},
}
FORBIDDEN = {"model": {"pluggy", "cattrs", "aiohttp"}, "feed": {"pluggy", "cattrs", "aiohttp"}}
HOME: dict[str, str] = tickwire._HOME  # type: ignore[attr-defined]
PLUGIN_DOORS = {"tickwire", "tickwire.plugin", "tickwire.native", "tickwire.simulation", "tickwire.testing"}


@attrs.frozen
class Import:
    """One imported module; ``name`` is what was taken from it, ``None`` for ``import module``."""

    path: Path
    line: int
    module: str
    name: str | None = None

    def __str__(self) -> str:
        return f"{self.path.relative_to(REPOSITORY)}:{self.line}: {self.module}" + (
            f" {self.name}" if self.name else ""
        )


def imports_of(path: Path) -> Iterator[Import]:
    """Every import of a file: inside functions and under TYPE_CHECKING too, relative ones made absolute."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import hides where it points"
            for alias in node.names:
                yield Import(path, node.lineno, str(node.module), alias.name)


CORE = [found for path in sorted(PACKAGE.rglob("*.py")) for found in imports_of(path)]


def public_names(module: str) -> set[str]:
    return set(import_module(module).__all__)


def folder_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def target_of(found: Import) -> str | None:
    """The folder of ours that an import reaches, ``""`` for the package itself, ``None`` for somebody else's."""
    words = found.module.split(".")
    if words[0] != "tickwire":
        return None
    if len(words) > 1:
        return words[1]
    return found.name if found.name and (PACKAGE / found.name).is_dir() else ""


def test_every_folder_of_core_has_its_row_in_the_table() -> None:
    folders = {path.parent.relative_to(PACKAGE).parts[0] for path in PACKAGE.glob("*/*.py")}
    assert folders <= set(MAY_IMPORT)


@pytest.mark.parametrize("folder", [name for name in MAY_IMPORT if name != "testing"])
def test_imports_inside_core_point_one_way(folder: str) -> None:
    allowed = MAY_IMPORT[folder] | {folder}
    wrong = [i for i in CORE if folder_of(i.path) == folder and target_of(i) not in (*allowed, None)]
    assert [str(i) for i in wrong] == []


def is_public(found: Import) -> bool:
    """Through a door, or the same name at its home, as modules of core import it."""
    if found.module in PLUGIN_DOORS:
        return found.name in public_names(found.module)
    return f"tickwire.{HOME.get(str(found.name))}" == found.module


def test_the_kit_imports_public_names_and_the_simulation() -> None:
    allowed = {"testing", "simulation"}
    wrong = [
        i
        for i in CORE
        if folder_of(i.path) == "testing"
        and target_of(i) is not None
        and target_of(i) not in allowed
        and not is_public(i)
    ]
    assert [str(i) for i in wrong] == []


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_model_and_feed_import_no_plugin_framework_and_no_network_library(folder: str) -> None:
    wrong = [i for i in CORE if folder_of(i.path) == folder and i.module.split(".")[0] in FORBIDDEN[folder]]
    assert [str(i) for i in wrong] == []


def test_core_imports_no_plugin() -> None:
    names = {path.name for path in PLUGINS}
    wrong = [i for i in CORE if i.module.split(".")[0] in names or i.module.split(".")[0].startswith("tickwire_")]
    assert [str(i) for i in wrong] == []


def test_there_is_a_plugin_to_look_at() -> None:
    assert "tickwire_backpack" in [path.name for path in PLUGINS]


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_a_plugin_imports_public_names_only_and_no_other_plugin(plugin: Path) -> None:
    wrong = []
    for path in sorted(plugin.rglob("*.py")):
        for found in imports_of(path):
            top = found.module.split(".")[0]
            if top == "tickwire":
                is_allowed = found.module in PLUGIN_DOORS and is_public(found)
            else:
                is_allowed = top == plugin.name or not top.startswith("tickwire_")
            if not is_allowed:
                wrong.append(str(found))
    assert wrong == []


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_plugin_py_holds_hook_implementations_and_nothing_else(plugin: Path) -> None:
    for node in ast.parse((plugin / "plugin.py").read_text()).body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_hook = isinstance(node, ast.FunctionDef) and node.name.startswith("tickwire_") and bool(node.decorator_list)
        assert is_docstring or is_hook or isinstance(node, ast.Import | ast.ImportFrom | ast.If), ast.unparse(node)


EXCHANGES = (
    "aevo", "backpack", "binance", "binanceusdm", "bitfinex", "bitget", "bitmex", "bitstamp", "bitvavo", "bybit",
    "coinbase", "cryptocom", "deribit", "dydx", "gateio", "gemini", "huobi", "htx", "hyperliquid", "kestrel", "kraken",
    "kucoin", "mexc", "okx", "upbit",
)  # fmt: skip
EXCHANGE = re.compile(rf"(?<![a-z])(?:{'|'.join(EXCHANGES)})(?![a-z])", re.IGNORECASE)
HELP = {"help", "hint", "epilog", "short_help", "metavar"}
"""Keyword arguments that are read by a person: an example there may show a real exchange."""


def prose_of(tree: ast.Module) -> set[int]:
    """Ids of the nodes that only a person reads: docstrings, texts standing alone, help and hints."""
    prose: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            prose.add(id(node.value))
        elif isinstance(node, ast.keyword) and node.arg in HELP:
            prose.update(id(inner) for inner in ast.walk(node.value))
    return prose


def words_of(node: ast.AST) -> Iterator[str]:
    """What a node itself says: a string, an identifier, an argument's or a keyword's name."""
    for field in ("id", "attr", "name", "arg", "module", "asname", "value"):
        word = getattr(node, field, None)
        if isinstance(word, str):
            yield re.sub(r"_|(?<=[a-z0-9])(?=[A-Z])", " ", word)


def exchanges_named_in(source: str) -> list[tuple[int, str]]:
    tree = ast.parse(source)
    prose = prose_of(tree)
    return [
        (getattr(node, "lineno", 0), word)
        for node in ast.walk(tree)
        if id(node) not in prose
        for word in words_of(node)
        if EXCHANGE.search(word)
    ]


def test_core_names_no_exchange_outside_of_prose() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}:{line}: {word!r}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, word in exchanges_named_in(path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    ["if exchange == 'kraken': pass", "import ccxt.pro.okx", "class BinanceRouter: pass", "x = f'wss://{y}.bybit.com'",
     "def fix_deribit_ids(): pass", "call(exchange='backpack')"],
)  # fmt: skip
def test_the_rule_sees_names_in_code(source: str) -> None:
    assert exchanges_named_in(source) != []


@pytest.mark.parametrize(
    "source",
    ["'''Kraken numbers nothing.'''", "def f():\n    '''``Feed('backpack')``'''", "option(help='e.g. backpack')"],
)
def test_the_rule_lets_prose_be(source: str) -> None:
    assert exchanges_named_in(source) == []
