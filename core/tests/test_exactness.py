"""Values that lose digits as floats are delivered and announced, once; nan and infinity are no data."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.feed.books import BookStream
from tickwire.feed.exactness import number_fields
from tickwire.feed.streams import Stream
from tickwire.feed.trades import TradeStream
from tickwire.model.book import L2Book
from tickwire.model.books import Books
from tickwire.model.channels import Channel, Subscription
from tickwire.model.clock import ManualClock
from tickwire.model.errors import DecodeError
from tickwire.model.events import BookDelta, BookSnapshot, Levels, MarketEvent, Quote, Trade
from tickwire.model.instruments import Instrument
from tickwire.model.numbers import exact, number_text
from tickwire.model.quality import Event, Gap, GapCause, Inexact, Severity, Subscribed
from tickwire.model.sequence import SequenceRule
from tickwire.model.stored import encode_event
from tickwire.plugin.info import BookFeed, BookStart

SOL = Instrument("toy", "SOL-USD", "SOL_USD", "SOL", "USD", tick_size=Decimal("0.01"), lot_size=Decimal("0.001"))
UNKNOWN = Instrument("toy", "SOL-USD", "SOL_USD", "SOL", "USD")
HEAD = ("toy", "SOL-USD", None, 7)


class Run:
    """The three kinds of stream of one instrument, and what they let through."""

    def __init__(self, numbers: type = float, instrument: Instrument = SOL, digest: int | None = None) -> None:
        self.emitted: list[Event] = []
        self.resyncs = 0
        clock, emit = ManualClock(), self.emitted.append
        self.trades = TradeStream(Subscription(Channel.TRADES, instrument), "toy", clock, emit, numbers=numbers)
        self.quotes = Stream(Subscription(Channel.L1_BOOK, instrument), "toy", clock, emit, numbers=numbers)
        self.book = BookStream(
            Subscription(Channel.L2_BOOK, instrument), "toy", clock, emit,
            BookFeed(BookStart.SOCKET, SequenceRule.CONSECUTIVE), self._resync,
            None if digest is None else lambda book: digest, numbers=numbers,
        )  # fmt: skip

    def _resync(self, stream: BookStream) -> None:
        self.resyncs += 1

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.emitted if isinstance(event, kind)]

    def told(self) -> list[tuple[Channel | None, str, int, str]]:
        return [(event.channel, event.field, event.digits, event.sample) for event in self.of(Inexact)]


def trade(price: Any, size: Any, sequence: int | None = None) -> Trade[Any]:
    return Trade(*HEAD, price, size, sequence=sequence)


def snapshot(bids: Levels[Any], checksum: int | None = None) -> BookSnapshot[Any]:
    return BookSnapshot(*HEAD, bids, (), 1, checksum)


def delta(sequence: int, bids: Levels[Any], asks: Levels[Any] = (), checksum: int | None = None) -> BookDelta[Any]:
    return BookDelta(*HEAD, bids, asks, sequence, sequence, None, checksum)


def test_a_trade_beyond_15_digits_is_delivered_after_its_announcement() -> None:
    run = Run()
    beyond = trade(98.97, 1234567890123.456)
    run.trades.on_event(beyond)
    assert run.emitted == [
        Subscribed(*HEAD, Channel.TRADES, None, Severity.INFO, 7),
        Inexact(*HEAD, Channel.TRADES, None, Severity.WARNING, "size", 16, "1234567890123.456"),
        beyond,
    ]


def test_each_field_is_announced_once() -> None:
    run = Run()
    for event in (trade(1e13, 1e12), trade(-1e13, 1e15), trade(2e13, 3e12), trade(1.0, 1.0)):
        run.trades.on_event(event)
    assert run.told() == [
        (Channel.TRADES, "price", 16, "10000000000000.0"),
        (Channel.TRADES, "size", 16, "1000000000000.0"),
    ]
    assert len(run.of(Trade)) == 4


def test_the_last_value_of_15_digits_is_not_announced() -> None:
    run = Run()
    run.trades.on_event(trade(9999999999999.99, 999999999999.999))
    run.trades.on_event(trade(-9999999999999.99, 0.001))
    assert run.told() == []


@pytest.mark.parametrize("numbers", [float, Decimal])
@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("field", ["price", "size"])
def test_a_trade_without_a_finite_number_is_dropped(field: str, text: str, numbers: type) -> None:
    run = Run(numbers)
    values = {"price": numbers("1"), "size": numbers("1")} | {field: numbers(text)}
    if field == "size" and text == "-inf":
        return  # below every limit; the wire types refuse negative sizes
    with pytest.raises((DecodeError, ArithmeticError)):  # comparing a decimal nan is an error itself
        run.trades.on_event(trade(**values))
    assert run.emitted == []
    assert run.trades.last is None


def test_quotes_are_checked_field_by_field_and_empty_sides_left_alone() -> None:
    run = Run()
    run.quotes.on_event(Quote(*HEAD, None, None, 98.97, 1e13))
    run.quotes.on_event(Quote(*HEAD, 1e14, 1.0, None, None))
    assert run.told() == [
        (Channel.L1_BOOK, "ask_size", 17, "10000000000000.0"),
        (Channel.L1_BOOK, "bid_price", 17, "100000000000000.0"),
    ]
    with pytest.raises(DecodeError, match="ask_price is nan"):
        run.quotes.on_event(Quote(*HEAD, None, None, float("nan"), 1.0))


def test_levels_are_checked_in_snapshots_and_deltas_just_before_these_are_let_through() -> None:
    run = Run()
    run.book.on_snapshot(snapshot(((98.0, 1e12), (97.0, 2.0))))
    run.book.on_delta(delta(2, ((96.0, 1e13),), ((2e13, 1.0),)))
    run.book.on_delta(delta(3, ((96.0, 0.0),), ((3e13, 1.0),)))
    assert [type(event) for event in run.emitted] == [Subscribed, Inexact, BookSnapshot, Inexact, BookDelta, BookDelta]
    assert run.told() == [
        (Channel.L2_BOOK, "size", 16, "1000000000000.0"),
        (Channel.L2_BOOK, "price", 16, "20000000000000.0"),
    ]
    assert run.book.book.is_synced


def test_a_level_that_is_removed_is_not_announced() -> None:
    run = Run()
    run.book.on_snapshot(snapshot(((98.0, 1.0),)))
    run.book.on_delta(delta(2, (), ((2e13, 0.0),)))
    assert run.told() == []


@pytest.mark.parametrize("level", [(float("nan"), 1.0), (float("-inf"), 1.0), (98.0, float("nan")), (97.0, 1e999)])
def test_a_delta_without_finite_numbers_takes_the_book_out_of_sync(level: tuple[float, float]) -> None:
    run = Run()
    run.book.on_snapshot(snapshot(((98.0, 1.0),)))
    run.book.on_delta(delta(2, (level,)))
    assert not run.book.book.is_synced
    assert [gap.cause for gap in run.of(Gap)] == [GapCause.DECODE]
    assert (run.resyncs, run.of(BookDelta)) == (1, [])


def test_a_snapshot_without_finite_numbers_is_not_shown() -> None:
    run = Run()
    run.book.on_snapshot(snapshot(((98.0, float("nan")),)))
    assert (run.emitted, run.resyncs, run.book.book.is_synced) == ([], 1, False)


def test_a_checksum_over_values_that_lost_digits_is_not_believed() -> None:
    run = Run(digest=1)
    run.book.on_snapshot(snapshot(((98.0, 1.0),), checksum=1))
    run.book.on_delta(delta(2, ((97.0, 1e13),), checksum=5))
    assert run.book.book.is_synced
    assert run.of(Gap) == []


def test_a_checksum_over_exact_values_still_is() -> None:
    run = Run(digest=1)
    run.book.on_snapshot(snapshot(((98.0, 1.0),), checksum=1))
    run.book.on_delta(delta(2, ((97.0, 1.0),), checksum=5))
    assert [gap.cause for gap in run.of(Gap)] == [GapCause.CHECKSUM]


def test_without_tick_and_lot_a_value_is_judged_by_its_own_digits() -> None:
    run = Run(instrument=UNKNOWN)
    run.trades.on_event(trade(123456789012345.0, 0.123456789012345))
    run.trades.on_event(trade(1e22, 0.12345678901234568))
    run.book.on_snapshot(snapshot(((64000.5, 0.00012345),)))
    run.book.on_delta(delta(2, ((64000.25, 1.2345678901234567),)))
    assert run.told() == [
        (Channel.TRADES, "size", 17, "0.12345678901234568"),
        (Channel.L2_BOOK, "size", 17, "1.2345678901234567"),
    ]


@st.composite
def texts(draw: st.DrawFn, least: int, most: int) -> tuple[str, int]:
    """A positive decimal text of that many digits, counted down to its last place, and its places."""
    count = draw(st.integers(least, most))
    digits = draw(st.integers(10 ** (count - 1), 10**count - 1))
    places = draw(st.integers(0, 12))
    return format(Decimal((0, tuple(map(int, str(digits))), -places)), "f"), places


def listed(places: int) -> Instrument:
    step = Decimal((0, (1,), -places))
    return Instrument("toy", "SOL-USD", "SOL_USD", "SOL", "USD", tick_size=step, lot_size=step)


def events(text: str, numbers: type, places: int) -> tuple[list[Event], L2Book[Any]]:
    run = Run(numbers, listed(places))
    number = numbers(text)
    run.trades.on_event(trade(number, number))
    run.quotes.on_event(Quote(*HEAD, number, number, None, None))
    run.book.on_snapshot(snapshot(((number, number),)))
    run.book.on_delta(delta(2, ((number, number),), ((number, numbers("0")),)))
    return run.emitted, run.book.book


@given(texts(1, 15))
def test_up_to_15_digits_both_number_types_write_the_same_and_nothing_is_announced(drawn: tuple[str, int]) -> None:
    text, places = drawn
    (floats, book), (decimals, exact_book) = events(text, float, places), events(text, Decimal, places)
    assert [encode_event(event) for event in floats] == [encode_event(event) for event in decimals]
    assert not any(isinstance(event, Inexact) for event in floats)
    assert [(exact(p), exact(s)) for p, s in book.bids()] == exact_book.bids() == [(Decimal(text), Decimal(text))]


@given(texts(16, 27))
def test_beyond_15_digits_floats_are_announced_and_decimals_exact(drawn: tuple[str, int]) -> None:
    text, places = drawn
    (floats, _), (decimals, book) = events(text, float, places), events(text, Decimal, places)
    assert {event.field for event in floats if isinstance(event, Inexact)} == {"price", "size", "bid_price", "bid_size"}
    assert [type(event) for event in floats if not isinstance(event, Inexact)] == [type(event) for event in decimals]
    assert book.bids() == [(Decimal(text), Decimal(text))]
    assert f'"price":{number_text(Decimal(text))}'.encode() in encode_event(
        next(e for e in decimals if isinstance(e, Trade))
    )


def test_books_follow_a_decimal_stream_and_answer_in_decimals() -> None:
    run = Run(Decimal)
    one, tiny = Decimal("1.000"), Decimal("0.12345678901234567890")
    run.book.on_snapshot(BookSnapshot(*HEAD, ((Decimal("98.90"), one),), ((Decimal("98.96"), tiny),), 1))
    run.book.on_delta(delta(2, ((Decimal("98.9"), tiny), (Decimal("97"), one))))
    books = Books()
    for event in run.emitted:
        books.apply(event)
    for book in (books["SOL-USD"], run.book.book):
        assert book.bids() == [(Decimal("98.9"), tiny), (Decimal("97"), one)]
        assert (book.mid, book.spread) == (Decimal("98.93"), Decimal("0.06"))
        assert {type(n) for level in book.bids() + book.asks() for n in level} == {Decimal}


def test_the_numbers_of_every_market_event_are_known() -> None:
    assert number_fields(Trade) == ("price", "size")
    assert number_fields(Quote) == ("bid_price", "bid_size", "ask_price", "ask_size")
    assert number_fields(MarketEvent) == ()
