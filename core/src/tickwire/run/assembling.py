"""Config entries -> feeds and sinks, everything checked before anything starts; errors name the place in the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs

from tickwire.feed.channels import check_channels
from tickwire.feed.limits import Limits
from tickwire.feed.listing import ListingSettings
from tickwire.feed.marks import Marks
from tickwire.model.clock import Clock
from tickwire.model.errors import (
    ConfigError,
    PluginContractError,
    PluginLoadError,
    TickwireError,
    UnknownInstrumentError,
)
from tickwire.plugin.info import ExchangeInfo, SinkInfo
from tickwire.plugin.protocols import Sink
from tickwire.plugin.registry import Registry
from tickwire.run.config import SINK_KEYS
from tickwire.run.feed import Feed
from tickwire.run.mistakes import closest, join_path, unknown_key
from tickwire.run.settings import Config, ExchangeConfig, RestConfig, SinkConfig, WebsocketConfig
from tickwire.run.structuring import structure_options

__all__ = ["make_feed", "make_sink", "pin_of", "placed", "placed_symbol", "refuse_shared_files", "sink_of"]


def pin_of(entry: ExchangeConfig, registry: Registry) -> str | None:
    """Give the plugin an entry pins: by ``plugin:`` or ``class:``, else by a key that is a plugin's name."""
    if entry.plugin is not None or entry.name == entry.exchange:
        return entry.plugin
    names = {record.name for record in registry.records if not record.is_core}
    return entry.name if entry.name in names else None


def make_feed(
    config: Config,
    entry: ExchangeConfig,
    registry: Registry,
    clock: Clock,
    *,
    buffer: int,
    listing: ListingSettings | None = None,
    marks: Marks | None = None,
    pause_limit: float = 20.0,
    limits: Limits | None = None,
) -> Feed:
    """Make the feed of one entry; no I/O.

    Args:
        config: Where it stands.
        entry: What it says.
        registry: The plugins.
        clock: The feed's.
        buffer: Events to hold for whoever takes them, stopping the sockets when full; 0: callbacks only.
        listing: How to follow the exchange's list; it is read once by default.
        marks: How far the last run came; by default it begins anew.
        pause_limit: Seconds that a full buffer keeps the sockets from being read.
        limits: What is left of the exchanges' budgets; by default shared by all feeds of the process.

    Raises:
        ConfigError: Naming the place.
        PluginError: The plugin is missing or faulty.
    """
    with placed(config, entry.path):
        pin = pin_of(entry, registry)
        info = registry.select(entry.exchange, pin).claim.info
        options = _with_polling(info, entry)
        _check_requests(info, entry)
        _check_credentials(info, entry)
        _check_ca_file(entry.tls.ca_file)
        websocket = entry.endpoints.websocket
        numbers: Any = Decimal if entry.numbers == "decimal" else float
        return Feed(
            entry.exchange,
            entry.symbols,
            entry.channels,
            name=entry.name,
            plugin=pin,
            options=options,
            credentials=entry.credentials,
            rest=entry.endpoints.rest,
            websocket=websocket,
            extensions=dict(entry.extensions),
            proxy=entry.proxy,
            tls_ca_file=None if entry.tls.ca_file is None else str(entry.tls.ca_file),
            engine=entry.websocket.engine,
            compress=entry.websocket.compress,
            numbers=numbers,
            listing=listing,
            recovery=config.recovery,
            marks=marks,
            connections=entry.connections,
            path=entry.path,
            buffer=buffer,
            when_full="block",
            pause_limit=pause_limit,
            registry=registry,
            clock=clock,
            limits=limits,
        )


def make_sink(config: Config, entry: SinkConfig, registry: Registry) -> Sink:
    """Make the sink of one entry; it is opened later.

    Raises:
        ConfigError: There is no such kind of sink, or its settings are wrong; names the place.
        PluginError: It cannot be imported, or is no sink.
    """
    info = registry.sinks.get(entry.type)
    with placed(config, entry.path):
        if info is None:
            meant = closest(entry.type, registry.sinks)
            known = f"one of {', '.join(sorted(registry.sinks))}"
            raise ConfigError(
                f"no installed plugin offers a sink of type {entry.type!r}",
                hint=f"did you mean {meant}?" if meant else known,
                path="type",
            )
        options: object = structure_options(info.options_type, entry.options, "", also=SINK_KEYS)
        return _sink(info, options)


def sink_of(type: str, options: Mapping[str, object], registry: Registry | None = None) -> Sink:
    """Make a sink of a type and the settings that a config file would have for it.

    Args:
        type: What kind, e.g. ``"jsonl"``.
        options: Its own settings.
        registry: The plugins; those installed by default.

    Raises:
        ConfigError: There is no such kind of sink, or its settings are wrong.
        PluginError: It cannot be imported, or is no sink.
    """
    entry = SinkConfig(type, type, options=options)
    return make_sink(Config((), (entry,)), entry, registry or Registry.discover())


