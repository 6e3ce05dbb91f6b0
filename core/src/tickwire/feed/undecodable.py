"""Frames of one connection that could not be read: counted where numbers tell what was in them, else a gap each second.

Who reads the stream must know that something may be missing, and of what connection; not see the same line a thousand
times a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tickwire.model.channels import Channel, Subscription
from tickwire.model.clock import Clock, Nanos
from tickwire.model.quality import Event, Gap, GapCause, Repair, Severity
from tickwire.model.sequence import SequenceRule
from tickwire.plugin.info import ExchangeInfo, Ids

__all__ = ["UndecodableFrames", "is_numbered"]

_PAUSE = 1_000_000_000
_NUMBERED = (SequenceRule.CONSECUTIVE, SequenceRule.LINKED)
_QUOTED = 200


class UndecodableFrames:
    """Announces the frames of one connection that were dropped, at most once a second."""

    def __init__(self, info: ExchangeInfo, connection: str, clock: Clock, emit: Callable[[Event], None]) -> None:
        """Begin without any.

        Args:
            info: Tells which channels are numbered.
            connection: Its name.
            clock: Dates the gaps.
            emit: Takes them.
        """
        self._info = info
        self._connection = connection
        self._clock = clock
        self._emit = emit
        self._count = 0
        self._error = ""
        self._ts_start: Nanos = 0
        self._ts_end: Nanos = 0
        self._told_at: Nanos | None = None

    def dropped(
        self, error: Exception, carried: Iterable[Subscription], ts_before: Nanos, ts_recv: Nanos
    ) -> list[Subscription]:
        """Note one, and give the subscriptions of which no number will tell whether it was theirs.

        Args:
            error: Why.
            carried: What it may have held; if all of that is numbered, the numbers will tell what is missing.
            ts_before: When the frame before it came.
            ts_recv: When it came itself.
        """
        unnumbered = [subscription for subscription in carried if not is_numbered(self._info, subscription)]
        if not unnumbered:
            return unnumbered
        if not self._count:
            self._ts_start = ts_before
        self._count += 1
        self._error = f"{type(error).__name__}: {error}"[:_QUOTED]
        self._ts_end = ts_recv
        self.flush()
        return unnumbered

    def flush(self, *, at_once: bool = False) -> None:
        """Announce those not announced yet, if the last announcement is a second old; ``at_once``: in any case."""
        now = self._clock.now()
        if not self._count or (not at_once and self._told_at is not None and 0 <= now - self._told_at < _PAUSE):
            return
        exchange, name, count = self._info.id, self._connection, self._count
        self._told_at, self._count = now, 0
        self._emit(
            Gap(
                exchange,
                None,
                None,
                now,
                None,
                name,
                Severity.WARNING,
                f"{exchange}/*/{name}/{now}",
                GapCause.DECODE,
                self._ts_start,
                self._ts_end,
                repair=Repair.NONE,
                detail=f"{count:,} frame{'s' if count > 1 else ''} could not be read, the last: {self._error}",
            )
        )


def is_numbered(info: ExchangeInfo, subscription: Subscription) -> bool:
    """Tell whether the subscription's own numbers show that something is missing."""
    if subscription.channel is Channel.L2_BOOK:
        return info.book is not None and info.book.sequence in _NUMBERED
    declared = info.channels.get(subscription.channel)
    return subscription.channel is Channel.TRADES and declared is not None and declared.ids is Ids.CONSECUTIVE
