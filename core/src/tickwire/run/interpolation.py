"""Environment variables in a document: ``${VAR}``, ``${VAR:-default}``, ``${VAR:?message}``, and ``$${`` for ``${``.

Only values are read, never keys. As in a shell, ``:-`` and ``:?`` count an empty variable as not set.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tickwire.run.mistakes import Mistake, Path

__all__ = ["EnvText", "interpolate"]

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<inside>[^{}]*)\}|(?P<open>\$\{)")
_INSIDE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<mode>:[-?])(?P<rest>.*))?", re.DOTALL)
# a document of aliases to aliases unfolds without end, a real one stays far below
_MOST_VALUES = 100_000
_DEEPEST = 100


class EnvText(str):
    """Text that came from the environment: the target field may turn it into its own type, and no error shows it."""

    __slots__ = ()


def interpolate(data: object, environ: Mapping[str, str], mistakes: list[Mistake]) -> object:
    """Give ``data`` with every reference replaced; what contained one becomes ``EnvText``.

    Args:
        data: Plain values, lists and mappings.
        environ: The environment.
        mistakes: Variables that are not set and references that cannot be read are added here.
    """
    return _Walk(environ, mistakes).value(data, ())


class _Walk:
    def __init__(self, environ: Mapping[str, str], mistakes: list[Mistake]) -> None:
        self._environ = environ
        self._mistakes = mistakes
        self._count = 0

    def value(self, data: object, path: Path) -> object:
        self._count += 1
        if len(path) > _DEEPEST or self._count > _MOST_VALUES:
            if self._count < 2 * _MOST_VALUES:
                self._count = 2 * _MOST_VALUES
                self._mistake(path[:3], "the document is too large or too deep", "write it without so many aliases")
            return None
        if isinstance(data, str):
            return self._text(data, path)
        if isinstance(data, dict):
            return {key: self.value(item, (*path, str(key))) for key, item in data.items()}
        if isinstance(data, list):
            return [self.value(item, (*path, number)) for number, item in enumerate(data)]
        return data

    def _text(self, text: str, path: Path) -> str:
        if "${" not in text:
            return text
        replaced = _REFERENCE.sub(lambda match: self._reference(match, path), text)
        is_escaped_only = all(match[0] == "$${" for match in _REFERENCE.finditer(text))
        return replaced if is_escaped_only else EnvText(replaced)

    def _reference(self, match: re.Match[str], path: Path) -> str:
        if match[0] == "$${":
            return "${"
        inside = None if match["open"] else _INSIDE.fullmatch(match["inside"])
        if inside is None:
            self._mistake(path, f"{match[0]!r} is not a reference", "write ${VAR}, ${VAR:-default}, or $${ for ${")
            return ""
        return self._variable(inside["name"], inside["mode"], inside["rest"] or "", path)

    def _variable(self, name: str, mode: str | None, rest: str, path: Path) -> str:
        value = self._environ.get(name)
        if value or (value is not None and mode is None):
            return value
        if mode == ":-":
            return rest
        advice = f"set {name} in the environment" if mode else f"set {name}, or write ${{{name}:-a default}}"
        self._mistake(path, f"{name} is not set", rest or advice)
        return ""

    def _mistake(self, path: Path, message: str, hint: str) -> None:
        self._mistakes.append(Mistake(path, message, hint))
