"""What passes between router and connection: out go calls to keep alive, in comes what the tap saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tickwire import Channel, GapCause, Nanos, Subscription

__all__ = [
    "BookSeen", "CandleSeen", "Fault", "Levels", "Lost", "Payload", "QuoteSeen", "Refusal", "TickerSeen", "TradeSeen",
    "Watch",
]  # fmt: skip

Levels = tuple[tuple[Any, Any], ...]


class Watch(msgspec.Struct, frozen=True):
    """A ``watch_*`` call to keep alive, or to end.

    Attributes:
        subscription: What for; its instrument's native symbol is ccxt's.
        on: Whether to begin.
    """

    subscription: Subscription
    on: bool

    @property
    def channel(self) -> Channel:
        """What kind of data."""
        return self.subscription.channel

    @property
    def native(self) -> str:
        """Ccxt's symbol."""
        assert self.subscription.instrument is not None
        return self.subscription.instrument.native

    @property
    def key(self) -> tuple[Channel, str, str | None]:
        """What a beginning and its end have in common."""
        return self.channel, self.native, self.subscription.interval if self.channel is Channel.CANDLES else None


class TradeSeen(msgspec.Struct, frozen=True, gc=False):
    """ccxt's unified trade; ``is_replay``: one of those that the exchange repeats on subscribing, or a polled one."""

    trade: Mapping[str, Any]
    is_replay: bool = False


class BookSeen(msgspec.Struct, frozen=True, gc=False):
    """A whole book (best first), or levels that changed (absolute sizes, in the order in which ccxt stored them).

    Attributes:
        native: ccxt's symbol.
        is_whole: Whether it is the whole book.
        bids: (price, size).
        asks: (price, size).
        ts_event: The exchange's time, ns.
        first: First change, by the exchange's numbers.
        last: Last change.
        previous: What the exchange says came before.
        checksum: The exchange's digest.
        depth: Window of the book, where it has one.
    """

    native: str
    is_whole: bool
    bids: Levels
    asks: Levels
    ts_event: Nanos | None = None
    first: int | None = None
    last: int | None = None
    previous: int | None = None
    checksum: int | None = None
    depth: int | None = None


class TickerSeen(msgspec.Struct, frozen=True, gc=False):
    """ccxt's unified ticker."""

    native: str
    ticker: Mapping[str, Any]


class QuoteSeen(msgspec.Struct, frozen=True, gc=False):
    """ccxt's unified ticker, of which best bid and ask are meant."""

    native: str
    ticker: Mapping[str, Any]


class CandleSeen(msgspec.Struct, frozen=True, gc=False):
    """``[begin in ms, open, high, low, close, volume]``."""

    native: str
    interval: str
    row: tuple[Any, ...]


class Lost(msgspec.Struct, frozen=True):
    """Something of one stream is missing, or its book is wrong."""

    channel: Channel
    native: str
    cause: GapCause
    reason: str


class Refusal(msgspec.Struct, frozen=True):
    """The exchange, or ccxt, refuses a subscription; ``retry``: maybe not for ever."""

    subscription: Subscription
    reason: str
    retry: bool


class Fault(msgspec.Struct, frozen=True):
    """A frame that ccxt's handlers could not read."""

    error: Exception


Payload = TradeSeen | BookSeen | TickerSeen | QuoteSeen | CandleSeen | Lost | Refusal | Fault | Watch
