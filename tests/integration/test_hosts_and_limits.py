"""Feeds over real loopback sockets whose first host is in trouble, or whose exchange asks for fewer requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from email.utils import formatdate
from urllib.parse import urlsplit

import attrs
import pytest
from aiohttp import web

import tickwire_backpack.plugin
from tickwire import (
    BackoffPolicy,
    Books,
    BookSnapshot,
    Event,
    Feed,
    InstrumentStatus,
    Reconnected,
    Registry,
    Trade,
    hookimpl,
)
from tickwire.plugin import ExchangeInfo, RateLimit, Request
from tickwire.simulation import MemoryTruth, SeededMarket, SimReply, SimServer
from tickwire.simulation.board import encode
from tickwire_backpack.info import BACKPACK
from tickwire_backpack.simulator import BackpackSimulator

SYMBOLS = ("SOL-USDC", "BTC-USDC")
BACKOFF = BackoffPolicy(first=0.05, cap=0.3)
DEPTH = "/api/v1/depth"

Trouble = Callable[[web.BaseRequest], web.StreamResponse | None]


class Front:
    """A host in front of the simulated exchange, which may have something else to say; HTTP only.

    Attributes:
        trouble: Says it; ``None`` lets the exchange answer.
        came: Path and time (monotonic) of every request that arrived, upgrades too.
    """

    def __init__(self, market: SeededMarket, trouble: Trouble) -> None:
        self.trouble = trouble
        self.came: list[tuple[str, float]] = []
        self.url = ""
        self._dress = BackpackSimulator()
        self._market = market

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws")

    def times(self, path: str) -> list[float]:
        return [at for found, at in self.came if found == path]

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.came.append((request.path, time.monotonic()))
        said = self.trouble(request)
        if said is not None:
            return said
        asked = Request(request.method, request.path, request.query)
        reply = self._dress.rest(asked, self._market)
        body = reply.body if isinstance(reply, SimReply) else reply
        return web.Response(body=encode(body), status=reply.status if isinstance(reply, SimReply) else 200)


@asynccontextmanager
async def fronting(market: SeededMarket, trouble: Trouble) -> AsyncIterator[Front]:
    front = Front(market, trouble)
    runner = web.ServerRunner(web.Server(front.answer, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    front.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield front
    finally:
        await runner.cleanup()


class Market:
    """A simulated Backpack, a feed's events, and the verdict on its books."""

    def __init__(self, symbols: Iterable[str] = SYMBOLS) -> None:
        self.symbols = tuple(symbols)
        self.truth = MemoryTruth()
        self.market = SeededMarket.of(BackpackSimulator(), self.symbols, seed=3, truth=self.truth)
        self.server = SimServer(BackpackSimulator(), self.market, rate=1_500)
        self.events: list[Event] = []
        self.books = Books()
        self._moved = asyncio.Event()

    def feed(self, rest: list[str], websocket: list[str], registry: Registry | None = None) -> Feed:
        feed = Feed(
            "backpack", self.symbols, ["trades", "l2_book"], rest=rest, websocket=websocket, backoff=BACKOFF,
            registry=registry or Registry.of(backpack=tickwire_backpack.plugin), buffer=0,
        )  # fmt: skip
        feed.on(Event, self._note)
        return feed

    def _note(self, event: Event) -> None:
        self.events.append(event)
        self.books.apply(event)
        self._moved.set()

    def seen(self, kind: type) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not reached():
                self._moved.clear()
                await self._moved.wait()

    async def flow(self, feed: Feed, trades: int = 100) -> None:
        """Wait until every book is in sync, and for so many more trades."""
        wanted = len(self.seen(Trade)) + trades
        await self.until(
            lambda: len(self.seen(Trade)) >= wanted and all(feed.books[symbol].is_synced for symbol in self.symbols)
        )

    def check(self) -> None:
        """Each book is the exchange's own at its sequence."""
        natives = {i.symbol: i.native for i in self.market.instruments}
        for symbol in self.symbols:
            book = self.books[symbol]
            assert book.is_synced
            assert book.sequence is not None
            truth = self.truth.book(natives[symbol], book.sequence)
            assert (book.bids(), book.asks()) == tuple(
                [(float(price), float(size)) for price, size in side] for side in (truth.bids, truth.asks)
            )


