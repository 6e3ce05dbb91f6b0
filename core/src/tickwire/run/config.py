"""Reads the config file. What this version does not honour is refused by name, never ignored."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from tickwire.feed.settings import Backfill, RecoverySettings
from tickwire.model.errors import ConfigError
from tickwire.run.arguments import wrong_count
from tickwire.run.documents import read_toml, read_yaml
from tickwire.run.entries import Document, ExchangeEntry, SinkEntry
from tickwire.run.interpolation import interpolate
from tickwire.run.mistakes import Mistake, config_error, join_path
from tickwire.run.overrides import Origins, overlaid
from tickwire.run.secrets import ConfigCredentials
from tickwire.run.settings import (
    WHEN_FULL,
    Config,
    EndpointsConfig,
    ExchangeConfig,
    RestConfig,
    SinkConfig,
    WebsocketConfig,
)  # fmt: skip
from tickwire.run.structuring import find_mistakes

__all__ = [
    "Config", "EndpointsConfig", "ExchangeConfig", "RestConfig", "SinkConfig", "WebsocketConfig", "config_from",
    "load_config",
]  # fmt: skip

SINK_KEYS = ("type", "channels", "queue", "when_full", "batch", "linger", "spill_limit", "pause_limit", "process")
_MOST_QUEUED = 100_000_000


def load_config(path: Path | str, environ: Mapping[str, str] | None = None, settings: Sequence[str] = ()) -> Config:
    """Read a config file; ``.toml`` is TOML, everything else YAML.

    Args:
        path: The file.
        environ: The environment for ``${VAR}`` and ``TICKWIRE__…``; ``None``: the process's own.
        settings: ``exchanges.backpack.proxy=…``: beat the file and the environment.

    Raises:
        ConfigError: It cannot be read, or what it says is wrong; names every wrong place.
    """
    file = Path(path)
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"byte {error.start} is not UTF-8", hint="save it as UTF-8", path=file.name) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"cannot read {os.fspath(path)!r}: {reason}", hint="name a config file") from error
    read = read_toml if file.suffix == ".toml" else read_yaml
    return attrs.evolve(config_from(read(text, file.name), file.name, environ, settings), file=file.resolve())


def config_from(
    data: object, source: str = "", environ: Mapping[str, str] | None = None, settings: Sequence[str] = ()
) -> Config:
    """Make a config of plain values.

    Args:
        data: What a YAML or TOML reader gives.
        source: Begins every message.
        environ: The environment for ``${VAR}`` and ``TICKWIRE__…``; ``None``: the process's own.
        settings: ``exchanges.backpack.proxy=…``: beat the file and the environment.

    Raises:
        ConfigError: Naming every wrong place.
    """
    environ = os.environ if environ is None else environ
    unset: list[Mistake] = []
    found: list[Mistake] = []
    data, origins = overlaid(interpolate(data, environ, unset), environ, settings, found)
    document = find_mistakes(Document, data, (), found)
    if document is not None:
        _refuse_unbuilt(document, found)
    # each entry is read whatever the rest is like, so that one run shows all there is to correct
    exchanges = [_exchange(name, entry, source, found) for name, entry in _entries(data, "exchanges")]
    sinks = [_sink(name, entry, found) for name, entry in _entries(data, "sinks")]
    # what hangs on a variable that is not set is no mistake of its own
    unset = [one for one in unset if one.path not in origins]
    places = {mistake.path for mistake in unset}
    mistakes = [*unset, *(one for one in found if not any(one.path[: len(place)] == place for place in places))]
    if mistakes or document is None:
        raise config_error(source, [_with_origin(mistake, origins) for mistake in mistakes])
    return Config(
        tuple(filter(None, exchanges)),
        tuple(filter(None, sinks)),
        document.name,
        source,
        document.state,
        document.instruments,
        document.log,
        RecoverySettings(Backfill(document.recovery.backfill), document.recovery.hold, resume=document.recovery.resume),
    )


def _with_origin(mistake: Mistake, origins: Origins) -> Mistake:
    # a key that is not in the file at all must be looked for where it was set
    for path, origin in origins.items():
        if mistake.path[: len(path)] == path:
            return attrs.evolve(mistake, message=f"{mistake.message} (from {origin})")
    return mistake


def _refuse_unbuilt(document: Document, mistakes: list[Mistake]) -> None:
    for name in ("serve",):
        entry = getattr(document, name)
        keys = [] if entry is None else [key for key, value in attrs.asdict(entry).items() if value is not None]
        places: list[tuple[str, ...]] = [(name, key) for key in keys] or ([(name,)] if entry is not None else [])
        mistakes += [Mistake(place, "not built yet", "remove it") for place in places]


def _entries(data: object, key: str) -> list[tuple[str, object]]:
    entries = data.get(key) if isinstance(data, Mapping) else None
    return [(str(name), entry) for name, entry in entries.items()] if isinstance(entries, Mapping) else []


def _exchange(name: str, values: object, source: str, mistakes: list[Mistake]) -> ExchangeConfig | None:
    entry = find_mistakes(ExchangeEntry, values, ("exchanges", name), mistakes)
    if entry is None:
        return None
    if (what := wrong_count(entry.connections)) is not None:
        mistakes.append(Mistake(("exchanges", name, "connections"), *what))
    path = join_path(source, f"exchanges.{name}.credentials")
    return ExchangeConfig(
        name=name,
        exchange=entry.exchange or name,
        symbols=entry.symbols,
        plugin=_pin(name, entry, mistakes),
        channels=entry.channels,
        options=entry.options,
        credentials=ConfigCredentials(entry.credentials, path) if entry.credentials else None,
        endpoints=entry.endpoints,
        extensions={extension: options or {} for extension, options in entry.extensions.items()},
        rest=entry.rest,
        websocket=entry.websocket,
        connections=entry.connections,
        proxy=entry.proxy,
        tls=entry.tls,
        numbers=entry.numbers,
        on_unknown_symbol=entry.on_unknown_symbol,
    )


def _pin(name: str, entry: ExchangeEntry, mistakes: list[Mistake]) -> str | None:
    if entry.class_ is None:
        return entry.plugin
    pinned = plugin_of_class(entry.class_)
    if entry.plugin not in (None, pinned):
        mistakes.append(
            Mistake(
                ("exchanges", name, "class"),
                f"class {entry.class_!r} belongs to plugin {pinned!r}, but plugin says {entry.plugin!r}",
                "keep one of the two",
            )
        )
    return pinned


def plugin_of_class(feed_class: str) -> str:
    """Give the plugin that declares a feed class: its name less ``Feed``, in snake case."""
    bare = feed_class.removesuffix("Feed") or feed_class
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", bare).lower()


def _sink(name: str, values: object, mistakes: list[Mistake]) -> SinkConfig | None:
    path = ("sinks", name)
    if not isinstance(values, Mapping):
        mistakes.append(Mistake(path, "a sink is a mapping", "write type: jsonl and its settings"))
        return None
    own = {key: value for key, value in values.items() if key in SINK_KEYS}
    before = len(mistakes)
    entry = find_mistakes(SinkEntry, own, path, mistakes)
    if entry is None:
        return None
    if not 0 < entry.queue <= _MOST_QUEUED:
        mistakes.append(Mistake((*path, "queue"), f"a queue of {entry.queue} is no queue", "write 1 or more"))
    if not 0 < entry.batch <= _MOST_QUEUED:
        mistakes.append(Mistake((*path, "batch"), f"a batch of {entry.batch} is no batch", "write 1 or more"))
    if entry.spill_limit < 1:
        mistakes.append(Mistake((*path, "spill_limit"), f"{entry.spill_limit} bytes hold nothing", "write bytes"))
    if entry.when_full not in WHEN_FULL:
        mistakes.append(
            Mistake((*path, "when_full"), f"there is no policy {entry.when_full!r}", f"one of {', '.join(WHEN_FULL)}")
        )
    for number, request in enumerate(entry.channels or ()):
        if request.depth or request.interval:
            mistakes.append(Mistake((*path, "channels", number), "a sink's channel has no parameters", "name it alone"))
    if len(mistakes) > before:
        return None
    channels = None if entry.channels is None else tuple(request.channel for request in entry.channels)
    options = {key: value for key, value in values.items() if key not in SINK_KEYS}
    return SinkConfig(
        name,
        entry.type,
        channels,
        entry.queue,
        entry.when_full,
        options,
        entry.batch,
        entry.linger or 0.0,
        entry.spill_limit,
        entry.pause_limit,
        entry.process,
    )
