"""How wrong is our clock? What the ``Date`` of an exchange's answers proves, and a clock corrected by it.

``Date`` is the exchange's time cut to whole seconds, at some moment between our request and its answer. So one answer
bounds the difference from both sides, and many answers narrow it down to about the fastest round trip.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from tickwire.model.clock import Clock, Nanos

__all__ = ["ExchangeClock", "SkewEstimate", "date_of"]

_log = logging.getLogger(__name__)

_SECOND = 1_000_000_000
_WORTH_A_WARNING = _SECOND


class SkewEstimate:
    """The exchange's clock less ours, ns; no I/O.

    Attributes:
        low: It is at least this, as far as the answers tell; ``None``: there was none yet.
        high: It is at most this.
    """

    def __init__(self) -> None:
        """Begin knowing nothing."""
        self.low: Nanos | None = None
        self.high: Nanos | None = None

    def observe(self, date: Nanos, ts_sent: Nanos, ts_recv: Nanos) -> None:
        """Learn from one answer; one that contradicts the others means that a clock was set, and begins anew.

        Args:
            date: Its ``Date``, whole seconds in ns.
            ts_sent: Our time when the request left.
            ts_recv: Our time when the answer was complete.
        """
        if ts_recv < ts_sent:
            return  # our clock was set back meanwhile
        low, high = date - ts_recv, date + _SECOND - ts_sent
        if self.low is not None and self.high is not None and low <= self.high and high >= self.low:
            low, high = max(low, self.low), min(high, self.high)
        self.low, self.high = low, high

    @property
    def skew(self) -> Nanos:
        """What to add to our time: 0 while nothing proves it wrong, else the middle of what is possible.

        The middle is never further off than half of what is not known; a clock that may be right is left alone.
        """
        low, high = self.low, self.high
        if low is None or high is None or low <= 0 <= high:
            return 0
        return (low + high) // 2


class ExchangeClock:
    """The exchange's time as far as its answers tell: what signers are given.

    Attributes:
        estimate: How far ours is off.
    """

    def __init__(self, exchange: str, clock: Clock) -> None:
        """Begin with our own time."""
        self.estimate = SkewEstimate()
        self._exchange = exchange
        self._clock = clock
        self._is_told = False

    def now(self) -> Nanos:
        """Give ns since 1970 UTC."""
        return self._clock.now() + self.estimate.skew

    def answered(self, headers: Mapping[str, str], ts_sent: Nanos, ts_recv: Nanos) -> None:
        """Learn from the headers of an answer; our times."""
        date = date_of(headers)
        if date is None:
            return
        self.estimate.observe(date, ts_sent, ts_recv)
        if abs(self.estimate.skew) > _WORTH_A_WARNING and not self._is_told:
            self._is_told = True
            _log.warning("%s: %s; signatures are dated accordingly, set the clock right", self._exchange, self.verdict)

    @property
    def verdict(self) -> str:
        """Say in words by how much the clock is wrong; empty while it is not by more than a second."""
        skew = self.estimate.skew
        if abs(skew) <= _WORTH_A_WARNING:
            return ""
        return f"the clock is {abs(skew) / 1e9:.0f} s {'behind' if skew > 0 else 'ahead'}"


def date_of(headers: Mapping[str, str]) -> Nanos | None:
    """Give an answer's ``Date`` in ns, ``None`` where it has none or a cache kept it (``Age`` above 0)."""
    # a transport's mapping may know the spelling it received only
    found = {name.lower(): text for name, text in headers.items() if name.lower() in ("date", "age")}
    if found.get("age", "0").strip() != "0" or "date" not in found:
        return None
    try:
        return int(parsedate_to_datetime(found["date"]).timestamp()) * _SECOND
    except (ValueError, OverflowError):
        return None
