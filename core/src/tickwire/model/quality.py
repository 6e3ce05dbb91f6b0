"""What happened to the data itself. Nothing is lost or invented in silence: every hole is one of these events."""

from __future__ import annotations

from enum import StrEnum, auto
from typing import TypeAlias

import msgspec

from tickwire.model.account import AccountEvent, Balance, Fill, OrderUpdate, Position
from tickwire.model.channels import Channel
from tickwire.model.clock import Nanos
from tickwire.model.events import (
    BookDelta,
    BookSnapshot,
    Candle,
    Funding,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    Quote,
    Ticker,
    Trade,
)
from tickwire.model.instruments import Instrument
from tickwire.model.numbers import N

__all__ = [
    "Backfilled", "Dropped", "Event", "EventOf", "Gap", "GapCause", "Inexact", "ListingChange", "ListingKind",
    "QualityEvent", "Reconnected", "Recovered", "Repair", "Resynced", "Severity", "Stale", "StaleAction", "Subscribed",
    "UnsubscribeReason", "Unsubscribed", "Watermark",
]  # fmt: skip


class Severity(StrEnum):
    """How loud a quality event is."""

    INFO = auto()
    WARNING = auto()
    ERROR = auto()


class GapCause(StrEnum):
    """Why data is missing."""

    NOT_RUNNING = auto()
    DISCONNECTED = auto()
    SEQUENCE = auto()
    CHECKSUM = auto()
    CROSSED = auto()
    STALE = auto()
    DECODE = auto()
    OVERFLOW = auto()
    REFUSED = auto()
    EXCHANGE_RESET = auto()


class Repair(StrEnum):
    """What tickwire does about a gap."""

    BACKFILL = auto()
    RESYNC = auto()
    NONE = auto()


class UnsubscribeReason(StrEnum):
    """Why coverage ends."""

    USER = auto()
    STOPPED = auto()
    DELISTED = auto()
    REFUSED = auto()


class StaleAction(StrEnum):
    """What the watchdog does."""

    NONE = auto()
    RESUBSCRIBE = auto()
    RECONNECT = auto()


class ListingKind(StrEnum):
    """What changed in an exchange's list."""

    LISTED = auto()
    DELISTED = auto()
    CHANGED = auto()
    STATUS = auto()


class QualityEvent(msgspec.Struct, frozen=True, gc=False, tag_field="type"):
    """Header of every quality event.

    Attributes:
        exchange: The exchange's id.
        symbol: Our symbol; ``None``: everything on the connection.
        ts_event: The exchange's time where it belongs to one, else ``None``.
        ts_recv: Our wall clock when it was known.
        channel: The kind of data it speaks of; ``None``: all of the connection.
        connection: The connection's name, where it belongs to one.
        severity: How loud.
    """

    exchange: str
    symbol: str | None
    ts_event: Nanos | None
    ts_recv: Nanos
    channel: Channel | None
    connection: str | None
    severity: Severity


class Subscribed(QualityEvent, frozen=True, gc=False, tag="subscribed"):
    """Coverage begins: confirmed by the exchange, or by first data where it does not confirm.

    Attributes:
        ts_since: Since when.
        is_verified: Whether a lost update would be noticed by the exchange's own numbers; ``None`` where every event
            says everything. ``False``: that nothing is missing rests on the connection alone.
    """

    ts_since: Nanos
    is_verified: bool | None = None


class Unsubscribed(QualityEvent, frozen=True, gc=False, tag="unsubscribed"):
    """Coverage ends here."""

    reason: UnsubscribeReason


class Watermark(QualityEvent, frozen=True, gc=False, tag="watermark"):
    """Everything up to ``ts_until`` has been delivered or announced as missing."""

    ts_until: Nanos


