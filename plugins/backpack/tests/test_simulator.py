"""The simulated Backpack answers like the real one: the reference's recorded payloads, texts and silences."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from nacl.signing import SigningKey

from tickwire import Clock, ManualClock, SystemClock
from tickwire.simulation import MemoryTruth, SeededMarket, SimServer
from tickwire_backpack.simulator import BackpackSimulator

SAMPLES = Path(__file__).parents[4] / "shared" / "reference" / "backpack-samples.json"
SEED = bytes(range(32))
KEY = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
# The reference's test vector: instruction=subscribe&timestamp=1614550000000&window=5000, signed with SEED.
SIGNATURE = "Uf+mBpqN/y/EzT77rzrj7ga4mdvZmzq4XW+Lh+9B0K0wLMFJrInMKcACIpSpVaPNzrFEpPhINxEP2rNI3E92CA=="
SIGNED_AT = 1_614_550_000_000
INVALID_SIGNATURE = {"id": None, "error": {"code": 4003, "message": "Invalid signature"}}


class Exchange:
    """A server, its truth, and one client of each kind."""

    def __init__(self, server: SimServer, truth: MemoryTruth, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.truth = truth
        self.session = session

    async def get(self, path: str) -> tuple[int, str, str]:
        async with self.session.get(f"{self.server.rest_url}{path}") as answer:
            return answer.status, answer.content_type, await answer.text()

    async def rows(self, path: str) -> Any:
        status, kind, body = await self.get(path)
        assert (status, kind) == (200, "application/json")
        return json.loads(body)

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        async with self.session.ws_connect(self.server.ws_url) as socket:
            yield socket


class HurriedClock(SystemClock):
    """A clock that runs so many times faster than the world's."""

    def __init__(self, speed: int) -> None:
        self._speed = speed
        self._began = time.monotonic_ns()

    def _elapsed(self) -> int:
        return (time.monotonic_ns() - self._began) * self._speed

    def now(self) -> int:
        return 1_788_367_380_000_000_000 + self._elapsed()

    def monotonic(self) -> float:
        return self._elapsed() / 1e9

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)


def run(
    test: Callable[[Exchange], Coroutine[Any, Any, None]],
    dress: BackpackSimulator | None = None,
    clock: Clock | None = None,
) -> None:
    async def bounded() -> None:
        dressed, truth = dress or BackpackSimulator(clock=clock), MemoryTruth()
        market = SeededMarket.of(dressed, seed=6, truth=truth, clock=clock)
        async with asyncio.timeout(60), SimServer(dressed, market) as server, aiohttp.ClientSession() as session:
            await test(Exchange(server, truth, session))

    asyncio.run(bounded())


async def subscribe(socket: aiohttp.ClientWebSocketResponse, *streams: str, **more: object) -> None:
    await socket.send_json({"method": "SUBSCRIBE", "params": streams, **more})


async def heard(socket: aiohttp.ClientWebSocketResponse) -> bytes:
    """What was answered before the answer to a frame that is no JSON."""
    await socket.send_str("{")
    said = b""
    while "4002" not in (text := await socket.receive_str()):
        said += text.encode()
    return said


async def frames(socket: aiohttp.ClientWebSocketResponse, kind: str, until: int) -> list[Any]:
    """All frames of a kind, up to and including the depth frame numbered ``until``."""
    found: list[Any] = []
    while True:
        frame = await socket.receive_json()
        if frame["data"]["e"] == kind:
            found.append(frame)
        if frame["data"]["e"] == "depth" and frame["data"]["u"] >= until:
            return found


def keys(value: object) -> object:
    """The keys of a JSON value at every depth, in order."""
    if isinstance(value, dict):
        return {key: keys(inner) for key, inner in value.items()}
    return None


