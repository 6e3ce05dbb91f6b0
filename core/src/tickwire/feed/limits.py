"""The limiters of a process: one set per exchange and way out, shared by every feed that goes there."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from functools import cache
from urllib.parse import urlsplit

from tickwire.feed.limiter import Limiter
from tickwire.model.clock import Clock, SystemClock
from tickwire.model.counting import counted
from tickwire.model.errors import PluginContractError, RateLimitedError
from tickwire.plugin.info import ExchangeInfo, RateLimit
from tickwire.plugin.protocols import Network

__all__ = ["DIALS", "ExchangeLimits", "Limits", "shared_limits"]

_log = logging.getLogger(__name__)

DIALS = "websocket"
"""The limit that opening a connection spends 1 of; without a budget unless the exchange declares one."""

_ALWAYS_THERE = ("default", DIALS)


class Limits:
    """All limiters of those who share one clock."""

    def __init__(self, clock: Clock) -> None:
        """Begin without any."""
        self._clock = clock
        self._lock = threading.Lock()
        self._known: list[ExchangeLimits] = []

    def of(self, info: ExchangeInfo, network: Network) -> ExchangeLimits:
        """Give the limits of an exchange as seen from one egress.

        The same for every feed with the same exchange and proxies that shares a host: an exchange counts by the
        address we come from, and its alternative hosts count together; a simulator or a test net counts apart.
        """
        hosts = _hosts(network)
        egress = (network.proxy_rest, network.proxy_websocket)
        with self._lock:
            for known in self._known:
                is_same = known.exchange == info.id and known.egress == egress
                if is_same and (known.hosts & hosts or known.hosts == hosts):
                    break
            else:
                known = ExchangeLimits(info.id, egress, self._clock)
                self._known.append(known)
            known.hosts |= hosts
            known.declare(info.limits)
            return known


class ExchangeLimits:
    """The limiters of one exchange, by the name of the limit.

    Attributes:
        exchange: Its id.
        egress: Proxies for REST and for WebSocket, ``None``: direct.
        hosts: Where it is reached.
    """

    def __init__(self, exchange: str, egress: tuple[str | None, str | None], clock: Clock) -> None:
        self.exchange = exchange
        self.egress = egress
        self.hosts: set[str] = set()
        self._clock = clock
        self._limiters = {name: Limiter(None, clock) for name in _ALWAYS_THERE}

    def declare(self, limits: Mapping[str, RateLimit]) -> None:
        """Add what a plugin declares; where two plugins serve one exchange, the first word on a limit holds."""
        for name, budget in limits.items():
            limiter = self._limiters.setdefault(name, Limiter(budget, self._clock))
            limiter.budget = limiter.budget or budget

    def limiter(self, name: str) -> Limiter:
        """Give the limiter of a limit; ``default`` and ``websocket`` need no declaration.

        Raises:
            PluginContractError: The exchange declares no such limit.
        """
        try:
            return self._limiters[name]
        except KeyError:
            raise PluginContractError(
                f"a request names limit {name!r}, and {self.exchange} declares {', '.join(self._limiters)}",
                hint="declare it in ExchangeInfo.limits, or correct Request.limit",
            ) from None

    def refused(self, name: str, error: RateLimitedError) -> float:
        """Close the gate of a limit; a ban (418) closes all of them, because it is the address that is banned.

        Returns:
            Seconds until it opens.
        """
        limiter = self.limiter(name)
        wait = limiter.refuse(error.retry_after)
        if error.is_ban:
            for other in self._limiters.values():
                other.refuse(wait)
        # an earlier refusal may have asked for more
        is_told = error.retry_after is not None and wait <= error.retry_after
        told = " as told (Retry-After)" if is_told else ""
        queue = limiter.waiting
        others = f"; {counted(queue, 'request')} wait{'s' if queue == 1 else ''}" if queue else ""
        _log.warning("%s: %s, waits %.1f s%s%s", self.exchange, error, wait, told, others)
        return wait

    def used_ratio(self, name: str) -> float:
        """Tell how much of a budget counts now, 0 to 1; 0 where there is none."""
        limiter = self.limiter(name)
        return limiter.used / limiter.budget.weight if limiter.budget is not None else 0.0


@cache
def _of_the_machine() -> Limits:
    return Limits(SystemClock())


def shared_limits(clock: Clock) -> Limits:
    """Give the limits of all feeds of the process, which live by the machine's clock.

    Another clock is a test's, which nobody shares: it gets limits of its own.
    """
    return _of_the_machine() if isinstance(clock, SystemClock) else Limits(clock)


def _hosts(network: Network) -> set[str]:
    urls: Iterable[str] = (*network.rest, *(url for some in network.websocket.values() for url in some))
    return {urlsplit(url).netloc.rpartition("@")[2].lower() for url in urls}
