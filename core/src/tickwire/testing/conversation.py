"""Holding a plugin's REST conversation without a network: a function answers, and errors are thrown in as core does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from tickwire import DecodeError, TickwireError
from tickwire.plugin import Fetch, Request, Response

__all__ = ["always", "hold"]

T = TypeVar("T")


def hold(conversation: Fetch[T], answer: Callable[[Request], Response]) -> T:
    """Hold a conversation to its end.

    Args:
        conversation: Of a plugin.
        answer: Answers one request, or raises an error of ours, which is thrown into the conversation.

    Raises:
        DecodeError: An answer is not what the plugin expects, as core would say it.
        TickwireError: What ``answer`` or the conversation raised.
    """
    try:
        request = next(conversation)
        while True:
            try:
                response = answer(request)
            except TickwireError as error:
                request = conversation.throw(error)
            else:
                request = conversation.send(response)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"an answer could not be read: {error}") from error


def always(response: Response) -> Callable[[Request], Response]:
    """Answer every request alike."""
    return lambda _: response
