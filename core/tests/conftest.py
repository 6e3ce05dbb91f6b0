"""A toy exchange: a plugin, an in-memory transport that a test scripts, and a clock that stands still.

Test modules import its classes for type checking only (``if TYPE_CHECKING: from conftest import Toy``) and meet them
through the fixture ``toy``.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import random
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

from tickwire.feed.backoff import BackoffPolicy
from tickwire.model.account import Balance, OrderStatus, OrderUpdate
from tickwire.model.channels import Channel, Subscription
from tickwire.model.clock import ManualClock, Nanos
from tickwire.model.errors import AuthRejectedError, DecodeError
from tickwire.model.events import BookDelta, BookSnapshot, Candle, Funding, MarkPrice, Quote, Side, Trade
from tickwire.model.instruments import Instrument, Instruments, InstrumentStatus
from tickwire.model.quality import Event, GapCause
from tickwire.model.sequence import SequenceRule
from tickwire.plugin.hookspecs import hookimpl
from tickwire.plugin.info import BookFeed, BookStart, ChannelInfo, Endpoint, ExchangeInfo, Ids, Support, Tier
from tickwire.plugin.protocols import (
    Alive,
    BookView,
    Confirmed,
    ConnectionGap,
    ConnectionInfo,
    Control,
    Credentials,
    Ending,
    Fetch,
    Frame,
    Hole,
    Located,
    LoggedIn,
    LoginRefused,
    Missed,
    Refused,
    Request,
    Response,
    Send,
    Unknown,
)
from tickwire.plugin.protocols import Clock as ExchangeTime
from tickwire.plugin.registry import Registry
from tickwire.run.feed import Feed

URL = "wss://toy.example/ws"
START = ManualClock().now()
INSTRUMENTS = [
    Instrument("toy", f"{base}-USD", f"{base}_USD", base, "USD", status=status)
    for base, status in [
        ("SOL", InstrumentStatus.OPEN),
        ("BTC", InstrumentStatus.OPEN),
        ("ETH", InstrumentStatus.OPEN),
        ("OLD", InstrumentStatus.CLOSED),
    ]
]
INFO = ExchangeInfo(
    id="toy",
    tier=Tier.NATIVE,
    rest=("https://toy.example",),
    sockets={"public": Endpoint(URL, batch=10), "other": Endpoint(f"{URL}/other", batch=10)},
    channels={
        Channel.TRADES: ChannelInfo(ids=Ids.CONSECUTIVE, acknowledged=False),
        Channel.L2_BOOK: ChannelInfo(intervals=("100ms", "1s"), acknowledged=False),
        Channel.L1_BOOK: ChannelInfo(socket="other", acknowledged=False),
        Channel.CANDLES: ChannelInfo(support=Support.NOT_YET),
    },
    book=BookFeed(BookStart.REST, SequenceRule.CONSECUTIVE, depths=(5, 100)),
    limits={},
    credentials=("api_key",),
)


@attrs.define(eq=False)
class ToyConnection:
    """One connection of the transport; the test is the exchange."""

    url: str
    at: float
    clock: ManualClock
    on_frame: Callable[[Frame], None]
    on_close: Callable[[Ending], None]
    answer: Callable[[ToyConnection, dict[str, Any]], None]
    said: list[dict[str, Any]] = attrs.field(factory=list)
    times: list[float] = attrs.field(factory=list)
    is_open: bool = True
    is_paused: bool = False
    given: int = 0
    _held: deque[bytes] = attrs.field(factory=deque)

    # what the feed does
    def send(self, payload: bytes) -> None:
        if self.is_open:
            message = json.loads(payload)
            self.said.append(message)
            self.times.append(self.clock.monotonic())
            self.answer(self, message)

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False
        while self._held and not self.is_paused:
            self.on_frame(Frame(self._held.popleft(), self.clock.now()))

    async def close(self) -> None:
        self.end(1000, "closed by us")

    # what the exchange does
    def give(self, *messages: Mapping[str, Any] | bytes) -> None:
        for message in messages:
            self.given += 1
            payload = message if isinstance(message, bytes) else json.dumps(message).encode()
            if self.is_paused:
                self._held.append(payload)
            elif self.is_open:
                self.on_frame(Frame(payload, self.clock.now()))

    def end(self, code: int = 1006, reason: str = "lost", error: Exception | None = None) -> None:
        if self.is_open:
            self.is_open = False
            self.on_close(Ending(code, reason, error))

    def asked(self, op: str = "sub") -> list[str]:
        return [stream for message in self.said if message["op"] == op for stream in message["streams"]]


@attrs.define(eq=False)
class PingableConnection(ToyConnection):
    """One whose transport can send protocol pings; ``answers_pings`` is the exchange's side of them."""

    pings: int = 0
    answers_pings: bool = True

    async def ping(self) -> bool:
        self.pings += 1
        return self.answers_pings and self.is_open


