"""One subscription's state and the events that it lets through: what trades and books have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum, auto

import attrs

from tickwire.feed.exactness import ExactnessCheck, Inexactness
from tickwire.feed.marks import Mark
from tickwire.feed.merging import Merge, Tail
from tickwire.model.account import AccountEvent
from tickwire.model.channels import Channel, Subscription
from tickwire.model.clock import Clock, Nanos
from tickwire.model.events import MarketEvent
from tickwire.model.quality import (
    Event,
    Gap,
    GapCause,
    Inexact,
    Recovered,
    Repair,
    Severity,
    Stale,
    StaleAction,
    Subscribed,
    Unsubscribed,
    UnsubscribeReason,
    Watermark,
)

__all__ = ["OpenGap", "Stream", "SubscriptionState", "SubscriptionStatus"]


class SubscriptionState(StrEnum):
    """From wanted to flowing. ``PENDING``: asked for, neither confirmed nor seen yet."""

    WANTED = auto()
    PENDING = auto()
    ACTIVE = auto()
    REFUSED = auto()


ACTIVE = SubscriptionState.ACTIVE  # looking a member up costs as much as a call on the message path


@attrs.frozen
class SubscriptionStatus:
    """How one subscription is doing.

    Attributes:
        state: Where it is.
        ts_last: When its last event reached us.
        rate: Events per second since coverage began.
        open_gap: ``gap_id`` of the hole that is open now.
    """

    state: SubscriptionState
    ts_last: Nanos | None
    rate: float
    open_gap: str | None


@attrs.frozen
class OpenGap:
    """A hole that nothing has closed yet: its name, last good time, and when it was noticed."""

    gap_id: str
    cause: GapCause
    ts_start: Nanos | None
    ts_noticed: Nanos


class Stream:
    """A subscription between the router and the user; subclasses check continuity.

    Attributes:
        subscription: What it is.
        state: Where it is.
        gap: The hole that is open now.
        ts_last: When its last event reached us.
        count: Events let through.
        fetched: Those of them that came over REST and prove nothing of the socket.
        kept: Events that reached us and wait.
        asks: How often it was asked for.
        is_stale: The watchdog called it stale, and it did not flow since.
        limited_at: Since when what it needs over REST waits, because the exchange asked for fewer requests.
        ts_until: Its last watermark.
        is_verified: As ``ExchangeInfo.is_verified`` says of its channel.
        on_mark: Told how far it is complete, with the event that says so; ``None``: nobody keeps it.
        merge: Where the events of several connections come together, once there are several.
    """

    repair = Repair.NONE
    fetched = 0
    kept = 0
    asks = 0
    is_stale = False
    limited_at: Nanos | None = None
    ts_until: Nanos | None = None
    on_mark: Callable[[Mark, Event], None] | None = None
    is_verified: bool | None = None
    merge: Merge | Tail | None = None

    def __init__(
        self,
        subscription: Subscription,
        exchange: str,
        clock: Clock,
        emit: Callable[[Event], None],
        on_first: Callable[[], None] = lambda: None,
        numbers: type = float,
    ) -> None:
        """Make a stream that is only wanted yet.

        Args:
            subscription: What it is.
            exchange: The exchange's id.
            clock: Dates the quality events.
            emit: Takes the events.
            on_first: Called when the exchange has acknowledged it or data came.
            numbers: ``float``: values that lose digits are announced; or ``Decimal``.
        """
        self.subscription = subscription
        self.state = SubscriptionState.WANTED
        self.gap: OpenGap | None = None
        self.ts_last: Nanos | None = None
        self.count = 0
        self.connection: str | None = None
        self._exchange = exchange
        self._clock = clock
        self._emit = emit
        self._on_first = on_first
        self._since: Nanos | None = None
        self._gap_number: Nanos = 0
        self._exactness = ExactnessCheck(subscription.instrument, numbers)
        self._limits = self._exactness.limits

    # life
    @property
    def is_covered(self) -> bool:
        """Whether coverage has begun and not ended."""
        return self._since is not None

    @property
    def ts_since(self) -> Nanos | None:
        """When coverage began."""
        return self._since

    @property
    def heard(self) -> int:
        """Events that came over the socket, let through or kept."""
        return self.count - self.fetched + self.kept

    @property
    def is_settled(self) -> bool:
        """Whether nothing is open: what the exchange sent was let through or announced as missing."""
        return self.state is ACTIVE and self.gap is None and not self.is_stale

    @property
    def latency(self) -> Nanos | None:
        """Give how long the last event was on its way, where its own time is kept."""
        return None

    def asked(self, connection: str) -> None:
        """Note that a frame asking for it was sent."""
        self.asks += 1
        self.connection = connection
        self.state = SubscriptionState.PENDING

    def confirmed(self, now: Nanos) -> None:
        """Note that the exchange acknowledged it, or that data came."""
        if self.state is SubscriptionState.ACTIVE:
            return
        self.state = SubscriptionState.ACTIVE
        if self._since is None:
            self.begin(now, now)

    def arrived(self, now: Nanos) -> None:
        """Note that data came: it is confirmed, and covered from here on."""
        self.confirmed(now)

    def begin(self, ts_since: Nanos, now: Nanos) -> None:
        """Say since when it is covered."""
        self._since = ts_since
        self._on_first()
        began = Subscribed(*self._header(now), Severity.INFO, ts_since, self.is_verified)
        # a run killed before its first watermark leaves a hole too; one since the last run still stands as it was
        if self.gap is None:
            self._mark(ts_since, began)
        self._emit(began)

    def ended(self, reason: UnsubscribeReason) -> None:
        """Say that coverage ends here."""
        now = self._clock.now()
        is_refused = reason is UnsubscribeReason.REFUSED
        self.state = SubscriptionState.REFUSED if is_refused else SubscriptionState.WANTED
        self._since = None
        severity = Severity.ERROR if is_refused else Severity.INFO
        self._emit(Unsubscribed(*self._header(now), severity, reason))

    def complete_until(self, ts: Nanos) -> None:
        """Say so, unless something is open, or as much was said before."""
        if self.is_settled and self._since is not None and ts > max(self._since, self.ts_until or 0):
            self.ts_until = ts
            watermark = Watermark(*self._header(self._clock.now()), Severity.INFO, ts)
            self._mark(ts, watermark)
            self._emit(watermark)

    def _mark(self, ts: Nanos, event: Event) -> None:
        if self.on_mark is not None:
            self.on_mark(self.mark(ts), event)

    def stale(self, threshold: Nanos, action: StaleAction) -> None:
        """Say that nothing came for longer than ``threshold``, and what is done about it."""
        self.is_stale = True
        header = self._header(self._clock.now())
        self._emit(Stale(*header, Severity.WARNING, self.ts_last, threshold, action))

    def recovered(self, ts_down: Nanos) -> None:
        """Say that it flows again, after how long, unless it waits for REST as well."""
        self.is_stale = False
        if self.limited_at is None:
            self._emit(Recovered(*self._header(self._clock.now()), Severity.INFO, ts_down))

    def limited(self, seconds: float) -> None:
        """Say that what it needs over REST waits for so long: the exchange asked for fewer requests."""
        now = self._clock.now()
        self.limited_at = now if self.limited_at is None else self.limited_at
        wait = round(seconds * 1e9)
        self._emit(Stale(*self._header(now), Severity.WARNING, self.ts_last, wait, StaleAction.NONE))

    def served(self) -> None:
        """Note that it has what it needed, and say that it has recovered if it had to wait for it."""
        since, self.limited_at = self.limited_at, None
        if since is not None and not self.is_stale:
            self.recovered(self._clock.now() - since)

    def disconnected(self, ts_good: Nanos, detail: str, cause: GapCause = GapCause.DISCONNECTED) -> None:
        """Note that its connection ended; ``ts_good``: until then nothing is missing."""
        if self.state is SubscriptionState.REFUSED:
            return
        self.state = SubscriptionState.WANTED
        if self.is_covered and self.gap is None:
            self.open_gap(cause, ts_good, detail)

    def resume(self, mark: Mark) -> None:
        """Announce the hole since the last run."""
        since = (self._clock.now() - mark.ts_until) / 1e9
        self.open_gap(GapCause.NOT_RUNNING, mark.ts_until, f"not running for {since:,.0f} s")
        if self.gap is not None:
            self.gap = attrs.evolve(self.gap, ts_noticed=mark.ts_until)

    def mark(self, ts_until: Nanos) -> Mark:
        """Say how far it is complete."""
        return Mark(ts_until)

    def open_gap(
        self,
        cause: GapCause,
        ts_good: Nanos | None,
        detail: str,
        first_missing: int | None = None,
        last_missing: int | None = None,
    ) -> None:
        """Announce a hole whose end is not known yet."""
        now = self._clock.now()
        self.gap = self._named_gap(cause, ts_good, now)
        missing = None if first_missing is None or last_missing is None else last_missing - first_missing + 1
        self._emit(
            Gap(
                *self._header(now),
                Severity.WARNING,
                self.gap.gap_id,
                cause,
                ts_good,
                None,
                first_missing,
                last_missing,
                missing,
                self.repair,
                detail,
            )
        )

    def end_gap(
        self,
        event: MarketEvent | AccountEvent,
        cause: GapCause,
        detail: str,
        first_missing: int | None = None,
        last_missing: int | None = None,
        missing: int | None = None,
    ) -> None:
        """Announce where a hole ends: the open one, which keeps its name and cause, or one noticed only now.

        Args:
            event: The first after the hole.
            cause: Of a hole noticed only now.
            detail: For a person.
            first_missing: First missing id, where ids are counted.
            last_missing: Last missing id.
            missing: How many; 0: the ids prove that nothing was lost.
        """
        now = self._clock.now()
        gap, self.gap = self.gap or self._named_gap(cause, self.ts_last, now), None
        severity = Severity.INFO if missing == 0 else Severity.WARNING
        self._emit(
            Gap(
                *self._header(now),
                severity,
                gap.gap_id,
                gap.cause,
                gap.ts_start,
                event.ts_recv,
                first_missing,
                last_missing,
                missing,
                Repair.NONE,
                detail,
            )
        )

    def _named_gap(self, cause: GapCause, ts_start: Nanos | None, now: Nanos) -> OpenGap:
        # two holes noticed at one reading of the clock still have names of their own
        self._gap_number = max(now, self._gap_number + 1)
        name = f"{self._exchange}/{self.subscription.symbol or '*'}/{self.subscription.label}/{self._gap_number}"
        return OpenGap(name, cause, ts_start, now)

    def status(self) -> SubscriptionStatus:
        """Sum it up."""
        elapsed = (self._clock.now() - self._since) / 1e9 if self._since is not None else 0.0
        rate = self.count / elapsed if elapsed > 0 else 0.0
        return SubscriptionStatus(self.state, self.ts_last, rate, self.gap.gap_id if self.gap else None)

    def _header(self, now: Nanos) -> tuple[str, str | None, None, Nanos, Channel, str | None]:
        return (self._exchange, self.subscription.symbol, None, now, self.subscription.channel, self.connection)

    # several connections
    @property
    def is_following(self) -> bool:
        """Whether the next event has something to follow."""
        return True

    def join(self) -> Merge | Tail | None:
        """Give where several connections' events come together; ``None``: nothing tells which event follows which."""
        return None

    # data
    def on_event(self, event: MarketEvent | AccountEvent) -> None:
        """Let an event through; nothing tells how many are missing after a hole.

        Raises:
            DecodeError: It holds nan or infinity.
        """
        if inexact := self._exactness.look_at(event):
            self._tell(inexact, event.ts_recv)
        if self.gap is not None:
            self.arrived(event.ts_recv)
            label, channel = self.subscription.label, self.subscription.channel
            which = "" if label == channel else f"{label} "  # the channel stands in the event
            self.end_gap(event, self.gap.cause, f"{which}flows again; how many are missing is not known")
        self._passed(event)

    def _tell(self, inexact: Iterable[Inexactness], ts_recv: Nanos) -> None:
        self._limits = self._exactness.limits
        self.arrived(ts_recv)
        for one in inexact:
            self._emit(Inexact(*self._header(ts_recv), Severity.WARNING, one.field, one.digits, one.sample))

    def _passed(self, event: MarketEvent | AccountEvent) -> None:
        self.count += 1
        self.ts_last = event.ts_recv
        if self.state is not ACTIVE:
            self.arrived(event.ts_recv)
        self._emit(event)
