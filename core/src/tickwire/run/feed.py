"""The public ``Feed``: an exchange by name, its events in callbacks or an async iterator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from types import TracebackType, UnionType
from typing import Any, Generic, Self, TypeVar, overload

from tickwire.feed.backoff import BackoffPolicy
from tickwire.feed.buffer import EventBuffer
from tickwire.feed.channels import check_channels, check_credentials
from tickwire.feed.limits import Limits, shared_limits
from tickwire.feed.listing import ListingSettings
from tickwire.feed.marks import Marks, NoMarks
from tickwire.feed.requests import Requests
from tickwire.feed.session import FeedSession
from tickwire.feed.settings import FeedSettings, RecoverySettings
from tickwire.feed.silence import SilenceSettings
from tickwire.feed.skew import ExchangeClock
from tickwire.feed.streams import SubscriptionStatus
from tickwire.model.account import AccountEvent
from tickwire.model.book import L2Book
from tickwire.model.channels import ChannelRequest, Subscription
from tickwire.model.clock import Clock, SystemClock
from tickwire.model.errors import TickwireError
from tickwire.model.events import MarketEvent
from tickwire.model.health import Health
from tickwire.model.instruments import Instruments
from tickwire.model.metrics import Metrics
from tickwire.model.numbers import N
from tickwire.model.quality import EventOf, QualityEvent
from tickwire.plugin.assembly import Wiring, assemble
from tickwire.plugin.protocols import Credentials, Network
from tickwire.plugin.registry import Registry
from tickwire.run.arguments import (
    ChannelLike,
    connections_of,
    credentials_of,
    event_class,
    network_of,
    options_of,
    requests_of,
    symbols_of,
)
from tickwire.run.callbacks import Callbacks
from tickwire.run.proxies import Proxy
from tickwire.run.responsiveness import Callback, responsiveness

__all__ = ["Feed", "load_instruments"]

E = TypeVar("E", bound=MarketEvent | AccountEvent | QualityEvent)
_STOP_WITHIN = 5.0


class Feed(Generic[N]):
    """Market data of one exchange; ``Feed[float]``, or ``Feed[Decimal]`` where ``numbers=Decimal`` was asked for.

    Use it as an async context manager; iterate it, or register callbacks with ``on``, or both. The iterator is
    buffered: where ``feed.books`` must be exactly at an event, use ``on``, or follow the stream with ``Books.apply``.

    Attributes:
        name: The user's name of it.
        books: L2 books by symbol, at the newest event; each answers ``None`` while it is not in sync.
        metrics: Figures.
    """

    def __init__(
        self,
        exchange: str,
        symbols: Sequence[str] = (),
        channels: Sequence[ChannelLike] = ("trades",),
        *,
        name: str | None = None,
        plugin: str | None = None,
        options: object = None,
        credentials: Mapping[str, str] | Credentials | None = None,
        rest: str | Sequence[str] | None = None,
        websocket: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
        extensions: Mapping[str, object] | None = None,
        proxy: str | Proxy | None = None,
        tls_ca_file: str | None = None,
        engine: str | None = None,
        compress: bool = False,
        numbers: type[N] = float,  # type: ignore[assignment]
        listing: ListingSettings | None = None,
        recovery: RecoverySettings | None = None,
        marks: Marks | None = None,
        silence: SilenceSettings | None = None,
        connections: int = 1,
        path: str = "",
        buffer: int = 65_536,
        when_full: str = "drop_oldest",
        pause_limit: float = 20.0,
        backoff: BackoffPolicy | None = None,
        registry: Registry | None = None,
        clock: Clock | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Choose the plugin and put the strategies together; no I/O.

        Args:
            exchange: Its id, e.g. ``"backpack"``.
            symbols: Ours, e.g. ``"SOL-USDC"``, or selectors: ``"*-USDC-PERP"`` takes in, ``"!X-*"`` takes out again.
            channels: Names, or requests with parameters such as ``Subscribe.l2_book(depth=100)``.
            name: For logs; the exchange's id by default.
            plugin: Pins the plugin by name.
            options: Of the plugin: a mapping, or an instance of its options type.
            credentials: Secrets by name.
            rest: Base URLs instead of the declared ones, primary first.
            websocket: URLs for all sockets, or by socket name, primary first.
            extensions: Options by name of the extension plugins to use.
            proxy: ``http://…`` or ``socks5://…`` for everything that goes out; ``"env"``: what the environment says.
            tls_ca_file: PEM file of the authorities to trust instead of the system's.
            engine: WebSocket engine to use; the best there is by default.
            compress: Offer permessage-deflate.
            numbers: Of prices and sizes: ``float``, exact up to 15 digits and announced (``Inexact``) beyond, or
                ``Decimal``, exact always and two to three times slower.
            listing: How to follow the exchange's list; it is read once by default.
            recovery: Whether and how holes in the trades are filled; by default in order, where the exchange gives
                history.
            marks: How far the last run came; by default every feed begins anew.
            silence: When the watchdog looks into silence; by default above 30 s.
            connections: How many connections carry the same; with 2 one is a hot stand-by. At most 4.
            path: Where its settings stand in a configuration, for messages.
            buffer: Events the iterator may lag behind; 0: the feed is never iterated.
            when_full: ``drop_oldest``: forget and announce (``Dropped``); ``block``: stop reading the sockets.
            pause_limit: Seconds that ``block`` keeps the sockets from being read; then they are closed, which is a
                ``Gap``, and opened again once there is room.
            backoff: Between attempts to connect.
            registry: Where the plugins are; found by entry points by default.
            clock: The machine's by default.
            limits: What is left of the exchanges' budgets; by default shared by all feeds of the process.

        Raises:
            ConfigError: Unknown exchange, channel, option or credential, or no credentials where a login is needed.
            PluginError: The plugin is missing or faulty.
        """
        self.name = name or exchange
        self.metrics = Metrics()
        self._clock: Clock = clock or SystemClock()
        self._limits = limits or shared_limits(self._clock)
        registry = registry or Registry.discover()
        selection = registry.select(exchange, plugin)
        info = selection.claim.info
        requests = requests_of(channels)
        check_channels(info, requests)
        if not credentials:
            check_credentials(info, requests, path)
        self._network = network_of(
            info, rest, websocket, proxy=proxy, tls_ca_file=tls_ca_file, engine=engine, compress=compress, path=path
        )
        self._settings = FeedSettings(
            self.name,
            symbols_of(symbols),
            requests,
            backoff or BackoffPolicy(),
            listing or ListingSettings(),
            recovery or RecoverySettings(),
            marks or NoMarks(),
            silence or SilenceSettings(),
            connections_of(connections),
            pause_limit,
        )
        self._exchange_clock = ExchangeClock(info.id, self._clock)
        self._wiring = assemble(
            registry,
            selection,
            options=options_of(info, options),
            network=self._network,
            credentials=credentials_of(info, credentials),
            clock=self._clock,
            instruments=Instruments(),
            numbers=numbers,
            extensions=extensions or {},
            exchange_clock=self._exchange_clock,
        )
        self._capacity = buffer
        self._when_full = when_full
        self._buffer: EventBuffer[Any] | None = None
        self._batch: list[EventOf[N]] = []
        self._callbacks = Callbacks(self.name, info.id, self.metrics, self._clock)
        self._pressing = 0
        self._session: FeedSession | None = None
        self._task: asyncio.Task[None] | None = None
        self._error: BaseException | None = None
        self._is_told = False

    # the life
    async def __aenter__(self) -> Self:
        if self._task is not None:
            raise TickwireError(f"feed {self.name!r} was started before", hint="make a new Feed")
        if self._capacity:
            self._buffer = EventBuffer(
                "iterator", self._capacity, self._when_full, self._clock, lambda event: event, self._press
            )
            self._callbacks.last = self._buffer.put
        self._session = FeedSession(
            self._wiring, self._network, self._settings, self._clock, self._callbacks.emit, self.metrics, self._limits,
            self._exchange_clock,
        )  # fmt: skip
        self._callbacks.start(self._capacity, self._when_full, self._press)
        self._callbacks.add_first(QualityEvent, self._session.watch.figures.follow)
        self._task = asyncio.create_task(self._main(self._session), name=f"feed {self.name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        if error is None and self._error is not None and not self._is_told:
            raise self._told()

    async def _main(self, session: FeedSession) -> None:
        try:
            with responsiveness(self, self._wiring.info.id, self._callbacks.handles):
                await session.run()
        except asyncio.CancelledError:
            raise
        except BaseExceptionGroup as group:
            self._error = _first(group)
        except Exception as error:  # the task's outermost edge: the user's iterator raises it
            self._error = error
        finally:
            self._callbacks.close()
            if self._buffer is not None:
                self._buffer.close()

    async def stop(self) -> None:
        """Close the connections and let callbacks finish; a second call is harmless.

        What was received can still be iterated afterwards.
        """
        if self._task is None or self._session is None:
            return
        self._session.stop()
        done, _ = await asyncio.wait([self._task], timeout=_STOP_WITHIN)
        if not done:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._callbacks.finish(_STOP_WITHIN)

    async def wait(self) -> None:
        """Wait until the feed ends.

        Raises:
            TickwireError: The one original error that ended it.
        """
        if self._task is not None:
            await asyncio.wait([self._task])
        if self._error is not None:
            raise self._told()

    def _told(self) -> BaseException:
        assert self._error is not None
        self._is_told = True
        return self._error

    # events
    @overload
    def on(self, kind: type[E], handle: Callable[[E], object]) -> None: ...
    @overload
    def on(self, kind: UnionType, handle: Callable[[Any], object]) -> None: ...  # Event, Trade | Gap
    def on(self, kind: type[Any] | UnionType, handle: Callable[[Any], object]) -> None:
        """Call ``handle`` with each event of a kind, in order.

        A plain function runs on the read path, where ``books`` is exactly at its event; it must be quick. An ``async``
        function runs beside it behind a buffer of the same size and policy as the iterator's. One that raises is
        logged and counted; the feed goes on.

        Args:
            kind: An event class, or ``Event`` for all.
            handle: Takes the event.

        Raises:
            TickwireError: The feed was started already.
            ConfigError: ``kind`` is no class of events.
        """
        if self._task is not None:
            raise TickwireError(
                "callbacks are registered before the feed starts", hint="call feed.on before 'async with'"
            )
        self._callbacks.add(event_class(kind), handle)

    @property
    def emitted(self) -> int:
        """How many events were emitted so far; safe from any thread."""
        return self._callbacks.emitted

    @property
    def calling(self) -> Callback | None:
        """The callback that is running; ``None``: none is."""
        return self._callbacks.calling

    def _press(self, is_full: bool) -> None:
        # the sockets are read again once none of the buffers is full
        self._pressing += 1 if is_full else -1
        if self._session is not None:
            self._session.pause(self._pressing > 0)

    def __aiter__(self) -> AsyncIterator[EventOf[N]]:
        return self

    async def __anext__(self) -> EventOf[N]:
        if not self._batch:
            self._batch = await self.take()
            self._batch.reverse()
        if not self._batch:
            if self._error is not None and not self._is_told:
                raise self._told()
            raise StopAsyncIteration
        return self._batch.pop()

    async def take(self, limit: int = 1000) -> list[EventOf[N]]:
        """Wait for events and take up to ``limit`` at once; empty once the feed has ended and all were taken."""
        if self._buffer is None:
            raise TickwireError(
                f"feed {self.name!r} cannot be iterated" + ("" if self._task else " before it started"),
                hint="use 'async with', and a buffer above 0",
            )
        buffer: EventBuffer[Any] = self._buffer
        batch = await buffer.take(limit)
        return buffer.drops() + batch  # what was forgotten is older than what is left

    # state
    @property
    def books(self) -> Mapping[str, L2Book[N]]:
        """L2 books by symbol, of the subscribed instruments."""
        return self._session.books if self._session is not None else {}

    @property
    def health(self) -> Health:
        """How it is; unhealthy before anything was received."""
        return self._session.health if self._session is not None else Health()

    @property
    def wiring(self) -> Wiring:
        """What the plugins supplied."""
        return self._wiring

    @property
    def network(self) -> Network:
        """Hosts, proxies and time-outs that the transport was given."""
        return self._network

    @property
    def instruments(self) -> Instruments:
        """All instruments of the exchange, once loaded."""
        return self._wiring.instruments

    def requests(self) -> Requests:
        """Make what REST conversations outside the feed's own life go through; the budgets are the same."""
        return Requests(self._wiring, self._network, self._limits, self._clock, exchange_clock=self._exchange_clock)

    def status(self) -> Mapping[Subscription, SubscriptionStatus]:
        """Sum up every subscription."""
        return self._session.status() if self._session is not None else {}

    async def subscribe(self, symbols: Iterable[str], channels: Sequence[ChannelLike]) -> None:
        """Add subscriptions to the running feed, once its instruments are loaded.

        Raises:
            ConfigError: Unknown symbol or channel; nothing was added.
            TickwireError: The feed is not running.
        """
        requests = self._offered(channels)
        session = await self._running()
        session.subscribe(symbols_of(symbols), requests)

    async def unsubscribe(self, symbols: Iterable[str], channels: Sequence[ChannelLike]) -> None:
        """Remove subscriptions from the running feed; those that do not exist are none.

        Raises:
            TickwireError: The feed is not running.
        """
        session = await self._running()
        session.unsubscribe(symbols_of(symbols), requests_of(channels))

    def check(self, symbols: Sequence[str], channels: Sequence[ChannelLike]) -> None:
        """Find out whether ``want`` would accept these; of a feed without instruments yet only the channels.

        Raises:
            ConfigError: Unknown symbol or channel.
        """
        self._offered(channels)
        if self._session is not None and self._session.is_ready.is_set():
            self._session.resolve(symbols_of(symbols))

    def want(self, symbols: Sequence[str], channels: Sequence[ChannelLike]) -> None:
        """Make these all there is to subscribe to: adds what is missing, removes the rest, leaves alone what stays.

        Raises:
            ConfigError: Unknown symbol or channel; nothing was changed.
            TickwireError: The feed is not running.
        """
        requests = self._offered(channels)
        if self._session is None or self._task is None or self._task.done():
            raise TickwireError(f"feed {self.name!r} is not running", hint="ask inside 'async with'")
        self._session.want(symbols_of(symbols), requests)

    def _offered(self, channels: Sequence[ChannelLike]) -> tuple[ChannelRequest, ...]:
        requests = requests_of(channels)
        check_channels(self._wiring.info, requests)
        if self._wiring.signer is None:
            check_credentials(self._wiring.info, requests, self._network.path)
        return requests

    async def ready(self) -> None:
        """Wait until the instruments are loaded and what was wanted at first is subscribed to.

        Raises:
            TickwireError: The feed is not running.
        """
        await self._running()

    async def _running(self) -> FeedSession:
        session, task = self._session, self._task
        if session is not None and task is not None:
            ready = asyncio.ensure_future(session.is_ready.wait())
            try:
                await asyncio.wait([ready, task], return_when=asyncio.FIRST_COMPLETED)
            finally:
                ready.cancel()
            if not task.done():
                return session
        raise TickwireError(f"feed {self.name!r} is not running", hint="subscribe inside 'async with'")


async def load_instruments(
    exchange: str, *, plugin: str | None = None, rest: str | None = None, registry: Registry | None = None
) -> Instruments:
    """Load an exchange's instruments once; nothing else is opened.

    Raises:
        ConfigError, PluginError: As of ``Feed``.
        TickwireError: The exchange cannot be reached, or its answer not be read.
    """
    feed = Feed(exchange, plugin=plugin, rest=rest, registry=registry)
    wiring = feed.wiring
    try:
        wiring.instruments.replace(await feed.requests().converse(wiring.symbols.load()))
    finally:
        await wiring.transport.close()
    return wiring.instruments


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    # the one original error: what went wrong first cancelled everything else
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
