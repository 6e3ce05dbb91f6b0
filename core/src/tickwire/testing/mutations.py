"""Frames that are nearly right: one value of a JSON document replaced, at every place where one stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

import msgspec

__all__ = [
    "BAD_NUMBERS", "BAD_TIMES", "Path", "document_of", "leaves", "objects", "replaced", "with_member", "writes_number",
    "writes_time",
]  # fmt: skip

Path: TypeAlias = tuple[str | int, ...]

_YEAR_50000 = 1_515_700_000_000  # seconds
BAD_NUMBERS: Sequence[Any] = (
    "nan",
    "NaN",
    "inf",
    "Infinity",
    "-inf",
    "-Infinity",
    "1e400",
    msgspec.Raw(b"1e400"),
    "-7.5",
)
"""What stands for a number and is none, or none that a size may be."""
BAD_TIMES: Sequence[Any] = (
    0, "0", 1, _YEAR_50000, _YEAR_50000 * 10**3, _YEAR_50000 * 10**6, str(_YEAR_50000 * 10**3), -1_700_000_000_000,
    "1970-01-01T00:00:00", "1970-01-01T00:00:00Z", "+50000-01-01T00:00:00Z",
)  # fmt: skip
"""1970 and the year 50,000 in every unit and spelling."""


def document_of(payload: bytes) -> Any:
    """Read a payload as JSON; ``None`` where it is no JSON object or list."""
    try:
        document = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return document if isinstance(document, dict | list) else None


def leaves(document: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Give every place that holds neither an object nor a list, and what is there."""
    if isinstance(document, dict | list):
        for key, value in document.items() if isinstance(document, dict) else enumerate(document):
            yield from leaves(value, (*path, key))
    else:
        yield path, document


def objects(document: Any, path: Path = ()) -> Iterator[Path]:
    """Give every place that holds an object."""
    if isinstance(document, dict):
        yield path
    if isinstance(document, dict | list):
        for key, value in document.items() if isinstance(document, dict) else enumerate(document):
            yield from objects(value, (*path, key))


def replaced(document: Any, path: Path, value: Any) -> bytes:
    """Write a document with another value at one place."""
    return msgspec.json.encode(_changed(document, path, lambda _: value))


def with_member(document: Any, path: Path, name: str, value: Any) -> bytes:
    """Write a document with another member in one of its objects."""
    return msgspec.json.encode(_changed(document, path, lambda members: {**members, name: value}))


def _changed(document: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    if not path:
        return change(document)
    key, rest = path[0], path[1:]
    copy: Any = dict(document) if isinstance(document, dict) else list(document)
    copy[key] = _changed(document[key], rest, change)
    return copy


def writes_number(value: Any) -> bool:
    """Tell whether a value is a number or the text of one."""
    if isinstance(value, bool) or value is None:
        return False
    try:
        Decimal(str(value))
    except InvalidOperation:
        return False
    return True


def writes_time(value: Any) -> bool:
    """Tell whether a value may be a time: a number from a second's count of 2009 on, or ISO text."""
    if writes_number(value):
        return Decimal(str(value)) >= 1_230_768_000
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True
