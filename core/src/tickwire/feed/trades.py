"""Are the trades complete? Consecutive ids tell: a repeat is dropped, a jump is a hole, a fall is a reset.

Invariant: where ids are consecutive, the trades let through are strictly increasing between resets, and every id
that is left out lies in an announced ``Gap``.
"""

from __future__ import annotations

from typing import Any

from tickwire.feed.streams import OpenGap, Stream
from tickwire.model.events import Trade
from tickwire.model.quality import Gap, GapCause, Repair, Severity

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

    def on_event(self, event: Any) -> None:
        """Let a trade through, once and in order."""
        last, number = self.last, event.sequence
        if last is not None and (self.gap is not None or number != _next(last)) and not self._follows(event, last):
            return
        self.last = event
        self._passed(event)

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
        self._announce(trade, GapCause.EXCHANGE_RESET, f"ids fell from {before} to {number}")
        return True

    def _close_gap(
        self, trade: Trade[Any], first: int | None = None, last: int | None = None, *, proven: bool = False
    ) -> None:
        if self.gap is None and first is None:
            return
        if first is not None and last is not None:
            detail = f"{last - first + 1:,} trades missing ({first}…{last})"
            self._announce(trade, GapCause.SEQUENCE, detail, first, last, last - first + 1)
        elif proven:
            self._announce(trade, GapCause.SEQUENCE, "nothing was missed: the ids go on", missing=0)
        else:
            self._announce(trade, GapCause.SEQUENCE, "trades flow again; how many are missing is not known")

    def _announce(
        self,
        trade: Trade[Any],
        cause: GapCause,
        detail: str,
        first: int | None = None,
        last: int | None = None,
        missing: int | None = None,
    ) -> None:
        # a hole that is open keeps its name and cause; this tells where it ends
        now = self._clock.now()
        gap_id = f"{self._exchange}/{trade.symbol}/{self.subscription.channel}/{now}"
        gap = self.gap or OpenGap(gap_id, cause, self.ts_last, now)
        self.gap = None
        severity = Severity.INFO if missing == 0 else Severity.WARNING
        self._emit(
            Gap(
                *self._header(now),
                severity,
                gap.gap_id,
                gap.cause,
                gap.ts_start,
                trade.ts_recv,
                first,
                last,
                missing,
                Repair.NONE,
                detail,
            )
        )


def _next(last: Trade[Any]) -> int | None:
    return None if last.sequence is None else last.sequence + 1
