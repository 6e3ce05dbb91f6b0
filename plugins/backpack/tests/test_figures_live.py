"""A feed on every figure of the simulated Backpack: what arrives is what the market traded, with one stream for two."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

import tickwire_backpack.plugin as backpack
from tickwire import (
    Candle,
    Channel,
    Event,
    Feed,
    Funding,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Registry,
    Side,
    Subscribe,
    Subscribed,
    SystemClock,
    Ticker,
    Trade,
    decode_event,
    encode_event,
    exact,
)
from tickwire.simulation import MemoryTruth, SeededMarket, SimServer
from tickwire_backpack.simulator import BackpackSimulator

SYMBOL, NATIVE = "SOL-USDC-PERP", "SOL_USDC_PERP"
EVERYTHING = [
    "ticker", Subscribe.candles("1m"), Subscribe.candles("5m"), "mark_price", "funding", "open_interest",
    "liquidations",
]  # fmt: skip


class HurriedClock(SystemClock):
    """The exchange's clock: a minute of it is half a second of the world."""

    def __init__(self) -> None:
        self._began = time.monotonic_ns()

    def now(self) -> int:
        return 1_788_367_380_000_000_000 + (time.monotonic_ns() - self._began) * 120

    def monotonic(self) -> float:
        return (time.monotonic_ns() - self._began) * 120 / 1e9

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 120)


class Listening:
    """A socket of the simulated exchange that remembers what was asked."""

    def __init__(self, dress: BackpackSimulator) -> None:
        self.asked: list[tuple[str, list[str]]] = []
        received = dress.received

        def remember(payload: bytes, client: Any) -> None:
            message = json.loads(payload)
            self.asked.append((message["method"], message["params"]))
            received(payload, client)

        dress.received = remember  # type: ignore[method-assign]


async def collected(
    channels: list[Any], is_enough: Callable[[list[Event]], bool], dress: BackpackSimulator, symbol: str = SYMBOL
) -> tuple[list[Event], MemoryTruth, Feed]:
    truth, clock, events = MemoryTruth(), HurriedClock(), list[Event]()
    market = SeededMarket.of(dress, [NATIVE, "SOL_USDC", "FDVEXTD1B_USDC_PREDICTION"], seed=4, truth=truth, clock=clock)
    async with asyncio.timeout(30), SimServer(dress, market, rate=60) as server:
        feed = Feed(
            "backpack", [symbol], channels, rest=server.rest_url, websocket=server.ws_url,
            registry=Registry.of(backpack=backpack),
        )  # fmt: skip
        async with feed:
            async for event in feed:
                events.append(event)
                if is_enough(events):
                    break
    return events, truth, feed


def of(kind: type, events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def test_a_feed_on_all_figures_gets_them_all_and_they_are_those_of_the_market() -> None:
    dress = BackpackSimulator()
    listening = Listening(dress)

    def is_enough(events: list[Event]) -> bool:
        closed = [event.interval for event in of(Candle, events) if event.is_closed]
        kinds = (Ticker, MarkPrice, Funding, OpenInterest, Liquidation)
        return closed.count("1m") >= 3 and "5m" in closed and all(of(kind, events) for kind in kinds)

    events, truth, feed = asyncio.run(collected(EVERYTHING, is_enough, dress))
    asked = sorted(stream for _, streams in listening.asked for stream in streams)
    assert asked == [
        "kline.1m.SOL_USDC_PERP", "kline.5m.SOL_USDC_PERP", "liquidation.SOL_USDC_PERP", "markPrice.SOL_USDC_PERP",
        "openInterest.SOL_USDC_PERP", "ticker.SOL_USDC_PERP",
    ]  # fmt: skip
    assert {event.channel for event in of(Subscribed, events)} == {
        Channel.TICKER, Channel.CANDLES, Channel.MARK_PRICE, Channel.FUNDING, Channel.OPEN_INTEREST,
        Channel.LIQUIDATIONS,
    }  # fmt: skip
    assert (feed.metrics.total("stray_events_total"), feed.metrics.total("decode_errors_total")) == (0, 0)
    trades = list(truth.trades(NATIVE))
    for candle in of(Candle, events):
        within = [trade for trade in trades if candle.ts_start <= trade.ts < candle.ts_end]
        assert candle.ts_end - candle.ts_start == {"1m": 60, "5m": 300}[candle.interval] * 1_000_000_000
        if candle.is_closed:
            assert candle.trades == len(within)
            assert exact(candle.volume) == sum(Decimal(trade.size) for trade in within)
            if within:
                prices = [float(trade.price) for trade in within]
                assert (candle.open, candle.high, candle.low, candle.close) == (
                    prices[0], max(prices), min(prices), prices[-1],
                )  # fmt: skip
    for ticker in of(Ticker, events):
        so_far = trades[: ticker.trades]
        prices = [float(trade.price) for trade in so_far]
        if prices:
            assert (ticker.open, ticker.high, ticker.low, ticker.last) == (
                prices[0], max(prices), min(prices), prices[-1],
            )  # fmt: skip
        assert exact(ticker.volume) == sum(Decimal(trade.size) for trade in so_far)
    marks, fundings = of(MarkPrice, events), of(Funding, events)
    assert [mark.ts_event for mark in marks] == [funding.ts_event for funding in fundings]
    assert {funding.rate for funding in fundings} == {0.0000125}
    assert all(funding.ts_funding % 3_600_000_000_000 == 0 for funding in fundings)
    assert all(abs(mark.mark - mark.index) <= 0.01 for mark in marks)
    liquidated = {
        (trade.ts // 1_000, float(trade.price), float(trade.size)) for trade in trades if trade.is_liquidation
    }
    assert {(one.ts_event // 1_000, one.price, one.size) for one in of(Liquidation, events)} <= liquidated
    assert [decode_event(encode_event(event)) for event in events] == events


@pytest.mark.parametrize("is_bare", [False, True])
def test_liquidations_arrive_under_either_name_and_only_those_asked_for(is_bare: bool) -> None:
    dress = BackpackSimulator(bare_liquidations=is_bare)
    events, truth, _ = asyncio.run(
        collected(["liquidations", "trades"], lambda events: len(of(Liquidation, events)) >= 2, dress)
    )
    trades = {trade.ts_event: trade for trade in of(Trade, events)}
    liquidated = [trade for trade in truth.trades(NATIVE) if trade.is_liquidation]
    got = of(Liquidation, events)
    assert {event.symbol for event in got} == {SYMBOL}
    first = next(n for n, trade in enumerate(liquidated) if trade.ts // 1_000 == got[0].ts_event // 1_000)
    assert [(one.side, one.price, one.size) for one in got] == [
        (Side.BUY if trade.buyer_is_taker else Side.SELL, float(trade.price), float(trade.size))
        for trade in liquidated[first : first + len(got)]
    ]
    assert all(one.ts_event in trades for one in got)


def test_a_prediction_market_has_mark_prices_and_never_funding() -> None:
    events, _, feed = asyncio.run(
        collected(
            ["mark_price", "funding"], lambda events: len(of(MarkPrice, events)) >= 3, BackpackSimulator(),
            "FDVEXTD1B-USDC-PREDICTION",
        )
    )  # fmt: skip
    assert (of(Funding, events), {mark.index for mark in of(MarkPrice, events)}) == ([], {None})
    assert feed.metrics.total("decode_errors_total") == 0
