"""Shows options without their secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["option_texts"]

_MASK = "***"


def option_texts(options: Any, configured: Mapping[str, object]) -> dict[str, object]:
    """Give options by name, as values that can be printed.

    A secret is masked; so is what the options class keeps out of its repr, and what came from an environment variable,
    where people keep their keys.

    Args:
        options: An attrs instance, ``None`` where the configured values could not be read.
        configured: What the user wrote.
    """
    if options is None:
        return dict.fromkeys(configured, _MASK)
    fields = attrs.fields(type(options))
    return {field.name: _shown(field, getattr(options, field.name), configured.get(field.name)) for field in fields}


def _shown(field: attrs.Attribute[object], value: object, configured: object) -> object:
    from tickwire.run.secrets import Secret

    if isinstance(value, Secret) or field.repr is False or _is_from_environment(configured):
        return _MASK
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)


def _is_from_environment(configured: object) -> bool:
    from tickwire.run.interpolation import EnvText

    if isinstance(configured, Mapping):
        return any(map(_is_from_environment, configured.values()))
    if isinstance(configured, list | tuple):
        return any(map(_is_from_environment, configured))
    return isinstance(configured, EnvText)