class ToyTransport:
    """Dials and requests go to the toy."""

    def __init__(self, toy: Toy) -> None:
        self._toy = toy

    async def fetch(self, request: Request) -> Response:
        toy = self._toy
        toy.requests.append(request)
        if toy.is_hanging:
            await asyncio.get_running_loop().create_future()
        if toy.answers:
            answer = toy.answers.popleft()
            if isinstance(answer, Exception):
                raise answer
        elif request.path == "/trades":
            answer = list(toy.history)
        elif request.path == "/book":
            answer = {"n": toy.sequence, "b": [[10, 1]], "a": [[11, 1]]}
        else:
            answer = {}
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return Response(200, toy.headers, body, toy.clock.now())

    async def connect(
        self, located: Located, on_frame: Callable[[Frame], None], on_close: Callable[[Ending], None]
    ) -> ToyConnection:
        toy = self._toy
        toy.dials.append(toy.clock.monotonic())
        if toy.is_hanging:
            await asyncio.get_running_loop().create_future()
        refusal = toy.refusals.popleft() if toy.refusals else toy.refusal
        if refusal is not None:
            raise refusal
        made = toy.connection_type(located.url, toy.clock.monotonic(), toy.clock, on_frame, on_close, toy.answer)
        toy.connections.append(made)
        toy.on_open(made)
        return made

    async def close(self) -> None:
        self._toy.is_closed = True


class ToyRouter:
    """``{"k": kind, ...}``."""

    def __init__(self, toy: Toy, info: ConnectionInfo, instruments: Instruments) -> None:
        self._toy = toy
        self._needs_login = toy.info.sockets[info.endpoint].login
        self._native = instruments.native
        self._asked: dict[str, Subscription] = {}

    def opened(self) -> Iterable[Control]:
        return (Send(b'{"op": "login"}'),) if self._needs_login else ()

    def subscribe(self, subscriptions: Sequence[Subscription]) -> Iterable[Send]:
        self._asked |= {stream_of(one): one for one in subscriptions}
        return self._ask("sub", subscriptions)

    def unsubscribe(self, subscriptions: Sequence[Subscription]) -> Iterable[Send]:
        return self._ask("unsub", subscriptions)

    def _ask(self, op: str, subscriptions: Sequence[Subscription]) -> Iterable[Send]:
        if self._toy.subscribe_error is not None:
            raise self._toy.subscribe_error
        payload = {"op": op, "streams": [stream_of(one) for one in subscriptions]}
        return (Send(json.dumps(payload).encode(), tuple(subscriptions)),)

    def heartbeat(self, now: Nanos) -> Iterable[Send]:
        return (Send(b'{"op": "ping"}'),)

    def route(self, frame: Frame) -> Iterable[Event | Control]:
        try:
            m = json.loads(frame.payload)
        except ValueError as error:
            raise DecodeError("not JSON") from error
        match m["k"]:
            case "trade":
                i = self._native[m["s"]]
                time = frame.ts_recv if m.get("t") is None else m["t"]
                return (Trade(i.exchange, i.symbol, time, frame.ts_recv, 10.0, 1.0, None, str(m["n"]), m["n"]),)
            case "delta":
                i, n = self._native[m["s"]], m["n"]
                bids, asks = levels(m.get("b", ())), levels(m.get("a", ()))
                spans = (m.get("first", n), n, None, m.get("crc"))
                return (BookDelta(i.exchange, i.symbol, None, frame.ts_recv, bids, asks, *spans),)
            case "snap":
                i = self._native[m["s"]]
                return (snapshot_of(i, m, frame.ts_recv),)
            case "quote":
                i = self._native[m["s"]]
                return (Quote(i.exchange, i.symbol, None, frame.ts_recv, 1.0, 1.0, 2.0, 1.0),)
            case "mark":
                i, head = self._native[m["s"]], (None, frame.ts_recv)
                return (MarkPrice(i.exchange, i.symbol, *head, 1.0), Funding(i.exchange, i.symbol, *head, 0.0001))
            case "candle":
                i = self._native[m["s"]]
                prices = (1.0, 2.0, 0.5, 1.5, 3.0)
                return (Candle(i.exchange, i.symbol, None, frame.ts_recv, m["i"], 0, 60_000_000_000, *prices),)
            case "order":
                i, done = self._native[m["s"]], m["done"]
                status = OrderStatus.PARTIALLY_FILLED if done else OrderStatus.NEW
                return (OrderUpdate(i.exchange, i.symbol, None, frame.ts_recv, m["id"], status, Side.BUY, 2.0, done),)
            case "balance":
                return (Balance("toy", None, None, frame.ts_recv, m["asset"], 5.0),)
            case "ack":
                return (Confirmed(tuple(self._asked[stream] for stream in m["streams"])),)
            case "no":
                refused = tuple(self._asked[stream] for stream in m["streams"])
                return (Refused(refused, m["why"], m.get("retry", False)),)
            case "again":
                return [send for stream in m["streams"] for send in self._ask("sub", [self._asked[stream]])]
            case "pong":
                return (Alive(),)
            case "login":
                return (LoggedIn(),) if m["ok"] else (LoginRefused("bad key"),)
            case "jump":
                return (ConnectionGap(m.get("missing")),)
            case "missed":
                missed = tuple(self._asked[stream] for stream in m["streams"])
                return (Missed(missed, GapCause(m.get("cause", "sequence")), m["why"]),)
            case "many":
                return [
                    event for one in m["of"] for event in self.route(Frame(json.dumps(one).encode(), frame.ts_recv))
                ]
            case "bug":
                raise KeyError("a bug of the plugin")
        return (Unknown(m["k"]),)


