"""The aiohttp engine: always there. It reads in a task of its own and hands on what it has read."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import aiohttp

from tickwire.model.errors import TickwireError
from tickwire.native.rest import lost, make_session
from tickwire.native.ws import (
    ABNORMAL,
    CLOSE_WITHIN,
    CLOSED_BY_US,
    LOST,
    MAX_FRAME,
    OUTBOX,
    OVERFLOW,
    Dial,
    Probes,
    Pulse,
    Violation,
    closed_by_the_exchange,
    raised_by_us,
    upgrade_refused,
    websocket_url,
)
from tickwire.native.ws_messages import check_text
from tickwire.plugin.protocols import Ending, Frame

__all__ = ["AiohttpConnection", "connect"]

_TEXT, _BINARY, _PING, _PONG = (
    aiohttp.WSMsgType.TEXT,
    aiohttp.WSMsgType.BINARY,
    aiohttp.WSMsgType.PING,
    aiohttp.WSMsgType.PONG,
)
_INFLATERS = ("zlib", "isal", "zlib_ng")


async def connect(dial: Dial) -> AiohttpConnection:
    """Dial.

    Raises:
        RetryableError: Not reached, or the upgrade was refused for now.
        RefusedError: The upgrade was refused for good.
        ConfigError: The URL is none.
    """
    url = websocket_url(dial.located.url)
    session = make_session(tls=dial.tls, proxy=dial.proxy)
    try:
        async with asyncio.timeout(dial.timeout):
            socket = await session.ws_connect(
                url,
                headers=dial.located.headers,
                max_msg_size=MAX_FRAME,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_WITHIN),
                compress=zlib.MAX_WBITS if dial.compress else 0,
                autoping=False,
                decode_text=False,
            )
    except BaseException as error:
        await session.close()
        if isinstance(error, aiohttp.WSServerHandshakeError):
            raise upgrade_refused(dial.located.url, error.status, error.headers or {}, dial.now()) from error
        if isinstance(error, TickwireError) or not isinstance(error, Exception):
            raise
        raise lost(dial.located.url, error, dial.proxy, "the WebSocket connection") from error
    return AiohttpConnection(session, socket, dial)


class AiohttpConnection:
    """One open socket with its reader and its writer."""

    def __init__(
        self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse[bool], dial: Dial
    ) -> None:
        self._session = session
        self._socket = socket
        self._dial = dial
        self._outbox: asyncio.Queue[tuple[bytes, aiohttp.WSMsgType]] = asyncio.Queue(OUTBOX)
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._is_closing = False
        self._said_goodbye = asyncio.Event()
        self._failure: Ending | None = None
        self._probes = Probes(dial.pong_within)
        self._pulse = Pulse(dial.ping_every, lambda: not self._may_read.is_set())
        self._pulse.start(lambda: self._post(b"", _PING), self._fail)
        self._task = asyncio.create_task(self._run(), name="tickwire socket")

    def send(self, payload: bytes) -> None:
        """Queue a text frame; on a closing connection it is dropped.

        A socket that does not take 1,000 frames is broken: it is closed.
        """
        self._post(payload, _TEXT)

    async def ping(self) -> bool:
        """Tell whether the peer answers a ping in time."""
        if self._is_closing or self._failure is not None or self._task.done():
            return False
        return await self._probes.ask(lambda payload: self._post(payload, _PING))

    def pause(self) -> None:
        """Stop reading; the kernel's buffer then stops the exchange."""
        self._may_read.clear()

    def resume(self) -> None:
        """Read again."""
        self._pulse.heard = True
        self._may_read.set()

    async def close(self) -> None:
        """Close cleanly, within a second; what was not handed on by now never is. A second call is harmless."""
        if not self._is_closing:
            self._is_closing = True
            self._may_read.set()
            try:
                await self._close_socket(CLOSED_BY_US.code)
            finally:
                self._said_goodbye.set()
        await asyncio.wait([self._task])

    def _post(self, payload: bytes, kind: aiohttp.WSMsgType) -> None:
        try:
            self._outbox.put_nowait((payload, kind))
        except asyncio.QueueFull:
            self._fail(OVERFLOW)

    def _fail(self, ending: Ending) -> None:
        if self._failure is not None:
            return
        self._failure = ending
        # not at once: a task cancelled before its first step never gets to call on_close
        asyncio.get_running_loop().call_soon(self._task.cancel)

    async def _run(self) -> None:
        writer = asyncio.create_task(self._write(), name="tickwire socket writer")
        ending, code = Ending(ABNORMAL, "cancelled"), CLOSED_BY_US.code
        try:
            ending = await self._read()
        except asyncio.CancelledError:
            if self._failure is None:
                raise
            ending = self._failure
        except Violation as violation:
            ending, code = violation.ending(), violation.code
        except Exception as error:  # the task's outermost edge: also what a callback raises is an ending, not lost
            ending = raised_by_us(error)
        finally:
            self._pulse.stop()
            self._probes.stop()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            if self._is_closing:
                await self._said_goodbye.wait()
            await self._close_socket(code)
            await self._session.close()
            self._dial.on_close(ending)

    async def _close_socket(self, code: int) -> None:
        # aiohttp waits a second for each frame that comes before the peer's close: a busy peer would keep it for ever
        try:
            async with asyncio.timeout(CLOSE_WITHIN):
                await self._socket.close(code=code)
        except TimeoutError:
            pass

    async def _read(self) -> Ending:
        receive, now, on_frame = self._socket.receive, self._dial.now, self._dial.on_frame
        may_read, pulse = self._may_read, self._pulse
        while True:
            message = await receive()
            kind = message.type
            pulse.heard = True
            if kind is _TEXT or kind is _BINARY:
                frame = Frame(message.data, now())
                if kind is _TEXT:
                    check_text(message.data)
                if not may_read.is_set():
                    await may_read.wait()
                if not self._is_closing:
                    on_frame(frame)
            elif kind is _PING:
                self._post(message.data, _PONG)
            elif kind is _PONG:
                self._probes.answered(message.data)
            else:
                return self._ending(message)

    def _ending(self, message: Any) -> Ending:
        if self._is_closing:
            return CLOSED_BY_US
        if message.type is aiohttp.WSMsgType.CLOSE:
            return closed_by_the_exchange(message.data, message.extra)
        if message.type is not aiohttp.WSMsgType.ERROR:
            return Ending(ABNORMAL, LOST, self._socket.exception())
        error = message.data
        # another library of the process may have given aiohttp an inflater with errors of its own
        if type(error).__name__ == zlib.error.__name__ and type(error).__module__.partition(".")[0] in _INFLATERS:
            return Ending(1007, f"a compressed frame is damaged: {error}", error)
        return Ending(int(self._socket.close_code or ABNORMAL), str(error) or "protocol error", error)

    async def _write(self) -> None:
        while True:
            payload, kind = await self._outbox.get()
            try:
                await self._socket.send_frame(payload, kind)
            except (ConnectionError, aiohttp.ClientError):
                return  # the reader sees the same ending and reports it
