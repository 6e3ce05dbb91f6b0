"""InfluxDB's line protocol: ``trade,exchange=backpack,symbol=SOL-USDC price=98.97,size=12.4 1788367431034824000``.

Numbers have no exponent and always a point, integers an ``i``, texts quotes; ``None`` is left out. Levels and other
lists, which the protocol does not know, are their JSON text: ``bids="[[98.96,298.87],[98.95,10.0]]"``.

Source: docs.influxdata.com, "Line protocol reference" (read 2026-11-26).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from tickwire import Record, RefusedError, number_text

__all__ = ["line"]

_LARGEST = 2**63 - 1
_NO_TAG = re.compile(r"\n|\\(?=[,= ]|\Z)")
_TAG_SIGNS = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})
_REMEMBERED = 100_000
_encode = msgspec.json.Encoder().encode
_labels: dict[type, tuple[str, ...]] = {}
_tags: dict[tuple[str, str | None], str] = {}


def line(measurement: str, record: Record, time: int) -> str:
    """Write one record as a line, without the newline.

    Args:
        measurement: Its name; neither space nor comma in it.
        record: Exchange and symbol become tags, every other field, run id, ordinal and key become fields.
        time: The point's, ns since 1970 UTC.

    Raises:
        RefusedError: A value that the protocol cannot carry.
    """
    event = record.event
    kind = type(event)
    labels = _labels.get(kind) or _labelled(kind)
    exchange, symbol, *values = msgspec.structs.astuple(event)
    tags = _tags.get((exchange, symbol)) or _tagged(exchange, symbol)
    writers, other = _WRITERS, _text
    fields = [
        label + writers.get(type(value), other)(value)
        for label, value in zip(labels, values, strict=True)
        if value is not None
    ]
    own = f"run_id={_quoted(record.run_id)},ordinal={record.ordinal}i,key={_quoted(record.key)}"
    return f"{measurement}{tags} {','.join(fields)},{own} {time}"


def _labelled(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    first, second, *rest = kind.__struct_fields__
    if (first, second) != ("exchange", "symbol"):
        raise TypeError(f"{kind.__name__} does not begin with exchange and symbol")
    labels = _labels[kind] = tuple(f"{name}=" for name in rest)
    return labels


def _tagged(exchange: str, symbol: str | None) -> str:
    if len(_tags) >= _REMEMBERED:
        _tags.clear()
    named = (("exchange", exchange), ("symbol", symbol))
    tags = _tags[exchange, symbol] = "".join(f",{name}={_tag(text)}" for name, text in named if text)
    return tags


def _tag(text: str) -> str:
    if _NO_TAG.search(text):
        raise RefusedError(f"{text!r} cannot be a tag: a newline, or a backslash where the protocol gives it a meaning")
    return text.translate(_TAG_SIGNS)


def _quoted(text: str) -> str:
    if '"' in text or "\\" in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _number(value: float) -> str:
    text = repr(value)
    return number_text(value) if "e" in text else text


def _integer(value: int) -> str:
    if not -_LARGEST <= value <= _LARGEST:
        raise RefusedError(f"{value} is beyond 64 bits")
    return f"{value}i"


def _list(value: tuple[Any, ...]) -> str:
    text = _encode(value).decode()
    # an exponent, or what is no float
    return _quoted(_json(value)) if "e" in text or '"' in text else f'"{text}"'


def _json(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{','.join(map(_json, value))}]"
    return number_text(value) if isinstance(value, float | Decimal) else _encode(value).decode()


def _text(value: Any) -> str:
    # enums are texts; what is neither, an instrument, is its JSON
    return _quoted(value if isinstance(value, str) else _json(value))


_WRITERS: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "t" if value else "f",
    int: _integer,
    float: _number,
    str: _quoted,
    Decimal: number_text,
    tuple: _list,
}
