"""The hostile exchange on loopback, for a plugin whose transport is its own; seen from the kit it is as in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from tickwire import Clock
from tickwire.plugin import Request
from tickwire.simulation import Dress, Faults, SeededMarket, SimServer

__all__ = ["ServedExchange"]

_ROUNDS = 60


class ServedExchange(SimServer):
    """A ``SimServer`` that remembers who came.

    Attributes:
        clock: What all timing goes by.
        dials: When connections were asked for, seconds on the monotonic clock, refused ones too.
        requests: HTTP requests that reached the exchange, in order.
        addresses: Paths that connections were asked for at.
    """

    def __init__(self, dress: Dress, market: SeededMarket, *, clock: Clock, faults: Faults) -> None:
        super().__init__(dress, market, faults=faults)
        self.clock = clock
        self.dials: list[float] = []
        self.requests: list[Request] = []
        self.addresses: set[str] = set()

    @property
    def connections(self) -> Sequence[Any]:
        """Open connections."""
        return tuple(self._clients)

    async def step(self, changes: int = 1) -> None:
        """Move the market by at least that many changed levels; what is due by then has arrived when it returns."""
        await super().step(changes)
        await self.settled()

    async def settled(self) -> None:
        """Wait until all that was sent has arrived; no time passes."""
        await super().settled()
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            self.dials.append(self.clock.monotonic())
            self.addresses.add(request.path)
        else:
            self.requests.append(Request(request.method, request.path, request.query))
        return await super()._answer(request)
