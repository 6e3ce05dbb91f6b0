"""The stored form in Arrow: every event comes back equal, in the columns that are promised."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tickwire.model.channel_events import channel_of
from tickwire.model.channels import Channel
from tickwire.model.events import BookDelta, BookSnapshot, Funding, Quote, SnapshotCause, Trade
from tickwire.model.instruments import Instrument
from tickwire.model.quality import Gap, GapCause, ListingChange, ListingKind, Reconnected, Severity, Unsubscribed
from tickwire.model.quality import UnsubscribeReason as Reason
from tickwire.model.stored import Record, event_types

pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'tickwire[parquet]'")

from tickwire.store.closing import finished  # noqa: E402
from tickwire.store.columns import NumbersError, batch_of  # noqa: E402
from tickwire.store.rows import records_of  # noqa: E402
from tickwire.store.schema import (  # noqa: E402
    CHANNEL_OF,
    Kind,
    arrow_schema,
    channel_schema,
    columns_of,
    event_classes,
)

UTC = pa.timestamp("ns", tz="UTC")
WORD = pa.dictionary(pa.int32(), pa.string())
RUN = "01K0RUN0000000000000000000"


def records(*events: Any) -> list[Record]:
    return [Record(event, RUN, number, f"{RUN}/{number}") for number, event in enumerate(events, 1)]


def there_and_back(rows: list[Record], numbers: Any = "float") -> list[Record]:
    channel = channel_of(rows[0].event)
    table = pa.Table.from_batches([batch_of(channel, rows, numbers)])
    table.validate(full=True)
    assert finished(table).schema == channel_schema(channel, numbers)
    return list(records_of(finished(table), channel, numbers))


def test_every_event_has_a_channel_and_every_channel_its_events() -> None:
    assert set(CHANNEL_OF) == set(event_types())
    assert {one for channel in Channel for one in event_classes(channel)} == set(event_types())


def test_the_columns_of_trades_are_the_documented_ones() -> None:
    assert arrow_schema(Trade) == pa.schema(
        [
            ("type", WORD), ("schema", pa.int64()), ("run_id", pa.string()), ("ordinal", pa.int64()),
            ("key", pa.string()), ("exchange", pa.string()), ("symbol", pa.string()), ("ts_event", UTC),
            ("ts_recv", UTC), ("price", pa.float64()), ("size", pa.float64()), ("taker_side", WORD),
            ("trade_id", pa.string()), ("sequence", pa.int64()), ("matches", pa.int64()), ("backfilled", pa.bool_()),
            ("conditions", pa.list_(pa.string())),
        ]
    )  # fmt: skip


def test_snapshots_and_deltas_share_columns_and_levels_are_four_lists() -> None:
    assert arrow_schema(BookSnapshot) == arrow_schema(BookDelta)
    names = arrow_schema(BookDelta).names
    assert names[9:13] == ["bid_price", "bid_size", "ask_price", "ask_size"]
    assert {"first_sequence", "last_sequence", "previous_sequence", "sequence", "depth", "cause"} < set(names)
    assert arrow_schema(BookDelta).field("bid_price").type == pa.list_(pa.float64())


def test_lengths_of_time_are_integers_and_a_quality_events_channel_is_renamed() -> None:
    assert arrow_schema(Funding).field("interval").type == pa.int64()
    assert arrow_schema(Funding).field("ts_funding").type == UTC
    assert arrow_schema(Gap).field("ts_down").type == pa.int64()
    assert "of_channel" in arrow_schema(Gap).names
    assert "channel" not in arrow_schema(Gap).names


def test_decimals_are_text_with_all_their_digits() -> None:
    rate = Decimal("-0.0000039641039274236048482914")
    rows = records(Funding("a", "B-C-PERP", 5, 6, rate))
    assert there_and_back(rows, "decimal") == rows
    assert arrow_schema(Funding, "decimal").field("rate").type == pa.string()


HEAD = ("acme", "SOL-USDC", None, 7, Channel.TRADES, "public-1", Severity.WARNING)


def test_a_reason_that_is_free_text_stands_beside_one_of_a_closed_set() -> None:
    rows = records(
        Unsubscribed(*HEAD, Reason.DELISTED),
        Reconnected(*HEAD, "ws.acme.example", "closed 1006", 3, 9, 46),
        Reconnected(*HEAD, "ws.acme.example", "stopped", 3, 9, 46),
        Gap("acme", None, None, 7, None, None, Severity.ERROR, "g2", GapCause.DISCONNECTED, None),
        ListingChange(*HEAD, ListingKind.LISTED, Instrument("acme", "SOL-USDC", "x", "SOL", "USDC"), None),
    )
    assert there_and_back(rows) == rows


def test_a_batch_of_snapshots_and_deltas_keeps_its_order() -> None:
    rows = records(
        BookSnapshot("acme", "X-Y", 1, 2, ((1.0, 2.0), (0.5, 1.0)), (), 7, cause=SnapshotCause.INITIAL),
        BookDelta("acme", "X-Y", None, 3, (), ((1.5, 0.0),), 8, 9, 7, 12),
        BookDelta("acme", "X-Y", None, 3, (), (), 10, 10),
        BookSnapshot("acme", "X-Y", 1, 2, (), (), cause=SnapshotCause.RESYNC),
    )
    assert there_and_back(rows) == rows


def test_a_quote_of_an_empty_side_comes_back_empty() -> None:
    rows = records(Quote("acme", "X-Y", None, 3, None, None, 1.5, 2.0))
    assert there_and_back(rows) == rows


floats = st.floats(allow_nan=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
INSTRUMENT = Instrument("acme", "SOL-USDC", "x", "SOL", "USDC", tick_size=Decimal("0.01"))
VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.NUMBER: floats,
    Kind.TIME: st.integers(0, 2**63 - 1),
    Kind.INTEGER: st.integers(-(2**63), 2**63 - 1),
    Kind.TEXT: texts,
    Kind.FLAG: st.booleans(),
    Kind.TEXTS: st.lists(texts, max_size=2).map(tuple),
    Kind.LEVELS: st.lists(st.tuples(floats, floats), max_size=3).map(tuple),
    Kind.INSTRUMENT: st.just(INSTRUMENT),
}


def made(event_type: Any) -> st.SearchStrategy[Any]:
    """Any event of a class; every field but times and levels may be ``None`` too."""
    fields = {}
    for column in columns_of(event_type):
        values = VALUES[column.kind] if column.enum is None else st.sampled_from(column.enum)
        is_there = column.kind in (Kind.LEVELS, Kind.TEXTS) or column.name == "ts_recv"
        fields[column.field] = values if is_there else st.none() | values
    return st.builds(event_type, **fields)


@pytest.mark.parametrize("channel", Channel)
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_events_of_a_channel_come_back_equal(channel: Channel, data: st.DataObject) -> None:
    kinds = st.one_of(*map(made, event_classes(channel)))
    events = data.draw(st.lists(kinds, min_size=1, max_size=5))
    assert there_and_back(records(*events)) == records(*events)


@pytest.mark.parametrize(
    "wrong",
    [
        Trade("a", "B-C", 1.5, 6, 1.0, 1.0),  # type: ignore[arg-type]
        Trade("a", "B-C", 5, 6, "much", 1.0),  # type: ignore[type-var]
        Trade("a", "B-C", 5, 6, 1.0, 1.0, sequence=2**63),
        Trade("a", "\ud800", 5, 6, 1.0, 1.0),
        Trade("a", "B-C", 5, None, 1.0, 1.0, conditions=(7,)),  # type: ignore[arg-type]
    ],
)
def test_what_the_columns_cannot_hold_is_refused(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        batch_of(Channel.TRADES, records(wrong), "float")


def test_a_decimal_among_floats_is_told() -> None:
    with pytest.raises(NumbersError):
        batch_of(Channel.TRADES, records(Trade("a", "B-C", 5, 6, Decimal(1), Decimal(1))), "float")
