"""Compares books with the ground truth by digests, so that a run of any length keeps two numbers for each event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from tickwire import Instrument, L2Book, Nanos
from tickwire.simulation import SimBook, TruthReader

__all__ = ["Digest", "digest_of", "wrong_books"]

_NAMED = 3


@attrs.frozen
class Digest:
    """A book at one event: its sequence, how deep it was, and a hash of its levels."""

    sequence: int | None
    depth: int | None
    levels: int


def digest_of(book: L2Book[Any]) -> Digest:
    """Digest a book."""
    return Digest(book.sequence, book.depth, hash((tuple(book.bids()), tuple(book.asks()))))


def wrong_books(
    truth: TruthReader, instrument: Instrument, digests: Sequence[Digest], numbers: type, stands_until: Nanos | None
) -> list[str]:
    """Say which books were never the exchange's.

    Args:
        truth: What really happened.
        instrument: Whose books.
        digests: What the feed showed, in order.
        numbers: The feed's number type.
        stands_until: The last one was shown as the exchange's until then; ``None``: nobody says so.
    """
    if not digests:
        return []
    wanted: dict[int | None, list[Digest]] = {}
    for digest in digests:
        wanted.setdefault(digest.sequence, []).append(digest)
    depths = {digest.depth for digest in digests}
    anything = wanted.pop(None, [])
    wrong, states, should_be = list[str](), set[int](), None
    for book in _walk(truth, instrument.native, numbers):
        if stands_until is not None and (book.ts <= stands_until or should_be is None):
            should_be = book.sequence
        found = wanted.pop(book.sequence, [])
        if found or anything:
            true = {depth: book.digest(depth) for depth in depths}
            states.update(true.values())
            if any(digest.levels != true[digest.depth] for digest in found):
                wrong.append(f"{instrument.symbol}: the book at {book.sequence} is not the exchange's")
    wrong += [f"{instrument.symbol}: there never was a book at {sequence}" for sequence in wanted]
    if any(digest.levels not in states for digest in anything):
        wrong.append(f"{instrument.symbol}: a book is at no moment the exchange's")
    last = digests[-1].sequence
    if should_be is not None and last is not None and last < should_be:
        wrong.append(
            f"{instrument.symbol}: the book stands at {last}, unannounced, while the exchange is at {should_be}"
        )
    return wrong[:_NAMED] + ([f"{instrument.symbol}: … {len(wrong) - _NAMED} more"] if len(wrong) > _NAMED else [])


@attrs.define
class _TrueBook:
    numbers: type
    sequence: int
    ts: Nanos
    bids: dict[Any, Any]
    asks: dict[Any, Any]

    def digest(self, depth: int | None) -> int:
        bids = sorted(self.bids.items(), reverse=True)[:depth]
        return hash((tuple(bids), tuple(sorted(self.asks.items())[:depth])))

    def apply(self, change: SimBook) -> None:
        self.sequence, self.ts = change.sequence, change.ts
        for side, levels in ((self.bids, change.bids), (self.asks, change.asks)):
            for text, amount in levels:
                price, size = self.numbers(text), self.numbers(amount)
                if size:
                    side[price] = size
                else:
                    side.pop(price, None)


# The book at every sequence, one object all along.
def _walk(truth: TruthReader, native: str, numbers: type) -> Iterator[_TrueBook]:
    first = truth.book(native, truth.span(native)[0])
    book = _TrueBook(numbers, first.sequence, first.ts, {}, {})
    book.apply(first)
    yield book
    for change in truth.changes(native, after=first.sequence):
        book.apply(change)
        yield book
