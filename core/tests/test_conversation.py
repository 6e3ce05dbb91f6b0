"""A plugin's REST conversation is driven to its end: requests out, answers and errors back in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from tickwire.feed.conversation import converse
from tickwire.model.errors import (
    ConnectionLostError,
    DecodeError,
    RateLimitedError,
    TickwireError,
)
from tickwire.plugin.protocols import Fetch, Request, Response


class Answers:
    """Answers from a list and keeps what it was asked."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[Request] = []

    async def fetch(self, request: Request) -> Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Response(200, {}, answer, 0)


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
    assert asyncio.run(converse(pages(), transport.fetch)) == [1, 2]
    assert transport.asked == [page(0), page(1), page(2)]


def test_a_conversation_may_ask_nothing() -> None:
    def silent() -> Fetch[str]:
        return "wss://here"
        yield

    transport = Answers()
    assert asyncio.run(converse(silent(), transport.fetch)) == "wss://here"
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
    assert asyncio.run(converse(patient(), transport.fetch)) == [3, 7]


def test_an_error_the_conversation_does_not_handle_comes_out_as_it_was() -> None:
    error = ConnectionLostError("cannot reach it")
    with pytest.raises(ConnectionLostError) as raised:
        asyncio.run(converse(pages(), Answers(error).fetch))
    assert raised.value is error


def test_an_error_the_conversation_raises_for_status_200_comes_out() -> None:
    def strict() -> Fetch[None]:
        answer = yield page(0)
        raise RateLimitedError(f"busy: {answer.body.decode()}")

    with pytest.raises(RateLimitedError, match="busy: no"):
        asyncio.run(converse(strict(), Answers(b"no").fetch))


@pytest.mark.parametrize("body", [b"<html>", b'{"a":1}', b'["\xff"]', b""])
def test_an_answer_that_cannot_be_read_names_the_request_and_how_it_begins(body: bytes) -> None:
    with pytest.raises(DecodeError) as raised:
        asyncio.run(converse(pages(), Answers(b"[1]", body).fetch))
    text = str(raised.value)
    assert text.startswith("GET /v1/rows: ")
    assert text.endswith(f"; the answer begins {body!r}")
    assert isinstance(raised.value.__cause__, msgspec.DecodeError | UnicodeDecodeError)


def test_a_foreign_error_is_not_hidden() -> None:
    with pytest.raises(KeyError):
        asyncio.run(converse(pages(), Answers(KeyError("a bug of the transport")).fetch))


def test_only_our_errors_are_thrown_in() -> None:
    def greedy() -> Fetch[str]:
        try:
            yield page(0)
        except TickwireError:
            return "ours"
        return ""

    assert asyncio.run(converse(greedy(), Answers(DecodeError("odd")).fetch)) == "ours"
