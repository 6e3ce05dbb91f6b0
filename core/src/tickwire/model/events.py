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

__all__ = [
    "BookDelta", "BookSnapshot", "Candle", "Funding", "Levels", "Liquidation", "MarkPrice", "MarketEvent",
    "OpenInterest", "Quote", "Side", "SnapshotCause", "Ticker", "Trade",
]  # fmt: skip


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


class Ticker(MarketEvent, Generic[N], frozen=True, gc=False, tag="ticker"):
    """Figures of a window of trading, as the exchange counts them. Best bid and ask are a ``Quote``.

    Attributes:
        last: Price of the last trade; ``None``, here and below: the exchange does not say.
        last_size: Its size.
        open: First price of the window.
        high: Highest price.
        low: Lowest price.
        volume: In the instrument's size unit.
        quote_volume: In quote currency.
        trades: How many.
        window: What it sums up: ``24h`` (rolling), ``utc_day``, …
    """

    last: N | None
    last_size: N | None
    open: N | None
    high: N | None
    low: N | None
    volume: N | None
    quote_volume: N | None
    trades: int | None
    window: str


class Candle(MarketEvent, Generic[N], frozen=True, gc=False, tag="candle"):
    """The trades of one bucket of time, as far as it has gone.

    Attributes:
        interval: The exchange's name of the bucket's length, e.g. ``1m``.
        ts_start: Where the bucket begins, inclusive.
        ts_end: Where it ends, exclusive.
        open: First price; ``None``, here and in the next three: no trade.
        high: Highest price.
        low: Lowest price.
        close: Last price.
        volume: In the instrument's size unit; 0 without a trade.
        quote_volume: In quote currency; ``None``: the exchange does not say.
        taker_buy_volume: The part of ``volume`` that buyers took; ``None``: likewise.
        trades: How many; ``None``: likewise.
        is_closed: The bucket is over and this is its last candle; ``None``: the exchange never says.
        is_computed: Made by tickwire from trades; ``False``: the exchange's own.
    """

    interval: str
    ts_start: Nanos
    ts_end: Nanos
    open: N | None
    high: N | None
    low: N | None
    close: N | None
    volume: N
    quote_volume: N | None = None
    taker_buy_volume: N | None = None
    trades: int | None = None
    is_closed: bool | None = None
    is_computed: bool = False


class Funding(MarketEvent, Generic[N], frozen=True, gc=False, tag="funding"):
    """What the longs of a perpetual pay the shorts.

    Attributes:
        rate: Fraction per interval, 0.0001 is one basis point; negative: the shorts pay.
        interval: Length of the interval, ns; ``None``: the frame does not say.
        ts_funding: When it is paid; ``None``: likewise.
        is_final: It is what was paid, not an estimate.
        next_rate: Estimate for the interval after this one; ``None``: the exchange gives none.
    """

    rate: N
    interval: Nanos | None = None
    ts_funding: Nanos | None = None
    is_final: bool = False
    next_rate: N | None = None


class MarkPrice(MarketEvent, Generic[N], frozen=True, gc=False, tag="mark_price"):
    """The price that profits and liquidations of a derivative are reckoned by.

    Attributes:
        mark: The mark price.
        index: Price of the underlying index; ``None``: the exchange gives none for this instrument.
        settlement: Estimated settlement price; ``None``: likewise.
    """

    mark: N
    index: N | None = None
    settlement: N | None = None


class OpenInterest(MarketEvent, Generic[N], frozen=True, gc=False, tag="open_interest"):
    """What is held open in a derivative: ``size`` in its size unit, ``value`` in quote currency where it is given."""

    size: N
    value: N | None = None


class Liquidation(MarketEvent, Generic[N], frozen=True, gc=False, tag="liquidation"):
    """A position was closed by force.

    Attributes:
        side: Of the liquidation *order*: ``BUY`` closed a short. ``None``: the exchange does not say.
        price: Of the order; ``None``: it has none.
        average_price: Of its fills so far; ``None``: not known.
        size: In the instrument's size unit.
        order_id: The order's id as text.
        is_complete: Nothing of the order is left; ``None``: not known.
    """

    side: Side | None
    price: N | None
    average_price: N | None
    size: N
    order_id: str | None = None
    is_complete: bool | None = None
