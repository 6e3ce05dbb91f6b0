"""One connection: a ccxt instance of its own, whose sockets end it when they end, and whose calls are kept alive.

ccxt's own reconnecting would hide a hole. So an instance serves until the first of its sockets ends, is thrown away
with all that it remembers, and core makes the next connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from tickwire import ConnectionLostError, Nanos, TickwireError
from tickwire.plugin import Connection, Ending, Frame, Located
from tickwire_ccxt_generic.audit import Audit
from tickwire_ccxt_generic.calls import Calls
from tickwire_ccxt_generic.client import CcxtClients
from tickwire_ccxt_generic.errors import translated
from tickwire_ccxt_generic.payloads import Fault, Payload, Watch
from tickwire_ccxt_generic.tap import Tap

__all__ = ["CcxtConnection", "CcxtWsTransport"]

_log = logging.getLogger(__name__)

_CLOSE_WITHIN = 1.0
_PONG_WITHIN = 10.0
_ABNORMAL = 1006
_FOR_EVER = 10**15  # ms
_SNAPSHOT_APART = 0.25


class CcxtWsTransport:
    """Dials; an async context manager that closes what it dialled."""

    def __init__(self, clients: CcxtClients, now: Callable[[], Nanos] = time.time_ns) -> None:
        """Make one over a feed's instances."""
        self._clients = clients
        self._now = now
        self._connections: set[CcxtConnection] = set()
        self._urls: dict[str, list[str]] = {}

    @property
    def connections(self) -> tuple[CcxtConnection, ...]:
        """Those that are open."""
        return tuple(self._connections)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def connect(
        self,
        located: Located,
        on_frame: Callable[[Frame[Payload]], None],
        on_close: Callable[[Ending], None],
    ) -> Connection[Payload]:
        """Make an instance; the sockets that the last one for this address had are dialled before it is given.

        The first time ccxt does not say where it will dial until something is subscribed to: then a refusal is an
        ending.

        Raises:
            TickwireError: It cannot be made, or dialled.
        """
        connection = CcxtConnection(self._clients, on_frame, on_close, self._now)
        try:
            await connection.open(located.url, self._urls.get(located.url, ()))
        except BaseException:
            await connection.close()
            raise
        self._urls[located.url] = connection.urls
        self._connections.add(connection)
        connection.on_over = self._connections.discard
        return connection

    async def close(self) -> None:
        """Close all connections; a second call is harmless."""
        await asyncio.gather(*(connection.close() for connection in tuple(self._connections)))


