"""Making the ccxt instances of one feed: one dict of settings, the user's hosts, one way out for all that they send."""

from __future__ import annotations

import asyncio
import copy
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from tickwire import ConfigError, CredentialsError
from tickwire.plugin import Credentials, Network
from tickwire_ccxt_generic.addresses import moved, moved_all
from tickwire_ccxt_generic.answers import look_at
from tickwire_ccxt_generic.capabilities import CREDENTIALS, capabilities_of
from tickwire_ccxt_generic.dates import remembered_iso8601, remembered_parse8601
from tickwire_ccxt_generic.gate import Gate
from tickwire_ccxt_generic.loading import library, unhurried
from tickwire_ccxt_generic.metadata import CcxtMetadataCache
from tickwire_ccxt_generic.options import CcxtOptions
from tickwire_ccxt_generic.tap import Tap
from tickwire_ccxt_generic.venues import venue_of

__all__ = ["CcxtClients", "Sockets"]

_KEEP_ALIVE = 15_000  # ms: an end that nobody told of is noticed within twice that
_SNAPSHOT_TRIES = 10
_OWN: Mapping[str, object] = MappingProxyType(
    {
        "enableRateLimit": True,
        "newUpdates": True,
        "enableLastHttpResponse": False,
        "enableLastJsonResponse": False,
        "enableLastResponseHeaders": False,
    }
)
_DEFAULTS = CcxtOptions()


class Sockets(Protocol):
    """Who is told what becomes of a streaming instance's sockets."""

    def wanted(self, url: str) -> None:
        """A socket is asked for that is not there; whatever is raised refuses it."""
        ...

    def made(self, client: Any) -> None:
        """A socket is about to be dialled."""
        ...

    def connected(self, client: Any) -> None:
        """It is open."""
        ...

    def failed(self, client: Any, error: Any) -> None:
        """It could not be dialled, or broke."""
        ...

    def closed(self, client: Any, code: Any) -> None:
        """It was closed."""
        ...

    async def snapshot(self, fetch: Callable[[], Any], native: str) -> Any:
        """Fetch the book that a stream of changes begins with; tries again for as long as that makes sense."""
        ...