def samples() -> Any:
    if not SAMPLES.exists():
        pytest.skip("the reference folder beside the repository is not here: ../shared/reference/backpack-samples.json")
    return json.loads(SAMPLES.read_text())


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/api/v1/ping", (200, "text/plain", "pong")),
        ("/api/v1/status", (200, "application/json", '{"message":null,"status":"Ok"}')),
        ("/api/v1/nope", (404, "text/plain", "not found")),
        ("//api/v1/ping", (404, "text/plain", "not found")),
        (
            "/api/v1/depth?symbol=SOL_USDC&limit=7",
            (
                400,
                "text/plain",
                'failed to parse parameter `limit`: failed to parse "DepthLimit": Expect a valid enumeration value.',
            ),
        ),
        (
            "/api/v1/depth?symbol=NOPE_USDC",
            (400, "application/json", '{"code":"INVALID_CLIENT_REQUEST","message":"Invalid market symbol"}'),
        ),
        (
            "/api/v1/market?symbol=sol_usdc",
            (400, "application/json", '{"code":"INVALID_CLIENT_REQUEST","message":"Invalid market symbol"}'),
        ),
        (
            "/api/v1/markPrices?symbol=SOL_USDC",
            (400, "application/json", '{"code":"INVALID_CLIENT_REQUEST","message":"Symbol not found"}'),
        ),
        (
            "/api/v1/depth?symbol=JTO_USDC",
            (404, "application/json", '{"code":"RESOURCE_NOT_FOUND","message":"Not Found"}'),
        ),
    ],
)
def test_rest_answers_text_for_text(path: str, answer: tuple[int, str, str]) -> None:
    async def test(exchange: Exchange) -> None:
        assert await exchange.get(path) == answer

    run(test)


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/api/v1/trades?symbol=SOL_USDC&limit=x", "limit"),
        ("/api/v1/trades?symbol=SOL_USDC&limit=1001", "limit"),
        ("/api/v1/trades/history?symbol=SOL_USDC&offset=-1", "offset"),
        ("/api/v1/depth?limit=5", "symbol"),
        ("/api/v1/market", "symbol"),
        ("/api/v1/ticker?symbol=SOL_USDC&interval=1h", "interval"),
        ("/api/v1/klines?symbol=SOL_USDC&interval=2m&startTime=1", "interval"),
        ("/api/v1/klines?symbol=SOL_USDC&interval=1m", "startTime"),
        ("/api/v1/klines?symbol=SOL_USDC&interval=1m&startTime=1&priceType=Mark", "priceType"),
        ("/api/v1/markets?marketType=spot", "marketType"),
    ],
)
def test_a_bad_or_missing_parameter_is_refused_in_plain_text(path: str, parameter: str) -> None:
    async def test(exchange: Exchange) -> None:
        status, kind, body = await exchange.get(path)
        assert (status, kind) == (400, "text/plain")
        assert body.startswith(f"failed to parse parameter `{parameter}`: ")

    run(test)


def test_time_is_milliseconds_as_text() -> None:
    async def test(exchange: Exchange) -> None:
        assert await exchange.get("/api/v1/time") == (200, "text/plain", "1700000000000")

    run(test, BackpackSimulator(clock=ManualClock()))


def test_markets_are_spot_and_perpetual_unless_types_are_asked_for() -> None:
    async def test(exchange: Exchange) -> None:
        default = await exchange.rows("/api/v1/markets")
        assert {row["marketType"] for row in default} == {"SPOT", "PERP"}
        every = await exchange.rows("/api/v1/markets?marketType=SPOT&marketType=PERP&marketType=PREDICTION")
        assert [row["symbol"] for row in every] == [
            "SOL_USDC", "BTC_USDC", "ETH_USDC", "USDT_USDC", "MU.US_USDC", "JTO_USDC", "SOL_USDC_PERP", "BTC_USDC_PERP",
            "ETH_USDC_PERP", "kPEPE_USDC_PERP", "FDVEXTD1B_USDC_PREDICTION",
        ]  # fmt: skip
        assert [row["symbol"] for row in every if row["orderBookState"] == "Closed"] == ["JTO_USDC"]
        assert [row["symbol"] for row in every if row["rwaMarketType"] == "STOCK"] == ["MU.US_USDC"]
        perp = await exchange.rows("/api/v1/market?symbol=kPEPE_USDC_PERP")
        assert (perp["filters"]["price"]["tickSize"], perp["filters"]["quantity"]["stepSize"]) == ("0.000001", "100")

    run(test)


