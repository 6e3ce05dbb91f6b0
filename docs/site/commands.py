"""The page *Commands: every option*, made from what each command prints for ``--help``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from typer.testing import CliRunner

from tickwire.cli.main import app

__all__ = ["command_names", "commands_page"]

_HEAD = """# Commands: every option

Made from each command's `--help`; the [guide](cli.md) says what they are for.
"""
_WIDE = 1_000  # characters: no line of help is broken
_SECTION = re.compile(r"^(Arguments|Options|Commands):\n((?:  .*\n)+)", re.MULTILINE)
_ENTRY = re.compile(r"^  (\S.*?)(?:\n? {2,}(\S.*))?$", re.MULTILINE)


def command_names() -> list[str]:
    """Give the commands, in the order of ``tickwire --help``."""
    return [first.split()[0] for first, _ in _entries(_help(), "Commands")]


def commands_page() -> str:
    """Write the page: a section for every command, with its arguments and options."""
    return "\n".join([_HEAD, *map(_command, command_names())])


def _command(name: str) -> str:
    text = _help(name)
    usage = re.findall(r"^Usage: (.*)$", text, re.MULTILINE)[0]
    said, example = re.findall(r"^Usage: .*\n\n((?:.*\n)+?)\n  Example: (.*)\n", text, re.MULTILINE)[0]
    parts = [f"## `tickwire {name}`\n", re.sub(r"^  ", "", said, flags=re.MULTILINE)]
    parts += [f"```sh\n{example}\n```\n", f"```text\n{usage}\n```\n"]
    for section, column in (("Arguments", "argument"), ("Options", "option")):
        rows = [_row(*entry) for entry in _entries(text, section)]
        parts += [f"| {column} | default | meaning |", "|---|---|---|", *rows, ""] if rows else []
    return "\n".join(parts)


def _row(first: str, said: str) -> str:
    meaning, _, facts = said.partition("  [")  # [default: 0; 0<=x<=65535], [required]
    shown = [fact.removeprefix("default: ") for fact in facts.removesuffix("]").split("; ") if fact]
    default = "; ".join("*needed*" if fact == "required" else f"`{fact}`" for fact in shown)
    return f"| `{first}` | {default} | {meaning} |"


def _entries(text: str, section: str) -> Iterator[tuple[str, str]]:
    for title, lines in _SECTION.findall(text):
        if title == section:
            yield from _ENTRY.findall(lines)


def _help(*command: str) -> str:
    done = CliRunner().invoke(app, [*command, "--help"], prog_name="tickwire", terminal_width=_WIDE)
    if done.exit_code:
        raise RuntimeError(f"tickwire {' '.join(command)} --help ends with {done.exit_code}: {done.output}")
    return done.output
