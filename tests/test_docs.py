"""What the documents show is true: code compiles and uses public names, configs parse, links and headings exist."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from tickwire.cli.main import app
from tickwire.cli.new import Auth, Book
from tickwire.plugin import hookspecs
from tickwire.run.config import load_config
from tickwire.testing.matrix import matrix
from tickwire.testing.report import read_report

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    {page for pattern in ("*.md", "docs/**/*.md", "*/README.md", "plugins/*/*.md") for page in ROOT.glob(pattern)}
)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
DOORS = ("tickwire", "tickwire.plugin", "tickwire.native", "tickwire.testing")
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
    tree = ast.parse(textwrap.dedent(code))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("tickwire"):
            assert node.module in DOORS or str(node.module).startswith("tickwire_")
            if not str(node.module).startswith("tickwire_"):  # a plugin of the reader's own
                assert {alias.name for alias in node.names} <= set(dir(import_module(str(node.module))))


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


TUTORIAL = ROOT / "docs" / "writing-a-plugin.md"
STEP = re.compile(
    r"^(?:<!-- (file|insert before \"\)\" in): (\S+) -->\n)?```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL
)
PROGRAMS = {"tickwire": "tickwire.cli.main", "pytest": "pytest"}


class Author:
    """Somebody who does what the tutorial says, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said = ""

    def type(self, line: str) -> None:
        """Run one command of the tutorial."""
        program, *words = shlex.split(line)
        if program == "cd":
            self.folder = self.folder / words[0]
            self._install()
            return
        if program == "rm":
            paths = [path for word in words for path in self.folder.glob(word)]
            assert paths, f"{line} removes nothing"
            for path in paths:
                path.unlink()
            return
        self.said = self._run(PROGRAMS[program], *words)

    def _run(self, *command: str) -> str:
        path = os.pathsep.join([str(self.folder / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
        more = {"PYTHONPATH": path, "PYTHONUTF8": "1", "NO_COLOR": "1"}
        more["PYTEST_ADDOPTS"] = "-p no:cacheprovider --conformance-examples 10"
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=self.folder,
            env={**os.environ, **more},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-3_000:]}{done.stderr[-3_000:]}"
        return done.stdout + done.stderr

    def _install(self) -> None:
        # what pip install -e leaves behind
        project = tomllib.loads((self.folder / "pyproject.toml").read_text())["project"]
        facts = self.folder / "src" / f"{project['name'].replace('-', '_')}-0.1.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0.1.0\n")
        entries = project["entry-points"]["tickwire.v1"].items()
        lines = "".join(f"{name} = {module}\n" for name, module in entries)
        (facts / "entry_points.txt").write_text(f"[tickwire.v1]\n{lines}")


@pytest.mark.timeout(600)
def test_following_the_tutorial_leads_to_a_working_plugin(tmp_path: Path) -> None:
    author = Author(tmp_path)
    written: set[str] = set()
    for how, name, language, text in STEP.findall(TUTORIAL.read_text()):
        if language == "sh":
            for line in text.splitlines():
                author.type(line)
        elif language == "text":
            spaced = re.sub(r" +", " ", author.said)
            assert [line for line in text.splitlines() if re.sub(r" +", " ", line) not in spaced] == [], author.said
        else:
            assert name, f"where does this go?\n{text}"
            path = author.folder / name
            assert path.parent.is_dir(), name
            if how == "file":
                path.write_text(text)
                written.add(name)
            else:
                head, closing, rest = path.read_text().rpartition(")\n")
                path.write_text(f"{head}{text.removeprefix('+')}{closing}{rest}")
    author.type("tickwire check tests/frames")
    author._run("mypy")
    sources = {path.relative_to(author.folder).as_posix() for path in (author.folder / "src").rglob("*.py")}
    assert sources - written == {"src/tickwire_acme/__init__.py", "src/tickwire_acme/plugin.py"}
    assert "cannot: there is no simulator" not in author._run("pytest", "-k", "test_b or test_v", "-rs")


def test_every_step_of_the_generated_readme_is_one_of_the_tutorial() -> None:
    readme = (ROOT / "template" / "{{ cookiecutter.__project }}" / "README.md").read_text()
    files = re.findall(r"\*\*`(?:src/[^`]*/)?([\w/.]+)`\*\*", readme)
    headings = re.findall(r"^## \d\. .*: `(.*)`$", TUTORIAL.read_text(), re.MULTILINE)
    assert sorted(files) == sorted(headings)
    assert [one for one in files if one != "auth.py"] == [one for one in headings if one != "auth.py"]


@pytest.mark.parametrize("option", ["--auth", "--book", "--checksum"])
def test_the_tutorial_explains_what_a_new_plugin_is_asked_for(option: str) -> None:
    row = re.search(rf"^\| `{option}` \| (.*) \|$", TUTORIAL.read_text(), re.MULTILINE)
    assert row
    choices = {"--auth": Auth, "--book": Book}.get(option, ())
    assert [choice for choice in choices if f"`{choice}`" not in row[1]] == []


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


def test_the_table_of_what_works_where_is_made_from_the_reports_that_plugins_ship() -> None:
    reports = [read_report(path) for path in sorted(ROOT.glob("plugins/*/src/tickwire_*/conformance*.json"))]
    page = (ROOT / "docs" / "capabilities.md").read_text()
    assert page.partition("<!-- matrix -->\n")[2] == f"\n{matrix(reports)}"
