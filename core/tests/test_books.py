"""Books follow any stream of events, and show nothing between a gap and the snapshot that repairs it."""

from __future__ import annotations

import pytest

from tickwire import (
    BookDelta,
    Books,
    BookSnapshot,
    Channel,
    ConfigError,
    Event,
    Gap,
    GapCause,
    Level,
    Quote,
    Repair,
    Resynced,
    SequenceGapError,
    Severity,
    SnapshotCause,
    Trade,
    Unsubscribed,
    UnsubscribeReason,
)


def snap(sequence: int, bid: float = 98.0, symbol: str = "SOL-USDC", ts: int = 1, exchange: str = "acme") -> Event:
    return BookSnapshot(exchange, symbol, ts, ts, ((bid, 1.0),), ((100.0, 1.0),), sequence)


def change(sequence: int, size: float, symbol: str = "SOL-USDC") -> Event:
    return BookDelta("acme", symbol, 2, 2, ((98.0, size),), (), sequence, sequence)


def gap(
    symbol: str | None = "SOL-USDC",
    channel: Channel | None = Channel.L2_BOOK,
    ts_end: int | None = None,
    exchange: str = "acme",
) -> Event:
    return Gap(
        exchange, symbol, None, 3, channel, None, Severity.WARNING, "g1", GapCause.SEQUENCE, 2, ts_end,
        repair=Repair.RESYNC,
    )  # fmt: skip


def resynced(sequence: int) -> Event:
    return Resynced("acme", "SOL-USDC", None, 4, Channel.L2_BOOK, None, Severity.INFO, "g1", sequence, 1)


def following(*events: Event) -> Books:
    books = Books()
    for event in events:
        books.apply(event)
    return books


def test_snapshot_and_deltas_build_a_book() -> None:
    books = following(snap(10), change(11, 5.0), change(12, 6.0))
    assert (books["SOL-USDC"].best_bid, books["SOL-USDC"].sequence) == (Level(98.0, 6.0), 12)


def test_between_gap_and_the_new_snapshot_there_is_no_book_to_see() -> None:
    books = following(snap(10), change(11, 5.0), gap())
    assert (books["SOL-USDC"].is_synced, books["SOL-USDC"].bids()) == (False, [])
    books.apply(BookSnapshot("acme", "SOL-USDC", 9, 9, ((97.0, 2.0),), (), 40, cause=SnapshotCause.RESYNC))
    books.apply(resynced(40))
    assert (books["SOL-USDC"].is_synced, books["SOL-USDC"].bids()) == (True, [Level(97.0, 2.0)])


def test_a_gap_of_one_instrument_leaves_the_others_alone() -> None:
    books = following(snap(10), snap(20, symbol="BTC-USDC"), gap())
    assert {symbol: book.is_synced for symbol, book in books.items()} == {"SOL-USDC": False, "BTC-USDC": True}


def test_a_gap_without_symbol_takes_every_book_out_of_sync() -> None:
    books = following(snap(10), snap(20, symbol="BTC-USDC"), gap(symbol=None, channel=None))
    assert [book.is_synced for book in books.values()] == [False, False]


@pytest.mark.parametrize("event", [gap(channel=Channel.TRADES), gap(symbol="DOGE-USDC"), gap(exchange="other")])
def test_a_gap_elsewhere_is_not_the_books(event: Event) -> None:
    assert following(snap(10), event)["SOL-USDC"].is_synced


def test_a_gap_that_tells_its_end_takes_a_book_from_before_it_out_of_sync() -> None:
    assert not following(snap(10, ts=2), gap(ts_end=9))["SOL-USDC"].is_synced


def test_a_gap_that_tells_its_end_leaves_a_book_that_was_repaired_alone() -> None:
    assert following(snap(10, ts=2), gap(), snap(40, ts=9), gap(ts_end=9))["SOL-USDC"].is_synced


def test_a_book_is_not_shown_after_coverage_ended() -> None:
    end = Unsubscribed("acme", "SOL-USDC", None, 5, Channel.L2_BOOK, None, Severity.INFO, UnsubscribeReason.STOPPED)
    assert not following(snap(10), end)["SOL-USDC"].is_synced


def test_a_hole_that_the_stream_does_not_announce_is_an_error() -> None:
    books = following(snap(10), change(11, 1.0))
    with pytest.raises(SequenceGapError):
        books.apply(change(15, 1.0))


def test_everything_else_is_ignored() -> None:
    trade = Trade("acme", "SOL-USDC", 1, 2, 98.0, 1.0)
    quote = Quote("acme", "SOL-USDC", 1, 2, 97.0, 1.0, 99.0, 1.0)
    books = following(trade, quote, change(11, 1.0), resynced(5))
    assert dict(books) == {}
    assert following(snap(10), trade, quote)["SOL-USDC"].best_bid == Level(98.0, 1.0)


def test_a_stream_of_two_exchanges_needs_to_be_told_which() -> None:
    with pytest.raises(ConfigError, match="books of 'acme' and of 'other' → make one Books per exchange"):
        following(snap(10), snap(10, exchange="other"))


def test_told_which_exchange_it_follows_that_one_only() -> None:
    books = Books("acme")
    crossed = BookSnapshot("other", "SOL-USDC", 1, 1, ((9.0, 1.0),), ((8.0, 1.0),), 1)
    for event in (snap(10, bid=1.0, exchange="other"), crossed, snap(10), gap(exchange="other")):
        books.apply(event)
    assert (list(books), books["SOL-USDC"].best_bid) == (["SOL-USDC"], Level(98.0, 1.0))