def status(number: int, **headers: str) -> Trouble:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: web.Response(status=number, headers=named, text="<html>not here</html>")


def hang_up(request: web.BaseRequest) -> web.StreamResponse | None:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


OUTAGES = [
    pytest.param(status(451), id="451"),
    pytest.param(status(403), id="403"),
    pytest.param(status(503), id="503"),
    pytest.param(status(503, Retry_After="3600"), id="503 for an hour"),
    pytest.param(hang_up, id="closes"),
]


@pytest.mark.parametrize("outage", OUTAGES)
def test_a_first_host_that_does_not_serve_us_is_left_for_the_second(
    outage: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        market = Market()
        async with market.server as server, fronting(market.market, outage) as front:
            async with market.feed([front.url, server.rest_url], [front.ws_url, server.ws_url]) as feed:
                await market.flow(feed)
                market.check()
            # once over REST, once for the socket; where no answer came at all aiohttp repeats a GET by itself
            assert list(dict.fromkeys(path for path, _ in front.came)) == ["/api/v1/markets", "/"]
            assert len(front.came) == 2 or outage is hang_up
            assert market.seen(Reconnected) == []
            lost, found = urlsplit(front.url).netloc, urlsplit(server.rest_url).netloc
            rest, socket = caplog.messages
            assert rest.startswith(f"backpack: {lost} does not serve us (")
            assert rest.endswith(f"), trying {found}")
            assert socket.startswith("backpack: ")
            assert f", attempt 1, next in 0.0 s, trying {found}" in socket

    asyncio.run(main())


def test_a_first_host_whose_name_does_not_resolve_is_left_for_the_second(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        market = Market()
        async with market.server as server:
            rest, websocket = ["http://nowhere.invalid", server.rest_url], ["ws://nowhere.invalid", server.ws_url]
            async with market.feed(rest, websocket) as feed:
                await market.flow(feed)
                market.check()
            found = urlsplit(server.rest_url).netloc
            told, socket = caplog.messages
            assert told == (
                "backpack: nowhere.invalid does not serve us (cannot reach http://nowhere.invalid/api/v1/markets "
                f"(name not resolved)), trying {found}"
            )
            assert socket == (
                "backpack: cannot reach ws://nowhere.invalid (name not resolved), "
                f"attempt 1, next in 0.0 s, trying {found}"
            )

    asyncio.run(main())


def test_a_socket_host_that_lets_us_in_and_closes_is_left_for_the_second() -> None:
    async def main() -> None:
        market = Market()

        async def close(request: web.BaseRequest) -> web.StreamResponse:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await socket.close()
            return socket

        runner = web.ServerRunner(web.Server(close, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        closing = f"ws://127.0.0.1:{runner.addresses[0][1]}"
        async with market.server as server:
            async with market.feed([server.rest_url], [closing, server.ws_url]) as feed:
                await market.flow(feed)
                market.check()
            hosts = [event.host for event in market.seen(Reconnected) if isinstance(event, Reconnected)]
            assert hosts == [urlsplit(server.ws_url).netloc]
        await runner.cleanup()

    asyncio.run(main())


def test_an_outage_while_running_moves_rest_and_sockets_to_the_second_host_and_says_which() -> None:
    async def main() -> None:
        market = Market()
        second = SimServer(BackpackSimulator(), market.market)
        async with market.server as first, second:
            async with market.feed([first.rest_url, second.rest_url], [first.ws_url, second.ws_url]) as feed:
                await market.flow(feed)
                await first.stop(abrupt=True)
                await market.until(lambda: bool(market.seen(Reconnected)))
                await market.flow(feed)
                market.check()
            [back] = market.seen(Reconnected)
            assert isinstance(back, Reconnected)
            assert back.host == urlsplit(second.ws_url).netloc
            assert len(market.seen(BookSnapshot)) == 2 * len(SYMBOLS)

    asyncio.run(main())


@attrs.define
class Busy:
    """Refuses the first request for a book, and all that come before the gate may open again."""

    code: int
    retry_after: Callable[[], str | None]
    refused_at: float | None = None

    def __call__(self, request: web.BaseRequest) -> web.StreamResponse | None:
        if request.path != DEPTH or self.refused_at is not None:
            return None
        self.refused_at = time.monotonic()
        wait = self.retry_after()
        return web.Response(status=self.code, headers={} if wait is None else {"Retry-After": wait})


@pytest.mark.parametrize("code", [429, 418])
@pytest.mark.parametrize(
    ("retry_after", "at_least"),
    [
        pytest.param(lambda: "1", 1.0, id="seconds"),
        pytest.param(
            lambda: formatdate(time.time() + 2, usegmt=True), 0.99, id="date"
        ),  # whole seconds: 1 to 2 from now
        pytest.param(lambda: None, 1.0, id="not told"),
    ],
)
def test_a_refusal_is_waited_out_with_one_retry_on_the_same_host(
    code: int, retry_after: Callable[[], str | None], at_least: float, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        market = Market(SYMBOLS[:1])
        busy = Busy(code, retry_after)
        async with market.server as server, fronting(market.market, busy) as front:
            async with market.feed([front.url, server.rest_url], [server.ws_url]) as feed:
                await market.flow(feed)
                market.check()
            first, second, *more = front.times(DEPTH)
            assert second - first >= at_least
            assert more == []
            assert f"backpack: GET {DEPTH}: {code}, waits " in caplog.messages[0]

    asyncio.run(main())


def test_no_request_goes_out_while_the_gate_is_closed() -> None:
    async def main() -> None:
        market = Market()
        busy = Busy(429, lambda: "1")
        async with market.server as server, fronting(market.market, busy) as front:
            feeds = [market.feed([front.url], [server.ws_url]) for _ in range(3)]
            async with feeds[0], feeds[1], feeds[2]:
                for feed in feeds:
                    await market.flow(feed)
            assert busy.refused_at is not None
            # what was under way when the first was refused could not be called back
            closed = (busy.refused_at + 0.2, busy.refused_at + 1.0)
            assert [path for path, at in front.came if closed[0] < at < closed[1]] == []
            assert len(front.times(DEPTH)) == 3 * len(SYMBOLS) + 1

    asyncio.run(main())


class Tight:
    """Backpack with a budget of five requests in half a second."""

    tickwire_symbols = staticmethod(tickwire_backpack.plugin.tickwire_symbols)
    tickwire_routing = staticmethod(tickwire_backpack.plugin.tickwire_routing)

    @hookimpl
    def tickwire_exchanges(self) -> Iterable[ExchangeInfo]:
        return [attrs.evolve(BACKPACK, limits={"default": RateLimit(5, 0.5)})]


def test_gaps_in_all_books_at_once_stay_within_the_budget_as_the_exchange_counts() -> None:
    async def main() -> None:
        market = Market(i.symbol for i in BackpackSimulator().instruments if i.status is InstrumentStatus.OPEN)
        async with market.server as server, fronting(market.market, lambda request: None) as front:
            async with market.feed([front.url], [server.ws_url], Registry.of(backpack=Tight())) as feed:
                await market.flow(feed)
                await server.stop(abrupt=True)
                await server.start()
                await market.until(lambda: bool(market.seen(Reconnected)))
                await market.flow(feed)
                market.check()
            arrivals = [at for _, at in front.came]
            # the list, every book twice, and every instrument's missed trades
            assert len(arrivals) >= 1 + 3 * len(market.symbols)
            assert max(sum(first <= at < first + 0.5 for at in arrivals) for first in arrivals) == 5

    asyncio.run(main())
