"""What the feeds of a recorded run were told of the runs before it: marks, and instruments of earlier lists."""

from __future__ import annotations

from collections import defaultdict, deque
from decimal import Decimal
from functools import partial
from typing import Any

import attrs
import msgspec

from tickwire.feed.listing import ListingSettings
from tickwire.feed.marks import Mark, Marks
from tickwire.model.channels import Subscription
from tickwire.model.events import Trade
from tickwire.model.instruments import Instrument
from tickwire.record.entries import Known, Marked
from tickwire.record.objects import converted
from tickwire.run.settings import ExchangeConfig

__all__ = ["RecordedPast"]

MarkKey = tuple[str, str, str]


class RecordedPast:
    """Answers as the live run was answered, in the same order."""

    def __init__(self) -> None:
        """Begin without a past; it is read with the rest of the capture."""
        self._marks: dict[MarkKey, deque[Marked]] = defaultdict(deque)
        self._known: dict[tuple[str, str], Known] = {}

    def was_marked(self, entry: Marked) -> None:
        """Note what was told of a subscription."""
        self._marks[(entry.feed, entry.symbol, entry.channel)].append(entry)

    def was_known(self, entry: Known) -> None:
        """Note what was told of a symbol."""
        self._known[(entry.feed, entry.symbol)] = entry

    def listing(self, entry: ExchangeConfig, settings: ListingSettings) -> ListingSettings:
        """Give how a feed is to deal with its exchange's list."""
        return attrs.evolve(settings, former=partial(self._former, entry.name), loaded=lambda instruments: None)

    def marks(self, entry: ExchangeConfig) -> Marks:
        """Give the marks of a feed."""
        return _RecordedMarks(entry, self._marks)

    def _former(self, feed: str, symbol: str) -> Instrument | None:
        known = self._known.get((feed, symbol))
        if known is None or known.instrument is None:
            return None
        return converted(known.instrument, Instrument)


class _RecordedMarks:
    def __init__(self, entry: ExchangeConfig, marks: dict[MarkKey, deque[Marked]]) -> None:
        self._feed = entry.name
        self._type: Any = Trade[Decimal] if entry.numbers == "decimal" else Trade[float]
        self._marks = marks

    def last(self, subscription: Subscription) -> Mark | None:
        told = self._marks.get((self._feed, subscription.symbol or "*", subscription.label))
        entry = told.popleft() if told else None
        if entry is None or entry.ts_until is None:
            return None
        trade = None if entry.trade is None else msgspec.json.decode(entry.trade, type=self._type, strict=False)
        return Mark(entry.ts_until, trade)

    def note(self, subscription: Subscription, mark: Mark, event: object) -> None:
        """Forget it: a replay leaves no marks."""
