"""Which kind of stream a subscription gets, with the rules that its exchange declares."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from tickwire.feed.account import AccountStream
from tickwire.feed.backfill import TradeBackfill
from tickwire.feed.books import BookStream
from tickwire.feed.settings import Backfill, FeedSettings
from tickwire.feed.streams import Stream
from tickwire.feed.trades import TradeStream
from tickwire.model.book import L2Book
from tickwire.model.channels import Channel, Subscription
from tickwire.model.clock import Clock
from tickwire.model.quality import Event
from tickwire.plugin.assembly import Wiring

__all__ = ["StreamMaker"]

_ACCOUNT = (Channel.ORDERS, Channel.FILLS, Channel.BALANCES, Channel.POSITIONS)


class StreamMaker:
    """Makes the streams of one feed."""

    def __init__(
        self,
        wiring: Wiring,
        clock: Clock,
        emit: Callable[[Event], None],
        on_first: Callable[[], None],
        resync: Callable[[BookStream], None],
        backfill: TradeBackfill,
        settings: FeedSettings,
    ) -> None:
        """Make them for a feed.

        Args:
            wiring: The feed's strategies.
            clock: Dates quality events.
            emit: Takes the events.
            on_first: Called when the exchange has acknowledged one or data came.
            resync: Called by a book that needs a new snapshot.
            backfill: Fills holes in trades.
            settings: The feed's.
        """
        self._wiring = wiring
        self._clock = clock
        self._emit = emit
        self._on_first = on_first
        self._resync = resync
        self._backfill = backfill
        self._recovery = settings.recovery
        self._name = settings.name

    def make(self, subscription: Subscription) -> Stream:
        """Make the stream of a subscription."""
        made = self._make(subscription)
        made.is_verified = self._wiring.info.is_verified(subscription.channel, self._wiring.numbers)
        return made

    def _make(self, subscription: Subscription) -> Stream:
        wiring = self._wiring
        info, clock, numbers = wiring.info, self._clock, wiring.numbers
        if subscription.channel is Channel.TRADES:
            trades = TradeStream(subscription, info.id, clock, self._emit, self._on_first, numbers)
            trades.ids = info.channels[Channel.TRADES].ids
            trades.recovery = self._recovery
            trades.why_not = "backfill is off" if self._recovery.backfill is Backfill.OFF else self._backfill.why_not
            if not trades.why_not:
                trades.on_hole = self._backfill.needed
            return trades
        if subscription.channel is Channel.L2_BOOK and info.book is not None:
            checksum = info.book.checksum
            # a digest over the wire's own digits cannot be made from floats
            is_checked = checksum is not None and (not checksum.needs_text or numbers is Decimal)
            verify = partial(self._checksum, subscription) if is_checked else None
            return BookStream(
                subscription, info.id, clock, self._emit, info.book, self._resync, verify, self._on_first, numbers
            )
        if subscription.channel in _ACCOUNT:
            account = AccountStream(subscription, info.id, clock, self._emit, self._on_first, numbers)
            account.account = self._name
            return account
        return Stream(subscription, info.id, clock, self._emit, self._on_first, numbers)

    def _checksum(self, subscription: Subscription, book: L2Book[Any]) -> int:
        assert subscription.instrument is not None
        # its tick size may have changed since it was subscribed to
        now = self._wiring.instruments.symbols.get(subscription.instrument.symbol, subscription.instrument)
        return self._wiring.routing.checksum(book, now)
