"""Records for tests of sinks, of every kind of event and of several instruments, and how they are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal

from tickwire import (
    Backfilled,
    Balance,
    BookDelta,
    BookSnapshot,
    Candle,
    Channel,
    Dropped,
    Event,
    Fill,
    Funding,
    Gap,
    GapCause,
    Inexact,
    Instrument,
    InstrumentType,
    Liquidation,
    ListingChange,
    ListingKind,
    MarkPrice,
    Nanos,
    OpenInterest,
    OptionType,
    OrderStatus,
    OrderUpdate,
    Position,
    Quote,
    Reconnected,
    Record,
    Recovered,
    Repair,
    Resynced,
    Severity,
    Side,
    SnapshotCause,
    Stale,
    StaleAction,
    Subscribed,
    SymbolParts,
    Ticker,
    Trade,
    Unsubscribed,
    UnsubscribeReason,
    Watermark,
)
from tickwire.plugin import Sink

__all__ = ["every_event", "recorded", "stream_of", "write_batches"]

_T: Nanos = 1_790_000_000_123_456_789
_AT = ("kit", "SOL-USDC", _T - 84_000_000, _T)
_BARE = ("kit", "1000X.Y-USDC-PERP", None, _T)
_HEAD = (*_AT, Channel.TRADES, "public-1", Severity.WARNING)
_NO_HEAD = ("kit", None, None, _T, None, None, Severity.INFO)
_OPTION = Instrument.of(
    "kit",
    "BTC-26DEC26-C",
    SymbolParts("BTC", "USD", InstrumentType.OPTION, "BTC", date(2026, 12, 26), Decimal("100000.5"), OptionType.CALL),
    tick_size=Decimal("0.0001"),
    lot_size=Decimal("10"),
)


def every_event() -> list[Event]:
    """Give every kind of event twice: with all it can say, and with as little as it may say."""
    return [*_market(), *_account(), *_quality()]


def _market() -> Iterator[Event]:
    yield Trade(*_AT, 98.97, 12.4, Side.BUY, "341399899", 341399899, 3, True, ("liquidation", 'a "b", c\\d'))
    yield Trade(*_BARE, 0.00000123, 123456789012345.0)
    yield BookSnapshot(
        *_AT, ((98.96, 298.87), (98.5, 1.0)), ((98.97, 22.39),), 4330360995, 4294967295, 25, SnapshotCause.RESYNC
    )
    yield BookSnapshot(*_BARE, (), ())
    yield BookDelta(*_AT, ((98.96, 0.0), (98.96, 7.5)), ((99.0, 1.25),), 4330360996, 4330360999, 4330360995, 0)
    yield BookDelta(*_BARE, (), ())
    yield Quote(*_AT, 98.96, 298.87, 98.97, 22.39, 2**53)
    yield Quote(*_BARE, None, None, None, None)
    yield Ticker(*_AT, 98.97, 1.0, 97.0, 99.5, 96.25, 1e6, 9.8e7, 81234, "24h")
    yield Ticker(*_BARE, None, None, None, None, None, None, None, None, "utc_day")
    yield Candle(*_AT, "1m", _T - 60, _T, 98.0, 99.0, 97.5, 98.5, 1000.5, 98500.25, 500.125, 42, True, True)
    yield Candle(*_BARE, "1m", _T - 60, _T, None, None, None, None, 0.0)
    yield Funding(*_AT, -0.0001, 28_800_000_000_000, _T + 1, True, 0.0002)
    yield Funding(*_BARE, 0.0)
    yield MarkPrice(*_AT, 98.97, 98.95, 98.9)
    yield MarkPrice(*_BARE, 98.97)
    yield OpenInterest(*_AT, 12345.5, 1.2e6)
    yield OpenInterest(*_BARE, 0.0)
    yield Liquidation(*_AT, Side.SELL, 98.0, 97.5, 10.0, "77", False)
    yield Liquidation(*_BARE, None, None, None, 1.0)


def _account() -> Iterator[Event]:
    yield OrderUpdate(
        *_AT, "7", OrderStatus.PARTIALLY_FILLED, Side.BUY, 3.0, 1.5, "c-7", "limit", "gtc", 98.9, 98.95, True, False,
        "why", account="main",
    )  # fmt: skip
    yield OrderUpdate(*_BARE, "8", OrderStatus.NEW, Side.SELL, None, 0.0)
    yield Fill(*_AT, "9", "7", "c-7", Side.BUY, 98.9, 1.5, True, -0.01, "USDC", account="main")
    yield Fill(*_BARE, "10", "8", None, Side.SELL, 1.0, 1.0)
    yield Balance("kit", None, _T, _T, "USDC", 10.5, 8.25, 2.25, account="main")
    yield Balance("kit", None, None, _T, "BTC")
    yield Position(*_AT, -3.5, 98.0, 98.97, -3.4, 12.0, 140.0, account="main")
    yield Position(*_BARE, 0.0)


def _quality() -> Iterator[Event]:
    yield Subscribed(*_HEAD, _T - 5, True)
    yield Subscribed(*_NO_HEAD, _T)
    yield Unsubscribed(*_HEAD, UnsubscribeReason.DELISTED)
    yield Watermark(*_HEAD, _T - 1)
    yield Gap(*_HEAD, "g1", GapCause.SEQUENCE, _T - 9, _T - 1, 3, 4, 2, Repair.RESYNC, 'said "so", 100 %')
    yield Gap(*_NO_HEAD, "g2", GapCause.DISCONNECTED, None)
    yield Backfilled(*_HEAD, "g1", 9, 1, 9, True, 0)
    yield Backfilled(*_NO_HEAD, "g2", 0)
    yield Resynced(*_HEAD, "g1", 5, 1_000)
    yield Resynced(*_NO_HEAD, None, None, 0)
    yield Stale(*_HEAD, _T - 5, 30_000_000_000, StaleAction.RESUBSCRIBE)
    yield Stale(*_NO_HEAD, None, 30_000_000_000, StaleAction.NONE)
    yield Recovered(*_HEAD, 8)
    yield Reconnected(*_HEAD, "ws.kit.example", "closed 1006", 3, 9, 46)
    yield Dropped(*_HEAD, "archive", "drop_oldest", 3, _T - 2, _T - 1)
    yield ListingChange(*_HEAD, ListingKind.CHANGED, _OPTION, _OPTION)
    yield ListingChange(*_NO_HEAD, ListingKind.DELISTED)
    yield Inexact(*_HEAD, "size", 17, "12345678.901234567")


def recorded(events: Iterable[Event], run_id: str = "01KIT0000000000000000000AA", first: int = 1) -> list[Record]:
    """Make records of events: ordinals from ``first``, and each its own key."""
    return [Record(event, run_id, ordinal, f"{run_id}/{ordinal}") for ordinal, event in enumerate(events, first)]


def stream_of(count: int, run_id: str = "01KIT0000000000000000000AA", first: int = 1) -> list[Record]:
    """Give trades of three instruments and now and then a quote, with keys and times as in a run."""
    records = []
    for ordinal in range(first, first + count):
        symbol = ("SOL-USDC", "BTC-USDC", "ETH-USDC")[ordinal % 3]
        head = ("kit", symbol, _T + 1_000 * ordinal, _T + 1_000 * ordinal + 7)
        if ordinal % 5:
            key = f"kit/{symbol}/{ordinal}"
            event: Event = Trade(*head, 100.0 + ordinal, 1.5, Side.BUY, str(ordinal), ordinal)
        else:
            key = f"{run_id}/{ordinal}"
            event = Quote(*head, 99.0, 1.0, 101.0, 2.0)
        records.append(Record(event, run_id, ordinal, key))
    return records


async def write_batches(sink: Sink, *batches: Sequence[Record]) -> None:
    """Open a sink, write the batches in order, and close it, twice, as a sink must bear."""
    try:
        await sink.open()
        for batch in batches:
            await sink.write(batch)
    finally:
        await sink.close()
        await sink.close()
