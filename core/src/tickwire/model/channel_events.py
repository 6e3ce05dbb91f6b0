"""Which events each channel brings."""

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

__all__ = ["CHANNELS", "EVENTS"]

EVENTS: Mapping[Channel, tuple[type, ...]] = {
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
"""Of every channel but ``quality``."""

CHANNELS: Mapping[type, Channel] = {one: channel for channel, classes in EVENTS.items() for one in classes}
"""The other way round."""
