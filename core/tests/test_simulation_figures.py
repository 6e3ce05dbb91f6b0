"""Figures of the simulated market are made of its own trades and book: candles, tickers, marks, open interest."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.model.channels import Channel
from tickwire.model.clock import ManualClock
from tickwire.model.errors import UnknownNativeError
from tickwire.plugin.protocols import Request
from tickwire.simulation import (
    MemoryTruth,
    SeededMarket,
    SimBook,
    SimCandle,
    SimClient,
    SimMark,
    SimMarket,
    SimOpenInterest,
    SimTicker,
    SimTrade,
    bucket_of,
    default_instruments,
    is_bucket,
)
from tickwire.simulation.board import Board

SECOND = 1_000_000_000
SOL = next(i for i in default_instruments() if i.base == "SOL")
NATIVE = SOL.native


class FigureDress:
    """Puts figures into plain JSON; knows all of them."""

    def rest(self, request: Request, market: SimMarket) -> object:
        return {}

    def received(self, payload: bytes, client: SimClient) -> None: ...

    def trade(self, trade: SimTrade) -> object:
        return {"k": "trade", "n": trade.number}

    def book(self, change: SimBook, whole: SimBook) -> object:
        return {"k": "book"}

    def ticker(self, ticker: SimTicker) -> object:
        return {"k": "ticker", "n": ticker.trades}

    def candle(self, candle: SimCandle) -> object:
        return {"k": "candle", "t": candle.ts_start, "n": candle.trades, "c": candle.close, "x": candle.is_closed}

    def mark(self, mark: SimMark) -> object:
        return {"k": "mark", "p": mark.mark}

    def open_interest(self, interest: SimOpenInterest) -> object:
        return {"k": "open", "o": interest.size}

    def liquidation(self, trade: SimTrade) -> object:
        return {"k": "liquidation", "n": trade.number}

    def envelope(self, topic: str, message: object) -> object:
        return message


class Hearing:
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def push(self, payload: bytes, channel: Channel | None, native: str | None) -> None:
        self.heard.append(json.loads(payload))


def market_of(clock: ManualClock, truth: MemoryTruth) -> SeededMarket:
    return SeededMarket([SOL], seed=3, clock=clock, truth=truth)


def move(market: SeededMarket, steps: int) -> None:
    for _ in range(steps):
        market.step()


def summed(trades: Sequence[SimTrade]) -> tuple[object, ...]:
    prices = [Decimal(trade.price) for trade in trades]
    sizes = [Decimal(trade.size) for trade in trades]
    worth = sum((price * size for price, size in zip(prices, sizes, strict=True)), Decimal(0))
    if not trades:
        return (None, None, None, None, 0, 0, 0)
    return (prices[0], max(prices), min(prices), prices[-1], sum(sizes), worth, len(trades))


def figures(one: SimCandle | SimTicker) -> tuple[object, ...]:
    last = one.last if isinstance(one, SimTicker) else one.close
    prices = (None if text is None else Decimal(text) for text in (one.open, one.high, one.low, last))
    return (*prices, Decimal(one.volume), Decimal(one.quote_volume), one.trades)


# (steps of the market, seconds until the next ones)
RUNS = st.lists(st.tuples(st.integers(0, 300), st.sampled_from([0.3, 1, 7.5, 61, 600, 4_000])), min_size=1, max_size=12)


@given(run=RUNS, bucket=st.sampled_from(["1s", "1m", "5m", "1h", "1d", "1w", "1month"]))
@settings(max_examples=40, deadline=None)
def test_every_closed_candle_equals_the_trades_of_its_bucket_on_the_socket_and_later(
    run: list[tuple[int, float]], bucket: str
) -> None:
    async def main() -> None:
        clock, truth = ManualClock(), MemoryTruth()
        market = market_of(clock, truth)
        began = clock.now()
        told: list[SimCandle] = []

        class Telling(FigureDress):
            def candle(self, candle: SimCandle) -> object:
                told.append(candle)
                return {}

        board = Board(Telling(), market)
        board.join(Hearing(), "candles", Channel.CANDLES, NATIVE, 1, bucket)
        for steps, seconds in run:
            move(market, steps)
            board.flush(clock.monotonic())
            await clock.advance(seconds)
            board.flush(clock.monotonic())
        trades = list(truth.trades(NATIVE))
        for candle in told:
            assert bucket_of(bucket, candle.ts_start) == (candle.ts_start, candle.ts_end)
            if candle.is_closed:
                within = [trade for trade in trades if candle.ts_start <= trade.ts < candle.ts_end]
                assert figures(candle) == summed(within)
        closed = [candle for candle in told if candle.is_closed]
        starts = [candle.ts_start for candle in closed]
        assert [candle.ts_end for candle in closed][:-1] == starts[1:]
        assert market.candles(NATIVE, bucket, 0, clock.now(), 10_000) == closed[:10_000]
        assert not closed or starts[0] == bucket_of(bucket, began)[0]

    asyncio.run(main())


@given(run=RUNS)
@settings(max_examples=20, deadline=None)
def test_the_ticker_equals_the_trades_so_far_and_open_interest_their_volume(run: list[tuple[int, float]]) -> None:
    async def main() -> None:
        clock, truth = ManualClock(), MemoryTruth()
        market = market_of(clock, truth)
        for steps, seconds in run:
            move(market, steps)
            await clock.advance(seconds)
            trades = list(truth.trades(NATIVE))
            ticker, interest = market.ticker(NATIVE), market.open_interest(NATIVE)
            assert figures(ticker) == summed(trades)
            assert (ticker.ts, interest.ts) == (clock.now(), clock.now())
            assert Decimal(interest.size) == sum(Decimal(trade.size) for trade in trades)

    asyncio.run(main())


def test_the_mark_price_is_the_middle_of_the_book_rounded_down_to_the_tick() -> None:
    market = market_of(ManualClock(), MemoryTruth())
    for _ in range(200):
        market.step()
        book, mark = market.book(NATIVE, 1), market.mark(NATIVE)
        middle = (Decimal(book.bids[0][0]) + Decimal(book.asks[0][0])) / 2
        assert Decimal(mark.mark) == middle // Decimal("0.01") * Decimal("0.01")
        assert (Decimal(mark.index), len(mark.index.partition(".")[2])) == (middle, 8)


def test_figures_come_when_they_are_due_and_an_open_candle_only_when_it_changed() -> None:
    async def main() -> None:
        clock = ManualClock(1_700_000_040_000_000_000)  # a whole minute
        market = market_of(clock, MemoryTruth())
        board, hearing = Board(FigureDress(), market), Hearing()
        board.join(hearing, "ticker", Channel.TICKER, NATIVE, 1)
        board.join(hearing, "candles", Channel.CANDLES, NATIVE, 1, "1m")
        board.join(hearing, "open", Channel.OPEN_INTEREST, NATIVE, 60)
        board.flush(clock.monotonic())
        assert hearing.heard == []
        while not market.trades_made:
            market.step()
        for _ in range(3):
            await clock.advance(1)
            board.flush(clock.monotonic())
            board.flush(clock.monotonic())
        assert [message["k"] for message in hearing.heard] == ["ticker", "candle", "ticker", "ticker"]
        hearing.heard.clear()
        await clock.advance(57)
        board.flush(clock.monotonic())
        last, made = market.ticker(NATIVE).last, market.trades_made
        closed = {"k": "candle", "t": 1_700_000_040_000_000_000, "n": made, "c": last, "x": True}
        assert [message["k"] for message in hearing.heard] == ["ticker", "candle", "open"]
        assert hearing.heard[1] == closed
        hearing.heard.clear()
        await clock.advance(60)
        board.flush(clock.monotonic())
        empty = {"k": "candle", "t": 1_700_000_100_000_000_000, "n": 0, "c": None, "x": True}
        assert empty in hearing.heard

    asyncio.run(main())


def test_a_candle_joined_late_knows_the_trades_from_before() -> None:
    async def main() -> None:
        clock, truth = ManualClock(1_700_000_040_000_000_000), MemoryTruth()
        market = market_of(clock, truth)
        move(market, 500)
        await clock.advance(10)
        board, hearing = Board(FigureDress(), market), Hearing()
        board.join(hearing, "candles", Channel.CANDLES, NATIVE, 1, "1m")
        await clock.advance(50)
        board.flush(clock.monotonic())
        assert [message["n"] for message in hearing.heard] == [len(list(truth.trades(NATIVE)))]

    asyncio.run(main())


def test_every_fiftieth_trade_is_a_liquidation() -> None:
    truth = MemoryTruth()
    market = market_of(ManualClock(), truth)
    board, hearing = Board(FigureDress(), market), Hearing()
    board.join(hearing, "liquidations", Channel.LIQUIDATIONS, NATIVE, 0)
    move(market, 3_000)
    numbers = [trade.number for trade in truth.trades(NATIVE)]
    assert [message["n"] for message in hearing.heard] == [number for number in numbers if number % 50 == 0]
    assert hearing.heard


@pytest.mark.parametrize(
    "channel", [Channel.TICKER, Channel.CANDLES, Channel.MARK_PRICE, Channel.OPEN_INTEREST, Channel.LIQUIDATIONS]
)
def test_a_dress_without_the_ability_has_no_such_topic(channel: Channel) -> None:
    class Plain:
        rest, received = FigureDress.rest, FigureDress.received
        trade, book = FigureDress.trade, FigureDress.book

    board = Board(Plain(), market_of(ManualClock(), MemoryTruth()))
    with pytest.raises(UnknownNativeError, match=f"the simulated exchange has no {channel}"):
        board.join(Hearing(), "topic", channel, NATIVE, 1, "1m")


# buckets

BUCKETS = ["1s", "1m", "3m", "15m", "1h", "12h", "1d", "3d", "1w", "1month", "3month"]


@given(st.sampled_from(BUCKETS), st.integers(1_230_768_000 * SECOND, 4_102_444_799 * SECOND))
def test_buckets_hold_their_moment_and_follow_each_other(name: str, ts: int) -> None:
    start, end = bucket_of(name, ts)
    assert start <= ts < end
    assert bucket_of(name, start) == bucket_of(name, end - 1) == (start, end)
    assert bucket_of(name, end)[0] == end


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("15m", "2026-09-02T16:30:00", "2026-09-02T16:45:00"),
        ("1d", "2026-09-02T00:00:00", "2026-09-03T00:00:00"),
        ("1w", "2026-08-31T00:00:00", "2026-09-07T00:00:00"),
        ("1month", "2026-09-01T00:00:00", "2026-10-01T00:00:00"),
    ],
)
def test_buckets_begin_where_people_expect_them(name: str, start: str, end: str) -> None:
    moments = (datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() for text in (start, end))
    now = int(datetime(2026, 9, 2, 16, 43, 7, tzinfo=UTC).timestamp()) * SECOND
    assert bucket_of(name, now) == tuple(int(moment) * SECOND for moment in moments)


@pytest.mark.parametrize("name", ["", "1", "m", "0m", "1x", "-1m", "1.5m", "1M", "1 m", "99999s"])
def test_other_texts_name_no_bucket(name: str) -> None:
    assert not is_bucket(name)
    with pytest.raises(ValueError, match="is no length of candles"):
        bucket_of(name, 0)
