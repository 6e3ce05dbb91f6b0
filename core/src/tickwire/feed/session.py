"""One feed from its instruments to its end: streams, connections, and who is told what."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs

from tickwire.feed.backfill import TradeBackfill
from tickwire.feed.backoff import Backoff
from tickwire.feed.books import BookStream
from tickwire.feed.carriers import Carrier
from tickwire.feed.connection import FeedConnection
from tickwire.feed.hosts import HostChoice
from tickwire.feed.limits import Limits
from tickwire.feed.listener import Listener
from tickwire.feed.listing import ListingWatch, listing_change
from tickwire.feed.making import StreamMaker
from tickwire.feed.pausing import Pausing
from tickwire.feed.requests import Requests
from tickwire.feed.resync import BookResync
from tickwire.feed.selectors import Selected, is_glob
from tickwire.feed.settings import FeedSettings
from tickwire.feed.skew import ExchangeClock
from tickwire.feed.streams import Stream, SubscriptionStatus
from tickwire.feed.table import StreamTable
from tickwire.feed.trades import TradeStream
from tickwire.feed.watch import FeedWatch
from tickwire.feed.wishes import Wishes, is_beginning, named, native_of
from tickwire.model.book import L2Book
from tickwire.model.channels import Channel, ChannelRequest, Subscription
from tickwire.model.clock import Clock, Nanos
from tickwire.model.errors import (
    DataError,
    ExchangeUnavailableError,
    RateLimitedError,
    RetryableError,
    SubscriptionRejectedError,
    TickwireError,
)
from tickwire.model.health import Health, HealthStatus
from tickwire.model.metrics import Metrics
from tickwire.model.quality import Event, GapCause, ListingChange, ListingKind, StaleAction, UnsubscribeReason
from tickwire.plugin.assembly import Wiring
from tickwire.plugin.protocols import Located, Missed, Network, Refused

__all__ = ["FeedSession"]

_log = logging.getLogger(__name__)


class _Stopped(Exception):
    """Leaves the task group in good order."""


class FeedSession:
    """Runs until stopped or until nothing is left to do; implements ``Listener``.

    Attributes:
        books: By symbol; each exactly at the event that is being emitted.
        market: What takes the market events, by class and symbol.
        metrics: Figures.
        health: How it is.
        watch: Looks after it.
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
        exchange_clock: ExchangeClock | None = None,
    ) -> None:
        self.metrics = metrics
        self.health = Health()
        self.is_ready = asyncio.Event()
        self._wiring = wiring
        self._settings = settings
        self._clock = clock
        self._emit = emit
        self._streams = StreamTable(wiring.info, metrics)
        self.books: dict[str, L2Book[Any]] = self._streams.books
        self.market = self._streams.market
        self._connections: list[Carrier] = []
        self._carriers: dict[Subscription, Carrier] = {}
        self._retries: dict[Subscription, Backoff] = {}
        self._pausing = Pausing(settings.name, clock, settings.pause_limit, self._overflow)
        self._tasks: asyncio.TaskGroup | None = None
        self._requests = Requests(wiring, network, limits, clock, metrics, exchange_clock)
        self._hosts = {name: HostChoice(urls, clock) for name, urls in network.websocket.items()}
        self._resync = BookResync(wiring, self._requests, clock, self._resubscribe)
        self._backfill = TradeBackfill(wiring, self._requests, clock, settings.recovery, self._revive)
        self._maker = StreamMaker(
            wiring, clock, emit, self.health.received, self._resync.needed, self._backfill, settings
        )
        self._wishes = Wishes(wiring.info.id, wiring.instruments, settings.listing)
        self._listing = ListingWatch(wiring, self._requests, clock, settings.listing, self._listing_changed)
        self.watch = FeedWatch(
            wiring, self._requests, clock, metrics, self.health, self._streams,
            lambda: [one for carrier in self._connections for one in carrier.connections], self._carriers.get,
            lambda: not self._pausing.is_paused, settings.silence,
        )  # fmt: skip
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        book = wiring.info.book
        if book is not None and any(request.channel is Channel.L2_BOOK for request in settings.channels):
            # there from the start, not in sync: who looks early finds them
            names = [symbol for symbol in settings.symbols if not (is_glob(symbol) or symbol.startswith("!"))]
            self.books.update({symbol: L2Book(wiring.info.id, symbol, book.sequence) for symbol in names})

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
                self._tasks.create_task(self._backfill.run(), name=f"{self._settings.name} backfill")
                self._tasks.create_task(self.watch.run(), name=f"{self._settings.name} watch")
                self._tasks.create_task(self._begin(), name=f"{self._settings.name} instruments")
                await self._over
                await asyncio.gather(*(connection.stop() for connection in self._connections))
                raise _Stopped
        except* _Stopped:
            pass
        finally:
            for stream in self._streams.streams():
                if stream.is_covered:
                    self.watch.ending(stream)
                    stream.ended(UnsubscribeReason.STOPPED)
            await self._wiring.transport.close()

    async def _begin(self) -> None:
        await self.load()
        settings = self._settings
        selected = self._wishes.resolve(settings.symbols)
        self._tell_of_missing(settings.symbols, selected)
        for subscription in self._wishes.subscriptions(selected.symbols, settings.channels):
            self._add(subscription)
        if settings.connections > 1 and not any(stream.join() for stream in self._streams.streams()):
            _log.warning(
                "%s: connections: %d helps against down-time only, since nothing subscribed to has ids or sequences",
                self._wiring.info.id, settings.connections,
            )  # fmt: skip
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
                if isinstance(error, RateLimitedError | ExchangeUnavailableError):
                    retry_after = error.retry_after
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
        for subscription in self._wishes.fresh(self._wishes.subscriptions(symbols, requests), self._streams):
            self._add(subscription)

    def unsubscribe(self, symbols: Iterable[str], requests: Iterable[ChannelRequest]) -> None:
        """Remove subscriptions while running, candles of all intervals where none is named; what is not, is none."""
        for subscription in self._wishes.meant(symbols, requests, self._streams):
            self._drop(subscription, UnsubscribeReason.USER)

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
        wanted = {named(one): one for one in self._wishes.subscriptions(selected.symbols, requests)}
        held = {named(one): one for one in self._streams}
        for name, subscription in held.items():
            if name not in wanted:
                self._drop(subscription, UnsubscribeReason.USER)
        for name, subscription in wanted.items():
            if name not in held:
                self._add(subscription)

    def resolve(self, symbols: Sequence[str]) -> Selected:
        """Find out which symbols are meant.

        Raises:
            UnknownInstrumentError: One was never listed, or none is meant at all.
        """
        return self._wishes.resolve(symbols)

    def _tell_of_missing(self, symbols: Sequence[str], selected: Selected) -> None:
        now = self._clock.now()
        for symbol, before in self._wishes.missing(symbols, selected):
            self._emit(listing_change(self._wiring.info.id, now, ListingKind.DELISTED, symbol, None, before))

    def unlisted(self) -> None:
        """Have the list read again: a frame named an instrument that is not in it."""
        self._listing.unknown()

    def _listing_changed(self, changes: Sequence[ListingChange]) -> None:
        chosen = self._wishes.chosen(self._settings.symbols)
        for change in changes:
            self._emit(change)
            held = self._streams.of_symbol(change.symbol)
            if change.kind is ListingKind.DELISTED:
                for subscription in held:
                    self._drop(subscription, UnsubscribeReason.DELISTED)
            elif not held and change.symbol is not None and change.symbol in chosen and is_beginning(change):
                for subscription in self._wishes.subscriptions([change.symbol], self._settings.channels):
                    self._add(subscription)
            elif change.kind is ListingKind.CHANGED and native_of(change.instrument) != native_of(change.before):
                # the exchange spells it differently now: what was asked for is not it any more
                for subscription in held:
                    self._drop(subscription, UnsubscribeReason.DELISTED)
                    self._add(attrs.evolve(subscription, instrument=change.instrument))

    def status(self) -> Mapping[Subscription, SubscriptionStatus]:
        """Sum up every subscription."""
        return self._streams.status()

    def pause(self, is_paused: bool) -> None:
        """Stop or go on reading all sockets, those to come too; paused for too long they are closed."""
        for connection in self._connections:
            connection.pause(is_paused)
        self._pausing.set(is_paused, None if self._over.done() else self._tasks)

    def _overflow(self, reason: str) -> None:
        for connection in self._connections:
            connection.overflow(reason)

    def _add(self, subscription: Subscription) -> None:
        stream = self._maker.make(subscription)
        self._streams.add(stream)
        marks = self._settings.marks
        stream.on_mark = partial(marks.note, subscription)
        mark = marks.last(subscription)
        if mark is not None:
            stream.resume(mark)
        self.watch.added(stream)
        self._carry(subscription)

    def _drop(self, subscription: Subscription, reason: UnsubscribeReason) -> None:
        self.watch.ending(self._streams[subscription])
        self._carriers.pop(subscription).unsubscribe(subscription)
        stream = self._streams.remove(subscription)
        self._rest(stream)
        stream.ended(reason)

    def _rest(self, stream: Stream) -> None:
        # nothing is fetched for it until its subscription is sent again
        if isinstance(stream, BookStream):
            self._resync.stop(stream)
        elif isinstance(stream, TradeStream):
            self._backfill.stop(stream)

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

    def _dial(self, endpoint: str, name: str) -> Carrier:
        if self._tasks is None or self._over.done():
            raise TickwireError(f"feed {self._settings.name!r} is not running", hint="subscribe inside 'async with'")
        settings, tasks, info, clock = self._settings, self._tasks, self._wiring.info, self._clock
        hosts, policy = self._hosts[endpoint], settings.backoff

        def dial(
            name: str, listener: Listener, on_open: Callable[[Located], None], on_closing: Callable[[float], None]
        ) -> FeedConnection:
            return FeedConnection(
                name, endpoint, hosts, self._wiring, self._requests, clock, listener, self.metrics, policy,
                on_open, on_closing,
            )  # fmt: skip

        def spawn(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
            return tasks.create_task(work, name=f"{settings.name} {name}")

        carrier = Carrier(
            name, endpoint, settings.connections, dial, self._streams, info, clock, self, policy, spawn
        )  # fmt: skip
        carrier.pause(self._pausing.is_paused)
        self._connections.append(carrier)
        carrier.start()
        return carrier

    def _resubscribe(self, subscription: Subscription) -> None:
        carrier = self._carriers.get(subscription)
        if carrier is not None:
            carrier.resubscribe(subscription)

    def _revive(self, subscription: Subscription, action: StaleAction) -> None:
        carrier = self._carriers.get(subscription)
        if carrier is None:
            return
        if action is StaleAction.RECONNECT:
            carrier.reconnect(f"watchdog: {subscription} delivers nothing")
        else:
            carrier.resubscribe(subscription)

    # what connections tell
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
                elif isinstance(stream, TradeStream) and stream.hole is not None:
                    self._backfill.needed(stream)

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
            self._rest(stream)
            stream.ended(UnsubscribeReason.REFUSED)
            self.health.trouble(f"{subscription}", HealthStatus.DEGRADED, f"refused: {refusal.reason}")
        if self._streams.is_all_refused():
            self._fail(SubscriptionRejectedError(f"{exchange} refused every subscription, last: {refusal.reason}"))

    def _retry(self, subscription: Subscription, carrier: Carrier) -> None:
        delay = self._retries.setdefault(subscription, Backoff(self._settings.backoff)).failed()

        async def ask_again() -> None:
            await self._clock.sleep(delay)
            if subscription in carrier.wanted:
                carrier.subscribe(subscription)

        assert self._tasks is not None
        self._tasks.create_task(ask_again(), name=f"asking again for {subscription}")

    def missed(self, subscriptions: Iterable[Subscription], missing: int | None) -> None:
        """Open a gap in everything a connection carries."""
        count = "some" if missing is None else f"{missing:,}"
        reason = f"{count} messages of the connection are missing"
        self.lost(Missed(tuple(subscriptions), GapCause.SEQUENCE, reason))

    def lost(self, loss: Missed) -> None:
        """Open a gap in what the plugin found to be incomplete; what has one, or is not covered yet, is known to be."""
        for subscription in loss.subscriptions:
            stream = self._streams.get(subscription)
            if stream is None or not stream.is_covered or stream.gap is not None:
                continue
            if isinstance(stream, BookStream):
                stream.book.lose_sync()
            stream.open_gap(loss.cause, stream.ts_last, loss.reason)
            if isinstance(stream, BookStream):
                self._resync.needed(stream)

    def garbled(self, subscriptions: Iterable[Subscription], error: Exception) -> None:
        """Restart the books that may have missed a change: they would be wrong and nothing would tell."""
        for subscription in subscriptions:
            stream = self._streams.get(subscription)
            if isinstance(stream, BookStream) and stream.book.is_synced:
                stream.book.lose_sync()
                stream.open_gap(GapCause.DECODE, stream.ts_last, f"a frame could not be read ({type(error).__name__})")
                self._resync.needed(stream)

    def disconnected(self, subscriptions: Iterable[Subscription], ts_good: Nanos, reason: str) -> None:
        """Open a gap in everything a connection carried."""
        for subscription in subscriptions:
            stream = self._streams.get(subscription)
            if stream is not None:
                stream.disconnected(ts_good, f"disconnected ({reason})", self._pausing.cause)
                self._rest(stream)
