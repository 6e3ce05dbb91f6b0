"""Which events each channel brings, and which channel brings an event."""

from __future__ import annotations

from collections.abc import Mapping

from tickwire.model.account import Balance, Fill, OrderUpdate, Position
from tickwire.model.channels import Channel
from tickwire.model.events import (
    BookDelta,
    BookSnapshot,
    Candle,
    Funding,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Quote,
    Ticker,
    Trade,
)
from tickwire.model.quality import Event, QualityEvent

__all__ = ["EVENTS_OF", "channel_of"]

EVENTS_OF: Mapping[Channel, tuple[type, ...]] = {
    Channel.TRADES: (Trade,),
    Channel.L2_BOOK: (BookSnapshot, BookDelta),
    Channel.L1_BOOK: (Quote,),
    Channel.TICKER: (Ticker,),
    Channel.CANDLES: (Candle,),
    Channel.MARK_PRICE: (MarkPrice,),
    Channel.FUNDING: (Funding,),
    Channel.OPEN_INTEREST: (OpenInterest,),
    Channel.LIQUIDATIONS: (Liquidation,),
    Channel.ORDERS: (OrderUpdate,),
    Channel.FILLS: (Fill,),
    Channel.BALANCES: (Balance,),
    Channel.POSITIONS: (Position,),
}
"""The classes of a channel's events; every channel but ``quality`` has its own."""

_CHANNELS: Mapping[type, Channel] = {one: channel for channel, classes in EVENTS_OF.items() for one in classes}


def channel_of(event: Event) -> Channel:
    """Tell which channel an event belongs to; quality events to ``QUALITY``."""
    return Channel.QUALITY if isinstance(event, QualityEvent) else _CHANNELS[type(event)]
