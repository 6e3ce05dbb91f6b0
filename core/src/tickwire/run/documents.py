"""YAML or TOML text -> plain values (mappings, lists, texts, numbers, booleans, None).

YAML is read by the rules of YAML 1.2, so ``no`` and ``on`` are texts, ``1:30`` is not 90 and a date is not a date
object; duplicate keys and tags are refused.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Hashable
from typing import Any, ClassVar

import yaml

from tickwire.model.errors import ConfigError

__all__ = ["read_toml", "read_yaml"]

_MAP, _SEQ, _STR = (f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str"))
_NULL, _BOOL, _INT, _FLOAT, _MERGE = (f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "merge"))
_SELECTOR = "quote selectors that begin with `*` or `!`"


def read_toml(text: str, source: str) -> object:
    """Read TOML.

    Raises:
        ConfigError: It is not TOML; says line and column.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        place = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
        where = f"{source}:{place[1]}:{place[2]}" if place else source
        reason = str(error)[: place.start()] if place else str(error)
        raise ConfigError(f"not TOML: {reason}", hint="see https://toml.io", path=where) from error


def read_yaml(text: str, source: str) -> object:
    """Read YAML.

    Raises:
        ConfigError: It is not YAML, or has duplicate keys or tags; says line and column.
    """
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise _explained(error, text, source) from error
    except (yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"not YAML: {reason}", hint="correct it at that place", path=source) from error


def _explained(error: yaml.MarkedYAMLError, text: str, source: str) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return ConfigError(f"not YAML: {error.problem}", hint="correct it at that place", path=source)
    reason = ", ".join(part for part in (error.context, error.problem) if part)
    if not isinstance(error, yaml.constructor.ConstructorError):
        reason = f"not YAML: {reason}"
    place = f"{source}:{mark.line + 1}:{mark.column + 1}"
    return ConfigError(reason, hint=_advice(error, text), path=place)


def _advice(error: yaml.MarkedYAMLError, text: str) -> str:
    marks = [mark.index for mark in (error.problem_mark, error.context_mark) if mark is not None]
    if any(text[index : index + 1] in ("*", "!") for index in marks):
        return _SELECTOR
    if any(text[max(index - 1, 0) : index + 1] == "${" for index in marks):
        return 'inside { } and [ ] write "${VAR}" with quotes'
    return "correct it at that place"


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core schema: what looks like text is text."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 PyYAML's own way to set them
    yaml_constructors: ClassVar[dict[Any, Any]] = {}

    def mapping(self, node: yaml.Node) -> dict[Hashable, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise yaml.constructor.ConstructorError(None, None, "this is no mapping", node.start_mark)
        self._refuse_duplicates(node)
        return self.construct_mapping(node, deep=True)

    def _refuse_duplicates(self, node: yaml.MappingNode) -> None:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} is here a second time", key.start_mark
                    )
                seen.add((key.tag, key.value))

    def sequence(self, node: yaml.Node) -> list[Any]:
        if not isinstance(node, yaml.SequenceNode):
            raise yaml.constructor.ConstructorError(None, None, "this is no list", node.start_mark)
        return self.construct_sequence(node, deep=True)

    def scalar(self, node: yaml.Node) -> object:
        text = self.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if text is not None:
            try:
                return _SCALARS[node.tag](text)
            except (KeyError, ValueError):
                pass
        raise yaml.constructor.ConstructorError(
            None, None, f"this is no {node.tag.rpartition(':')[2]}", node.start_mark
        )

    def tagged(self, node: yaml.Node) -> object:
        raise yaml.constructor.ConstructorError(
            None, None, f"tags such as {node.tag!r} mean nothing here", node.start_mark
        )


_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_SCALARS: dict[str, Any] = {
    _NULL: lambda _: None,
    _BOOL: _BOOLS.__getitem__,
    _INT: int,
    _FLOAT: float,
    _STR: str,
}
_NUMBER_STARTS = list("-+.0123456789")
_Loader.add_implicit_resolver(_NULL, re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(_BOOL, re.compile(rf"(?:{'|'.join(_BOOLS)})\Z"), list("tTfF"))
_Loader.add_implicit_resolver(_INT, re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})\Z"), _NUMBER_STARTS)
_FLOATS = r"(?=.*[.eE])[-+]?(?:(?:0|[1-9][0-9]*)?\.[0-9]+|(?:0|[1-9][0-9]*)\.?)(?:[eE][-+]?[0-9]+)?\Z"
_Loader.add_implicit_resolver(_FLOAT, re.compile(_FLOATS), _NUMBER_STARTS)
_Loader.add_implicit_resolver(_MERGE, re.compile(r"<<\Z"), ["<"])
_Loader.add_constructor(_MAP, _Loader.mapping)
_Loader.add_constructor(_SEQ, _Loader.sequence)
for _tag in _SCALARS:
    _Loader.add_constructor(_tag, _Loader.scalar)
_Loader.add_constructor(None, _Loader.tagged)
