"""A config file's own shape, key by key: what is read from it, before it becomes settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import attrs

from tickwire.feed.selectors import is_glob
from tickwire.model.channels import ChannelRequest
from tickwire.model.errors import ConfigError
from tickwire.run.durations import Duration
from tickwire.run.process_settings import ProcessStep
from tickwire.run.proxies import Proxy
from tickwire.run.secrets import Secret
from tickwire.run.settings import (
    DEFAULT_BATCH,
    DEFAULT_CHANNELS,
    DEFAULT_PAUSE_LIMIT,
    DEFAULT_QUEUE,
    DEFAULT_SPILL_LIMIT,
    EndpointsConfig,
    InstrumentsConfig,
    LogConfig,
    RestConfig,
    TlsConfig,
    WebsocketConfig,
)

__all__ = ["Document", "ExchangeEntry", "RecoveryEntry", "ServeEntry", "SinkEntry"]

_HOLD = Duration(15.0)
_RESUME = Duration(86_400.0)


@attrs.frozen
class ExchangeEntry:
    """One feed.

    Attributes:
        symbols: Our symbols, or selectors of them: shell globs, and ``!`` for what to leave out again.
        exchange: The exchange's id; the entry's name by default.
        plugin: Pins the plugin by name.
        class_: Pins the plugin that declares this feed class.
        channels: What to subscribe to; trades by default.
        options: The plugin's own settings.
        credentials: Secrets by name.
        endpoints: Hosts to use instead of the exchange's own.
        extensions: Extension plugins by name, each with its options.
        rest: For plugins that poll.
        websocket: How sockets are opened.
        connections: How many connections carry the same: one, and hot stand-bys; at most 4.
        proxy: URL of a proxy that all traffic goes through, or ``env`` for what the environment says.
        tls: Whom to trust.
        numbers: What prices and sizes are.
        on_unknown_symbol: What a symbol amounts to that was never listed.
    """

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
    connections: int = 1
    proxy: Proxy | None = None
    tls: TlsConfig = attrs.field(factory=TlsConfig)
    numbers: Literal["float", "decimal"] = "float"
    on_unknown_symbol: Literal["error", "warn"] = "error"

    def __attrs_post_init__(self) -> None:
        if not self.symbols:
            raise ConfigError("symbols is empty", hint="name at least one, e.g. symbols: [BTC-USDT]")
        if not self.channels:
            raise ConfigError("channels is empty", hint="name at least one, e.g. channels: [trades]")
        if self.symbols[0].startswith("!"):
            raise ConfigError(
                f"symbols begins with {self.symbols[0]!r}, which has nothing to exclude from",
                hint='begin with what to take in, e.g. "*"',
            )
        for symbol in self.symbols:
            if not symbol.strip("!").strip() or (symbol.startswith("!!") and not is_glob(symbol)):
                raise ConfigError(f"symbols names {symbol!r}, which is nothing", hint="write a symbol or a selector")


@attrs.frozen
class SinkEntry:
    """Where events go; its other keys are the sink's own settings.

    Attributes:
        type: Kind of sink.
        channels: Which events it gets; all by default.
        queue: How many events may wait for it.
        when_full: What happens when more wait.
        batch: How many events it is given at once, at most.
        linger: How long a batch waits for more events after its first; not at all by default.
        spill_limit: For `when_full: spill`, how many bytes may be on disk.
        pause_limit: For `when_full: block`, how long the sockets wait before they are closed.
        process: Steps that its events go through first, one after the other.
    """

    type: str
    channels: tuple[ChannelRequest, ...] | None = None
    queue: int = DEFAULT_QUEUE
    when_full: str = "drop_oldest"
    batch: int = DEFAULT_BATCH
    linger: Duration | None = None
    spill_limit: int = DEFAULT_SPILL_LIMIT
    pause_limit: Duration = DEFAULT_PAUSE_LIMIT
    options: Mapping[str, object] = attrs.field(factory=dict)
    process: tuple[ProcessStep, ...] = ()


@attrs.frozen
class RecoveryEntry:
    """How holes in the trades are filled.

    Attributes:
        backfill: In order (live trades of that instrument wait for what is missing), late, or not at all.
        hold: How long live trades wait at most.
        resume: Up to which age the hole since the last run is filled.
    """

    backfill: Literal["in_order", "late", "off"] = "in_order"
    hold: Duration = _HOLD
    resume: Duration = _RESUME


@attrs.frozen
class ServeEntry:
    """Health and metrics over HTTP; not built yet.

    Attributes:
        host: Where to listen; not built yet.
        port: Where to listen; not built yet.
        per_symbol: Metrics by symbol; not built yet.
    """

    host: str | None = None
    port: int | None = None
    per_symbol: bool | None = None


@attrs.frozen
class Document:
    """A whole file.

    Attributes:
        exchanges: One feed each; the key is a name of yours.
        sinks: Where events go; the console by default.
        name: In reports.
        state: Directory for lists of instruments; where the system keeps such things by default.
        instruments: How the lists of instruments are followed.
        log: What is logged, and how.
        recovery: How holes in the trades are filled.
        serve: Health and metrics over HTTP; not built yet.
    """

    exchanges: Mapping[str, object]
    sinks: Mapping[str, object] = attrs.field(factory=dict)
    name: str = "tickwire"
    state: Path | None = None
    instruments: InstrumentsConfig = attrs.field(factory=InstrumentsConfig)
    log: LogConfig | None = None
    recovery: RecoveryEntry = attrs.field(factory=RecoveryEntry)
    serve: ServeEntry | None = None

    def __attrs_post_init__(self) -> None:
        if not self.exchanges:
            raise ConfigError("exchanges is empty", hint="name at least one exchange")
