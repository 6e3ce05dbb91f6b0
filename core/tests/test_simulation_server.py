"""The simulated exchange over real connections: nothing lost on the way, whatever the client does."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import trustme

from tickwire import Channel, ManualClock
from tickwire.plugin import Request
from tickwire.simulation import (
    MemoryTruth,
    SeededMarket,
    SimBook,
    SimClient,
    SimMarket,
    SimReply,
    SimServer,
    SimTrade,
)
from tickwire.simulation.pace import run_market

CHANNELS = {"trades": Channel.TRADES, "book": Channel.L2_BOOK, "slow": Channel.L2_BOOK, "top": Channel.L1_BOOK}
SOL = "SOL/USD"


class Dressed:
    """Every ability, in the plainest words; ``snapshot_on_join`` is left to its default."""

    def rest(self, request: Request, market: SimMarket) -> object:
        match request.path:
            case "/text":
                return "pong"
            case "/teapot":
                return SimReply(418, "I am\n")
            case "/html":
                return SimReply(200, b"<p>", "text/html")
            case "/echo":
                body = (request.body or b"").decode()
                return {"method": request.method, "params": dict(request.params), "body": body}
        book = market.book(str(request.params["symbol"]), 1_000)
        return {"sequence": book.sequence, "bids": book.bids, "asks": book.asks}

    def received(self, payload: bytes, client: SimClient) -> None:
        said = json.loads(payload)
        name, _, native = said["topic"].partition(":")
        if said["op"] == "leave":
            client.leave(said["topic"])
            client.send({"left": said["topic"]})
        else:
            joined = client.join(said["topic"], CHANNELS[name], native, 0.2 if name == "slow" else 0)
            client.send({"joined": joined})

    def trade(self, trade: SimTrade) -> object:
        return {"n": trade.number, "price": trade.price, "size": trade.size}

    def book(self, change: SimBook, whole: SimBook) -> object:
        return {
            "previous": change.previous,
            "sequence": change.sequence,
            "bids": change.bids,
            "asks": change.asks,
            "best": [whole.bids[0][0], whole.asks[0][0]],
        }

    def quote(self, whole: SimBook) -> object:
        return {"quote": whole.sequence, "bid": whole.bids[0], "ask": whole.asks[0]}


class Quiet(Dressed):
    snapshot_on_join = False


class Caller:
    """A WebSocket client that reads JSON."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, op: str, topic: str) -> Any:
        await self.socket.send_json({"op": op, "topic": topic})
        return await self.read()

    async def read(self) -> Any:
        return await self.socket.receive_json()

    async def until(self, sequence: int) -> list[Any]:
        """Read changes up to a sequence."""
        found = [await self.read()]
        while found[-1]["sequence"] < sequence:
            found.append(await self.read())
        return found


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await test()

    asyncio.run(bounded())


@asynccontextmanager
async def calling(server: SimServer) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession() as session, session.ws_connect(server.ws_url) as socket:
        yield Caller(socket)


def market(truth: MemoryTruth | None = None, seed: int = 1) -> SeededMarket:
    return SeededMarket.of(Dressed(), [SOL], seed=seed, truth=truth)


def replay(book: Any, changes: list[Any]) -> tuple[dict[str, str], dict[str, str]]:
    sides: tuple[dict[str, str], dict[str, str]] = dict(book["bids"]), dict(book["asks"])
    for change in changes:
        for side, levels in zip(sides, (change["bids"], change["asks"]), strict=True):
            for price, size in levels:
                side[price] = size
                if not float(size):
                    del side[price]
    return sides


def test_the_book_follows_the_answer_and_every_change_follows_the_book() -> None:
    async def test() -> None:
        truth = MemoryTruth()
        async with SimServer(Dressed(), market(truth)) as server, calling(server) as caller:
            await server.step(500)
            assert await caller.say("join", f"book:{SOL}") == {"joined": True}
            whole = await caller.read()
            at = server.market.pit(SOL).sequence
            assert (whole["previous"], whole["sequence"]) == (None, at)
            await server.step(3_000)
            changes = await caller.until(server.market.pit(SOL).sequence)
            assert [(c["previous"], c["sequence"]) for c in changes] == [
                (n, n + 1) for n in range(at, at + len(changes))
            ]
            final = truth.book(SOL, changes[-1]["sequence"])
            assert replay(whole, changes) == (dict(final.bids), dict(final.asks))

    run(test)


def test_a_rest_book_and_the_changes_after_it_give_the_true_book() -> None:
    async def test() -> None:
        truth = MemoryTruth()
        server = SimServer(Quiet(), market(truth), rate=4_000)
        async with server, calling(server) as caller, aiohttp.ClientSession() as session:
            assert await caller.say("join", f"book:{SOL}") == {"joined": True}
            buffered = [await caller.read() for _ in range(20)]
            async with session.get(f"{server.rest_url}/depth", params={"symbol": SOL}) as answer:
                book = await answer.json()
            changes = buffered + await caller.until(book["sequence"] + 500)
            assert buffered[0]["sequence"] <= book["sequence"] + 1
            sequences = [change["sequence"] for change in changes]
            assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
            final = truth.book(SOL, sequences[-1])
            kept = [change for change in changes if change["sequence"] > book["sequence"]]
            assert replay(book, kept) == (dict(final.bids), dict(final.asks))

    run(test)


