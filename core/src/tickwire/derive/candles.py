"""Candles by the exchange's time of the trades, closed once nothing more is expected of them.

A candle is closed by a trade that is later than its end by ``grace``, or by a watermark of the trades: everything up to
then has come. What comes for a closed one is late, and a policy says what becomes of it. Nothing is made up: a bucket
of which trades are known to be missing, because it began before they were covered or lies in a hole that was not
filled, has no candle.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from enum import StrEnum, auto
from typing import Any

import attrs

from tickwire.derive.buckets import Bucket, moment_of
from tickwire.model.channels import Channel
from tickwire.model.clock import Nanos
from tickwire.model.events import Candle, Trade
from tickwire.model.quality import (
    Dropped,
    Event,
    Gap,
    GapCause,
    QualityEvent,
    Repair,
    Severity,
    Subscribed,
    Unsubscribed,
    Watermark,
)

__all__ = ["Candles", "Late"]

_APART: Nanos = 1_000_000_000  # our clock and the exchange's may differ by so much
_REMEMBERED = 1_000  # closed buckets of an instrument that a late trade may still amend
_MOST_EMPTY = 10_000
_UNKNOWN: Nanos = 2**63 - 1


class Late(StrEnum):
    """What becomes of a trade that comes for a closed candle."""

    AMEND = auto()
    DROP = auto()
    IGNORE = auto()


@attrs.define(eq=False)
class _Instrument:
    # ``covered``: since when the trades are covered, 0: nobody said; ``closed``: until where every bucket is closed
    covered: Nanos = 0
    closed: Nanos = 0
    begun: Nanos | None = None
    is_verified: bool | None = None
    holes: list[tuple[Nanos, Nanos]] = attrs.field(factory=list)
    open: dict[Nanos, Bucket] = attrs.field(factory=dict)
    past: OrderedDict[Nanos, Bucket] = attrs.field(factory=OrderedDict)
    late: list[Nanos] = attrs.field(factory=list)

    def is_whole(self, start: Nanos, end: Nanos) -> bool:
        return start >= self.covered and not any(a < end and b > start for a, b in self.holes)


class Candles:
    """Makes candles of trades; the trades pass."""

    def __init__(
        self,
        interval: Nanos,
        name: str,
        late: Late = Late.AMEND,
        grace: Nanos = 0,
        *,
        updates: bool = False,
        empty: bool = False,
        sink: str = "",
    ) -> None:
        """Begin without any.

        Args:
            interval: Length of a bucket, ns; they begin at its multiples since 1970 UTC.
            name: What the interval is called in the candles.
            late: What becomes of a trade for a closed candle. ``AMEND``: the candle comes once more; ``DROP``: it is in
                no candle, and a ``Dropped`` says so; ``IGNORE``: it is in no candle.
            grace: How much later than its end, by the exchange's time, a trade must be to close a candle, ns.
            updates: Give the open candle too, with each trade.
            empty: Give a candle without prices for each bucket without trades.
            sink: Who is named in ``Dropped``.
        """
        self._interval = interval
        self._name = name
        self._late = late
        self._grace = grace
        self._updates = updates
        self._empty = empty
        self._sink = sink
        self._instruments: dict[tuple[str, str], _Instrument] = {}

    def apply(self, event: Event) -> Iterator[Event]:
        """Take one event; candles that it closes come before it, one that it updates or amends after it."""
        if isinstance(event, Trade):
            yield from self._trade(event)
        elif isinstance(event, Gap) and event.channel is None:
            for (exchange, _), one in self._instruments.items():
                if exchange == event.exchange and not one.is_verified:  # else its numbers tell
                    self._missed(event, one)
            yield event
        elif isinstance(event, QualityEvent) and event.channel is Channel.TRADES and event.symbol is not None:
            one = self._instruments.setdefault((event.exchange, event.symbol), _Instrument())
            yield from self._told(event, event.symbol, one)
            yield event
        else:
            yield event

    def flush(self) -> Iterator[Event]:
        """Give what was not announced yet; an open candle stays open: it is not known to be whole."""
        for (exchange, symbol), one in self._instruments.items():
            yield from self._losses(exchange, symbol, one)

    def _trade(self, trade: Trade[Any]) -> Iterator[Event]:
        one = self._instruments.setdefault((trade.exchange, trade.symbol), _Instrument())
        moment = moment_of(trade)
        start = moment - moment % self._interval
        if start < one.closed:
            yield trade
            yield from self._too_late(trade, start, one)
            return
        yield from self._close(trade.exchange, trade.symbol, one, moment - self._grace, trade.ts_recv)
        bucket = one.open.get(start)
        if bucket is None:
            bucket = one.open[start] = Bucket(start, start + self._interval)
            one.begun = start if one.begun is None else one.begun
        bucket.add(trade)
        yield trade
        if self._updates and one.is_whole(start, bucket.end):
            yield self._candle(trade.exchange, trade.symbol, bucket, trade.ts_recv, is_closed=False)

    def _too_late(self, trade: Trade[Any], start: Nanos, one: _Instrument) -> Iterator[Event]:
        if not one.is_whole(start, start + self._interval) or self._late is Late.IGNORE:
            return
        bucket = one.past.get(start)
        is_forgotten = bucket is None and len(one.past) >= _REMEMBERED and start < min(one.past)
        if self._late is Late.DROP or is_forgotten:
            one.late.append(trade.ts_recv)
            return
        if bucket is None:
            bucket = one.past[start] = Bucket(start, start + self._interval)
            self._forget(one)
        bucket.add(trade)
        yield self._candle(trade.exchange, trade.symbol, bucket, trade.ts_recv, is_closed=True)

    def _told(self, event: QualityEvent, symbol: str, one: _Instrument) -> Iterator[Event]:
        if isinstance(event, Watermark):
            yield from self._close(event.exchange, symbol, one, event.ts_until - _APART - self._grace, event.ts_recv)
            yield from self._losses(event.exchange, symbol, one)
        elif isinstance(event, Subscribed):
            # what a backfill brings of the time before was asked for by the gap since the last run
            one.covered = min(event.ts_since, one.covered) if one.covered else event.ts_since
            one.is_verified = event.is_verified
        elif isinstance(event, Gap):
            if event.cause is GapCause.NOT_RUNNING and event.ts_start is not None and event.ts_end is None:
                one.covered = event.ts_start
            self._missed(event, one)
        elif isinstance(event, Unsubscribed):
            one.covered = _UNKNOWN
            one.open.clear()
            one.begun = None

    def _missed(self, gap: Gap, one: _Instrument) -> None:
        if gap.ts_end is None or gap.repair is not Repair.NONE or gap.missing == 0:
            return
        one.holes.append((gap.ts_end if gap.ts_start is None else gap.ts_start, gap.ts_end))
        one.holes = one.holes[-_REMEMBERED:]

    def _close(self, exchange: str, symbol: str, one: _Instrument, until: Nanos, ts_recv: Nanos) -> Iterator[Event]:
        limit = until - until % self._interval
        if limit <= one.closed:
            return
        over = sorted(start for start in one.open if start < limit)
        if self._empty:
            over = self._with_empty(over, one, limit)
        one.closed = limit
        for start in over:
            bucket = one.open.pop(start, None) or Bucket(start, start + self._interval)
            one.past[start] = bucket
            if one.is_whole(start, bucket.end):
                yield self._candle(exchange, symbol, bucket, ts_recv, is_closed=True)
        self._forget(one)

    def _with_empty(self, over: list[Nanos], one: _Instrument, limit: Nanos) -> list[Nanos]:
        since = one.covered + -one.covered % self._interval if one.covered else (one.begun or limit)
        first = max(since, one.closed, limit - _MOST_EMPTY * self._interval)
        return sorted({*over, *range(first, limit, self._interval)})

    def _forget(self, one: _Instrument) -> None:
        while len(one.past) > _REMEMBERED:
            del one.past[min(one.past)]

    def _losses(self, exchange: str, symbol: str, one: _Instrument) -> Iterator[Event]:
        if one.late:
            late, one.late = one.late, []
            header = (exchange, symbol, None, late[-1], Channel.CANDLES, None, Severity.WARNING)
            yield Dropped(*header, self._sink, "late", len(late), min(late), max(late))

    def _candle(self, exchange: str, symbol: str, bucket: Bucket, ts_recv: Nanos, *, is_closed: bool) -> Candle[Any]:
        return bucket.candle(exchange, symbol, self._name, ts_recv, is_closed=is_closed)
