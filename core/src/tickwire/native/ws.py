"""WebSocket connections over aiohttp: each frame to a synchronous callback, each ending a value, once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import aiohttp

from tickwire.model.clock import Nanos
from tickwire.model.errors import ExchangeUnavailableError, TickwireError
from tickwire.native.rest import lost, status_error
from tickwire.plugin.protocols import Ending, Frame, Located, Request, Response

__all__ = ["AiohttpConnection", "connect"]

MAX_FRAME = 10 * 2**20
_OUTBOX = 1_000
_ABNORMAL = 1006
_CLOSE_WITHIN = 1.0
_TEXT, _BINARY = aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY


async def connect(
    session: aiohttp.ClientSession,
    located: Located,
    on_frame: Callable[[Frame], None],
    on_close: Callable[[Ending], None],
    *,
    timeout: float,
    now: Callable[[], Nanos] = time.time_ns,
) -> AiohttpConnection:
    """Dial.

    Args:
        session: Of the transport.
        located: Where to, with which headers.
        on_frame: Called for each text or binary frame, payload as bytes.
        on_close: Called exactly once, last.
        timeout: Seconds for dialling and the upgrade.
        now: Dates the frames.

    Raises:
        RetryableError: Not reached, or the upgrade was refused for now.
        RefusedError: The upgrade was refused for good.
    """
    try:
        async with asyncio.timeout(timeout):
            socket = await session.ws_connect(
                located.url,
                headers=located.headers,
                max_msg_size=MAX_FRAME,
                timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_WITHIN),
                decode_text=False,
            )
    except aiohttp.WSServerHandshakeError as error:
        raise _upgrade_refused(located.url, error, now()) from error
    except (aiohttp.ClientError, TimeoutError, OSError, UnicodeError) as error:
        raise lost(located.url, error) from error
    return AiohttpConnection(socket, on_frame, on_close, now)


def _upgrade_refused(url: str, error: aiohttp.WSServerHandshakeError, now: Nanos) -> TickwireError:
    if error.status == 101 or 200 <= error.status < 300:
        return ExchangeUnavailableError(f"{url} does not speak WebSocket: {error.message}")
    answer = Response(error.status, error.headers or {}, error.message.encode(), now)
    return status_error(Request("GET", url), answer, now)


class AiohttpConnection:
    """One open socket with its reader and its writer."""

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse[bool],
        on_frame: Callable[[Frame], None],
        on_close: Callable[[Ending], None],
        now: Callable[[], Nanos],
    ) -> None:
        self._socket = socket
        self._on_frame = on_frame
        self._on_close = on_close
        self._now = now
        self._outbox: asyncio.Queue[bytes] = asyncio.Queue(_OUTBOX)
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._is_closing = False
        self._overflow = False
        self._task = asyncio.create_task(self._run(), name="tickwire socket")

    def send(self, payload: bytes) -> None:
        """Queue a text frame; on a closing connection it is dropped.

        A socket that does not take 1,000 frames is broken: it is closed.
        """
        try:
            self._outbox.put_nowait(payload)
        except asyncio.QueueFull:
            self._overflow = True
            # not at once: a task cancelled before its first step never gets to call on_close
            asyncio.get_running_loop().call_soon(self._task.cancel)

    def pause(self) -> None:
        """Stop reading; the kernel's buffer then stops the exchange."""
        self._may_read.clear()

    def resume(self) -> None:
        """Read again."""
        self._may_read.set()

    async def close(self) -> None:
        """Close cleanly, within a second; a second call is harmless."""
        if not self._is_closing:
            self._is_closing = True
            self._may_read.set()
            await self._close_socket()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        writer = asyncio.create_task(self._write(), name="tickwire socket writer")
        ending = Ending(_ABNORMAL, "cancelled")
        try:
            ending = await self._read()
        except asyncio.CancelledError:
            if not self._overflow:
                raise
            ending = Ending(_ABNORMAL, f"{_OUTBOX} frames could not be sent")
        except Exception as error:  # the task's outermost edge: also what a callback raises is an ending, not lost
            ending = Ending(_ABNORMAL, f"{type(error).__name__}: {error}", error)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            await self._close_socket()
            self._on_close(ending)

    async def _close_socket(self) -> None:
        # aiohttp waits a second for each frame that comes before the peer's close: a busy peer would keep it for ever
        try:
            async with asyncio.timeout(_CLOSE_WITHIN):
                await self._socket.close()
        except TimeoutError:
            pass

    async def _read(self) -> Ending:
        receive, now, on_frame, may_read = self._socket.receive, self._now, self._on_frame, self._may_read
        while True:
            message = await receive()
            kind = message.type
            if kind is _TEXT or kind is _BINARY:
                frame = Frame(message.data, now())
                if not may_read.is_set():
                    await may_read.wait()
                on_frame(frame)
            else:
                return self._ending(message)

    def _ending(self, message: Any) -> Ending:
        if self._is_closing:
            return Ending(1000, "closed by us")
        if message.type is aiohttp.WSMsgType.CLOSE:
            return Ending(message.data or _ABNORMAL, message.extra or "closed by the exchange")
        error = self._socket.exception()
        if message.type is aiohttp.WSMsgType.ERROR:
            return Ending(self._socket.close_code or _ABNORMAL, str(error) or "protocol error", error)
        return Ending(_ABNORMAL, "lost without a close frame", error)

    async def _write(self) -> None:
        while True:
            payload = await self._outbox.get()
            try:
                await self._socket.send_frame(payload, _TEXT)
            except (ConnectionError, aiohttp.ClientError):
                return  # the reader sees the same ending and reports it
