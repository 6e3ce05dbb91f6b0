"""The simulated exchange in memory keeps time by the manual clock, and does what a transport over sockets does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tickwire import Channel, ConfigError, ConnectionLostError, ManualClock, RequestRejectedError
from tickwire.plugin import Connection, Ending, Frame, Located, Probing, Request, Transport
from tickwire.simulation import (
    Fault,
    FaultKind,
    Faults,
    MemoryExchange,
    MemoryTransport,
    SeededMarket,
    SimBook,
    SimClient,
    SimMarket,
    SimReply,
    SimTrade,
)

SOL = "SOL/USD"
CHANNELS = {"trades": Channel.TRADES, "book": Channel.L2_BOOK, "slow": Channel.L2_BOOK}
URL = Located("wss://simulated.example")


class Dressed:
    """Plain words; ``slow`` is the book with its changes of 0.5 s merged."""

    def rest(self, request: Request, market: SimMarket) -> object:
        if request.path == "/prefix/echo":
            return {"params": dict(request.params)}
        if request.path == "/bad":
            return SimReply(400, "bad request")
        return {"sequence": market.book(str(request.params["symbol"]), 5).sequence}

    def received(self, payload: bytes, client: SimClient) -> None:
        topic = payload.decode()
        name, _, native = topic.partition(":")
        client.send({"joined": client.join(topic, CHANNELS[name], native, 0.5 if name == "slow" else 0)})

    def trade(self, trade: SimTrade) -> object:
        return {"n": trade.number, "price": trade.price}

    def book(self, change: SimBook, whole: SimBook) -> object:
        return {"previous": change.previous, "sequence": change.sequence}


class Heard:
    """What a connection told, and when."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.frames: list[Frame] = []
        self.times: list[float] = []
        self.endings: list[Ending] = []

    def on_frame(self, frame: Frame) -> None:
        assert self.endings == []
        assert frame.ts_recv == self._clock.now()
        self.frames.append(frame)
        self.times.append(self._clock.monotonic())

    def on_close(self, ending: Ending) -> None:
        self.endings.append(ending)

    @property
    def messages(self) -> list[Any]:
        return [json.loads(frame.payload) for frame in self.frames]


def run(test: Callable[[ManualClock], Coroutine[Any, Any, None]]) -> None:
    async def checked() -> None:
        await test(ManualClock())
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(checked())


def exchange_on(clock: ManualClock, **options: Any) -> MemoryExchange:
    dress = Dressed()
    return MemoryExchange(dress, SeededMarket.of(dress, [SOL], seed=2, clock=clock), clock=clock, **options)


async def joined(exchange: MemoryExchange, transport: MemoryTransport, *topics: str) -> tuple[Connection, Heard]:
    heard = Heard(exchange.clock)
    connection = await transport.connect(URL, heard.on_frame, heard.on_close)
    for topic in topics:
        connection.send(topic.encode())
    await exchange.settled()
    return connection, heard


def test_it_is_a_transport_whose_connections_can_be_probed() -> None:
    async def test(clock: ManualClock) -> None:
        async with exchange_on(clock) as exchange:
            transport = exchange.transport()
            connection, _ = await joined(exchange, transport)
            assert isinstance(transport, Transport)
            assert isinstance(connection, Connection)
            assert isinstance(connection, Probing)
            assert await connection.ping()

    run(test)


def test_the_book_follows_the_answer_and_every_change_follows_the_book() -> None:
    async def test(clock: ManualClock) -> None:
        async with exchange_on(clock) as exchange:
            _, heard = await joined(exchange, exchange.transport(), f"book:{SOL}")
            start = exchange.market.pit(SOL).sequence
            await exchange.step(200)
            end = exchange.market.pit(SOL).sequence
            assert end >= start + 200
            assert heard.messages == [
                {"joined": True},
                {"previous": None, "sequence": start},
                *({"previous": n - 1, "sequence": n} for n in range(start + 1, end + 1)),
            ]

    run(test)


def test_a_client_is_never_called_from_within_its_own_send() -> None:
    async def test(clock: ManualClock) -> None:
        async with exchange_on(clock) as exchange:
            heard = Heard(clock)
            connection = await exchange.transport().connect(URL, heard.on_frame, heard.on_close)
            connection.send(f"trades:{SOL}".encode())
            assert heard.frames == []
            await exchange.settled()
            assert heard.messages == [{"joined": True}]

    run(test)


def test_the_same_seed_and_faults_give_the_same_frames() -> None:
    async def test(clock: ManualClock) -> None:
        found = []
        for _ in range(2):
            faults = Faults(seed=8)
            async with exchange_on(ManualClock(), faults=faults) as exchange:
                _, heard = await joined(exchange, exchange.transport(), f"book:{SOL}", f"trades:{SOL}")
                for kind in (FaultKind.GARBAGE, FaultKind.REORDER, FaultKind.DROP, FaultKind.DUPLICATE):
                    faults.inject(Fault(kind, count=7))
                await exchange.step(500)
                found.append([frame.payload for frame in heard.frames])
        assert found[0] == found[1]

    run(test)


