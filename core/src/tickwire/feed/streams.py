"""One subscription's state and the events that it lets through: what trades and books have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum, auto

import attrs

from tickwire.feed.exactness import ExactnessCheck, Inexactness
from tickwire.model.channels import Channel, Subscription
from tickwire.model.clock import Clock, Nanos
from tickwire.model.events import MarketEvent
from tickwire.model.quality import (
    Event,
    Gap,
    GapCause,
    Inexact,
    Repair,
    Severity,
    Subscribed,
    Unsubscribed,
    UnsubscribeReason,
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
    """

    repair = Repair.NONE

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
            on_first: Called once, when coverage begins.
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

    def asked(self, connection: str) -> None:
        """Note that a frame asking for it was sent."""
        self.connection = connection
        self.state = SubscriptionState.PENDING

    def confirmed(self, now: Nanos) -> None:
        """Note that the exchange acknowledged it, or that data came."""
        if self.state is SubscriptionState.ACTIVE:
            return
        self.state = SubscriptionState.ACTIVE
        if self._since is None:
            self._since = now
            self._on_first()
            self._emit(Subscribed(*self._header(now), Severity.INFO, now))

    def ended(self, reason: UnsubscribeReason) -> None:
        """Say that coverage ends here."""
        now = self._clock.now()
        is_refused = reason is UnsubscribeReason.REFUSED
        self.state = SubscriptionState.REFUSED if is_refused else SubscriptionState.WANTED
        self._since = None
        severity = Severity.ERROR if is_refused else Severity.INFO
        self._emit(Unsubscribed(*self._header(now), severity, reason))

    def disconnected(self, ts_good: Nanos, detail: str) -> None:
        """Note that its connection ended; ``ts_good``: until then nothing is missing."""
        if self.state is SubscriptionState.REFUSED:
            return
        was_active = self.state is SubscriptionState.ACTIVE
        self.state = SubscriptionState.WANTED
        if was_active and self.gap is None:
            self.open_gap(GapCause.DISCONNECTED, ts_good, detail)

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
        event: MarketEvent,
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

    # data
    def on_event(self, event: MarketEvent) -> None:
        """Let an event through; nothing tells how many are missing after a hole.

        Raises:
            DecodeError: It holds nan or infinity.
        """
        if inexact := self._exactness.look_at(event):
            self._tell(inexact, event.ts_recv)
        if self.gap is not None:
            self.end_gap(
                event, self.gap.cause, f"{self.subscription.label} flows again; how many are missing is not known"
            )
        self._passed(event)

    def _tell(self, inexact: Iterable[Inexactness], ts_recv: Nanos) -> None:
        self._limits = self._exactness.limits
        self.confirmed(ts_recv)
        for one in inexact:
            self._emit(Inexact(*self._header(ts_recv), Severity.WARNING, one.field, one.digits, one.sample))

    def _passed(self, event: MarketEvent) -> None:
        self.count += 1
        self.ts_last = event.ts_recv
        if self.state is not ACTIVE:
            self.confirmed(event.ts_recv)
        self._emit(event)
