"""One set of subscriptions on one connection or several: one is the primary, another takes over when it ends or is old.

What a connection must leave in time is replaced before: the replacement is opened, catches up, takes over, and only
then the old one is closed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from string import ascii_lowercase
from typing import Any

from tickwire.feed.backoff import JITTER, Backoff, BackoffPolicy
from tickwire.feed.connection import FeedConnection
from tickwire.feed.legs import Dial, Leg
from tickwire.feed.listener import Listener
from tickwire.feed.merging import Merge
from tickwire.feed.table import StreamTable
from tickwire.feed.wires import Wires
from tickwire.model.channels import Subscription
from tickwire.model.clock import Clock, Nanos
from tickwire.model.errors import RefusedError
from tickwire.model.quality import Reconnected, Severity
from tickwire.plugin.info import ExchangeInfo
from tickwire.plugin.protocols import Located

__all__ = ["Carrier"]

_log = logging.getLogger(__name__)

_PATIENCE = 1.0  # seconds that an event waits for what is missing before it, and that a spare may yet bring
_CATCH_UP = 30.0
_LOOK = 0.1
_MOST_MARGIN = 60.0


class Carrier:
    """Keeps subscriptions established over ``count`` connections that all carry them.

    Attributes:
        name: Of its first connection; the others have a letter behind it.
        endpoint: Which socket.
        listener: Is told what the primary tells.
    """

    def __init__(
        self,
        name: str,
        endpoint: str,
        number: int,
        dial: Dial,
        streams: StreamTable,
        info: ExchangeInfo,
        clock: Clock,
        listener: Listener,
        policy: BackoffPolicy,
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
        jitter: Callable[[], float] | None = None,
    ) -> None:
        """Make one that carries nothing yet.

        Args:
            name: Of its first connection.
            endpoint: Which socket.
            number: How many connections are to carry the same.
            dial: Makes them.
            streams: The feed's.
            info: What the exchange declares.
            clock: Dates events, and waits.
            listener: Is told what the primary tells.
            policy: Between attempts to replace a connection.
            spawn: Runs something as a task of that name, as long as the feed runs.
            jitter: Gives numbers in [0, 1), so that not all are replaced at once.
        """
        self.name = name
        self.endpoint = endpoint
        self.listener = listener
        self._dial = dial
        self._streams = streams
        self._info = info
        self._clock = clock
        self._policy = policy
        self._rotations = Backoff(policy)
        self._spawn = spawn
        self._jitter = jitter or JITTER.get()
        self._is_paused = False
        self._is_stopping = False
        self._is_letting_go = False
        self._legs = [self._leg(name + letter) for letter in ["", *ascii_lowercase[1:number]]]
        self._primary = self._legs[0]
        self._primary.lead()

    # what the feed asks
    @property
    def wires(self) -> Wires:
        """The streams that it carries."""
        return self._primary.connection.wires

    @property
    def wanted(self) -> Mapping[Subscription, None]:
        """What it carries."""
        return self._primary.connection.wanted

    @property
    def connections(self) -> list[FeedConnection]:
        """All its connections, replacements that are catching up too."""
        return [leg.connection for leg in self._all()]

    # what proves that nothing is missing
    @property
    def is_open(self) -> bool:
        """Whether the primary is connected now."""
        return self._primary.connection.is_open

    @property
    def ts_good(self) -> Nanos:
        """Until when everything that the exchange sent to the primary was received and read."""
        return self._primary.connection.ts_good

    async def probe(self) -> None:
        """Ask the primary's peer for a sign of life, and wait for it."""
        await self._primary.connection.probe()

    def announce(self, *, at_once: bool = False) -> None:
        """Announce the frames that could not be read, at most once a second unless ``at_once``."""
        for connection in self.connections:
            connection.announce(at_once=at_once)

    def reconnect(self, reason: str) -> None:
        """End the primary's connection and make it anew; a spare takes over where there is one."""
        self._primary.connection.reconnect(reason)

    def start(self) -> None:
        """Begin to connect."""
        for leg in self._legs:
            self._run(leg)

    def subscribe(self, subscription: Subscription) -> None:
        """Carry it from now on."""
        for leg in self._all():
            leg.connection.subscribe(subscription)

    def unsubscribe(self, subscription: Subscription) -> None:
        """Carry it no longer."""
        for leg in self._all():
            leg.forget(subscription)
            leg.connection.unsubscribe(subscription)

    def resubscribe(self, subscription: Subscription) -> None:
        """Have the primary ask for it anew."""
        self._primary.connection.resubscribe(subscription)

    def forget(self, subscription: Subscription) -> None:
        """Never ask for it again: the exchange refused it."""
        for leg in self._all():
            leg.forget(subscription)
            leg.connection.forget(subscription)

    def pause(self, is_paused: bool) -> None:
        """Stop or go on reading."""
        self._is_paused = is_paused
        for leg in self._all():
            leg.connection.pause(is_paused)

    def overflow(self, reason: str) -> None:
        """Close all its connections, and connect again once they are not paused any more."""
        for leg in self._all():
            leg.connection.overflow(reason)

    async def stop(self) -> None:
        """Close everything."""
        self._is_stopping = True
        legs = self._all()
        for leg in legs:
            leg.close()
        await asyncio.gather(*(leg.connection.stop() for leg in legs))

    # its legs
    def _leg(self, name: str) -> Leg:
        leg = Leg(name, self._dial, self, self._streams, self._info, self._clock)
        leg.connection.pause(self._is_paused)
        return leg

    def _all(self) -> list[Leg]:
        return [*self._legs, *(leg.successor for leg in self._legs if leg.successor is not None)]

    def _run(self, leg: Leg) -> None:
        leg.task = self._spawn(self._life(leg), leg.name)

    async def _life(self, leg: Leg) -> None:
        try:
            await leg.connection.run()
        except RefusedError as error:
            if leg is self._primary:
                raise
            # what works is not ended for the sake of what does not
            _log.error("%s %s: %s; the feed goes on without it", self._info.id, leg.name, error)

    async def _discard(self, leg: Leg) -> None:
        leg.close()
        await leg.connection.stop()
        if leg.task is not None:
            leg.task.cancel()  # it may be waiting for its turn to dial

    # what its legs tell
    def opened(self, leg: Leg, located: Located) -> None:
        """Let it lead if nothing does, else follow; and see that it is replaced in time."""
        if self._is_stopping:
            return
        leg.opened_at, leg.closes_within, leg.is_rotating = self._clock.monotonic(), None, False
        leg.renew_after = located.renew_after
        if leg is not self._primary and leg.is_installed and not self._primary.connection.is_open:
            self._primary.is_primary = False
            self._primary = leg
        if leg is self._primary:
            leg.lead()
        else:
            self._follow(leg)
        if leg.is_installed:
            self._watch_age(leg)

    def ended(self, leg: Leg, ts_good: Nanos, reason: str) -> None:
        """Let another open leg take over from the primary; where none is open, everything is disconnected."""
        leg.close()
        if leg is not self._primary:
            leg.lost_to = self._primary.name if self._primary.connection.is_open else None
            self.listener.disconnected([], ts_good, reason)
            return
        heirs = [one for one in self._all() if one is not leg and one.connection.is_open]
        if not heirs:
            for subscription in self.wanted:
                stream = self._streams.get(subscription)
                if stream is not None and stream.merge is not None:
                    stream.merge.let_go(self._clock.now())  # nobody brings what is missing before these
            self.listener.disconnected(list(self.wanted), ts_good, reason)
            return
        now = self._clock.monotonic()
        heir = max(heirs, key=lambda one: sum(one.is_ready(each, now) for each in one.connection.wanted))
        leg.lost_to = heir.name
        self._promote(heir, ts_good, reason)
        if heir is leg.successor:
            leg.connection.leave()
            self._install(heir, leg, f"{reason}; its replacement was there")

    def closing(self, leg: Leg, within: float) -> None:
        """Replace it before."""
        leg.closes_within = within
        if leg.is_installed and not leg.is_rotating and not self._is_stopping:
            if leg.ageing is not None:
                leg.ageing.cancel()
            why = f"rotated: the exchange closes within {within:g} s"
            leg.ageing = self._spawn(self._replace(leg, why), f"{leg.name} rotation")

    def jumped(self, leg: Leg, missing: int | None) -> None:
        """Announce what no spare can bring."""
        now = self._clock.monotonic()
        spares = [one for one in self._all() if one is not leg and one.connection.is_open]

        def is_safe(subscription: Subscription) -> bool:
            stream = self._streams.get(subscription)
            is_numbered = stream is not None and stream.is_following and isinstance(stream.join(), Merge)
            return is_numbered and any(spare.is_ready(subscription, now) for spare in spares)

        self.listener.missed([one for one in self.wanted if not is_safe(one)], missing)

    # changing places
    def _promote(self, heir: Leg, ts_good: Nanos, reason: str) -> None:
        before, self._primary = self._primary, heir
        before.is_primary = False
        kept, cut = heir.take_over(self._clock.monotonic())
        self.listener.disconnected(cut, ts_good, f"{reason}; {heir.name} carries on")
        heir.begin_anew(cut)
        heir.tell_confirmed(kept)
        if before.connection.is_open:
            self._follow(before)  # what it still brings while it closes is as good as a spare's

    def _follow(self, leg: Leg) -> None:
        leg.follow()
        if not self._is_letting_go:
            self._is_letting_go = True
            self._spawn(self._let_go(), f"{self.name} spares")

    async def _let_go(self) -> None:
        is_needed = True
        while is_needed:
            await self._clock.sleep(_PATIENCE / 2)
            until = self._clock.now() - round(_PATIENCE * 1e9)
            is_needed = [leg.let_go(until) for leg in self._all()].count(True) > 0
        self._is_letting_go = False

    def _watch_age(self, leg: Leg) -> None:
        declared = self._info.sockets.get(self.endpoint)
        ages = [
            (seconds, why)
            for seconds, why in (
                (declared.max_age if declared is not None else None, "rotated before the exchange's"),
                (leg.renew_after, "rotated to renew its address after"),
            )
            if seconds is not None
        ]
        if ages:
            seconds, why = min(ages)
            leg.ageing = self._spawn(self._age(leg, seconds, f"{why} {_words(seconds)}"), f"{leg.name} rotation")

    async def _age(self, leg: Leg, seconds: float, why: str) -> None:
        margin = min(_MOST_MARGIN, seconds / 10)
        await self._clock.sleep(seconds - margin * (1 + self._jitter()))
        await self._replace(leg, why)

    async def _replace(self, leg: Leg, why: str) -> None:
        # ends with the leg: what comes too late is an ordinary disconnection
        leg.is_rotating = True
        self._rotations.flowed(self._clock.monotonic() - leg.opened_at)
        delay = self._rotations.failed()
        if self._rotations.attempt > 1:
            await self._clock.sleep(delay)  # an exchange that is always about to close must not be dialled at once
        backoff = Backoff(self._policy)
        while not await self._is_replaced(leg, why):
            delay = backoff.failed()
            _log.warning(
                "%s %s: no replacement has caught up, attempt %d, next in %.1f s",
                self._info.id, leg.name, backoff.attempt, delay,
            )  # fmt: skip
            await self._clock.sleep(delay)

    async def _is_replaced(self, leg: Leg, why: str) -> bool:
        fresh = self._leg(leg.name)
        fresh.is_installed = False
        leg.successor = fresh
        for subscription in leg.connection.wanted:
            fresh.connection.subscribe(subscription)
        self._run(fresh)
        try:
            async with self._clock.timeout(_CATCH_UP):
                await self._caught_up(fresh)
            if leg is self._primary:
                self._promote(fresh, leg.connection.ts_last, why)
            self._install(fresh, leg, why)
        except TimeoutError:
            return False
        finally:
            if not fresh.is_installed:
                leg.successor = None
                await self._discard(fresh)
        leg.ageing = None  # this very task
        await self._discard(leg)
        return True

    async def _caught_up(self, leg: Leg) -> None:
        while True:
            await self._clock.sleep(_LOOK)
            now = self._clock.monotonic()
            if leg.connection.is_open and all(leg.is_caught_up(one, now) for one in leg.connection.wanted):
                return

    def _install(self, fresh: Leg, leg: Leg, why: str) -> None:
        self._legs[self._legs.index(leg)] = fresh
        leg.successor = None
        fresh.is_installed = True
        self._watch_age(fresh)
        if fresh.closes_within is not None:
            self.closing(fresh, fresh.closes_within)
        _log.info("%s %s: %s", self._info.id, fresh.name, why)
        host, count = fresh.connection.host, len(fresh.connection.wanted)
        now = self._clock.now()
        self.listener.on_quality(
            Reconnected(self._info.id, None, None, now, None, fresh.name, Severity.INFO, host, why, 1, 0, count)
        )


def _words(seconds: float) -> str:
    return f"{seconds / 3_600:g} h" if seconds >= 3_600 else f"{seconds:g} s"
