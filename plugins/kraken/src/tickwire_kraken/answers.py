"""REST answers with status 200 that are errors: ``{"error": ["EQuery:Unknown asset pair"]}``.

An error is ``<severity><category>:<message>``; severity ``W`` only warns. Source: support.kraken.com, "API error
messages" (read 2026-11-26).
"""

import msgspec

from tickwire import DecodeError, ExchangeUnavailableError, RateLimitedError, RequestRejectedError
from tickwire.plugin import Response

_LIMITED = (
    "EAPI:Rate limit exceeded",
    "EGeneral:Too many requests",
    "EGeneral:Temporary lockout",
    "EService:Throttled",
)
_DOWN = ("EService:", "EGeneral:Internal error")


class Answer(msgspec.Struct):
    """What every answer is."""

    error: list[str]
    result: msgspec.Raw = msgspec.Raw()


def result_of(reply: Response) -> bytes:
    """Give the JSON of the result, or raise what the first error means.

    Raises:
        RateLimitedError, ExchangeUnavailableError: Core waits.
        RequestRejectedError: The request is wrong.
        DecodeError: There is neither a result nor an error.
    """
    answer = reply.decode(Answer)
    said = next((one for one in answer.error if not one.startswith("W")), None)
    if said is None:
        if not answer.result:
            raise DecodeError("an answer without result and without error")
        return bytes(answer.result)
    if said.startswith(_LIMITED):
        raise RateLimitedError(f"Kraken answers {said!r}")
    if said.startswith(_DOWN):
        raise ExchangeUnavailableError(f"Kraken answers {said!r}")
    raise RequestRejectedError(f"Kraken answers {said!r}", status=200)