class CcxtClients:
    """The instances of one feed, which share markets, limits, connections over HTTP, and a gate.

    Attributes:
        exchange_id: ccxt's id.
        venue: What is known of it.
        options: The user's.
        network: The user's.
        cache: Markets on disk, and the names given to them.
    """

    def __init__(
        self,
        exchange_id: str,
        options: CcxtOptions = _DEFAULTS,
        network: Network | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        """Take over settings; ccxt is imported when the first instance is made.

        Args:
            exchange_id: ccxt's id.
            options: The user's.
            network: Hosts and proxies; ``None``: the exchange's own hosts, directly.
            credentials: The user's keys.

        Raises:
            ConfigError: The network asks for what ccxt cannot do.
        """
        known = capabilities_of(exchange_id)
        self.exchange_id = exchange_id
        self.venue = venue_of(exchange_id)
        self.options = options
        self.network = network = network or Network((known.rest,), {})
        self._credentials = credentials
        self._declared = (known.rest, known.websocket)
        _refuse(network)
        own_hosts = [url for url in network.rest if url != known.rest]
        folder = Path(options.state) if options.state is not None else None
        self.cache = CcxtMetadataCache(
            exchange_id,
            folder,
            ttl=options.markets_ttl,
            hosts=own_hosts,
            scope=repr(sorted(options.ccxt.items())) if options.ccxt else "",  # they may say which markets are loaded
            precision=known.precision,
        )
        self._gate = Gate()
        self._session: Any = None
        self._rest: Any = None
        self._rest_base = network.rest[0] if network.rest else known.rest
        self._making = asyncio.Lock()

    async def rest(self, base: str | None = None) -> Any:
        """Give the instance that asks over REST, led to a host.

        Args:
            base: Where to; ``None``: where it asked last.
        """
        async with self._making:
            if self._rest is None:
                self._rest = await self._make(_rest_class)
                self._lead(self._rest, None)
            if base is not None and base != self._rest_base:
                self._rest_base = base
                self._lead(self._rest, None)
            return self._rest

    async def streaming(self, tap: Tap, sockets: Sockets, base: str | None) -> Any:
        """Make an instance for one connection, with the markets that are known.

        Args:
            tap: Takes the place of its caches.
            sockets: Is told of its sockets.
            base: The URL that its sockets are led to; ``None``: ccxt's own.
        """
        rest = await self.rest()
        if not rest.markets:
            await self.cache.ready(rest)
        made = await self._make(partial(_streaming_class, tap=tap, sockets=sockets))
        made.throttler = rest.throttler  # one pace for all that goes to the exchange
        made.handle_message = partial(tap.read, made.handle_message)  # on the way of every frame: no method of a class
        self._lead(made, base)
        await asyncio.to_thread(made.set_markets, list(rest.markets.values()), rest.currencies)
        made.markets_loading = _done(made.markets)
        made.streaming["keepAlive"] = min(made.streaming.get("keepAlive") or _KEEP_ALIVE, _KEEP_ALIVE)
        return made

    async def close(self) -> None:
        """Close what is shared; a second call is harmless."""
        rest, self._rest = self._rest, None
        if rest is not None:
            await rest.close()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _make(self, class_of: Callable[[str, Gate], Any]) -> Any:
        made_class = await unhurried(lambda: class_of(self.exchange_id, self._gate))
        if self._session is None:
            self._session = _session(await unhurried(lambda: _connector(self.network)))
        settings = {
            **_OWN,
            **self._keys(),
            "asyncio_loop": asyncio.get_running_loop(),
            "session": self._session,
            "timeout": round(self.network.timeout * 1000),
            "options": self._ccxt_options(made_class),
        }
        made = await asyncio.to_thread(made_class, settings)
        made.timeout_on_exit = 0
        made.tickwire_urls = copy.deepcopy(made.urls)
        return made

    def _ccxt_options(self, made_class: Any) -> Mapping[str, object]:
        merge = made_class.deep_extend
        own: Mapping[str, object] = {
            "ws": {"compress": 15 if self.network.compress else 0},
            "watchOrderBook": {"maxRetries": _SNAPSHOT_TRIES},
        }
        merged: Mapping[str, object] = merge(own, dict(self.venue.options), dict(self.options.ccxt))
        return merged

    def _keys(self) -> Mapping[str, str]:
        credentials = self._credentials
        if credentials is None:
            return {}
        found = {}
        for name, attribute in CREDENTIALS.items():
            with suppress(CredentialsError):  # an exchange takes some of them, and says which it must have itself
                found[attribute] = credentials.reveal(name)
        return found

    def _lead(self, made: Any, socket_base: str | None) -> None:
        rest, websocket = self._declared
        keeps_host = self.venue.keeps_host

        def move(url: str) -> str:
            url = made.implode_hostname(url)
            if url.startswith("http"):
                return moved(url, self._rest_base, rest)
            if socket_base is not None and url.startswith("ws"):
                return moved(url, socket_base, websocket, keeps_host=keeps_host)
            return url

        for name in ("api", "ws"):
            if name in made.tickwire_urls:
                made.urls[name] = moved_all(made.tickwire_urls[name], move)


def _refuse(network: Network) -> None:
    setting = f"{network.path}." if network.path else ""
    if network.proxy_rest != network.proxy_websocket:
        raise ConfigError(
            "ccxt sends REST and WebSocket one way, and they would have two different proxies",
            hint="set one proxy for both",
            path=f"{setting}proxy",
        )
    if network.engine not in (None, "aiohttp"):
        raise ConfigError(
            f"ccxt has no WebSocket engine {network.engine!r}", hint="remove it", path=f"{setting}websocket.engine"
        )


def _base_class(exchange_id: str, module: str) -> Any:
    found = getattr(library(module), exchange_id, None)
    if found is None:
        raise ConfigError(
            f"the installed ccxt has no {module}.{exchange_id}", hint="upgrade ccxt, or choose another exchange"
        )
    return found


def _rest_class(exchange_id: str, gate: Gate) -> Any:
    known = capabilities_of(exchange_id)
    base = _base_class(exchange_id, "ccxt.pro" if known.streams else "ccxt.async_support")

    class Asking(base):  # type: ignore[misc, valid-type]
        async def throttle(self, cost: Any = None) -> Any:
            await gate.wait()
            return await super().throttle(cost)

        def on_rest_response(self, code: int, reason: str, url: str, method: str, *rest: Any) -> Any:
            headers, body = rest[0], rest[1]
            look_at(exchange_id, method, code, headers, body, gate)
            return super().on_rest_response(code, reason, url, method, *rest)

    return Asking


def _streaming_class(exchange_id: str, gate: Gate, *, tap: Tap, sockets: Sockets) -> Any:
    base = _rest_class(exchange_id, gate)

    class Streaming(base):  # type: ignore[misc, valid-type]
        tickwire_tap = tap
        iso8601 = staticmethod(remembered_iso8601(base.iso8601))
        parse8601 = staticmethod(remembered_parse8601(base.parse8601))
        trades = _kept("trades")
        tickers = _kept("tickers")
        bidsasks = _kept("bidsasks")
        ohlcvs = _kept("ohlcvs")
        orderbooks = _kept("orderbooks")

        def order_book(self, snapshot: Any = MappingProxyType({}), depth: Any = None) -> Any:
            return tap.make_book("plain", snapshot, depth)

        def indexed_order_book(self, snapshot: Any = MappingProxyType({}), depth: Any = None) -> Any:
            return tap.make_book("indexed", snapshot, depth)

        def counted_order_book(self, snapshot: Any = MappingProxyType({}), depth: Any = None) -> Any:
            return tap.make_book("counted", snapshot, depth)

        def client(self, url: str) -> Any:
            is_new = url not in (self.clients or {})
            if is_new:
                sockets.wanted(url)
            client = super().client(url)
            if is_new:
                sockets.made(client)
            return client

        def on_connected(self, client: Any, message: Any = None) -> None:
            super().on_connected(client, message)
            sockets.connected(client)

        def on_error(self, client: Any, error: Any) -> None:
            super().on_error(client, error)
            sockets.failed(client, error)

        def on_close(self, client: Any, error: Any) -> None:
            super().on_close(client, error)
            sockets.closed(client, error)

        async def fetch_rest_order_book_safe(
            self, symbol: Any, limit: Any = None, params: Any = MappingProxyType({})
        ) -> Any:
            return await sockets.snapshot(lambda: self.fetch_order_book(symbol, limit, dict(params)), symbol)

    return Streaming


def _kept(name: str) -> property:
    # one of the tap's caches in the place of ccxt's, which is read several times a frame: without a call in Python
    read = attrgetter(f"tickwire_tap.{name}")

    def replace(exchange: Any, given: Any) -> None:
        own = read(exchange)
        if given is not own:
            own.take(given)

    return property(read, replace)


def _connector(network: Network) -> Callable[[], Any]:
    context = ssl.create_default_context(cafile=network.tls_ca_file)
    proxy = network.proxy_rest
    if proxy is None:
        aiohttp = library("aiohttp")
        return lambda: aiohttp.TCPConnector(ssl=context)
    connector = library("aiohttp_socks").ProxyConnector
    is_remote = proxy.startswith("socks5h:")
    url = proxy.replace("socks5h:", "socks5:", 1)
    return lambda: connector.from_url(url, ssl=context, **({"rdns": True} if is_remote else {}))


def _session(connector: Callable[[], Any]) -> Any:
    # no proxies from the environment: what goes out goes the way that the user set
    aiohttp = library("aiohttp")
    return aiohttp.ClientSession(connector=connector(), trust_env=False)


def _done(value: Any) -> asyncio.Future[Any]:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.set_result(value)
    return future
