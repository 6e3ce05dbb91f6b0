"""A configuration as records: what to collect from which exchanges, and where it goes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import attrs

from tickwire.feed.settings import RecoverySettings
from tickwire.model.channels import Channel, ChannelRequest
from tickwire.model.errors import ConfigError
from tickwire.run.durations import Duration
from tickwire.run.process_settings import ProcessStep
from tickwire.run.proxies import Proxy
from tickwire.run.scalars import shown
from tickwire.run.secrets import ConfigCredentials

__all__ = [
    "Config", "EndpointsConfig", "ExchangeConfig", "InstrumentsConfig", "LogConfig", "RestConfig", "SinkConfig",
    "TlsConfig", "WebsocketConfig",
]  # fmt: skip

DEFAULT_CHANNELS = (ChannelRequest(Channel.TRADES),)
DEFAULT_QUEUE = 65_536
DEFAULT_BATCH = 1000
DEFAULT_SPILL_LIMIT = 10 * 2**30
DEFAULT_PAUSE_LIMIT = Duration(20.0)
WHEN_FULL = ("drop_oldest", "block", "conflate", "spill")
_REFRESH = Duration(900.0)
_KEEP = Duration(7 * 86_400.0)


def _urls(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def _socket_urls(value: str | tuple[str, ...] | Mapping[str, str | tuple[str, ...]] | None) -> object:
    if isinstance(value, Mapping):
        return {name: _urls(urls) for name, urls in value.items()}
    return _urls(value)


def _check_urls(urls: object, schemes: tuple[str, ...]) -> None:
    if isinstance(urls, Mapping):
        for some in urls.values():
            _check_urls(some, schemes)
        return
    for url in urls if isinstance(urls, tuple) else ():
        if not url.startswith(schemes):
            raise ConfigError(f"{shown(url)} is not a URL for this", hint=f"begin it with {' or '.join(schemes)}")


@attrs.frozen
class EndpointsConfig:
    """Hosts to use instead of the exchange's own, primary first.

    Attributes:
        rest: Base URLs.
        websocket: URLs for every socket, or by the socket's name.
    """

    rest: str | tuple[str, ...] | None = None
    websocket: str | tuple[str, ...] | Mapping[str, str | tuple[str, ...]] | None = None

    def __attrs_post_init__(self) -> None:
        _check_urls(_urls(self.rest), ("https://", "http://"))
        _check_urls(_socket_urls(self.websocket), ("wss://", "ws://"))


@attrs.frozen
class RestConfig:
    """For plugins that poll.

    Attributes:
        snapshot_interval: Time between two snapshots.
        limit: Rows a request gives.
    """

    snapshot_interval: Duration | None = None
    limit: int | None = None


@attrs.frozen
class WebsocketConfig:
    """How sockets are opened.

    Attributes:
        enabled: For plugins that can do without sockets.
        rest_only: For plugins that can do without sockets.
        engine: What reads them; the best there is by default.
        compress: Offer permessage-deflate.
    """

    enabled: bool = True
    rest_only: bool = False
    engine: Literal["aiohttp", "picows"] | None = None
    compress: bool = False


@attrs.frozen
class TlsConfig:
    """Whom to trust.

    Attributes:
        ca_file: PEM file of the authorities to trust instead of the system's.
    """

    ca_file: Path | None = None


@attrs.frozen
class InstrumentsConfig:
    """How the lists of instruments are followed.

    Attributes:
        refresh: Time between two readings of a list.
        keep: Age above which a list on disk is not used any more.
    """

    refresh: Duration = _REFRESH
    keep: Duration = _KEEP


@attrs.frozen
class LogConfig:
    """What is logged, and how.

    Attributes:
        level: The least that is logged.
        format: Lines for people, or one JSON object a line.
        file: Where to; standard error by default.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"
    file: Path | None = None


