"""A page of past trades is a conversation of one request, driven here by hand."""

from __future__ import annotations

import json

import pytest

from tickwire import Channel, Instruments, Side, Trade
from tickwire.plugin import Hole, Request, Response
from tickwire_backpack.routing import BackpackRouting

RECV = 1_790_000_000_000_000_000
# GET /api/v1/trades?symbol=SOL_USDC, recorded 2026-09-02
ROW = (
    b'[{"id":381731418,"isBuyerMaker":false,"price":"100.67","quantity":"0.22","quoteQuantity":"22.1474",'
    b'"timestamp":1788285123140}]'
)


def hole(instruments: Instruments, page: int = 0) -> Hole:
    return Hole(instruments.native["SOL_USDC"], Channel.TRADES, None, None, 0, RECV, page)


@pytest.mark.parametrize(
    ("page", "request_"),
    [
        (0, Request("GET", "/api/v1/trades", {"symbol": "SOL_USDC", "limit": 1000})),
        (
            2,
            Request(
                "GET",
                "/api/v1/trades/history",
                {"symbol": "SOL_USDC", "limit": 1000, "offset": 2000},
                limit="historical",
            ),
        ),
    ],
)
def test_the_last_trades_come_from_one_route_and_older_ones_by_offset_from_another(
    page: int, request_: Request, routing: BackpackRouting, instruments: Instruments
) -> None:
    assert next(routing.history(hole(instruments, page))) == request_


def test_a_recorded_row_gives_the_trade_the_stream_would_give_marked_as_fetched(
    routing: BackpackRouting, instruments: Instruments
) -> None:
    conversation = routing.history(hole(instruments))
    next(conversation)
    with pytest.raises(StopIteration) as end:
        conversation.send(Response(200, {}, ROW, RECV))
    ts_event = 1_788_285_123_140_000_000
    assert end.value.value == [
        Trade("backpack", "SOL-USDC", ts_event, RECV, 100.67, 0.22, Side.BUY, "381731418", 381731418, 1, True)
    ]


def test_a_seller_who_crossed_is_the_taker(routing: BackpackRouting, instruments: Instruments) -> None:
    rows = json.loads(ROW)
    rows[0]["isBuyerMaker"] = True
    conversation = routing.history(hole(instruments))
    next(conversation)
    with pytest.raises(StopIteration) as end:
        conversation.send(Response(200, {}, json.dumps(rows).encode(), RECV))
    assert [trade.taker_side for trade in end.value.value] == [Side.SELL]
