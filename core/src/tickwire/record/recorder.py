"""Stands between a feed and its transport, writes down what passes, and changes nothing of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from time import time_ns
from typing import Any

import attrs

from tickwire.plugin.protocols import Connection, Ending, Frame, Located, Network, Probing, Request, Response, Transport
from tickwire.record.entries import Answered, Asked, Dialed, Dialing, Done, Ended, Entry, FeedBegun, Framed, Sent
from tickwire.record.failures import failure_of
from tickwire.record.objects import as_plain
from tickwire.record.operations import Operation, Operations
from tickwire.record.redaction import Redactor
from tickwire.record.taped import TapedConnection, TapedProbingConnection, request_key
from tickwire.record.turns import Turns

__all__ = ["RecordingTransport", "Tape"]


@attrs.frozen
class Tape:
    """Where one feed's traffic goes.

    Attributes:
        feed: Its name.
        turns: Delivers.
        operations: Numbers what the feed waits for.
        keep: Takes entries.
        secrets: What must not be kept.
        declared: URLs that may be kept as they are.
    """

    feed: str
    turns: Turns
    operations: Operations
    keep: Callable[[Entry], None]
    secrets: Redactor
    declared: tuple[str, ...] = ()

    def begin(self, exchange: str, network: Network) -> None:
        """Note the feed down."""
        websocket = {name: [self._url(url) for url in urls] for name, urls in network.websocket.items()}
        self.keep(FeedBegun(time_ns(), self.feed, exchange, [self._url(url) for url in network.rest], websocket))

    def _url(self, url: str) -> str:
        return self.secrets.url(url, self.declared)

    def asked(self, number: int, request: Request) -> None:
        """Note a request down."""
        kept = self.secrets.request(request)
        base_url = None if kept.base_url is None else self._url(kept.base_url)
        self.keep(
            Asked(
                time_ns(), self.feed, number, kept.method, kept.path, dict(kept.params), kept.body,
                dict(kept.headers), base_url, kept.signed,
            )
        )  # fmt: skip

    def answered(self, number: int, response: Response | None, error: BaseException | None) -> None:
        """Have an answer delivered."""
        secrets = self.secrets

        def make(turns: int, ts: int, mono: int) -> Answered:
            if response is None:
                return Answered(turns, ts, mono, self.feed, number, ts, 0, {}, b"", None, failure_of(error, secrets))
            headers, body = secrets.headers(response.headers), secrets.payload(response.body)
            value = secrets.payload(as_plain(response.value))
            return Answered(turns, ts, mono, self.feed, number, response.ts_recv, response.status, headers, body, value)

        self.turns.push(make, partial(self.operations.finish, number, response, error))

    def dialing(self, number: int, located: Located) -> None:
        """Note a dial down."""
        self.keep(Dialing(time_ns(), self.feed, number, self._url(located.url)))

    def dialed(self, number: int, connection: object, can_ping: bool, error: BaseException | None) -> None:
        """Have it delivered that a connection is open, or is not."""

        def make(turns: int, ts: int, mono: int) -> Dialed:
            return Dialed(turns, ts, mono, self.feed, number, can_ping, failure_of(error, self.secrets))

        self.turns.push(make, partial(self.operations.finish, number, connection, error))

    def framed(self, connection: int, on_frame: Callable[[Frame[Any]], None], frame: Frame[Any]) -> None:
        """Have a frame delivered."""

        def make(turns: int, ts: int, mono: int) -> Framed:
            return Framed(
                turns, ts, mono, self.feed, connection, frame.ts_recv, self.secrets.payload(as_plain(frame.payload))
            )

        self.turns.push(make, partial(on_frame, frame))

    def ended(self, connection: int, on_close: Callable[[Ending], None], ending: Ending) -> None:
        """Have an ending delivered."""
        reason = self.secrets.text(ending.reason)

        def make(turns: int, ts: int, mono: int) -> Ended:
            failure = failure_of(ending.error, self.secrets)
            return Ended(turns, ts, mono, self.feed, connection, ending.code, reason, failure)

        self.turns.push(make, partial(on_close, ending))

    def sent(self, connection: int, payload: Any) -> None:
        """Note a sent frame down."""
        self.keep(Sent(time_ns(), self.feed, connection, self.secrets.payload(as_plain(payload), is_ours=True)))

    def done(self, number: int, result: Any = None, error: BaseException | None = None) -> None:
        """Have the end of something else delivered."""

        def make(turns: int, ts: int, mono: int) -> Done:
            return Done(turns, ts, mono, number, result, failure_of(error, self.secrets))

        self.turns.push(make, partial(self.operations.finish, number, result, error))

    async def perform(self, operation: Operation, work: Any, then: Callable[[Any, BaseException | None], None]) -> Any:
        """Do something outside and wait for its delivery; whoever stops waiting cancels it."""
        task = self.turns.outside(work, then)
        try:
            return await self.operations.wait(operation)
        except asyncio.CancelledError:
            task.cancel()
            raise


class RecordingTransport:
    """A transport and what passed through it."""

    def __init__(self, inner: Transport[Any], tape: Tape, on_close: Callable[[], None] = lambda: None) -> None:
        """Stand in front of ``inner``; ``on_close`` is called once it is closed."""
        self._inner = inner
        self._tape = tape
        self._on_close = on_close

    async def fetch(self, request: Request) -> Response:
        """Send one request."""
        tape = self._tape
        operation = tape.operations.begin("fetch", request_key(tape.secrets.request(request)))
        tape.asked(operation.number, request)
        response: Response = await tape.perform(
            operation, self._inner.fetch(request), partial(tape.answered, operation.number)
        )
        return response

    async def connect(
        self, located: Located, on_frame: Callable[[Frame[Any]], None], on_close: Callable[[Ending], None]
    ) -> Connection[Any]:
        """Dial."""
        tape = self._tape
        operation = tape.operations.begin("dial", located.url)
        number = operation.number
        tape.dialing(number, located)
        on_frame, on_close = partial(tape.framed, number, on_frame), partial(tape.ended, number, on_close)
        connection: Connection[Any] = await tape.perform(
            operation, self._inner.connect(located, on_frame, on_close), partial(self._opened, operation)
        )
        return connection

    async def close(self) -> None:
        """Release everything."""
        tape = self._tape
        operation = tape.operations.begin("close")
        await tape.perform(operation, self._inner.close(), partial(tape.done, operation.number))
        self._on_close()

    def _opened(self, operation: Operation, inner: Connection[Any] | None, error: BaseException | None) -> None:
        if inner is None:
            self._tape.dialed(operation.number, None, False, error)
            return
        if operation.done.cancelled():  # nobody wants it any more
            self._tape.turns.outside(inner.close(), lambda result, error: None)
            return
        line = _Line(inner, self._tape, operation.number)
        can_ping = isinstance(inner, Probing)
        kind = TapedProbingConnection if can_ping else TapedConnection
        self._tape.dialed(operation.number, kind(line, self._tape.operations), can_ping, None)


class _Line:
    """The real connection behind a ``TapedConnection``."""

    def __init__(self, inner: Connection[Any], tape: Tape, number: int) -> None:
        self._inner = inner
        self._tape = tape
        self._number = number

    def send(self, payload: Any) -> None:
        self._tape.sent(self._number, payload)
        self._tape.turns.run_outside(self._inner.send, payload)

    def pause(self) -> None:
        self._tape.turns.run_outside(self._inner.pause)

    def resume(self) -> None:
        self._tape.turns.run_outside(self._inner.resume)

    def close(self, operation: Operation) -> Awaitable[Any]:
        tape = self._tape
        return tape.perform(operation, self._inner.close(), partial(tape.done, operation.number))

    def ping(self, operation: Operation) -> Awaitable[Any]:
        assert isinstance(self._inner, Probing)
        tape = self._tape
        return tape.perform(operation, self._inner.ping(), partial(tape.done, operation.number))
