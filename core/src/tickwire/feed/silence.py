"""How long may one stream say nothing? A threshold of its own rate, longer after each silence that was harmless."""

from __future__ import annotations

from enum import StrEnum, auto

import attrs

from tickwire.model.channels import Channel

__all__ = ["CLOCKS_APART", "FLOOR", "ProbeResult", "SilenceRule", "SilenceSettings", "Watching", "is_watched"]

FLOOR = 30.0
"""Seconds; no silence below this is looked into."""

CLOCKS_APART = 2_000_000_000
"""Nanoseconds that the exchange's clock may be ahead of ours."""

_CAP = 3600.0
_ANSWER_WITHIN = 10.0
_INTERVALS = 20.0
_SURVIVED = 3.0
_RECENT = 3600.0
_RATE_KNOWN = 10


@attrs.frozen
class SilenceSettings:
    """When silence is looked into, seconds.

    Attributes:
        floor: No stream's silence below this is.
        answer_within: An exchange that acknowledges subscriptions does so by then.
    """

    floor: float = FLOOR
    answer_within: float = _ANSWER_WITHIN


class ProbeResult(StrEnum):
    """What REST says of a silent stream.

    ``HEALTHY``: there was nothing to send. ``MISSING``: there is newer data. ``UNKNOWN``: it could not be asked now.
    ``CANNOT_TELL``: it never can.
    """

    HEALTHY = auto()
    MISSING = auto()
    UNKNOWN = auto()
    CANNOT_TELL = auto()


class Watching(StrEnum):
    """When a channel's silence means something: always, once its rate is known, or never."""

    ALWAYS = auto()
    BY_RATE = auto()
    NEVER = auto()


_WATCHING = {
    **dict.fromkeys((Channel.TRADES, Channel.L2_BOOK, Channel.L1_BOOK, Channel.TICKER), Watching.ALWAYS),
    **dict.fromkeys((Channel.CANDLES, Channel.FUNDING, Channel.OPEN_INTEREST, Channel.MARK_PRICE), Watching.BY_RATE),
}


def is_watched(channel: Channel, count: int) -> bool:
    """Tell whether the silence of a channel means something after ``count`` events."""
    watching = _WATCHING.get(channel, Watching.NEVER)
    return watching is Watching.ALWAYS or (watching is Watching.BY_RATE and count >= _RATE_KNOWN)


class SilenceRule:
    """The threshold of one stream; no I/O, times in seconds of any clock that does not jump."""

    def __init__(self, floor: float = FLOOR) -> None:
        """Begin without experience."""
        self._floor = floor
        self._doublings = 0
        self._longest = [0.0, 0.0]  # in the current hour of watching, and in the one before
        self._turned_at = 0.0

    def threshold(self, count: int, elapsed: float, now: float) -> float:
        """Give how long a silence may last.

        It is the longest of a floor, twenty times the mean interval between events, and three times the longest
        silence of the last one to two hours that ended by itself; doubled each time the present one was proved
        harmless; an hour at most.

        Args:
            count: Events since coverage began.
            elapsed: Seconds from then to the last event: the present silence is no part of the rate.
            now: The time now.
        """
        self._turn(now)
        mean = elapsed / count if count else 0.0
        plain = max(self._floor, _INTERVALS * mean, _SURVIVED * max(self._longest))
        return min(_CAP, plain * 2.0 ** min(self._doublings, 12))

    def harmless(self) -> None:
        """Note that the present silence was looked into, and that nothing is wrong or nothing helped."""
        self._doublings += 1

    def flowed(self, silence: float, now: float, *, by_itself: bool) -> None:
        """Note that a silence is over.

        Args:
            silence: How long it was.
            now: The time now.
            by_itself: Nothing that was done about it ended it.
        """
        self._doublings = 0
        if by_itself:
            self._turn(now)
            self._longest[0] = max(self._longest[0], silence)

    def _turn(self, now: float) -> None:
        if now - self._turned_at >= _RECENT:
            is_long_ago = now - self._turned_at >= 2 * _RECENT
            self._longest = [0.0, 0.0 if is_long_ago else self._longest[0]]
            self._turned_at = now
