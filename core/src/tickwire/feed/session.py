"""One feed from its instruments to its end: streams, connections, and who is told what."""

from __future__ import annotations

import asyncio
import difflib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import attrs

from tickwire.feed.backoff import Backoff
from tickwire.feed.books import BookStream
from tickwire.feed.connection import FeedConnection
from tickwire.feed.hosts import HostChoice
from tickwire.feed.limits import Limits
from tickwire.feed.listener import BySymbol
from tickwire.feed.listing import ListingWatch, listing_change
from tickwire.feed.requests import Requests
from tickwire.feed.resync import BookResync
from tickwire.feed.selectors import Selected, is_glob, select
from tickwire.feed.settings import FeedSettings
from tickwire.feed.streams import Stream, SubscriptionState, SubscriptionStatus
from tickwire.feed.trades import TradeStream
from tickwire.model.book import L2Book
from tickwire.model.channels import PER_INTERVAL, Channel, ChannelRequest, Subscription
from tickwire.model.clock import Clock, Nanos
from tickwire.model.errors import (
    DataError,
    RateLimitedError,
    RetryableError,
    SubscriptionRejectedError,
    TickwireError,
    UnknownInstrumentError,
    UnsupportedChannelError,
)
from tickwire.model.events import (
    BookDelta,
    BookSnapshot,
    Candle,
    Funding,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Quote,
    Ticker,
    Trade,
)
from tickwire.model.health import Health, HealthStatus
from tickwire.model.instruments import Instrument, InstrumentStatus
from tickwire.model.metrics import Metrics
from tickwire.model.quality import Event, GapCause, ListingChange, ListingKind, UnsubscribeReason
from tickwire.plugin.assembly import Wiring
from tickwire.plugin.info import Ids
from tickwire.plugin.protocols import Network, Refused

__all__ = ["FeedSession"]

_log = logging.getLogger(__name__)
_OTHERS: Mapping[Channel, type] = {
    Channel.L1_BOOK: Quote,
    Channel.TICKER: Ticker,
    Channel.CANDLES: Candle,
    Channel.MARK_PRICE: MarkPrice,
    Channel.FUNDING: Funding,
    Channel.OPEN_INTEREST: OpenInterest,
    Channel.LIQUIDATIONS: Liquidation,
}


class _Stopped(Exception):
    """Leaves the task group in good order."""


