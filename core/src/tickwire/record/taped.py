"""A connection as a feed sees it, recorded or replayed: one class, so that both take the same steps."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from typing import Any, Protocol, TypeAlias
from urllib.parse import parse_qsl, urlencode

from tickwire.plugin.protocols import Request
from tickwire.record.operations import Operation, Operations

__all__ = ["Line", "RequestKey", "TapedConnection", "TapedProbingConnection", "request_key"]

RequestKey: TypeAlias = tuple[str, str, str]


def request_key(request: Request) -> RequestKey:
    """Give what makes two requests the same: method, path, and query and body in one order; never the host."""
    path, _, query = request.path.partition("?")
    params = [
        *parse_qsl(query, keep_blank_values=True),
        *((name, str(value)) for name, value in request.params.items()),
    ]
    body = (request.body or b"").decode("latin-1")
    return request.method, path, urlencode(sorted(params)) + (f"\n{_sorted(body)}" if body else "")


def _sorted(body: str) -> str:
    try:
        return json.dumps(json.loads(body), sort_keys=True)
    except ValueError:
        return body


class Line(Protocol):
    """What stands behind a connection: a real one, or a capture."""

    def send(self, payload: Any) -> None:
        """Send a frame."""
        ...

    def pause(self) -> None:
        """Stop reading."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...

    def close(self, operation: Operation) -> Awaitable[Any]:
        """Close, and wait for it."""
        ...

    def ping(self, operation: Operation) -> Awaitable[Any]:
        """Ping, and wait for what came of it."""
        ...


class TapedConnection:
    """One open connection."""

    def __init__(self, line: Line, operations: Operations) -> None:
        """Stand in front of ``line``."""
        self._line = line
        self._operations = operations
        self.send = line.send
        self.pause = line.pause
        self.resume = line.resume

    async def close(self) -> None:
        """Close cleanly; a second call is harmless."""
        await self._line.close(self._operations.begin("close"))


class TapedProbingConnection(TapedConnection):
    """One that can prove it is alive."""

    async def ping(self) -> bool:
        """Ping, and tell whether the pong came in time."""
        return bool(await self._line.ping(self._operations.begin("ping")))
