"""Which streams have fallen silent though their exchange has something to say? Asks before it acts, and says so.

Only events of the stream itself end its silence: neither pongs nor what other streams of the connection bring. Where
REST can tell, it is asked first, and a quiet market is left alone. Else, and where data is missing, the subscription is
asked for anew, then its connection is made anew; each time the threshold doubles, so that a stream that cannot be
helped is not a storm.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

import attrs

from tickwire.feed.books import BookStream
from tickwire.feed.silence import ProbeResult, SilenceRule, SilenceSettings, is_watched
from tickwire.feed.silence_probe import SilenceProbe
from tickwire.feed.streams import Stream, SubscriptionState
from tickwire.model.channels import Subscription
from tickwire.model.clock import Clock, Nanos
from tickwire.model.health import Health, HealthStatus
from tickwire.model.quality import GapCause, StaleAction
from tickwire.plugin.info import ExchangeInfo

__all__ = ["Carrier", "Watchdog"]

_log = logging.getLogger(__name__)

_EVERY = 1.0
_HELPED_WITHIN = 10.0  # data that comes as soon as this after an action came of it
_GRACE = 1.0  # REST may be ahead of the socket by as much
_AT_ONCE = 2
_OPEN = (SubscriptionState.PENDING, SubscriptionState.ACTIVE)


class Carrier(Protocol):
    """What the watchdog can do to a connection."""

    def resubscribe(self, subscription: Subscription) -> None:
        """Ask anew for one subscription."""
        ...

    def reconnect(self, reason: str) -> None:
        """End the connection so that it is made anew."""
        ...


@attrs.define(eq=False)
class _Watch:
    # times are seconds of listening
    stream: Stream
    armed: float
    since: float
    quiet_since: float
    ts_asked: Nanos
    heard: int
    asks: int
    rule: SilenceRule
    last: float | None = None  # when an event was seen last
    due: float = 0.0  # not looked into before
    acted_at: float | None = None
    is_asking: bool = False
    unknowns: int = 0
    unanswered: int = 0

    def threshold(self, now: float) -> float:
        elapsed = self.last - self.armed if self.last is not None else 0.0
        return self.rule.threshold(self.heard, elapsed, now)


class Watchdog:
    """Watches the streams of one feed, about once a second and off the read path."""

    def __init__(
        self,
        info: ExchangeInfo,
        clock: Clock,
        probe: SilenceProbe,
        health: Health,
        streams: Callable[[], Iterable[Stream]],
        carrier: Callable[[Subscription], Carrier | None],
        is_listening: Callable[[], bool],
        settings: SilenceSettings,
    ) -> None:
        """Make one for a feed.

        Args:
            info: Tells which subscriptions are acknowledged.
            clock: Tells the time.
            probe: Asks REST.
            health: Is told which streams are stale.
            streams: Gives all streams.
            carrier: Gives the connection of a subscription.
            is_listening: Whether the sockets are read; while they are not, silence means nothing.
            settings: When silence is looked into.
        """
        self._info = info
        self._clock = clock
        self._probe = probe
        self._health = health
        self._streams = streams
        self._carrier = carrier
        self._is_listening = is_listening
        self._settings = settings
        self._watches: dict[Stream, _Watch] = {}
        self._time = 0.0
        self._checked_at = clock.monotonic()
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Watch, for ever."""
        async with asyncio.TaskGroup() as self._tasks:
            while True:
                await self._clock.sleep(_EVERY)
                self.check()

    def check(self) -> None:
        """Look at every stream once."""
        now = self._clock.monotonic()
        # while the loop was blocked or the sockets were paused, nobody listened: that is no silence
        self._time += min(now - self._checked_at, 2 * _EVERY) if self._is_listening() else 0.0
        self._checked_at = now
        watches, streams = self._watches, list(self._streams())
        for stream in streams:
            watch = watches.get(stream)
            if watch is None:
                watches[stream] = self._arm(stream)
            elif stream.heard != watch.heard or (watch.unanswered and stream.state is SubscriptionState.ACTIVE):
                self._flowed(watch)
            elif stream.state not in _OPEN:
                watch.since = self._time
            elif stream.asks != watch.asks:
                self._asked(watch)
            elif self._time - watch.since >= min(self._settings.answer_within, self._settings.floor):
                self._silent(watch, self._time - watch.since)
        if len(watches) > len(streams):
            for stream in watches.keys() - set(streams):
                self._forget(watches.pop(stream))

    def _arm(self, stream: Stream) -> _Watch:
        now = self._time
        return _Watch(
            stream, now, now, now, self._clock.now(), stream.heard, stream.asks, SilenceRule(self._settings.floor)
        )

    def _forget(self, watch: _Watch) -> None:
        self._health.clear(_cause(watch.stream))

    def _asked(self, watch: _Watch) -> None:
        watch.asks, watch.since, watch.due = watch.stream.asks, self._time, 0.0
        watch.ts_asked = self._clock.now()
        if watch.acted_at is None:
            watch.quiet_since = self._time

    def _flowed(self, watch: _Watch) -> None:
        now, stream = self._time, watch.stream
        silence = now - watch.quiet_since
        if stream.is_stale:
            stream.recovered(_nanos(silence))
            self._health.clear(_cause(stream))
        if silence > _HELPED_WITHIN:
            by_itself = watch.acted_at is None or now - watch.acted_at > _HELPED_WITHIN
            watch.rule.flowed(silence, now, by_itself=by_itself)
        watch.heard, watch.asks = stream.heard, stream.asks
        watch.last = watch.since = watch.quiet_since = now
        watch.due, watch.acted_at, watch.unknowns, watch.unanswered = 0.0, None, 0, 0

    def _silent(self, watch: _Watch, silence: float) -> None:
        stream = watch.stream
        channel = stream.subscription.channel
        if watch.is_asking or self._time < watch.due:
            return
        if isinstance(stream, BookStream) and not stream.book.is_synced and self._probe.can_tell(stream):
            return  # it waits for REST, perhaps for its budget: no fault of the socket
        if stream.state is SubscriptionState.PENDING and self._info.channels[channel].acknowledged:
            self._unanswered(watch, silence)
        elif is_watched(channel, stream.count):
            threshold = watch.threshold(self._time)
            # books that need a snapshot go first, but not for ever
            if silence >= threshold and not (silence < 2 * threshold and self._probe.is_crowded):
                self._suspect(watch, threshold)

    def _unanswered(self, watch: _Watch, silence: float) -> None:
        stream = watch.stream
        threshold = self._settings.answer_within * 2.0 ** max(0, watch.unanswered - 1)
        if silence < min(threshold, 3600.0):
            return
        watch.unanswered += 1
        if watch.unanswered == 1:
            _log.info("%s: %s was not answered, asking again", self._info.id, stream.subscription)
            watch.acted_at = self._time
            self._resubscribe(watch)
        else:
            self._act(watch, threshold, StaleAction.RECONNECT, "was not answered")

    def _suspect(self, watch: _Watch, threshold: float) -> None:
        if not self._probe.can_tell(watch.stream):
            self._judge(watch, threshold, ProbeResult.CANNOT_TELL)
            return
        assert self._tasks is not None
        watch.is_asking = True
        self._tasks.create_task(self._ask(watch, threshold), name=f"watchdog {watch.stream.subscription}")

    async def _ask(self, watch: _Watch, threshold: float) -> None:
        stream = watch.stream
        heard, asks = stream.heard, stream.asks
        try:
            async with self._at_once:
                result = await self._probe.ask(stream, watch.ts_asked)
            if result is ProbeResult.MISSING:
                await self._clock.sleep(_GRACE)
        finally:
            watch.is_asking = False
        if stream.heard == heard and stream.asks == asks and stream in self._watches and stream.state in _OPEN:
            self._judge(watch, threshold, result)

    def _judge(self, watch: _Watch, threshold: float, result: ProbeResult) -> None:
        if result is ProbeResult.UNKNOWN:
            watch.unknowns += 1
            if watch.unknowns == 1:
                watch.due = self._time + threshold
                return
        watch.unknowns = 0
        if result is ProbeResult.HEALTHY:
            watch.rule.harmless()
            watch.due = self._time + threshold
            return
        action = StaleAction.RESUBSCRIBE if watch.acted_at is None else StaleAction.RECONNECT
        proof = ", and REST has newer data" if result is ProbeResult.MISSING else ""
        is_lost = result is ProbeResult.MISSING or isinstance(watch.stream, BookStream)
        self._act(watch, threshold, action, f"was silent for {self._time - watch.quiet_since:.0f} s{proof}", is_lost)

    def _act(self, watch: _Watch, threshold: float, action: StaleAction, why: str, is_lost: bool = False) -> None:
        stream = watch.stream
        reason = f"{stream.subscription} {why}"
        self._health.trouble(_cause(stream), HealthStatus.DEGRADED, reason)
        stream.stale(_nanos(threshold), action)
        if is_lost and stream.is_covered and stream.gap is None:
            if isinstance(stream, BookStream):
                stream.book.lose_sync()
            stream.open_gap(GapCause.STALE, stream.ts_last, reason)
        watch.acted_at = self._time
        if action is StaleAction.RESUBSCRIBE:
            self._resubscribe(watch)
        else:
            self._reconnect(watch, reason)

    def _resubscribe(self, watch: _Watch) -> None:
        watch.since = self._time
        carrier = self._carrier(watch.stream.subscription)
        if carrier is not None:
            carrier.resubscribe(watch.stream.subscription)

    def _reconnect(self, watch: _Watch, reason: str) -> None:
        carrier = self._carrier(watch.stream.subscription)
        for other in self._watches.values():
            if self._carrier(other.stream.subscription) is carrier and (other.stream.is_stale or other is watch):
                # it stands for all that were waiting for the same
                other.rule.harmless()
                other.acted_at = other.since = self._time
        if carrier is not None:
            carrier.reconnect(f"watchdog: {reason}")


def _cause(stream: Stream) -> str:
    return f"stale {stream.subscription}"


def _nanos(seconds: float) -> Nanos:
    return round(seconds * 1e9)
