"""Is a book right that carries neither numbers nor digests? REST is asked, and a difference that stays is a gap."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from tickwire import Channel, GapCause, TickwireError
from tickwire_ccxt_generic.errors import translated
from tickwire_ccxt_generic.payloads import Lost, Payload
from tickwire_ccxt_generic.tap import Tap

__all__ = ["Audit", "differences"]

_log = logging.getLogger(__name__)

_ROUNDS = 3
_APART = 2.0  # seconds: longer than REST answers out of a cache
_LEVELS = 20

Difference = tuple[str, Any, Any, Any]


class Audit:
    """Compares the books of one connection with REST, each every so often.

    A level differs for a moment whenever the market moves. One that REST shows with the same size three times, some
    seconds apart, while ours holds another one all the time, was missed.
    """

    def __init__(self, clients: Any, exchange: Any, tap: Tap, put: Callable[[Payload], None], every: float) -> None:
        """Begin.

        Args:
            clients: Ask over REST.
            exchange: Holds the books.
            tap: Knows which of them are shown.
            put: Is told which are wrong.
            every: Seconds between two comparisons of a book.
        """
        self._clients = clients
        self._exchange = exchange
        self._tap = tap
        self._put = put
        self._every = every
        self._task = asyncio.create_task(self._run(), name=f"{clients.exchange_id} audit")

    def stop(self) -> None:
        """End."""
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            for native in self._tap.books():
                try:
                    await self._look(native)
                except TickwireError as error:
                    _log.info("%s: the book of %s was not audited: %s", self._clients.exchange_id, native, error)

    async def _look(self, native: str) -> None:
        lasting: set[Difference] | None = None
        for number in range(_ROUNDS):
            if number:
                await asyncio.sleep(_APART)
            if native not in self._tap.books():
                return
            found = set(await self._compare(native))
            lasting = found if lasting is None else lasting & found
            if not lasting:
                return
        assert lasting
        side, price, ours, theirs = sorted(lasting, key=str)[0]
        example = f"{side} {price!r}: {ours!r} here, {theirs!r} there"
        detail = f"audit: {len(lasting)} levels differ from REST, e.g. {example}"
        self._put(Lost(Channel.L2_BOOK, native, GapCause.CHECKSUM, detail))

    async def _compare(self, native: str) -> Iterable[Difference]:
        limit = self._clients.options.limit
        try:
            rest = await self._clients.rest()
            theirs = await rest.fetch_order_book(native, limit)
        except Exception as error:  # ccxt's, and what it lets through
            raise translated(error, what=f"{self._clients.exchange_id} fetch_order_book {native}") from None
        book = self._exchange.orderbooks.get(native)
        if book is None or not (theirs["bids"] and theirs["asks"]):
            return ()
        bids, asks = book.levels()
        return (*differences("bid", bids, theirs["bids"]), *differences("ask", asks, theirs["asks"]))


def differences(side: str, ours: Iterable[Any], theirs: Iterable[Any]) -> list[Difference]:
    """Give the prices at which two sides of a book differ, as far down as both of them go.

    Args:
        side: ``bid`` or ``ask``.
        ours: (price, size), best first.
        theirs: ``[price, size, …]``, best first.
    """
    mine = [(row[0], row[1]) for row in ours][:_LEVELS]
    other = [(row[0], row[1]) for row in theirs][:_LEVELS]
    if not mine or not other:
        return []
    sign = -1 if side == "bid" else 1
    end = min(sign * mine[-1][0], sign * other[-1][0])
    held, shown = dict(mine), dict(other)
    prices = [price for price in {*held, *shown} if sign * price <= end]
    return [(side, price, held.get(price), shown.get(price)) for price in prices if held.get(price) != shown.get(price)]
