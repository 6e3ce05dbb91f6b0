"""What both WebSocket engines share: limits, the endings' words, what a refused upgrade means, pings of an idle peer.

An engine is a module with ``connect``: picows (``ws_picows``) where it is installed, else aiohttp (``ws_aiohttp``).
Both keep to one contract: each message reaches ``on_frame`` whole and as bytes, each ending ``on_close`` once, last.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from itertools import count
from typing import Final

import attrs
from yarl import URL

from tickwire.model.clock import Nanos
from tickwire.model.errors import ConfigError, ExchangeUnavailableError, TickwireError
from tickwire.native.proxies import Proxy
from tickwire.native.rest import shown, status_error
from tickwire.plugin.protocols import Ending, Frame, Located, Request, Response

__all__ = [
    "ABNORMAL", "CLOSED_BY_US", "CLOSE_WITHIN", "LOST", "MAX_FRAME", "OUTBOX", "OVERFLOW", "Dial", "Engine", "Probes",
    "Pulse", "Violation", "choose_engine", "closed_by_the_exchange", "raised_by_us", "unanswered", "upgrade_refused",
    "websocket_url",
]  # fmt: skip

MAX_FRAME: Final = 10 * 2**20
"""Bytes of one message, after inflating; a longer one ends the connection with 1009."""

OUTBOX: Final = 1_000
"""A socket that does not take that many frames is broken."""

CLOSE_WITHIN: Final = 1.0
"""Seconds the exchange has to answer our close."""

ABNORMAL: Final = 1006
CLOSED_BY_US: Final = Ending(1000, "closed by us")
LOST: Final = "lost without a close frame"
OVERFLOW: Final = Ending(ABNORMAL, f"{OUTBOX} frames could not be sent")

_MODULES = {"picows": "tickwire.native.ws_picows", "aiohttp": "tickwire.native.ws_aiohttp"}
_INSTALL = "pip install 'tickwire[speed]'"


@attrs.frozen
class Engine:
    """What carries the frames.

    Attributes:
        name: ``picows`` or ``aiohttp``.
        reason: Why this one, if it is not the fastest or was chosen; else empty.
    """

    name: str
    reason: str = ""

    @property
    def module(self) -> str:
        """Where its ``connect`` is."""
        return _MODULES[self.name]


def choose_engine(name: str | None = None) -> Engine:
    """Give the engine that was asked for, else the fastest installed.

    Raises:
        ConfigError: There is no such engine, or it is not installed.
    """
    if name is not None and name not in _MODULES:
        raise ConfigError(f"there is no WebSocket engine {name!r}", hint=f"one of {', '.join(_MODULES)}")
    is_installed = find_spec("picows") is not None
    if name == "picows" and not is_installed:
        raise ConfigError("the WebSocket engine picows is not installed", hint=_INSTALL)
    if name is not None:
        return Engine(name, "as configured")
    return Engine("picows") if is_installed else Engine("aiohttp", f"picows not installed: {_INSTALL}")


@attrs.frozen
class Dial:
    """One connection to make.

    Attributes:
        located: Where to, with which headers.
        on_frame: Called for each text or binary message, payload as bytes.
        on_close: Called exactly once, last.
        timeout: Seconds for dialling, proxy, TLS and the upgrade together.
        now: Dates the frames.
        tls: Whom to trust.
        proxy: Through which; ``None``: direct.
        compress: Offer permessage-deflate.
        ping_every: Seconds after which an idle peer is pinged.
        pong_within: Seconds the peer has to answer a ping that somebody waits for.
    """

    located: Located
    on_frame: Callable[[Frame], None]
    on_close: Callable[[Ending], None]
    timeout: float
    now: Callable[[], Nanos]
    tls: ssl.SSLContext | None = None
    proxy: Proxy | None = None
    compress: bool = False
    ping_every: float = 20.0
    pong_within: float = 10.0


class Violation(Exception):
    """The peer broke the protocol; the connection ends with this close code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code

    def ending(self) -> Ending:
        """Say it as a value."""
        return Ending(self.code, str(self), self)


