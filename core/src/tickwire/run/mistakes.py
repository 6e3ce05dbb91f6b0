"""What is wrong in a configuration, where, and what to write instead: all of it at once, as one ``ConfigError``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TypeAlias

import attrs

from tickwire.model.errors import ConfigError

__all__ = ["Mistake", "Path", "closest", "config_error", "join_path", "path_text", "unknown_key"]

Path: TypeAlias = tuple[str | int, ...]
"""Keys and list positions from the top of a document: ``("exchanges", "backpack", "symbols", 3)``."""


@attrs.frozen
class Mistake:
    """One thing to correct.

    Attributes:
        path: Where.
        message: What is wrong.
        hint: What to do.
        meant: For an unknown key, the key that was probably meant.
        missing: For a missing key, its name; no mistake of its own where an unknown key meant it.
    """

    path: Path
    message: str
    hint: str
    meant: str | None = None
    missing: str | None = None

    def __str__(self) -> str:
        text = f"{self.message} → {self.hint}"
        return f"{path_text(self.path)}: {text}" if self.path else text


def path_text(path: Path) -> str:
    """Write a path as ``exchanges.backpack.symbols[3]``; what cannot be printed is escaped."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            shown = step if step.isprintable() and step else repr(step)
            text += f".{shown}" if text else shown
    return text


def join_path(*parts: str) -> str:
    """Put the file before the place in it: ``night.yaml: sinks.hot``; empty parts are left out."""
    return ": ".join(part for part in parts if part)


def closest(name: str, known: Iterable[str]) -> str | None:
    """Give the known name that ``name`` was probably meant to be."""
    found = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def unknown_key(path: Path, known: Sequence[str]) -> Mistake:
    """Say that the last step of ``path`` is no key here."""
    meant = closest(str(path[-1]), known)
    if meant:
        hint = f"did you mean {meant}?"
    else:
        hint = f"one of {', '.join(known)}" if known else "nothing can be set here: remove it"
    return Mistake(path, "unknown key", hint, meant=meant)


def config_error(source: str, mistakes: Sequence[Mistake]) -> ConfigError:
    """Make one error of one or many mistakes.

    Args:
        source: The file's name, empty where there is none.
        mistakes: At least one.
    """
    if len(mistakes) == 1:
        only = mistakes[0]
        return ConfigError(only.message, hint=only.hint, path=join_path(source, path_text(only.path)))
    lines = "".join(f"\n  {mistake}" for mistake in mistakes)
    # each line carries its own hint, so the whole has none
    return ConfigError(f"{len(mistakes)} mistakes{lines}", hint="", path=source)