def test_market_objects_have_exactly_the_recorded_keys() -> None:
    known = samples()

    async def test(exchange: Exchange) -> None:
        for symbol, sample in (("SOL_USDC", "rest.market.spot"), ("SOL_USDC_PERP", "rest.market.perp")):
            row = await exchange.rows(f"/api/v1/market?symbol={symbol}")
            assert row == known[sample]
            assert list(row) == list(known[sample])

    run(test)


@pytest.mark.parametrize("kind", ["trade", "depth", "bookTicker"])
def test_frames_have_exactly_the_recorded_keys_in_their_order(kind: str) -> None:
    sample = samples()[f"ws.{kind}"]

    async def test(exchange: Exchange) -> None:
        async with exchange.socket() as socket:
            await subscribe(socket, f"{kind}.SOL_USDC")
            await heard(socket)
            await exchange.server.step(2_000)
            frame = await socket.receive_json()
            assert json.dumps(keys(frame)) == json.dumps(keys(sample))
            types = {key: type(value) for key, value in sample["data"].items()}
            assert {key: type(value) for key, value in frame["data"].items()} == types
            assert [len(str(frame["data"][time])) for time in "ET"] == [16, 16]

    run(test)


def test_rest_rows_have_exactly_the_recorded_keys() -> None:
    known = samples()

    async def test(exchange: Exchange) -> None:
        await exchange.server.step(2_000)
        depth = await exchange.rows("/api/v1/depth?symbol=SOL_USDC&limit=5")
        assert list(depth) == list(known["rest.depth"])
        assert {key: type(value) for key, value in depth.items()} == {
            key: type(value) for key, value in known["rest.depth"].items()
        }
        (trade,) = await exchange.rows("/api/v1/trades?symbol=SOL_USDC&limit=1")
        (sample, *_) = known["rest.trades"]
        assert list(trade) == list(sample)
        assert {key: type(value) for key, value in trade.items()} == {key: type(sample[key]) for key in sample}

    run(test)


@pytest.mark.parametrize(
    ("stream", "sample"),
    [
        ("ticker.SOL_USDC_PERP", "ws.ticker"),
        ("kline.1s.SOL_USDC_PERP", "ws.kline"),
        ("markPrice.SOL_USDC_PERP", "ws.markPrice"),
        ("markPrice.FDVEXTD1B_USDC_PREDICTION", "ws.markPrice.prediction"),
        ("openInterest.SOL_USDC_PERP", "ws.openInterest"),
        ("liquidation.SOL_USDC_PERP", "ws.liquidation"),
    ],
)
def test_frames_of_figures_have_exactly_the_keys_and_types_of_the_samples(stream: str, sample: str) -> None:
    expected = samples()[sample]["data"]

    async def test(exchange: Exchange) -> None:
        async with exchange.socket() as socket:
            await subscribe(socket, stream)
            await heard(socket)
            await exchange.server.step(20_000)
            frame = await socket.receive_json()
            while frame["data"].get("o", "") is None:  # a candle of a second without trades
                frame = await socket.receive_json()
            assert frame["stream"] == stream
            assert list(frame["data"]) == sorted(expected)
            assert {key: type(value) for key, value in frame["data"].items()} == {
                key: type(value) for key, value in expected.items()
            }
            assert len(str(frame["data"]["E"])) == 16
            if "f" in expected:
                assert len(str(frame["data"]["n"])) == 13

    run(test, clock=HurriedClock(200))


def test_a_bucket_without_trades_closes_with_nothing_but_nulls() -> None:
    sample = samples()["ws.kline.closed_empty"]["data"]

    async def test(exchange: Exchange) -> None:
        async with exchange.socket() as socket:
            await subscribe(socket, "kline.1m.SOL_USDC")
            data = (await socket.receive_json())["data"]
            assert {key: data[key] for key in "Xchlonv"} == {key: sample[key] for key in "Xchlonv"}
            assert [len(data[key]) for key in "tT"] == [len(sample[key]) for key in "tT"]

    run(test, clock=HurriedClock(200))