def test_every_trade_comes_once_and_in_order() -> None:
    async def test() -> None:
        truth = MemoryTruth()
        async with SimServer(Dressed(), market(truth)) as server, calling(server) as caller:
            assert await caller.say("join", f"trades:{SOL}") == {"joined": True}
            await server.step(2_000)
            expected = [{"n": t.number, "price": t.price, "size": t.size} for t in truth.trades(SOL)]
            assert [await caller.read() for _ in expected] == expected

    run(test)


def test_whole_is_the_book_right_after_each_change() -> None:
    async def test() -> None:
        truth = MemoryTruth()
        async with SimServer(Quiet(), market(truth)) as server, calling(server) as caller:
            await caller.say("join", f"book:{SOL}")
            await server.step(300)
            for change in await caller.until(server.market.pit(SOL).sequence):
                book = truth.book(SOL, change["sequence"])
                assert change["best"] == [book.bids[0][0], book.asks[0][0]]

    run(test)


def test_a_quote_comes_whenever_the_top_changed_and_only_then() -> None:
    async def test() -> None:
        truth = MemoryTruth()
        async with SimServer(Quiet(), market(truth)) as server, calling(server) as caller:
            assert await caller.say("join", f"top:{SOL}") == {"joined": True}
            first = server.market.pit(SOL).sequence
            await server.step(400)
            last, expected = server.market.pit(SOL).sequence, []
            before = truth.book(SOL, first)
            for sequence in range(first + 1, last + 1):
                book = truth.book(SOL, sequence)
                if (book.bids[0], book.asks[0]) != (before.bids[0], before.asks[0]):
                    expected.append({"quote": sequence, "bid": list(book.bids[0]), "ask": list(book.asks[0])})
                before = book
            assert [await caller.read() for _ in expected] == expected

    run(test)


def test_an_interval_merges_changes_and_the_later_size_wins() -> None:
    async def test() -> None:
        clock, truth = ManualClock(), MemoryTruth()
        trading = SeededMarket.of(Dressed(), [SOL], clock=clock, truth=truth)
        async with SimServer(Quiet(), trading) as server, calling(server) as caller:
            await caller.say("join", f"slow:{SOL}")
            first = trading.pit(SOL).sequence
            for _ in range(2):
                await server.step(200)
                await clock.advance(0.25)
                merged, last = await caller.read(), trading.pit(SOL).sequence
                assert (merged["previous"], merged["sequence"]) == (first, last)
                changes = [c for c in truth.changes(SOL, first) if c.sequence <= last]
                assert dict(merged["bids"]) == {price: size for c in changes for price, size in c.bids}
                assert dict(merged["asks"]) == {price: size for c in changes for price, size in c.asks}
                first = last

    run(test)


def test_joining_twice_sends_nothing_twice_and_leaving_ends_it() -> None:
    async def test() -> None:
        async with SimServer(Quiet(), market()) as server, calling(server) as caller:
            topic = f"book:{SOL}"
            assert [await caller.say("join", topic) for _ in range(2)] == [{"joined": True}] * 2
            await server.step(10)
            last = server.market.pit(SOL).sequence
            sequences = [change["sequence"] for change in await caller.until(last)]
            assert sequences == sorted(set(sequences))
            await caller.say("leave", topic)
            await server.step(10)
            assert await caller.say("leave", "book:never joined") == {"left": "book:never joined"}

    run(test)


def test_an_unknown_instrument_cannot_be_joined_and_is_404_over_rest() -> None:
    async def test() -> None:
        server = SimServer(Dressed(), market())
        async with server, calling(server) as caller, aiohttp.ClientSession() as session:
            assert await caller.say("join", "book:DOGE/USD") == {"joined": False}
            async with session.get(f"{server.rest_url}/depth", params={"symbol": "DOGE/USD"}) as answer:
                assert (answer.status, await answer.json()) == (
                    404,
                    {"message": "the simulated exchange trades no 'DOGE/USD'"},
                )

    run(test)


@pytest.mark.parametrize(
    ("path", "status", "kind", "body"),
    [
        ("/text", 200, "text/plain", "pong"),
        ("/teapot", 418, "text/plain", "I am\n"),
        ("/html", 200, "text/html", "<p>"),
        ("/echo?a=1&b=x", 200, "application/json", '{"method":"POST","params":{"a":"1","b":"x"},"body":"hi"}'),
    ],
)
def test_rest_answers_what_the_dress_says(path: str, status: int, kind: str, body: str) -> None:
    async def test() -> None:
        async with (
            SimServer(Dressed(), market()) as server,
            aiohttp.ClientSession(server.rest_url) as session,
            session.post(path, data=b"hi") as answer,
        ):
            assert (answer.status, answer.content_type, await answer.text()) == (status, kind, body)

    run(test)


