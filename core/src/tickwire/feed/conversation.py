"""Driving a plugin's REST conversation: its requests out, answers and errors back in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from tickwire.model.errors import DecodeError, TickwireError
from tickwire.plugin.protocols import Fetch, Request, Response

__all__ = ["converse"]

T = TypeVar("T")


async def converse(conversation: Fetch[T], fetch: Callable[[Request], Awaitable[Response]]) -> T:
    """Hold a conversation to its end.

    An error of ours is thrown into the conversation, which may handle it; a refusal to decode names the request.

    Args:
        conversation: Of a plugin.
        fetch: Sends one request; a feed's is ``Requests.fetch``.

    Raises:
        TickwireError: What ``fetch`` or the conversation raised.
    """
    request: Request | None = None
    answer: Response | TickwireError | None = None
    while True:
        try:
            if isinstance(answer, TickwireError):
                request = conversation.throw(answer)
            elif answer is None:
                request = next(conversation)
            else:
                request = conversation.send(answer)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _undecodable(request, answer, error) from error
        try:
            answer = await fetch(request)
        except TickwireError as error:
            answer = error


def _undecodable(request: Request | None, answer: object, error: Exception) -> DecodeError:
    what = f"{request}" if request else "a conversation"
    begins = f"; the answer begins {answer.body[:60]!r}" if isinstance(answer, Response) else ""
    return DecodeError(f"{what}: {error}{begins}")
