"""One connection's life: locate, dial, subscribe at the exchange's pace, keep alive, come back after every ending."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tickwire.feed.asking import Asking
from tickwire.feed.backoff import Backoff, BackoffPolicy
from tickwire.feed.hosts import HostChoice, host_name, is_the_hosts_fault
from tickwire.feed.limits import DIALS
from tickwire.feed.listener import Listener
from tickwire.feed.requests import Requests
from tickwire.feed.undecodable import UndecodableFrames
from tickwire.feed.wires import Wires
from tickwire.model.channels import Subscription
from tickwire.model.clock import Clock, Nanos
from tickwire.model.errors import (
    AuthRejectedError,
    ConnectionLostError,
    DataError,
    ExchangeUnavailableError,
    RateLimitedError,
    RequestRejectedError,
    RetryableError,
    TickwireError,
    UnknownNativeError,
)
from tickwire.model.metrics import Metrics
from tickwire.model.quality import Event, Reconnected, Severity
from tickwire.plugin.assembly import Wiring
from tickwire.plugin.info import Endpoint
from tickwire.plugin.protocols import (
    Alive,
    Closing,
    Confirmed,
    Connection,
    ConnectionGap,
    ConnectionInfo,
    Control,
    Ending,
    Frame,
    Located,
    LoggedIn,
    LoginRefused,
    Missed,
    Probing,
    Refused,
    Router,
    Send,
    Signer,
    Unknown,
)

__all__ = ["FeedConnection"]

_log = logging.getLogger(__name__)

_LOGIN_WITHIN = 10.0  # seconds for the exchange to answer a login
_ALIVE_WITHIN = 5.0  # seconds to answer a heartbeat
_KINDS = 100  # unknown kinds counted apart; an exchange that sends garbage must not grow our memory


class FeedConnection:
    """Keeps one set of subscriptions established over one connection at a time.

    Attributes:
        name: For events and logs, e.g. ``public-1``.
        wanted: What it carries.
        is_open: Whether there is a connection now.
        host: To which it is, or last was.
        wires: The streams that ``wanted`` rides on.
        ts_last: When its last frame came, or it was opened.
    """

    def __init__(
        self,
        name: str,
        endpoint: str,
        hosts: HostChoice,
        wiring: Wiring,
        requests: Requests,
        clock: Clock,
        listener: Listener,
        metrics: Metrics,
        policy: BackoffPolicy,
        on_open: Callable[[Located], None] = lambda located: None,
        on_closing: Callable[[float], None] = lambda within: None,
    ) -> None:
        """Make one that is not open yet.

        Args:
            name: For events and logs.
            endpoint: Which socket.
            hosts: Where it may be.
            wiring: The feed's strategies.
            requests: For what must be asked before connecting.
            clock: Dates events, and waits.
            listener: Is told what comes.
            metrics: Figures.
            policy: Between attempts.
            on_open: Called with each new connection, before anything else is told of it.
            on_closing: Called with the seconds left once the exchange says that it will close.
        """
        self.name = name
        self.endpoint = endpoint
        self.wanted: dict[Subscription, None] = {}
        self.is_open = False
        self.host = ""
        self.wires = Wires(wiring.info)
        self._hosts = hosts
        self._url = hosts.current()
        self._wiring = wiring
        self._requests = requests
        self._declared: Endpoint = wiring.info.sockets.get(endpoint) or Endpoint(self._url)
        self._clock = clock
        self._listener = listener
        self._asking = Asking(name, self._declared, self.wires, clock, listener, self._put)
        self._backoff = Backoff(policy)
        self._frames = metrics.counter("frames_total", exchange=wiring.info.id)
        self._errors = metrics.counter("decode_errors_total", exchange=wiring.info.id)
        self._metrics = metrics
        self._unknown: set[str] = set()
        self._connection: Connection[Any] | None = None
        self._router: Router[Any] | None = None
        self._route: Callable[[Frame[Any]], Iterable[Event | Control]] = lambda frame: ()
        self._market = listener.market
        self._logged_in = asyncio.Event()
        self._ended: asyncio.Future[Ending] | None = None
        self._login_error: TickwireError | None = None
        self._ts_down: Nanos | None = None
        self._ts_first: Nanos | None = None
        self.ts_last: Nanos = 0
        self._ts_probed: Nanos = 0
        self._alive = asyncio.Event()
        self._undecodable = UndecodableFrames(wiring.info, name, clock, listener.on_quality)
        self._failures = 0
        self._is_paused = False
        self._may_dial = asyncio.Event()
        self._may_dial.set()
        self._is_stopping = False
        self._heartbeat: float | None = None
        self._on_open = on_open
        self._on_closing = on_closing
        self._controls: dict[type, Callable[[Any], None]] = {
            Send: self._send,
            Confirmed: self._confirmed,
            Refused: self._refused,
            LoggedIn: lambda control: self._logged_in.set(),
            LoginRefused: self._login_refused,
            Alive: lambda control: self._alive.set(),
            Closing: self._closing,
            ConnectionGap: lambda control: self._listener.missed(list(self.wanted), control.missing),
            Missed: self._lost,
            Unknown: self._count_unknown,
        }

    # the life
    async def run(self) -> None:
        """Stay connected until ``stop``.

        Raises:
            AuthRejectedError: The exchange refuses the key: trying again will not help.
            RequestRejectedError: It refuses the very first upgrade; a host that served us before is tried again.
            PluginError: The plugin cannot say where to connect.
        """
        reason = "first connection"
        while not self._is_stopping:
            await self._may_dial.wait()
            if self._is_stopping:
                return
            self._failures += 1
            retry_after: float | None = None
            try:
                reason = await self._one(reason)
                told = f"connection to {self.host} ended ({reason})"
            except (RetryableError, DataError, RequestRejectedError) as error:
                if isinstance(error, RequestRejectedError) and self._ts_down is None:
                    raise
                reason, retry_after = str(error), self._told_to_wait(error)
                told = reason
            if self._is_stopping:
                return
            delay = self._backoff.failed(retry_after)
            following = self._hosts.current()
            elsewhere = f", trying {host_name(following)}" if following != self._url else ""
            _log.warning(
                "%s: %s, attempt %d, next in %.1f s%s",
                self._wiring.info.id, told, self._backoff.attempt, delay, elsewhere,
            )  # fmt: skip
            await self._clock.sleep(delay)

    def _told_to_wait(self, error: TickwireError) -> float | None:
        if isinstance(error, RateLimitedError):
            return error.retry_after
        # an outage is one host's: another one need not wait
        is_here = self._hosts.current() == self._url
        return error.retry_after if is_here and isinstance(error, ExchangeUnavailableError) else None

    async def _one(self, last_reason: str) -> str:
        wiring = self._wiring
        self._url = self._hosts.current()
        located = await self._requests.converse(wiring.routing.locate(self.endpoint, self._url))
        ended = self._ended = asyncio.get_running_loop().create_future()

        def on_close(ending: Ending) -> None:
            if not ended.done():
                ended.set_result(ending)

        info = ConnectionInfo(self.name, self.endpoint, located, self._metrics)
        self._heartbeat = located.heartbeat or self._declared.heartbeat
        self._router = wiring.routing.router(info)
        self._route = self._router.route
        self._logged_in = asyncio.Event()
        self._ts_first = None
        self._connection = await self._dial(located, on_close)
        try:
            self._opened(located, last_reason)
            ending = await self._tend(located, ended)
        except (RetryableError, DataError) as error:
            await self._hang_up()
            self._closed(Ending(1006, str(error), error))
            raise
        finally:
            await self._hang_up()
        self._closed(ending)
        if self._login_error is not None:
            raise self._login_error
        if isinstance(ending.error, RateLimitedError | ExchangeUnavailableError):
            # a transport that dials only once something is subscribed to has been refused
            self._note_refusal(ending.error)
            raise ending.error
        return f"{ending.code} {ending.reason}".rstrip()

    async def _dial(self, located: Located, on_close: Callable[[Ending], None]) -> Connection[Any]:
        limiter = self._requests.limits.limiter(DIALS)
        try:
            async with limiter.spend(1, f"a connection to {host_name(located.url)}"):
                return await self._wiring.transport.connect(located, self._on_frame, on_close)
        except RetryableError as error:
            self._note_refusal(error)
            raise

    def _note_refusal(self, error: RetryableError) -> None:
        if isinstance(error, RateLimitedError):
            self._requests.limits.refused(DIALS, error)
        elif is_the_hosts_fault(error):
            self._hosts.failed(self._url)

    async def _hang_up(self) -> None:
        connection, self._connection, self.is_open = self._connection, None, False
        if connection is not None:
            await connection.close()

    def _opened(self, located: Located, last_reason: str) -> None:
        assert self._router is not None
        assert self._connection is not None
        now = self._clock.now()
        self.is_open = True
        self.ts_last = now
        self.host = host_name(located.url)  # its address may hold a token
        self._on_open(located)
        self.wires.opened()
        self._asking.opened(self.wanted)
        if self._is_paused:
            self._connection.pause()
        if self._ts_down is not None:
            self._listener.on_quality(
                Reconnected(
                    self._wiring.info.id,
                    None,
                    None,
                    now,
                    None,
                    self.name,
                    Severity.WARNING,
                    self.host,
                    last_reason,
                    self._failures,
                    now - self._ts_down,
                    len(self.wanted),
                )
            )
        self._failures = 0
        for control in self._router.opened():
            self._handle(control)

    async def _tend(self, located: Located, ended: asyncio.Future[Ending]) -> Ending:
        helpers: list[asyncio.Task[None]] = [asyncio.create_task(self._ask(), name=f"{self.name} subscriber")]
        if self._heartbeat:
            helpers.append(asyncio.create_task(self._beat(self._heartbeat), name=f"{self.name} heartbeat"))
        try:
            waited: list[asyncio.Future[Any]] = [ended, *helpers]
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for helper in helpers:
                if helper.done():
                    await helper  # a plugin's error in subscribe() or heartbeat() surfaces
            return await ended
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    def _closed(self, ending: Ending) -> None:
        now = self._clock.now()
        self._ts_down = now
        self._undecodable.flush(at_once=True)
        if self._ts_first is not None:
            self._backoff.flowed((self.ts_last - self._ts_first) / 1e9)
        elif not self._is_stopping and self._login_error is None:
            self._hosts.failed(self._url)  # it let us in and gave nothing
        if not self._is_stopping:
            reason = f"{ending.code} {ending.reason}"
            self._listener.disconnected(list(self.wanted), self.ts_good, reason)

    async def _ask(self) -> None:
        assert self._router is not None
        if self._declared.login:
            await self._login()
        await self._asking.run(self._router)

    async def _login(self) -> None:
        try:
            async with self._clock.timeout(_LOGIN_WITHIN):
                await self._logged_in.wait()
        except TimeoutError:
            raise ConnectionLostError(
                f"{self._wiring.info.id} {self.name}: the login was not answered within {_LOGIN_WITHIN:g} s"
            ) from None

    async def _beat(self, seconds: float) -> None:
        while True:
            await self._clock.sleep(seconds)
            self._send_heartbeat()

    def _send_heartbeat(self) -> None:
        assert self._router is not None
        for send in self._router.heartbeat(self._clock.now()):
            self._send(send)

    # what proves that nothing is missing
    @property
    def ts_good(self) -> Nanos:
        """Until when everything that the exchange sent was received and read, as far as the socket can tell."""
        return max(self.ts_last, self._ts_probed)

    async def probe(self) -> None:
        """Ask for a sign of life, by a protocol ping or the exchange's own heartbeat, and wait for it."""
        connection, ts_sent = self._connection, self._clock.now()
        if self._is_paused:
            return
        if isinstance(connection, Probing):
            if await connection.ping() and connection is self._connection:
                self._ts_probed = ts_sent
        elif connection is not None and self._heartbeat:
            self._alive.clear()
            self._send_heartbeat()
            try:
                async with self._clock.timeout(_ALIVE_WITHIN):
                    await self._alive.wait()  # it came in a frame, which counts
            except TimeoutError:
                pass

    def announce(self, *, at_once: bool = False) -> None:
        """Announce the frames that could not be read, at most once a second unless ``at_once``."""
        self._undecodable.flush(at_once=at_once)

    # what the feed asks
    def subscribe(self, subscription: Subscription) -> None:
        """Carry it from now on; asked for at once if there is a connection."""
        self.wanted[subscription] = None
        self.wires.add(subscription)
        if self.is_open:
            self._asking.add(subscription)

    def unsubscribe(self, subscription: Subscription) -> None:
        """Carry it no longer."""
        self.wanted.pop(subscription, None)
        self.wires.discard(subscription)
        if self.is_open:
            self._asking.leave(subscription)

    def resubscribe(self, subscription: Subscription) -> None:
        """Ask for it anew on the same connection: how a book is restarted whose snapshot comes over the socket."""
        if self.is_open and subscription in self.wanted:
            self.wires.renew(subscription)
            self._asking.leave(subscription)
            self._asking.add(subscription)

    def reconnect(self, reason: str) -> None:
        """End this connection and make it anew, after the pause that any ending costs."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(Ending(1000, reason))

    def overflow(self, reason: str) -> None:
        """End this connection, and make it anew once it is not paused any more."""
        if self._is_paused and not self._is_stopping:
            self._may_dial.clear()
            self.reconnect(reason)

    def forget(self, subscription: Subscription) -> None:
        """Never ask for it again: the exchange refused it."""
        self.wanted.pop(subscription, None)
        self.wires.discard(subscription)

    def pause(self, is_paused: bool) -> None:
        """Stop or go on reading."""
        self._is_paused = is_paused
        if not is_paused:
            self._may_dial.set()
        if self._connection is not None:
            if is_paused:
                self._connection.pause()
            else:
                self._connection.resume()

    def feed_into(self, market: Mapping[type, Mapping[str, Callable[[Any], None]]]) -> None:
        """Give the market events to others than so far, from the next frame on."""
        self._market = market

    def leave(self) -> None:
        """Never come back: ``run`` returns once the connection has ended."""
        self._is_stopping = True
        self._may_dial.set()

    async def stop(self) -> None:
        """Close; ``run`` then returns."""
        self.leave()
        if self._connection is not None:
            await self._connection.close()

    # the read path: never awaits, never lets an exception out
    def _on_frame(self, frame: Frame[Any]) -> None:
        self._frames.value += 1
        item: Event | Control | None = None
        try:
            for item in self._route(frame):
                takers = self._market.get(type(item))
                if takers is not None:
                    takers[item.symbol](item)  # type: ignore[union-attr, index]
                else:
                    self._handle(item)
        except Exception as error:  # one frame: whatever a plugin's router raises must not end the connection
            self._bad_frame(error, frame.ts_recv)
        self.ts_last = frame.ts_recv
        if self._ts_first is None and type(item) in self._market:
            self._ts_first = frame.ts_recv  # answers and pongs are no data
            self._hosts.worked(self._url)

    def _bad_frame(self, error: Exception, ts_recv: Nanos) -> None:
        self._errors.value += 1
        if isinstance(error, UnknownNativeError):
            self._listener.unlisted()  # it was read, and it is none of what is subscribed to
        else:
            unnumbered = self._undecodable.dropped(error, self.wanted, self.ts_last, ts_recv)
            self._listener.garbled(unnumbered, error)
        if self._errors.value == 1 or not isinstance(error, DataError):
            _log.warning(
                "%s %s: a frame was dropped: %s: %s",
                self._wiring.info.id,
                self.name,
                type(error).__name__,
                error,
                exc_info=not isinstance(error, DataError),
            )

    def _handle(self, item: Control | Event) -> None:
        control = self._controls.get(type(item))
        if control is not None:
            control(item)
        else:
            self._listener.on_quality(item)  # type: ignore[arg-type]

    def _confirmed(self, control: Confirmed) -> None:
        self.wires.confirmed(control.subscriptions)
        leaving = self._asking.leaving
        told = self.wires.sharing(control.subscriptions)
        self._listener.confirmed([one for one in told if one not in leaving] if leaving else told)

    def _refused(self, control: Refused) -> None:
        self.wires.refused(control.subscriptions)
        self._listener.refused(Refused(self.wires.sharing(control.subscriptions), control.reason, control.retry))

    def _lost(self, control: Missed) -> None:
        told = tuple(one for one in self.wires.sharing(control.subscriptions) if one in self.wanted)
        self._listener.lost(Missed(told, control.cause, control.reason))

    def _send(self, send: Send[Any]) -> None:
        if send.subscriptions:
            self._asking.repeat(send)  # it waits its turn, as all subscriptions do
        else:
            self._put(send)

    def _put(self, send: Send[Any]) -> None:
        if self._connection is not None:
            self._connection.send(send.payload)

    def _closing(self, control: Closing) -> None:
        _log.info("%s %s: the exchange closes within %s s", self._wiring.info.id, self.name, control.within)
        self._on_closing(control.within)

    def _login_refused(self, control: LoginRefused) -> None:
        self._login_error = AuthRejectedError(
            f"{self._wiring.info.id} refused the key{_shortened(self._wiring.signer)} ({control.reason})",
            hint=self._requests.login_hint,
        )
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(Ending(1000, "login refused"))

    def _count_unknown(self, control: Unknown) -> None:
        kind = control.kind if control.kind in self._unknown or len(self._unknown) < _KINDS else "other"
        self._metrics.counter("unknown_frames_total", exchange=self._wiring.info.id, kind=kind).value += 1
        if kind not in self._unknown:
            self._unknown.add(kind)
            _log.info("%s %s: frames of an unknown kind: %s", self._wiring.info.id, self.name, control.kind)


# a key is no secret, but whole it has no place in a log either
def _shortened(signer: Signer | None) -> str:
    key = getattr(signer, "key", None)
    return f" '{key[:4]}…'" if isinstance(key, str) and key else ""
