"""Each fault alone, against each dress, in memory and on real sockets: exactly what the catalogue says arrives.

The clock of the market stands still in all four, so that an exchange without faults tells what would have come.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Any

import attrs
import pytest
import trustme

from tickwire import (
    Channel,
    ConnectionLostError,
    ExchangeUnavailableError,
    ManualClock,
    RateLimitedError,
    TickwireError,
)
from tickwire.native import NativeTransport
from tickwire.plugin import Connection, Ending, Located, Network, Probing, Request, Response, Transport
from tickwire.simulation import (
    Dress,
    Fault,
    FaultKind,
    Faults,
    Injected,
    MemoryExchange,
    SeededMarket,
    SimServer,
    Site,
)
from tickwire_backpack.simulator import BackpackSimulator
from tickwire_kestrel.simulator import KestrelSimulator

WITHIN = 10.0


@attrs.frozen
class Place:
    """An exchange: its dress and the words it understands."""

    name: str
    dress: Callable[[ManualClock], Dress]
    native: str
    topics: tuple[str, str]  # trades, book
    history: Request
    trade_ids: Callable[[Any], list[int]]
    is_trade: Callable[[Any], bool]

    def ask(self, *topics: str) -> bytes:
        if self.name == "kestrel":
            return json.dumps({"op": "sub", "id": 1, "topics": topics}).encode()
        return json.dumps({"method": "SUBSCRIBE", "params": topics}).encode()

    def __str__(self) -> str:
        return self.name


PLACES = [
    Place(
        "kestrel",
        lambda clock: KestrelSimulator(),
        "SOL/USD",
        ("trades:SOL/USD", "book:SOL/USD"),
        Request("GET", "/v1/trades", {"symbol": "SOL/USD", "after_id": 0, "limit": 1_000}),
        lambda rows: [row["id"] for row in rows],
        lambda message: message["op"] == "trades",
    ),
    Place(
        "backpack",
        BackpackSimulator,
        "SOL_USDC",
        ("trade.SOL_USDC", "depth.SOL_USDC"),
        Request("GET", "/api/v1/trades", {"symbol": "SOL_USDC", "limit": 1_000}),
        lambda rows: [row["id"] for row in reversed(rows)],
        lambda message: message["stream"] == "trade.SOL_USDC",
    ),
]
DEPTH = Request("GET", "/api/v1/depth", {"symbol": "SOL_USDC", "limit": 1_000})


class Client:
    """One connection and all it was told."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.endings: list[Ending] = []
        self.connection: Connection

    @classmethod
    async def dial(cls, transport: Transport, url: str) -> Client:
        client = cls()
        client.connection = await transport.connect(
            Located(url), lambda frame: client.frames.append(frame.payload), client.endings.append
        )
        return client

    async def ping(self) -> bool:
        assert isinstance(self.connection, Probing)
        return await self.connection.ping()

    def messages(self) -> list[Any]:
        return [json.loads(frame) for frame in self.frames]

    async def until_ended(self) -> Ending:
        await until(lambda: bool(self.endings))
        (ending,) = self.endings
        return ending


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not is_so():  # noqa: ASYNC110  # sockets tell nobody
            await asyncio.sleep(0)


@attrs.define
class Stage:
    """A hostile exchange and a way to it."""

    place: Place
    clock: ManualClock
    market: SeededMarket
    faults: Faults
    transport: Transport
    url: str
    rest: str | None
    step: Callable[[int], Awaitable[None]]
    settled: Callable[[], Awaitable[None]]

    def inject(self, kind: FaultKind, **parameters: Any) -> Injected:
        return self.faults.inject(Fault(kind, **parameters))

    async def dial(self) -> Client:
        return await Client.dial(self.transport, self.url)

    async def join(self, *topics: str) -> Client:
        """Dial, ask for topics, and forget what that was answered with."""
        client = await self.dial()
        client.connection.send(self.place.ask(*(topics or self.place.topics)))
        await self.heard(client)
        client.frames.clear()
        return client

    async def heard(self, client: Client) -> list[bytes]:
        """Give what has come: the exchange has understood what we said, has sent it all, and it is here."""
        assert await client.ping()
        await self.settled()
        assert await client.ping()
        return client.frames

    async def fetch(self, request: Request) -> Response:
        return await self.transport.fetch(attrs.evolve(request, base_url=self.rest))

    async def failure(self, request: Request) -> TickwireError:
        with pytest.raises(TickwireError) as raised:
            await self.fetch(request)
        return raised.value


