"""Settings from outside the file: ``TICKWIRE__EXCHANGES__BACKPACK__PROXY=…``, and ``exchanges.backpack.proxy=…``.

The environment beats the file and the command line beats both. Values are texts that the target field turns into its
own type; one that begins with ``[`` or ``{`` is read as YAML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tickwire.model.errors import ConfigError
from tickwire.run.documents import read_yaml
from tickwire.run.interpolation import EnvText
from tickwire.run.mistakes import Mistake, Path

__all__ = ["Origins", "overlaid"]

PREFIX = "TICKWIRE__"
Origins = dict[Path, str]
"""Who set what stands at a path, where it was not the file."""

_STEP = re.compile(r"[^.\[\]]+|\[\d+\]")


def overlaid(
    data: object, environ: Mapping[str, str], settings: Sequence[str], mistakes: list[Mistake]
) -> tuple[object, Origins]:
    """Lay variables and settings over a document.

    Args:
        data: The document; it is not changed.
        environ: Where the variables stand.
        settings: ``path=value`` from the command line, the last one wins.
        mistakes: What cannot be laid anywhere is added here.

    Returns:
        The new document, and who set what.
    """
    origins: Origins = {}
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        steps = variable.removeprefix(PREFIX).split("__")
        data = _laid(data, steps, environ[variable], variable, origins, mistakes, _in_the_environment)
    for setting in settings:
        path, equals, value = setting.partition("=")
        if not equals or "".join(_STEP.findall(path)) != path.replace(".", "") or not path:
            mistakes.append(Mistake((), f"--set {path!r} is no path=value", "write exchanges.NAME.proxy=…"))
            continue
        steps = [step.strip("[]") for step in _STEP.findall(path)]
        data = _laid(data, steps, value, f"--set {path}", origins, mistakes, lambda key: key)
    return data, origins


def _laid(
    data: object,
    steps: Sequence[str],
    text: str,
    origin: str,
    origins: Origins,
    mistakes: list[Mistake],
    spelled: Callable[[str], str],
) -> object:
    path: list[str | int] = []
    try:
        value = read_yaml(text, origin) if text[:1] in ("[", "{") else EnvText(text)
        changed = _with(data, list(steps), value, path, spelled)
    except ConfigError as error:
        mistakes.append(Mistake(tuple(path), f"{error.message} (from {origin})", error.hint or ""))
        return data
    origins[tuple(path)] = origin
    return changed


def _with(data: object, steps: list[str], value: object, path: list[str | int], spelled: Callable[[str], str]) -> Any:
    if not steps:
        return value
    step, *rest = steps
    if isinstance(data, list | tuple):
        if not step.isdigit() or int(step) >= len(data):
            raise ConfigError(f"{step!r} is no position in a list of {len(data)}", hint="count from 0")
        path.append(int(step))
        items = list(data)
        items[int(step)] = _with(items[int(step)], rest, value, path, spelled)
        return items
    if data is not None and not isinstance(data, Mapping):
        raise ConfigError("nothing can be set inside a single value", hint="name its key alone")
    if not step:
        raise ConfigError("a key is empty", hint="write TICKWIRE__EXCHANGES__NAME__KEY")
    held: dict[Any, Any] = dict(data or {})
    # variables are written in capitals with underscores, keys as the file has them
    key = next((name for name in held if isinstance(name, str) and spelled(name) == spelled(step)), None)
    if key is None:
        key = step if spelled(step) == step else spelled(step)
    path.append(key)
    held[key] = _with(held.get(key), rest, value, path, spelled)
    return held


def _in_the_environment(key: str) -> str:
    return re.sub(r"[^a-z0-9_]", "_", key.lower())