class ToyRouting:
    """The toy's language."""

    def __init__(self, toy: Toy, instruments: Instruments) -> None:
        self._toy = toy
        self._instruments = instruments

    def endpoint(self, subscription: Subscription) -> str:
        return self._toy.info.channels[subscription.channel].socket

    def locate(self, endpoint: str, url: str) -> Fetch[Located]:
        return Located(url)
        yield

    def router(self, connection: ConnectionInfo) -> ToyRouter:
        self._toy.informed.append(connection)
        return ToyRouter(self._toy, connection, self._instruments)

    def snapshot(self, subscription: Subscription) -> Fetch[BookSnapshot]:
        assert subscription.instrument is not None
        answer = yield Request("GET", "/book", {"symbol": subscription.instrument.native})
        return snapshot_of(subscription.instrument, answer.decode(dict[str, Any]), answer.ts_recv)

    def history(self, hole: Hole) -> Fetch[Sequence[Event]]:
        i = hole.instrument
        self._toy.holes.append(hole)
        answer = yield Request("GET", "/trades", {"symbol": i.native, "page": hole.page})
        return [trade_of(i, row, answer.ts_recv) for row in answer.decode(list[int | dict[str, int]])]

    def checksum(self, book: BookView, instrument: Instrument) -> int:
        return 0


class ToySymbols:
    def load(self) -> Fetch[Iterable[Instrument]]:
        answer = yield Request("GET", "/instruments")
        answer.decode(dict[str, Any])
        return INSTRUMENTS


class ToySigner:
    def __init__(self, key: str) -> None:
        self.key = key

    def sign(self, request: Request) -> Request:
        return request


class ToyPlugin:
    """The toy's hooks."""

    def __init__(self, toy: Toy) -> None:
        self._toy = toy

    @hookimpl
    def tickwire_exchanges(self) -> Iterable[ExchangeInfo]:
        return [self._toy.info]

    @hookimpl
    def tickwire_symbols(self) -> ToySymbols:
        return ToySymbols()

    @hookimpl
    def tickwire_auth(self, credentials: Credentials, clock: ExchangeTime) -> ToySigner:
        self._toy.sign_with(clock)
        if credentials.reveal("api_key") == "bad":
            raise AuthRejectedError("bad key")
        return ToySigner(credentials.reveal("api_key"))

    @hookimpl
    def tickwire_transport(self) -> ToyTransport:
        return ToyTransport(self._toy)

    @hookimpl
    def tickwire_routing(self, instruments: Instruments) -> ToyRouting:
        return ToyRouting(self._toy, instruments)


