"""Sinks on the command line: ``console``, ``jsonl:events.jsonl``, ``TYPE:key=value,key=value``, or a config's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from tickwire.model.errors import ConfigError

if TYPE_CHECKING:
    from tickwire.plugin.registry import Registry
    from tickwire.run.settings import SinkConfig

__all__ = ["sinks_of"]

_CONFIGS = (".yaml", ".yml", ".toml")


def sinks_of(specs: Sequence[str], registry: Registry) -> list[SinkConfig]:
    """Read sinks.

    Args:
        specs: As written; a name that ends like a config file's stands for all the sinks of that file.
        registry: Knows the kinds of sink.

    Raises:
        ConfigError: One cannot be read; the message says what to write.
    """
    found: list[SinkConfig] = []
    for spec in specs:
        found += _of_file(spec) if spec.endswith(_CONFIGS) and ":" not in spec else [_sink(spec, registry)]
    names: dict[str, int] = {}
    for number, sink in enumerate(found):
        nth = names[sink.name] = names.get(sink.name, 0) + 1
        found[number] = sink if nth == 1 else attrs.evolve(sink, name=f"{sink.name}{nth}")
    return found


def _of_file(name: str) -> Sequence[SinkConfig]:
    from tickwire.run.config import load_config

    sinks = load_config(Path(name)).sinks
    if not sinks:
        raise ConfigError(f"{name!r} has no sinks", hint="name one, e.g. --to jsonl:events.jsonl")
    return sinks


def _sink(spec: str, registry: Registry) -> SinkConfig:
    from tickwire.run.documents import read_yaml
    from tickwire.run.settings import SinkConfig

    kind, _, rest = spec.partition(":")
    info = registry.sinks.get(kind)
    fields = [field.name for field in attrs.fields(info.options_type)] if info is not None else []
    pairs = [part.partition("=") for part in rest.split(",")] if rest else []
    if pairs and all(equals and name.strip() in fields for name, equals, _ in pairs):
        return SinkConfig(kind, kind, options={name.strip(): read_yaml(value, spec) for name, _, value in pairs})
    # what stands alone is what the sink cannot do without: its first setting
    return SinkConfig(kind, kind, options={fields[0]: rest} if rest and fields else {})