class CcxtConnection:
    """One ccxt instance and its sockets; implements ``Connection`` and ``Probing``, and is told by its ``Sockets``.

    Attributes:
        urls: Where it dialled.
        on_over: Told of itself once it has ended.
    """

    def __init__(
        self,
        clients: CcxtClients,
        on_frame: Callable[[Frame[Payload]], None],
        on_close: Callable[[Ending], None],
        now: Callable[[], Nanos] = time.time_ns,
    ) -> None:
        """Make one without an instance."""
        self.urls: list[str] = []
        self.on_over: Callable[[CcxtConnection], None] = lambda connection: None
        self._clients = clients
        self._on_frame = on_frame
        self._on_close = on_close
        self._now = now
        self._exchange: Any = None
        self._is_open = self._is_over = False
        self._is_paused = False
        self._held: list[Callable[[], None]] = []
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._ts_recv: Nanos = 0
        self._pongs: dict[bytes, asyncio.Future[bool]] = {}
        self._numbers = itertools.count(1)
        self._asked_at: dict[str, float] = {}
        self._sent = 0
        self._has_sent = asyncio.Event()
        self._tap = Tap(clients.venue, self._put, self._restart, asyncio.get_running_loop().call_soon)
        self._calls = Calls(clients.exchange_id, clients.venue, self._tap, self._put, self._end, self._settled)
        self._audit: Audit | None = None
        self._made: list[Any] = []
        self._closing: asyncio.Task[None] | None = None
        self._late: set[asyncio.Task[None]] = set()
        self._refused: asyncio.Future[BaseException] | None = None

    async def open(self, url: str, known: list[str] | tuple[str, ...]) -> None:
        """Make the instance, and dial what is known to be needed.

        Raises:
            TickwireError: It cannot be made, or dialled.
        """
        base = url if url.startswith("ws") else None
        what = f"{self._clients.exchange_id} websocket"
        try:
            self._exchange = await self._clients.streaming(self._tap, self, base)
            for one in known:
                await self._dial(one)
        except TickwireError:
            raise
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise translated(error, what=what) from None
        except Exception as error:  # ccxt's, and what it lets through
            raise translated(error, what=what) from None
        if self._is_over:
            raise ConnectionLostError(f"{what}: a socket ended while it was opened")
        self._is_open = True
        self._calls.begin(self._exchange)
        if not self._clients.venue.is_verified:
            every = self._clients.options.audit_every
            self._audit = Audit(self._clients, self._exchange, self._tap, self._put, every)

    async def _dial(self, url: str) -> None:
        exchange = self._exchange
        exchange.open()
        client = exchange.client(url)
        refused = self._refused = asyncio.get_running_loop().create_future()
        connected = asyncio.ensure_future(client.connect(exchange.session, exchange.ws_dial_delay(url)))
        await asyncio.wait([connected, refused], return_when=asyncio.FIRST_COMPLETED)
        self._refused = None
        if refused.done():
            connected.cancel()
            raise refused.result()
        await connected

    @property
    def exchange(self) -> Any:
        """The ccxt instance, for a look at it."""
        return self._exchange

    # what core asks
    def send(self, payload: Payload) -> None:
        """Begin or end a subscription."""
        if not self._is_over and isinstance(payload, Watch):
            self._calls.put(payload)

    def pause(self) -> None:
        """Stop reading: the sockets fill up, and nobody takes the silence for the exchange's."""
        self._is_paused = True
        self._may_read.clear()
        for client in self._sockets():
            client.lastPong = _FOR_EVER

    def resume(self) -> None:
        """Read again."""
        self._is_paused = False
        self._may_read.set()
        for client in self._sockets():
            client.lastPong = None
        held, self._held = self._held, []
        for read in held:
            read()

    async def ping(self) -> bool:
        """Ping all sockets, and tell whether every pong came in time."""
        clients = self._sockets()
        if self._is_over or self._is_paused or not clients:
            return False
        answers = [await self._ping(client) for client in clients]
        return all(answers) and not self._is_over

    async def _ping(self, client: Any) -> bool:
        payload = next(self._numbers).to_bytes(8, "big")
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._pongs[payload] = answer
        try:
            async with asyncio.timeout(_PONG_WITHIN):
                await client.connection.ping(payload)
                return await answer
        except (TimeoutError, OSError, AttributeError, RuntimeError):
            return False
        except Exception as error:  # whatever the socket raises while it breaks
            _log.debug("%s: %r on a ping", self._clients.exchange_id, error)
            return False
        finally:
            self._pongs.pop(payload, None)

    async def close(self) -> None:
        """Close the sockets; a second call is harmless."""
        self._end(Ending(1000, "closed by us"))
        if self._closing is not None:
            await asyncio.shield(self._closing)

    def _sockets(self) -> list[Any]:
        clients = (self._exchange.clients or {}) if self._exchange is not None else {}
        return [client for client in clients.values() if not client.closed()]

    # what the sockets tell
    def wanted(self, url: str) -> None:
        """Refuse a new socket once the connection has ended: whoever still asks is late.

        Raises:
            ConnectionLostError: It has.
        """
        if self._is_over:
            raise ConnectionLostError(f"{self._clients.exchange_id}: the connection has ended")

    def made(self, client: Any) -> None:
        """Put fences around a new socket: no exception in it goes unseen, and none ends its reading."""
        if client.url not in self.urls and "?" not in client.url:  # an address with a token is good but once
            self.urls.append(client.url)
        self._made.append(client)
        client.handle_message = self._fenced(client, client.handle_message)
        client.receive = self._watched(client, client.receive)
        client.receive_loop = self._halting(client.receive_loop)
        client.reject = self._calls.rejecting(client.reject)
        client.send = self._counted(client.send)
        closing = client.close

        async def close(code: int = 1000) -> None:
            if not self._is_over:
                reason = str(client.error) if client.error else "ccxt closed the socket"
                self._end(Ending(_ABNORMAL, f"{client.url}: {reason}", client.error))
            await closing(code)

        client.close = close

    def _counted(self, send: Callable[[Any], Any]) -> Callable[[Any], Any]:
        async def counted(message: Any) -> None:
            await send(message)
            self._sent += 1
            self._has_sent.set()

        return counted

    def _settled(self) -> Callable[[], Awaitable[object]]:
        before = self._sent

        async def wait() -> None:
            while self._sent == before and not self._is_over:
                self._has_sent.clear()
                await self._has_sent.wait()
            await self.ping()

        return wait

    def _fenced(self, client: Any, handle: Callable[[Any], None]) -> Callable[[Any], None]:
        from aiohttp import WSMsgType

        pong = WSMsgType.PONG

        def fenced(message: Any) -> None:
            if self._is_over:
                return
            self._ts_recv = self._now()
            if message.type is pong:
                self._answered(bytes(message.data))
            try:
                handle(message)
            except Exception as error:  # one frame: what it holds is no reason to stop reading
                self._put(Fault(error))

        return fenced

    def _answered(self, payload: bytes) -> None:
        answer = self._pongs.get(payload)
        if answer is not None and not answer.done():
            answer.set_result(True)

    def _watched(self, client: Any, receive: Callable[[], Any]) -> Callable[[], Any]:
        async def watched() -> Any:
            await self._may_read.wait()
            try:
                return await receive()
            except Exception as error:  # ccxt stops reading for good here
                self._end(Ending(_ABNORMAL, f"{client.url}: {error!r}", error))
                raise

        return watched

    def _halting(self, receive_loop: Callable[[], None]) -> Callable[[], None]:
        def halting() -> None:
            if self._is_paused:
                self._held.append(receive_loop)
            elif not self._is_over:
                receive_loop()

        return halting

    def connected(self, client: Any) -> None:
        """Note that a socket is open."""
        if self._is_over:  # it was still being dialled
            asyncio.get_running_loop().call_soon(self._close_late, client)
        if self._is_paused:
            client.lastPong = _FOR_EVER

    def failed(self, client: Any, error: Any) -> None:
        """End: one of the sockets could not be dialled, or broke."""
        raised = error if isinstance(error, BaseException) else Exception(str(error))
        found = translated(raised, what=f"{self._clients.exchange_id} {client.url}", **_handshake(client, raised))
        if self._refused is not None and not self._refused.done():
            self._refused.set_result(found)
        else:
            self._end(Ending(_ABNORMAL, str(found), found))

    def closed(self, client: Any, code: Any) -> None:
        """End: the exchange closed one of the sockets, or it was lost."""
        number = code if isinstance(code, int) else _ABNORMAL
        said = "lost without a close frame" if number == _ABNORMAL else "closed by the exchange"
        self._end(Ending(number, said))

    async def snapshot(self, fetch: Callable[[], Any], native: str) -> Any:
        """Fetch the book that a stream of changes begins with; tries again until it is had or no longer needed."""
        loop, pause = asyncio.get_running_loop(), 0.5
        await asyncio.sleep(self._asked_at.get(native, 0.0) + _SNAPSHOT_APART - loop.time())
        while True:
            self._asked_at[native] = loop.time()
            try:
                book = await fetch()
            except Exception as raised:  # ccxt's, and what it lets through
                error = translated(raised, what=f"{self._clients.exchange_id} snapshot of {native}")
                if self._is_over:
                    raise
                _log.warning("%s, next in %.1f s", error, pause)
            else:
                if book.get("nonce") is not None or not self._clients.venue.is_numbered:
                    return book
                _log.warning("%s: a snapshot of %s without a number", self._clients.exchange_id, native)
            await asyncio.sleep(pause)
            pause = min(2 * pause, 30.0)

    # what the tap tells
    def _put(self, payload: Payload) -> None:
        if not self._is_over:
            self._on_frame(Frame(payload, self._ts_recv if self._tap.is_reading else self._now()))

    def _restart(self, native: str, reason: str) -> None:
        _log.info("%s: the book of %s is begun anew: %s", self._clients.exchange_id, native, reason)
        self._calls.begin_anew(native)

    # the end
    def _end(self, ending: Ending) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._may_read.set()
        self._has_sent.set()
        for answer in self._pongs.values():
            if not answer.done():
                answer.set_result(False)
        self._closing = asyncio.get_running_loop().create_task(self._tear_down(), name="ccxt teardown")
        self.on_over(self)
        if self._is_open:
            self._on_close(ending)

    def _close_late(self, client: Any) -> None:
        task = asyncio.ensure_future(client.close())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _tear_down(self) -> None:
        if self._audit is not None:
            self._audit.stop()
        await self._calls.stop()
        exchange = self._exchange
        if exchange is None:
            return
        clients = self._made  # ccxt forgets those that broke, and lets their pings go on
        closing = [asyncio.ensure_future(client.close()) for client in clients]
        if closing:
            _, late = await asyncio.wait(closing, timeout=_CLOSE_WITHIN)
            for task in late:
                task.cancel()  # a peer that does not answer the close frame is cut
            await asyncio.gather(*closing, return_exceptions=True)
        exchange.clients = {}
        with contextlib.suppress(Exception):
            await exchange.close()


def _handshake(client: Any, error: BaseException) -> dict[str, Any]:
    below = error.args[0] if error.args and isinstance(error.args[0], BaseException) else error
    return {"status": getattr(below, "status", None), "retry_after": getattr(client, "last_retry_after", None)}