class Toy:
    """The exchange as a test sees it.

    Attributes:
        refusals: Errors of the next dials, one each.
        refusal: Error of every later dial; ``None``: they succeed.
        answers: To the next requests: objects, bytes, or errors to raise.
        on_open: Called with each new connection, before the feed has it.
        answer: Called with each frame the feed sends.
        sequence: Of the books that REST gives.
        history: The trades that REST gives: ids, or ``{"n": id, "t": ns}``.
        holes: What its history was asked for.
        headers: Of REST's answers.
        sign_with: Called with the clock that the signer gets.
        connection_type: What dials give.
        is_hanging: Dials and requests never end.
        events: What the feeds made by ``feed`` emitted.
    """

    def __init__(self) -> None:
        self.info = INFO
        self.clock = ManualClock()
        self.connections: list[ToyConnection] = []
        self.dials: list[float] = []
        self.requests: list[Request] = []
        self.informed: list[ConnectionInfo] = []
        self.refusals: deque[Exception] = deque()
        self.refusal: Exception | None = None
        self.answers: deque[object] = deque()
        self.on_open: Callable[[ToyConnection], None] = lambda connection: None
        self.answer: Callable[[ToyConnection, dict[str, Any]], None] = lambda connection, message: None
        self.subscribe_error: Exception | None = None
        self.sequence = 100
        self.history: Sequence[int | dict[str, int]] = ()
        self.holes: list[Hole] = []
        self.headers: dict[str, str] = {}
        self.sign_with: Callable[[ExchangeTime], object] = lambda clock: None
        self.connection_type: type[ToyConnection] = ToyConnection
        self.is_hanging = False
        self.is_closed = False
        self.events: list[Event] = []

    # for tests
    def declare(self, **changes: Any) -> None:
        """Change the declaration: fields of ``ExchangeInfo``, or ``public`` for fields of the public socket."""
        public = changes.pop("public", None)
        if public is not None:
            changed = attrs.evolve(self.info.sockets["public"], **public)
            changes["sockets"] = {**self.info.sockets, "public": changed}
        self.info = attrs.evolve(self.info, **changes)

    def can_ping(self) -> None:
        """Give connections whose transport can send protocol pings."""
        self.connection_type = PingableConnection

    def registry(self) -> Registry:
        """Give a registry with this exchange."""
        return Registry.of(toy=ToyPlugin(self))

    @property
    def given(self) -> int:
        """Frames the exchange has given over all connections."""
        return sum(connection.given for connection in self.connections)

    def feed(
        self, symbols: Sequence[str] = ("SOL-USD",), channels: Sequence[Any] = ("trades",), **settings: Any
    ) -> Feed:
        settings = {"backoff": BackoffPolicy(), "clock": self.clock, **settings}
        feed = Feed("toy", symbols, channels, registry=self.registry(), **settings)
        feed.on(Event, self.events.append)
        return feed

    @property
    def last(self) -> ToyConnection:
        return self.connections[-1]

    async def settle(self, seconds: float = 0) -> None:
        """Let time pass, and everything happen that is due."""
        await self.clock.advance(seconds)
        await self.clock.advance(0)

    def seen(self, *kinds: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]

    def names(self) -> list[str]:
        """Sum the events up: class name, symbol and channel."""
        return [
            f"{type(event).__name__} {event.symbol} {getattr(event, 'channel', None) or ''}".strip()
            for event in self.events
        ]


def stream_of(subscription: Subscription) -> str:
    assert subscription.instrument is not None
    is_mark = subscription.channel in (Channel.MARK_PRICE, Channel.FUNDING)
    return f"{'mark' if is_mark else subscription.label}:{subscription.instrument.native}"


def levels(rows: Iterable[Sequence[float]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(price), float(size)) for price, size in rows)


def snapshot_of(i: Instrument, m: Mapping[str, Any], ts_recv: Nanos) -> BookSnapshot:
    return BookSnapshot(i.exchange, i.symbol, None, ts_recv, levels(m["b"]), levels(m["a"]), m["n"])


def trade_of(i: Instrument, row: int | dict[str, int], ts_recv: Nanos) -> Trade:
    number = row if isinstance(row, int) else row["n"]
    time = START + number if isinstance(row, int) else row["t"]
    return Trade(i.exchange, i.symbol, time, ts_recv, 10.0, 1.0, None, str(number), number, None, True)


@pytest.fixture
def toy() -> Toy:
    """Give a toy exchange."""
    random.seed(0)  # a back-off's jitter must not decide whether a test passes
    return Toy()


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Give a plugin that needs no network, afresh, importable as ``tickwire_scripted``."""
    file = Path(__file__).parent / "scripted" / "tickwire_scripted.py"
    spec = importlib.util.spec_from_file_location("tickwire_scripted", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "tickwire_scripted", module)
    return module
