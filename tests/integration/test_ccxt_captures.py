"""Recorded frames of Binance and Binance US, sent over loopback to the real ccxt class and read directly beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import WSMsgType, web

from tickwire import BookDelta, BookSnapshot, Event, Feed, Gap, Registry, Resynced, Side, Trade

CAPTURES = Path(__file__).parents[3] / "shared" / "captures"
NAMES = {"binance": "binance/BINANCE", "binanceus": "binanceus/BINANCE_US"}
CHANNELS = ("trades", "l2_book")

pytestmark = [
    pytest.mark.skipif(
        not (CAPTURES / "binance").is_dir(),
        reason="shared/captures does not stand beside the repository: the recorded frames are absent",
    ),
    pytest.mark.parametrize("exchange", NAMES),
]


class Capture:
    """What was recorded of an exchange.

    Attributes:
        listing: The answer to ``exchangeInfo``.
        books: The answers to ``depth``, by native symbol.
        frames: The frames, as they were received.
    """

    def __init__(self, exchange: str) -> None:
        name = CAPTURES / NAMES[exchange]
        ((_, self.listing),) = self._http(Path(f"{name}.0"))
        self.books = {url.partition("symbol=")[2].partition("&")[0]: body for url, body in self._http(
            Path(f"{name}.http.0.0"))}  # fmt: skip
        lines = Path(f"{name}.ws.1.0").read_bytes().splitlines()
        self.frames = [line.partition(b": ")[2] for line in lines if line and b" <-> " not in line]

    @staticmethod
    def _http(path: Path) -> Iterator[tuple[str, bytes]]:
        for line in path.read_bytes().splitlines():
            url, arrow, rest = line.partition(b" -> ")
            if arrow:
                yield url.decode(), rest.partition(b": ")[2]

    @property
    def symbols(self) -> Mapping[str, str]:
        """Give our symbols of what has a book, by native symbol."""
        rows = msgspec.json.decode(self.listing)["symbols"]
        ours = {row["symbol"]: f"{row['baseAsset']}-{row['quoteAsset']}" for row in rows}
        return {native: ours[native] for native in self.books}

    def payloads(self, kind: str, native: str) -> list[Mapping[str, Any]]:
        """Give what the frames of a stream say."""
        said = [msgspec.json.decode(frame) for frame in self.frames]
        return [one["data"] for one in said if one["stream"] == f"{native.lower()}@{kind}"]


class Replay:
    """The exchange, as far as it was recorded: it waits until all streams are subscribed to, and sends the frames."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._asked: set[str] = set()
        self._wanted = {f"{native.lower()}@{kind}" for native in capture.books for kind in ("depth@100ms", "aggTrade")}
        self._fetched: dict[str, asyncio.Event] = {native: asyncio.Event() for native in capture.books}
        self._is_sent = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """Serve it; gives host and port."""
        runner = web.ServerRunner(web.Server(self._answer, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._converse(request)
        if request.path.endswith("/exchangeInfo"):
            return _json(self._capture.listing)
        native = request.query.get("symbol", "")
        if request.path.endswith("/depth") and native in self._capture.books:
            self._fetched[native].set()
            return _json(self._capture.books[native])
        return web.Response(status=404)

    async def _converse(self, request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                asked = msgspec.json.decode(message.data)
                self._asked |= set(asked["params"])
                await socket.send_bytes(msgspec.json.encode({"result": None, "id": asked["id"]}))
                if self._asked >= self._wanted and not self._is_sent:
                    self._is_sent = True
                    await self._send(socket)
        return socket

    async def _send(self, socket: web.WebSocketResponse) -> None:
        # a book was fetched before the frames that follow it came: each is kept back until it was
        for frame in self._capture.frames:
            stream, _, _ = msgspec.json.decode(frame)["stream"].partition("@")
            await socket.send_str(frame.decode())
            if b"@depth" in frame:
                async with asyncio.timeout(60):
                    await self._fetched[stream.upper()].wait()
                await asyncio.sleep(0)


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


class DirectBook:
    """The documents' rules of a local book, on the texts of the wire: the book after each event, by its last update."""

    def __init__(self, snapshot: bytes, payloads: list[Mapping[str, Any]]) -> None:
        answer = msgspec.json.decode(snapshot)
        self.last: int = answer["lastUpdateId"]
        self.sides = [{Decimal(p): Decimal(s) for p, s in answer[side]} for side in ("bids", "asks")]
        self.states = {self.last: self.levels()}
        for data in payloads:
            if data["u"] > self.last:
                assert data["U"] <= self.last + 1
                self.last = data["u"]
                for side, key in zip(self.sides, "ba", strict=True):
                    side.update((Decimal(price), Decimal(size)) for price, size in data[key])
                self.states[self.last] = self.levels()

    def levels(self) -> tuple[Any, ...]:
        bids, asks = ({price: size for price, size in side.items() if size} for side in self.sides)
        return _floats(sorted(bids.items(), reverse=True)), _floats(sorted(asks.items()))


def _floats(levels: list[tuple[Decimal, Decimal]]) -> list[tuple[float, float]]:
    return [(float(price), float(size)) for price, size in levels]


def test_through_ccxt_recorded_frames_give_the_trades_and_books_of_a_direct_reading(
    exchange: str, tmp_path: Path
) -> None:
    capture = Capture(exchange)
    direct = {
        ours: DirectBook(capture.books[native], capture.payloads("depth@100ms", native))
        for native, ours in capture.symbols.items()
    }
    trades: list[Trade[float]] = []
    states: dict[str, dict[int, Any]] = {symbol: {} for symbol in direct}
    troubles: list[Event] = []

    async def main() -> None:
        async with Replay(capture).open() as place:
            feed: Feed[Any] = Feed(
                exchange, list(direct), CHANNELS, plugin="ccxt_generic", rest=f"http://{place}",
                websocket=f"ws://{place}", options={"state": str(tmp_path)}, buffer=0, registry=Registry.discover(),
            )  # fmt: skip

            def take(event: Event) -> None:
                if isinstance(event, Trade):
                    trades.append(event)
                elif isinstance(event, BookSnapshot | BookDelta):
                    book = feed.books[event.symbol]
                    if book.sequence is not None:
                        states[event.symbol][book.sequence] = (
                            [tuple(level) for level in book.bids()], [tuple(level) for level in book.asks()]
                        )  # fmt: skip
                elif isinstance(event, Gap | Resynced):
                    troubles.append(event)

            feed.on(Event, take)
            async with feed, asyncio.timeout(90):
                while any(direct[symbol].last not in states[symbol] for symbol in direct):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)

    asyncio.run(main())
    assert troubles == []
    compared = 0
    for native, symbol in capture.symbols.items():
        fills = [
            (d["a"], str(d["a"]), float(d["p"]), float(d["q"]), Side.SELL if d["m"] else Side.BUY, d["T"] * 10**6,
             d["l"] - d["f"] + 1)
            for d in capture.payloads("aggTrade", native)
        ]  # fmt: skip
        assert [
            (t.sequence, t.trade_id, t.price, t.size, t.taker_side, t.ts_event, t.matches)
            for t in trades
            if t.symbol == symbol
        ] == fills
        true = direct[symbol].states
        assert states[symbol] == {number: true[number] for number in states[symbol]}
        compared += len(states[symbol])
    assert compared > 100
    assert trades
