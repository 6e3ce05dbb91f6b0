"""Where a feed's requests meet the transport: budget, host, signature, and what an error means for those to come."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import attrs

from tickwire.feed.conversation import converse
from tickwire.feed.hosts import HostChoice, host_name, is_the_hosts_fault
from tickwire.feed.limits import ExchangeLimits, Limits
from tickwire.feed.skew import ExchangeClock
from tickwire.model.clock import Clock
from tickwire.model.errors import AuthRejectedError, ExchangeUnavailableError, RateLimitedError, TickwireError
from tickwire.model.metrics import Metrics
from tickwire.plugin.assembly import Wiring
from tickwire.plugin.protocols import Fetch, Network, Request, Response, Signer, Transport

__all__ = ["Requests"]

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Requests:
    """All REST of one feed.

    A request waits for its budget, then gets the host that works now, then its signature, whose time must not grow old
    in a queue. A GET that a host does not serve goes to the next one at once, each host once; whoever asked retries
    what is left, and anything else, at his own pace.

    Attributes:
        limits: Shared with all feeds of the process that go to the same exchange.
    """

    def __init__(
        self,
        wiring: Wiring,
        network: Network,
        limits: Limits,
        clock: Clock,
        metrics: Metrics | None = None,
        exchange_clock: ExchangeClock | None = None,
    ) -> None:
        """Make them for a feed's wiring.

        Args:
            wiring: The feed's strategies.
            network: The hosts.
            limits: The budgets.
            clock: Tells the time.
            metrics: Gets ``limiter_used_ratio`` and ``clock_skew_seconds``.
            exchange_clock: Learns the exchange's time from the answers.
        """
        self.limits: ExchangeLimits = limits.of(wiring.info, network)
        self._exchange = wiring.info.id
        self._transport: Transport[Any] = wiring.transport
        self._signer: Signer | None = wiring.signer
        self._clock = clock
        self._exchange_clock = exchange_clock or ExchangeClock(wiring.info.id, clock)
        self._hosts = HostChoice(network.rest, clock) if network.rest else None
        if metrics is not None:
            for name in wiring.info.limits:
                used = partial(self.limits.used_ratio, name)
                metrics.watch("limiter_used_ratio", used, exchange=wiring.info.id, limit=name)
            estimate = self._exchange_clock.estimate
            metrics.watch("clock_skew_seconds", lambda: estimate.skew / 1e9, exchange=wiring.info.id)

    @property
    def login_hint(self) -> str:
        """Say what to check when the exchange refuses the key."""
        verdict = self._exchange_clock.verdict
        verdict = f"{verdict}: set it right; else check" if verdict else "check that the clock is right and"
        return f"{verdict} that api_secret belongs to api_key"

    async def converse(self, conversation: Fetch[T], on_gate: Callable[[float], None] = lambda seconds: None) -> T:
        """Hold a plugin's conversation.

        Args:
            conversation: What to ask.
            on_gate: Told for how many seconds it has to wait when the exchange asked for fewer requests.

        Raises:
            TickwireError: What the transport or the conversation raised.
        """
        sent: Request | None = None
        known: TickwireError | None = None

        async def fetch(request: Request) -> Response:
            nonlocal sent, known
            try:
                sent, response = await self._fetch(request, on_gate)
            except TickwireError as error:
                known = error
                raise
            return response

        try:
            return await converse(conversation, fetch)
        except TickwireError as error:
            # read out of an answer with status 200, it means what the status would have meant
            if sent is not None and error is not known:
                self._note(sent, error, on_gate)
            raise

    async def fetch(self, request: Request) -> Response:
        """Send one request, once there is room for it.

        Raises:
            RetryableError, RefusedError: What the transport raised last.
            PluginContractError: Its weight or its limit is none of the exchange's.
        """
        return (await self._fetch(request, lambda seconds: None))[1]

    async def _fetch(self, request: Request, on_gate: Callable[[float], None]) -> tuple[Request, Response]:
        limiter, what = self.limits.limiter(request.limit), f"{request}"
        tried: set[str | None] = set()
        while True:
            async with limiter.spend(request.weight, what, on_gate):
                addressed = self._addressed(request)
                ts_sent = self._clock.now()
                try:
                    response = await self._transport.fetch(_signed(addressed, self._signer))
                except TickwireError as error:
                    failure = error
                else:
                    self._exchange_clock.answered(response.headers, ts_sent, response.ts_recv)
                    if self._hosts is not None and addressed.base_url is not None:
                        self._hosts.worked(addressed.base_url)
                    return addressed, response
            self._note(addressed, failure, on_gate)
            tried.add(addressed.base_url)
            is_elsewhere = self._addressed(request).base_url not in tried
            if is_elsewhere and request.method == "GET" and is_the_hosts_fault(failure, is_signed=request.signed):
                continue
            if not is_elsewhere and isinstance(failure, ExchangeUnavailableError) and failure.retry_after is not None:
                refusal = RateLimitedError(str(failure), retry_after=failure.retry_after)
                on_gate(self.limits.refused(request.limit, refusal))
            raise failure

    def _addressed(self, request: Request) -> Request:
        if request.base_url is not None or self._hosts is None:
            return request
        return attrs.evolve(request, base_url=self._hosts.current())

    def _note(self, request: Request, error: TickwireError, on_gate: Callable[[float], None]) -> None:
        if isinstance(error, RateLimitedError):
            on_gate(self.limits.refused(request.limit, error))
        elif is_the_hosts_fault(error, is_signed=request.signed):
            self._leave(request.base_url, error)

    def _leave(self, url: str | None, error: TickwireError) -> None:
        if self._hosts is not None and url is not None and self._hosts.failed(url):
            following = host_name(self._hosts.current())
            _log.warning("%s: %s does not serve us (%s), trying %s", self._exchange, host_name(url), error, following)


def _signed(request: Request, signer: Signer | None) -> Request:
    if not request.signed:
        return request
    if signer is None:
        raise AuthRejectedError(f"{request} must be signed, and no credentials are set", hint="set credentials")
    return signer.sign(request)