def test_rest_rows_of_figures_have_exactly_the_recorded_keys_and_types() -> None:
    known = samples()

    async def test(exchange: Exchange) -> None:
        clock = exchange.server.market.clock
        since = clock.now() // 1_000_000_000
        await exchange.server.step(20_000)
        await clock.sleep(130)
        candles = await exchange.rows(f"/api/v1/klines?symbol=SOL_USDC&interval=1m&startTime={since}")
        pairs = [
            (await exchange.rows("/api/v1/ticker?symbol=SOL_USDC"), known["rest.ticker"]),
            ((await exchange.rows("/api/v1/tickers"))[0], known["rest.tickers"][0]),
            ((await exchange.rows("/api/v1/fundingRates?symbol=SOL_USDC_PERP"))[0], known["rest.fundingRates"][0]),
            ((await exchange.rows("/api/v1/markPrices?symbol=SOL_USDC_PERP"))[0], known["rest.markPrices"][0]),
            ((await exchange.rows("/api/v1/openInterest?symbol=SOL_USDC_PERP"))[0], known["rest.openInterest"][0]),
        ]
        sample = known["rest.klines"]
        traded = next(row for row in candles if row["close"] is not None)
        empty = next(row for row in candles if row["close"] is None)
        for row, expected in [*pairs, (traded, sample[0]), (empty, sample[2])]:
            assert {key: type(value) for key, value in row.items()} == {
                key: type(value) for key, value in expected.items()
            }
            assert list(row) == list(expected)
        assert [len(traded[key]) for key in ("start", "end")] == [19, 19]
        assert {row["symbol"] for row in await exchange.rows("/api/v1/openInterest")} == {
            "SOL_USDC_PERP", "BTC_USDC_PERP", "ETH_USDC_PERP", "kPEPE_USDC_PERP", "FDVEXTD1B_USDC_PREDICTION",
        }  # fmt: skip
        (prediction,) = await exchange.rows("/api/v1/markPrices?marketType=PREDICTION")
        assert list(prediction) == ["markPrice", "symbol"]

    run(test, clock=HurriedClock(200))


def test_ticker_and_candles_over_rest_are_those_of_the_trades() -> None:
    async def test(exchange: Exchange) -> None:
        assert await exchange.get("/api/v1/ticker?symbol=SOL_USDC") == (204, "application/octet-stream", "")
        assert await exchange.rows("/api/v1/tickers") == []
        clock = exchange.server.market.clock
        began = clock.now() // 1_000_000_000
        for _ in range(4):
            await exchange.server.step(2_000)
            await clock.sleep(50)
        trades = list(exchange.truth.trades("SOL_USDC"))
        ticker = await exchange.rows("/api/v1/ticker?symbol=SOL_USDC")
        prices = [Decimal(trade.price) for trade in trades]
        assert [Decimal(ticker[key]) for key in ("firstPrice", "high", "low", "lastPrice")] == [
            prices[0], max(prices), min(prices), prices[-1],
        ]  # fmt: skip
        assert Decimal(ticker["priceChange"]) == prices[-1] - prices[0]
        assert (ticker["trades"], Decimal(ticker["volume"])) == (
            str(len(trades)),
            sum(Decimal(trade.size) for trade in trades),
        )
        rows = await exchange.rows(f"/api/v1/klines?symbol=SOL_USDC&interval=1m&startTime={began}")
        assert len(rows) >= 3
        for row in rows:
            start, end = (
                int(datetime.fromisoformat(row[key]).replace(tzinfo=UTC).timestamp() * 1e9) for key in ("start", "end")
            )
            within = [Decimal(trade.price) for trade in trades if start <= trade.ts < end]
            assert row["trades"] == str(len(within))
            if within:
                assert [Decimal(row[key]) for key in ("open", "high", "low", "close")] == [
                    within[0], max(within), min(within), within[-1],
                ]  # fmt: skip

    run(test, clock=HurriedClock(400))


@pytest.mark.parametrize(
    "stream",
    ["markPrice.SOL_USDC", "openInterest.SOL_USDC", "liquidation.FDVEXTD1B_USDC_PREDICTION", "ticker.NOPE_USDC"],
)
def test_a_market_without_such_figures_is_met_with_silence(stream: str) -> None:
    async def test(exchange: Exchange) -> None:
        async with exchange.socket() as socket:
            await subscribe(socket, stream)
            await exchange.server.step(5_000)
            await exchange.server.market.clock.sleep(70)
            assert await heard(socket) == b""

    run(test, clock=HurriedClock(400))


