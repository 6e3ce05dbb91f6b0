"""The stored form: JSON lines that read back equal, without exponents, the same in both number modes; stable keys."""

from __future__ import annotations

import json
import re
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tickwire.model.quality as quality
from tickwire import (
    AccountEvent,
    Balance,
    BookDelta,
    BookSnapshot,
    Candle,
    Channel,
    DecodeError,
    Event,
    Fill,
    Funding,
    Instrument,
    InstrumentType,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    OptionType,
    OrderStatus,
    OrderUpdate,
    Position,
    QualityEvent,
    Quote,
    Record,
    Severity,
    Side,
    SnapshotCause,
    SymbolParts,
    Ticker,
    Trade,
    decode_event,
    encode_event,
    encode_record,
    encode_records,
)
from tickwire.model.stored import SCHEMA, KeyMaker, event_types

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
nanos = st.integers(0, 2**63 - 1)
finite = st.floats(allow_nan=False, allow_infinity=False)
counts = st.none() | st.integers(0, 2**53)
option = Instrument.of(
    "acme", "BTC-26DEC26-C", SymbolParts("BTC", "USD", InstrumentType.OPTION, "BTC", date(2026, 12, 26), Decimal("0.5"),
    OptionType.CALL), tick_size=Decimal("0.0001"), lot_size=Decimal("10"),
)  # fmt: skip


