"""A dressed exchange without network or loop: ask it over REST, speak to it over a line, step its market by hand."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from math import inf
from typing import Any
from urllib.parse import parse_qsl

from multidict import MultiDict

from tickwire import (
    Channel,
    Clock,
    ExchangeUnavailableError,
    Instrument,
    ManualClock,
    Nanos,
    RateLimitedError,
    RequestRejectedError,
)
from tickwire.plugin import Request, Response
from tickwire.simulation import Abilities, Dress, Faults, MemoryTruth, SeededMarket, SimServer
from tickwire.simulation.board import Board
from tickwire.simulation.exchange import SimExchange
from tickwire.simulation.line import Line

__all__ = ["START", "Caller", "SpeakingExchange", "SteppedClock", "make_dress"]

START = 1_780_000_000_000_000_000
"""When a simulated market opens: May 2026."""


_PASSES = 1_250_000


class SteppedClock(ManualClock):
    """A clock that a plain function can move; nobody may wait for it."""

    def __init__(self, now: Nanos = START) -> None:
        super().__init__(now)
        self._passed: Nanos = 0

    def step(self, nanos: Nanos) -> None:
        """Let time pass."""
        self._passed += nanos

    def now(self) -> Nanos:
        """Give the start plus what has passed."""
        return super().now() + self._passed

    def monotonic(self) -> float:
        """Give the seconds passed so far."""
        return super().monotonic() + self._passed / 1e9


def make_dress(simulator: Callable[..., Dress], clock: Clock) -> Dress:
    """Make a dress; one whose constructor takes a ``clock`` is given it."""
    takes_clock = "clock" in inspect.signature(simulator).parameters
    return simulator(clock=clock) if takes_clock else simulator()


class Caller:
    """One client of the exchange, without a wire.

    Attributes:
        received: Frames that the exchange sent, oldest first; ``take`` takes them.
        topics: What the exchange calls each stream that was joined, by channel and native symbol.
    """

    def __init__(self, dress: Dress, exchange: SimExchange) -> None:
        self.received: list[bytes] = []
        self.topics: dict[tuple[Channel, str], str] = {}
        self.put = self.received.append
        self._line = _Line(dress, exchange.board, exchange.faults, self)

    def say(self, payload: bytes) -> list[bytes]:
        """Say something, and take everything that was sent until then, the answer included."""
        self._line.received(payload)
        return self.take()

    def take(self) -> list[bytes]:
        """Take what was received."""
        taken = list(self.received)
        self.received.clear()
        return taken

    def hang_up(self, code: int, reason: str) -> None:
        """Be left alone: nothing more comes."""

    def abort(self) -> None:
        """Likewise."""

    def die(self) -> None:
        """Likewise."""


class _Line(Line):
    def __init__(self, dress: Dress, board: Board, faults: Faults, caller: Caller) -> None:
        super().__init__(dress, board, faults, caller)
        self._names = caller.topics

    def join(self, topic: str, channel: Channel, native: str, *details: Any, **more: Any) -> bool:
        self._names[channel, native] = topic
        return super().join(topic, channel, native, *details, **more)


class SpeakingExchange:
    """A market in a plugin's dress.

    Args:
        simulator: Makes the dress.
        symbols: What is traded, in our spelling; none: everything the dress has.
        seed: The same seed gives the same market.

    Attributes:
        clock: Everything's time.
        truth: What really happened.
        market: What is traded.
        dress: The wire format.
        requests: What it was asked over REST, oldest first.
    """

    def __init__(self, simulator: Callable[..., Dress], symbols: Sequence[str] = (), *, seed: int = 0) -> None:
        self.clock = SteppedClock()
        self.truth = MemoryTruth()
        self.dress = make_dress(simulator, self.clock)
        self.market = SeededMarket.of(
            self.dress, symbols, seed=seed, clock=self.clock, truth=self.truth, orders=80, kept_trades=2_000
        )
        self.requests: list[Request] = []
        self._exchange = SimExchange(self.dress, self.market, None)

    @property
    def listed(self) -> Sequence[Instrument]:
        """What the dress says it lists, unless it leaves that to the simulation."""
        return Abilities.of(self.dress).instruments

    @property
    def traded(self) -> Sequence[Instrument]:
        """What is traded, as the dress lists it; nothing where it leaves that to the simulation."""
        return self.market.instruments if getattr(self.dress, "instruments", None) is not None else ()

    def serve_as(self, server: SimServer) -> None:
        """Let a server speak for the exchange: over its own lines it gives the same market."""
        self._exchange = server._exchange

    def connect(self) -> Caller:
        """Open a line."""
        return Caller(self.dress, self._exchange)

    def step(self, times: int = 1) -> None:
        """Let the market move, 1.25 ms at a time; what an interval merges comes after each step."""
        for _ in range(times):
            self.clock.step(_PASSES)
            self.market.step()
            self._exchange.board.flush(inf)

    def fetch(self, request: Request) -> Response:
        """Answer a request.

        Raises:
            RetryableError, RequestRejectedError: As the answer's status says.
        """
        self.requests.append(request)
        path, _, query = request.path.partition("?")
        params: MultiDict[Any] = MultiDict(parse_qsl(query, keep_blank_values=True))
        params.extend({name: str(value) for name, value in request.params.items()})
        answer = self._exchange.answer(Request(request.method, path, params, request.body, request.headers))
        if answer.status >= 400:
            raise _error(request, answer.status)
        return Response(answer.status, answer.headers, answer.body, self.clock.now())


def _error(request: Request, status: int) -> Exception:
    said = f"{request.method} {request.path} was answered with {status}"
    if status in (418, 429):
        return RateLimitedError(said, is_ban=status == 418)
    if status >= 500:
        return ExchangeUnavailableError(said, status=status)
    return RequestRejectedError(said, status=status)