def test_where_liquidations_have_the_bare_name_one_stream_has_those_of_all_perpetuals() -> None:
    async def test(exchange: Exchange) -> None:
        async with exchange.socket() as socket:
            await subscribe(socket, "liquidation.SOL_USDC_PERP")
            assert (await socket.receive_json())["error"]["code"] == 4006
            await subscribe(socket, "liquidation")
            await heard(socket)
            await exchange.server.step(40_000)
            due = [
                (native, trade.price, trade.size, "Bid" if trade.buyer_is_taker else "Ask")
                for native in ("SOL_USDC_PERP", "BTC_USDC_PERP", "ETH_USDC_PERP", "kPEPE_USDC_PERP")
                for trade in exchange.truth.trades(native)
                if trade.is_liquidation
            ]
            got = [await socket.receive_json() for _ in due]
            assert {frame["stream"] for frame in got} == {"liquidation"}
            assert sorted(tuple(frame["data"][key] for key in "spqS") for frame in got) == sorted(due)
            await socket.send_json({"method": "UNSUBSCRIBE", "params": ["liquidation"]})
            await heard(socket)
            await exchange.server.step(20_000)
            assert await heard(socket) == b""

    run(test, BackpackSimulator(bare_liquidations=True))


def test_both_sides_of_depth_ascend_and_prices_are_unpadded() -> None:
    async def test(exchange: Exchange) -> None:
        await exchange.server.step(500)
        depth = await exchange.rows("/api/v1/depth?symbol=SOL_USDC&limit=1000")
        book = exchange.truth.book("SOL_USDC", int(depth["lastUpdateId"]))
        for side in ("bids", "asks"):
            prices = [Decimal(price) for price, _ in depth[side]]
            assert prices == sorted(prices)
            texts = [text for level in depth[side] for text in level]
            assert not [text for text in texts if "." in text and text.endswith(("0", "."))]
        assert Decimal(depth["bids"][-1][0]) == Decimal(book.bids[0][0])
        assert len(depth["bids"]) == len(book.bids)
        few = await exchange.rows("/api/v1/depth?symbol=SOL_USDC&limit=5")
        assert (few["bids"], few["asks"]) == (depth["bids"][-5:], depth["asks"][:5])

    run(test)


def test_rest_depth_and_the_frames_after_it_give_the_true_book() -> None:
    async def test(exchange: Exchange) -> None:
        async with exchange.socket() as socket:
            await subscribe(socket, "depth.SOL_USDC")
            await heard(socket)
            await exchange.server.step(400)
            depth = await exchange.rows("/api/v1/depth?symbol=SOL_USDC&limit=1000")
            await exchange.server.step(3_000)
            last = exchange.server.market.pit("SOL_USDC").sequence
            bids, asks = ({Decimal(p): Decimal(s) for p, s in depth[side]} for side in ("bids", "asks"))
            expected = None
            for frame in await frames(socket, "depth", last):
                data = frame["data"]
                assert data["U"] == data["u"] == (expected or data["u"])
                expected = data["u"] + 1
                if data["u"] <= int(depth["lastUpdateId"]):
                    continue
                for side, levels in ((bids, data["b"]), (asks, data["a"])):
                    for price, size in levels:
                        assert (len(price.partition(".")[2]), len(size.partition(".")[2])) == (2, 2)
                        side[Decimal(price)] = Decimal(size)
            final = exchange.truth.book("SOL_USDC", last)
            assert {p: s for p, s in bids.items() if s} == {Decimal(p): Decimal(s) for p, s in final.bids}
            assert {p: s for p, s in asks.items() if s} == {Decimal(p): Decimal(s) for p, s in final.asks}

    run(test)


