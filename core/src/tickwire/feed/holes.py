"""What is missing of an instrument's trades, and what is known of it so far; no I/O.

A hole begins after the last trade that was let through and ends at the first live one after it, which may not be known
yet. Between them lie pieces: live trades that wait, and what history gave. Two kinds: where ids are consecutive the
numbers prove what is missing; elsewhere a page of history must overlap both edges.

Invariants: ``take`` gives no trade twice, and never one beyond a missing one unless everything is asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from typing import Any

from typing_extensions import override

from tickwire.feed.spans import Spans
from tickwire.model.clock import Nanos
from tickwire.model.events import Trade

__all__ = ["NumberedHole", "PassedTrades", "TradeHole", "UnnumberedHole"]

_MARGIN = 1_000_000_000  # our clock and the exchange's may differ by so much
_REMEMBERED = 4_096


class TradeHole(ABC):
    """A hole in one instrument's trades.

    Attributes:
        before: The first live trade since the stream was asked for last; ``None``: none came yet.
        is_holding: Live trades wait in it; else they pass and are only noted.
    """

    before: Trade[Any] | None
    is_holding: bool

    @property
    @abstractmethod
    def is_closed(self) -> bool:
        """Whether nothing is missing up to the newest trade that is known."""

    @property
    @abstractmethod
    def has_beginning(self) -> bool:
        """Whether it is known where it begins; else history was not read far enough back."""

    @property
    @abstractmethod
    def missing(self) -> int | None:
        """How many are known to be missing; ``None``: nobody can tell."""

    @property
    @abstractmethod
    def span(self) -> tuple[int, int] | None:
        """First and last missing id, where they are counted and some are missing."""

    @property
    @abstractmethod
    def edges(self) -> tuple[Trade[Any] | None, Trade[Any] | None]:
        """The trades around what is missing first."""

    @property
    @abstractmethod
    def held(self) -> int:
        """How many trades wait in it."""

    @abstractmethod
    def live(self, trade: Trade[Any]) -> bool:
        """Note a live trade; ``False``: it is known already."""

    @abstractmethod
    def page(self, trades: Iterable[Trade[Any]], *, is_oldest: bool = True) -> int:
        """Note what history gave, in any order; tells how many were missing.

        Args:
            trades: What it gave.
            is_oldest: Nothing older is left that could be in the hole: it was asked for from the hole's beginning on,
                or has no more. Else only a trade from before the hole tells where that begins.
        """

    @abstractmethod
    def take(self, *, everything: bool = False) -> list[Trade[Any]]:
        """Give what may be let through now, in order; ``everything``: also what lies beyond missing ones."""

    @abstractmethod
    def reopened(self) -> None:
        """Note that the stream was lost once more: its next live trade ends another hole."""


class NumberedHole(TradeHole):
    """A hole where ids are consecutive.

    Attributes:
        before: The first live trade since the stream was asked for last.
        is_holding: Live trades wait in it.
    """

    def __init__(self, after: Trade[Any] | None, since: Nanos) -> None:
        """Begin after a trade; without one, after the newest trade that is older than ``since``, our time."""
        self.before: Trade[Any] | None = None
        self.is_holding = True
        self._after = after
        self._since = since - _MARGIN
        self._known = Spans()
        self._lows: dict[int, Trade[Any]] = {}
        self._found: dict[int, Trade[Any]] = {}
        self._base: int | None = None
        if after is not None and after.sequence is not None:
            self._begin(after.sequence)

    def _begin(self, base: int) -> None:
        self._base = base
        self._known.add(base)

    @property
    @override
    def is_closed(self) -> bool:
        return self._base is not None and len(self._known.spans) == 1

    @property
    @override
    def has_beginning(self) -> bool:
        return self._base is not None

    @property
    @override
    def missing(self) -> int | None:
        return None if self._base is None else self._known.missing

    @property
    @override
    def span(self) -> tuple[int, int] | None:
        return None if self._base is None else self._known.hole

    @property
    @override
    def edges(self) -> tuple[Trade[Any] | None, Trade[Any] | None]:
        spans = self._known.spans
        if self._base is None:
            return None, self.before
        after = self._found.get(spans[0][1], self._after)
        low = spans[1][0] if len(spans) > 1 else None
        before = None if low is None else self._found.get(low) or self._lows.get(low)
        return after, before

    @property
    @override
    def held(self) -> int:
        return len(self._found)

    @override
    def live(self, trade: Trade[Any]) -> bool:
        number = trade.sequence
        assert number is not None
        if not self._known.add(number):
            return False
        if self.before is None:
            self.before = self._lows[number] = trade
        if self.is_holding:
            self._found[number] = trade
        return True

    @override
    def page(self, trades: Iterable[Trade[Any]], *, is_oldest: bool = True) -> int:
        numbered = {trade.sequence: trade for trade in trades if trade.sequence is not None}
        if self._base is None:
            self._look_for_beginning(numbered, is_oldest)
        # what is newer than the newest live trade comes by itself
        top = self._known.spans[-1][1] if self.before is not None else None
        fresh = 0
        for number in sorted(numbered):
            is_after = self._base is None or number > self._base
            if is_after and (top is None or number < top) and self._known.add(number):
                self._found[number] = numbered[number]
                fresh += 1
        return fresh

    def _look_for_beginning(self, numbered: dict[int, Trade[Any]], is_oldest: bool) -> None:
        # nothing was ever let through: what is older than our first interest is not missing
        older = [number for number, trade in numbered.items() if (trade.ts_event or 0) < self._since]
        if older:
            self._after = numbered[max(older)]
            self._begin(max(older))
        elif is_oldest and (known := [*numbered, *self._found]):
            self._begin(min(known) - 1)

    @override
    def take(self, *, everything: bool = False) -> list[Trade[Any]]:
        found = self._found
        if not found or (self._base is None and not everything):
            return []
        top = self._known.spans[0][1]
        numbers = sorted(number for number in found if everything or number <= top)
        taken = [found.pop(number) for number in numbers]
        if taken and numbers[-1] == top:
            self._after = taken[-1]
        return taken

    @override
    def reopened(self) -> None:
        self.before = None


class PassedTrades:
    """Remembers the last trades of a stream whose ids do not count, bounded."""

    def __init__(self, *, has_ids: bool) -> None:
        """Begin without any; ``has_ids``: an id names a trade."""
        self._has_ids = has_ids
        self._keys: dict[str, None] = {}
        self._equals: Counter[str] = Counter()

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def key(self, trade: Trade[Any]) -> str:
        """Give what tells a trade from all others: its id, else its fields and the how-manieth of its equals it is."""
        if self._has_ids and (trade.trade_id is not None or trade.sequence is not None):
            return trade.trade_id or str(trade.sequence)
        fields = f"{trade.ts_event}/{trade.price}/{trade.size}/{trade.taker_side}"
        self._equals[fields] += 1
        if len(self._equals) > _REMEMBERED:
            del self._equals[next(iter(self._equals))]
        return f"{fields}/{self._equals[fields]}"

    def fresh(self) -> PassedTrades:
        """Give an empty one of the same kind."""
        return PassedTrades(has_ids=self._has_ids)

    def add(self, key: str) -> bool:
        """Remember a key; ``False`` if it is remembered already."""
        keys = self._keys
        if key in keys:
            return False
        keys[key] = None
        if len(keys) > _REMEMBERED:
            del keys[next(iter(keys))]
        return True


class UnnumberedHole(TradeHole):
    """A hole where ids do not count: a page of history must reach from what was let through to what is live.

    Attributes:
        before: The first live trade since the stream was asked for last.
        is_holding: Live trades wait in it.
    """

    def __init__(self, after: Trade[Any] | None, since: Nanos, passed: PassedTrades) -> None:
        """Begin after a trade, or at ``since``, our time; ``passed``: the trades that the stream has seen live."""
        self.before: Trade[Any] | None = None
        self.is_holding = True
        self._after = after
        self._floor = (after.ts_event if after is not None else None) or since - _MARGIN
        self._passed = passed
        self._live: dict[str, Trade[Any]] = {}
        self._found: dict[str, Trade[Any]] = {}
        self._reaches_back = self._reaches_live = False

    @property
    @override
    def missing(self) -> int | None:
        return None

    @property
    @override
    def span(self) -> tuple[int, int] | None:
        return None

    @property
    @override
    def has_beginning(self) -> bool:
        return self._reaches_back

    @property
    @override
    def is_closed(self) -> bool:
        return self._reaches_back and (self.before is None or self._reaches_live)

    @property
    @override
    def edges(self) -> tuple[Trade[Any] | None, Trade[Any] | None]:
        return self._after, self.before

    @property
    @override
    def held(self) -> int:
        return len(self._live) + len(self._found)

    @override
    def live(self, trade: Trade[Any]) -> bool:
        key = self._passed.key(trade)
        if not self._passed.add(key):
            return False
        self.before = self.before or trade
        if key in self._found:
            return False
        if self.is_holding:
            self._live[key] = trade
        return True

    @override
    def page(self, trades: Iterable[Trade[Any]], *, is_oldest: bool = True) -> int:
        fresh, keys = 0, self._passed.fresh()
        end = None if self.before is None else self.before.ts_event or 0
        for trade in sorted(trades, key=lambda trade: (trade.ts_event or 0, trade.sequence or 0)):
            key, ts = keys.key(trade), trade.ts_event or 0
            is_known, is_beyond = key in self._passed, end is not None and ts >= end
            if is_beyond and (is_known or ts != end):
                self._reaches_live = True
            elif is_known:
                self._reaches_back = self._reaches_back or key not in self._live
            elif ts < self._floor or self._is_before(trade):
                self._reaches_back = True
            elif key not in self._found:
                self._found[key] = trade
                fresh += 1
        return fresh

    def _is_before(self, trade: Trade[Any]) -> bool:
        edge = self._after.sequence if self._after is not None else None
        return edge is not None and trade.sequence is not None and trade.sequence <= edge

    @override
    def take(self, *, everything: bool = False) -> list[Trade[Any]]:
        if not (everything or self.is_closed or not self.is_holding):
            return []
        taken = sorted(self._found.values(), key=lambda trade: trade.ts_event or 0) + list(self._live.values())
        for key in self._found:
            self._passed.add(key)
        self._found, self._live = {}, {}
        return taken

    @override
    def reopened(self) -> None:
        self.before = None
        self._reaches_live = False
