"""A connection to the exchange in memory: a feed holds one end, the exchange's line the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias

import attrs

from tickwire.model.clock import Clock
from tickwire.plugin.protocols import Ending, Frame, Located
from tickwire.simulation.exchange import SimExchange
from tickwire.simulation.pipe import Pipe

__all__ = ["MAX_FRAME", "MemoryConnection", "Way"]

MAX_FRAME: Final = 10 * 2**20
"""Bytes of one message; a longer one ends the connection with 1009, as on sockets."""

_ABNORMAL: Final = 1006
_CLOSED_BY_US: Final = Ending(1000, "closed by us")

# a protocol ping, or the pong that answers it
_Probe: TypeAlias = "asyncio.Future[bool]"


@attrs.frozen
class Way:
    """What lies between a client and the exchange.

    Attributes:
        clock: Of both.
        latency: Seconds, one way.
        ping_every: Seconds after which an idle connection is pinged.
        pong_within: Seconds within which a pong must come.
    """

    clock: Clock
    latency: float
    ping_every: float
    pong_within: float


class MemoryConnection:
    """A ``Connection``, ``Probing`` too, and the ``Wire`` of the exchange's line.

    Attributes:
        url: What was dialled.
        dialled: When it was, seconds on the monotonic clock.
        sent: What the client has said, in order.
        ending: How it ended; ``None``: it is open.
    """

    def __init__(
        self,
        exchange: SimExchange,
        way: Way,
        located: Located,
        on_frame: Callable[[Frame], None],
        on_close: Callable[[Ending], None],
        joined: Callable[[], None],
    ) -> None:
        self.url = located.url
        self.dialled = way.clock.monotonic()
        self.sent: list[bytes] = []
        self.ending: Ending | None = None
        self._exchange = exchange
        self._way = way
        self._on_frame, self._on_close = on_frame, on_close
        self._joined = joined
        self._is_dead = self._is_paused = False
        self._heard = True
        self._probes: dict[_Probe, None] = {}
        self._there: Pipe[bytes | _Probe] = Pipe(way.clock, way.latency, self._arrive_there)
        self._back: Pipe[bytes | _Probe | Ending] = Pipe(way.clock, way.latency, self._arrive_back)
        self._pulse = asyncio.create_task(self._keep_alive(), name="tickwire pulse")
        self._line = exchange.connected(self)

    @property
    def is_open(self) -> bool:
        """Whether the client still has it; the exchange may know better."""
        return self.ending is None

    @property
    def is_busy(self) -> bool:
        """Whether something is to be handed on at this moment."""
        return self._there.is_busy or self._back.is_busy

    # the client's end
    def send(self, payload: bytes) -> None:
        """Queue a frame; on a closed connection it is dropped."""
        if self.is_open:
            self.sent.append(payload)
            self._there.put(payload)

    def pause(self) -> None:
        """Take nothing."""
        self._is_paused = True
        self._back.hold()

    def resume(self) -> None:
        """Take everything again."""
        self._is_paused = False
        self._heard = True
        self._back.release()

    async def close(self) -> None:
        """Close cleanly; a second call is harmless."""
        self._end(_CLOSED_BY_US)

    async def ping(self) -> bool:
        """Tell whether a pong comes back in time, behind all that was sent before it."""
        if not self.is_open:
            return False
        probe: _Probe = asyncio.get_running_loop().create_future()
        self._probes[probe] = None
        self._there.put(probe)
        try:
            async with self._way.clock.timeout(self._way.pong_within):
                return await probe
        except TimeoutError:
            return False
        finally:
            self._probes.pop(probe, None)

    # the exchange's end
    def put(self, payload: bytes) -> None:
        """Queue a frame for the client."""
        self._back.put(payload)

    def hang_up(self, code: int, reason: str) -> None:
        """Queue a close frame; it comes behind what was sent before."""
        if not self._is_dead:
            self._back.put(Ending(code, reason or "closed by the exchange"))

    def abort(self) -> None:
        """Reset; a dead connection wakes up to that."""
        self._back.clear()
        self._back.put(Ending(_ABNORMAL, "lost without a close frame"))

    def die(self) -> None:
        """Carry nothing any more, either way."""
        self._is_dead = True
        self._there.clear()
        self._back.clear()

    def _arrive_there(self, thing: bytes | _Probe) -> None:
        if self._is_dead:
            return
        if isinstance(thing, bytes):
            try:
                self._line.received(thing)
            except Exception as error:  # a dress that fails: on sockets, too, that costs the connection and is logged
                context = {"message": f"the dress failed on {thing[:60]!r}", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)
                self.abort()
                return
            self._joined()
        else:
            self._back.put(thing)

    def _arrive_back(self, thing: bytes | _Probe | Ending) -> None:
        if isinstance(thing, Ending):
            self._end(thing)
            return
        self._heard = True
        if not isinstance(thing, bytes):
            if not thing.done():
                thing.set_result(True)
        elif len(thing) > MAX_FRAME:
            self._end(Ending(1009, f"a message above {MAX_FRAME:,} bytes"))
        else:
            try:
                self._on_frame(Frame(thing, self._way.clock.now()))
            except Exception as error:  # one user callback: what it raises is an ending, as on sockets
                self._end(Ending(_ABNORMAL, f"{type(error).__name__}: {error}", error))

    def _end(self, ending: Ending) -> None:
        if self.ending is not None:
            return
        self.ending = ending
        self._there.close()
        self._back.close()
        self._pulse.cancel()
        for probe in tuple(self._probes):
            if not probe.done():
                probe.set_result(False)
        self._exchange.left(self._line)
        self._on_close(ending)

    async def _keep_alive(self) -> None:
        way = self._way
        while True:
            await way.clock.sleep(way.ping_every)
            if self._heard or self._is_paused:
                self._heard = False
            elif not await self.ping() and not self._heard:
                self._end(Ending(_ABNORMAL, f"no answer to a ping within {way.pong_within:g} s"))