def test_trades_on_the_socket_and_over_rest_are_the_same_trades() -> None:
    async def test(exchange: Exchange) -> None:
        async with exchange.socket() as socket:
            await subscribe(socket, "trade.SOL_USDC", "depth.SOL_USDC")
            await heard(socket)
            await exchange.server.step(4_000)
            made = list(exchange.truth.trades("SOL_USDC"))
            live = [f["data"] for f in await frames(socket, "trade", exchange.server.market.pit("SOL_USDC").sequence)]
            assert [(d["t"], d["p"], d["q"], d["m"], d["T"], d["b"], d["a"]) for d in live] == [
                (
                    t.number, t.price, t.size, not t.buyer_is_taker, t.ts // 1_000,
                    str(t.buyer_order), str(t.seller_order),
                )
                for t in made
            ]  # fmt: skip
            rest = await exchange.rows("/api/v1/trades?symbol=SOL_USDC&limit=1000")
            assert [(r["id"], r["isBuyerMaker"], Decimal(r["price"]), r["timestamp"]) for r in rest] == [
                (d["t"], d["m"], Decimal(d["p"]), d["T"] // 1_000) for d in reversed(live)
            ]
            assert [Decimal(r["quoteQuantity"]) for r in rest] == [
                Decimal(r["price"]) * Decimal(r["quantity"]) for r in rest
            ]
            older = await exchange.rows("/api/v1/trades/history?symbol=SOL_USDC&limit=3&offset=2")
            assert older == rest[2:5]

    run(test)


def test_a_book_ticker_carries_the_number_of_the_change_that_made_it() -> None:
    async def test(exchange: Exchange) -> None:
        async with exchange.socket() as socket:
            await subscribe(socket, "bookTicker.SOL_USDC", "depth.SOL_USDC")
            await heard(socket)
            await exchange.server.step(1_000)
            quotes = await frames(socket, "bookTicker", exchange.server.market.pit("SOL_USDC").sequence)
            assert len(quotes) > 5
            for data in (quote["data"] for quote in quotes):
                book = exchange.truth.book("SOL_USDC", data["u"])
                assert ((data["b"], data["B"]), (data["a"], data["A"])) == (book.bids[0], book.asks[0])

    run(test)


def test_a_depth_window_merges_and_names_its_stream() -> None:
    async def test(exchange: Exchange) -> None:
        async with exchange.socket() as socket:
            await subscribe(socket, "depth.200ms.SOL_USDC")
            await heard(socket)
            first = exchange.server.market.pit("SOL_USDC").sequence
            await exchange.server.step(1_000)
            last, bids = exchange.server.market.pit("SOL_USDC").sequence, dict[str, str]()
            seen = first
            while seen < last:  # one frame, or more where the steps took longer than a window
                frame = await socket.receive_json()
                data = frame["data"]
                assert (frame["stream"], data["U"]) == ("depth.200ms.SOL_USDC", seen + 1)
                for side in ("a", "b"):
                    prices = [Decimal(price) for price, _ in data[side]]
                    assert prices == sorted(set(prices))
                seen = data["u"]
                bids |= dict(data["b"])
            changes = list(exchange.truth.changes("SOL_USDC", first))
            assert seen == last
            assert len(changes) == last - first > 1
            assert bids == {price: size for change in changes for price, size in change.bids}

    run(test)


@pytest.mark.parametrize(
    "streams",
    [
        ["depth.NOPE_USDC_PERP"],
        ["trade.JTO_USDC"],
        ["depth.5.BTC_USDC_PERP"],
        ["depth.SOL_USDC", "depth.SOL_USDC"],
        ["kline.1m.SOL_USDC", "markPrice.SOL_USDC_PERP"],
        ["depth.MU.US_USDC", "trade.kPEPE_USDC_PERP"],
    ],
)
def test_subscribing_draws_no_answer(streams: list[str]) -> None:
    async def test(exchange: Exchange) -> None:
        async with exchange.socket() as socket:
            await subscribe(socket, *streams)
            await socket.send_json({"method": "UNSUBSCRIBE", "params": streams})
            assert await heard(socket) == b""

    run(test)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ('{"method":"SUBSCRIBE","params":["nope.BTC_USDC_PERP"]}', (4006, "Invalid stream")),
        ('{"method":"SUBSCRIBE","params":["account.nope"]}', (4006, "Invalid stream")),
        ('{"method":"SUBSCRIBE","params":["kline.2m.SOL_USDC"]}', (4006, "Invalid stream")),
        ('{"method":"SUBSCRIBE","params":["liquidation"]}', (4006, "Invalid stream")),
        ('{"method":"SUBSCRIBE","params":["depth.100ms.SOL_USDC"]}', (4008, "Invalid depth window")),
        ('{"method":"SUBSCRIBE","params":["account.orderUpdate"]}', (4003, "Invalid signature")),
        ('{"method":"LIST","params":[]}', (4002, "Parse error")),
        ('{"method":"SUBSCRIBE","params":"depth.SOL_USDC"}', (4002, "Parse error")),
        ("not JSON", (4002, "Parse error")),
        ('"\\ud800"', (4002, "Parse error")),
    ],
)
def test_the_error_frames(said: str, answer: tuple[int, str]) -> None:
    async def test(exchange: Exchange) -> None:
        async with exchange.socket() as socket:
            await socket.send_str(said)
            code, message = answer
            expected = f'{{"id":null,"error":{{"code":{code},"message":"{message}"}}}}'
            assert await socket.receive_str() == expected

    run(test)


