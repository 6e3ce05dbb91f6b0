"""The page *Configuration: every key*, made from the JSON Schema, and that from the records a file is read into."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tickwire.plugin.registry import Registry
from tickwire.run.schema import config_schema

__all__ = ["configuration_page"]

Schema = dict[str, Any]

_HEAD = """# Configuration: every key

Made from the code; the [guide](configuration.md) has examples. A key without a default may be left out, unless it says
*needed*. `${VAR}` may stand for any single value; `*` in a key is a name of yours. A duration is `250ms`, `5s`, `15m`,
`24h`, `7d`, or a number of seconds. `tickwire schema` prints the same for editors.
"""
_SECTIONS = {
    "exchange": "entries as in [`exchanges.*`](#exchanges)",
    "sink": "entries as in [`sinks.*`](#sinks)",
    "channel": "[channel](#a-channel)",
}
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def configuration_page() -> str:
    """Write the page: a table for the file, one for a feed, one for a sink, and one for every kind of sink."""
    schema = config_schema(Registry.discover().sinks.values())
    parts = schema["$defs"]
    sections = [_HEAD, _table("The file", schema), _table(_code("exchanges.*"), parts["exchange"])]
    sections.append(_table(_code("sinks.*"), parts["sink"]))
    for case in parts["sink"]["allOf"]:
        kind = case["if"]["properties"]["type"]["const"]
        sections.append(_table(_code(f"sinks.*, type: {kind}"), case["then"]))
    sections.append(f"## A channel\n\n{parts['channel']['description']}\n")
    return "\n".join(sections)


def _table(title: str, schema: Schema) -> str:
    rows = [f"| {' | '.join(row)} |" for row in _rows(schema, "")]
    return "\n".join([f"## {title}\n", "| key | type | default | meaning |", "|---|---|---|---|", *rows, ""])


def _rows(schema: Schema, prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, value in schema["properties"].items():
        if value is True:  # a key of every sink, which has its row already
            continue
        is_needed = name in schema.get("required", ())
        default = "*needed*" if is_needed else _default(value)
        yield _code(f"{prefix}{name}"), _type(value), default, value.get("description", "")
        for record in (one for one in _choices(value) if "properties" in one):
            yield from _rows(record, f"{prefix}{name}.")


def _choices(schema: Schema) -> list[Schema]:
    """Flatten alternatives, without null and ``${VAR}``, which every key may have."""
    if "anyOf" in schema:
        return [one for choice in schema["anyOf"] for one in _choices(choice)]
    is_said_above = schema.get("type") == "null" or schema.get("pattern") == r"\$\{"
    return [] if is_said_above else [schema]


def _type(schema: Schema) -> str:
    choices = _choices(schema)
    if any(_is_duration(choice) for choice in choices):
        return "duration"
    return " or ".join(dict.fromkeys(_one_type(choice) for choice in choices))


def _one_type(schema: Schema) -> str:
    if "$ref" in schema:
        return _SECTIONS[schema["$ref"].rpartition("/")[2]]
    if "enum" in schema:
        return " or ".join(_code(str(value)) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if "properties" in schema:
        return "mapping"
    if "additionalProperties" in schema:
        values = schema["additionalProperties"]
        return f"mapping of names to {_type(values)}" if values else "mapping"
    return {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}[
        schema["type"]
    ]


def _is_duration(schema: Schema) -> bool:
    return "(ms|s|m|h|d|)" in schema.get("pattern", "")


def _default(schema: Schema) -> str:
    value = schema.get("default")
    if value is None:
        return ""
    if _type(schema) == "duration":
        unit, seconds = next((unit, seconds) for unit, seconds in _UNITS if value % seconds == 0)
        return _code(f"{value / seconds:.0f}{unit}")
    return _code(str(value).lower() if isinstance(value, bool) else str(value))


def _code(text: str) -> str:
    return f"`{text}`"
