"""What a user receives of a market. Times are ns since 1970 UTC; sizes are in ``Instrument.size_unit``, unconverted.

The order of fields is the constructor's order. Construct without subscripting (``Trade(…)``, 50 ns; ``Trade[float](…)``
costs 600 ns and more), decode stored events with ``Trade[float]``.
"""

from __future__ import annotations

from enum import StrEnum, auto
from typing import Generic, TypeAlias

import msgspec

from tickwire.model.clock import Nanos
from tickwire.model.numbers import N

__all__ = ["BookDelta", "BookSnapshot", "Levels", "MarketEvent", "Quote", "Side", "SnapshotCause", "Trade"]


class Side(StrEnum):
    """Who acts: a buyer or a seller."""

    BUY = auto()
    SELL = auto()


class SnapshotCause(StrEnum):
    """Why a snapshot is in the stream."""

    INITIAL = auto()
    RESYNC = auto()
    EXCHANGE = auto()
    PERIODIC = auto()


Levels: TypeAlias = tuple[tuple[N, N], ...]
"""(price, size) pairs."""


class MarketEvent(msgspec.Struct, frozen=True, gc=False, tag_field="type"):
    """Header of every market event.

    Attributes:
        exchange: The exchange's id.
        symbol: Our symbol.
        ts_event: The exchange's time, ``None`` where the wire has none; never filled from our clock.
        ts_recv: Our wall clock when the bytes left the socket (REST: when the body was complete).
    """

    exchange: str
    symbol: str
    ts_event: Nanos | None
    ts_recv: Nanos


class Trade(MarketEvent, Generic[N], frozen=True, gc=False, tag="trade"):
    """One trade as the exchange published it.

    Attributes:
        price: Quote currency per base unit (per contract where the instrument says so).
        size: Above zero, in the instrument's size unit.
        taker_side: Who crossed the spread; ``None`` if the exchange does not say, never guessed.
        trade_id: The exchange's id as text.
        sequence: A per-instrument counter without holes, where the exchange has one.
        matches: Fills merged into this record; ``None`` unknown.
        backfilled: It came over REST, or as the recent trades some exchanges push on subscribing.
        conditions: ``liquidation``, ``block``, … as the exchange marks it.
    """

    price: N
    size: N
    taker_side: Side | None = None
    trade_id: str | None = None
    sequence: int | None = None
    matches: int | None = None
    backfilled: bool = False
    conditions: tuple[str, ...] = ()


class BookSnapshot(MarketEvent, Generic[N], frozen=True, gc=False, tag="book_snapshot"):
    """The whole L2 book at a sequence.

    Attributes:
        bids: Best (highest) first.
        asks: Best (lowest) first.
        sequence: The state the snapshot shows.
        checksum: The exchange's digest of this state.
        depth: Window of a windowed book: truncate to it after every delta. ``None``: everything known.
        cause: Why it is here.
    """

    bids: Levels[N]
    asks: Levels[N]
    sequence: int | None = None
    checksum: int | None = None
    depth: int | None = None
    cause: SnapshotCause = SnapshotCause.EXCHANGE


class BookDelta(MarketEvent, Generic[N], frozen=True, gc=False, tag="book_delta"):
    """Changed levels of an L2 book. Only emitted on top of a snapshot of the same stream.

    Attributes:
        bids: In wire order; a price may occur twice and the later wins. The size is the new absolute size, 0 removes.
        asks: Likewise.
        first_sequence: First change in it, inclusive.
        last_sequence: Last change in it, inclusive.
        previous_sequence: What the exchange says came before, where it does.
        checksum: The exchange's digest after this change.
    """

    bids: Levels[N]
    asks: Levels[N]
    first_sequence: int | None = None
    last_sequence: int | None = None
    previous_sequence: int | None = None
    checksum: int | None = None


class Quote(MarketEvent, Generic[N], frozen=True, gc=False, tag="quote"):
    """Best bid and ask; the fields of an empty side are ``None``."""

    bid_price: N | None
    bid_size: N | None
    ask_price: N | None
    ask_size: N | None
    sequence: int | None = None
