"""What a feed waits for, by number: the same for a live run and its replay, so that both take the same steps."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs

__all__ = ["Operation", "Operations"]


@attrs.define(eq=False)
class Operation:
    """Something under way.

    Attributes:
        kind: ``sleep``, ``fetch``, ``dial``, ``close``, ``ping``.
        key: What it is about, to find it again in a capture that took another course.
        done: Its result.
    """

    number: int
    kind: str
    key: Any
    done: asyncio.Future[Any]

    @property
    def is_asleep(self) -> bool:
        """Whether it is a wait that is not over; ``key`` is when it is due."""
        return self.kind == "sleep" and not self.done.done()


class Operations:
    """Numbers operations in the order they are begun.

    Attributes:
        count: How many were begun: the next one's number.
        open: Those under way.
    """

    def __init__(self) -> None:
        """Begin at 0."""
        self.count = 0
        self.open: dict[int, Operation] = {}

    def begin(self, kind: str, key: Any = None) -> Operation:
        """Begin one."""
        operation = Operation(self.count, kind, key, asyncio.get_running_loop().create_future())
        self.open[operation.number] = operation
        self.count += 1
        return operation

    async def wait(self, operation: Operation) -> Any:
        """Wait for its result; whoever stops waiting forgets it."""
        try:
            return await operation.done
        finally:
            self.open.pop(operation.number, None)

    def finish(self, number: int, result: Any = None, error: BaseException | None = None) -> None:
        """Give its result, unless nobody waits any more."""
        operation = self.open.get(number)
        if operation is None or operation.done.done():
            return
        if error is not None:
            operation.done.set_exception(error)
        else:
            operation.done.set_result(result)
