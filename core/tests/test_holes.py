"""Where a hole begins of which no trade before it is known: history says, once it was read far enough back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tickwire.feed.holes import NumberedHole
from tickwire.model.events import Trade

SECOND = 1_000_000_000


def trade(number: int) -> Trade:
    return Trade("toy", "SOL-USD", number * SECOND, number * SECOND, 1.0, 1.0, None, str(number), number)


@given(
    first=st.integers(1, 30), count=st.integers(0, 60), since=st.integers(0, 100), size=st.integers(1, 20),
    at_once=st.booleans(),
)  # fmt: skip
def test_pages_newest_first_close_it_only_once_they_reach_its_beginning(
    first: int, count: int, since: int, size: int, at_once: bool
) -> None:
    history = list(range(first, first + count))
    live = first + count
    hole = NumberedHole(None, since * SECOND)
    if at_once:
        hole.live(trade(live))
    wanted = [number for number in history if number >= since - 1]
    passed, rest = list[int](), history
    while not hole.has_beginning:
        assert not hole.is_closed
        assert hole.take() == []
        rest, page = rest[: -size or None] if len(rest) > size else [], rest[-size:]
        hole.page(map(trade, page), is_oldest=len(page) < size)
        if not page:
            break
    hole.live(trade(live))
    assert hole.is_closed == (hole.has_beginning)
    passed = [int(one.trade_id or 0) for one in hole.take(everything=True)]
    assert passed == [*wanted, live]


def test_a_page_that_does_not_reach_back_closes_nothing() -> None:
    hole = NumberedHole(None, 100 * SECOND)
    hole.live(trade(2000))
    assert hole.page(map(trade, range(1000, 2000)), is_oldest=False) == 1000
    assert (hole.is_closed, hole.missing) == (False, None)
    assert hole.page(map(trade, range(1, 1000)), is_oldest=False) == 901
    assert (hole.is_closed, hole.missing) == (True, 0)
    assert [one.sequence for one in hole.take()] == list(range(99, 2001))