def test_everything_takes_its_time_where_the_way_is_long() -> None:
    async def test(clock: ManualClock) -> None:
        async with exchange_on(clock, latency=0.5) as exchange:
            transport, heard = exchange.transport(), Heard(clock)
            dialling = asyncio.create_task(transport.connect(URL, heard.on_frame, heard.on_close))
            await clock.advance(1)
            connection = await dialling
            assert exchange.dials == [0.0]
            connection.send(f"trades:{SOL}".encode())
            await clock.advance(0.4)
            await exchange.step(50)  # not joined yet
            await clock.advance(0.6)
            assert (heard.messages, heard.times) == ([{"joined": True}], [2.0])
            fetching = asyncio.create_task(transport.fetch(Request("GET", "/book", {"symbol": SOL})))
            await clock.advance(0.9)
            assert not fetching.done()
            await clock.advance(0.1)
            assert (await fetching).ts_recv == clock.now()

    run(test)


def test_a_half_open_socket_ends_once_pings_of_silence_are_not_answered() -> None:
    async def test(clock: ManualClock) -> None:
        faults = Faults()
        async with exchange_on(clock, faults=faults) as exchange:
            transport = exchange.transport(ping_every=20, pong_within=5)
            _, heard = await joined(exchange, transport, f"trades:{SOL}")
            await clock.advance(100)
            assert heard.endings == []  # quiet, and alive
            faults.inject(Fault(FaultKind.HALF_OPEN))
            await clock.advance(24.9)
            assert heard.endings == []
            await clock.advance(0.1)
            assert heard.endings == [Ending(1006, "no answer to a ping within 5 s")]
            assert exchange.connections == ()

    run(test)


def test_a_ping_that_is_not_answered_in_time_is_no_proof() -> None:
    async def test(clock: ManualClock) -> None:
        faults = Faults()
        async with exchange_on(clock, faults=faults) as exchange:
            connection, _ = await joined(exchange, exchange.transport(pong_within=5))
            faults.inject(Fault(FaultKind.HALF_OPEN))
            assert isinstance(connection, Probing)
            proof = asyncio.create_task(connection.ping())
            await clock.advance(4.9)
            assert not proof.done()
            await clock.advance(0.1)
            assert not await proof

    run(test)


def test_a_pong_comes_behind_all_that_was_sent_before_it() -> None:
    async def test(clock: ManualClock) -> None:
        async with exchange_on(clock, latency=0.5) as exchange:
            connection, heard = await dialled(exchange)
            connection.send(f"book:{SOL}".encode())
            assert isinstance(connection, Probing)
            proof = asyncio.create_task(connection.ping())
            await clock.advance(1)
            assert await proof
            assert [message.get("joined") for message in heard.messages] == [True, None]

    async def dialled(exchange: MemoryExchange) -> tuple[Connection, Heard]:
        heard = Heard(exchange.clock)
        dialling = asyncio.create_task(exchange.transport().connect(URL, heard.on_frame, heard.on_close))
        await exchange.clock.advance(1)
        return await dialling, heard

    run(test)


def test_a_paused_connection_loses_nothing_and_is_not_taken_for_dead() -> None:
    async def test(clock: ManualClock) -> None:
        async with exchange_on(clock) as exchange:
            connection, heard = await joined(exchange, exchange.transport(), f"trades:{SOL}")
            heard.frames.clear()
            connection.pause()
            before = exchange.market.pit(SOL).number
            await exchange.step(300)
            await clock.advance(600)
            assert (heard.frames, heard.endings) == ([], [])
            connection.resume()
            await exchange.settled()
            assert [m["n"] for m in heard.messages] == list(range(before + 1, exchange.market.pit(SOL).number + 1))

    run(test)


def test_a_callback_that_raises_ends_its_connection() -> None:
    async def test(clock: ManualClock) -> None:
        def refuse(frame: Frame) -> None:
            raise failure

        failure = ZeroDivisionError("over")
        async with exchange_on(clock) as exchange:
            heard = Heard(clock)
            connection = await exchange.transport().connect(URL, refuse, heard.on_close)
            connection.send(f"trades:{SOL}".encode())
            await exchange.settled()
            assert heard.endings == [Ending(1006, "ZeroDivisionError: over", failure)]

    run(test)


def test_closing_is_an_ending_told_once_and_nothing_comes_after() -> None:
    async def test(clock: ManualClock) -> None:
        async with exchange_on(clock) as exchange:
            transport = exchange.transport()
            connection, heard = await joined(exchange, transport, f"trades:{SOL}")
            await connection.close()
            await connection.close()
            await transport.close()
            connection.send(f"book:{SOL}".encode())
            await exchange.step(50)
            assert heard.endings == [Ending(1000, "closed by us")]
            assert isinstance(connection, Probing)
            assert not await connection.ping()

    run(test)


