"""Has the exchange begun to send fields that nobody reads? msgspec skips them in silence; here they are named, once.

A frame is decoded a second time, loosely, and its keys are compared with the fields of the decoder's types: nested
ones, tagged unions, renamed fields, arrays. What is typed as a mapping or as anything has no fields to compare.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
from msgspec import inspect

from tickwire.model.metrics import Metrics

__all__ = ["Drift", "unknown_fields"]

_log = logging.getLogger(__name__)

_FIELDS = 100  # told apart; an exchange that sends garbage must not grow our memory
_ITEMS = 3  # of an array; the others are like them

# what was told of a feed: its connections come and go
_fields_of: WeakKeyDictionary[Metrics, set[tuple[str, str]]] = WeakKeyDictionary()


class Drift:
    """Counts unknown fields in ``drift_total{kind,field}`` and logs each once."""

    def __init__(self, decoder: msgspec.json.Decoder[Any], metrics: Metrics, unread: Collection[str] = ()) -> None:
        """Know what a decoder knows, and what is left out on purpose: paths such as ``data.E``."""
        self._type = decoder.type
        self._unread = frozenset(unread)
        self._known = _fields_of.setdefault(metrics, set())
        self._metrics = metrics

    def look_at(self, payload: bytes, kind: str) -> None:
        """Compare one frame that the decoder has accepted."""
        try:
            loose = msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return  # skipped by the typed decoder, where nobody looks
        for field in sorted(set(unknown_fields(self._type, loose)) - self._unread):
            self._count(kind, field)

    def _count(self, kind: str, field: str) -> None:
        if (kind, field) not in self._known and len(self._known) >= _FIELDS:
            kind = field = "other"
        self._metrics.counter("drift_total", kind=kind, field=field).add()
        if (kind, field) not in self._known:
            self._known.add((kind, field))
            _log.info("frames of kind %r have a field that nothing reads: %s", kind, field)


def unknown_fields(type: Any, value: object) -> Iterator[str]:
    """Give the paths of all keys in ``value``, decoded loosely, that ``type`` has no field for."""
    return _walk(_described(type), value, "")


@lru_cache(maxsize=256)
def _described(type: Any) -> inspect.Type:
    return inspect.type_info(type)


def _walk(kind: inspect.Type, value: object, path: str) -> Iterator[str]:
    if isinstance(kind, inspect.Metadata):
        yield from _walk(kind.type, value, path)
    elif isinstance(kind, inspect.UnionType):
        chosen = _chosen(kind, value)
        if chosen is not None:
            yield from _walk(chosen, value, path)
    elif isinstance(value, dict):
        yield from _walk_object(kind, value, path)
    elif isinstance(value, list):
        yield from _walk_array(kind, value, path)


def _walk_object(kind: inspect.Type, value: dict[str, object], path: str) -> Iterator[str]:
    if isinstance(kind, inspect.DictType):
        for inner in list(value.values())[:_ITEMS]:
            yield from _walk(kind.value_type, inner, f"{path}*.")
    elif isinstance(kind, inspect.StructType | inspect.TypedDictType | inspect.DataclassType):
        known = {field.encode_name: field.type for field in kind.fields}
        tag = kind.tag_field if isinstance(kind, inspect.StructType) else None
        for name, inner in value.items():
            if name in known:
                yield from _walk(known[name], inner, f"{path}{name}.")
            elif name != tag:
                yield f"{path}{name}"[:100]


def _walk_array(kind: inspect.Type, value: list[object], path: str) -> Iterator[str]:
    if isinstance(kind, inspect.StructType) and kind.array_like:
        row = value[1:] if kind.tag is not None else value
        for field, inner in zip(kind.fields, row, strict=False):
            yield from _walk(field.type, inner, f"{path}{field.encode_name}.")
    elif isinstance(kind, inspect.TupleType):
        for item, inner in zip(kind.item_types, value, strict=False):
            yield from _walk(item, inner, path)
    elif isinstance(kind, inspect.CollectionType):
        for inner in value[:_ITEMS]:
            yield from _walk(kind.item_type, inner, path)


def _chosen(union: inspect.UnionType, value: object) -> inspect.Type | None:
    # msgspec allows one untagged kind of object, or several that their tags tell apart; likewise of arrays
    for kind in union.types:
        if isinstance(kind, inspect.StructType):
            if kind.array_like != isinstance(value, list):
                continue
            if kind.tag is None or _tag_of(kind, value) == kind.tag:
                return kind
        elif (
            isinstance(value, dict)
            and isinstance(kind, inspect.TypedDictType | inspect.DataclassType | inspect.DictType)
        ) or (isinstance(value, list) and isinstance(kind, inspect.TupleType | inspect.CollectionType)):
            return kind
    return None


def _tag_of(kind: inspect.StructType, value: object) -> object:
    if isinstance(value, list):
        return value[0] if value else None
    return value.get(kind.tag_field) if isinstance(value, dict) else None
