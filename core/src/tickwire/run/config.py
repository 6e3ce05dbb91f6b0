"""Reads the config file. Only what this version honours is a key, everything else is refused by name."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import attrs

from tickwire.model.channels import ChannelRequest
from tickwire.model.errors import ConfigError
from tickwire.run.documents import read_toml, read_yaml
from tickwire.run.interpolation import interpolate
from tickwire.run.mistakes import Mistake, config_error, join_path
from tickwire.run.secrets import ConfigCredentials, Secret
from tickwire.run.settings import (
    DEFAULT_CHANNELS,
    DEFAULT_QUEUE,
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

WHEN_FULL = ("drop_oldest", "block")
SINK_KEYS = ("type", "channels", "queue", "when_full")
_MOST_QUEUED = 100_000_000


def load_config(path: Path | str, environ: Mapping[str, str] | None = None) -> Config:
    """Read a config file; ``.toml`` is TOML, everything else YAML.

    Args:
        path: The file.
        environ: The environment for ``${VAR}``; ``None``: the process's own.

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
    return config_from(read(text, file.name), file.name, environ)


def config_from(data: object, source: str = "", environ: Mapping[str, str] | None = None) -> Config:
    """Make a config of plain values.

    Args:
        data: What a YAML or TOML reader gives.
        source: Begins every message.
        environ: The environment for ``${VAR}``; ``None``: the process's own.

    Raises:
        ConfigError: Naming every wrong place.
    """
    unset: list[Mistake] = []
    data = interpolate(data, os.environ if environ is None else environ, unset)
    found: list[Mistake] = []
    document = find_mistakes(_Document, data, (), found)
    # each entry is read whatever the rest is like, so that one run shows all there is to correct
    exchanges = [_exchange(name, entry, source, found) for name, entry in _entries(data, "exchanges")]
    sinks = [_sink(name, entry, found) for name, entry in _entries(data, "sinks")]
    # what hangs on a variable that is not set is no mistake of its own
    places = {mistake.path for mistake in unset}
    mistakes = [*unset, *(one for one in found if not any(one.path[: len(place)] == place for place in places))]
    if mistakes or document is None:
        raise config_error(source, mistakes)
    return Config(tuple(filter(None, exchanges)), tuple(filter(None, sinks)), document.name, source)


@attrs.frozen
class _ExchangeEntry:
    symbols: tuple[str, ...]
    exchange: str | None = None
    plugin: str | None = None
    class_: str | None = None
    channels: tuple[ChannelRequest, ...] = DEFAULT_CHANNELS
    options: Mapping[str, object] = attrs.field(factory=dict)
    credentials: Mapping[str, Secret] | None = None
    endpoints: EndpointsConfig = attrs.field(factory=EndpointsConfig)
    extensions: Mapping[str, Mapping[str, object] | None] = attrs.field(factory=dict)
    rest: RestConfig = attrs.field(factory=RestConfig)
    websocket: WebsocketConfig = attrs.field(factory=WebsocketConfig)

    def __attrs_post_init__(self) -> None:
        if not self.symbols:
            raise ConfigError("symbols is empty", hint="name at least one, e.g. symbols: [BTC-USDT]")
        if not self.channels:
            raise ConfigError("channels is empty", hint="name at least one, e.g. channels: [trades]")


@attrs.frozen
class _SinkEntry:
    type: str
    channels: tuple[ChannelRequest, ...] | None = None
    queue: int = DEFAULT_QUEUE
    when_full: str = "drop_oldest"
    options: Mapping[str, object] = attrs.field(factory=dict)


@attrs.frozen
class _Document:
    exchanges: Mapping[str, object]
    sinks: Mapping[str, object] = attrs.field(factory=dict)
    name: str = "tickwire"

    def __attrs_post_init__(self) -> None:
        if not self.exchanges:
            raise ConfigError("exchanges is empty", hint="name at least one exchange")


def _entries(data: object, key: str) -> list[tuple[str, object]]:
    entries = data.get(key) if isinstance(data, Mapping) else None
    return [(str(name), entry) for name, entry in entries.items()] if isinstance(entries, Mapping) else []


def _exchange(name: str, values: object, source: str, mistakes: list[Mistake]) -> ExchangeConfig | None:
    entry = find_mistakes(_ExchangeEntry, values, ("exchanges", name), mistakes)
    if entry is None:
        return None
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
    )


def _pin(name: str, entry: _ExchangeEntry, mistakes: list[Mistake]) -> str | None:
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
    entry = find_mistakes(_SinkEntry, own, path, mistakes)
    if entry is None:
        return None
    if not 0 < entry.queue <= _MOST_QUEUED:
        mistakes.append(Mistake((*path, "queue"), f"a queue of {entry.queue} is no queue", "write 1 or more"))
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
    return SinkConfig(name, entry.type, channels, entry.queue, entry.when_full, options)