def market_of(place: Place, clock: ManualClock) -> tuple[Dress, SeededMarket]:
    dress = place.dress(clock)
    return dress, SeededMarket.of(dress, [place.native], seed=5, clock=clock)


@asynccontextmanager
async def in_memory(place: Place) -> AsyncIterator[Stage]:
    clock = ManualClock()
    dress, market = market_of(place, clock)
    faults = Faults(seed=9)
    async with MemoryExchange(dress, market, clock=clock, faults=faults) as exchange:
        yield Stage(
            place, clock, market, faults, exchange.transport(), "wss://any", None, exchange.step, exchange.settled
        )


@asynccontextmanager
async def on_sockets(place: Place) -> AsyncIterator[Stage]:
    clock = ManualClock()
    dress, market = market_of(place, clock)
    faults = Faults(seed=9)
    async with SimServer(dress, market, faults=faults) as server:
        transport = NativeTransport(Network((server.rest_url,), {}))
        transport.pong_within = 0.3
        yield Stage(
            place, clock, market, faults, transport, server.ws_url, server.rest_url, server.step, server.settled
        )
        await transport.close()


WAYS = {"memory": in_memory, "sockets": on_sockets}
everywhere = pytest.mark.parametrize("way", WAYS)
for_each = pytest.mark.parametrize("place", PLACES, ids=str)


