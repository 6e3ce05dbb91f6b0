"""The matching engine: price, then time, and nothing lost."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from tickwire.simulation.matching import MatchingEngine


@dataclass
class Tape:
    """What the engine told."""

    matches: list[tuple[int, int, int, int, bool]] = field(default_factory=list)
    levels: list[tuple[bool, int, int]] = field(default_factory=list)
    placements: list[tuple[int, bool, int, int]] = field(default_factory=list)
    reductions: list[tuple[int, int, int]] = field(default_factory=list)

    def placed(self, number: int, is_bid: bool, tick: int, lots: int) -> None:
        self.placements.append((number, is_bid, tick, lots))

    def reduced(self, number: int, lots: int, left: int) -> None:
        self.reductions.append((number, lots, left))

    def matched(self, tick: int, lots: int, buyer: int, seller: int, buyer_is_taker: bool) -> None:
        self.matches.append((tick, lots, buyer, seller, buyer_is_taker))

    def level_changed(self, is_bid: bool, tick: int, lots: int) -> None:
        self.levels.append((is_bid, tick, lots))


@dataclass
class Resting:
    number: int
    is_bid: bool
    tick: int
    lots: int


class Plain:
    """The same rules with one list, too slow to be wrong."""

    def __init__(self) -> None:
        self.orders: list[Resting] = []
        self.matches: list[tuple[int, int, int, int, bool]] = []
        self.number = 1

    def place(self, is_bid: bool, lots: int, limit: int | None) -> None:
        self.number += 1
        while lots and (best := self.best_against(is_bid, limit)):
            size = min(lots, best.lots)
            buyer, seller = (self.number, best.number) if is_bid else (best.number, self.number)
            self.matches.append((best.tick, size, buyer, seller, is_bid))
            best.lots -= size
            lots -= size
            self.orders = [order for order in self.orders if order.lots]
        if lots and limit is not None:
            self.orders.append(Resting(self.number, is_bid, limit, lots))

    def best_against(self, is_bid: bool, limit: int | None) -> Resting | None:
        sign = 1 if is_bid else -1
        against = [order for order in self.orders if order.is_bid is not is_bid]
        fitting = [order for order in against if limit is None or order.tick * sign <= limit * sign]
        return min(fitting, key=lambda order: (order.tick * sign, order.number), default=None)


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["limit", "limit", "limit", "market", "cancel", "reduce"]),
        st.booleans(),
        st.integers(1, 12),
        st.integers(1, 30),
        st.integers(0, 1_000),
    ),
    max_size=80,
)


@given(ACTS)
def test_matches_are_by_price_then_time(acts: list[tuple[str, bool, int, int, int]]) -> None:
    tape, plain = Tape(), Plain()
    engine = MatchingEngine(tape)
    for kind, is_bid, tick, lots, pick in acts:
        if kind == "limit":
            engine.limit(is_bid, tick, lots)
            plain.place(is_bid, lots, tick)
        elif kind == "market":
            engine.market(is_bid, lots)
            plain.place(is_bid, lots, None)
        elif engine.orders:
            order = engine.orders[pick % len(engine.orders)]
            twin = next(other for other in plain.orders if other.number == order.number)
            if kind == "cancel":
                engine.cancel(order)
                plain.orders.remove(twin)
            elif order.lots > 1:
                engine.reduce(order, order.lots // 2)
                twin.lots -= twin.lots // 2
    assert tape.matches == plain.matches
    assert sorted((o.number, o.is_bid, o.tick, o.lots) for o in engine.orders) == sorted(
        (o.number, o.is_bid, o.tick, o.lots) for o in plain.orders
    )


@given(ACTS)
def test_every_lot_rests_was_traded_or_was_taken_back(acts: list[tuple[str, bool, int, int, int]]) -> None:
    tape = Tape()
    engine = MatchingEngine(tape)
    placed = taken_back = 0
    for kind, is_bid, tick, lots, pick in acts:
        if kind == "limit":
            engine.limit(is_bid, tick, lots)
            placed += lots
        elif kind == "market":
            placed += lots - engine.market(is_bid, lots)
        elif engine.orders:
            order = engine.orders[pick % len(engine.orders)]
            if kind == "cancel":
                taken_back += order.lots
                engine.cancel(order)
            elif order.lots > 1:
                taken_back += order.lots // 2
                engine.reduce(order, order.lots // 2)
    assert sum(lots for _, lots, _ in tape.reductions) == taken_back
    traded = sum(lots for _, lots, *_ in tape.matches)
    assert placed == engine.bids.volume + engine.asks.volume + taken_back + 2 * traded


@given(ACTS)
def test_told_levels_are_the_sums_of_the_orders(acts: list[tuple[str, bool, int, int, int]]) -> None:
    tape = Tape()
    engine = MatchingEngine(tape)
    for _, is_bid, tick, lots, pick in acts:
        engine.limit(is_bid, tick, lots)
        if pick % 3 == 0 and engine.orders:
            engine.cancel(engine.orders[pick % len(engine.orders)])
    told = {(is_bid, tick): lots for is_bid, tick, lots in tape.levels}
    sums: dict[tuple[bool, int], int] = {}
    for order in engine.orders:
        sums[order.is_bid, order.tick] = sums.get((order.is_bid, order.tick), 0) + order.lots
    assert {level: lots for level, lots in told.items() if lots} == sums
    assert list(engine.bids) == sorted(((t, n) for (bid, t), n in sums.items() if bid), reverse=True)
    assert list(engine.asks) == sorted((t, n) for (bid, t), n in sums.items() if not bid)


@given(ACTS)
def test_an_order_is_told_before_its_matches_and_a_reduction_with_what_is_left(
    acts: list[tuple[str, bool, int, int, int]],
) -> None:
    tape = Tape()
    engine = MatchingEngine(tape)
    left: dict[int, int] = {}
    for kind, is_bid, tick, lots, pick in acts:
        told = len(tape.matches)
        if kind in ("limit", "market") or not engine.orders:
            engine.limit(is_bid, tick, lots)
            number, *placed = tape.placements[-1]
            assert placed == [is_bid, tick, lots]
            left[number] = lots
        else:
            order = engine.orders[pick % len(engine.orders)]
            if kind == "reduce" and order.lots > 1:
                engine.reduce(order, 1)
            else:
                engine.cancel(order)
            number, less, rest = tape.reductions[-1]
            assert (number, rest) == (order.number, left[number] - less)
            left[number] = rest
        for _, size, buyer, seller, _ in tape.matches[told:]:
            left[buyer] -= size
            left[seller] -= size
    resting = {order.number: order.lots for order in engine.orders}
    assert {number: lots for number, lots in left.items() if lots} == resting
