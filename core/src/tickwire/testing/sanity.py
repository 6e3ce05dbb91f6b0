"""What no event may hold, whatever the frame said: numbers that are none, negative sizes, times out of all reason."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from decimal import Decimal

from tickwire import AccountEvent, BookDelta, BookSnapshot, Event, MarketEvent, Position
from tickwire.plugin import Control

__all__ = ["FROM", "TO", "insane", "market_events"]

FROM, TO = 1_230_768_000_000_000_000, 4_102_444_800_000_000_000
"""2009, before the first bitcoin, and 2100; ns."""

_SIZES = ("size", "bid_size", "ask_size", "volume", "quote_volume", "taker_buy_volume", "last_size", "filled_size")
_TIMES = ("ts_event", "ts_start", "ts_end", "ts_funding")


def market_events(items: Iterable[object]) -> list[MarketEvent | AccountEvent]:
    """Give the events of market and account among what a router gave."""
    return [item for item in items if isinstance(item, MarketEvent | AccountEvent)]


def insane(items: Iterable[Event | Control]) -> list[str]:
    """Say what is wrong in each event, where something is."""
    return [f"{type(event).__name__}.{what}" for event in market_events(items) for what in _wrong(event)]


def _wrong(event: MarketEvent | AccountEvent) -> Iterator[str]:
    may_be_short = isinstance(event, Position)
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if isinstance(value, float | Decimal):
            if not math.isfinite(value) or (name in _SIZES and value < 0 and not may_be_short):
                yield f"{name} is {value}"
        elif name in _TIMES and value is not None and not FROM <= value < TO:
            yield f"{name} is {value} ns"
    if isinstance(event, BookSnapshot | BookDelta):
        for price, size in (*event.bids, *event.asks):
            if not (math.isfinite(price) and math.isfinite(size) and size >= 0):
                yield f"level ({price}, {size})"
