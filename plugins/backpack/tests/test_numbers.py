"""Backpack in decimals: the feed's type says so, and so does every number of frames and snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import assert_type

import pytest

import tickwire_backpack.plugin
from tickwire import (
    BookDelta,
    BookSnapshot,
    Channel,
    DecodeError,
    Feed,
    Instrument,
    Instruments,
    L2Book,
    Quote,
    Registry,
    Side,
    Subscription,
    Trade,
)
from tickwire.plugin import ConnectionInfo, Frame, Located, Response
from tickwire_backpack.routing import BackpackRouting

SOL = Instrument("backpack", "SOL-USDC", "SOL_USDC", "SOL", "USDC")
HEAD = ("backpack", "SOL-USDC", 1_788_367_430_000_001_000, 7)
TRADE = b'{"data":{"e":"trade","s":"SOL_USDC","p":"98.970","q":%s,"t":5,"m":true,"T":1788367430000001},"stream":"x"}'
DEPTH = (
    b'{"data":{"e":"depth","s":"SOL_USDC","U":4,"u":5,"a":[["98.980","0.00"]],"b":[["98.9700","22.3900"]],'
    b'"T":1788367430000001},"stream":"x"}'
)
TICKER = (
    b'{"data":{"e":"bookTicker","s":"SOL_USDC","a":null,"A":null,"b":"98.9700","B":"22.3900","u":9,'
    b'"T":1788367430000001},"stream":"x"}'
)


def routing() -> BackpackRouting:
    return BackpackRouting(Instruments([SOL]), None, Decimal)


def route(payload: bytes) -> list[object]:
    router = routing().router(ConnectionInfo("public-1", "public", Located("")))
    return list(router.route(Frame(payload, 7)))


def test_every_number_of_a_frame_is_the_decimal_that_was_sent() -> None:
    price, size = Decimal("98.9700"), Decimal("22.3900")
    found = route(TRADE % b'"0.12345678901234567890"') + route(DEPTH) + route(TICKER)
    assert found == [
        Trade(*HEAD, Decimal("98.970"), Decimal("0.12345678901234567890"), Side.SELL, "5", 5, 1),
        BookDelta(*HEAD, ((price, size),), ((Decimal("98.980"), Decimal("0.00")),), 4, 5),
        Quote(*HEAD, price, size, None, None, 9),
    ]
    assert "Decimal('98.9700'), Decimal('22.3900')" in repr(found[1])


@pytest.mark.parametrize("size", [b'"1_0"', b'" 1"', b'"+1"', b'"NaN"', b'"Infinity"', b'"-1"', b'"1e400"', b"true"])
def test_a_size_that_only_pythons_decimal_would_take_is_refused(size: bytes) -> None:
    with pytest.raises(DecodeError, match="malformed frame of kind 'trade'"):
        route(TRADE % size)


def test_a_snapshot_over_rest_is_decimal_too() -> None:
    body = (
        b'{"asks":[["99.10","1.0"]],"bids":[["98.90","2.00"],["98.95","0.12345678901234567890"]],'
        b'"lastUpdateId":"7","timestamp":1788367430000001}'
    )
    asking = routing().snapshot(Subscription(Channel.L2_BOOK, SOL))
    next(asking)
    with pytest.raises(StopIteration) as ended:
        asking.send(Response(200, {}, body, 7))
    bids = ((Decimal("98.95"), Decimal("0.12345678901234567890")), (Decimal("98.90"), Decimal("2.00")))
    asks = ((Decimal("99.10"), Decimal("1.0")),)
    assert ended.value.value == BookSnapshot(*HEAD, bids, asks, 7)
    assert {type(n) for level in ended.value.value.bids for n in level} == {Decimal}


def take_decimals(feed: Feed[Decimal]) -> None: ...


def hear(trade: Trade[Decimal]) -> None: ...


async def read_decimals(feed: Feed[Decimal]) -> None:
    async for event in feed:
        if isinstance(event, Trade):
            assert_type(event, Trade[Decimal])
            assert_type(event.price, Decimal)
        elif isinstance(event, BookDelta):
            assert_type(event.bids, tuple[tuple[Decimal, Decimal], ...])


async def read_floats(feed: Feed) -> None:
    assert_type(feed, Feed[float])
    async for event in feed:
        if isinstance(event, Trade):
            assert_type(event.price, float)


def test_the_number_type_is_part_of_a_feeds_type() -> None:
    """The type checker's test: ``nox -s types`` checks what ``assert_type`` says."""
    registry = Registry.of(backpack=tickwire_backpack.plugin)
    floats = Feed("backpack", ["SOL-USDC"], registry=registry)
    decimals = Feed("backpack", ["SOL-USDC"], registry=registry, numbers=Decimal)
    assert_type(floats, Feed[float])
    assert_type(decimals, Feed[Decimal])
    assert_type(decimals.books, Mapping[str, L2Book[Decimal]])
    take_decimals(decimals)
    take_decimals(floats)  # type: ignore[arg-type]
    decimals.on(Trade, hear)
    assert (floats.wiring.numbers, decimals.wiring.numbers) == (float, Decimal)
