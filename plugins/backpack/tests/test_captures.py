"""Frames recorded from the real exchange go through the real router, and books and quotes agree."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from tickwire import BookDelta, BookSnapshot, Event, Funding, L2Book, Level, MarkPrice, Quote, Ticker
from tickwire.plugin import Control, Frame, SequenceRule
from tickwire_backpack.routing import BackpackRouter

CAPTURE = Path(__file__).parents[4] / "shared" / "captures" / "backpack-ws-2026-09-02.jsonl"
RECV = 1_788_367_500_000_000_000

pytestmark = pytest.mark.skipif(
    not CAPTURE.is_file(), reason="shared/captures does not stand beside the repository: the recorded frames are absent"
)


@pytest.fixture
def items(router: BackpackRouter) -> list[Event | Control]:
    """What the 282 frames give."""
    return [item for line in CAPTURE.read_bytes().splitlines() for item in router.route(Frame(line, RECV))]


def test_every_frame_gives_its_events(items: list[Event | Control]) -> None:
    assert Counter(type(item).__name__ for item in items) == {
        "BookDelta": 224,
        "Quote": 48,
        "MarkPrice": 5,
        "Funding": 5,
        "Ticker": 5,
    }


def test_each_event_says_what_its_frame_says(items: list[Event | Control]) -> None:
    def levels(rows: list[list[str]]) -> tuple[tuple[float, float], ...]:
        return tuple((float(price), float(size)) for price, size in rows)

    expected: list[object] = []
    for line in CAPTURE.read_bytes().splitlines():
        d = msgspec.json.decode(line)["data"]
        if d["e"] == "depth":
            a, b = levels(d["a"]), levels(d["b"])
            expected.append(BookDelta("backpack", "SOL-USDC", d["T"] * 1_000, RECV, b, a, d["U"], d["u"]))
        elif d["e"] == "bookTicker":
            bid, ask = (float(d["b"]), float(d["B"])), (float(d["a"]), float(d["A"]))
            expected.append(Quote("backpack", "SOL-USDC", d["T"] * 1_000, RECV, *bid, *ask, d["u"]))
        elif d["e"] == "markPrice":
            head = ("backpack", "SOL-USDC-PERP", d["T"] * 1_000, RECV)
            expected.append(MarkPrice(*head, float(d["p"]), float(d["i"])))
            expected.append(Funding(*head, float(d["f"]), None, d["n"] * 1_000_000))
        else:
            first, high, low, last, volume, quote = (float(d[key]) for key in "ohlcvV")
            head = ("backpack", "SOL-USDC", d["E"] * 1_000, RECV)
            expected.append(Ticker(*head, last, None, first, high, low, volume, quote, d["n"], "24h"))
    assert items == expected


def test_the_best_levels_of_the_book_equal_all_47_quotes_whose_update_is_here(items: list[Event | Control]) -> None:
    quotes: list[Quote] = [item for item in items if isinstance(item, Quote)]
    first = quotes[0]
    assert first.bid_price is not None
    assert first.bid_size is not None
    assert first.ask_price is not None
    assert first.ask_size is not None
    bids, asks = ((first.bid_price, first.bid_size),), ((first.ask_price, first.ask_size),)
    seed = BookSnapshot("backpack", "SOL-USDC", first.ts_event, RECV, bids, asks, first.sequence)
    book = L2Book.from_snapshot(seed, SequenceRule.CONSECUTIVE)
    best: dict[int | None, tuple[Level | None, Level | None]] = {}
    for item in items:
        if isinstance(item, BookDelta):
            book.apply(item)
            best[item.last_sequence] = (book.best_bid, book.best_ask)
    assert book.is_synced
    assert (min(best), max(best), len(best)) == (4330360995, 4330361218, 224)  # type: ignore[type-var]

    compared = [quote for quote in quotes if quote.sequence in best]
    assert len(compared) == 47
    assert [best[quote.sequence] for quote in compared] == [
        ((quote.bid_price, quote.bid_size), (quote.ask_price, quote.ask_size)) for quote in compared
    ]
