"""Feeds over real loopback sockets, held against the simulated market's ground truth: nothing lost in silence."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any

import attrs
import pytest
from nacl.signing import SigningKey

import tickwire_backpack.plugin
import tickwire_kestrel.plugin
from tickwire import (
    Backfilled,
    BookDelta,
    Books,
    BookSnapshot,
    Channel,
    CredentialsError,
    Event,
    Feed,
    Gap,
    GapCause,
    Reconnected,
    Resynced,
    Severity,
    Side,
    SnapshotCause,
    Trade,
    UnknownInstrumentError,
    hookimpl,
)
from tickwire.feed.backoff import BackoffPolicy
from tickwire.plugin import Connection, Ending, ExchangeInfo, Frame, Located, Request, Response, Transport
from tickwire.plugin.registry import Registry
from tickwire.simulation import Dress, MemoryTruth, SeededMarket, SimBook, SimServer, SimTrade
from tickwire_backpack.simulator import BackpackSimulator
from tickwire_kestrel.simulator import KestrelSimulator

BACKOFF = BackoffPolicy(first=0.05, cap=0.3)
SAMPLE = 10


@attrs.frozen
class Exchange:
    """An exchange to test with.

    Attributes:
        delta: What a frame with a book change holds.
        pushes_recent_trades: On subscribing it sends the last trades first.
    """

    name: str
    dress: Callable[[], Dress]
    plugin: ModuleType
    symbols: tuple[str, str]
    delta: bytes

    def __str__(self) -> str:
        return self.name


EXCHANGES = [
    Exchange("backpack", BackpackSimulator, tickwire_backpack.plugin, ("SOL-USDC", "BTC-USDC"), b'"e":"depth"'),
    Exchange("kestrel", KestrelSimulator, tickwire_kestrel.plugin, ("SOL-USD", "BTC-USD"), b'"op":"upd"'),
]
everywhere = pytest.mark.parametrize("exchange", EXCHANGES, ids=str)


class Lossy:
    """An extension plugin: a wire that can lose frames. It drops as many as ``to_drop`` says of those that match."""

    def __init__(self) -> None:
        self.matches: Callable[[bytes], bool] = lambda payload: False
        self.to_drop = 0

    @hookimpl(wrapper=True)
    def tickwire_transport(self) -> Generator[None, Transport, Transport]:
        inner = yield
        return LossyTransport(inner, self)


class LossyTransport:
    """The real transport with holes in it."""

    def __init__(self, inner: Transport, lossy: Lossy) -> None:
        self._inner = inner
        self._lossy = lossy

    async def fetch(self, request: Request) -> Response:
        return await self._inner.fetch(request)

    async def connect(
        self, located: Located, on_frame: Callable[[Frame], None], on_close: Callable[[Ending], None]
    ) -> Connection:
        def pass_on(frame: Frame) -> None:
            if self._lossy.to_drop and self._lossy.matches(frame.payload):
                self._lossy.to_drop -= 1
            else:
                on_frame(frame)

        return await self._inner.connect(located, pass_on, on_close)

    async def close(self) -> None:
        await self._inner.close()


class Setup:
    """A server, a feed on it, everything the feed emitted, and its books at every so many sequences."""

    def __init__(self, exchange: Exchange, rate: float | None, seed: int = 7) -> None:
        self.exchange = exchange
        self.truth = MemoryTruth()
        self.market = SeededMarket.of(
            exchange.dress(), [symbol.replace("-USD", "/USD") for symbol in exchange.symbols]
            if exchange.name == "kestrel" else exchange.symbols, seed=seed, truth=self.truth,
        )  # fmt: skip
        self.market.listen(self)
        self.server = SimServer(exchange.dress(), self.market, rate=rate)
        self.lossy = Lossy()
        self.events: list[Event] = []
        self.shots: dict[str, dict[int, object]] = defaultdict(dict)
        self.books = Books()
        self._moved = asyncio.Event()

    def feed(self, symbols: Iterable[str] | None = None, **settings: Any) -> Feed:
        registry = Registry.of(**{self.exchange.name: self.exchange.plugin, "lossy": self.lossy})
        feed = Feed(
            self.exchange.name, self.exchange.symbols if symbols is None else tuple(symbols), ["trades", "l2_book"],
            rest=self.server.rest_url, websocket=self.server.ws_url, backoff=BACKOFF, registry=registry,
            extensions={"lossy": None}, **settings,
        )  # fmt: skip
        feed.on(Event, self._note)
        return feed

    def _note(self, event: Event) -> None:
        self.events.append(event)
        self.books.apply(event)
        if isinstance(event, BookDelta | BookSnapshot):
            book = self.books[event.symbol]
            assert book.sequence is not None
            if isinstance(event, BookSnapshot) or book.sequence % SAMPLE == 0:
                self.shots[event.symbol][book.sequence] = (book.bids(), book.asks())
        self._moved.set()

    # the market's listener
    def trade(self, trade: SimTrade, pit: object) -> None:
        self._moved.set()

    def change(self, change: SimBook, pit: object) -> None:
        self._moved.set()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait for something that an event or the market brings about."""
        async with asyncio.timeout(20):
            while not reached():
                self._moved.clear()
                await self._moved.wait()

    async def flow(self, feed: Feed, trades: int = 20) -> None:
        """Wait until every book is in sync, no hole is open, and each instrument has so many more trades."""
        counted = self.counts(Trade)
        wanted = {symbol: counted[symbol] + trades for symbol in self.exchange.symbols}
        await self.until(
            lambda: (
                all(feed.books[symbol].is_synced for symbol in wanted)
                and all(status.open_gap is None for status in feed.status().values())
                and all(self.counts(Trade)[symbol] >= count for symbol, count in wanted.items())
            )
        )

    def counts(self, kind: type) -> Counter[str | None]:
        return Counter(event.symbol for event in self.events if isinstance(event, kind))

    def seen(self, *kinds: type, symbol: str | None = None, channel: Channel | None = None) -> list[Any]:
        return [
            event
            for event in self.events
            if isinstance(event, kinds)
            and symbol in (None, event.symbol)
            and channel in (None, getattr(event, "channel", None))
        ]

    def native(self, symbol: str) -> str:
        return next(i.native for i in self.market.instruments if i.symbol == symbol)

    # judging
    def check(self) -> None:
        for symbol in self.exchange.symbols:
            self.check_trades(symbol)
            self.check_books(symbol)

    def check_trades(self, symbol: str) -> None:
        """Every trade of the truth was received, once and in order; holes were filled from history."""
        received = self.seen(Trade, symbol=symbol)
        first, last = received[0].sequence, received[-1].sequence
        truth = {trade.number: told(trade) for trade in self.truth.trades(self.native(symbol), first - 1, last)}
        assert [trade.sequence for trade in received] == list(range(first, last + 1)) == list(truth)
        for trade in received:
            number, price, size, side, ts = truth[trade.sequence]
            # Backpack's history has milliseconds where its stream has microseconds
            step = 1_000_000 if trade.backfilled and self.exchange.name == "backpack" else 1
            assert seen(trade) == (number, price, size, side, ts // step * step)

    def check_books(self, symbol: str) -> None:
        """Every sampled book is the truth's at that sequence."""
        native = self.native(symbol)
        assert len(self.shots[symbol]) > 5
        for sequence, shot in self.shots[symbol].items():
            book = self.truth.book(native, sequence)
            assert shot == (levels(book.bids), levels(book.asks)), (symbol, sequence)


def levels(texts: Iterable[tuple[str, str]]) -> list[tuple[float, float]]:
    return [(float(price), float(size)) for price, size in texts]


def told(trade: SimTrade) -> tuple[int, float, float, Side, int]:
    side = Side.BUY if trade.buyer_is_taker else Side.SELL
    return trade.number, float(trade.price), float(trade.size), side, trade.ts // 1_000 * 1_000


def seen(trade: Trade) -> object:
    return trade.sequence, trade.price, trade.size, trade.taker_side, trade.ts_event


@asynccontextmanager
async def running(exchange: Exchange, rate: float | None = 1_500) -> AsyncIterator[tuple[Setup, Feed]]:
    setup = Setup(exchange, rate)
    async with setup.server, setup.feed() as feed:
        yield setup, feed


@everywhere
def test_trades_come_once_and_in_order_and_books_equal_the_truth(exchange: Exchange) -> None:
    async def main() -> None:
        async with running(exchange) as (setup, feed):
            await setup.flow(feed, 300)
            await feed.stop()
            setup.check()
            assert setup.seen(Gap, Reconnected) == []
            assert feed.metrics.total("decode_errors_total") == feed.metrics.total("unknown_frames_total") == 0

    asyncio.run(main())


@everywhere
def test_ten_restarts_leave_the_stream_right_and_every_hole_announced(exchange: Exchange) -> None:
    async def main() -> None:
        async with running(exchange) as (setup, feed):
            for number in range(10):
                await setup.flow(feed)
                before, made = len(setup.seen(Reconnected)), setup.market.trades_made
                await setup.server.stop(abrupt=bool(number % 2))
                await setup.until(lambda made=made: setup.market.trades_made > made + 10)  # type: ignore[misc]
                await setup.server.start()
                await setup.until(lambda before=before: len(setup.seen(Reconnected)) > before)  # type: ignore[misc]
            await setup.flow(feed)
            await feed.stop()
            setup.check()
            check_holes(setup)

    asyncio.run(main())


def check_holes(setup: Setup) -> None:
    assert len(setup.seen(Reconnected)) == 10
    assert [one.attempt >= 1 for one in setup.seen(Reconnected)] == [True] * 10
    for symbol in setup.exchange.symbols:
        told = setup.seen(Gap, Backfilled, symbol=symbol, channel=Channel.TRADES)
        opened = [gap for gap in told if isinstance(gap, Gap) and gap.ts_end is None]
        filled = [one.gap_id for one in told if isinstance(one, Backfilled) and one.is_complete]
        harmless = [gap.gap_id for gap in told if isinstance(gap, Gap) and gap.missing == 0]
        assert sorted(gap.gap_id for gap in opened) == sorted([*filled, *harmless])
        assert {gap.cause for gap in told if isinstance(gap, Gap)} == {GapCause.DISCONNECTED}
        assert len(opened) == 10
        assert sum(trade.backfilled for trade in setup.seen(Trade, symbol=symbol)) > 0
        book = [
            (type(event), getattr(event, "gap_id", None))
            for event in setup.seen(Gap, Resynced, symbol=symbol, channel=Channel.L2_BOOK)
        ]
        ids = [gap_id for kind, gap_id in book if kind is Gap]
        assert book == [(kind, gap_id) for gap_id in ids for kind in (Gap, Resynced)]
        assert len(set(ids)) == 10
        causes = [snapshot.cause for snapshot in setup.seen(BookSnapshot, symbol=symbol)]
        assert causes == [SnapshotCause.INITIAL, *[SnapshotCause.RESYNC] * 10]


@everywhere
def test_a_hole_in_one_book_resyncs_that_book_and_drops_no_socket(exchange: Exchange) -> None:
    async def main() -> None:
        async with running(exchange) as (setup, feed):
            hurt, other = exchange.symbols
            native = setup.native(hurt).encode()
            setup.lossy.matches = lambda payload: exchange.delta in payload and native in payload
            for number in range(3):
                await setup.flow(feed)
                setup.lossy.to_drop = 3
                await setup.until(lambda number=number: len(setup.seen(Resynced)) > number)  # type: ignore[misc]
                assert setup.server.clients == 1
            await setup.flow(feed)
            await feed.stop()
            setup.check()
            assert {(gap.symbol, gap.channel, gap.cause) for gap in setup.seen(Gap)} == {
                (hurt, Channel.L2_BOOK, GapCause.SEQUENCE)
            }
            assert len(setup.seen(Gap)) == len(setup.seen(Resynced)) == 3
            if exchange.name == "backpack":
                assert [gap.missing for gap in setup.seen(Gap)] == [3, 3, 3]
            assert setup.seen(Reconnected) == []
            assert [one.cause for one in setup.seen(BookSnapshot, symbol=other)] == [SnapshotCause.INITIAL]

    asyncio.run(main())


@everywhere
def test_lost_trades_are_announced_by_their_ids(exchange: Exchange) -> None:
    async def main() -> None:
        async with running(exchange) as (setup, feed):
            hurt, _ = exchange.symbols
            native = setup.native(hurt).encode()
            setup.lossy.matches = lambda payload: b"trade" in payload and native in payload
            for number in range(3):
                await setup.flow(feed)
                setup.lossy.to_drop = 4
                await setup.until(lambda number=number: len(setup.seen(Gap)) > number)  # type: ignore[misc]
            await setup.flow(feed)
            await feed.stop()
            setup.check()
            assert [(gap.symbol, gap.channel, gap.missing) for gap in setup.seen(Gap)] == [
                (hurt, Channel.TRADES, 4)
            ] * 3

    asyncio.run(main())


def aged(plugin: ModuleType, max_age: float) -> ModuleType:
    """A plugin whose exchange cuts connections of that many seconds."""
    changed = ModuleType(f"{plugin.__name__}_aged")
    vars(changed).update({name: value for name, value in vars(plugin).items() if name.startswith("tickwire_")})
    [info] = plugin.tickwire_exchanges()
    sockets = {name: attrs.evolve(socket, max_age=max_age) for name, socket in info.sockets.items()}

    @hookimpl
    def tickwire_exchanges() -> Iterable[ExchangeInfo]:
        return [attrs.evolve(info, sockets=sockets)]

    changed.tickwire_exchanges = tickwire_exchanges  # type: ignore[attr-defined]
    return changed


def check_that_nothing_is_missing(setup: Setup) -> None:
    setup.check()
    assert setup.seen(Gap, Resynced) == []
    causes = [one.cause for one in setup.seen(BookSnapshot)]
    assert causes == [SnapshotCause.INITIAL] * len(setup.exchange.symbols)


@everywhere
def test_the_older_connection_cut_abruptly_again_and_again_costs_nothing(exchange: Exchange) -> None:
    async def main() -> None:
        setup = Setup(exchange, 1_500)
        clients: list[object] = []

        def two_clients() -> bool:
            clients.extend(one for one in setup.server._clients if one not in clients)
            return len(setup.server._clients) == 2

        async with setup.server, setup.feed(connections=2) as feed:
            for number in range(10):
                await setup.until(two_clients)
                await setup.flow(feed, 40)
                clients.pop(0).abort()  # type: ignore[attr-defined]
                await setup.until(lambda number=number: len(setup.seen(Reconnected)) > number)  # type: ignore[misc]
            await setup.flow(feed)
            await feed.stop()
            check_that_nothing_is_missing(setup)
            assert len(setup.seen(Reconnected)) == 10
            assert all(one.reason.endswith(" carried on") for one in setup.seen(Reconnected))
            assert (
                len({one.connection for one in setup.seen(Reconnected)}) == 2
            )  # the primary each time, or all but once

    asyncio.run(main())


@everywhere
def test_connections_replaced_before_the_exchange_cuts_them_cost_nothing(exchange: Exchange) -> None:
    async def main() -> None:
        young = attrs.evolve(exchange, plugin=aged(exchange.plugin, 1.5))
        setup = Setup(young, 1_500)
        async with setup.server, setup.feed() as feed:
            await setup.until(lambda: len(setup.seen(Reconnected)) == 5)
            await setup.flow(feed)
            assert setup.server.clients <= 2
            await feed.stop()
            check_that_nothing_is_missing(setup)
            assert {(one.severity, one.reason, one.ts_down) for one in setup.seen(Reconnected)} == {
                (Severity.INFO, "rotated before the exchange's 1.5 s", 0)
            }

    asyncio.run(main())


class Heard(logging.Handler):
    """Lets a test wait for a log line."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.lines: list[str] = []
        self.found = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        if self.text in line:
            self.lines.append(line)
            self.found.set()


@asynccontextmanager
async def hearing(text: str) -> AsyncIterator[Heard]:
    heard, logger = Heard(text), logging.getLogger("tickwire")
    logger.addHandler(heard)
    try:
        yield heard
    finally:
        logger.removeHandler(heard)


@everywhere
def test_an_unreachable_host_is_named_with_the_reason_and_met_when_it_appears(exchange: Exchange) -> None:
    async def main() -> None:
        setup = Setup(exchange, 1_500)
        await setup.server.start()
        await setup.server.stop()
        host = setup.server.rest_url
        async with hearing("cannot reach") as heard, asyncio.timeout(20):
            async with setup.feed() as feed:
                await heard.found.wait()
                begin = f"{exchange.name}: cannot reach {host}/"
                assert heard.lines[0].startswith(begin), heard.lines
                assert heard.lines[0].partition("(")[2].startswith("connection refused), attempt 1, next in 0.0")
                async with setup.server:
                    await setup.flow(feed, 50)
                    await feed.stop()
            setup.check()

    asyncio.run(main())


@everywhere
def test_a_socket_that_cannot_be_reached_is_named_too(exchange: Exchange) -> None:
    async def main() -> None:
        setup = Setup(exchange, 1_500)
        async with setup.server, hearing("cannot reach") as heard, asyncio.timeout(20):
            async with setup.feed() as feed:
                await setup.flow(feed)
                await setup.server.stop()
                await heard.found.wait()
            assert heard.lines[0].startswith(
                f"{exchange.name}: cannot reach {setup.server.ws_url} (connection refused), attempt "
            )

    asyncio.run(main())


@everywhere
def test_an_unknown_symbol_ends_the_feed_and_names_what_is_near(exchange: Exchange) -> None:
    async def main() -> None:
        setup = Setup(exchange, None)
        async with setup.server:
            with pytest.raises(UnknownInstrumentError) as raised:
                await run(setup.feed([exchange.symbols[0], exchange.symbols[0] + "X"]))
            text = str(raised.value)
            assert f"'{exchange.symbols[0]}X' is not listed on {exchange.name} (" in text
            assert f"did you mean {exchange.symbols[0]}" in text
            assert f"tickwire symbols {exchange.name} 'SOL-*'" in text

    async def run(feed: Feed) -> None:
        async with feed:
            await feed.wait()

    asyncio.run(main())


def test_a_key_that_does_not_belong_to_its_secret_is_told_when_the_feed_is_made() -> None:
    secret = base64.b64encode(bytes(SigningKey.generate())).decode()
    key = base64.b64encode(bytes(SigningKey.generate().verify_key)).decode()
    credentials: Mapping[str, str] = {"api_key": key, "api_secret": secret}
    registry = Registry.of(backpack=tickwire_backpack.plugin)
    with pytest.raises(CredentialsError) as raised:
        Feed("backpack", ["SOL-USDC"], credentials=credentials, registry=registry)
    assert str(raised.value) == (
        f"api_key {key[:4]}… does not belong to api_secret → api_secret must be the base64 seed that belongs to "
        "api_key; copy both again from one key pair"
    )
    assert secret not in repr(raised.value) + str(raised.value)