def test_a_bad_stream_leaves_the_others_of_its_frame_alive() -> None:
    async def test(exchange: Exchange) -> None:
        async with exchange.socket() as socket:
            await subscribe(socket, "nope.X", "depth.SOL_USDC")
            assert (await socket.receive_json())["error"]["code"] == 4006
            await exchange.server.step(200)
            assert (await socket.receive_json())["stream"] == "depth.SOL_USDC"

    run(test)


def signature(seed: bytes, timestamp: int, window: int = 5_000) -> list[str]:
    key = SigningKey(seed)
    text = f"instruction=subscribe&timestamp={timestamp}&window={window}"
    texts = [base64.b64encode(raw).decode() for raw in (bytes(key.verify_key), key.sign(text.encode()).signature)]
    return [*texts, str(timestamp), str(window)]


def private(dress: BackpackSimulator, signed: list[str]) -> bytes:
    said = b""

    async def test(exchange: Exchange) -> None:
        nonlocal said
        async with exchange.socket() as socket:
            await subscribe(socket, "account.orderUpdate", signature=signed)
            said = await heard(socket)

    run(test, dress)
    return said


def at(ms: int) -> BackpackSimulator:
    return BackpackSimulator(clock=ManualClock(ms * 1_000_000))


def test_a_right_signature_draws_no_answer() -> None:
    assert signature(SEED, SIGNED_AT) == [KEY, SIGNATURE, str(SIGNED_AT), "5000"]
    assert private(at(SIGNED_AT + 4_999), signature(SEED, SIGNED_AT)) == b""


@pytest.mark.parametrize(
    ("dress", "signed"),
    [
        (at(SIGNED_AT), [KEY, SIGNATURE, str(SIGNED_AT + 1), "5000"]),
        (at(SIGNED_AT), [base64.b64encode(bytes(32)).decode(), SIGNATURE, str(SIGNED_AT), "5000"]),
        (at(SIGNED_AT), ["not base64", SIGNATURE, str(SIGNED_AT), "5000"]),
        (at(SIGNED_AT), [KEY, "", str(SIGNED_AT), "5000"]),
        (at(SIGNED_AT), [KEY, SIGNATURE]),
        (at(SIGNED_AT + 5_001), [KEY, SIGNATURE, str(SIGNED_AT), "5000"]),
        (at(SIGNED_AT + 60_001), signature(SEED, SIGNED_AT, 120_000)),
        (at(SIGNED_AT), signature(SEED, SIGNED_AT)[::-1]),
        (
            BackpackSimulator(clock=ManualClock(SIGNED_AT * 1_000_000), keys=["another"]),
            signature(SEED, SIGNED_AT),
        ),
    ],
    ids=["time", "key", "key text", "signature", "short", "expired", "window", "reversed", "unknown key"],
)
def test_a_wrong_signature_is_4003(dress: BackpackSimulator, signed: list[str]) -> None:
    assert json.loads(private(dress, signed)) == INVALID_SIGNATURE
