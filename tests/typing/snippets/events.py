"""Events: fields and their units, numbers that are floats, records that cannot be changed."""

from decimal import Decimal
from typing import assert_type

from tickwire import (
    AccountEvent,
    Balance,
    BookDelta,
    Event,
    Gap,
    Nanos,
    OrderStatus,
    OrderUpdate,
    Position,
    Quote,
    Side,
    Trade,
    decode_event,
    encode_event,
    exact,
)


def read(trade: Trade, delta: BookDelta, quote: Quote, gap: Gap) -> None:
    assert_type(trade, Trade[float])
    assert_type(trade.price, float)
    assert_type(trade.price * 1.001, float)
    assert_type(trade.symbol, str)
    assert_type(trade.taker_side, Side | None)
    assert_type(trade.ts_recv, Nanos)
    assert_type(trade.ts_event, Nanos | None)
    assert_type(delta.bids, tuple[tuple[float, float], ...])
    assert_type(quote.bid_price, float | None)
    assert_type(gap.symbol, str | None)
    trade.price = 1.0  # E[misc]: Property "price" defined in "Trade" is read-only
    trade.volume  # E[attr-defined]: "Trade[float]" has no attribute "volume"
    trade.ts_event + 1  # E[operator]: Unsupported operand types for + ("None" and "int")
    quote.bid_price + 1  # E[operator]: Unsupported operand types for + ("None" and "int")


def account(order: OrderUpdate, balance: Balance[Decimal], position: Position, event: Event) -> None:
    assert_type(order.symbol, str)
    assert_type(order.status, OrderStatus)
    assert_type(order.filled_size, float)
    assert_type(order.price, float | None)
    assert_type(balance.symbol, str | None)
    assert_type(balance.free, Decimal | None)
    assert_type(position.size, float)
    if isinstance(event, AccountEvent):
        assert_type(event.account, str)
    OrderUpdate("acme", "SOL-USD", None, 0, "7", OrderStatus.NEW, Side.BUY, 1.0, 0.0)
    OrderUpdate("acme", "SOL-USD", None, 0, "7", "new", Side.BUY, 1.0, 0.0)  # E[arg-type]: expected "OrderStatus"
    OrderUpdate("acme", None, None, 0, "7", OrderStatus.NEW, Side.BUY, 1.0, 0.0)  # E[arg-type]: expected "str"
    order.account = "desk"  # E[misc]: Property "account" defined in "OrderUpdate" is read-only


def decimals(trade: Trade[Decimal]) -> None:
    assert_type(trade.price, Decimal)
    assert_type(exact(trade.price), Decimal)
    trade.price * 1.001  # E[operator]: Unsupported operand types for * ("Decimal" and "float")


def texts_are_no_numbers(price: str) -> None:
    exact(price)  # E[arg-type]: expected "float | Decimal"
    Trade("acme", "SOL-USD", None, 0, price, 1.0)  # E[type-var]: type variable "N" of "Trade" cannot be
    Trade[str]  # E[type-var]: Value of type variable "N" of "Trade" cannot be "str"


def stored(line: bytes, event: Event) -> None:
    assert_type(encode_event(event), bytes)
    assert_type(exact(1.5), Decimal)
    read_back = decode_event(line)
    assert_type(read_back.exchange, str)
    if isinstance(read_back, Trade):
        assert_type(read_back, Trade[float])
        assert_type(read_back.price, float)
    elif isinstance(read_back, Gap):
        assert_type(read_back, Gap)
        read_back.price  # E[attr-defined]: "Gap" has no attribute "price"
    elif isinstance(read_back, BookDelta | Quote):
        assert_type(read_back, BookDelta[float] | Quote[float])
