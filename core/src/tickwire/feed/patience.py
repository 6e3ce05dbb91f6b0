"""What a reading of history means for a hole: wait and read again, nothing is missing, give up, or nobody delivers.

History may be as old as ``hold``. A reading is *current* once it was asked for that long after the subscription, or
after the first live trade behind the hole: it must show everything that is missing. A second current reading that
brings trades which the socket did not deliver proves that the subscription is dead.
"""

from __future__ import annotations

from enum import StrEnum, auto

import attrs

from tickwire.feed.holes import TradeHole
from tickwire.model.errors import PluginError, RefusedError, TickwireError

__all__ = ["Patience", "Step"]

_UNREACHABLE = 300.0  # seconds after which a history that cannot be had is given up
_REFUSED = 30.0  # likewise one that is refused: a gateway's 403 may pass


class Step(StrEnum):
    """What to do next."""

    WAIT = auto()
    SETTLE = auto()
    GIVE_UP = auto()
    NOT_DELIVERED = auto()


@attrs.define
class Patience:
    """Judges the readings of one hole; no I/O, times in seconds of a monotonic clock.

    Attributes:
        hold: How old history may be.
        began: When the subscription was asked for.
        ended: When the end of the hole was known.
    """

    hold: float
    began: float
    ended: float | None = None
    _current: int = 0

    def subscribed(self, now: float) -> None:
        """Begin anew: the subscription was asked for once more."""
        self.began, self.ended, self._current = now, None, 0

    def failed(self, error: TickwireError, asked_at: float) -> Step:
        """Judge a reading that did not come."""
        if isinstance(error, PluginError):
            return Step.GIVE_UP
        patience = _REFUSED if isinstance(error, RefusedError) else _UNREACHABLE
        return Step.GIVE_UP if asked_at - self.began > patience else Step.WAIT

    def read(self, hole: TradeHole, fresh: int, asked_at: float) -> Step:
        """Judge a reading that left the hole open.

        Args:
            hole: As it is now.
            fresh: How many missing trades the reading brought.
            asked_at: When it was asked for.
        """
        if self.ended is None and hole.before is not None:
            self.ended = asked_at  # live trades came meanwhile: history may not show yet what lies before them
        if asked_at < (self.began if self.ended is None else self.ended) + self.hold:
            return Step.WAIT
        if hole.before is not None:
            return Step.WAIT if fresh else Step.GIVE_UP
        self._current += 1
        if self._current == 1:
            return Step.WAIT
        if fresh:
            return Step.NOT_DELIVERED
        return Step.SETTLE if hole.is_closed else Step.WAIT
