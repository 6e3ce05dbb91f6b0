"""Are the trades complete? Consecutive ids tell: a repeat is dropped, a jump is a hole, a fall is a reset.

Invariant: where ids are consecutive, the trades let through are strictly increasing between resets, and every id
that is left out lies in an announced ``Gap``.
"""

from __future__ import annotations

from typing import Any

from tickwire.feed.streams import ACTIVE, Stream
from tickwire.model.events import Trade
from tickwire.model.quality import GapCause

__all__ = ["TradeStream"]


class TradeStream(Stream):
    """Trades of one instrument.

    Attributes:
        last: The last trade let through.
        duplicates: Trades dropped because they had been let through before.
    """

    has_consecutive_ids = True
    last: Trade[Any] | None = None
    duplicates = 0
    _expected: int | None = None

    def on_event(self, event: Any) -> None:
        """Let a trade through, once and in order.

        Raises:
            DecodeError: Its price or size is nan or infinite.
        """
        low, high, most = self._limits
        if not (low < event.price < high and event.size < most) and (inexact := self._exactness.look_at(event)):
            self._tell(inexact, event.ts_recv)
        last, number = self.last, event.sequence
        if last is None:
            self._close_gap(event)
        elif (self.gap is not None or number != self._expected) and not self._follows(event, last):
            return
        self.last = event
        self._expected = None if number is None else number + 1
        # as _passed, whose call would cost as much as all of this
        self.count += 1
        self.ts_last = event.ts_recv
        if self.state is not ACTIVE:
            self.confirmed(event.ts_recv)
        self._emit(event)

    def _follows(self, trade: Trade[Any], last: Trade[Any]) -> bool:
        number, before = trade.sequence, last.sequence
        if not self.has_consecutive_ids or number is None or before is None:
            self._close_gap(trade)
            return True
        if number > before + 1:
            self._close_gap(trade, before + 1, number - 1)
            return True
        if number == before + 1:
            self._close_gap(trade, proven=True)
            return True
        if trade.ts_event is None or last.ts_event is None or trade.ts_event <= last.ts_event:
            self.duplicates += 1
            return False
        # a smaller id of a later time: the exchange began to count anew
        self.end_gap(trade, GapCause.EXCHANGE_RESET, f"ids fell from {before} to {number}")
        return True

    def _close_gap(
        self, trade: Trade[Any], first: int | None = None, last: int | None = None, *, proven: bool = False
    ) -> None:
        if first is not None and last is not None:
            count = last - first + 1
            self.end_gap(trade, GapCause.SEQUENCE, f"{count:,} trades missing ({first}…{last})", first, last, count)
        elif self.gap is not None and proven:
            self.end_gap(trade, self.gap.cause, "nothing was missed: the ids go on", missing=0)
        elif self.gap is not None:
            self.end_gap(trade, self.gap.cause, "trades flow again; how many are missing is not known")
