"""The simulated exchange in memory: a ``Transport`` on a clock that stands still, with the same faults as on sockets.

Same seed, same faults and same calls give the same frames.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

import attrs
from multidict import CIMultiDict, MultiDict

from tickwire.model.clock import ManualClock
from tickwire.model.errors import ConfigError, ConnectionLostError
from tickwire.plugin.protocols import Ending, Frame, Located, Request, Response
from tickwire.plugin.statuses import status_error
from tickwire.simulation.exchange import SimExchange
from tickwire.simulation.faults import Faults
from tickwire.simulation.market import SeededMarket
from tickwire.simulation.memory_connection import MemoryConnection, Way
from tickwire.simulation.pace import burst
from tickwire.simulation.records import Dress

__all__ = ["MemoryExchange", "MemoryTransport"]

_FLUSH = 0.02


class MemoryExchange:
    """Serves a market to transports of its own; ``async with MemoryExchange(dress, market, clock=clock) as exchange``.

    Args:
        dress: The wire format.
        market: What is traded; its clock is the same.
        clock: What all timing goes by.
        faults: What goes wrong; ``None``: nothing.
        latency: Seconds a frame, request or answer is under way.

    Attributes:
        market: What is traded.
        clock: What all timing goes by.
        faults: What goes wrong.
        dials: When connections were asked for, seconds on the monotonic clock, refused ones too.
        requests: HTTP requests that reached the exchange, in order.

    Raises:
        ConfigError: The market lives by another clock.
    """

    def __init__(
        self,
        dress: Dress,
        market: SeededMarket,
        *,
        clock: ManualClock,
        faults: Faults | None = None,
        latency: float = 0.0,
    ) -> None:
        if market.clock is not clock:
            raise ConfigError("the market lives by another clock", hint="SeededMarket.of(dress, clock=clock)")
        self.market = market
        self.clock = clock
        self.faults = faults if faults is not None else Faults()
        self.dials: list[float] = []
        self.requests: list[Request] = []
        self._exchange = SimExchange(dress, market, self.faults)
        self._latency = latency
        self._is_up = True
        self._connections: list[MemoryConnection] = []
        self._flusher: asyncio.Task[None] | None = None

    @property
    def connections(self) -> Sequence[MemoryConnection]:
        """Open connections, in the order of their opening."""
        return tuple(connection for connection in self._connections if connection.is_open)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, type: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def transport(
        self, *, timeout: float = 10.0, ping_every: float = 20.0, pong_within: float = 20.0
    ) -> MemoryTransport:
        """Make a way to the exchange.

        Args:
            timeout: Seconds for one request.
            ping_every: Seconds after which an idle connection is pinged.
            pong_within: Seconds within which a pong must come; without one the connection has ended.
        """
        return MemoryTransport(self, Way(self.clock, self._latency, ping_every, pong_within), timeout)

    async def step(self, changes: int = 1) -> None:
        """Move the market by at least that many changed levels; what is due by then has arrived when it returns."""
        await burst(self.market, self.market.changes + changes, self.settled)

    async def settled(self) -> None:
        """Wait until all that is due at this moment has arrived."""
        # what one takes may make another busy
        while any(connection.is_busy for connection in self._connections):  # noqa: ASYNC110
            await asyncio.sleep(0)

    def start(self) -> None:
        """Be reachable again."""
        self._is_up = True

    def stop(self, *, abrupt: bool = False) -> None:
        """Drop every connection and refuse new ones and requests; the market carries on.

        Args:
            abrupt: Reset connections instead of closing them with 1001.
        """
        self._is_up = False
        for connection in self.connections:
            if abrupt:
                connection.abort()
            else:
                connection.hang_up(1001, "going down")

    async def close(self) -> None:
        """End every connection and all tasks; a second call is harmless."""
        self.faults.clear()
        for connection in self.connections:
            await connection.close()
        if self._flusher is not None:
            self._flusher.cancel()
            self._flusher = None

    # what transports do
    async def _connect(
        self, way: Way, located: Located, on_frame: Callable[[Frame], None], on_close: Callable[[Ending], None]
    ) -> MemoryConnection:
        self.dials.append(self.clock.monotonic())
        await self.clock.sleep(2 * way.latency)
        self._check_up(located.url)
        if refusal := self._exchange.upgrade():
            now = self.clock.now()
            body = b"instead of a WebSocket"
            answer = Response(refusal.status, CIMultiDict(refusal.headers), body, now)
            raise status_error(Request("GET", located.url), answer, now)
        connection = MemoryConnection(self._exchange, way, located, on_frame, on_close, self._joined)
        self._connections = [*self.connections, connection]
        return connection

    async def _fetch(self, way: Way, request: Request, timeout: float) -> Response:
        url = f"{request.base_url or ''}{request.path}"
        await self.clock.sleep(way.latency)
        self._check_up(url)
        self.requests.append(request)
        answer = self._exchange.answer(_as_received(request))
        left = way.latency + answer.delay
        await self.clock.sleep(min(left, timeout))
        if left > timeout:
            raise ConnectionLostError(f"cannot reach {url} (no answer within the time-out)")
        if answer.is_cut:
            raise ConnectionLostError(f"cannot reach {url} (the answer was cut off)")
        now = self.clock.now()
        headers = CIMultiDict({"Date": self._exchange.date, "Content-Type": answer.content_type} | dict(answer.headers))
        response = Response(answer.status, headers, answer.body, now)
        if 200 <= answer.status < 300:
            return response
        raise status_error(request, response, now)

    def _check_up(self, url: str) -> None:
        if not self._is_up:
            raise ConnectionLostError(f"cannot reach {url} (connection refused)")

    def _joined(self) -> None:
        # only what is merged or repeated needs somebody to look at the clock
        if self._exchange.board.is_periodic and (self._flusher is None or self._flusher.done()):
            self._flusher = asyncio.create_task(self._flush(), name="tickwire flusher")

    async def _flush(self) -> None:
        board = self._exchange.board
        while board.is_periodic:
            await self.clock.sleep(_FLUSH)
            board.flush(self.clock.monotonic())


class MemoryTransport:
    """A ``Transport``; made by ``MemoryExchange.transport``."""

    def __init__(self, exchange: MemoryExchange, way: Way, timeout: float) -> None:
        self._exchange = exchange
        self._way = way
        self._timeout = timeout
        self._connections: list[MemoryConnection] = []

    async def fetch(self, request: Request) -> Response:
        """Send one request; 2xx only comes back.

        Raises:
            RetryableError, RefusedError: As ``NativeRestClient.fetch``.
        """
        return await self._exchange._fetch(self._way, request, self._timeout)

    async def connect(
        self, located: Located, on_frame: Callable[[Frame], None], on_close: Callable[[Ending], None]
    ) -> MemoryConnection:
        """Dial; any URL leads to the exchange.

        Raises:
            RetryableError, RefusedError: It could not be opened.
        """
        connection = await self._exchange._connect(self._way, located, on_frame, on_close)
        self._connections = [*(open for open in self._connections if open.is_open), connection]
        return connection

    async def close(self) -> None:
        """Close its connections; a second call is harmless."""
        for connection in self._connections:
            await connection.close()


def _as_received(request: Request) -> Request:
    # over HTTP all parameters are texts, some stand in the path, and a base URL may have a path
    path, _, query = request.path.partition("?")
    params: MultiDict[str | int] = MultiDict(parse_qsl(query, keep_blank_values=True))
    params.extend({name: str(value) for name, value in request.params.items()})
    prefix = urlsplit(request.base_url or "").path.rstrip("/")
    return attrs.evolve(request, params=params, path=f"{prefix}{path}", headers=dict(request.headers))
