"""Windowed books, heartbeats, a welcome and snapshots on request: what some exchanges' sockets do, as a dress asks."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire import Channel, Instrument, ManualClock, SymbolParts
from tickwire.plugin import Request
from tickwire.simulation import Fault, FaultKind, Faults, SeededMarket, SimBook, SimClient, SimTrade
from tickwire.simulation.board import Board
from tickwire.simulation.exchange import SimExchange
from tickwire.simulation.pit import Pit
from tickwire.simulation.windows import Window

PAIR = Instrument.of("toy", "SOL/USD", SymbolParts("SOL", "USD"), tick_size=Decimal("0.01"), lot_size=Decimal("0.001"))
NATIVE = PAIR.native
Sides = tuple[dict[str, str], dict[str, str]]


class Telling:
    """Writes a book as it is, and a trade as its number."""

    instruments = (PAIR,)

    def rest(self, request: Request, market: object) -> object:
        return {}

    def received(self, payload: bytes, client: SimClient) -> None:
        """Ask for a book of so many levels, or for trades."""
        message = msgspec.json.decode(payload)
        if "depth" in message:
            client.join("book", Channel.L2_BOOK, NATIVE, depth=message["depth"], snapshot=message.get("snapshot", True))
        else:
            client.join("trades", Channel.TRADES, NATIVE, snapshot=message["snapshot"])
        client.send("done")

    def trade(self, trade: SimTrade) -> object:
        return {"trade": trade.number}

    def recent(self, trades: Sequence[SimTrade]) -> object:
        return {"recent": [trade.number for trade in trades]}

    def book(self, change: SimBook, whole: SimBook) -> object:
        return {"whole": change.previous is None, "bids": change.bids, "asks": change.asks}


class Beating(Telling):
    market: Any = None

    def welcome(self) -> object:
        return {"hello": True}

    def heartbeat(self) -> object:
        return {"beat": True}


class Hearing:
    """A wire, and a receiver of the board."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def put(self, payload: bytes) -> None:
        self.heard.append(payload.decode() if payload == b"done" else msgspec.json.decode(payload))

    def push(self, payload: bytes, channel: Channel | None, native: str | None) -> None:
        self.put(payload)

    def hang_up(self, code: int, reason: str) -> None: ...
    def abort(self) -> None: ...
    def die(self) -> None: ...


def market_of(dress: Telling, seed: int = 0, clock: ManualClock | None = None) -> SeededMarket:
    return SeededMarket.of(dress, seed=seed, clock=clock or ManualClock(), orders=60)


def sides(pit: Pit, depth: int | None = None) -> Sides:
    whole = pit.whole(depth)
    return dict(whole.bids), dict(whole.asks)


def applied(known: Sides, bids: Any, asks: Any, depth: int) -> Sides:
    """Apply changes as a client does: zero removes, and what is beyond the depth is dropped."""
    kept = []
    for side, changes, is_bid in ((known[0], bids, True), (known[1], asks, False)):
        merged = {price: size for price, size in {**side, **dict(changes)}.items() if float(size)}
        kept.append(dict(sorted(merged.items(), key=lambda level: float(level[0]), reverse=is_bid)[:depth]))
    return kept[0], kept[1]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1_000), depth=st.integers(1, 25), stride=st.integers(1, 30))
def test_whoever_applies_what_is_told_and_truncates_keeps_the_exchanges_window(
    seed: int, depth: int, stride: int
) -> None:
    market = market_of(Telling(), seed)
    pit = market.pit(NATIVE)
    window, known = Window(pit, depth), sides(pit, depth)
    for _ in range(60):
        for _ in range(stride):
            market.step()
        if (moved := window.moved()) is not None:
            assert moved.bids or moved.asks
            assert all(len(side) <= 2 * depth for side in (moved.bids, moved.asks))
            known = applied(known, moved.bids, moved.asks, depth)
        assert known == sides(pit, depth)


def test_a_level_that_others_push_out_is_not_told_and_nothing_beyond_the_window_is() -> None:
    market = market_of(Telling(), seed=4)
    pit, told = market.pit(NATIVE), []
    window, before, depth = Window(pit, 3), sides(pit, 3), 3
    for _ in range(3_000):
        market.step()
        after = sides(pit, depth)
        moved = window.moved()
        changed = dict(moved.bids) if moved is not None else {}
        pushed_out = [price for price in before[0] if price not in after[0] and float(price) < float([*after[0]][-1])]
        told += [price for price in pushed_out if price in changed]
        assert all(price in before[0] or price in after[0] for price in changed)
        before = after
    assert not told


