"""Is there something that a silent stream did not send? REST is asked, where it can tell."""

from __future__ import annotations

import logging
from typing import Any

from tickwire.feed.books import BookStream
from tickwire.feed.requests import Requests
from tickwire.feed.silence import CLOCKS_APART, ProbeResult
from tickwire.feed.streams import Stream
from tickwire.feed.trades import TradeStream
from tickwire.model.channels import Channel
from tickwire.model.clock import Clock, Nanos
from tickwire.model.errors import DataError, RefusedError, RetryableError
from tickwire.model.events import Trade
from tickwire.model.instruments import Instrument
from tickwire.model.sequence import SequenceRule
from tickwire.plugin.assembly import Wiring
from tickwire.plugin.info import BookStart
from tickwire.plugin.protocols import Hole

__all__ = ["SilenceProbe", "is_newer"]

_log = logging.getLogger(__name__)

_CROWDED = 0.5
_LOOK_BACK = (600, 86_400, 2_592_000)  # seconds
_MOST_PAGES = 10


class SilenceProbe:
    """Compares what REST has with what a stream let through last."""

    def __init__(self, wiring: Wiring, requests: Requests, clock: Clock) -> None:
        """Make one for a feed."""
        self._wiring = wiring
        self._requests = requests
        self._clock = clock

    @property
    def is_crowded(self) -> bool:
        """Whether more than half of a budget of the exchange's is used."""
        return any(self._requests.limits.used_ratio(name) > _CROWDED for name in self._wiring.info.limits)

    def can_tell(self, stream: Stream) -> bool:
        """Tell whether asking may give an answer: trades with a history, books whose REST snapshots are numbered."""
        info, subscription = self._wiring.info, stream.subscription
        if subscription.instrument is None:
            return False
        if isinstance(stream, TradeStream):
            return info.channels[Channel.TRADES].history is not None
        book = info.book
        return (
            isinstance(stream, BookStream)
            and book is not None
            and book.start is BookStart.REST
            and book.sequence is not SequenceRule.NONE
        )

    async def ask(self, stream: Stream, ts_since: Nanos) -> ProbeResult:
        """Ask REST.

        Args:
            stream: One of which REST ``can_tell``.
            ts_since: When the stream was asked for, for one that has let nothing through.
        """
        try:
            if isinstance(stream, BookStream):
                return await self._book(stream)
            assert isinstance(stream, TradeStream)
            return await self._trades(stream, ts_since)
        except (RetryableError, RefusedError, DataError) as error:
            _log.info("%s: cannot ask whether %s is silent: %s", self._wiring.info.id, stream.subscription, error)
            return ProbeResult.UNKNOWN

    async def _book(self, stream: BookStream) -> ProbeResult:
        snapshot = await self._requests.converse(self._wiring.routing.snapshot(stream.subscription))
        ours = stream.book.sequence
        if not stream.book.is_synced or ours is None or snapshot.sequence is None or snapshot.sequence < ours:
            return ProbeResult.UNKNOWN  # an answer out of a cache proves nothing
        return ProbeResult.HEALTHY if snapshot.sequence == ours else ProbeResult.MISSING

    async def _trades(self, stream: TradeStream, ts_since: Nanos) -> ProbeResult:
        instrument, last, asks = stream.subscription.instrument, stream.last, stream.asks
        assert instrument is not None
        if stream.awaits_first:
            newest = await self._last_traded(instrument, ts_since)
            if newest is None:
                return ProbeResult.HEALTHY
            if is_newer(newest, None, ts_since):
                return ProbeResult.MISSING
            if stream.last is None and stream.asks == asks:
                stream.quiet_after(newest)
            return ProbeResult.HEALTHY
        start = ts_since if last is None else last.ts_event or last.ts_recv
        page = await self._page(instrument, last, start)
        is_missing = any(is_newer(trade, stream.last, ts_since) for trade in page)
        return ProbeResult.MISSING if is_missing else ProbeResult.HEALTHY

    async def _last_traded(self, instrument: Instrument, ts_since: Nanos) -> Trade[Any] | None:
        # history that goes by time or id gives what follows a moment: look back further and further
        for seconds in _LOOK_BACK:
            start, last = ts_since - seconds * 1_000_000_000, None
            for _ in range(_MOST_PAGES):
                page = await self._page(instrument, last, start)
                newest = max(page, key=lambda trade: trade.sequence or 0, default=None)
                if newest is None or (last is not None and not is_newer(newest, last, ts_since)):
                    break
                last, start = newest, newest.ts_event or start
            if last is not None:
                return last
        return None

    async def _page(self, instrument: Instrument, after: Trade[Any] | None, start: Nanos) -> list[Trade[Any]]:
        hole = Hole(instrument, Channel.TRADES, after, None, start, self._clock.now())
        events = await self._requests.converse(self._wiring.routing.history(hole))
        return [event for event in events if isinstance(event, Trade)]


def is_newer(trade: Trade[Any], last: Trade[Any] | None, ts_since: Nanos) -> bool:
    """Tell whether a trade came after the last one; after ``ts_since``, our time, where there is no last one."""
    if last is None:
        return trade.ts_event is not None and trade.ts_event > ts_since + CLOCKS_APART
    if trade.sequence is not None and last.sequence is not None:
        return trade.sequence > last.sequence
    if trade.ts_event is None or last.ts_event is None:
        return False
    return trade.ts_event > last.ts_event
