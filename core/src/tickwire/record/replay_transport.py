"""A capture as a feed's transport: what is asked and dialled is answered by what was recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import attrs

from tickwire.plugin.protocols import Connection, Ending, Frame, Located, Request, Response, Routing
from tickwire.record.foreign import ConfirmingRouting
from tickwire.record.operations import Operation
from tickwire.record.redaction import MASK, Redactor
from tickwire.record.taped import TapedConnection, TapedProbingConnection, request_key

if TYPE_CHECKING:
    from tickwire.record.replayer import Replayer

__all__ = ["NoSigner", "ReplayLine", "ReplayTransport", "ReplayedFeed", "replayed_connection"]

_REDACTOR = Redactor()


@attrs.define(eq=False)
class ReplayLine:
    """A connection of the replay.

    Attributes:
        number: Its operation's.
        feed: The feed's name.
        url: Where the feed wanted to connect.
        on_frame: Takes its frames.
        on_close: Takes its end, once.
        replayer: Whose it is.
        recorded: The recorded connection that it stands for; ``None``: not known yet.
        has_ended: Its end was told.
    """

    number: int
    feed: str
    url: str
    on_frame: Callable[[Frame[Any]], None]
    on_close: Callable[[Ending], None]
    replayer: Replayer
    recorded: int | None = None
    has_ended: bool = False

    def send(self, payload: Any) -> None:
        """Send nothing."""

    def pause(self) -> None:
        """Halt the replay."""
        self.replayer.pause(self.number)

    def resume(self) -> None:
        """Go on."""
        self.replayer.resume(self.number)

    def close(self, operation: Operation) -> Awaitable[Any]:
        """Close when the recorded one was closed."""
        self.replayer.closing(operation, self)
        return self.replayer.operations.wait(operation)

    def ping(self, operation: Operation) -> Awaitable[Any]:
        """Answer as the recorded one did."""
        self.replayer.pinging(operation)
        return self.replayer.operations.wait(operation)

    def end(self, ending: Ending) -> None:
        """Tell its end, once."""
        if not self.has_ended:
            self.has_ended = True
            self.on_close(ending)


def replayed_connection(line: ReplayLine, can_ping: bool) -> TapedConnection:
    """Give the connection as the feed sees it."""
    kind = TapedProbingConnection if can_ping else TapedConnection
    return kind(line, line.replayer.operations)


class ReplayTransport:
    """One feed's part of a capture."""

    def __init__(self, replayer: Replayer, feed: str) -> None:
        """Take the part of ``feed``."""
        self._replayer = replayer
        self._feed = feed

    async def fetch(self, request: Request) -> Response:
        """Give the recorded answer, when it came."""
        replayer = self._replayer
        operation = replayer.operations.begin("fetch", request_key(_REDACTOR.request(request)))
        replayer.asking(operation, self._feed)
        response: Response = await replayer.operations.wait(operation)
        return response

    async def connect(
        self, located: Located, on_frame: Callable[[Frame[Any]], None], on_close: Callable[[Ending], None]
    ) -> Connection[Any]:
        """Give the recorded connection, when it was open."""
        replayer = self._replayer
        operation = replayer.operations.begin("dial", located.url)
        line = ReplayLine(operation.number, self._feed, located.url, on_frame, on_close, replayer)
        replayer.dialing(operation, line)
        connection: Connection[Any] = await replayer.operations.wait(operation)
        return connection

    async def close(self) -> None:
        """Close when the recorded one was closed."""
        operation = self._replayer.operations.begin("close")
        self._replayer.closing(operation, None)
        await self._replayer.operations.wait(operation)


@attrs.frozen
class ReplayedFeed:
    """The replayer's options.

    Attributes:
        replayer: The whole replay.
        feed: The feed's name.
    """

    replayer: Replayer = attrs.field(repr=False)
    feed: str

    def transport(self) -> ReplayTransport:
        """Make the feed's transport."""
        return ReplayTransport(self.replayer, self.feed)

    def routing(self, routing: Routing[Any]) -> Any:
        """Give the feed's routing, as the capture needs it."""
        return ConfirmingRouting(routing) if self.replayer.is_foreign else routing


class NoSigner:
    """Signs nothing; whatever else a plugin's routing asks of its signer is answered by a mask."""

    def sign(self, request: Request) -> Request:
        """Give the request as it is."""
        return request

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *arguments, **options: MASK
