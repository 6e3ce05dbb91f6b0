"""What a user receives of an account: orders, fills, balances, positions. Units are those of the market events."""

from __future__ import annotations

from enum import StrEnum, auto
from typing import Generic

import msgspec

from tickwire.model.clock import Nanos
from tickwire.model.events import Side
from tickwire.model.numbers import N

__all__ = ["AccountEvent", "Balance", "Fill", "OrderStatus", "OrderUpdate", "Position"]


class OrderStatus(StrEnum):
    """Where an order is. ``TRIGGER_PENDING``: it waits for a price; ``UNKNOWN``: the exchange's word has no match."""

    NEW = auto()
    PARTIALLY_FILLED = auto()
    FILLED = auto()
    CANCELLED = auto()
    EXPIRED = auto()
    REJECTED = auto()
    TRIGGER_PENDING = auto()
    UNKNOWN = auto()


class _Header(msgspec.Struct, frozen=True, gc=False, tag_field="type"):
    exchange: str
    symbol: str | None
    ts_event: Nanos | None
    ts_recv: Nanos


class AccountEvent(_Header, frozen=True, gc=False, kw_only=True):
    """Header of every account event.

    Attributes:
        exchange: The exchange's id.
        symbol: Our symbol; ``None`` on a ``Balance``, which belongs to no instrument.
        ts_event: The exchange's time, ``None`` where the wire has none; never filled from our clock.
        ts_recv: Our wall clock when the bytes left the socket.
        account: The feed's name, which stands for its key; core fills it in, so plugins leave it out.
    """

    account: str = ""


class OrderUpdate(AccountEvent, Generic[N], frozen=True, gc=False, tag="order_update"):
    """An order as it is now.

    Attributes:
        order_id: The exchange's id as text.
        status: Where it is.
        side: What it does.
        size: All of it, in the instrument's size unit; ``None``: the exchange does not say.
        filled_size: The part that has traded.
        client_order_id: The user's own id; ``None``, here and below: none, or the exchange does not say.
        order_type: ``limit``, ``market``, … as the exchange names it.
        time_in_force: As the exchange names it.
        price: Its limit.
        average_price: Of its fills so far.
        is_reduce_only: It may only make a position smaller.
        is_post_only: It may only rest.
        reason: Why it was rejected or ended.
    """

    symbol: str
    order_id: str
    status: OrderStatus
    side: Side
    size: N | None
    filled_size: N
    client_order_id: str | None = None
    order_type: str | None = None
    time_in_force: str | None = None
    price: N | None = None
    average_price: N | None = None
    is_reduce_only: bool | None = None
    is_post_only: bool | None = None
    reason: str | None = None


class Fill(AccountEvent, Generic[N], frozen=True, gc=False, tag="fill"):
    """A part of an order has traded.

    Attributes:
        trade_id: The exchange's id of the trade as text.
        order_id: The order's.
        client_order_id: The user's own id of the order; ``None``: none, or the exchange does not say.
        side: Of the order.
        price: What it traded at.
        size: Above zero, in the instrument's size unit.
        is_maker: The order rested; ``None``, here and below: the exchange does not say.
        fee: In ``fee_asset``; negative: a rebate.
        fee_asset: What the fee was paid in.
    """

    symbol: str
    trade_id: str
    order_id: str
    client_order_id: str | None
    side: Side
    price: N
    size: N
    is_maker: bool | None = None
    fee: N | None = None
    fee_asset: str | None = None


class Balance(AccountEvent, Generic[N], frozen=True, gc=False, tag="balance"):
    """What an account holds of an asset: ``total`` is ``free`` and ``locked``; ``None``: the exchange does not say."""

    asset: str
    total: N | None = None
    free: N | None = None
    locked: N | None = None


class Position(AccountEvent, Generic[N], frozen=True, gc=False, tag="position"):
    """What an account holds of a derivative.

    Attributes:
        size: Signed, in the instrument's size unit: above zero long, below short, 0 flat.
        entry_price: Average; ``None``, here and below: the exchange does not say.
        mark_price: What the profit is reckoned by.
        unrealised_pnl: Profit if it were closed at the mark price, in the settle currency.
        realised_pnl: Profit already made, likewise.
        liquidation_price: Where it would be closed by force.
    """

    symbol: str
    size: N
    entry_price: N | None = None
    mark_price: N | None = None
    unrealised_pnl: N | None = None
    realised_pnl: N | None = None
    liquidation_price: N | None = None
