"""ccxt's REST methods as requests: ``CALL fetch_order_book``, answered with the object that ccxt made of the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from tickwire import ConnectionLostError, DecodeError, Instrument, Nanos
from tickwire.plugin import Request, Response
from tickwire_ccxt_generic.answers import SEEN, Seen
from tickwire_ccxt_generic.client import CcxtClients
from tickwire_ccxt_generic.errors import translated
from tickwire_ccxt_generic.options import CcxtOptions

__all__ = ["CALL", "INSTRUMENTS", "CcxtRestTransport"]

CALL = "CALL"
"""The method of a request that names one of ccxt's."""

INSTRUMENTS = "load_markets"
"""The path of the request that is answered with all instruments; asked again, it reads the exchange's list again."""

_EXTRA = "params."


class CcxtRestTransport:
    """Asks over REST; an async context manager that closes what it opened."""

    def __init__(self, clients: CcxtClients, now: Callable[[], Nanos] = time.time_ns) -> None:
        """Make one over a feed's instances."""
        self._clients = clients
        self._now = now
        self._has_markets = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def options(self) -> CcxtOptions:
        """The user's options."""
        return self._clients.options

    async def fetch(self, request: Request) -> Response:
        """Call the method that the request's path names, with its params; ``params.x`` are the exchange's own.

        Raises:
            RetryableError, RefusedError, DataError: As the answer says; ccxt's exceptions never come out.
        """
        if request.method != CALL:
            raise DecodeError(f"{request}: ccxt is asked by CALL")
        own = {name: value for name, value in request.params.items() if not name.startswith(_EXTRA)}
        extra = {name.removeprefix(_EXTRA): value for name, value in request.params.items() if name not in own}
        if request.path == INSTRUMENTS:
            value: Any = await self._guarded(self.instruments, request.path, request.base_url)
        else:
            value = await self.call(request.path, own, extra, request.base_url)
        return Response(200, {}, b"", self._now(), value)

    async def call(
        self, method: str, own: Mapping[str, Any], extra: Mapping[str, Any] | None = None, base: str | None = None
    ) -> Any:
        """Call one of ccxt's methods.

        Args:
            method: E.g. ``fetch_order_book``.
            own: Its arguments by name.
            extra: Its ``params``.
            base: The host to ask; ``None``: the one that was asked last.

        Raises:
            RetryableError, RefusedError, DataError: As the answer says.
        """

        async def ask() -> Any:
            exchange = await self._clients.rest(base)
            await self._clients.cache.ready(exchange)
            return await getattr(exchange, method)(**own, params=dict(extra or {}))

        return await self._guarded(ask, f"{method} {own.get('symbol', '')}".rstrip(), base)

    async def instruments(self, base: str | None = None) -> tuple[Instrument, ...]:
        """Give all instruments: from disk while the list is young; when asked again, from the exchange."""
        exchange, cache = await self._clients.rest(base), self._clients.cache
        if self._has_markets:
            await cache.refresh(exchange)
        else:
            await cache.ready(exchange)
        self._has_markets = True
        return await asyncio.to_thread(cache.instruments)

    async def _guarded(self, ask: Callable[..., Any], what: str, base: str | None) -> Any:
        what = f"{self._clients.exchange_id} {what}"
        seen = Seen()
        token = SEEN.set(seen)
        try:
            return await (ask(base) if ask == self.instruments else ask())
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise translated(error, what=what) from None
        except Exception as error:  # ccxt's, and what it lets through
            if type(error).__module__.startswith("python_socks"):
                raise ConnectionLostError(f"{what}: the proxy refused ({error})") from None
            raise translated(error, what=what, status=seen.status, retry_after=seen.retry_after) from None
        finally:
            SEEN.reset(token)

    async def close(self) -> None:
        """Release everything; a second call is harmless."""
        await self._clients.close()
