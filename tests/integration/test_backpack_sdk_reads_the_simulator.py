"""The real ``backpack-exchange-sdk`` works against the simulated Backpack: what it received is the ground truth's."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tickwire import SystemClock
from tickwire.simulation import MemoryTruth, SeededMarket, SimServer, SimTrade
from tickwire_backpack.simulator import BackpackSimulator

SCRIPT = Path(__file__).with_name("backpack_sdk_client.py")
NATIVE = "SOL_USDC_PERP"
TRADES = 300


class HurriedClock(SystemClock):
    """The exchange's clock: a minute of it is one second of the world."""

    def __init__(self) -> None:
        self._began, self._start = time.monotonic_ns(), time.time_ns()

    def now(self) -> int:
        return self._start + (time.monotonic_ns() - self._began) * 60

    def monotonic(self) -> float:
        return (time.monotonic_ns() - self._began) * 60 / 1e9

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 60)


async def received() -> tuple[Any, MemoryTruth]:
    clock, truth = HurriedClock(), MemoryTruth()
    dress = BackpackSimulator(clock)
    market = SeededMarket.of(dress, [NATIVE, "SOL_USDC"], seed=12, clock=clock, truth=truth)
    async with SimServer(dress, market, rate=60) as server:
        command = [sys.executable, str(SCRIPT), server.rest_url, server.ws_url, NATIVE, str(TRADES)]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(45):
                out, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    # the client prints its own state before the answer
    *said, answer = out.decode().splitlines() or [""]
    assert process.returncode == 0, (errors.decode(), said)
    return json.loads(answer), truth


@pytest.fixture(scope="module")
def outcome() -> tuple[Any, MemoryTruth]:
    """One run of the client, for all tests: what it printed, and the truth."""
    return asyncio.run(received())


def numbers(*texts: str | None) -> list[Decimal | None]:
    return [None if text is None else Decimal(text) for text in texts]


def summed(trades: list[SimTrade]) -> list[Decimal | None]:
    prices = [Decimal(trade.price) for trade in trades]
    if not prices:
        return [None] * 4
    return [prices[0], max(prices), min(prices), prices[-1]]


def bucket(trades: list[SimTrade], start: str, end: str) -> list[SimTrade]:
    first, last = (int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1e9) for text in (start, end))
    return [trade for trade in trades if first <= trade.ts < last]


def test_every_stream_is_heard(outcome: tuple[Any, MemoryTruth]) -> None:
    answer, _ = outcome
    assert answer["is_enough"], {kind: len(frames) for kind, frames in answer["heard"].items()}


def test_its_trades_are_those_of_the_truth_in_order(outcome: tuple[Any, MemoryTruth]) -> None:
    answer, truth = outcome
    heard = answer["heard"]["trade"]
    expected = truth.trades(NATIVE, heard[0]["t"] - 1, heard[-1]["t"])
    assert [(data["t"], data["p"], data["q"], data["m"], data["T"]) for data in heard] == [
        (one.number, one.price, one.size, not one.buyer_is_taker, one.ts // 1_000) for one in expected
    ]
    for rows in (answer["rest"]["trades"], answer["rest"]["history"]):
        made = truth.trades(NATIVE, rows[-1]["id"] - 1, rows[0]["id"])
        assert [(row["id"], Decimal(row["price"]), Decimal(row["quantity"])) for row in reversed(rows)] == [
            (one.number, Decimal(one.price), Decimal(one.size)) for one in made
        ]


def test_its_snapshot_and_the_frames_after_it_give_the_true_book(outcome: tuple[Any, MemoryTruth]) -> None:
    answer, truth = outcome
    last = int(answer["depth"]["lastUpdateId"])
    bids, asks = ({Decimal(p): Decimal(s) for p, s in answer["depth"][side]} for side in ("bids", "asks"))
    for data in answer["heard"]["depth"]:
        if data["u"] <= last:
            continue
        assert data["U"] <= last + 1
        last = data["u"]
        for side, levels in ((bids, data["b"]), (asks, data["a"])):
            side.update((Decimal(price), Decimal(size)) for price, size in levels)
    final = truth.book(NATIVE, last)
    assert {p: s for p, s in bids.items() if s} == {Decimal(p): Decimal(s) for p, s in final.bids}
    assert {p: s for p, s in asks.items() if s} == {Decimal(p): Decimal(s) for p, s in final.asks}


def test_its_closed_candles_equal_the_trades_of_their_minutes(outcome: tuple[Any, MemoryTruth]) -> None:
    answer, truth = outcome
    trades = list(truth.trades(NATIVE))
    closed = [data for data in answer["heard"]["kline"] if data["X"]]
    for data in closed:
        within = bucket(trades, data["t"], data["T"])
        assert (data["n"], numbers(*(data[key] for key in "ohlc"))) == (len(within), summed(within))
    rows = answer["rest"]["klines"]
    assert rows
    for row in rows:
        within = bucket(trades, row["start"], row["end"])
        figures = numbers(row["open"], row["high"], row["low"], row["close"])
        assert (row["trades"], figures) == (str(len(within)), summed(within))


def test_its_tickers_are_the_trades_so_far(outcome: tuple[Any, MemoryTruth]) -> None:
    answer, truth = outcome
    trades = list(truth.trades(NATIVE))
    for data in answer["heard"]["ticker"]:
        so_far = trades[: data["n"]]
        assert numbers(*(data[key] for key in "ohlc")) == summed(so_far)
        assert Decimal(data["v"]) == sum(Decimal(trade.size) for trade in so_far)
    row = answer["rest"]["ticker"]
    so_far = trades[: int(row["trades"])]
    assert numbers(row["firstPrice"], row["high"], row["low"], row["lastPrice"]) == summed(so_far)
    assert {row["symbol"] for row in answer["rest"]["tickers"]} == {NATIVE, "SOL_USDC"}


def test_its_liquidations_are_trades_of_the_truth(outcome: tuple[Any, MemoryTruth]) -> None:
    answer, truth = outcome
    heard = answer["heard"]["liquidation"]
    forced = {(one.ts // 1_000, one.price, one.size) for one in truth.trades(NATIVE) if one.is_liquidation}
    assert {(data["T"], data["p"], data["q"]) for data in heard} <= forced


def test_what_else_it_asks_over_rest_is_answered(outcome: tuple[Any, MemoryTruth]) -> None:
    rest = outcome[0]["rest"]
    assert (rest["status"], rest["ping"]) == ({"message": None, "status": "Ok"}, "pong")
    assert {row["symbol"] for row in rest["markets"]} == {NATIVE, "SOL_USDC"}
    assert rest["market"]["symbol"] == rest["mark"][0]["symbol"] == rest["interest"][0]["symbol"] == NATIVE
    assert [row["symbol"] for row in rest["funding"]] == [NATIVE] * 3