def market(cls: Any, *fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(cls, texts, texts, st.none() | nanos, nanos, *fields)


def account(cls: Any, symbols: st.SearchStrategy[Any], *fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(cls, texts, symbols, st.none() | nanos, nanos, *fields, account=texts)


def data_events(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[MarketEvent | AccountEvent]:
    return market_events(numbers) | account_events(numbers)


def account_events(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[AccountEvent]:
    or_none, text, flag = st.none() | numbers, st.none() | texts, st.none() | st.booleans()
    side, status = st.sampled_from(Side), st.sampled_from(OrderStatus)
    return st.one_of(
        account(
            OrderUpdate, texts, texts, status, side, or_none, numbers, text, text, text, or_none, or_none, flag, flag,
            text,
        ),
        account(Fill, texts, texts, texts, text, side, numbers, numbers, flag, or_none, text),
        account(Balance, st.none() | texts, texts, *[or_none] * 3),
        account(Position, texts, numbers, *[or_none] * 5),
    )  # fmt: skip


def market_events(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[MarketEvent]:
    levels = st.lists(st.tuples(numbers, numbers), max_size=4).map(tuple)
    side, or_none = st.none() | st.sampled_from(Side), st.none() | numbers
    conditions = st.lists(texts, max_size=2).map(tuple)
    return st.one_of(
        market(Trade, numbers, numbers, side, st.none() | texts, counts, counts, st.booleans(), conditions),
        market(BookSnapshot, levels, levels, counts, counts, counts, st.sampled_from(SnapshotCause)),
        market(BookDelta, levels, levels, counts, counts, counts, counts),
        market(Quote, or_none, or_none, or_none, or_none, counts),
        market(Ticker, *[or_none] * 7, counts, texts),
        market(
            Candle, texts, nanos, nanos, *[or_none] * 4, numbers, or_none, or_none, counts, st.none() | st.booleans(),
            st.booleans(),
        ),
        market(Funding, numbers, st.none() | nanos, st.none() | nanos, st.booleans(), or_none),
        market(MarkPrice, numbers, or_none, or_none),
        market(OpenInterest, numbers, or_none),
        market(Liquidation, side, or_none, or_none, numbers, st.none() | texts, st.none() | st.booleans()),
    )  # fmt: skip


HEAD = ("acme", "SOL-USDC", None, 7, Channel.TRADES, "public-1", Severity.WARNING)
QUALITY: list[QualityEvent] = [
    quality.Subscribed(*HEAD, 5),
    quality.Unsubscribed(*HEAD, quality.UnsubscribeReason.DELISTED),
    quality.Watermark(*HEAD, 6),
    quality.Gap(*HEAD, "g1", quality.GapCause.SEQUENCE, 1, 2, 3, 4, 2, quality.Repair.RESYNC, 'said "so"'),
    quality.Gap("acme", None, None, 7, None, None, Severity.ERROR, "g2", quality.GapCause.DISCONNECTED, None),
    quality.Backfilled(*HEAD, "g1", 9, 1, 9, True, 0),
    quality.Resynced(*HEAD, None, 5, 1_000),
    quality.Stale(*HEAD, 5, 30_000_000_000, quality.StaleAction.RESUBSCRIBE),
    quality.Recovered(*HEAD, 8),
    quality.Reconnected(*HEAD, "ws.acme.example", "closed 1006", 3, 9, 46),
    quality.Dropped(*HEAD, "iterator", "drop_oldest", 3, 1, 2),
    quality.ListingChange(*HEAD, quality.ListingKind.CHANGED, option, None),
    quality.Inexact(*HEAD, "size", 17, "12345678.901234567"),
]


@given(data_events(finite))
def test_any_market_or_account_event_reads_back_equal(event: MarketEvent | AccountEvent) -> None:
    assert decode_event(encode_event(event)) == event


@pytest.mark.parametrize("event", QUALITY, ids=lambda e: type(e).__name__)
def test_every_quality_event_reads_back_equal(event: QualityEvent) -> None:
    assert decode_event(encode_event(event)) == event


def test_every_event_class_is_tested_above_and_can_be_read_back() -> None:
    figures = {Ticker, Candle, Funding, MarkPrice, OpenInterest, Liquidation}
    account = {OrderUpdate, Fill, Balance, Position}
    tested = {type(event) for event in QUALITY} | {Trade, BookSnapshot, BookDelta, Quote} | figures | account

    def leaves(cls: type) -> set[type]:
        return {cls}.union(*map(leaves, cls.__subclasses__())) - {MarketEvent, AccountEvent, QualityEvent}

    assert tested == set(event_types()) == leaves(MarketEvent) | leaves(AccountEvent) | leaves(QualityEvent)


events = st.one_of(data_events(finite), st.sampled_from(QUALITY))


@given(events)
def test_a_line_is_one_line_of_json_beginning_with_type_and_schema(event: Event) -> None:
    line = encode_event(event)
    assert b"\n" not in line
    assert list(json.loads(line))[:3] == ["type", "schema", "exchange"]
    assert json.loads(line)["schema"] == SCHEMA


@given(events, st.integers(0, 2**63 - 1), texts)
def test_a_records_line_has_type_schema_run_ordinal_and_key_first(event: Event, ordinal: int, key: str) -> None:
    line = encode_record(Record(event, "01K0RUN", ordinal, key))
    head, plain = json.loads(line), json.loads(encode_event(event))
    assert list(head)[:5] == ["type", "schema", "run_id", "ordinal", "key"]
    assert head == plain | {"run_id": "01K0RUN", "ordinal": ordinal, "key": key}
    assert decode_event(line) == event


decimals = st.decimals(allow_nan=False, allow_infinity=False)


@settings(deadline=None)
@given(st.lists(events | data_events(decimals), max_size=6), texts)
def test_many_records_are_written_as_each_by_itself(several: list[Event], key: str) -> None:
    records = [Record(event, f"01K0RUN{number % 2}", number, f"{key}{number}") for number, event in enumerate(several)]
    assert encode_records(records) == b"".join(encode_record(record) + b"\n" for record in records)


@pytest.mark.parametrize("number", [1e16, 1.5e-7, 1e300, -1e-5, 2e-5, 1e-5, 9.9e-6, 9.9e15, 0.0, -0.0])
def test_a_number_that_would_have_an_exponent_has_none_among_many(number: float) -> None:
    head = ("acme", "B-C", 5, 6)
    rows = [
        Record(event, "RUN", 1, "1")
        for one in (1.0, number, 2.0)
        for event in (
            Trade(*head, one, 1.0),
            Trade(*head, 1.0, one),
            BookDelta(*head, ((one, 1.0),), ((2.0, 3.0),)),
            BookDelta(*head, (), ((2.0, one),)),
            BookDelta(*head, ((1.0, 2.0),) * 20, ((one, 1.0),)),
        )
    ]
    assert encode_records(rows) == b"".join(encode_record(row) + b"\n" for row in rows)
    assert not re.search(rb"\de", encode_records(rows))


OUTSIDE_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')


@given(data_events(finite) | data_events(decimals))
def test_no_number_has_an_exponent(event: MarketEvent | AccountEvent) -> None:
    numbers = re.findall(rb"-?\d[\d.eE+-]*", OUTSIDE_STRINGS.sub(b"", encode_event(event)))
    assert [text for text in numbers if b"e" in text.lower()] == []


NUMBERS = {
    "price", "size", "bid_price", "bid_size", "ask_price", "ask_size", "last", "last_size", "open", "high", "low",
    "close", "volume", "quote_volume", "taker_buy_volume", "rate", "next_rate", "mark", "index", "settlement", "value",
    "average_price", "filled_size", "fee", "total", "free", "locked", "entry_price", "mark_price", "unrealised_pnl",
    "realised_pnl", "liquidation_price",
}  # fmt: skip
numbers = st.builds(lambda digits, places: f"{digits}e-{places}", st.integers(0, 10**15 - 1), st.integers(0, 18))


@given(data_events(numbers))
def test_float_and_decimal_events_of_the_same_texts_write_the_same_bytes(event: MarketEvent | AccountEvent) -> None:
    def made(number: type) -> MarketEvent | AccountEvent:
        def turn(value: object) -> object:
            return tuple((number(p), number(s)) for p, s in value) if isinstance(value, tuple) else value

        changes = {
            name: number(value) if name in NUMBERS and value is not None else turn(value)
            for name in (*NUMBERS, "bids", "asks")
            if hasattr(event, name)
            for value in [getattr(event, name)]
        }
        return msgspec.structs.replace(event, **changes)

    assert encode_event(made(float)) == encode_event(made(Decimal))


def test_a_trades_line_is_the_documented_one() -> None:
    trade = Trade("acme", "SOL-USDC", 5, 6, 98.97, 1e-7, Side.BUY, "341", 341, 1)
    assert encode_event(trade) == (
        b'{"type":"trade","schema":1,"exchange":"acme","symbol":"SOL-USDC","ts_event":5,"ts_recv":6,"price":98.97,'
        b'"size":0.0000001,"taker_side":"buy","trade_id":"341","sequence":341,"matches":1,"backfilled":false,'
        b'"conditions":[]}'
    )


def test_a_candles_line_has_the_documented_fields_in_their_order() -> None:
    empty = Candle("acme", "SOL-USDC", 5, 6, "1m", 1, 61, None, None, None, None, 0.0, trades=0, is_closed=True)
    assert encode_event(empty) == (
        b'{"type":"candle","schema":1,"exchange":"acme","symbol":"SOL-USDC","ts_event":5,"ts_recv":6,"interval":"1m",'
        b'"ts_start":1,"ts_end":61,"open":null,"high":null,"low":null,"close":null,"volume":0.0,"quote_volume":null,'
        b'"taker_buy_volume":null,"trades":0,"is_closed":true,"is_computed":false}'
    )


def test_an_order_updates_line_has_the_account_last() -> None:
    order = OrderUpdate("acme", "SOL-USDC", 5, 6, "77", OrderStatus.NEW, Side.BUY, 2.0, 0.0, price=98.5, account="desk")
    assert encode_event(order) == (
        b'{"type":"order_update","schema":1,"exchange":"acme","symbol":"SOL-USDC","ts_event":5,"ts_recv":6,'
        b'"order_id":"77","status":"new","side":"buy","size":2.0,"filled_size":0.0,"client_order_id":null,'
        b'"order_type":null,"time_in_force":null,"price":98.5,"average_price":null,"is_reduce_only":null,'
        b'"is_post_only":null,"reason":null,"account":"desk"}'
    )


def test_a_rate_of_28_digits_is_written_whole_where_numbers_are_decimal() -> None:
    rate = Decimal("-0.0000039641039274236048482914")
    assert b'"rate":-0.0000039641039274236048482914,' in encode_event(Funding("acme", "SOL-USDC-PERP", 5, 6, rate))


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{", b"[]", b"null", b'{"type":"trade"}', b'{"type":"nothing","schema":1}', b"\xff",
        b'{"type":"trade","schema":"1"}', encode_event(QUALITY[0])[:-3],
    ],
)  # fmt: skip
def test_what_is_no_stored_event_is_a_decode_error(line: bytes) -> None:
    with pytest.raises(DecodeError, match="not a stored event"):
        decode_event(line)


@given(st.binary() | st.text())
def test_arbitrary_input_is_a_decode_error(line: bytes | str) -> None:
    with pytest.raises(DecodeError):
        decode_event(line)


def test_a_line_of_a_later_schema_is_refused_and_not_misread() -> None:
    line = encode_event(QUALITY[0]).replace(b'"schema":1', b'"schema":2')
    with pytest.raises(DecodeError, match="schema 2; this tickwire reads up to 1: upgrade tickwire"):
        decode_event(line)


def test_a_time_that_is_not_integer_nanoseconds_is_refused() -> None:
    with pytest.raises(TypeError, match=r"ts_event is 1\.5, not an int of nanoseconds"):
        encode_event(Trade("acme", "SOL-USDC", 1.5, 6, 1.0, 1.0))  # type: ignore[arg-type]


def trade(trade_id: str | None = None, ts: int | None = 5, price: Any = 98.97, ts_recv: int = 6) -> Trade[Any]:
    return Trade("acme", "SOL-USDC", ts, ts_recv, price, 2.0, Side.BUY, trade_id)


def keys(*events: Event) -> list[str]:
    maker = KeyMaker("01K0RUN")
    return [maker.key(event, ordinal) for ordinal, event in enumerate(events)]


def test_the_same_trade_has_the_same_key_in_every_run() -> None:
    again = msgspec.structs.replace(trade("341"), ts_recv=99, backfilled=True)
    assert keys(trade("341"), again) == ["acme/SOL-USDC/341", "acme/SOL-USDC/341"]


def test_equal_trades_without_an_id_are_numbered() -> None:
    line = "acme/SOL-USDC/5/98.97/2.0/buy"
    assert keys(trade(), trade(ts_recv=7), trade(price=98.98), trade()) == [
        f"{line}/1", f"{line}/2", "acme/SOL-USDC/5/98.98/2.0/buy/1", f"{line}/3",
    ]  # fmt: skip


def test_equal_trades_are_told_apart_when_another_moment_comes_between() -> None:
    assert len(set(keys(trade(), trade(ts=4), trade(), trade(ts=4)))) == 4


def test_a_key_does_not_depend_on_the_number_type() -> None:
    assert keys(trade(price=Decimal("98.970"))) == keys(trade(price=98.97))


def test_a_trade_with_neither_id_nor_time_is_known_by_run_and_ordinal() -> None:
    assert keys(trade(ts=None), trade(ts=None)) == ["01K0RUN/0", "01K0RUN/1"]


def test_everything_but_trades_is_known_by_run_and_ordinal() -> None:
    assert keys(*QUALITY[:2]) == ["01K0RUN/0", "01K0RUN/1"]


def test_the_memory_of_equal_trades_is_bounded() -> None:
    maker = KeyMaker("01K0RUN")
    for ts in range(10_000):
        maker.key(trade(ts=ts), ts)
    [moments] = maker._moments.values()
    assert len(moments) <= 64
