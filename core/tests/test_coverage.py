"""What is complete, from quality events alone: rule by rule, and against a reckoning tick by tick."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.model.channels import Channel
from tickwire.model.quality import (
    Backfilled,
    Dropped,
    Gap,
    GapCause,
    QualityEvent,
    Repair,
    Resynced,
    Severity,
    Subscribed,
    Unsubscribed,
    UnsubscribeReason,
    Watermark,
)
from tickwire.model.stored import Record
from tickwire.record.coverage import LAG, Coverage, coverage
from tickwire.record.intervals import joined, without

Head = tuple[str, str | None, None, int, Channel | None, str | None, Severity]


def head(now: int, symbol: str | None = "SOL-USDC", channel: Channel | None = Channel.TRADES) -> Head:
    return ("toy", symbol, None, now, channel, "public-1", Severity.INFO)


def subscribed(at: int, *, is_verified: bool | None = True) -> Subscribed:
    return Subscribed(*head(at), at, is_verified)


def watermark(until: int) -> Watermark:
    return Watermark(*head(until + 1), until)


def unsubscribed(at: int) -> Unsubscribed:
    return Unsubscribed(*head(at), UnsubscribeReason.STOPPED)


def gap(
    name: str, start: int | None, end: int | None = None, missing: int | None = None, repair: Repair = Repair.NONE
) -> Gap:
    now = end or (start or 0) + 1
    return Gap(*head(now), name, GapCause.DISCONNECTED, start, end, missing=missing, repair=repair)


def backfilled(name: str, at: int, count: int = 3, *, is_complete: bool = True) -> Backfilled:
    return Backfilled(*head(at), name, count, is_complete=is_complete)


def resynced(name: str, at: int) -> Resynced:
    return Resynced(*head(at), name, 7, 1)


def run(*events: QualityEvent, run_id: str = "A") -> list[Record]:
    return [Record(event, run_id, number, f"{run_id}/{number}") for number, event in enumerate(events, 1)]


def only(found: Sequence[Coverage]) -> Coverage:
    assert len(found) == 1
    return found[0]


def test_coverage_goes_from_subscribed_to_the_last_watermark() -> None:
    one = only(coverage(run(subscribed(100), watermark(110), watermark(120), unsubscribed(125))))
    assert (one.complete, one.known_until, one.start, one.end) == ([(100, 120)], 120, 100, 120)
    assert (one.is_complete, one.ratio, one.is_verified) == (True, 1.0, True)


def test_a_run_that_was_killed_before_its_first_watermark_says_nothing() -> None:
    one = only(coverage(run(subscribed(100))))
    assert (one.complete, one.known_until, one.is_complete, one.ratio) == ([], None, False, 0.0)


def test_an_announced_hole_is_cut_out_and_named() -> None:
    events = run(subscribed(100), watermark(110), gap("g", 112), gap("g", 112, 118, missing=4), watermark(130))
    one = only(coverage(events))
    assert one.complete == [(100, 112), (118, 130)]
    assert [(hole.gap_id, hole.cause, hole.span, hole.missing) for hole in one.holes] == [
        ("g", GapCause.DISCONNECTED, (112, 118), 4)
    ]
    assert (one.closed, one.uncovered, one.ratio, one.is_complete) == ([], [], 0.8, False)


def test_a_filled_hole_is_as_good_as_coverage_and_tells_how_many_were_fetched() -> None:
    events = run(
        subscribed(100), gap("g", 112, repair=Repair.BACKFILL), backfilled("g", 115, 2, is_complete=False),
        backfilled("g", 119, 5), watermark(130),
    )  # fmt: skip
    one = only(coverage(events))
    assert (one.complete, one.holes, one.is_complete) == ([(100, 130)], [], True)
    assert [(hole.span, hole.fetched, hole.is_filled) for hole in one.closed] == [((112, 119), 7, True)]


def test_a_hole_in_which_the_ids_prove_that_nothing_was_lost_is_none() -> None:
    one = only(coverage(run(subscribed(100), gap("g", 110), gap("g", 110, 115, missing=0), watermark(120))))
    assert (one.complete, one.holes, [hole.is_harmless for hole in one.closed]) == ([(100, 120)], [], [True])


def test_a_book_s_hole_ends_with_resynced() -> None:
    one = only(coverage(run(subscribed(100), gap("g", 110, repair=Repair.RESYNC), resynced("g", 117), watermark(120))))
    assert (one.complete, [hole.span for hole in one.holes]) == ([(100, 110), (117, 120)], [(110, 117)])


def test_a_hole_that_is_open_at_the_end_is_one_though_no_watermark_came_after_it() -> None:
    one = only(coverage(run(subscribed(100), watermark(110), gap("g", 113))))
    assert [(hole.start, hole.end) for hole in one.holes] == [(113, None)]
    assert (one.complete, one.uncovered, one.end, one.is_complete) == ([(100, 110)], [], 110, False)


def test_a_hole_that_ended_after_the_last_watermark_belongs_to_the_time_that_is_judged() -> None:
    one = only(coverage(run(subscribed(100), watermark(110), gap("g", 113), gap("g", 113, 118))))
    assert (one.complete, one.end, one.uncovered, one.ratio) == ([(100, 110)], 118, [(110, 113)], 10 / 18)
    assert [hole.span for hole in one.holes] == [(113, 118)]


def test_a_run_that_went_on_without_a_watermark_is_not_known_to_be_complete_until_its_end() -> None:
    at = 110 + LAG
    in_time = only(coverage(run(subscribed(100), watermark(110), unsubscribed(at))))
    assert (in_time.end, in_time.is_complete) == (110, True)
    late = only(coverage(run(subscribed(100), watermark(110), unsubscribed(at + 1))))
    assert (late.complete, late.end, late.is_complete) == ([(100, 110)], at + 1, False)
    assert (late.uncovered, late.known_until) == ([(110, at + 1)], 110)


def test_the_hole_since_the_last_run_is_complete_once_it_is_filled() -> None:
    first = run(subscribed(100), watermark(110))
    second = run(
        gap("g", 110, repair=Repair.BACKFILL), subscribed(150), backfilled("g", 155), watermark(160), run_id="B"
    )
    assert only(coverage([*first, *second])).complete == [(100, 160)]


def test_what_no_run_tells_of_is_not_covered() -> None:
    first = run(subscribed(100), watermark(110), unsubscribed(112))
    second = run(subscribed(150), watermark(160), run_id="B")
    one = only(coverage([*first, *second]))
    assert (one.complete, one.uncovered, one.holes) == ([(100, 110), (150, 160)], [(110, 150)], [])
    asked = only(coverage([*first, *second], 90, 180))
    assert (asked.uncovered, asked.is_complete) == ([(90, 100), (110, 150), (160, 180)], False)
    assert only(coverage([*first, *second], 100, 110)).is_complete


def test_what_one_run_missed_and_another_has_is_no_hole() -> None:
    first = run(subscribed(100), watermark(140))
    second = run(subscribed(100), gap("g", 110, 120), watermark(130), run_id="B")
    one = only(coverage([*first, *second]))
    assert (one.complete, one.holes) == ([(100, 140)], [])
    assert [hole.detail for hole in one.closed] == ["another run has it"]


def test_a_hole_that_a_dead_run_left_open_ends_where_the_next_one_is_complete() -> None:
    first = run(subscribed(100), watermark(110), gap("g", 112))
    second = run(
        gap("h", 110), subscribed(150), gap("h", 110, 160, missing=9), gap("i", 170, 180), watermark(200), run_id="B"
    )
    one = only(coverage([*first, *second]))
    assert [(hole.gap_id, hole.span) for hole in one.holes] == [("h", (110, 160)), ("g", (112, 160)), ("i", (170, 180))]
    assert (one.complete, one.uncovered, one.start) == ([(100, 110), (160, 170), (180, 200)], [], 100)


def test_a_hole_of_a_whole_connection_is_one_of_each_series_on_it() -> None:
    book = Subscribed(*head(100, channel=Channel.L2_BOOK), 100), Watermark(*head(131, channel=Channel.L2_BOOK), 130)
    elsewhere = ("toy", "BTC-USDC", None, 100, Channel.TRADES, "private-1", Severity.INFO)
    other = Subscribed(*elsewhere, 100), Watermark(*elsewhere, 130)
    broken = Gap(*head(112, None, None), "g", GapCause.DECODE, 110, 112)
    events = run(book[0], subscribed(100), other[0], broken, watermark(130), book[1], other[1])
    found = {(one.symbol, one.channel): [hole.span for hole in one.holes] for one in coverage(events)}
    assert found == {
        ("SOL-USDC", Channel.L2_BOOK): [(110, 112)],
        ("SOL-USDC", Channel.TRADES): [(110, 112)],
        ("BTC-USDC", Channel.TRADES): [],
    }


def test_what_a_sink_did_not_write_is_told_and_a_hole_where_it_is_asked_of() -> None:
    lost = Dropped(*head(115), "hot", "drop_oldest", 12, 111, 114)
    events = run(subscribed(100), lost, watermark(120))
    one = only(coverage(events))
    assert (one.is_complete, [(loss.sink, loss.count) for loss in one.losses]) == (True, [("hot", 12)])
    assert only(coverage(events, sink="archive")).is_complete
    asked = only(coverage(events, sink="hot"))
    assert [(hole.cause, hole.span, hole.missing) for hole in asked.holes] == [("dropped", (111, 114), 12)]
    assert asked.complete == [(100, 111), (114, 120)]


def test_records_that_come_twice_count_once() -> None:
    events = run(subscribed(100), gap("g", 105), backfilled("g", 108, 4), watermark(110))
    assert coverage([*events, *events]) == coverage(events)


def test_where_the_beginning_is_not_at_hand_coverage_begins_with_the_first_watermark() -> None:
    assert only(coverage(run(watermark(110), watermark(120)))).complete == [(110, 120)]


# against a reckoning that asks at each tick what the rules say
SPAN = 60
STEPS = st.sampled_from(
    ["subscribe", "watermark", "watermark", "stop", "open", "close", "harmless", "fill", "part", "resync"]
)


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[QualityEvent], set[int], set[int]]:
    """One run's events, the ticks that are complete by them, and the ticks in open holes."""
    now, names = draw(st.integers(0, 10)), 0
    events: list[QualityEvent] = []
    covered: set[int] = set()
    since: int | None = None
    until: int | None = None
    holes: dict[str, tuple[int, int, bool]] = {}
    for step in draw(st.lists(STEPS, max_size=14)):
        now += draw(st.integers(1, 5))
        name = draw(st.sampled_from(sorted(holes))) if holes else None
        if step == "subscribe":
            covered |= set(range(since or 0, until or 0)) if since is not None else set()
            since, until = now, None
            events.append(subscribed(now))
        elif step == "watermark" and since is not None:
            until = now
            events.append(watermark(now))
        elif step == "stop":
            covered |= set(range(since or 0, until or 0)) if since is not None else set()
            since = until = None
            events.append(unsubscribed(now))
        elif step == "open":
            names += 1
            start = now - draw(st.integers(0, 8))
            holes[f"g{names}"] = (start, SPAN * 9, False)
            events.append(gap(f"g{names}", start))
        elif name is not None and step in ("close", "harmless"):
            start = holes[name][0]
            holes[name] = (start, now, step == "harmless")
            events.append(gap(name, start, now, missing=0 if step == "harmless" else None))
        elif name is not None and step == "resync":
            holes[name] = (holes[name][0], now, holes[name][2])
            events.append(resynced(name, now))
        elif name is not None and step in ("fill", "part"):
            start, end, is_closed = holes[name]
            if step == "fill":
                holes[name] = (start, min(end, now), True)
            events.append(backfilled(name, now, is_complete=step == "fill"))
    covered |= set(range(since or 0, until or 0)) if since is not None else set()
    open_: set[int] = set()
    for start, end, is_closed in holes.values():
        ticks = set(range(start, min(end, SPAN * 9)))
        covered |= ticks if is_closed else set()
        open_ |= set() if is_closed else ticks
    return events, covered - open_, open_


