"""What the documents show is true: code compiles and uses public names, configs parse, links and headings exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import tickwire
from tickwire.cli.main import app
from tickwire.plugin import hookspecs
from tickwire.run.config import load_config

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    {page for pattern in ("*.md", "docs/**/*.md", "*/README.md", "plugins/*/*.md") for page in ROOT.glob(pattern)}
)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(language: str) -> list[object]:
    return [
        pytest.param(text, id=f"{name_of(page)}:{page.read_text()[: match.start()].count(chr(10)) + 1}")
        for page in PAGES
        for match in BLOCK.finditer(page.read_text())
        for found, text in [match.groups()]
        if found == language
    ]


@pytest.mark.parametrize("code", blocks("python"))
def test_python_examples_compile_and_use_public_names(code: str) -> None:
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("tickwire"):
            assert node.module == "tickwire"
            assert {alias.name for alias in node.names} <= set(dir(tickwire))


def test_the_library_example_of_the_readme_is_short() -> None:
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 15


@pytest.mark.parametrize("text", blocks("yaml"))
def test_config_examples_are_accepted(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    environ = dict.fromkeys(re.findall(r"\$\{(\w+)", text), "set")
    assert load_config(file, environ).exchanges


@pytest.mark.parametrize("text", blocks("sh"))
def test_shell_examples_name_commands_and_options_that_exist(text: str) -> None:
    import typer.main

    group = typer.main.get_command(app)
    commands = group.commands  # type: ignore[attr-defined]
    for line in re.findall(r"^tickwire (.+)$", text, re.MULTILINE):
        name, *words = line.split()
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert {word.partition("=")[0] for word in words if word.startswith("-")} <= known, line


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target, heading in LINK.findall(page.read_text()):
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{name_of(page)} links to {target}"
        if heading:
            titles = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert heading in [re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles]


HOOKS = [name for name in vars(hookspecs) if name.startswith("tickwire_")]


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_its_section_with_its_arguments(hook: str) -> None:
    specification = getattr(hookspecs, hook)
    arguments = specification.__code__.co_varnames[: specification.__code__.co_argcount]
    headings = re.findall(r"^## `(.*)`$", (ROOT / "docs" / "hooks.md").read_text(), re.MULTILINE)
    assert f"{hook}({', '.join(arguments)})" in headings


def test_every_command_has_its_row() -> None:
    import typer.main

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    rows = re.findall(r"^\| `tickwire (\w+)", (ROOT / "docs" / "cli.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(commands)