@pytest.mark.parametrize(("abrupt", "code"), [(False, 1001), (True, 1006)])
def test_the_server_stops_and_starts_ten_times_on_its_port_while_the_market_carries_on(abrupt: bool, code: int) -> None:
    async def test() -> None:
        async with SimServer(Quiet(), market()) as server:
            port, last = server.port, 0
            for _ in range(10):
                async with calling(server) as caller:
                    await caller.say("join", f"book:{SOL}")
                    await server.step(5)
                    change = await caller.read()
                    assert change["previous"] > last
                    last = server.market.pit(SOL).sequence
                    await caller.until(last)
                    stopping = asyncio.create_task(server.stop(abrupt=abrupt))
                    await caller.socket.receive()
                    await stopping
                    assert caller.socket.close_code == code
                await server.step(5)
                await server.start()
                assert server.port == port

    run(test)


def test_a_stopped_server_refuses_connections_and_stopping_twice_is_harmless() -> None:
    async def test() -> None:
        async with SimServer(Dressed(), market()) as server, aiohttp.ClientSession() as session:
            await server.stop()
            await server.stop()
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(server.rest_url)

    run(test)


class Wordy(Quiet):
    """Frames so large that no kernel buffer swallows thousands of them."""

    def book(self, change: SimBook, whole: SimBook) -> object:
        return {"sequence": change.sequence, "words": "x" * 8_000}


def test_a_client_that_does_not_read_holds_the_market_and_loses_nothing() -> None:
    async def test() -> None:
        async with SimServer(Wordy(), market()) as server, calling(server) as caller:
            await caller.say("join", f"book:{SOL}")
            first = server.market.pit(SOL).sequence
            moving = asyncio.create_task(server.step(6_000))
            before = -1
            while before != server.market.changes:
                before = server.market.changes
                for _ in range(1_000):
                    await asyncio.sleep(0)
            assert not moving.done()
            changes = await caller.until(first + 6_000)
            assert [change["sequence"] for change in changes] == list(range(first + 1, first + 6_001))
            await moving

    run(test)


def test_a_client_that_never_reads_is_cut_after_the_patience() -> None:
    async def test() -> None:
        async with SimServer(Wordy(), market(), patience=0.2) as server, calling(server) as caller:
            await caller.say("join", f"book:{SOL}")
            await server.step(6_000)
            received = 0
            while (await caller.socket.receive()).type is aiohttp.WSMsgType.TEXT:
                received += 1
            assert received < 6_000
            assert caller.socket.close_code == 1006

    run(test)


def test_the_market_stands_still_after_its_limit() -> None:
    async def test() -> None:
        async with SimServer(Quiet(), market(), rate=0, limit=700) as server, calling(server) as caller:
            assert server.market.changes == 0
            first = server.market.pit(SOL).sequence
            await caller.say("join", f"book:{SOL}")
            await server.finished()
            assert 700 <= server.market.changes < 710
            assert len(await caller.until(first + server.market.changes)) == server.market.changes

    run(test)


def test_the_market_moves_at_its_rate() -> None:
    async def test() -> None:
        clock = ManualClock()
        trading = SeededMarket.of(Dressed(), clock=clock)

        async def room() -> None: ...

        moving = asyncio.create_task(run_market(trading, 100, None, room, lambda: False))
        for second in range(1, 6):
            for _ in range(10):
                await clock.advance(0.1)
            assert abs(trading.changes - 100 * second) <= 20
        moving.cancel()

    run(test)


def test_the_server_pings() -> None:
    async def test() -> None:
        async with (
            SimServer(Quiet(), market(), ping=0.05) as server,
            aiohttp.ClientSession() as session,
            session.ws_connect(server.ws_url, autoping=False) as socket,
        ):
            assert (await socket.receive()).type is aiohttp.WSMsgType.PING

    run(test)


def test_it_speaks_tls() -> None:
    async def test() -> None:
        authority = trustme.CA()
        served, trusting = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
        authority.issue_cert("127.0.0.1").configure_cert(served)
        authority.configure_trust(trusting)
        async with SimServer(Dressed(), market(), tls=served) as server, aiohttp.ClientSession() as session:
            assert server.rest_url == f"https://127.0.0.1:{server.port}"
            async with session.get(f"{server.rest_url}/text", ssl=trusting) as answer:
                assert await answer.text() == "pong"
            async with session.ws_connect(server.ws_url, ssl=trusting) as socket:
                assert await Caller(socket).say("join", f"trades:{SOL}") == {"joined": True}

    run(test)


def test_what_stops_the_market_is_raised_when_the_server_closes() -> None:
    class Broken(Quiet):
        def trade(self, trade: SimTrade) -> object:
            raise ArithmeticError("no trades today")

    async def test() -> None:
        async with SimServer(Broken(), market(), rate=0) as server, calling(server) as caller:
            await caller.say("join", f"trades:{SOL}")
            with pytest.raises(ArithmeticError, match="no trades today"):
                await server.finished()

    with pytest.raises(ArithmeticError, match="no trades today"):
        run(test)