def test_a_frame_that_the_dress_cannot_read_costs_the_connection() -> None:
    async def test(clock: ManualClock) -> None:
        failures: list[object] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: failures.append(context["exception"]))
        async with exchange_on(clock) as exchange:
            connection, heard = await joined(exchange, exchange.transport())
            connection.send(b"nothing:SOL/USD")
            await clock.advance(0)
            assert heard.endings == [Ending(1006, "lost without a close frame")]
            assert exchange.connections == ()
        assert [type(failure) for failure in failures] == [KeyError]

    run(test)


@pytest.mark.parametrize(
    ("abrupt", "ending"),
    [(False, Ending(1001, "going down")), (True, Ending(1006, "lost without a close frame"))],
)
def test_a_stopped_exchange_drops_everybody_refuses_all_and_comes_back(abrupt: bool, ending: Ending) -> None:
    async def test(clock: ManualClock) -> None:
        async with exchange_on(clock) as exchange:
            transport = exchange.transport()
            _, heard = await joined(exchange, transport)
            exchange.stop(abrupt=abrupt)
            await exchange.settled()
            assert heard.endings == [ending]
            with pytest.raises(ConnectionLostError, match="connection refused"):
                await joined(exchange, transport)
            with pytest.raises(ConnectionLostError, match="connection refused"):
                await transport.fetch(Request("GET", "/book", {"symbol": SOL}))
            exchange.start()
            await joined(exchange, transport)
            assert (len(exchange.dials), len(exchange.connections), exchange.requests) == (3, 1, [])

    run(test)


def test_what_was_asked_over_http_is_kept_and_the_exchange_sees_texts() -> None:
    async def test(clock: ManualClock) -> None:
        async with exchange_on(clock) as exchange:
            asked = Request("GET", "/echo", {"limit": 5}, base_url="https://simulated.example/prefix/")
            answer = await exchange.transport().fetch(asked)
            assert json.loads(answer.body) == {"params": {"limit": "5"}}
            assert answer.headers["date"] == "Tue, 14 Nov 2023 22:13:20 GMT"
            assert exchange.requests == [asked]

    run(test)


def test_a_refused_request_is_the_error_that_its_status_means() -> None:
    async def test(clock: ManualClock) -> None:
        async with exchange_on(clock) as exchange:
            with pytest.raises(RequestRejectedError, match="GET /bad: 400 bad request"):
                await exchange.transport().fetch(Request("GET", "/bad"))
            with pytest.raises(RequestRejectedError, match="404"):
                await exchange.transport().fetch(Request("GET", "/book", {"symbol": "DOGE/USD"}))

    run(test)


def test_an_answer_that_is_too_slow_is_given_up_after_the_time_out() -> None:
    async def test(clock: ManualClock) -> None:
        faults = Faults()
        async with exchange_on(clock, faults=faults) as exchange:
            faults.inject(Fault(FaultKind.SLOW_ANSWER, seconds=60))
            fetching = asyncio.create_task(
                exchange.transport(timeout=10).fetch(Request("GET", "/book", {"symbol": SOL}))
            )
            await clock.advance(10)
            with pytest.raises(ConnectionLostError, match="no answer within the time-out"):
                await fetching

    run(test)


def test_merged_changes_come_when_their_interval_is_over() -> None:
    async def test(clock: ManualClock) -> None:
        async with exchange_on(clock) as exchange:
            _, heard = await joined(exchange, exchange.transport(), f"slow:{SOL}")
            heard.frames.clear()
            start = exchange.market.pit(SOL).sequence
            await exchange.step(20)
            await clock.advance(0.48)
            assert heard.frames == []
            await clock.advance(0.04)
            assert heard.messages == [{"previous": start, "sequence": exchange.market.pit(SOL).sequence}]

    run(test)


def test_a_gap_in_merged_changes_can_be_seen() -> None:
    async def test(clock: ManualClock) -> None:
        faults = Faults()
        async with exchange_on(clock, faults=faults) as exchange:
            _, heard = await joined(exchange, exchange.transport(), f"slow:{SOL}")
            heard.frames.clear()
            await exchange.step(20)
            faults.inject(Fault(FaultKind.SEQUENCE_GAP))
            before = exchange.market.pit(SOL).sequence
            await exchange.step(20)
            await clock.advance(0.6)
            assert heard.messages == [{"previous": before + 1, "sequence": exchange.market.pit(SOL).sequence}]

    run(test)


def test_a_market_of_another_clock_is_refused() -> None:
    dress = Dressed()
    with pytest.raises(ConfigError, match="the market lives by another clock"):
        MemoryExchange(dress, SeededMarket.of(dress), clock=ManualClock())