class FeedSession:
    """Runs until stopped or until nothing is left to do; implements ``Listener``.

    Attributes:
        books: By symbol; each exactly at the event that is being emitted.
        metrics: Figures.
        health: How it is.
        is_ready: Set once the instruments are loaded and what was wanted at first is added.
    """

    def __init__(
        self,
        wiring: Wiring,
        network: Network,
        settings: FeedSettings,
        clock: Clock,
        emit: Callable[[Event], None],
        metrics: Metrics,
        limits: Limits,
    ) -> None:
        self.books: dict[str, L2Book[Any]] = {}
        self.metrics = metrics
        self.health = Health()
        self.is_ready = asyncio.Event()
        self._wiring = wiring
        self._network = network
        self._settings = settings
        self._clock = clock
        self._emit = emit
        self._streams: dict[Subscription, Stream] = {}
        self._connections: list[FeedConnection] = []
        self._carriers: dict[Subscription, FeedConnection] = {}
        self._trades = BySymbol(self._on_stray)
        self._deltas = BySymbol(self._on_stray)
        self._snapshots = BySymbol(self._on_stray)
        self._others: dict[tuple[type, str, str | None], Stream] = {}
        self.market: Mapping[type, Mapping[str, Callable[[Any], None]]] = {
            Trade: self._trades,
            BookDelta: self._deltas,
            BookSnapshot: self._snapshots,
            **{kind: BySymbol(self._on_other) for kind in _OTHERS.values()},
            Candle: BySymbol(self._on_candle),
        }
        # one frame of a shared stream gives the events of all its channels, whoever asked for which
        shares = [(channel, one.shares) for channel, one in wiring.info.channels.items() if one.shares is not None]
        self._unasked = {_OTHERS.get(channel) for pair in shares for channel in pair}
        exchange = wiring.info.id
        self._retries: dict[Subscription, Backoff] = {}
        self._is_paused = False
        self._stray = metrics.counter("stray_events_total", exchange=exchange)
        self._tasks: asyncio.TaskGroup | None = None
        self._requests = Requests(wiring, network, limits, clock, metrics)
        self._hosts = {name: HostChoice(urls, clock) for name, urls in network.websocket.items()}
        self._resync = BookResync(wiring, self._requests, clock, self._resubscribe)
        self._listing = ListingWatch(wiring, self._requests, clock, settings.listing, self._listing_changed)
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        book = wiring.info.book
        if book is not None and any(request.channel is Channel.L2_BOOK for request in settings.channels):
            # there from the start, not in sync: who looks early finds them
            names = [symbol for symbol in settings.symbols if not (is_glob(symbol) or symbol.startswith("!"))]
            self.books.update({symbol: L2Book(exchange, symbol, book.sequence) for symbol in names})

    # the life
    async def run(self) -> None:
        """Load the instruments, connect, and stay until ``stop``.

        Raises:
            UnknownInstrumentError: A symbol is not listed.
            SubscriptionRejectedError: The exchange refused every subscription.
            TickwireError: Whatever else cannot be mended by trying again.
        """
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._resync.run(), name=f"{self._settings.name} resync")
                self._tasks.create_task(self._begin(), name=f"{self._settings.name} instruments")
                await self._over
                await asyncio.gather(*(connection.stop() for connection in self._connections))
                raise _Stopped
        except* _Stopped:
            pass
        finally:
            for stream in self._streams.values():
                if stream.is_covered:
                    stream.ended(UnsubscribeReason.STOPPED)
            await self._wiring.transport.close()

    async def _begin(self) -> None:
        await self.load()
        settings = self._settings
        selected = self.resolve(settings.symbols)
        self._tell_of_missing(settings.symbols, selected)
        wanted = [self._subscription(symbol, request) for symbol in selected.symbols for request in settings.channels]
        for subscription in dict.fromkeys(wanted):
            self._add(subscription)
        self.is_ready.set()
        await self._listing.run()

    def stop(self) -> None:
        """Make ``run`` close everything and return; a second call is harmless."""
        if not self._over.done():
            self._over.set_result(None)

    def _fail(self, error: TickwireError) -> None:
        if not self._over.done():
            self._over.set_exception(error)

    async def load(self) -> None:
        """Load the instruments; an exchange that cannot be reached is tried again for ever."""
        wiring, backoff = self._wiring, Backoff(self._settings.backoff)
        while True:
            retry_after = None
            try:
                wiring.instruments.replace(await self._requests.converse(wiring.symbols.load()))
                self.health.clear("instruments")
                self._settings.listing.loaded(wiring.instruments)
                return
            except (RetryableError, DataError) as error:
                retry_after = error.retry_after if isinstance(error, RateLimitedError) else None
                self.health.trouble("instruments", HealthStatus.UNHEALTHY, str(error))
                delay = backoff.failed(retry_after)
                _log.warning("%s: %s, attempt %d, next in %.1f s", wiring.info.id, error, backoff.attempt, delay)
            await self._clock.sleep(delay)

    # subscriptions
    def subscribe(self, symbols: Iterable[str], requests: Sequence[ChannelRequest]) -> None:
        """Add subscriptions while running; those that exist are left alone.

        Raises:
            UnknownInstrumentError: A symbol is not listed; nothing was added.
            UnsupportedChannelError: It is subscribed to with other parameters; nothing was added.
        """
        wanted = [self._subscription(symbol, request) for symbol in symbols for request in requests]
        taken = {(one.symbol, one.label): one for one in self._streams}
        for subscription in wanted:
            found = taken.get((subscription.symbol, subscription.label), subscription)
            if _parameters(found) != _parameters(subscription):
                raise UnsupportedChannelError(
                    f"{self._wiring.info.id}: {subscription} is subscribed to with other parameters",
                    hint="unsubscribe first",
                )
        for subscription in wanted:
            if (subscription.symbol, subscription.label) not in taken:
                self._add(subscription)

    def unsubscribe(self, symbols: Iterable[str], requests: Iterable[ChannelRequest]) -> None:
        """Remove subscriptions while running, candles of all intervals where none is named; what is not, is none."""
        names, kinds = set(symbols), set[str]()
        for request in requests:
            is_one = request.channel in PER_INTERVAL and request.interval is not None
            kinds.add(f"{request.channel}:{request.interval}" if is_one else request.channel.value)
        for subscription in list(self._streams):
            if subscription.symbol in names and not kinds.isdisjoint((subscription.channel.value, subscription.label)):
                self._drop(subscription, UnsubscribeReason.USER)

    def _drop(self, subscription: Subscription, reason: UnsubscribeReason) -> None:
        stream, carrier = self._streams[subscription], self._carriers.pop(subscription)
        carrier.unsubscribe(subscription)
        self._remove(subscription)
        stream.ended(reason)

    def want(self, symbols: Sequence[str], requests: Sequence[ChannelRequest]) -> None:
        """Make these the desired state: what is missing is added, what is too much removed, the rest left alone.

        Raises:
            UnknownInstrumentError: A symbol is not listed; nothing was changed.
        """
        if not self.is_ready.is_set():
            self._settings = attrs.evolve(self._settings, symbols=symbols, channels=requests)
            return
        selected = self.resolve(symbols)
        self._settings = attrs.evolve(self._settings, symbols=symbols, channels=requests)
        self._tell_of_missing(symbols, selected)
        wanted = [self._subscription(symbol, request) for symbol in selected.symbols for request in requests]
        named = {_named(one): one for one in wanted}
        held = {_named(one): one for one in self._streams}
        for name, subscription in held.items():
            if name not in named:
                self._drop(subscription, UnsubscribeReason.USER)
        for name, subscription in named.items():
            if name not in held:
                self._add(subscription)

    def resolve(self, symbols: Sequence[str]) -> Selected:
        """Find out which symbols are meant.

        Raises:
            UnknownInstrumentError: One was never listed, or none is meant at all.
        """
        listing, instruments = self._settings.listing, self._wiring.instruments
        selected = select(symbols, instruments.symbols, instruments.closed())
        names = [symbols[number] for number in selected.unlisted]
        known = [symbol for symbol in names if listing.former(symbol) is not None]
        if not listing.is_lenient:
            for symbol in names:
                if symbol not in known:
                    self._instrument(symbol)
            if symbols and not selected.symbols and not known:
                exchange = self._wiring.info.id
                raise UnknownInstrumentError(
                    f"{', '.join(map(repr, symbols))} selects none of {len(instruments)} instruments of {exchange}",
                    hint=f"tickwire symbols {exchange} lists them",
                )
        return selected

    def _tell_of_missing(self, symbols: Sequence[str], selected: Selected) -> None:
        exchange = self._wiring.info.id
        for number in selected.unlisted:
            symbol = symbols[number]
            before = self._settings.listing.former(symbol)
            if before is None:
                _log.warning("%s: %r is not listed; it is subscribed to once it is", exchange, symbol)
                continue
            _log.warning("%s: %r is listed no longer; the rest runs", exchange, symbol)
            now = self._clock.now()
            self._emit(listing_change(exchange, now, ListingKind.DELISTED, symbol, None, before))
        for number in selected.idle:
            does = "excludes nothing" if symbols[number].startswith("!") else "matches nothing yet"
            _log.warning("%s: selector %r %s", exchange, symbols[number], does)

    def unlisted(self) -> None:
        """Have the list read again: a frame named an instrument that is not in it."""
        self._listing.unknown()

    def _listing_changed(self, changes: Sequence[ListingChange]) -> None:
        instruments = self._wiring.instruments
        chosen = set(select(self._settings.symbols, instruments.symbols, instruments.closed()).symbols)
        for change in changes:
            self._emit(change)
            held = [one for one in self._streams if one.symbol == change.symbol]
            if change.kind is ListingKind.DELISTED:
                for subscription in held:
                    self._drop(subscription, UnsubscribeReason.DELISTED)
            elif not held and change.symbol is not None and change.symbol in chosen and _begins(change):
                for request in self._settings.channels:
                    self._add(self._subscription(change.symbol, request))
            elif change.kind is ListingKind.CHANGED and _native(change.instrument) != _native(change.before):
                # the exchange spells it differently now: what was asked for is not it any more
                for subscription in held:
                    self._drop(subscription, UnsubscribeReason.DELISTED)
                    self._add(attrs.evolve(subscription, instrument=change.instrument))

    def status(self) -> Mapping[Subscription, SubscriptionStatus]:
        """Sum up every subscription."""
        return {subscription: stream.status() for subscription, stream in self._streams.items()}

    def pause(self, is_paused: bool) -> None:
        """Stop or go on reading all sockets, those to come too."""
        self._is_paused = is_paused
        for connection in self._connections:
            connection.pause(is_paused)

    def _subscription(self, symbol: str, request: ChannelRequest) -> Subscription:
        return Subscription(request.channel, self._instrument(symbol), request.depth, request.interval)

    def _instrument(self, symbol: str) -> Instrument:
        instruments, exchange = self._wiring.instruments, self._wiring.info.id
        found = instruments.symbols.get(symbol)
        if found is None:
            spelled = {name.upper(): name for name in instruments.symbols}
            near = [spelled[name] for name in difflib.get_close_matches(symbol.upper(), spelled, n=3, cutoff=0.6)]
            base = near[0].partition("-")[0] if near else ""
            raise UnknownInstrumentError(
                f"{symbol!r} is not listed on {exchange} ({len(instruments)} instruments, read just now)",
                hint=(f"did you mean {' or '.join(near)}? " if near else "")
                + f"tickwire symbols {exchange} '{base if near else '*'}{'-*' if near else ''}'",
            )
        if found.status is InstrumentStatus.CLOSED:
            _log.warning("%s: %s is closed; nothing will come until it opens", exchange, symbol)
        return found

    def _add(self, subscription: Subscription) -> None:
        assert subscription.instrument is not None
        symbol = subscription.instrument.symbol
        stream = self._make_stream(subscription)
        self._streams[subscription] = stream
        if isinstance(stream, TradeStream):
            self._trades[symbol] = stream.on_event
        elif isinstance(stream, BookStream):
            self._deltas[symbol] = stream.on_delta
            self._snapshots[symbol] = stream.on_snapshot
            stream.book = self.books.setdefault(symbol, stream.book)
        elif (key := _key(subscription)) is not None:
            self._others[key] = stream
        self._carry(subscription)

    def _make_stream(self, subscription: Subscription) -> Stream:
        info, clock, numbers = self._wiring.info, self._clock, self._wiring.numbers
        if subscription.channel is Channel.TRADES:
            trades = TradeStream(subscription, info.id, clock, self._emit, self.health.received, numbers)
            trades.has_consecutive_ids = info.channels[Channel.TRADES].ids is Ids.CONSECUTIVE
            return trades
        if subscription.channel is Channel.L2_BOOK and info.book is not None:
            checksum = info.book.checksum
            # a digest over the wire's own digits cannot be made from floats
            is_checked = checksum is not None and (not checksum.needs_text or numbers is Decimal)
            verify = partial(self._checksum, subscription) if is_checked else None
            return BookStream(
                subscription, info.id, clock, self._emit, info.book, self._resync.needed, verify, self.health.received,
                numbers,
            )  # fmt: skip
        return Stream(subscription, info.id, clock, self._emit, self.health.received, numbers)

    def _checksum(self, subscription: Subscription, book: L2Book[Any]) -> int:
        assert subscription.instrument is not None
        # its tick size may have changed since it was subscribed to
        now = self._wiring.instruments.symbols.get(subscription.instrument.symbol, subscription.instrument)
        return self._wiring.routing.checksum(book, now)

    def _carry(self, subscription: Subscription) -> None:
        # desired state: the first connection of the right kind with room, else a new one
        endpoint = self._wiring.routing.endpoint(subscription)
        declared = self._wiring.info.sockets.get(endpoint)
        room = declared.max_streams if declared is not None and declared.max_streams is not None else None
        same = [connection for connection in self._connections if connection.endpoint == endpoint]
        # a stream that is carried already takes no room: its connection comes first
        same.sort(key=lambda connection: not connection.wires.carries(subscription))
        for connection in same:
            if room is None or connection.wires.carries(subscription) or len(connection.wires) < room:
                break
        else:
            connection = self._dial(endpoint, f"{endpoint}-{len(same) + 1}")
        self._carriers[subscription] = connection
        connection.subscribe(subscription)

    def _dial(self, endpoint: str, name: str) -> FeedConnection:
        if self._tasks is None or self._over.done():
            raise TickwireError(f"feed {self._settings.name!r} is not running", hint="subscribe inside 'async with'")
        connection = FeedConnection(
            name,
            endpoint,
            self._hosts[endpoint],
            self._wiring,
            self._requests,
            self._clock,
            self,
            self.metrics,
            self._settings.backoff,
        )
        connection.pause(self._is_paused)
        self._connections.append(connection)
        self._tasks.create_task(connection.run(), name=f"{self._settings.name} {name}")
        return connection

    def _remove(self, subscription: Subscription) -> None:
        symbol = subscription.symbol or ""
        stream = self._streams.pop(subscription)
        if isinstance(stream, BookStream):
            stream.book.lose_sync()
            self._deltas.pop(symbol, None)
            self._snapshots.pop(symbol, None)
            self._resync.stop(stream)
        elif isinstance(stream, TradeStream):
            self._trades.pop(symbol, None)
        elif (key := _key(subscription)) is not None:
            self._others.pop(key, None)

    def _resubscribe(self, subscription: Subscription) -> None:
        carrier = self._carriers.get(subscription)
        if carrier is not None:
            carrier.resubscribe(subscription)

    # what connections tell
    def _on_stray(self, event: Any) -> None:
        self._stray.value += 1

    def _on_other(self, event: Any) -> None:
        stream = self._others.get((type(event), event.symbol, None))
        if stream is not None:
            stream.on_event(event)
        elif type(event) not in self._unasked:
            self._stray.value += 1

    def _on_candle(self, candle: Candle[Any]) -> None:
        stream = self._others.get((Candle, candle.symbol, candle.interval))
        if stream is None:
            self._stray.value += 1
        else:
            stream.on_event(candle)

    def on_quality(self, event: Event) -> None:
        """Pass a quality event on."""
        self._emit(event)

    def asked(self, connection: str, subscriptions: Sequence[Subscription]) -> None:
        """Note that these were asked for; books start now."""
        for subscription in subscriptions:
            stream = self._streams.get(subscription)
            if stream is not None:
                stream.asked(connection)
                if isinstance(stream, BookStream):
                    self._resync.subscribed(stream)

    def confirmed(self, subscriptions: Sequence[Subscription]) -> None:
        """Note that these were acknowledged."""
        for subscription in subscriptions:
            stream = self._streams.get(subscription)
            if stream is not None:
                stream.confirmed(self._clock.now())

    def refused(self, refusal: Refused) -> None:
        """End what the exchange refused for good; the rest lives on, unless nothing is left."""
        exchange = self._wiring.info.id
        for subscription in refusal.subscriptions:
            stream, carrier = self._streams.get(subscription), self._carriers.get(subscription)
            if stream is None or carrier is None:
                continue
            _log.error("%s refused %s: %s", exchange, subscription, refusal.reason)
            if refusal.retry:
                self._retry(subscription, carrier)
                continue
            carrier.forget(subscription)
            if isinstance(stream, BookStream):
                self._resync.stop(stream)
            stream.ended(UnsubscribeReason.REFUSED)
            self.health.trouble(f"{subscription}", HealthStatus.DEGRADED, f"refused: {refusal.reason}")
        states = {stream.state for stream in self._streams.values()}
        if states == {SubscriptionState.REFUSED}:
            self._fail(SubscriptionRejectedError(f"{exchange} refused every subscription, last: {refusal.reason}"))

    def _retry(self, subscription: Subscription, carrier: FeedConnection) -> None:
        delay = self._retries.setdefault(subscription, Backoff(self._settings.backoff)).failed()

        async def ask_again() -> None:
            await self._clock.sleep(delay)
            if subscription in carrier.wanted:
                carrier.subscribe(subscription)

        assert self._tasks is not None
        self._tasks.create_task(ask_again(), name=f"asking again for {subscription}")

    def missed(self, subscriptions: Iterable[Subscription], missing: int | None) -> None:
        """Open a gap in everything a connection carries."""
        for subscription in subscriptions:
            stream = self._streams.get(subscription)
            if stream is not None and stream.is_covered and stream.gap is None:
                count = "some" if missing is None else f"{missing:,}"
                if isinstance(stream, BookStream):
                    stream.book.lose_sync()
                    self._resync.needed(stream)
                stream.open_gap(GapCause.SEQUENCE, stream.ts_last, f"{count} messages of the connection are missing")

    def disconnected(self, subscriptions: Iterable[Subscription], ts_good: Nanos, reason: str) -> None:
        """Open a gap in everything a connection carried."""
        self.metrics.counter("reconnects_total", exchange=self._wiring.info.id).value += 1
        for subscription in subscriptions:
            stream = self._streams.get(subscription)
            if stream is not None:
                stream.disconnected(ts_good, f"disconnected ({reason})")
                if isinstance(stream, BookStream):
                    self._resync.stop(stream)


def _key(subscription: Subscription) -> tuple[type, str, str | None] | None:
    # how the events of a subscription are found; None: a channel without events of its own
    kind = _OTHERS.get(subscription.channel)
    interval = subscription.interval if subscription.channel in PER_INTERVAL else None
    return None if kind is None else (kind, subscription.symbol or "", interval)


def _parameters(subscription: Subscription) -> tuple[int | None, str | None]:
    return subscription.depth, subscription.interval


def _named(subscription: Subscription) -> tuple[str | None, Channel, int | None, str | None]:
    return subscription.symbol, subscription.channel, subscription.depth, subscription.interval


def _native(instrument: Instrument | None) -> str | None:
    return None if instrument is None else instrument.native_key or instrument.native


# newly listed, or open again: what a user unsubscribed from stays unsubscribed whatever else changes
def _begins(change: ListingChange) -> bool:
    before = change.before
    return before is None or (before.status is InstrumentStatus.CLOSED and change.instrument is not None)
