"""Wire records, controls and the strategies a plugin supplies. Public, versioned with the entry-point group.

Whatever speaks REST is a generator that yields a ``Request``, is sent the ``Response`` and returns a value: no I/O, no
``async``. Core drives it through signing, retries and limits; a test drives it with a list.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeAlias, runtime_checkable

import attrs
import msgspec
from typing_extensions import TypeVar

from tickwire.model.channels import Channel, Subscription
from tickwire.model.clock import Nanos
from tickwire.model.events import BookSnapshot, Trade
from tickwire.model.instruments import Instrument
from tickwire.model.metrics import Metrics
from tickwire.model.quality import Event, GapCause
from tickwire.model.stored import Record

__all__ = [
    "Alive", "BookView", "Clock", "Closing", "Confirmed", "Connection", "ConnectionGap", "ConnectionInfo", "Control",
    "Credentials", "Ending", "Fetch", "Frame", "Hole", "InstrumentSink", "Located", "LoggedIn", "LoginRefused",
    "Missed", "Network", "Probing", "Refused", "Request", "Response", "Router", "Routing", "Send", "Signer", "Sink",
    "SymbolSource", "Transport", "Unknown",
]  # fmt: skip

T = TypeVar("T")
P = TypeVar("P", default=bytes)
P_contra = TypeVar("P_contra", default=bytes, contravariant=True)


# wire records
@attrs.frozen
class Request:
    """One HTTP request (or a transport's own call).

    Attributes:
        method: ``GET``, …
        path: Under the exchange's base URL, beginning with ``/``.
        params: The query.
        body: Sent as it is.
        headers: Beside the transport's own.
        weight: Spent from ``ExchangeInfo.limits[limit]``.
        limit: Name of the budget.
        signed: Core passes it through ``Signer.sign`` just before sending.
        base_url: Where to; core fills it in just before signing, with the host of ``Network.rest`` that works.
    """

    method: str
    path: str
    params: Mapping[str, str | int] = attrs.field(factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict)
    weight: float = 1
    limit: str = "default"
    signed: bool = False
    base_url: str | None = None

    def __str__(self) -> str:
        """Name it in a message: without the query, which may hold a signature wherever a plugin put it."""
        return f"{self.method} {self.path.partition('?')[0]}"


@attrs.frozen
class Response:
    """A complete answer; ``value`` is set by a transport that already decoded."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    ts_recv: Nanos
    value: Any = None

    def decode(self, type: type[T]) -> T:
        """Read the JSON body as ``type``; numbers may be texts.

        Raises:
            msgspec.DecodeError: It is not that; core turns it into our ``DecodeError`` naming the request.
        """
        return msgspec.json.decode(self.body, type=type, strict=False)


Fetch: TypeAlias = Generator[Request, Response, T]
"""A conversation: yields requests, is sent responses, returns ``T``."""


class Frame(msgspec.Struct, Generic[P], frozen=True, gc=False):
    """One raw message; ``ts_recv`` is our wall clock when its bytes left the socket, before decoding."""

    payload: P
    ts_recv: Nanos


@attrs.frozen
class Ending:
    """How a connection ended: a value, never an exception.

    Attributes:
        code: The WebSocket close code; 1006 where none was received.
        reason: In words.
        error: What was raised below, if anything.
    """

    code: int
    reason: str
    error: BaseException | None = None


# controls: what a router says besides events
class Control(msgspec.Struct, frozen=True):
    """What a router says besides events."""


class Send(Control, Generic[P], frozen=True):
    """A frame to send, and the subscriptions it asks for, so that core can time them out."""

    payload: P
    subscriptions: tuple[Subscription, ...] = ()


class Confirmed(Control, frozen=True):
    """The exchange acknowledged these."""

    subscriptions: tuple[Subscription, ...]


class Refused(Control, frozen=True):
    """The exchange refused these; without ``retry`` for good, the rest live on."""

    subscriptions: tuple[Subscription, ...]
    reason: str
    retry: bool = False


class LoggedIn(Control, frozen=True):
    """The login was accepted."""


class LoginRefused(Control, frozen=True):
    """The login was refused."""

    reason: str


class Alive(Control, frozen=True):
    """A pong or heartbeat: proves the connection, never a subscription."""


class Closing(Control, frozen=True):
    """The exchange will close in that many seconds: core reconnects before."""

    within: float


class ConnectionGap(Control, frozen=True):
    """A counter of the whole connection jumped: all its subscriptions miss something."""

    missing: int | None


class Missed(Control, frozen=True):
    """Something of these is missing, or their books are wrong, and no number of their events tells: the plugin does.

    Attributes:
        subscriptions: Which.
        cause: Why, for the ``Gap``.
        reason: In words.
    """

    subscriptions: tuple[Subscription, ...]
    cause: GapCause
    reason: str


class Unknown(Control, frozen=True):
    """A kind of frame the router does not know; counted once per kind, never logged whole."""

    kind: str


# what core hands over
@runtime_checkable
class Clock(Protocol):
    """The exchange's time as far as core can tell: our clock less the measured skew."""

    def now(self) -> Nanos:
        """Give ns since 1970 UTC."""
        ...


class Credentials(Protocol):
    """Secrets by name; the repr is masked."""

    def reveal(self, name: str) -> str:
        """Give a secret's text: the only way to it."""
        ...


@attrs.frozen
class Network:
    """What a transport must honour; one that cannot raises ``ConfigError`` (fail closed).

    Attributes:
        rest: Base URLs, primary first.
        websocket: URLs by socket name, primary first.
        proxy_rest: Proxy URL for HTTP, ``None``: direct. May hold a password, so that its repr is left out.
        proxy_websocket: Proxy URL for sockets, ``None``: direct.
        timeout: Seconds for one request or one dial.
        engine: Of the WebSocket, ``picows`` or ``aiohttp``; ``None``: the fastest that is installed.
        tls_ca_file: PEM file; only its authorities are trusted. ``None``: the system's.
        compress: Offer permessage-deflate to the exchange.
        path: Where in the configuration these settings stand, for messages, e.g. ``exchanges.binance``.
    """

    rest: tuple[str, ...]
    websocket: Mapping[str, tuple[str, ...]]
    proxy_rest: str | None = attrs.field(default=None, repr=False)
    proxy_websocket: str | None = attrs.field(default=None, repr=False)
    timeout: float = 10.0
    engine: str | None = None
    tls_ca_file: str | None = None
    compress: bool = False
    path: str = ""


@attrs.frozen
class Hole:
    """What is missing. Core shrinks it by each page and asks again until it is closed or a page brings nothing new.

    ``start`` is the time of ``after``, or earlier: a history that is asked by time is asked by ``start``.
    """

    instrument: Instrument
    channel: Channel
    after: Trade | None
    before: Trade | None
    start: Nanos
    end: Nanos
    page: int = 0

    @property
    def last_sequence(self) -> int | None:
        """The last good trade's number, where there is one and it has a number."""
        return self.after.sequence if self.after is not None else None


@attrs.frozen
class Located:
    """Where to connect: URL, headers, and for how long that holds."""

    url: str
    headers: Mapping[str, str] = attrs.field(factory=dict)
    heartbeat: float | None = None
    renew_after: float | None = None


@attrs.frozen
class ConnectionInfo:
    """Which connection a router is for.

    Attributes:
        id: The connection's name.
        endpoint: Key of ``ExchangeInfo.sockets``.
        located: Where it is.
        metrics: The feed's; a router counts there, and what it counts is seen.
    """

    id: str
    endpoint: str
    located: Located
    metrics: Metrics = attrs.field(factory=Metrics, eq=False, repr=False)


class BookView(Protocol):
    """A book as a checksum sees it; (price, size), best first."""

    def bids(self, n: int) -> Sequence[tuple[float | Decimal, float | Decimal]]:
        """Give the best ``n`` bids."""
        ...

    def asks(self, n: int) -> Sequence[tuple[float | Decimal, float | Decimal]]:
        """Give the best ``n`` asks."""
        ...


# the strategies
@runtime_checkable
class SymbolSource(Protocol):
    """Which requests give the instruments, and how to read the answers."""

    def load(self) -> Fetch[Iterable[Instrument]]:
        """Converse with the exchange and return all instruments."""
        ...


@runtime_checkable
class Signer(Protocol):
    """Signs requests; subscriptions and logins through methods of its own that its routing knows."""

    def sign(self, request: Request) -> Request:
        """Give the request with its signature."""
        ...


@runtime_checkable
class Connection(Protocol[P_contra]):
    """One open connection."""

    def send(self, payload: P_contra) -> None:
        """Queue a frame; on a closing connection it is dropped."""
        ...

    def pause(self) -> None:
        """Stop reading: how policy ``block`` reaches the socket."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...

    async def close(self) -> None:
        """Close cleanly; a second call is harmless. ``on_close`` is called all the same."""
        ...


@runtime_checkable
class Probing(Protocol):
    """A connection that can prove it is alive; optional."""

    async def ping(self) -> bool:
        """Ping, and tell whether the pong came in time; by then ``on_frame`` has all that was sent before it.

        A connection that is paused cannot hear the pong and says ``False``, one that has ended at once.
        """
        ...


@runtime_checkable
class Transport(Protocol[P]):
    """The only strategy that does I/O."""

    async def fetch(self, request: Request) -> Response:
        """Send one request, to ``request.base_url`` where it has one.

        Which errors it raises decides what core does next: ``RateLimitedError`` makes all requests wait,
        ``ConnectionLostError`` and ``ExchangeUnavailableError`` lead to the next host.

        Raises:
            RetryableError, RefusedError: As the status says.
        """
        ...

    async def connect(
        self, located: Located, on_frame: Callable[[Frame[P]], None], on_close: Callable[[Ending], None]
    ) -> Connection[P]:
        """Dial. ``on_frame`` is called synchronously for each frame, ``on_close`` exactly once, last.

        Raises:
            RetryableError, RefusedError: It could not be opened; neither callback is called then.
        """
        ...

    async def close(self) -> None:
        """Release everything; a second call is harmless."""
        ...


@runtime_checkable
class Router(Protocol[P]):
    """One connection's language; made for each connection and thrown away with it."""

    def opened(self) -> Iterable[Control]:
        """Say what to send first, e.g. a login."""
        ...

    def subscribe(self, subscriptions: Sequence[Subscription]) -> Iterable[Send[P]]:
        """Ask for these; at most ``Endpoint.batch`` at once."""
        ...

    def unsubscribe(self, subscriptions: Sequence[Subscription]) -> Iterable[Send[P]]:
        """Ask for these no longer."""
        ...

    def heartbeat(self, now: Nanos) -> Iterable[Send[P]]:
        """Say what keeps the connection alive."""
        ...

    def route(self, frame: Frame[P]) -> Iterable[Event | Control]:
        """Read one frame.

        Raises:
            DataError: It is malformed, or names an instrument that is not loaded.
        """
        ...


@runtime_checkable
class Routing(Protocol[P]):
    """One feed's language. Stateless; makes the routers and speaks REST."""

    def endpoint(self, subscription: Subscription) -> str:
        """Name the socket that carries it."""
        ...

    def locate(self, endpoint: str, url: str) -> Fetch[Located]:
        """Find out where to connect, e.g. by fetching a token."""
        ...

    def router(self, connection: ConnectionInfo) -> Router[P]:
        """Make the router of a new connection."""
        ...

    def snapshot(self, subscription: Subscription) -> Fetch[BookSnapshot]:
        """Fetch the whole book."""
        ...

    def history(self, hole: Hole) -> Fetch[Sequence[Event]]:
        """Fetch one page of what is missing."""
        ...

    def checksum(self, book: BookView, instrument: Instrument) -> int:
        """Digest a book as the exchange does."""
        ...


@runtime_checkable
class Sink(Protocol):
    """Where events go. Called from one task, never concurrently."""

    async def open(self) -> None:
        """Get ready."""
        ...

    async def write(self, records: Sequence[Record]) -> None:
        """Take over a batch, in order."""
        ...

    async def close(self) -> None:
        """Flush and release; a second call is harmless."""
        ...


@runtime_checkable
class InstrumentSink(Sink, Protocol):
    """A sink that stores instruments beside the data."""

    def see_instruments(self, exchange: str, instruments: Sequence[Instrument], now: Nanos) -> None:
        """Take note of everything that an exchange lists: at each start, and whenever its list was read again.

        Called on the event loop, perhaps before ``open``: it does no I/O and does not wait.

        Args:
            exchange: Its id.
            instruments: All that it lists.
            now: Since when that is so, as far as we know.
        """
        ...