def refuse_shared_files(config: Config, sinks: Iterable[tuple[SinkConfig, Sink]]) -> None:
    """Refuse two sinks that write into one file: their lines would mix.

    Raises:
        ConfigError: Names the second one's place.
    """
    owners: dict[Path, str] = {}
    for entry, sink in sinks:
        path = getattr(sink, "path", None)
        if not isinstance(path, Path):
            continue
        owner = owners.setdefault(path.resolve(), entry.path)
        if owner != entry.path:
            with placed(config, entry.path):
                raise ConfigError(
                    f"{str(path)!r} is the file of {owner} already",
                    hint="give each sink a file of its own",
                    path="path",
                )


def _sink(info: SinkInfo, options: object) -> Sink:
    module, _, name = info.factory.partition(":")
    try:
        factory = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise PluginLoadError(
            f"sink type {info.type!r} cannot be loaded: {error}", hint="install what it needs, or upgrade its plugin"
        ) from error
    try:
        sink = factory(options)
    except TickwireError:
        raise
    except Exception as error:  # a plugin's own mistake, of whatever kind, is reported under its name
        raise PluginContractError(
            f"{info.factory} raised {type(error).__name__}: {error}", hint="report it to its author"
        ) from error
    if not isinstance(sink, Sink):
        raise PluginContractError(
            f"{info.factory} gave a {type(sink).__name__}, which is no Sink", hint="give it open, write and close"
        )
    return sink


@contextmanager
def placed(config: Config, path: str) -> Iterator[None]:
    """Put the file and ``path`` before the place that a ``ConfigError`` names; without a file there are no places."""
    try:
        yield
    except ConfigError as error:
        is_whole = error.path == path or error.path.startswith(f"{path}.")
        inside = error.path if is_whole else f"{path}.{error.path}" if error.path else path
        error.path = join_path(config.source, inside) if config.source else ""
        raise


def placed_symbol(error: UnknownInstrumentError, entry: ExchangeConfig) -> None:
    """Name the symbol's position in the entry, where the error does not."""
    if not error.path:
        named = [number for number, symbol in enumerate(entry.symbols) if error.message.startswith(repr(symbol))]
        error.path = f"symbols[{named[0]}]" if named else ""


def _check_requests(info: ExchangeInfo, entry: ExchangeConfig) -> None:
    for number, request in enumerate(entry.channels):
        try:
            check_channels(info, (request,))
        except ConfigError as error:
            error.path = f"channels[{number}]"
            raise


def _check_credentials(info: ExchangeInfo, entry: ExchangeConfig) -> None:
    for name in entry.credentials or ():
        if info.credentials and name not in info.credentials:
            mistake = unknown_key(("credentials", name), info.credentials)
            raise ConfigError(mistake.message, hint=mistake.hint, path=f"credentials.{name}")


def _check_ca_file(path: Path | None) -> None:
    if path is None:
        return
    try:
        path.open("rb").close()
    except OSError as error:
        raise ConfigError(
            f"cannot read {str(path)!r}: {error.strerror}", hint="name a PEM file", path="tls.ca_file"
        ) from error


# A plugin that can poll has options of these names; what another one could not honour must not be ignored.
def _with_polling(info: ExchangeInfo, entry: ExchangeConfig) -> Mapping[str, object]:
    rest, websocket = entry.rest, entry.websocket
    settings: Mapping[str, tuple[str, object, object]] = {
        "rest.snapshot_interval": ("snapshot_interval", rest.snapshot_interval, RestConfig().snapshot_interval),
        "rest.limit": ("limit", rest.limit, RestConfig().limit),
        "websocket.enabled": ("rest_only", not websocket.enabled, not WebsocketConfig().enabled),
        "websocket.rest_only": ("rest_only", websocket.rest_only, WebsocketConfig().rest_only),
    }
    known = {field.name for field in attrs.fields(info.options_type)} if attrs.has(info.options_type) else set()
    options = dict(entry.options)
    for path, (name, value, default) in settings.items():
        if value == default:
            continue
        if name not in known:
            raise ConfigError(
                f"{entry.exchange} is streamed, not polled: {path.partition('.')[2]} cannot be honoured",
                hint="remove it",
                path=path,
            )
        if options.setdefault(name, value) != value:
            raise ConfigError(
                f"{path} is {value!r}, but options.{name} is {options[name]!r}", hint="keep one of the two", path=path
            )
    return options