def websocket_url(text: str) -> URL:
    """Read a URL as users and plugins write it; what must be escaped is.

    Raises:
        ConfigError: It is not a WebSocket's.
    """
    try:
        url = URL(text)
        is_one = url.scheme in ("ws", "wss") and bool(url.host)
    except ValueError:
        is_one = False
    if not is_one:
        raise ConfigError(f"{shown(text)!r} is not a URL", hint="write wss://host")
    return url.with_fragment(None)


def upgrade_refused(url: str, status: int, headers: Mapping[str, str], now: Nanos) -> TickwireError:
    """Turn the answer to an upgrade into the error that says what to do next."""
    url = shown(url)
    if status == 101 or 200 <= status < 300:
        why = "its answer to the upgrade is wrong" if status == 101 else f"it answered {status}"
        return ExchangeUnavailableError(f"{url} does not speak WebSocket: {why}")
    if 300 <= status < 400:
        target = shown(headers.get("Location", "nowhere"))
        return ExchangeUnavailableError(f"GET {url}: {status}, a redirect to {target}")
    return status_error(Request("GET", url), Response(status, headers, b"instead of a WebSocket", now), now)


def closed_by_the_exchange(code: int, reason: str) -> Ending:
    """Say with which code and words; without a code it counts as abnormal."""
    return Ending(code or ABNORMAL, reason or "closed by the exchange")


def raised_by_us(error: Exception) -> Ending:
    """Say what a callback raised: also that is an ending, not lost."""
    return Ending(ABNORMAL, f"{type(error).__name__}: {error}", error)


def unanswered(seconds: float) -> Ending:
    """Say that the peer is gone though nobody told us."""
    return Ending(ABNORMAL, f"no answer to a ping within {seconds:g} s")


class Pulse:
    """Pings a peer that is idle, and tells when it does not answer: a half-open socket says nothing by itself.

    Attributes:
        heard: Set by the engine whenever the peer said anything.
    """

    def __init__(self, every: float, is_paused: Callable[[], bool]) -> None:
        """Take how many seconds of silence are too many, and whether we listen at all."""
        self.heard = True
        self._every = every
        self._is_paused = is_paused
        self._has_pinged = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self, ping: Callable[[], None], dead: Callable[[Ending], None]) -> None:
        """Begin; ``dead`` is called at most once."""
        self._ping, self._dead = ping, dead
        self._timer = asyncio.get_running_loop().call_later(self._every, self._beat)

    def stop(self) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        if self.heard or self._is_paused():
            self._has_pinged = self.heard = False
        elif self._has_pinged:
            self._timer = None
            self._dead(unanswered(self._every))
            return
        else:
            self._has_pinged = True
            self._ping()
        self._timer = asyncio.get_running_loop().call_later(self._every, self._beat)


class Probes:
    """Pings that somebody waits for, told apart by their payload; the pulse's have none."""

    def __init__(self, within: float) -> None:
        """Take how many seconds the peer has to answer."""
        self._within = within
        self._numbers = count(1)
        self._asked: dict[bytes, asyncio.Future[bool]] = {}

    async def ask(self, ping: Callable[[bytes], None], handed_on: asyncio.Event | None = None) -> bool:
        """Ping, and tell whether the pong came in time and what was read before it has been handed on."""
        payload = next(self._numbers).to_bytes(8, "big")
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asked[payload] = answer
        ping(payload)
        try:
            async with asyncio.timeout(self._within):
                is_alive = await answer
                if is_alive and handed_on is not None:
                    await handed_on.wait()
                return is_alive
        except TimeoutError:
            return False
        finally:
            self._asked.pop(payload, None)

    def answered(self, payload: bytes) -> None:
        """Take a pong: it answers its ping and, as a peer may leave those out, all before it."""
        if payload not in self._asked:
            return
        for asked in tuple(self._asked):
            self._settle(asked, True)
            if asked == payload:
                break

    def stop(self) -> None:
        """Tell all who wait that the connection has ended."""
        for asked in tuple(self._asked):
            self._settle(asked, False)

    def _settle(self, asked: bytes, is_alive: bool) -> None:
        answer = self._asked.pop(asked)
        if not answer.done():
            answer.set_result(is_alive)
