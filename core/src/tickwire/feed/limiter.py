"""One budget of an exchange: so much weight in any window of time, first come first served, behind a gate."""

from __future__ import annotations

import asyncio
import math
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tickwire.feed.backoff import Backoff, BackoffPolicy
from tickwire.model.clock import Clock
from tickwire.model.errors import PluginContractError
from tickwire.plugin.info import RateLimit

__all__ = ["Limiter"]

_POLICY = BackoffPolicy(first=2.0, cap=120.0, stable=60.0)  # where the exchange does not say how long to wait
_UNITS = 1_000_000  # weights are counted in millionths: whole numbers add up without drift
_TICK = 0.001  # no wait is shorter: a clock that wakes a moment early must not make us spin


class Limiter:
    """Lets requests start so that no window of ``budget.seconds`` ever holds more than ``budget.weight``.

    A request counts from its start until ``seconds`` after its end. It reaches the exchange somewhere between the two,
    so the promise holds on the exchange's clock as well, however long each request is under way. Nothing refills at a
    moment: a full budget spent at once is followed by a whole window of silence.

    Used by all feeds of the process, which may run in several threads, each with an event loop of its own.

    Attributes:
        budget: What is declared; ``None``: nothing, only the gate is there.
    """

    def __init__(self, budget: RateLimit | None, clock: Clock) -> None:
        """Make one that nobody used yet."""
        self.budget = budget
        self._clock = clock
        self._lock = threading.Lock()
        self._queue: deque[_Ticket] = deque()
        self._past: deque[tuple[float, int]] = deque()  # (when it is forgotten, units), oldest first
        self._spent = 0  # units of all that counts: under way and past
        self._opens_at = -math.inf
        self._backoff = Backoff(_POLICY)

    @asynccontextmanager
    async def spend(
        self, weight: float, what: str = "a request", on_gate: Callable[[float], None] | None = None
    ) -> AsyncIterator[None]:
        """Wait for room, then count the block as one request under way.

        A cancelled wait spends nothing and keeps nobody's place.

        Args:
            weight: What the exchange counts for it; 0 only waits for the gate and its turn.
            what: The request, for the error.
            on_gate: Told that it waits because the gate is closed, and for how many seconds; more than once where the
                exchange asks for more.

        Raises:
            PluginContractError: No budget could ever hold that weight.
        """
        self._check(weight, what)
        units = round(weight * _UNITS)
        await self._start(_Ticket(units, asyncio.get_running_loop(), on_gate))
        try:
            yield
        finally:
            self._end(units)

    def refuse(self, retry_after: float | None = None) -> float:
        """Close the gate: the exchange asked for fewer requests.

        Args:
            retry_after: Seconds it named; ``None``: it did not, so that each refusal in a row doubles the wait.

        Returns:
            Seconds until the gate opens.
        """
        with self._lock:
            now = self._clock.monotonic()
            if retry_after is None:
                if now < self._opens_at:  # one of the same burst was refused before: that is one refusal, not many
                    return self._opens_at - now
                self._backoff.flowed(now - self._opens_at)
                retry_after = self._backoff.failed()
            self._opens_at = max(self._opens_at, now + retry_after)
            for ticket in self._queue:
                ticket.tell(self._opens_at - now)
            return self._opens_at - now

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return len(self._queue)

    @property
    def used(self) -> float:
        """Weight that counts now: of requests under way and of the last window."""
        with self._lock:
            self._forget(self._clock.monotonic())
            return self._spent / _UNITS

    def _check(self, weight: float, what: str) -> None:
        budget = self.budget
        if not 0 <= weight <= (math.inf if budget is None else budget.weight):  # nan is neither
            allowed = f"the whole budget is {budget.weight:g} per {budget.seconds:g} s" if budget else "that is none"
            raise PluginContractError(
                f"{what} weighs {weight:g}, and {allowed}",
                hint="correct Request.weight or ExchangeInfo.limits in the plugin, or ask for less at once",
            )

    async def _start(self, ticket: _Ticket) -> None:
        with self._lock:
            self._queue.append(ticket)
            closed_for = self._opens_at - self._clock.monotonic()
            if closed_for > 0:
                ticket.tell(closed_for)
            if self._queue[0] is ticket or self._queue[0].loop.is_closed():
                self._admit()
        try:
            while not ticket.is_admitted:
                await self._wait(ticket)
                with self._lock:
                    self._admit()
        except BaseException:
            with self._lock:
                if ticket.is_admitted:
                    self._spent -= ticket.units
                elif ticket in self._queue:
                    self._queue.remove(ticket)
                self._admit()
            raise

    # Lets in all there is room for, in order, and wakes the first that stays outside: it alone watches the time.
    def _admit(self) -> None:
        while self._queue:
            first = self._queue[0]
            if not first.loop.is_closed():  # else it was closed under a waiting request: nobody waits any more
                if self._room_in(first.units) > 0:
                    first.wake()
                    return
                first.is_admitted = True
                self._spent += first.units
                first.wake()
            self._queue.popleft()

    async def _wait(self, ticket: _Ticket) -> None:
        with self._lock:
            if ticket.is_admitted:
                return
            woken = ticket.woken = ticket.loop.create_future()
            seconds = self._room_in(ticket.units) if self._queue[0] is ticket else math.inf
        if seconds == math.inf:
            await woken
            return
        try:
            async with self._clock.timeout(max(seconds, _TICK)):
                await woken
        except TimeoutError:
            pass

    # Gives 0 if there is room, else the seconds after which to look again; inf: once something under way has ended.
    def _room_in(self, units: int) -> float:
        now = self._clock.monotonic()
        if now < self._opens_at:
            return self._opens_at - now
        self._forget(now)
        if self.budget is None:
            return 0
        over = self._spent + units - round(self.budget.weight * _UNITS)
        if over <= 0:
            return 0
        for forgotten_at, past in self._past:
            over -= past
            if over <= 0:
                return forgotten_at - now
        return math.inf

    def _end(self, units: int) -> None:
        with self._lock:
            if self.budget is None:
                self._spent -= units
            else:
                self._past.append((self._clock.monotonic() + self.budget.seconds, units))
            self._admit()

    def _forget(self, now: float) -> None:
        while self._past and self._past[0][0] <= now:
            self._spent -= self._past.popleft()[1]


class _Ticket:
    def __init__(self, units: int, loop: asyncio.AbstractEventLoop, on_gate: Callable[[float], None] | None) -> None:
        self.units = units
        self.loop = loop
        self.on_gate = on_gate
        self.is_admitted = False
        self.woken: asyncio.Future[None] | None = None

    def wake(self) -> None:
        if self.woken is not None:
            self.loop.call_soon_threadsafe(_finish, self.woken)

    def tell(self, seconds: float) -> None:
        if self.on_gate is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.on_gate, seconds)


def _finish(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
