"""The picows engine: frames come straight from the socket's buffer, without a task or a queue between."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from contextlib import suppress
from typing import Any, Final

import aiohappyeyeballs
from aiohttp import encode_basic_auth
from multidict import CIMultiDict
from picows import (
    WSCloseCode,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSProtocolError,
    WSTransport,
    ws_connect,
)
from yarl import URL

from tickwire.model.errors import ExchangeUnavailableError, TickwireError
from tickwire.native.rest import lost, shown
from tickwire.native.tls import tls_context
from tickwire.native.version import USER_AGENT
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
from tickwire.native.ws_messages import Messages, check_text, read_close
from tickwire.plugin.protocols import Ending, Frame

__all__ = ["PicowsConnection", "connect"]

_TEXT, _BINARY, _CONTINUATION = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION
_CLOSE, _PING, _PONG = WSMsgType.CLOSE, WSMsgType.PING, WSMsgType.PONG
_CODES = {code.value for code in WSCloseCode}

# picows logs each connection, and at its lowest level the upgrade with its tokens; what matters is in the endings
_SILENT: Final = logging.Logger("picows", logging.CRITICAL + 1)  # noqa: LOG001  # nobody else's to configure


async def connect(dial: Dial) -> PicowsConnection:
    """Dial.

    Raises:
        RetryableError: Not reached, or the upgrade was refused for now.
        RefusedError: The upgrade was refused for good.
        ConfigError: The URL is none.
    """
    url = websocket_url(dial.located.url)
    try:
        async with asyncio.timeout(dial.timeout):
            connection = await _upgrade(url, dial)
    except WSHandshakeError as error:
        raise upgrade_refused(dial.located.url, *_status_of(error), dial.now()) from error
    except TickwireError:
        raise
    except Exception as error:
        raise lost(dial.located.url, error, dial.proxy, "the WebSocket connection") from error
    connection.begin()
    return connection


class _Reached(socket.socket):
    """Connected once and never again: one that was reset meanwhile picows would dial anew, past the proxy."""

    def getpeername(self) -> Any:
        try:
            return super().getpeername()
        except OSError:
            return None

    def connect(self, address: Any) -> None:
        raise ConnectionResetError("closed before the upgrade")


async def _reach(url: URL, dial: Dial) -> _Reached:
    host, port = url.raw_host or "", url.port or 0
    if dial.proxy is not None:
        plain = await dial.proxy.dial(host, port)
    else:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        plain = await aiohappyeyeballs.start_connection(found, happy_eyeballs_delay=0.25, interleave=1)
    return _Reached(plain.family, plain.type, plain.proto, plain.detach())


async def _upgrade(url: URL, dial: Dial) -> PicowsConnection:
    tls = (dial.tls or tls_context()) if url.scheme == "wss" else None
    headers = CIMultiDict(dial.located.headers)
    headers.setdefault("User-Agent", USER_AGENT)
    if url.user is not None:  # picows would put it into the Host header
        headers.setdefault("Authorization", encode_basic_auth(url.user, url.password or ""))
    if dial.compress:
        headers["Sec-WebSocket-Extensions"] = "permessage-deflate"

    def listen(request: Any, response: Any) -> PicowsConnection:
        return PicowsConnection(dial, inflates=dial.compress and _agreed(dial, response.headers))

    reached = await _reach(url, dial)
    upgrading = asyncio.ensure_future(
        ws_connect(
            listen,
            str(url.with_user(None)),
            ssl_context=tls,
            websocket_handshake_timeout=None,
            logger_name=_SILENT,
            enable_auto_pong=False,
            max_frame_size=MAX_FRAME,
            extra_headers=headers,
            max_redirects=0,
            socket_factory=lambda parsed: reached,
        )
    )
    try:
        _, connection = await asyncio.shield(upgrading)
    except BaseException:
        # a cancelled ws_connect abandons its transport, and TLS waits long for a goodbye: hung up, it ends by itself
        with suppress(OSError):
            reached.shutdown(socket.SHUT_RDWR)
        await asyncio.gather(upgrading, return_exceptions=True)
        raise
    if not isinstance(connection, PicowsConnection):  # picows returns without one where the peer hung up
        raise ConnectionResetError("closed before the upgrade was answered")
    return connection


def _agreed(dial: Dial, headers: Any) -> bool:
    # we compress nothing that we send, so what the peer wishes for that direction is without effect
    extensions: str = headers.get("Sec-WebSocket-Extensions", "")
    name, *parameters = (part.strip() for part in extensions.split(";"))
    known = {"server_no_context_takeover", "client_no_context_takeover", "server_max_window_bits"}
    if name and (name != "permessage-deflate" or {part.partition("=")[0].strip() for part in parameters} - known):
        raise ExchangeUnavailableError(f"{shown(dial.located.url)} answers with extensions that were not asked for")
    return bool(name)


def _status_of(error: WSHandshakeError) -> tuple[int, CIMultiDict[str]]:
    # read here: picows has no answer to show for a status that http.HTTPStatus does not know, e.g. 520
    status, *lines = (error.raw_header or b"").decode("latin-1").split("\r\n")
    code = status.split(" ")[1:2]
    pairs = (line.partition(":") for line in lines)
    headers = CIMultiDict((name.strip(), value.strip()) for name, colon, value in pairs if colon)
    return int(code[0]) if code and code[0].isdecimal() else 101, headers


class PicowsConnection(WSListener):
    """One open socket; picows calls it from the loop's read event."""

    def __init__(self, dial: Dial, *, inflates: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._now = dial.now
        self._on_frame = dial.on_frame
        self._on_close = dial.on_close
        self._messages = Messages(inflates=inflates)
        self._joins = False
        # until `connect` has returned the caller has no connection: what comes before is held
        self._is_paused = True
        self._held: deque[Frame] = deque()
        self._nothing_held = asyncio.Event()
        self._nothing_held.set()
        self._ending: Ending | None = None
        self._is_broken = False
        self._is_stuck = False
        self._unsent = 0
        self._probes = Probes(dial.pong_within)
        self._pulse = Pulse(dial.ping_every, lambda: self._is_paused)
        self._deadline: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Hand on frames from now on."""
        self._pulse.start(self._transport.send_ping, self._abort)
        self._task = asyncio.create_task(self._run(), name="tickwire socket")
        self.resume()

    def send(self, payload: bytes) -> None:
        """Send a text frame; on a closing connection it is dropped.

        A socket that does not take 1,000 frames is broken: it is closed.
        """
        if self._ending is not None:
            return
        if self._is_stuck:
            self._unsent += 1
            if self._unsent > OUTBOX:
                self._abort(OVERFLOW)
                return
        self._transport.send(_TEXT, payload)

    async def ping(self) -> bool:
        """Tell whether the peer answers a ping in time."""
        if self._ending is not None:
            return False
        return await self._probes.ask(self._transport.send_ping, self._nothing_held)

    def pause(self) -> None:
        """Stop reading; the kernel's buffer then stops the exchange."""
        self._is_paused = True
        if self._ending is None:
            self._transport.underlying_transport.pause_reading()

    def resume(self) -> None:
        """Read again, after what was read with the last buffer before the pause."""
        self._is_paused = False
        self._pulse.heard = True
        self._loop.call_soon(self._hand_on)

    async def close(self) -> None:
        """Close cleanly, within a second; what was not handed on by now never is. A second call is harmless."""
        self._forget_held()
        self._hang_up(CLOSED_BY_US, CLOSED_BY_US.code)
        await asyncio.wait([self._task])

    # picows calls these
    def on_ws_connected(self, transport: WSTransport) -> None:
        """Keep what sends."""
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Read one frame; the buffer it points to is reused afterwards."""
        ts_recv = self._now()
        self._pulse.heard = True
        kind = frame.msg_type
        if (self._ending is not None or transport.is_close_frame_sent) and self._is_too_late(kind, frame):
            return
        payload: bytes | None
        is_whole = (kind is _TEXT or kind is _BINARY) and frame.fin and not self._joins
        if is_whole and not (frame.rsv1 or frame.rsv2 or frame.rsv3):
            payload = frame.get_payload_as_bytes()
            if kind is _TEXT and not payload.isascii() and not self._is_text(payload):
                return
        else:
            payload = self._read(kind, frame)
            if payload is None:
                return
        if self._is_paused or self._held:
            self._held.append(Frame(payload, ts_recv))
            self._nothing_held.clear()
            return
        try:
            self._on_frame(Frame(payload, ts_recv))
        except Exception as error:  # one user callback: what it raises is an ending, not lost
            self._raised(error)

    def pause_writing(self) -> None:
        """Count what is sent from here on."""
        self._is_stuck = True

    def resume_writing(self) -> None:
        """The socket takes frames again."""
        self._is_stuck = False
        self._unsent = 0

    def _is_text(self, payload: bytes) -> bool:
        try:
            check_text(payload)
        except Violation as violation:
            self._hang_up(violation.ending(), violation.code)
            return False
        return True

    # what is not simply a message in one frame
    def _read(self, kind: WSMsgType, frame: WSFrame) -> bytes | None:
        try:
            if frame.rsv2 or frame.rsv3:
                raise Violation(1002, "reserved bits are set")
            if kind is not _TEXT and kind is not _BINARY and kind is not _CONTINUATION:
                self._control(kind, frame)
                return None
            self._joins = not frame.fin
            return self._messages.add(kind.value, frame.get_payload_as_bytes(), fin=frame.fin, rsv1=frame.rsv1)
        except Violation as violation:
            self._hang_up(violation.ending(), violation.code)
            return None

    def _control(self, kind: WSMsgType, frame: WSFrame) -> None:
        if frame.rsv1:
            raise Violation(1002, "reserved bits are set")
        if kind is _PING:
            self._transport.send_pong(frame.get_payload_as_bytes())
        elif kind is _PONG:
            self._probes.answered(frame.get_payload_as_bytes())
        elif kind is _CLOSE:
            code, reason = read_close(frame.get_payload_as_bytes())
            self._hang_up(closed_by_the_exchange(code, reason), code or CLOSED_BY_US.code)
            self._transport.disconnect()

    def _is_too_late(self, kind: WSMsgType, frame: WSFrame) -> bool:
        # picows looks one frame ahead: the one before a violation comes when the violation was already answered
        if self._ending is None and not self._is_broken:
            self._is_broken = True
            return frame.payload_size > MAX_FRAME
        if kind is _CLOSE:
            self._transport.disconnect()
        return True

    def _raised(self, error: Exception) -> None:
        self._forget_held()
        self._hang_up(raised_by_us(error), CLOSED_BY_US.code)

    def _hand_on(self) -> None:
        while self._held and not self._is_paused:
            try:
                self._on_frame(self._held.popleft())
            except Exception as error:  # as above
                self._raised(error)
        if not self._is_paused:
            self._nothing_held.set()
            if self._ending is None:
                self._transport.underlying_transport.resume_reading()

    def _forget_held(self) -> None:
        self._held.clear()
        self._nothing_held.set()

    def _hang_up(self, ending: Ending, code: int) -> None:
        if self._ending is not None:
            return
        self._ending = ending
        # its stub wants an enum; the exchange's own codes, 4000 and up, are none of it
        self._transport.send_close(WSCloseCode(code) if code in _CODES else code)  # type: ignore[arg-type]
        self._transport.underlying_transport.resume_reading()
        self._deadline = self._loop.call_later(CLOSE_WITHIN, self._transport.disconnect, False)

    def _abort(self, ending: Ending) -> None:
        if self._ending is None:
            self._ending = ending
            self._transport.disconnect(False)

    async def _run(self) -> None:
        ending = Ending(ABNORMAL, "cancelled")
        try:
            lost_by = await self._until_disconnected()
            await self._nothing_held.wait()
            ending = self._ending or lost_by
        finally:
            self._pulse.stop()
            self._probes.stop()
            self._ending = self._ending or ending
            if self._deadline is not None:
                self._deadline.cancel()
            self._transport.disconnect(False)
            self._on_close(ending)

    async def _until_disconnected(self) -> Ending:
        try:
            await self._transport.wait_disconnected()
        except WSProtocolError as error:
            return Ending(int(error.code), str(error), error)
        except Exception as error:  # the task's outermost edge: picows' own failures too
            return raised_by_us(error)
        return Ending(ABNORMAL, LOST)
