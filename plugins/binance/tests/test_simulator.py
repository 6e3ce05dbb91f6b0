"""The dress says what the documents say, also where a client is wrong."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from tickwire import ManualClock
from tickwire.plugin import Request
from tickwire.simulation import MemoryTruth, SeededMarket, SimServer
from tickwire_binance.simulator import BinanceSimulator, BinanceUsdmSimulator

ERROR = {"error": {"code": 2, "msg": "Invalid request: invalid stream"}, "id": 1}


class Client:
    """A line to a dress that is stepped by hand."""

    def __init__(self, dress: BinanceSimulator) -> None:
        self.dress = dress
        self.sent: list[Any] = []
        self.joined: list[str] = []

    def send(self, message: object) -> None:
        self.sent.append(message)

    def join(
        self, topic: str, channel: object, native: str, interval: float = 0, bucket: str = "", **more: object
    ) -> bool:
        is_listed = native in {instrument.native for instrument in self.dress.instruments}
        if is_listed:
            self.joined.append(topic)
        return is_listed

    def leave(self, topic: str) -> None:
        if topic in self.joined:
            self.joined.remove(topic)

    def say(self, **message: object) -> Any:
        self.dress.received(json.dumps(message).encode(), self)
        return self.sent.pop()


@pytest.mark.parametrize(
    "stream",
    ["btcusdt@aggTrade", "btcusdt@trade", "btcusdt@depth", "btcusdt@depth@100ms", "btcusdt@bookTicker",
     "btcusdt@ticker", "btcusdt@kline_1M"],
)  # fmt: skip
@pytest.mark.parametrize("dress", [BinanceSimulator, BinanceUsdmSimulator])
def test_a_documented_stream_is_served(dress: type[BinanceSimulator], stream: str) -> None:
    client = Client(dress())
    assert client.say(method="SUBSCRIBE", params=[stream], id=1) == {"result": None, "id": 1}
    assert client.joined == [stream]
    assert client.say(method="UNSUBSCRIBE", params=[stream], id="two") == {"result": None, "id": "two"}
    assert client.joined == []


@pytest.mark.parametrize(
    ("dress", "stream"),
    [
        (BinanceSimulator, "btcusdt@unheardOf"),
        (BinanceSimulator, "btcusdt@depth@500ms"),
        (BinanceSimulator, "btcusdt@markPrice"),
        (BinanceSimulator, "nothing@trade"),
        (BinanceSimulator, "btcusdt@kline_7m"),
        (BinanceUsdmSimulator, "btcusdt@kline_1s"),
        (BinanceUsdmSimulator, "btcusdt@depth@1000ms"),
    ],
)
def test_one_bad_stream_refuses_the_whole_request(dress: type[BinanceSimulator], stream: str) -> None:
    client = Client(dress())
    assert client.say(method="SUBSCRIBE", params=["ethusdt@trade", stream], id=1) == ERROR
    assert client.joined == []


def test_what_is_no_request_is_told_so() -> None:
    client = Client(BinanceSimulator())
    client.dress.received(b"{", client)
    assert client.sent.pop() == {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}
    assert client.say(method="DANCE", id=4) == {
        "error": {"code": 2, "msg": "Invalid request: unknown variant `DANCE`"}, "id": 4,
    }  # fmt: skip


def test_answers_over_rest_are_the_market_s_and_wrong_queries_are_refused() -> None:
    async def main() -> None:
        clock, truth = ManualClock(1_780_000_000_000_000_000), MemoryTruth()
        dress = BinanceUsdmSimulator(clock)
        market = SeededMarket.of(dress, ["BTCUSDT", "LUNAUSDT"], truth=truth, clock=clock)
        async with SimServer(dress, market) as server, aiohttp.ClientSession(server.rest_url) as session:

            async def get(path: str, **params: object) -> tuple[int, Any]:
                async with session.get(f"/fapi/v1/{path}", params={k: str(v) for k, v in params.items()}) as reply:
                    return reply.status, await reply.json()

            for _ in range(1_500):
                market.step()
            _, book = await get("depth", symbol="BTCUSDT", limit=5)
            whole = truth.book("BTCUSDT", book["lastUpdateId"])
            assert [book["bids"], book["asks"]] == [
                [list(level) for level in side[:5]] for side in (whole.bids, whole.asks)
            ]
            number = next(truth.trades("BTCUSDT")).number + 3
            _, rows = await get("aggTrades", symbol="BTCUSDT", fromId=number, limit=2)
            assert [(row["a"], row["f"], row["l"]) for row in rows] == [(n, n, n) for n in (number, number + 1)]
            assert await get("aggTrades", symbol="BTCUSDT", startTime=clock.now() // 10**6 + 1) == (200, [])
            assert await get("time") == (200, {"serverTime": 1_780_000_000_000})
            assert await get("depth", symbol="BTCUSDT", limit=7) == (
                400, {"code": -4021, "msg": "'7' is not valid depth limit"},
            )  # fmt: skip
            for wrong in ({"symbol": "NONE"}, {"symbol": "LUNAUSDT"}):
                assert await get("depth", **wrong) == (400, {"code": -1121, "msg": "Invalid symbol."})
            assert (await get("klines", symbol="BTCUSDT", interval="7m"))[1]["code"] == -1120
            assert (await get("aggTrades", symbol="BTCUSDT", fromId="x"))[1]["code"] == -1100
            assert (await get("depth"))[1]["code"] == -1102
            assert (await get("unheardOf"))[0] == 404

    asyncio.run(main())


def test_a_candle_of_klines_sums_up_its_trades() -> None:
    clock = ManualClock(1_780_000_020_000_000_000)
    dress, truth = BinanceSimulator(clock), MemoryTruth()
    market = SeededMarket.of(dress, ["BTCUSDT"], truth=truth, clock=clock)

    async def main() -> None:
        for _ in range(60):
            for _ in range(20):
                market.step()
            await clock.advance(2)

    asyncio.run(main())
    rows: Any = dress.rest(Request("GET", "/api/v3/klines", {"symbol": "BTCUSDT", "interval": "1m"}), market)
    start, first, high, low, last, volume, end = rows[1][:7]
    trades = [one for one in truth.trades("BTCUSDT") if start * 10**6 <= one.ts < (end + 1) * 10**6]
    prices = [float(one.price) for one in trades]
    assert end - start == 59_999
    assert [float(one) for one in (first, high, low, last)] == [prices[0], max(prices), min(prices), prices[-1]]
    assert float(volume) == pytest.approx(sum(float(one.size) for one in trades))
    assert rows[1][8] == len(trades) > 20
