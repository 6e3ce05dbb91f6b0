"""B: books kept from the plugin's snapshots and deltas are the exchange's own, at every sequence."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from tickwire import BookDelta, BookSnapshot, Channel, Instrument, L2Book, SequenceGapError
from tickwire.plugin import SequenceRule
from tickwire.simulation import SimBook
from tickwire.testing.checks import check
from tickwire.testing.following import Followed
from tickwire.testing.kit import Conformance
from tickwire.testing.prerequisites import same_in, verify_listed
from tickwire.testing.subject import Subject
from tickwire.testing.verdicts import SPOKEN, cannot, verify

__all__ = ["BookChecks"]

_SKIP = "the exchange has no l2_book, or there is no simulator"
_STEPS = 250


class BookChecks(Conformance):
    """The checks whose ids begin with B."""

    @check("B1", proves="from the first snapshot on, the book is the exchange's own at every sequence", skip_when=_SKIP)
    def test_b1_the_book_is_the_exchanges_own(self, subject: Subject) -> None:
        followed = _followed(subject)
        counted = 0
        for book, _ in followed.changes(_STEPS):
            if followed.is_comparable(book):
                _verify_equal(followed, book)
            counted += book.is_synced
        verify(counted > _STEPS // 4, SPOKEN, f"{_STEPS} steps give {counted} changes in sync", "hand on deltas")
        for book in followed.books.values():
            verify(book.is_synced, SPOKEN, f"{book} is never in sync", "see BookFeed.start in info.py")

    @check("B2", proves="a duplicate and an old delta change nothing", skip_when=f"{_SKIP}, or sequences tell nothing")
    def test_b2_duplicates_are_ignored(self, subject: Subject) -> None:
        _require_numbered(subject, SequenceRule.CONSECUTIVE, SequenceRule.LINKED, SequenceRule.INCREASING)
        followed = _followed(subject)
        seen: list[BookDelta[Any]] = []
        for book, event in followed.changes(60):
            if isinstance(event, BookDelta):
                seen.append(event)
                sequence = book.sequence
                for old in (event, next(one for one in seen if one.symbol == event.symbol)):
                    book.apply(old)
                verify(book.sequence == sequence, SPOKEN, "an old delta moves the book", "set last_sequence")
                _verify_equal(followed, book)

    @check("B3", proves="a missing delta is noticed at the next one", skip_when=f"{_SKIP}, or sequences tell no holes")
    def test_b3_missing_deltas_are_noticed(self, subject: Subject) -> None:
        _require_numbered(subject, SequenceRule.CONSECUTIVE, SequenceRule.LINKED)
        followed = _followed(subject)
        for _ in followed.changes(20):
            pass
        deltas: dict[str, list[BookDelta[Any]]] = {}
        for item in followed.items(120):
            if isinstance(item, BookDelta):
                deltas.setdefault(item.symbol, []).append(item)
        for symbol, own in deltas.items():
            for number, delta in enumerate(own[:-1]):
                book = followed.books[symbol]
                if number % 2 == 0:
                    book.apply(delta)
                    state = book.snapshot()
                    continue
                lost = L2Book.from_snapshot(state, _rule(subject))
                try:
                    lost.apply(own[number + 1])
                except SequenceGapError:
                    book.apply(delta)
                    continue
                what = f"{symbol}: {delta} is missing, and nothing tells"
                verify(False, SPOKEN, what, "set first_sequence, last_sequence and previous_sequence as sent")

    @check("B4", proves="removing a level that is not there is no error", skip_when=_SKIP)
    def test_b4_absent_levels_are_removed_in_peace(self, subject: Subject) -> None:
        followed = _followed(subject)
        for _ in followed.changes(20):
            pass
        dress = followed.exchange.dress
        for instrument in followed.exchange.market.instruments:
            whole = followed.exchange.market.book(instrument.native, 1_000)
            absent = _absent(instrument, whole)
            gone = SimBook(instrument, whole.sequence, whole.sequence + 1, whole.ts, (absent,), ())
            items = followed.read(dress.book(gone, whole), Channel.L2_BOOK, instrument)
            known = same_in(followed.strategies.instruments, instrument)
            assert known is not None
            book = followed.books[known.symbol]
            before = book.bids(), book.asks()
            for item in items:
                if isinstance(item, BookDelta):
                    book.apply(item)
            what = f"{known.symbol}: removing {absent} makes {book.bids()[:2]} of {before[0][:2]}"
            verify((book.bids(), book.asks()) == before, SPOKEN, what, "hand on zero sizes as they are")

    @check("B5", proves="a windowed book says how deep it is", skip_when=f"{_SKIP}, or books are not windowed")
    def test_b5_windows_are_declared(self, subject: Subject) -> None:
        if subject.info.book is None or not subject.info.book.windowed:
            cannot("books are not windowed")
        followed = _followed(subject)
        for book, event in followed.changes(_STEPS):
            if isinstance(event, BookSnapshot):
                verify(event.depth, SPOKEN, "a windowed snapshot without depth", "set BookSnapshot.depth")
            depth = book.depth or 0
            deepest = max(len(book.bids()), len(book.asks()))
            verify(deepest <= depth, SPOKEN, f"{deepest} levels in a window of {depth}", "set depth as sent")

    @check("B6", proves="our digest equals the exchange's at every change, and differs once a level is wrong",
           skip_when=f"{_SKIP}, or books have no checksum")  # fmt: skip
    def test_b6_checksums_agree(self, subject: Subject) -> None:
        if subject.info.book is None or subject.info.book.checksum is None:
            cannot("books have no checksum")
        numbers = Decimal if subject.info.book.checksum.needs_text else float
        followed = _followed(subject, numbers=numbers)
        verify_listed(followed.exchange.traded, followed.strategies.instruments)  # digits come of ticks and lots
        digested = 0
        for book, event in followed.changes(_STEPS):
            instrument = followed.strategies.instruments.symbols[book.symbol]
            if event.checksum is None or not book.is_synced:
                continue
            digested += 1
            ours = followed.strategies.routing.checksum(book, instrument)
            what = f"{book.symbol} at {book.sequence}: we digest {ours}, the exchange {event.checksum}"
            verify(ours == event.checksum, SPOKEN, what, "digest in checksum() what the exchange digests")
            wrong = followed.strategies.routing.checksum(_spoilt(book), instrument)
            verify(wrong != event.checksum, SPOKEN, "a wrong best bid has the same digest", "digest sizes too")
        verify(digested, SPOKEN, "no event carries a checksum", "hand it on in BookSnapshot and BookDelta")


def _followed(subject: Subject, *, numbers: type = float) -> Followed:
    followed = Followed(subject, Channel.L2_BOOK, numbers=numbers)
    followed.start_books()
    return followed


def _rule(subject: Subject) -> Any:
    assert subject.info.book is not None
    return subject.info.book.sequence


def _require_numbered(subject: Subject, *rules: SequenceRule) -> None:
    book = subject.info.book
    if book is None or (isinstance(book.sequence, SequenceRule) and book.sequence not in rules):
        cannot(f"sequences are {book.sequence if book else 'none'}")


def _verify_equal(followed: Followed, book: L2Book[Any]) -> None:
    bids, asks = followed.true_levels(book)
    ours, theirs = (book.bids(), book.asks()), (bids, asks)
    for name, mine, true in zip(("bids", "asks"), ours, theirs, strict=True):
        plain = [tuple(level) for level in mine]
        what = f"{book.symbol} at {book.sequence}: {name} {_difference(plain, true)}"
        verify(plain == true, SPOKEN, what, "hand on every level, with the new absolute size, on its own side")


def _difference(mine: Sequence[Any], true: Sequence[Any]) -> str:
    pairs = next(((a, b) for a, b in zip(mine, true, strict=False) if a != b), None)
    return f"have {pairs[0]} where the exchange has {pairs[1]}" if pairs else f"are {len(mine)}, not {len(true)}"


def _absent(instrument: Instrument, whole: SimBook) -> tuple[str, str]:
    price = Decimal(whole.bids[-1][0]) - 3 * (instrument.tick_size or Decimal(1))
    return f"{price:f}", f"{Decimal(0) * (instrument.lot_size or Decimal(1)):f}"


def _spoilt(book: L2Book[Any]) -> L2Book[Any]:
    snapshot = book.snapshot()
    (price, size), *rest = snapshot.bids
    return L2Book.from_snapshot(msgspec.structs.replace(snapshot, bids=((price, size * 2), *rest)))