def run(way: str, place: Place, test: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(3 * WITHIN), WAYS[way](place) as stage:
            await test(stage)

    asyncio.run(bounded())


def calm(place: Place, changes: int = 40) -> list[bytes]:
    """What would have come without a fault."""

    async def test() -> list[bytes]:
        async with in_memory(place) as stage:
            client = await stage.join()
            await stage.step(changes)
            return list(client.frames)

    return asyncio.run(test())


def halves(frames: Sequence[bytes], n: int) -> list[bytes]:
    return [*(frame[: len(frame) // 2] for frame in frames[:n]), *frames[n:]]


# --- frames


@everywhere
@for_each
@pytest.mark.parametrize(
    ("kind", "spoilt"),
    [
        (FaultKind.DROP, lambda frames: frames[3:]),
        (FaultKind.DUPLICATE, lambda frames: [*(f for frame in frames[:3] for f in (frame, frame)), *frames[3:]]),
        (FaultKind.TRUNCATED, lambda frames: halves(frames, 3)),
    ],
)
def test_the_next_frames_are_spoilt_and_the_rest_is_not(
    way: str, place: Place, kind: FaultKind, spoilt: Callable[[list[bytes]], list[bytes]]
) -> None:
    async def test(stage: Stage) -> None:
        client = await stage.join()
        injected = stage.inject(kind, count=3)
        assert list(stage.faults.active) == [injected]
        await stage.step(40)
        assert await stage.heard(client) == expected
        assert (injected.touched, injected.is_over) == (3, True)
        assert [*stage.faults.active, *stage.faults.past] == [injected]

    expected = spoilt(calm(place))
    run(way, place, test)


@everywhere
@for_each
def test_reordered_frames_all_arrive_in_another_order(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        client = await stage.join()
        stage.inject(FaultKind.REORDER, count=5)
        await stage.step(40)
        found = await stage.heard(client)
        assert (sorted(found[:5]), found[5:]) == (sorted(expected[:5]), expected[5:])
        assert found[:5] != expected[:5]

    expected = calm(place)
    run(way, place, test)


@everywhere
@for_each
def test_frames_that_wait_for_others_to_be_shuffled_with_wait_so_many_seconds(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        client = await stage.join()
        injected = stage.inject(FaultKind.REORDER, count=1_000_000, seconds=4)
        await stage.step(40)
        assert await stage.heard(client) == []
        await stage.clock.advance(4)
        assert sorted(await stage.heard(client)) == sorted(calm_frames)
        assert injected.is_over

    calm_frames = calm(place)
    run(way, place, test)


@everywhere
@for_each
def test_stalled_frames_come_all_at_once_and_in_order(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        client = await stage.join()
        injected = stage.inject(FaultKind.STALL, seconds=7)
        await stage.step(20)
        await stage.clock.advance(6.9)
        assert await stage.heard(client) == []
        assert not injected.is_over
        await stage.clock.advance(0.1)
        assert await stage.heard(client) == expected
        assert injected.ended == injected.began + 7_000_000_000

    expected = calm(place, 20)
    run(way, place, test)


@everywhere
@for_each
def test_clearing_a_stall_delivers_what_it_held(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        client = await stage.join()
        stage.inject(FaultKind.STALL)
        await stage.step(20)
        stage.faults.clear()
        assert stage.faults.active == ()
        assert await stage.heard(client) == expected

    expected = calm(place, 20)
    run(way, place, test)


@everywhere
@for_each
def test_garbage_stands_between_the_frames(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        client = await stage.join()
        stage.inject(FaultKind.GARBAGE, count=2)
        await stage.step(40)
        garbage, first, more, *rest = await stage.heard(client)
        assert [first, *rest] == expected
        for payload in (garbage, more):
            with pytest.raises(json.JSONDecodeError):
                json.loads(payload)

    expected = calm(place)
    run(way, place, test)


@everywhere
@for_each
def test_a_huge_frame_ends_the_connection(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        client = await stage.join()
        stage.inject(FaultKind.HUGE)
        await stage.step(5)
        assert (await client.until_ended()).code == 1009
        assert client.frames == []

    run(way, place, test)


def without(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [without(name, part) for part in value]
    if isinstance(value, dict):
        assert name in value
        return {key: without(name, part) for key, part in value.items() if key != name}
    return value


@everywhere
@for_each
def test_each_object_of_a_frame_has_an_unknown_field_and_is_the_same_without(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        client = await stage.join()
        stage.inject(FaultKind.UNKNOWN_FIELD, count=5)
        await stage.step(40)
        await stage.heard(client)
        found = client.messages()
        assert [without("tickwire_new", message) for message in found[:5]] == expected[:5]
        assert found[5:] == expected[5:]

    expected = [json.loads(frame) for frame in calm(place)]
    run(way, place, test)


@everywhere
@for_each
def test_a_frame_of_an_unknown_kind_comes_before_the_real_one(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        client = await stage.join()
        stage.inject(FaultKind.UNKNOWN_KIND)
        await stage.step(40)
        unknown, *rest = await stage.heard(client)
        assert rest == expected
        kind = json.loads(unknown)["op" if place.name == "kestrel" else "stream"]
        assert kind.startswith("unheard_of_")
        assert unknown.replace(b"unheard_of_", b"") == expected[0]

    expected = calm(place)
    run(way, place, test)


@everywhere
@for_each
@pytest.mark.parametrize("number", ["nan", "inf", "-1"])
def test_the_numbers_of_a_frame_are_corrupt_and_the_rest_of_it_is_not(way: str, place: Place, number: str) -> None:
    async def test(stage: Stage) -> None:
        client = await stage.join()
        stage.inject(FaultKind.CORRUPT_NUMBER, number=number, count=10)
        await stage.step(40)
        corrupt = re.compile(rb'"\d+\.\d+"')
        found = await stage.heard(client)
        assert found[:10] == [corrupt.sub(f'"{number}"'.encode(), frame) for frame in expected[:10]]
        assert found[10:] == expected[10:]
        assert all(number.encode() in frame for frame in found[:10])

    expected = calm(place)
    run(way, place, test)


@everywhere
@for_each
def test_a_fault_may_fall_upon_one_channel_of_one_instrument_only(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        client = await stage.join()
        elsewhere = stage.inject(FaultKind.DROP, native="somewhere else")
        injected = stage.inject(FaultKind.DROP, count=None, channel=Channel.TRADES, native=place.native)
        await stage.step(40)
        assert await stage.heard(client) == [f for f in expected if not place.is_trade(json.loads(f))]
        assert (elsewhere.touched, injected.is_over) == (0, False)
        assert injected.touched == sum(place.is_trade(json.loads(frame)) for frame in expected)

    expected = calm(place)
    run(way, place, test)


@everywhere
@for_each
def test_a_sequence_gap_is_the_same_for_everybody_and_the_truth_goes_on(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        clients = [await stage.join(place.topics[1]) for _ in range(2)]
        before = stage.market.pit(place.native).sequence
        stage.inject(FaultKind.SEQUENCE_GAP, count=3)
        await stage.step(40)
        for client in clients:
            await stage.heard(client)
            assert [sequence(message) for message in client.messages()] == list(
                range(before + 4, stage.market.pit(place.native).sequence + 1)
            )

    def sequence(message: Any) -> int:
        return int(message["seq"] if place.name == "kestrel" else message["data"]["u"])

    run(way, place, test)


# --- connections


@everywhere
@for_each
def test_the_exchange_closes_with_the_code_it_was_told(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        clients = [await stage.join() for _ in range(2)]
        injected = stage.inject(FaultKind.CLOSE_CLEAN, code=1012)
        assert (injected.touched, injected.is_over) == (2, True)
        for client in clients:
            assert await client.until_ended() == Ending(1012, "closed by the exchange")
        again = await stage.join()
        await stage.step(5)
        assert await stage.heard(again)

    run(way, place, test)


@everywhere
@for_each
def test_a_reset_has_no_close_frame_and_may_hit_one_connection_of_two(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        first, second = await stage.join(), await stage.join()
        stage.inject(FaultKind.CLOSE_ABRUPT, count=1)
        assert (await first.until_ended()).code == 1006
        await stage.step(5)
        assert await stage.heard(second)
        assert second.endings == []

    run(way, place, test)


@everywhere
@for_each
def test_only_connections_with_such_a_topic_are_closed(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        first, second = await stage.join(place.topics[0]), await stage.join(place.topics[1])
        stage.inject(FaultKind.CLOSE_CLEAN, channel=Channel.L2_BOOK)
        await second.until_ended()
        assert await first.ping()

    run(way, place, test)


@everywhere
@for_each
def test_a_half_open_socket_says_and_hears_nothing_until_the_client_gives_up(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        client = await stage.join()
        injected = stage.inject(FaultKind.HALF_OPEN)
        await stage.step(40)
        client.connection.send(place.ask(*place.topics))
        proof = asyncio.create_task(client.ping())
        await stage.clock.advance(20)
        assert not await proof
        assert (client.frames, client.endings, injected.is_over) == ([], [], False)
        await client.connection.close()
        await until(lambda: injected.is_over)
        assert client.endings == [Ending(1000, "closed by us")]

    run(way, place, test)


@everywhere
@for_each
def test_clearing_a_half_open_socket_resets_it(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        client = await stage.join()
        injected = stage.inject(FaultKind.HALF_OPEN)
        await stage.step(40)
        stage.faults.clear()
        assert (await client.until_ended()).code == 1006
        assert (client.frames, injected.is_over) == ([], True)

    run(way, place, test)


# --- dialling and subscribing


@everywhere
@for_each
def test_a_silent_socket_answers_pings_and_nothing_else(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        healthy = await stage.join()
        injected = stage.inject(FaultKind.SILENT)
        client = await stage.dial()
        client.connection.send(place.ask(*place.topics))
        await stage.step(40)
        assert await stage.heard(client) == []
        assert await stage.heard(healthy)
        assert (injected.touched, injected.is_over) == (1, False)
        await client.connection.close()
        await until(lambda: injected.is_over)
        assert await (await stage.dial()).ping()

    run(way, place, test)


@everywhere
@for_each
def test_a_connection_is_closed_as_soon_as_it_is_open(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        stage.inject(FaultKind.CLOSE_ON_OPEN, count=2)
        for _ in range(2):
            assert await (await stage.dial()).until_ended() == Ending(1000, "closed by the exchange")
        assert await (await stage.dial()).ping()

    run(way, place, test)


@everywhere
@for_each
def test_an_upgrade_is_refused_with_a_status(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        stage.inject(FaultKind.UPGRADE_REFUSED)
        with pytest.raises(ExchangeUnavailableError, match="503"):
            await stage.dial()
        stage.inject(FaultKind.UPGRADE_REFUSED, status=429, retry_after=17)
        with pytest.raises(RateLimitedError) as raised:
            await stage.dial()
        assert raised.value.retry_after == 17
        assert await (await stage.dial()).ping()

    run(way, place, test)


@everywhere
@for_each
def test_an_ignored_subscription_is_neither_answered_nor_delivered(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        injected = stage.inject(FaultKind.SUBSCRIPTION_IGNORED, channel=Channel.L2_BOOK)
        client = await stage.dial()
        client.connection.send(place.ask(*place.topics))
        assert await stage.heard(client) == []
        await stage.step(40)
        await stage.heard(client)
        assert client.messages() == expected
        assert (injected.touched, injected.is_over) == (1, True)

    expected = [message for message in map(json.loads, calm(place)) if place.is_trade(message)]
    assert expected
    run(way, place, test)


@everywhere
@for_each
def test_a_connection_is_closed_instead_of_answering_a_subscription(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        stage.inject(FaultKind.CLOSE_AFTER_SUBSCRIBE, code=1008)
        client = await stage.dial()
        assert await client.ping()
        client.connection.send(place.ask(*place.topics))
        assert await client.until_ended() == Ending(1008, "closed by the exchange")
        assert client.frames == []

    run(way, place, test)


# --- REST


@everywhere
@for_each
@pytest.mark.parametrize(
    ("kind", "status"),
    [(FaultKind.STATUS_451, 451), (FaultKind.STATUS_403, 403), (FaultKind.STATUS_5XX, 503)],
)
def test_a_status_says_that_the_exchange_cannot_serve(way: str, place: Place, kind: FaultKind, status: int) -> None:
    async def test(stage: Stage) -> None:
        stage.inject(kind)
        failure = await stage.failure(place.history)
        assert isinstance(failure, ExchangeUnavailableError)
        assert (failure.status, failure.retry_after) == (status, None)
        assert (await stage.fetch(place.history)).status == 200

    run(way, place, test)


@everywhere
@for_each
@pytest.mark.parametrize(("kind", "is_ban"), [(FaultKind.STATUS_429, False), (FaultKind.STATUS_418, True)])
@pytest.mark.parametrize("retry_after", [None, 30])
def test_a_status_says_that_there_were_too_many_requests(
    way: str, place: Place, kind: FaultKind, is_ban: bool, retry_after: float | None
) -> None:
    async def test(stage: Stage) -> None:
        stage.inject(kind, retry_after=retry_after, count=2)
        for _ in range(2):
            failure = await stage.failure(place.history)
            assert isinstance(failure, RateLimitedError)
            assert (failure.is_ban, failure.retry_after) == (is_ban, retry_after)
        assert (await stage.fetch(place.history)).status == 200

    run(way, place, test)


@everywhere
@for_each
def test_an_answer_is_empty_a_page_or_cut(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        stage.inject(FaultKind.EMPTY_ANSWER)
        assert (await stage.fetch(place.history)).body == b""
        stage.inject(FaultKind.HTML_ANSWER)
        page = await stage.fetch(place.history)
        assert page.body.startswith(b"<!DOCTYPE html>")
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        stage.inject(FaultKind.CUT_ANSWER)
        assert isinstance(await stage.failure(place.history), ConnectionLostError)
        assert json.loads((await stage.fetch(place.history)).body) == []

    run(way, place, test)


@everywhere
@for_each
def test_a_slow_answer_is_as_old_as_it_is_slow(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        injected = stage.inject(FaultKind.SLOW_ANSWER, seconds=8)
        fetching = asyncio.create_task(stage.fetch(place.history))
        await until(lambda: injected.is_over)
        await stage.step(100)
        await stage.clock.advance(7.9)
        assert not fetching.done()
        await stage.clock.advance(0.1)
        assert json.loads((await fetching).body) == []
        assert json.loads((await stage.fetch(place.history)).body)

    run(way, place, test)


@everywhere
@for_each
def test_a_request_is_hit_by_its_path_or_by_the_instrument_that_it_names(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        stage.inject(FaultKind.STATUS_5XX, path="/elsewhere", count=None)
        stage.inject(FaultKind.STATUS_5XX, native="somewhere else", count=None)
        assert (await stage.fetch(place.history)).status == 200
        stage.inject(FaultKind.STATUS_451, native=place.native, path=place.history.path)
        assert isinstance(await stage.failure(place.history), ExchangeUnavailableError)

    run(way, place, test)


@everywhere
@for_each
def test_stale_history_lacks_the_last_seconds(way: str, place: Place) -> None:
    async def test(stage: Stage) -> None:
        await stage.step(200)
        old = place.trade_ids(json.loads((await stage.fetch(place.history)).body))
        await stage.clock.advance(10)
        await stage.step(200)
        injected = stage.inject(FaultKind.STALE_HISTORY, seconds=9)
        assert place.trade_ids(json.loads((await stage.fetch(place.history)).body)) == old
        assert injected.is_over
        assert len(place.trade_ids(json.loads((await stage.fetch(place.history)).body))) > len(old)

    run(way, place, test)


@everywhere
def test_a_stale_snapshot_is_the_book_of_so_many_changes_ago(way: str) -> None:
    async def test(stage: Stage) -> None:
        old = (await stage.fetch(DEPTH)).body
        before = stage.market.changes
        await stage.step(300)
        stage.inject(FaultKind.STALE_SNAPSHOT, behind=stage.market.changes - before)
        assert (await stage.fetch(DEPTH)).body == old
        assert json.loads((await stage.fetch(DEPTH)).body)["lastUpdateId"] == str(stage.market.pit("SOL_USDC").sequence)

    run(way, PLACES[1], test)


# --- the clock


@everywhere
@for_each
@pytest.mark.parametrize("seconds", [90.0, -3.5])
def test_a_clock_that_runs_off_dates_frames_and_answers_and_not_the_truth(
    way: str, place: Place, seconds: float
) -> None:
    async def test(stage: Stage) -> None:
        client = await stage.join()
        injected = stage.inject(FaultKind.CLOCK_SKEW, seconds=seconds, lasts=60)
        await stage.step(40)
        await stage.heard(client)
        wrong = stage.clock.now() + round(seconds * 1e9)
        assert {time for message in client.messages() for time in times(message)} == {wrong // 1_000}
        date = (await stage.fetch(place.history)).headers["Date"]
        assert parsedate_to_datetime(date).timestamp() == wrong // 1_000_000_000
        assert stage.market.pit(place.native).kept[-1].ts == stage.clock.now()
        await stage.clock.advance(60)
        assert injected.is_over
        client.frames.clear()
        await stage.step(40)
        await stage.heard(client)
        assert {time for message in client.messages() for time in times(message)} == {stage.clock.now() // 1_000}

    def times(message: Any) -> list[int]:
        if place.name == "backpack":
            return [message["data"]["E"], message["data"]["T"]]
        return [row["ts"] for row in message["rows"]] if "rows" in message else [message["ts"]]

    run(way, place, test)


@everywhere
def test_backpack_tells_the_wrong_time_when_asked(way: str) -> None:
    async def test(stage: Stage) -> None:
        stage.inject(FaultKind.CLOCK_SKEW, seconds=-20)
        told = (await stage.fetch(Request("GET", "/api/v1/time"))).body
        assert int(told) == stage.clock.now() // 1_000_000 - 20_000

    run(way, PLACES[1], test)


@pytest.mark.parametrize("seconds", [0, 7])
def test_a_dress_on_its_second_exchange_has_left_the_faults_of_the_first_behind(seconds: int) -> None:
    async def test() -> None:
        clock = ManualClock()
        dress, market = market_of(PLACES[1], clock)
        MemoryExchange(dress, market, clock=clock).faults.inject(Fault(FaultKind.CLOCK_SKEW, seconds=500))
        async with MemoryExchange(dress, market, clock=clock) as exchange:
            exchange.faults.inject(Fault(FaultKind.CLOCK_SKEW, seconds=seconds))
            told = (await exchange.transport().fetch(Request("GET", "/api/v1/time"))).body
            assert int(told) == clock.now() // 1_000_000 + seconds * 1_000

    asyncio.run(test())


# --- over TLS


@pytest.mark.parametrize("kind", [kind for kind in FaultKind if kind.site is Site.CONNECTION], ids=str)
@for_each
def test_faults_of_connections_reach_through_tls(place: Place, kind: FaultKind, tmp_path: Any) -> None:
    async def test() -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        clock = ManualClock()
        dress, market = market_of(place, clock)
        faults = Faults()
        async with asyncio.timeout(WITHIN), SimServer(dress, market, faults=faults, tls=context) as server:
            transport = NativeTransport(Network((), {}, tls_ca_file=str(tmp_path / "ca.pem")))
            transport.ping_every = 0.05
            client = await Client.dial(transport, server.ws_url)
            assert await client.ping()
            injected = faults.inject(Fault(kind))
            assert (await client.until_ended()).code == (1000 if kind is FaultKind.CLOSE_CLEAN else 1006)
            await until(lambda: injected.is_over)
            await transport.close()

    asyncio.run(test())
