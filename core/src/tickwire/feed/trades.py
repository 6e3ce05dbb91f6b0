"""Are the trades complete? What passes is in order and once; what is missing is announced, and filled from history.

Invariant: where ids are consecutive, the trades let through are strictly increasing between resets (but for those that
a late backfill brings), and every id that is left out lies in an announced ``Gap``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, nan
from typing import Any

import msgspec

from tickwire.feed.holes import NumberedHole, PassedTrades, TradeHole, UnnumberedHole
from tickwire.feed.marks import Mark
from tickwire.feed.merging import Merge, Tail
from tickwire.feed.settings import Backfill, RecoverySettings
from tickwire.feed.silence import CLOCKS_APART
from tickwire.feed.streams import ACTIVE, Stream
from tickwire.model.clock import Nanos
from tickwire.model.counting import counted, span_text
from tickwire.model.events import Trade
from tickwire.model.quality import Backfilled, Gap, GapCause, Repair, Severity, UnsubscribeReason
from tickwire.model.sequence import Decision
from tickwire.plugin.info import Ids

__all__ = ["TradeStream"]

_NO_RECOVERY = RecoverySettings(Backfill.OFF)
_SLACK = 5_000_000_000  # ns by which two accounts of one trade may differ


class TradeStream(Stream):
    """Trades of one instrument.

    Attributes:
        last: The last trade let through.
        hole: What is missing, while it is being filled.
        duplicates: Trades dropped because they had been let through before.
        recovery: Whether and how holes are filled.
        on_hole: Told that there is a hole to fill; ``None``: no history is to be had.
        why_not: Why holes are not filled, for the ``Gap``.
    """

    _ids = Ids.CONSECUTIVE
    _step: float = 1
    recovery = _NO_RECOVERY
    on_hole: Callable[[TradeStream], None] | None = None
    why_not = ""
    last: Trade[Any] | None = None
    hole: TradeHole | None = None
    duplicates = 0
    _confirmed_at: Nanos = 0
    _expected: float | None = None
    _lowest: float = inf  # id since the exchange began to count
    _filled = 0
    _first_filled: int | None = None
    _last_filled: int | None = None
    _seen: PassedTrades | None = None

    @property
    def ids(self) -> Ids:
        """What the exchange's ids tell."""
        return self._ids

    @ids.setter
    def ids(self, ids: Ids) -> None:
        # where ids do not count none is expected, and nan equals nothing
        self._ids, self._step = ids, 1 if ids is Ids.CONSECUTIVE else nan

    @property
    def latency(self) -> Nanos | None:
        """Give how long the last trade was on its way."""
        last = self.last
        return None if last is None or last.ts_event is None or last.backfilled else last.ts_recv - last.ts_event

    # the beginning
    def confirmed(self, now: Nanos) -> None:
        """Note that the exchange acknowledged it; where trades are counted, coverage begins once there is an id."""
        is_uncounted = self.ids is Ids.CONSECUTIVE and self.last is None and self.gap is None
        if self._since is None and is_uncounted:
            # what is lost before the first trade leaves no hole in the ids
            self.state, self._confirmed_at = ACTIVE, now
            self._on_first()
        else:
            super().confirmed(now)

    def arrived(self, now: Nanos) -> None:
        """Note that a trade came: from its id the others are counted."""
        if self._since is None:
            self.begin(now, now)
        self.confirmed(now)

    @property
    def awaits_first(self) -> bool:
        """Whether it is confirmed, and no trade came yet to count from."""
        return self.state is ACTIVE and self._since is None

    def quiet_after(self, trade: Trade[Any]) -> None:
        """Begin coverage at its confirmation: history's last trade is older, and the next one must follow it."""
        if trade.sequence is None or trade.ts_event is None:
            return
        self._count_from(trade)
        self.begin(max(self._confirmed_at, trade.ts_event + CLOCKS_APART), self._clock.now())

    def _count_from(self, trade: Trade[Any]) -> None:
        # as on_event does in line
        self.last = trade
        self._expected = None if trade.sequence is None else trade.sequence + self._step

    # data
    def on_event(self, event: Any) -> None:
        """Let a trade through, once and in order.

        Raises:
            DecodeError: Its price or size is nan or infinite.
        """
        low, high, most = self._limits
        if not (low < event.price < high and event.size < most) and (inexact := self._exactness.look_at(event)):
            self._tell(inexact, event.ts_recv)
        number = event.sequence
        if (number is None or number != self._expected or self.gap is not None) and not self._sort_out(event):
            return
        self.last = event
        self._expected = None if number is None else number + self._step
        # as _passed, whose call would cost as much as all of this
        self.count += 1
        self.ts_last = event.ts_recv
        if self.state is not ACTIVE:
            self.arrived(event.ts_recv)
        self._emit(event)

    # several connections
    def join(self) -> Merge | Tail | None:
        """Give where several connections' trades come together."""
        if self.merge is None and self.ids in (Ids.CONSECUTIVE, Ids.INCREASING):
            self.merge = Merge(self) if self.ids is Ids.CONSECUTIVE else Tail(self)
        return self.merge

    accept = on_event

    def number_of(self, trade: Trade[Any]) -> int:
        """Give its id."""
        return trade.sequence or 0

    def turn_of(self, trade: Trade[Any]) -> Decision:
        """Tell whether it follows the last one let through."""
        number, last = trade.sequence, self.last
        if number is None:
            return Decision.OLD
        if last is None or last.sequence is None:
            return Decision.GAP
        if number <= last.sequence:
            return Decision.OLD
        if self.ids is Ids.CONSECUTIVE and number == last.sequence + 1:
            return Decision.APPLY
        # a larger id of an earlier time is of before the exchange began to count anew
        is_earlier = trade.ts_event is not None and last.ts_event is not None and trade.ts_event < last.ts_event
        return Decision.OLD if is_earlier else Decision.GAP

    # what is not simply the next one
    def _sort_out(self, trade: Trade[Any]) -> bool:
        self.arrived(trade.ts_recv)
        last, number = self.last, trade.sequence
        is_counted = self.ids is Ids.CONSECUTIVE and number is not None
        if is_counted and last is not None and last.sequence is not None:
            assert number is not None
            if number <= last.sequence and not self._is_late(number):
                return self._fell(trade, last)
            if self.hole is None:
                return self._jumped(trade, last.sequence, number)
        elif self.hole is None:
            self._lowest = self._lowest if number is None else min(self._lowest, number)
            return self._is_new(trade) and self._close_unfilled(trade)
        self._note_live(trade)
        return False

    def _is_late(self, number: int) -> bool:
        span = self.hole.span if self.hole is not None else None
        return span is not None and span[0] <= number <= span[1]

    def _is_new(self, trade: Trade[Any]) -> bool:
        if self.ids is Ids.CONSECUTIVE and trade.sequence is not None:
            return True
        seen = self._known
        is_new = seen.add(seen.key(trade))
        self.duplicates += not is_new
        return is_new

    @property
    def _known(self) -> PassedTrades:
        if self._seen is None:
            self._seen = PassedTrades(has_ids=self.ids is not Ids.NONE)
        return self._seen

    def _fell(self, trade: Trade[Any], last: Trade[Any]) -> bool:
        assert trade.sequence is not None
        # history and other connections may date what is repeated a little earlier or later than the stream
        slack = _SLACK if trade.sequence >= self._lowest else 0
        is_dated = trade.ts_event is not None and last.ts_event is not None
        if trade.backfilled or not is_dated or trade.ts_event <= last.ts_event + slack:  # type: ignore[operator]
            self.duplicates += 1
            return False
        # a smaller id of a later time: the exchange began to count anew
        self._lowest = trade.sequence
        self.give_up("the exchange counts anew")
        self.end_gap(trade, GapCause.EXCHANGE_RESET, f"ids fell from {last.sequence} to {trade.sequence}")
        return True

    def _jumped(self, trade: Trade[Any], last: int, number: int) -> bool:
        if number == last + 1:
            if self.gap is not None:
                self.end_gap(trade, self.gap.cause, "nothing was missed: the ids go on", missing=0)
            return True
        if self.merge is not None and self.merge.holds(trade):
            return False
        if self.on_hole is None or self.gap is not None:
            count = number - last - 1
            detail = f"{_trades(count)} missing ({span_text(last + 1, number - 1)}){self._reason()}"
            self.end_gap(trade, GapCause.SEQUENCE, detail, last + 1, number - 1, count)
            return True
        self.open_gap(GapCause.SEQUENCE, self.ts_last, self._missing_text(last + 1, number - 1), last + 1, number - 1)
        self._note_live(trade)
        return False

    def _close_unfilled(self, trade: Trade[Any]) -> bool:
        if self.gap is not None:
            detail = f"trades flow again; how many are missing is not known{self._reason()}"
            self.end_gap(trade, self.gap.cause, detail)
        return True

    def _reason(self) -> str:
        return f"; not filled: {self.why_not}" if self.why_not else ""

    @staticmethod
    def _missing_text(first: int, last: int) -> str:
        count = last - first + 1
        return f"{_trades(count)} missing ({span_text(first, last)}), asking for {'it' if count == 1 else 'them'}"

    # a hole that is being filled
    @property
    def repair(self) -> Repair:  # type: ignore[override]
        """What is done about a gap."""
        return Repair.NONE if self.on_hole is None else Repair.BACKFILL

    def resume(self, mark: Mark) -> None:
        """Go on where the last run ended: announce the hole since then, and have it filled unless it is too old."""
        self.last = mark.trade
        if mark.trade is not None:
            self._is_new(mark.trade)
            self._expected = None if mark.trade.sequence is None else mark.trade.sequence + self._step
        on_hole = self.on_hole
        if self._clock.now() - mark.ts_until > self.recovery.resume * 1e9:
            self.on_hole = None
        super().resume(mark)
        self.on_hole = on_hole

    def open_gap(
        self,
        cause: GapCause,
        ts_good: Nanos | None,
        detail: str,
        first_missing: int | None = None,
        last_missing: int | None = None,
    ) -> None:
        """Announce a hole, and have it filled where that can be done."""
        super().open_gap(cause, ts_good, detail, first_missing, last_missing)
        if self.on_hole is None or self.hole is not None:
            return
        since = self._since if self._since is not None else ts_good or self._clock.now()
        if self.ids is Ids.CONSECUTIVE and (self.last is None or self.last.sequence is not None):
            self.hole = NumberedHole(self.last, since)
        else:
            self.hole = UnnumberedHole(self.last, since, self._known)
        self.hole.is_holding = self.recovery.backfill is Backfill.IN_ORDER
        self._filled, self._first_filled, self._last_filled = 0, None, None
        self.on_hole(self)

    def disconnected(self, ts_good: Nanos, detail: str, cause: GapCause = GapCause.DISCONNECTED) -> None:
        """Lose the stream; a hole that is being filled grows."""
        if self.hole is not None:
            self.hole.reopened()
        super().disconnected(ts_good, detail, cause)

    def _note_live(self, trade: Trade[Any]) -> None:
        hole = self.hole
        assert hole is not None
        is_first = hole.before is None
        self.kept += 1
        self.ts_last = trade.ts_recv
        if not hole.live(trade):
            self.duplicates += 1
            return
        if not hole.is_holding:
            self._let(trade)
        if hole.is_closed:
            self._close_hole(trade)
        elif hole.held > self.recovery.hold_most:
            self.release(f"{_trades(hole.held)} wait")
        elif is_first:
            if (span := hole.span) is not None and self.gap is not None and self.gap.cause is not GapCause.SEQUENCE:
                self._tell_more(self._missing_text(*span))
            if self.on_hole is not None:
                self.on_hole(self)

    def filled(self, trades: Sequence[Trade[Any]], *, is_oldest: bool = True) -> int:
        """Take a page of history; tells how many of its trades were missing.

        Args:
            trades: The page.
            is_oldest: History has nothing older that could be missing.
        """
        hole = self.hole
        if hole is None:
            return 0
        rows = [one if one.backfilled else msgspec.structs.replace(one, backfilled=True) for one in trades]
        fresh = hole.page(rows, is_oldest=is_oldest)
        if hole.is_closed and hole.before is not None:
            self._close_hole(hole.before)
        else:
            self._let_through(hole.take(everything=not hole.is_holding))
        return fresh

    def settle(self) -> None:
        """Close the hole: history is as fresh as it will get, it shows nothing missing, and nothing new came."""
        if self.hole is not None and self.hole.is_closed:
            before_first, _ = self.hole.edges
            self._close_hole(None)
            if self.last is None and before_first is not None:
                self._count_from(before_first)
            self.confirmed(self._clock.now())

    def release(self, reason: str) -> None:
        """Let the trades that wait go on: what is found later comes late."""
        hole = self.hole
        if hole is None or not hole.is_holding:
            return
        hole.is_holding = False
        self._tell_more(f"not filled yet ({reason}): live trades go on, what is found now comes late")
        self._let_through(hole.take(everything=True))

    def give_up(self, reason: str) -> None:
        """Close the hole as it is: what is missing stays missing."""
        hole, gap = self.hole, self.gap
        if hole is None:
            return
        # without a live trade after it nobody knows where it ends: that none is known to be missing proves nothing
        has_end = hole.before is not None
        missing, (first, last) = hole.missing if has_end else hole.missing or None, _span_of(hole)
        waiting = hole.take(everything=True)
        self.hole = None
        self._let_through(waiting)
        if gap is None:
            return
        self.gap = None
        now = self._clock.now()
        if self._filled:
            self._emit(self._backfilled(gap.gap_id, is_complete=False, remaining=missing))
        how_many = "how many trades are missing is not known" if missing is None else f"{_trades(missing)} missing"
        ts_end = self.ts_last if has_end and self.ts_last is not None else now
        self._emit(
            Gap(
                *self._header(now), Severity.WARNING, gap.gap_id, gap.cause, gap.ts_start, ts_end,
                first, last, missing, Repair.NONE, f"{how_many}; not filled: {reason}",
            )
        )  # fmt: skip
        self.served()

    def _close_hole(self, end: Trade[Any] | None) -> None:
        hole, gap = self.hole, self.gap
        assert hole is not None
        self.hole = None
        waiting = hole.take(everything=True)
        fetched = max((number for number, one in enumerate(waiting) if one.backfilled), default=-1) + 1
        self._let_through(waiting[:fetched])
        if gap is not None:
            self.gap = None
            if self._filled:
                self._emit(self._backfilled(gap.gap_id, is_complete=True, remaining=0))
            else:
                self.gap = gap
                self._end_unharmed(end)
        self.served()
        self._let_through(waiting[fetched:])

    def _end_unharmed(self, end: Trade[Any] | None) -> None:
        gap, now = self.gap, self._clock.now()
        assert gap is not None
        self.gap = None
        self._emit(
            Gap(
                *self._header(now), Severity.INFO, gap.gap_id, gap.cause, gap.ts_start,
                now if end is None else end.ts_recv, None, None, 0, Repair.NONE, "nothing was missed",
            )
        )  # fmt: skip

    def _backfilled(self, gap_id: str, *, is_complete: bool, remaining: int | None) -> Backfilled:
        severity = Severity.INFO if is_complete else Severity.WARNING
        head = (*self._header(self._clock.now()), severity, gap_id, self._filled)
        return Backfilled(*head, self._first_filled, self._last_filled, is_complete, remaining)

    def _tell_more(self, detail: str) -> None:
        gap, hole = self.gap, self.hole
        assert gap is not None
        assert hole is not None
        ts_end, (first, last) = None if hole.before is None else hole.before.ts_recv, _span_of(hole)
        self._emit(
            Gap(
                *self._header(self._clock.now()), Severity.WARNING, gap.gap_id, gap.cause, gap.ts_start, ts_end,
                first, last, hole.missing, Repair.BACKFILL, detail,
            )
        )  # fmt: skip

    def _let_through(self, trades: Sequence[Trade[Any]]) -> None:
        for trade in trades:
            self._let(trade)

    def _let(self, trade: Trade[Any]) -> None:
        number, last = trade.sequence, self.last
        if trade.backfilled:
            if inexact := self._exactness.look_at(trade):
                self._tell(inexact, trade.ts_recv)
            self._filled += 1
            self._first_filled = number if self._first_filled is None else self._first_filled
            self._last_filled = number
        if number is None or last is None or last.sequence is None or number > last.sequence:
            self._count_from(trade)
            self._lowest = self._lowest if number is None else min(self._lowest, number)
        self.count += 1
        self.fetched += 1  # or counted when it came
        self._emit(trade)

    def ended(self, reason: UnsubscribeReason) -> None:
        """Let through what waits, announce what is missing, and say that coverage ends."""
        self.limited_at = None  # it waits no more, and got nothing
        self.give_up("coverage ends")
        super().ended(reason)

    def mark(self, ts_until: Nanos) -> Mark:
        """Say how far it is complete."""
        return Mark(ts_until, self.last)


def _trades(count: int) -> str:
    return counted(count, "trade")


def _span_of(hole: TradeHole) -> tuple[int | None, int | None]:
    return hole.span or (None, None)