@attrs.frozen
class ExchangeConfig:
    """One entry under ``exchanges:``, that is one feed.

    Attributes:
        name: The entry's key: the feed's name.
        exchange: The exchange's id; the key unless ``exchange:`` says otherwise.
        plugin: The plugin that ``plugin:`` or ``class:`` pins; ``None``: selection decides.
        symbols: Our symbols, or selectors of them.
        channels: What to subscribe to.
        options: The plugin's own settings, not yet structured.
        credentials: Secrets, masked; ``None``: public channels only.
        endpoints: Hosts to use instead of the exchange's own.
        extensions: Options of extension plugins by name, in order.
        rest: For plugins that poll.
        websocket: How sockets are opened.
        connections: How many connections carry the same.
        proxy: Where all traffic goes through; ``None``: nothing, directly.
        tls: Whom to trust.
        numbers: What prices and sizes are.
        on_unknown_symbol: What a symbol amounts to that was never listed.
    """

    name: str
    exchange: str
    symbols: tuple[str, ...]
    plugin: str | None = None
    channels: tuple[ChannelRequest, ...] = DEFAULT_CHANNELS
    options: Mapping[str, object] = attrs.field(factory=dict)
    credentials: ConfigCredentials | None = None
    endpoints: EndpointsConfig = attrs.field(factory=EndpointsConfig)
    extensions: Mapping[str, Mapping[str, object]] = attrs.field(factory=dict)
    rest: RestConfig = attrs.field(factory=RestConfig)
    websocket: WebsocketConfig = attrs.field(factory=WebsocketConfig)
    connections: int = 1
    proxy: Proxy | None = None
    tls: TlsConfig = attrs.field(factory=TlsConfig)
    numbers: Literal["float", "decimal"] = "float"
    on_unknown_symbol: Literal["error", "warn"] = "error"

    @property
    def path(self) -> str:
        """Where it stands in the file."""
        return f"exchanges.{self.name}"


@attrs.frozen
class SinkConfig:
    """One entry under ``sinks:``.

    Attributes:
        name: The entry's key.
        type: Kind of sink.
        channels: Which events it gets; ``None``: all.
        queue: Events its queue holds.
        when_full: ``drop_oldest``, ``block``, ``conflate`` or ``spill``.
        options: The sink's own settings, not yet structured.
        batch: Events it is given at once, at most.
        linger: Seconds that a batch waits for more.
        spill_limit: Bytes that ``spill`` may take on disk.
        pause_limit: Seconds that ``block`` keeps sockets from being read.
        process: The steps that its events go through first.
    """

    name: str
    type: str
    channels: tuple[Channel, ...] | None = None
    queue: int = DEFAULT_QUEUE
    when_full: str = "drop_oldest"
    options: Mapping[str, object] = attrs.field(factory=dict)
    batch: int = DEFAULT_BATCH
    linger: float = 0.0
    spill_limit: int = DEFAULT_SPILL_LIMIT
    pause_limit: float = DEFAULT_PAUSE_LIMIT
    process: tuple[ProcessStep, ...] = ()

    @property
    def path(self) -> str:
        """Where it stands in the file."""
        return f"sinks.{self.name}"


@attrs.frozen
class Config:
    """A whole configuration.

    Attributes:
        exchanges: One feed each, in the file's order.
        sinks: Where events go; empty: the console.
        name: In metrics and reports.
        source: The file's name, for messages; empty where there is none.
        state: Where lists of instruments are kept; ``None``: where the system keeps such things.
        instruments: How the lists of instruments are followed.
        log: What is logged; ``None``: warnings, for people.
        recovery: How holes in the trades are filled.
        file: Where it was read; ``None``: it was not read from a file.
    """

    exchanges: tuple[ExchangeConfig, ...]
    sinks: tuple[SinkConfig, ...] = ()
    name: str = "tickwire"
    source: str = ""
    state: Path | None = None
    instruments: InstrumentsConfig = attrs.field(factory=InstrumentsConfig)
    log: LogConfig | None = None
    recovery: RecoverySettings = attrs.field(factory=RecoverySettings)
    file: Path | None = None
