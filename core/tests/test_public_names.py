"""The lazy name tables: complete, equal to the stubs, and light."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import tickwire

PACKAGE = Path(tickwire.__file__).parent
HEAVY = ("aiohttp", "cattrs", "typer", "pluggy", "yaml", "rich", "numpy", "nacl")


def stub_names(stub: Path) -> dict[str, str]:
    """Name to module, as ``__init__.pyi`` re-exports them."""
    found = {}
    for node in ast.parse(stub.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                assert alias.asname == alias.name, f"{alias.name} is not re-exported: write 'as {alias.name}'"
                found[alias.name] = str(node.module)
    return found


def test_the_kit_s_table_of_names_equals_its_stub() -> None:
    table = {name: f"tickwire.{module}" for name, module in import_module("tickwire.testing")._HOME.items()}
    assert table == stub_names(PACKAGE / "testing" / "__init__.pyi")


def test_the_table_of_names_equals_the_stub() -> None:
    table = {name: f"tickwire.{module}" for name, module in tickwire._HOME.items()}  # type: ignore[attr-defined]
    assert table == stub_names(PACKAGE / "__init__.pyi")


@pytest.mark.parametrize("package", ["tickwire", "tickwire.native", "tickwire.plugin", "tickwire.testing"])
def test_every_public_name_resolves(package: str) -> None:
    module = import_module(package)
    assert module.__all__
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert missing == []


@pytest.mark.parametrize("package", ["tickwire", "tickwire.native"])
def test_dir_lists_the_public_names_before_they_are_imported(package: str) -> None:
    code = f"import {package} as p; assert set(p.__all__) <= set(dir(p)), set(p.__all__) - set(dir(p))"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("names", ["", "tickwire", "tickwire.native", "tickwire.plugin"])
def test_importing_warns_of_nothing(names: str) -> None:
    code = f"import tickwire; {names and f'import {names} as p; [getattr(p, name) for name in p.__all__]'}"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'tickwire' has no attribute 'Fede'"):
        tickwire.Fede  # type: ignore[attr-defined] # noqa: B018


def test_import_tickwire_imports_nothing_heavy() -> None:
    code = f"import sys, tickwire; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", ["Trade", "L2Book", "Books", "parse_symbol", "encode_event", "Health"])
def test_a_name_of_the_model_imports_no_network_or_plugin_library(name: str) -> None:
    code = f"import sys; from tickwire import {name}; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


def test_every_module_with_all_defines_what_it_names() -> None:
    for path in PACKAGE.rglob("*.py"):
        relative = path.relative_to(PACKAGE.parent).with_suffix("")
        if {"__init__", "__main__", "_template"} & set(relative.parts):  # the template's files are no modules yet
            continue
        assigned = {t.id for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign)
                    for t in node.targets if isinstance(t, ast.Name)}  # fmt: skip
        if "__all__" in assigned:
            module = import_module(".".join(relative.parts))
            assert [n for n in module.__all__ if not hasattr(module, n)] == [], path