class Gap(QualityEvent, frozen=True, gc=False, tag="gap"):
    """Data is missing. A second ``Gap`` with the same ``gap_id`` tells more of the same hole, e.g. where it ends.

    Attributes:
        gap_id: Names the hole; ``Resynced`` and ``Backfilled`` refer to it.
        cause: Why.
        ts_start: Time of the last good event before it.
        ts_end: Time of the first good event after it; ``None`` while it is open.
        first_missing: First missing id, where ids are counted.
        last_missing: Last missing id.
        missing: How many records are missing; 0: the ids prove that nothing was lost.
        repair: What is being done.
        detail: For a person.
    """

    gap_id: str
    cause: GapCause
    ts_start: Nanos | None
    ts_end: Nanos | None = None
    first_missing: int | None = None
    last_missing: int | None = None
    missing: int | None = None
    repair: Repair = Repair.NONE
    detail: str = ""


class Backfilled(QualityEvent, frozen=True, gc=False, tag="backfilled"):
    """Trades of a gap were fetched and delivered before this event."""

    gap_id: str
    count: int
    first_id: int | None = None
    last_id: int | None = None
    is_complete: bool = False
    remaining: int | None = None


class Resynced(QualityEvent, frozen=True, gc=False, tag="resynced"):
    """The book is right again; comes right after the new ``BookSnapshot``.

    Attributes:
        gap_id: The gap it repairs.
        sequence: The book's sequence.
        ts_down: How long the book was out of sync, ns.
    """

    gap_id: str | None
    sequence: int | None
    ts_down: Nanos


class Stale(QualityEvent, frozen=True, gc=False, tag="stale"):
    """Nothing came for longer than the stream's own rate explains, or what it needs over REST has to wait.

    Attributes:
        ts_last: When its last event reached us.
        threshold: How long it may be silent, ns; with ``action=NONE`` how long it waits, because the exchange asked
            for fewer requests.
        action: What is done about it.
    """

    ts_last: Nanos | None
    threshold: Nanos
    action: StaleAction


class Recovered(QualityEvent, frozen=True, gc=False, tag="recovered"):
    """A stale stream flows again, and has what it waited for."""

    ts_down: Nanos


class Reconnected(QualityEvent, frozen=True, gc=False, tag="reconnected"):
    """One connection is back. What its instruments lost is said by their ``Gap`` events.

    Attributes:
        host: The host now connected to.
        reason: How the last connection ended.
        attempt: Which attempt succeeded, from 1.
        ts_down: How long there was no connection, ns.
        subscriptions: How many it re-established.
    """

    host: str
    reason: str
    attempt: int
    ts_down: Nanos
    subscriptions: int


class Dropped(QualityEvent, frozen=True, gc=False, tag="dropped"):
    """A bounded buffer was full: ``count`` events of this channel and symbol were not delivered to ``sink``."""

    sink: str
    policy: str
    count: int
    ts_first: Nanos
    ts_last: Nanos


class ListingChange(QualityEvent, frozen=True, gc=False, tag="listing_change"):
    """An instrument was listed, delisted, changed or halted."""

    kind: ListingKind
    instrument: Instrument | None = None
    before: Instrument | None = None


class Inexact(QualityEvent, frozen=True, gc=False, tag="inexact"):
    """A value had more than 15 significant digits and came as the nearest float; hint: ``numbers: decimal``.

    Announced once per subscription and field, just before the first event that holds such a value.

    Attributes:
        field: ``price``, ``size``, ``bid_price``, …; of a level ``price`` or ``size``.
        digits: How many it had, counted down to the instrument's tick or lot.
        sample: The float that came of it, in digits; what else was on the wire is lost.
    """

    field: str
    digits: int
    sample: str


Event: TypeAlias = MarketEvent | AccountEvent | QualityEvent
"""Any event."""
EventOf: TypeAlias = (
    Trade[N] | BookSnapshot[N] | BookDelta[N] | Quote[N] | Ticker[N] | Candle[N]
    | Funding[N] | MarkPrice[N] | OpenInterest[N] | Liquidation[N]
    | OrderUpdate[N] | Fill[N] | Balance[N] | Position[N] | QualityEvent
)  # fmt: skip
"""Any event of a feed whose numbers are ``N``: after ``isinstance(event, Trade)`` it is a ``Trade[N]``."""
