"""Driving a plugin's REST conversation: requests out through signer and transport, answers and errors back in."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from tickwire.model.errors import AuthRejectedError, DecodeError, TickwireError
from tickwire.plugin.protocols import Fetch, Request, Response, Signer, Transport

__all__ = ["converse"]

T = TypeVar("T")


async def converse(conversation: Fetch[T], transport: Transport[Any], signer: Signer | None) -> T:
    """Hold a conversation to its end.

    An error of ours is thrown into the conversation, which may handle it; a refusal to decode names the request.

    Raises:
        TickwireError: What the transport or the conversation raised.
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
            answer = await transport.fetch(_signed(request, signer))
        except TickwireError as error:
            answer = error


def _signed(request: Request, signer: Signer | None) -> Request:
    if not request.signed:
        return request
    if signer is None:
        raise AuthRejectedError(
            f"{request.method} {request.path} must be signed, and no credentials are set", hint="set credentials"
        )
    return signer.sign(request)


def _undecodable(request: Request | None, answer: object, error: Exception) -> DecodeError:
    what = f"{request.method} {request.path}" if request else "a conversation"
    begins = f"; the answer begins {answer.body[:60]!r}" if isinstance(answer, Response) else ""
    return DecodeError(f"{what}: {error}{begins}")