def test_a_window_is_told_at_each_change_and_begins_with_its_own_depth() -> None:
    dress = Telling()
    market, heard = market_of(dress), Hearing()
    line = SimExchange(dress, market, None).connected(heard)
    line.received(b'{"depth": 5}')
    answer, whole = heard.heard
    assert (answer, whole["whole"], len(whole["bids"]), len(whole["asks"])) == ("done", True, 5, 5)
    known: Sides = dict(whole["bids"]), dict(whole["asks"])
    for _ in range(400):
        market.step()
        for one in heard.heard[2:]:
            known = applied(known, one["bids"], one["asks"], 5)
        del heard.heard[2:]
        assert known == sides(market.pit(NATIVE), 5)


def test_a_change_that_is_left_out_is_not_made_up_for_by_the_next() -> None:
    dress, faults = Telling(), Faults()
    market, heard = market_of(dress), Hearing()
    line = SimExchange(dress, market, faults).connected(heard)
    line.received(b'{"depth": 5}')
    faults.inject(Fault(FaultKind.SEQUENCE_GAP, channel=Channel.L2_BOOK, native=NATIVE, count=10_000))
    for _ in range(200):
        market.step()
    assert len(heard.heard) == 2
    lost = sides(market.pit(NATIVE), 5)
    assert (heard.heard[1]["bids"], heard.heard[1]["asks"]) != (
        [*map(list, lost[0].items())],
        [*map(list, lost[1].items())],
    )
    faults.clear()
    while len(heard.heard) == 2:
        before = sides(market.pit(NATIVE), 5)
        market.step()
    after = sides(market.pit(NATIVE), 5)
    told = {price for one in heard.heard[2:] for price, _ in (*one["bids"], *one["asks"])}
    unchanged = {price for old, new in zip(before, after, strict=True) for price in old if old[price] == new.get(price)}
    assert not told & unchanged


@pytest.mark.parametrize("wants", [True, False])
def test_what_belongs_first_is_sent_only_if_it_is_wanted(wants: bool) -> None:
    dress = Telling()
    market, heard = market_of(dress), Hearing()
    for _ in range(300):
        market.step()
    line = SimExchange(dress, market, None).connected(heard)
    line.received(msgspec.json.encode({"snapshot": wants}))
    line.received(msgspec.json.encode({"depth": 5, "snapshot": wants}))
    first = [one for one in heard.heard if one != "done"]
    assert [next(iter(one)) for one in first] == (["recent", "whole"] if wants else [])


def test_a_dress_with_a_market_is_given_it_and_a_welcome_comes_first() -> None:
    dress = Beating()
    market, heard = market_of(dress), Hearing()
    SimExchange(dress, market, None).connected(heard)
    assert dress.market is market
    assert heard.heard == [{"hello": True}]


def test_a_heartbeat_breaks_each_second_of_silence_of_who_has_joined() -> None:
    dress, clock, heard = Beating(), ManualClock(), Hearing()
    market = market_of(dress, clock=clock)
    board = Board(dress, market)
    assert not board.is_periodic
    board.flush(clock.monotonic() + 5)
    assert heard.heard == []
    board.join(heard, "book", Channel.L2_BOOK, NATIVE, 0, depth=5)
    began = clock.monotonic()
    assert board.is_periodic
    for after in (0.5, 1.0, 1.5, 2.0):
        board.flush(began + after)
    assert heard.heard == [{"beat": True}] * 2
    board.forget(heard)
    board.flush(began + 9)
    assert (len(heard.heard), board.is_periodic) == (2, False)


def test_a_dress_may_say_nothing_of_a_candle() -> None:
    class Silent(Telling):
        def candle(self, candle: object) -> object:
            return None

    dress, clock, heard = Silent(), ManualClock(), Hearing()
    market = market_of(dress, clock=clock)
    board = Board(dress, market)
    board.join(heard, "candles", Channel.CANDLES, NATIVE, 1, "1m")
    for _ in range(200):
        market.step()
    board.flush(clock.monotonic() + 2)
    assert heard.heard == []
