"""The oracle blames what is lost, made up or hidden, and nothing that could not be seen."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire import (
    Backfilled,
    BookDelta,
    BookSnapshot,
    Channel,
    Event,
    Gap,
    GapCause,
    Instrument,
    L2Book,
    Repair,
    Resynced,
    Severity,
    Side,
    Subscribed,
    Trade,
    Unsubscribed,
    UnsubscribeReason,
    Watermark,
)
from tickwire.simulation import MemoryTruth, SimBook, SimTrade
from tickwire.testing import Oracle

SECOND = 1_000_000_000
START = 1_780_000_000 * SECOND
BTC = Instrument("toy", "BTC-USD", "BTC_USD", "BTC", "USD")


def at(seconds: float) -> int:
    return START + round(seconds * SECOND)


def truth(trades: int = 9, changes: int = 9) -> MemoryTruth:
    """Trade n at second n, change 100 + n at second n: the size of one bid becomes n."""
    log = MemoryTruth()
    log.opened(BTC)
    log.snapshot(SimBook(BTC, None, 100, at(0), (("10.0", "1.0"),), (("11.0", "1.0"),)))
    for n in range(1, changes + 1):
        log.change(SimBook(BTC, 99 + n, 100 + n, at(n), (("10.0", f"{n + 1}.0"),), ()))
    for n in range(1, trades + 1):
        log.trade(SimTrade(BTC, n, f"10.{n}", "2.0", True, at(n)))
    return log


def trade(n: int, *, backfilled: bool = False) -> Trade:
    return Trade("toy", "BTC-USD", at(n), at(n), 10 + n / 10, 2.0, Side.BUY, str(n), n, None, backfilled)


def head(seconds: float, channel: Channel) -> tuple[str, str, None, int, Channel, None, Severity]:
    return ("toy", "BTC-USD", None, at(seconds), channel, None, Severity.INFO)


def begin(seconds: float, channel: Channel = Channel.TRADES) -> Subscribed:
    return Subscribed(*head(seconds, channel), at(seconds))


def end(seconds: float, channel: Channel = Channel.TRADES) -> Unsubscribed:
    return Unsubscribed(*head(seconds, channel), UnsubscribeReason.STOPPED)


def mark(until: float) -> Watermark:
    return Watermark(*head(until, Channel.TRADES), at(until))


def gap(
    seconds: float,
    *,
    channel: Channel = Channel.TRADES,
    name: str = "g",
    until: float | None = None,
    missing: int | None = None,
    ids: tuple[int | None, int | None] = (None, None),
    repair: Repair = Repair.NONE,
) -> Gap:
    ts_end = None if until is None else at(until)
    return Gap(*head(seconds, channel), name, GapCause.SEQUENCE, at(seconds), ts_end, *ids, missing, repair)


def snapshot(n: int) -> BookSnapshot:
    return BookSnapshot("toy", "BTC-USD", at(n), at(n), ((10.0, n + 1.0),), ((11.0, 1.0),), 100 + n)


def delta(n: int, size: float | None = None) -> BookDelta:
    change = ((10.0, n + 1.0 if size is None else size),)
    return BookDelta("toy", "BTC-USD", at(n), at(n), change, (), 100 + n, 100 + n)


def verdict(events: Sequence[Event], *, require_filled: bool = False, in_flight: float = 0.5) -> list[str]:
    oracle = Oracle(require_filled=require_filled, in_flight=in_flight, believes_watermarks=True)
    for event in events:
        oracle.see(event)
    return oracle.verdict(truth())


BOOK = Channel.L2_BOOK
ALL = [trade(n) for n in range(1, 10)]
DELTAS = [delta(n) for n in range(1, 10)]
FILLED = Backfilled(*head(7, Channel.TRADES), "g", 2, 4, 5, True, 0)


@pytest.mark.parametrize(
    "events",
    [
        [begin(0), *ALL, end(9.1)],
        [begin(0, BOOK), snapshot(0), *DELTAS, end(9.1, BOOK)],
        [begin(3.5), *ALL[3:], end(9.1)],
        [begin(5), *ALL[4:], end(9.1)],  # the first trade itself confirmed
        [begin(0), *ALL[:4], end(4.4)],
        [begin(0), *ALL[:8], end(9.2)],  # the last was under way
        [begin(0), *ALL[:3], gap(3.5), gap(6, until=6), *ALL[5:], end(9.1)],
        [begin(0), *ALL[:3], gap(6, until=6, missing=2, ids=(4, 5)), *ALL[5:], end(9.1)],
        [begin(0), *ALL[:3], gap(3.5), end(9.1)],
        [begin(0), *ALL[:5], mark(5.9), *ALL[5:], mark(9.5), end(9.6)],
        [begin(0), *ALL[:3], gap(6, until=6, missing=2, ids=(4, 5)), *ALL[5:8], mark(8.9), ALL[8], end(9.1)],
        [begin(0), *ALL[:2], end(2.5), begin(6.5), *ALL[6:], end(9.1)],
        [begin(0, BOOK), snapshot(0), delta(1), gap(4, channel=BOOK), snapshot(4),
         Resynced(*head(4, BOOK), "g", 104, 1), *DELTAS[4:], end(9.1, BOOK)],
        [begin(0, BOOK), snapshot(0), delta(1), gap(4, channel=BOOK), end(9.1, BOOK)],
        [begin(0, BOOK), gap(0.5, channel=BOOK), end(0.6, BOOK), begin(0.7, BOOK), snapshot(1), *DELTAS[1:],
         end(9.1, BOOK)],
        [begin(5), *[trade(n, backfilled=True) for n in range(1, 5)], *ALL[4:], end(9.1)],
    ],
)  # fmt: skip
def test_what_is_right_is_not_blamed(events: Sequence[Event]) -> None:
    assert verdict(events) == []


RIGHT = [begin(0), *ALL]
WRONG = [
    ([begin(0), *ALL[:3], *ALL[5:]], "BTC-USD: 2 of 9 trades are missing unannounced: 4, 5"),
    ([begin(0), *ALL[:5], end(9.1)], "BTC-USD: 3 of 9 trades are missing unannounced: 6, 7, 8"),
    ([*RIGHT, trade(4)], "BTC-USD: trade 4 came twice"),
    ([*RIGHT, trade(4, backfilled=True)], "BTC-USD: trade 4 came twice"),
    ([*ALL[:2]], "BTC-USD: trade 1 came without Subscribed"),
    ([begin(0), *ALL[:3], gap(4, until=4, missing=0), *ALL[5:]], "2 of 9 trades are missing unannounced: 4, 5"),
    (
        [begin(0), *ALL[:3], gap(6, until=6, missing=1, ids=(4, 4)), *ALL[5:]],
        "1 of 9 trades are missing unannounced: 5",
    ),
    ([begin(0), *ALL[:3], gap(3.5), FILLED, *ALL[5:]], "2 of 9 trades are missing unannounced: 4, 5"),
    ([begin(0), trade(2), trade(1), *ALL[2:]], "BTC-USD: trade 1 came after 2"),
    ([begin(0), *ALL[:5], mark(8), *ALL[5:]], "a Watermark says complete until 1780000008000000000, and trade 6 came "),
    ([begin(0), mark(8), mark(7)], "BTC-USD: a Watermark goes back to 1780000007000000000"),
    ([*RIGHT, trade(10)], "BTC-USD: trade 10 never happened"),
    ([begin(0), msgspec.structs.replace(ALL[0], price=10.2), *ALL[1:]], "BTC-USD: trade 1 is "),
    ([begin(0), msgspec.structs.replace(ALL[0], taker_side=Side.SELL), *ALL[1:]], "BTC-USD: trade 1 is "),
    ([begin(0), msgspec.structs.replace(ALL[0], ts_event=at(4)), *ALL[1:]], "BTC-USD: trade 1 is "),
    ([*RIGHT, FILLED], "BTC-USD: Backfilled of g, which was never announced"),
    ([begin(0, BOOK), *DELTAS], "BTC-USD: a delta came before any snapshot"),
    ([begin(0, BOOK), snapshot(0), delta(1, 7.0), *DELTAS[1:]], "BTC-USD: the book at 101 is not the exchange's"),
    ([begin(0, BOOK), snapshot(0), delta(1), delta(3)], "BTC-USD: the stream itself does not follow"),
    ([begin(0, BOOK), snapshot(0), delta(1), gap(2, channel=BOOK), delta(2)], "a delta came between Gap and Resynced"),
    ([begin(0, BOOK), snapshot(0), Resynced(*head(1, BOOK), "g", 100, 1)], "Resynced of g follows no snapshot of it"),
    (
        [begin(0, BOOK), snapshot(0), delta(1), end(9.1, BOOK)],
        "the book stands at 101, unannounced",
    ),
    ([begin(0, BOOK), snapshot(0), *DELTAS, delta(10)], "BTC-USD: there never was a book at 110"),
]


@pytest.mark.parametrize(("events", "blame"), WRONG, ids=[blame for _, blame in WRONG])
def test_what_is_wrong_is_blamed(events: Sequence[Event], blame: str) -> None:
    found = verdict(events)
    assert [one for one in found if blame in one], found


def test_where_history_reaches_an_announced_hole_must_be_filled() -> None:
    hole: list[Event] = [begin(0), *ALL[:3], gap(6, until=6, missing=2, ids=(4, 5)), *ALL[5:], end(9.1)]
    assert verdict(hole, require_filled=True) == ["BTC-USD: 2 of 9 trades were never filled: 4, 5"]
    opened = gap(3.5, repair=Repair.BACKFILL)
    late = [trade(4, backfilled=True), trade(5, backfilled=True)]
    assert verdict([begin(0), *ALL[:3], opened, *late, FILLED, *ALL[5:], end(9.1)], require_filled=True) == []
    left: list[Event] = [begin(0), *ALL[:3], opened, *ALL[5:6], gap(6.2, until=6, missing=2, ids=(4, 5)), end(6.2)]
    assert verdict(left, require_filled=True) == []


def test_a_book_that_shows_itself_while_its_gap_is_open_is_blamed() -> None:
    book = L2Book.from_snapshot(snapshot(0))
    oracle = Oracle(live=lambda: {"BTC-USD": book})
    events: list[Event] = [begin(0, BOOK), snapshot(0), gap(1, channel=BOOK)]
    for event in events:
        oracle.see(event)
    assert oracle.violations == ["BTC-USD: the book is shown although its Gap is announced"]


def test_the_feed_s_own_book_must_be_exactly_at_the_event() -> None:
    book = L2Book.from_snapshot(snapshot(1))
    oracle = Oracle(live=lambda: {"BTC-USD": book})
    oracle.see(snapshot(0))
    (blame,) = oracle.violations
    assert blame.startswith("BTC-USD: at its event 100 the feed's book is <L2Book toy BTC-USD in sync")


@given(lost=st.sets(st.integers(1, 9), min_size=1))
def test_whatever_is_left_out_in_silence_is_named(lost: set[int]) -> None:
    events: list[Event] = [begin(0), *(one for one in ALL if one.sequence not in lost)]
    found = verdict([*events, end(20)])
    named = ", ".join(str(number) for number in sorted(lost)[:5])
    assert len(found) == 1
    assert found[0].startswith(f"BTC-USD: {len(lost)} of 9 trades are missing unannounced: {named}")


@given(kept=st.sets(st.integers(1, 9)))
def test_the_same_in_announced_holes_is_not(kept: set[int]) -> None:
    events: list[Event] = [begin(0)]
    last = 0
    for number in sorted(kept):
        if number > last + 1:
            ids = (last + 1, number - 1)
            events.append(gap(number, name=f"g{number}", until=number, missing=ids[1] - ids[0] + 1, ids=ids))
        events.append(trade(number))
        last = number
    events += [gap(20, name="open"), end(20)]
    assert verdict(events) == []
