"""Payloads that are no bytes, as a capture keeps them: data classes (msgspec, attrs) by name and fields.

A transport that decodes by itself hands over objects. What MessagePack has a form for is kept as it is; a data class
becomes ``{"$type": "package.module:Class", "$value": {…}}`` and is made again of it. Anything else (an exception, an
open file) cannot be kept: the entry is left out, and the capture says so.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any, TypeVar

import attrs
import msgspec

from tickwire.model.errors import ConfigError
from tickwire.record.entries import Answered, Arrival, Framed

__all__ = ["as_plain", "as_was", "converted", "with_objects"]

T = TypeVar("T")

_TYPE, _VALUE = "$type", "$value"
_PLAIN = frozenset({bytes, str, int, float, bool, type(None)})


def converted(fields: object, kind: type[T]) -> T:
    """Make an object of its fields.

    Raises:
        msgspec.ValidationError: They are not its fields.
    """
    made: T = _made(msgspec.convert(fields, kind))
    return made


def as_plain(value: Any) -> Any:
    """Give a payload as plain values; what cannot be made plain is given back as it is."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is list or kind is tuple:
        return [as_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: as_plain(item) for key, item in value.items()}
    if not _is_data(kind):
        return value
    if attrs.has(kind) and any(field.name.startswith("_") for field in attrs.fields(kind)):
        return _Unkeepable()  # msgspec leaves these fields out without a word
    try:
        fields = msgspec.to_builtins(value, builtin_types=(bytes,), str_keys=True)
    except (TypeError, ValueError):
        return value
    return {_TYPE: f"{kind.__module__}:{kind.__qualname__}", _VALUE: fields}


def with_objects(entry: Arrival) -> Arrival:
    """Give a delivery with its objects made again.

    Raises:
        ConfigError: One cannot be.
    """
    if isinstance(entry, Framed) and type(entry.payload) is not bytes:
        return msgspec.structs.replace(entry, payload=as_was(entry.payload))
    if isinstance(entry, Answered) and entry.value is not None:
        return msgspec.structs.replace(entry, value=as_was(entry.value))
    return entry


class _Unkeepable:
    pass


def as_was(value: Any) -> Any:
    """Make a payload of plain values again.

    Raises:
        ConfigError: Its class is not there, or has other fields now.
    """
    if type(value) is list:
        return [as_was(item) for item in value]
    if type(value) is not dict:
        return value
    if value.keys() != {_TYPE, _VALUE}:
        return {key: as_was(item) for key, item in value.items()}
    name = str(value[_TYPE])
    try:
        return converted(value[_VALUE], _class(name))
    except (ImportError, AttributeError, LookupError, msgspec.ValidationError) as error:
        raise ConfigError(
            f"the capture holds a {name}, which cannot be made here: {error}",
            hint="install the version of the plugin that it was recorded with",
        ) from error


# msgspec fills the fields of an attrs class and leaves out what its constructor does besides, e.g. keep its hash
def _made(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        changed = {name: made for name, item in fields.items() if (made := _made(item)) is not item}
        return msgspec.structs.replace(value, **changed) if changed else value
    if attrs.has(type(value)):
        return attrs.evolve(value, **{one.name: _made(getattr(value, one.name)) for one in attrs.fields(type(value))})
    return value


# A file may come from anywhere: it names data classes of packages that are loaded anyway, or nothing.
def _class(name: str) -> type:
    module, _, path = name.partition(":")
    if module.partition(".")[0] not in sys.modules:
        raise LookupError(f"{module.partition('.')[0]!r} is no plugin that is installed")
    found: Any = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    if not (isinstance(found, type) and _is_data(found)):
        raise LookupError("it is no data class")
    return found


def _is_data(kind: type) -> bool:
    return issubclass(kind, msgspec.Struct) or attrs.has(kind)