def ticks(spans: Iterable[tuple[int, int]]) -> set[int]:
    return {tick for begin, end in spans for tick in range(begin, min(end, SPAN * 9))}


def is_beyond(tick: int, told: Sequence[tuple[object, set[int], set[int]]], complete: set[int]) -> bool:
    """Tell whether every hole that a tick lies in goes on for ever, and another run is complete in between."""
    for _, _, ticks_ in told:
        if tick in ticks_:
            goes_on = set(range(tick, SPAN * 9)) <= ticks_
            begin = tick
            while begin - 1 in ticks_:
                begin -= 1
            if not (goes_on and complete & set(range(begin, tick))):
                return False
    return True


@settings(deadline=None)
@given(told=st.lists(stories(), min_size=1, max_size=3))
def test_the_spans_are_what_a_reckoning_tick_by_tick_gives(
    told: list[tuple[list[QualityEvent], set[int], set[int]]],
) -> None:
    records = [record for number, (events, _, _) in enumerate(told) for record in run(*events, run_id=f"R{number}")]
    if not records:
        assert coverage(records) == []
        return
    one = only(coverage(records, 0, SPAN * 9))
    complete = set().union(*(found for _, found, _ in told)) - set(range(-20, 0))
    assert ticks(one.complete) == complete
    assert list(one.complete) == joined(one.complete)
    missing = ticks(hole.span for hole in one.holes)
    assert ticks(one.uncovered) == set(range(SPAN * 9)) - complete - missing
    every_hole = set().union(*(found for _, _, found in told))
    # a hole that its run never ended is one up to where another run is complete: there at least it begins
    ended = every_hole if len(told) == 1 else {tick for tick in every_hole if not is_beyond(tick, told, complete)}
    assert ended - complete <= missing | set(range(-20, 0))
    assert missing <= every_hole
    assert not one.is_complete or complete == set(range(SPAN * 9))


pairs = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6)


@settings(deadline=None)
@given(spans=pairs, holes=pairs)
def test_cutting_holes_out_is_subtraction_of_sets(spans: list[tuple[int, int]], holes: list[tuple[int, int]]) -> None:
    left = without(spans, holes)
    assert ticks(left) == ticks(spans) - ticks(holes)
    assert left == joined(left)
