"""A plugin's REST conversation is driven to its end: requests out, answers and errors back in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import attrs
import msgspec
import pytest

from tickwire.feed.conversation import converse
from tickwire.model.errors import (
    AuthRejectedError,
    ConnectionLostError,
    DecodeError,
    RateLimitedError,
    TickwireError,
)
from tickwire.plugin.protocols import Connection, Fetch, Request, Response


class Answers:
    """A transport that answers from a list and keeps what it was asked."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[Request] = []

    async def fetch(self, request: Request) -> Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Response(200, {}, answer, 0)

    async def connect(self, *_: object) -> Connection:
        raise AssertionError("a conversation does not dial")

    async def close(self) -> None: ...


class Stamp:
    def sign(self, request: Request) -> Request:
        return attrs.evolve(request, headers={"X-SIGN": request.path})


def page(number: int) -> Request:
    return Request("GET", "/v1/rows", {"page": number})


def pages() -> Fetch[list[int]]:
    rows: list[int] = []
    while True:
        answer = yield page(len(rows))
        found = answer.decode(list[int])
        if not found:
            return rows
        rows += found


def test_a_conversation_is_held_request_by_request() -> None:
    transport = Answers(b"[1]", b"[2]", b"[]")
    assert asyncio.run(converse(pages(), transport, None)) == [1, 2]
    assert transport.asked == [page(0), page(1), page(2)]


def test_a_conversation_may_ask_nothing() -> None:
    def silent() -> Fetch[str]:
        return "wss://here"
        yield

    transport = Answers()
    assert asyncio.run(converse(silent(), transport, None)) == "wss://here"
    assert transport.asked == []


def test_an_error_is_thrown_into_the_conversation_which_may_go_on() -> None:
    def patient() -> Fetch[Sequence[object]]:
        try:
            yield page(0)
        except RateLimitedError as error:
            answer = yield page(1)
            return [error.retry_after, answer.decode(int)]
        return []

    transport = Answers(RateLimitedError("429", retry_after=3), b"7")
    assert asyncio.run(converse(patient(), transport, None)) == [3, 7]


def test_an_error_the_conversation_does_not_handle_comes_out_as_it_was() -> None:
    error = ConnectionLostError("cannot reach it")
    with pytest.raises(ConnectionLostError) as raised:
        asyncio.run(converse(pages(), Answers(error), None))
    assert raised.value is error


def test_an_error_the_conversation_raises_for_status_200_comes_out() -> None:
    def strict() -> Fetch[None]:
        answer = yield page(0)
        raise RateLimitedError(f"busy: {answer.body.decode()}")

    with pytest.raises(RateLimitedError, match="busy: no"):
        asyncio.run(converse(strict(), Answers(b"no"), None))


@pytest.mark.parametrize("body", [b"<html>", b'{"a":1}', b'["\xff"]', b""])
def test_an_answer_that_cannot_be_read_names_the_request_and_how_it_begins(body: bytes) -> None:
    with pytest.raises(DecodeError) as raised:
        asyncio.run(converse(pages(), Answers(b"[1]", body), None))
    text = str(raised.value)
    assert text.startswith("GET /v1/rows: ")
    assert text.endswith(f"; the answer begins {body!r}")
    assert isinstance(raised.value.__cause__, msgspec.DecodeError | UnicodeDecodeError)


def test_a_signed_request_is_signed_just_before_it_is_sent() -> None:
    def signed() -> Fetch[bytes]:
        return (yield Request("GET", "/v1/account", signed=True)).body

    transport = Answers(b"ok")
    assert asyncio.run(converse(signed(), transport, Stamp())) == b"ok"
    assert transport.asked == [Request("GET", "/v1/account", headers={"X-SIGN": "/v1/account"}, signed=True)]


def test_a_request_that_need_not_be_signed_is_not() -> None:
    transport = Answers(b"[]")
    asyncio.run(converse(pages(), transport, Stamp()))
    assert transport.asked == [page(0)]


def test_a_signed_request_without_credentials_is_refused_and_says_what_to_do() -> None:
    def signed() -> Fetch[bytes]:
        return (yield Request("GET", "/v1/account", signed=True)).body

    transport = Answers(b"ok")
    with pytest.raises(AuthRejectedError) as raised:
        asyncio.run(converse(signed(), transport, None))
    assert str(raised.value) == ("GET /v1/account must be signed, and no credentials are set → set credentials")
    assert transport.asked == []


def test_a_foreign_error_is_not_hidden() -> None:
    with pytest.raises(KeyError):
        asyncio.run(converse(pages(), Answers(KeyError("a bug of the transport")), None))


def test_only_our_errors_are_thrown_in() -> None:
    def greedy() -> Fetch[str]:
        try:
            yield page(0)
        except TickwireError:
            return "ours"
        return ""

    assert asyncio.run(converse(greedy(), Answers(DecodeError("odd")), None)) == "ours"
