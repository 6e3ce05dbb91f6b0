"""Reading what users give a ``Feed``: channels, symbols, hosts, options, credentials, classes of events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_origin

from tickwire.model.account import AccountEvent
from tickwire.model.channels import Channel, ChannelRequest
from tickwire.model.errors import ConfigError
from tickwire.model.events import MarketEvent
from tickwire.model.quality import Dropped
from tickwire.plugin.info import ExchangeInfo
from tickwire.plugin.protocols import Credentials, Network
from tickwire.run.proxies import Proxy

__all__ = [
    "ChannelLike", "connections_of", "credentials_of", "event_class", "network_of", "options_of", "requests_of",
    "symbols_of", "wrong_count",
]  # fmt: skip

ChannelLike = str | Channel | ChannelRequest

_MOST_CONNECTIONS = 4


def requests_of(channels: Sequence[ChannelLike]) -> tuple[ChannelRequest, ...]:
    """Read channels as users write them.

    Raises:
        UnsupportedChannelError: There is no such channel.
    """
    if isinstance(channels, str):
        raise ConfigError(f"channels is the text {channels!r}", hint=f"write channels=[{channels!r}]")
    return tuple(
        dict.fromkeys(one if isinstance(one, ChannelRequest) else ChannelRequest.parse(one) for one in channels)
    )


def network_of(
    info: ExchangeInfo,
    rest: str | Sequence[str] | None,
    websocket: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None,
    *,
    proxy: str | Proxy | None = None,
    tls_ca_file: str | None = None,
    engine: str | None = None,
    compress: bool = False,
    path: str = "",
    environ: Mapping[str, str] | None = None,
) -> Network:
    """Give the declared hosts, or those the user set instead, and the way to them.

    Raises:
        ConfigError: A socket is named that the exchange has not, or the proxy is none.
    """
    declared: dict[str, tuple[str, ...]] = {name: (endpoint.url,) for name, endpoint in info.sockets.items()}
    if isinstance(websocket, Mapping):
        for name in websocket:
            if name not in declared:
                raise ConfigError(f"{info.id} has no socket {name!r}", hint=f"one of {', '.join(declared)}")
        declared |= {name: _many(urls) for name, urls in websocket.items()}
    elif websocket:
        declared = dict.fromkeys(declared, _many(websocket))
    hosts = _many(rest) if rest else info.rest
    proxy = Proxy.parse(proxy) if isinstance(proxy, str) else proxy
    sockets = [url for urls in declared.values() for url in urls]
    return Network(
        hosts,
        declared,
        proxy_rest=proxy.url_for(hosts, environ) if proxy is not None else None,
        proxy_websocket=proxy.url_for(sockets, environ) if proxy is not None else None,
        engine=engine,
        tls_ca_file=tls_ca_file,
        compress=compress,
        path=path,
    )


def symbols_of(symbols: Iterable[str]) -> tuple[str, ...]:
    """Read symbols; a text is not taken for its letters.

    Raises:
        ConfigError: It is a text.
    """
    if isinstance(symbols, str):
        raise ConfigError(f"symbols is the text {symbols!r}", hint=f"write symbols=[{symbols!r}]")
    return tuple(symbols)


def wrong_count(connections: int) -> tuple[str, str] | None:
    """Say what is wrong with a number of connections, and what to do; ``None``: nothing."""
    if 1 <= connections <= _MOST_CONNECTIONS:
        return None
    what = (
        "no connection carries nothing" if connections < 1 else f"{connections} connections for the same are too many"
    )
    return what, f"write 1 to {_MOST_CONNECTIONS}; with 2 one is a hot stand-by"


def connections_of(connections: int) -> int:
    """Read how many connections carry the same.

    Raises:
        ConfigError: None, or too many.
    """
    if (wrong := wrong_count(connections)) is not None:
        raise ConfigError(wrong[0], hint=wrong[1])
    return connections


def event_class(kind: Any) -> Any:
    """Read what ``Feed.on`` is given: a class of events, several as a union, or ``Trade[float]`` for ``Trade``.

    Raises:
        ConfigError: It is something else.
    """
    origin = get_origin(kind)
    kind = origin if isinstance(origin, type) and issubclass(origin, MarketEvent | AccountEvent) else kind
    try:
        issubclass(Dropped, kind)
    except TypeError:
        raise ConfigError(f"{kind!r} is no class of events", hint="write feed.on(Trade, …), or Event for all") from None
    return kind


def _many(urls: str | Sequence[str]) -> tuple[str, ...]:
    return (urls,) if isinstance(urls, str) else tuple(urls)


def options_of(info: ExchangeInfo, options: object) -> object:
    """Give the plugin's options as an instance of its type.

    Raises:
        ConfigError: They are not that, nor a mapping that becomes that.
    """
    if isinstance(options, info.options_type):
        return options
    if options is None or isinstance(options, Mapping):
        from tickwire.run.structuring import structure_options

        return structure_options(info.options_type, options or {}, "options")
    raise ConfigError(
        f"options is a {type(options).__name__}", hint=f"give a mapping or a {info.options_type.__name__}"
    )


def credentials_of(info: ExchangeInfo, given: Mapping[str, str] | Credentials | None) -> Credentials | None:
    """Give credentials whose repr is masked; ``None`` where there are none."""
    if not given:
        return None
    if not isinstance(given, Mapping):
        return given
    from tickwire.run.secrets import ConfigCredentials

    return ConfigCredentials(given)
