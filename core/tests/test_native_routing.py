"""What a routing answers by itself: routers, REST read in the feed's number type, and what is missing of trades."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tickwire import (
    Channel,
    DecodeError,
    Instrument,
    Instruments,
    Nanos,
    PluginContractError,
    RateLimitedError,
    Subscription,
    Trade,
)
from tickwire.native import Levels, NativeMessageRouter, NativeRouting, instrument_of
from tickwire.plugin import ConnectionInfo, Fetch, Hole, Located, Request, Response
from tickwire.testing import hold

SOL = Instrument("acme", "SOL-USDC", "SOL_USDC", "SOL", "USDC")
BODY = b'{"bids": [["98.96", "298.87"]]}'


class Book(msgspec.Struct):
    bids: Levels


class Signing:
    def sign(self, request: Request) -> Request:
        return request


def asked(conversation: Fetch[Any], body: bytes) -> tuple[list[Request], Any]:
    requests: list[Request] = []

    def answer(request: Request) -> Response:
        requests.append(request)
        return Response(200, {}, body, 7)

    return requests, hold(conversation, answer)


def test_a_router_is_told_which_socket_it_is_for_and_what_signs() -> None:
    class Routing(NativeRouting):
        router_type = NativeMessageRouter

    signer, connection = Signing(), ConnectionInfo("x", "private", Located("wss://x"))
    router = Routing(Instruments([SOL]), Decimal, signer).router(connection)
    assert isinstance(router, NativeMessageRouter)
    assert (router.socket, router.signer, router.metrics, router.numbers) == (
        "private", signer, connection.metrics, Decimal,
    )  # fmt: skip
    assert (NativeMessageRouter().socket, NativeMessageRouter().signer) == ("public", None)


@pytest.mark.parametrize("numbers", [float, Decimal])
def test_an_answer_is_read_in_the_feeds_number_type_with_the_time_it_came(numbers: type) -> None:
    requests, (book, ts_recv) = asked(NativeRouting(numbers=numbers).get(Book, "/book"), BODY)
    assert requests == [Request("GET", "/book")]
    assert (book.bids, ts_recv) == (((numbers("98.96"), numbers("298.87")),), 7)
    assert type(book.bids[0][0]) is numbers


def test_a_request_carries_its_query_weight_and_budget() -> None:
    fetching = NativeRouting().get(Book, "/book", {"id": "SOL", "limit": 5}, weight=20, limit="deep")
    requests, _ = asked(fetching, BODY)
    assert requests == [Request("GET", "/book", {"id": "SOL", "limit": 5}, weight=20, limit="deep")]


def test_an_answer_of_another_shape_is_an_error_that_core_names() -> None:
    with pytest.raises(DecodeError, match=r"bids\[0\]\[0\]"):
        asked(NativeRouting().get(Book, "/book"), b'{"bids": [["nan", "1"]]}')


def test_a_result_may_stand_in_an_envelope_which_may_hold_an_error() -> None:
    class Envelope(msgspec.Struct):
        code: int
        data: msgspec.Raw = msgspec.Raw()

    class Enveloped(NativeRouting):
        def result(self, reply: Response) -> bytes:
            answer = reply.decode(Envelope)
            if answer.code:
                raise RateLimitedError(f"code {answer.code}")
            return bytes(answer.data)

    _, (book, _) = asked(Enveloped().get(Book, "/book"), b'{"code": 0, "data": ' + BODY + b"}")
    assert book == Book(((98.96, 298.87),))
    with pytest.raises(RateLimitedError, match="code 7"):
        asked(Enveloped().get(Book, "/book"), b'{"code": 7}')


def test_a_subscription_gives_its_instrument_or_says_that_it_has_none() -> None:
    assert instrument_of(Subscription(Channel.L2_BOOK, SOL)) is SOL
    with pytest.raises(PluginContractError, match=r"^\* orders names no instrument → "):
        instrument_of(Subscription(Channel.ORDERS, None))


def last(ts_event: Nanos | None, sequence: int | None) -> Trade:
    return Trade("acme", "SOL-USDC", ts_event, 9, 1.0, 1.0, None, "41", sequence)


@pytest.mark.parametrize(
    ("after", "sequence"), [(None, None), (last(150, 41), 41), (last(None, 41), 41), (last(150, None), None)]
)
def test_a_hole_says_after_which_number(after: Trade | None, sequence: int | None) -> None:
    assert Hole(SOL, Channel.TRADES, after, None, 100, 200).last_sequence == sequence
