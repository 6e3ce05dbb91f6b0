"""Books: levels of the book's number type, and ``None`` where a book is not in sync."""

from decimal import Decimal
from typing import assert_type

from tickwire import Books, BookSide, BookSnapshot, Event, FillEstimate, L2Book, Level, Side


def read(book: L2Book) -> None:
    assert_type(book, L2Book[float])
    assert_type(book.best_bid, Level[float] | None)
    assert_type(book.mid, float | None)
    assert_type(book.bids(10), list[Level[float]])
    assert_type(book.fill(Side.BUY, 2.0), FillEstimate[float])
    assert_type(book.size_at(BookSide.BID, 98.97), float)
    book.best_bid.price  # E[union-attr]: Item "None" of "Level[float] | None" has no attribute "price"
    book.size_at("bid", 98.97)  # E[arg-type]: expected "BookSide"
    if (best := book.best_ask) is not None:
        price, size = best
        assert_type(price, float)
        assert_type(best.size, float)


def decimals(book: L2Book[Decimal], snapshot: BookSnapshot) -> None:
    assert_type(book.best_bid, Level[Decimal] | None)
    assert_type(L2Book.from_snapshot(snapshot), L2Book[float])
    book.apply(snapshot)  # E[arg-type]: "BookSnapshot[float]"; expected "BookSnapshot[Decimal] | BookDelta[Decimal]"


def follow(books: Books, event: Event) -> None:
    books.apply(event)
    books.apply("SOL-USD")  # E[arg-type]: "str"
    books["SOL-USD"] = L2Book("acme", "SOL-USD")  # E[index]: Unsupported target for indexed assignment
