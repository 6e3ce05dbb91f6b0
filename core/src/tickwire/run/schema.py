"""The JSON Schema of a config file, made from the records it is read into: for editors and other checkers.

It says of every key what the docstring of its record says. A text with a ``${VAR}`` may stand for any single value.
"""

from __future__ import annotations

import inspect
import re
import types
from collections import abc
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import attrs

from tickwire.model.channels import Channel, ChannelRequest
from tickwire.plugin.info import SinkInfo
from tickwire.run.durations import Duration
from tickwire.run.entries import Document, ExchangeEntry, SinkEntry
from tickwire.run.proxies import Proxy
from tickwire.run.secrets import Secret
from tickwire.run.settings import WHEN_FULL

__all__ = ["config_schema"]

Schema = dict[str, Any]

_REFERENCE: Schema = {"type": "string", "pattern": r"\$\{"}
_DURATION = r"^\s*\d{1,15}(\.\d{1,9})?\s*(ms|s|m|h|d|)\s*$"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def config_schema(sinks: Iterable[SinkInfo] = ()) -> Schema:
    """Make the schema.

    Args:
        sinks: The kinds of sink that are installed: their own settings are checked too; of others anything goes.
    """
    schema = _record(Document)
    exchange = _record(ExchangeEntry)
    for name in ("symbols", "channels"):
        exchange["properties"][name]["anyOf"][0] |= {"minItems": 1}
    schema["properties"]["exchanges"] |= {
        "additionalProperties": {"$ref": "#/$defs/exchange"}, "minProperties": 1, "type": "object"
    }  # fmt: skip
    schema["properties"]["sinks"] |= {"additionalProperties": {"$ref": "#/$defs/sink"}, "type": "object"}
    return {
        "$schema": _DIALECT,
        "title": "tickwire",
        **schema,
        "$defs": {"exchange": exchange, "sink": _sink(sinks), "channel": _channel()},
    }


def _sink(sinks: Iterable[SinkInfo]) -> Schema:
    schema = _record(SinkEntry)
    own = schema["properties"]
    del own["options"]
    for name in ("queue", "batch", "spill_limit"):
        own[name] |= _or_reference({"type": "integer", "minimum": 1})
    del own["when_full"]["type"]
    own["when_full"] |= _or_reference({"enum": list(WHEN_FULL)})
    schema["additionalProperties"] = True
    kinds = []
    for info in sorted(sinks, key=lambda info: info.type):
        settings = _record(info.options_type)
        settings["properties"] |= dict.fromkeys(own, True)
        kinds.append({"if": {"properties": {"type": {"const": info.type}}, "required": ["type"]}, "then": settings})
    if kinds:
        schema["allOf"] = kinds
    return schema


def _channel() -> Schema:
    names = sorted({str(channel) for channel in Channel} | {"quotes"})
    words = "|".join("".join(f"[{a}{a.upper()}]" if a.isalpha() else a for a in name) for name in names)
    parameters = {
        "type": "object",
        "properties": {"depth": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}]},
                       "interval": {"type": "string"}},
        "additionalProperties": False,
    }  # fmt: skip
    return {
        "description": f"One of {', '.join(names)}, in any case; or a mapping of it to depth and interval.",
        "anyOf": [
            {"type": "string", "pattern": rf"^\s*({words})\s*(:.+)?$"},
            _REFERENCE,
            {
                "type": "object",
                "patternProperties": {rf"^\s*({words})\s*$": parameters},
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
            },
        ],
    }


def _record(target: Any) -> Schema:
    said = _descriptions(target)
    properties: Schema = {}
    required: list[str] = []
    for field in attrs.fields(attrs.resolve_types(target)):
        name = field.name.removesuffix("_")
        properties[name] = {**_type(field.type), **({"description": said[field.name]} if field.name in said else {})}
        if field.default is attrs.NOTHING:
            required.append(name)
        elif isinstance(field.default, bool | int | float | str):
            properties[name]["default"] = field.default
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": required} if required else schema


def _descriptions(target: Any) -> Mapping[str, str]:
    # getdoc: Python 3.13 strips the indentation by itself, those before do not
    _, _, attributes = (inspect.getdoc(target) or "").partition("Attributes:")
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE)
    return {name: " ".join(text.split()).replace("``", "`") for name, text in found}


def _type(target: Any) -> Schema:
    origin, members = get_origin(target) or target, get_args(target)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_type(member) for member in members]}
    if origin is Literal:
        return {"anyOf": [{"enum": list(members)}, _REFERENCE]}
    if origin in (list, tuple, set, frozenset, abc.Sequence):
        return {"anyOf": [{"type": "array", "items": _type(members[0]) if members else True}, _REFERENCE]}
    if origin in (dict, abc.Mapping):
        return {"type": "object", "additionalProperties": _type(members[1]) if members else True}
    if isinstance(origin, type) and issubclass(origin, Enum):
        return {"anyOf": [{"enum": [member.value for member in origin]}, _REFERENCE]}
    if origin in _SINGLE:
        return dict(_SINGLE[origin])
    return _record(origin) if isinstance(origin, type) and attrs.has(origin) else {}


def _or_reference(schema: Schema) -> Schema:
    return {"anyOf": [schema, _REFERENCE]}


_SINGLE: dict[Any, Schema] = {
    str: {"type": "string"},
    Secret: {"type": "string", "minLength": 1},
    Path: {"type": "string", "minLength": 1},
    Proxy: _or_reference({"type": "string", "pattern": r"^(env|(http|socks4|socks5h?)://.+)$"}),
    bool: _or_reference({"type": "boolean"}),
    int: _or_reference({"type": "integer"}),
    float: _or_reference({"type": "number"}),
    Duration: {
        "anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": _DURATION}, _REFERENCE]
    },
    ChannelRequest: {"$ref": "#/$defs/channel"},
    type(None): {"type": "null"},
}
