"""A book snapshot is a conversation of one request, driven here by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tickwire import BookSnapshot, Channel, Instruments, L2Book, RequestRejectedError, Subscription
from tickwire.plugin import Request, Response
from tickwire_backpack.routing import BackpackRouting

RECV = 1_790_000_000_000_000_000
ASKS = ((100.65, 68.02), (100.66, 102.5), (100.7, 31.4))
BIDS = ((100.64, 67.95), (100.63, 149.64), (100.62, 168.89), (100.61, 11.89), (100.6, 102.26))
SNAPSHOT = BookSnapshot("backpack", "SOL-USDC", 1_788_285_151_254_895_000, RECV, BIDS, ASKS, 4324522523)


@pytest.fixture
def book(instruments: Instruments) -> Subscription:
    return Subscription(Channel.L2_BOOK, instruments.native["SOL_USDC"])


def fetch(routing: BackpackRouting, subscription: Subscription, body: object) -> BookSnapshot:
    conversation = routing.snapshot(subscription)
    next(conversation)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(StopIteration) as end:
        conversation.send(Response(200, {}, raw, RECV))
    snapshot = end.value.value
    assert isinstance(snapshot, BookSnapshot)
    return snapshot


@pytest.mark.parametrize("depth", [None, 5, 100, 1000])
def test_a_thousand_levels_are_asked_for_whatever_depth_is_wanted(
    depth: int | None, routing: BackpackRouting, instruments: Instruments
) -> None:
    wanted = Subscription(Channel.L2_BOOK, instruments.native["AAPL.US_USDC_PERP"], depth=depth)
    assert next(routing.snapshot(wanted)) == Request(
        "GET", "/api/v1/depth", {"symbol": "AAPL.US_USDC_PERP", "limit": 1000}
    )


def test_the_recorded_answer_gives_a_book_best_first_on_both_sides(
    routing: BackpackRouting, book: Subscription, answer: Callable[[str], Any]
) -> None:
    assert fetch(routing, book, answer("depth")) == SNAPSHOT


def test_the_order_of_the_answer_does_not_matter(
    routing: BackpackRouting, book: Subscription, answer: Callable[[str], Any]
) -> None:
    body = answer("depth")
    body["bids"].reverse()
    body["asks"].insert(0, body["asks"].pop())
    assert fetch(routing, book, body) == SNAPSHOT


def test_the_update_id_may_be_a_number_too(
    routing: BackpackRouting, book: Subscription, answer: Callable[[str], Any]
) -> None:
    assert fetch(routing, book, answer("depth") | {"lastUpdateId": 4324522523}) == SNAPSHOT


def test_padded_and_unpadded_prices_are_one_level(
    routing: BackpackRouting, book: Subscription, answer: Callable[[str], Any]
) -> None:
    body = answer("depth")
    for side in ("bids", "asks"):
        body[side] = [[f"{price}000" if "." in price else f"{price}.000", f"{size}0"] for price, size in body[side]]
    assert fetch(routing, book, body) == SNAPSHOT


def test_an_empty_side_is_an_empty_side(routing: BackpackRouting, book: Subscription) -> None:
    body = {"asks": [], "bids": [["1", "2"]], "lastUpdateId": "0", "timestamp": 1_788_285_151_254_895}
    snapshot = fetch(routing, book, body)
    assert (snapshot.bids, snapshot.asks, snapshot.sequence) == (((1.0, 2.0),), (), 0)


def test_a_book_is_made_of_it(routing: BackpackRouting, book: Subscription, answer: Callable[[str], Any]) -> None:
    held = L2Book.from_snapshot(fetch(routing, book, answer("depth")))
    assert (held.best_bid, held.best_ask, held.sequence) == ((100.64, 67.95), (100.65, 68.02), 4324522523)


@pytest.mark.parametrize(
    "change",
    [
        {"lastUpdateId": "nan"},
        {"lastUpdateId": None},
        {"timestamp": 1_788_285_151_254},
        {"timestamp": 0},
        {"timestamp": 1_515_699_043_200_000_000},
        {"bids": [["nan", "1"]]},
        {"bids": [["inf", "1"]]},
        {"asks": [["1", "-1"]]},
        {"asks": [["1", "inf"]]},
        {"asks": [["1"]]},
        {"asks": None},
    ],
    ids=str,
)
def test_an_answer_that_means_nothing_is_refused_and_core_names_the_request(
    change: dict[str, object], routing: BackpackRouting, book: Subscription, answer: Callable[[str], Any]
) -> None:
    conversation = routing.snapshot(book)
    next(conversation)
    with pytest.raises(msgspec.DecodeError):
        conversation.send(Response(200, {}, json.dumps(answer("depth") | change).encode(), RECV))


def test_an_error_of_the_exchange_ends_the_conversation_with_it(routing: BackpackRouting, book: Subscription) -> None:
    conversation = routing.snapshot(book)
    next(conversation)
    refusal = RequestRejectedError(
        '400 {"code":"INVALID_CLIENT_REQUEST","message":"Invalid market symbol"}', status=400
    )
    with pytest.raises(RequestRejectedError) as caught:
        conversation.throw(refusal)
    assert caught.value is refusal
