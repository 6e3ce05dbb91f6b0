"""One of the connections that carry the same: what it says counts while it is the primary, and is noted otherwise."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any, Protocol

import msgspec

from tickwire.feed.books import BookStream
from tickwire.feed.connection import FeedConnection
from tickwire.feed.listener import Listener
from tickwire.feed.spares import SpareTable
from tickwire.feed.table import StreamTable
from tickwire.model.channels import Subscription
from tickwire.model.clock import Clock, Nanos
from tickwire.model.quality import Event, Reconnected
from tickwire.plugin.info import BookStart, ExchangeInfo
from tickwire.plugin.protocols import Located, Missed, Refused

__all__ = ["Dial", "Leg", "LegWatcher"]

_log = logging.getLogger(__name__)

_SETTLED = 3.0
"""Seconds after which a subscription works where nothing says so, and after which nothing sent before is on its way."""


class Dial(Protocol):
    """Makes a connection; it does not run yet."""

    def __call__(
        self, name: str, listener: Listener, on_open: Callable[[Located], None], on_closing: Callable[[float], None]
    ) -> FeedConnection:
        """Make one."""
        ...


class LegWatcher(Protocol):
    """What a leg tells whom it belongs to."""

    @property
    def listener(self) -> Listener:
        """Who is told what the primary tells."""
        ...

    def opened(self, leg: Leg, located: Located) -> None:
        """Note that it is open; nothing was asked for on it yet."""
        ...

    def ended(self, leg: Leg, ts_good: Nanos, reason: str) -> None:
        """Note that it ended by itself."""
        ...

    def closing(self, leg: Leg, within: float) -> None:
        """Note that the exchange will close it in so many seconds."""
        ...

    def jumped(self, leg: Leg, missing: int | None) -> None:
        """Note that the primary's own counter jumped."""
        ...


class Leg:
    """One connection with its role; implements ``Listener`` for it.

    Attributes:
        connection: The connection.
        is_primary: What it brings is what the feed gets.
        is_installed: It is one of those to be there; not so a replacement that has not caught up yet.
        is_rotating: A replacement is being made, or waited for.
        successor: The replacement that is to take its place.
        ageing: Waits for the time to replace it.
        lost_to: Which leg carried on when it ended last.
        task: Runs it.
        opened_at: When it was opened last, by the monotonic clock.
        renew_after: Seconds after which its address is to be asked for anew.
        closes_within: Seconds that the exchange said it would leave it.
    """

    _numbers = count(1)

    def __init__(
        self, name: str, dial: Dial, watcher: LegWatcher, streams: StreamTable, info: ExchangeInfo, clock: Clock
    ) -> None:
        """Make one that is not open yet.

        Args:
            name: Of the connection.
            dial: Makes it.
            watcher: Is told of its life.
            streams: The feed's.
            info: What the exchange confirms, and how its books start.
            clock: Tells how long ago something was asked for.
        """
        self.is_primary = False
        self.is_installed = True
        self.is_rotating = False
        self.successor: Leg | None = None
        self.ageing: asyncio.Task[None] | None = None
        self.lost_to: str | None = None
        self.task: asyncio.Task[None] | None = None
        self.opened_at = 0.0
        self.renew_after: float | None = None
        self.closes_within: float | None = None
        self._watcher = watcher
        self._listener = watcher.listener
        self._streams = streams
        self._info = info
        self._clock = clock
        self._asked: dict[Subscription, float] = {}
        self._confirmed: set[Subscription] = set()
        self._refused: set[Subscription] = set()
        self._table: SpareTable | None = None
        self.connection = dial(name, self, self._opened, lambda within: watcher.closing(self, within))

    @property
    def name(self) -> str:
        """The connection's name."""
        return self.connection.name

    # its role
    def lead(self) -> None:
        """Let its market events be the feed's from here on."""
        self.is_primary = True
        self.connection.feed_into(self._listener.market)

    def follow(self) -> None:
        """Let it bring only what the primary lacks, beginning now."""
        self.is_primary = False
        if self._table is not None:
            self._table.close()
        self._table = SpareTable(self._streams, next(self._numbers))
        self.connection.feed_into(self._table.market)

    def forget(self, subscription: Subscription) -> None:
        """Take nothing more of what is removed."""
        self._asked.pop(subscription, None)
        self._confirmed.discard(subscription)
        self._refused.discard(subscription)
        if self._table is not None:
            self._table.forget(subscription)

    def close(self) -> None:
        """Let nobody wait for what it brings, and be replaced no more."""
        if self._table is not None:
            self._table.close()
            self._table = None
        if self.ageing is not None:
            self.ageing.cancel()
            self.ageing = None

    def let_go(self, until: Nanos) -> bool:
        """Wait no longer for what is missing before events that came by ``until``; tells whether it is a spare."""
        if self._table is not None:
            self._table.let_go(until)
        return self._table is not None

    # how far it is
    def is_ready(self, subscription: Subscription, now: float) -> bool:
        """Tell whether a subscription works as far as can be known.

        Args:
            subscription: One of those it carries.
            now: The monotonic clock's time.
        """
        stream, asked_at = self._streams.get(subscription), self._asked.get(subscription)
        if stream is None or asked_at is None:
            return stream is None
        if subscription in self._confirmed or (self._table is not None and self._table.has_seen(stream)):
            return True
        return not self._info.channels[subscription.channel].acknowledged and now >= asked_at + _SETTLED

    def is_caught_up(self, subscription: Subscription, now: float) -> bool:
        """Tell whether it can take a subscription over without missing what is still on its way to the primary."""
        stream = self._streams.get(subscription)
        if stream is None:
            return True
        is_even = now >= self._asked.get(subscription, now) + _SETTLED
        return self.is_ready(subscription, now) and (
            is_even or (self._table is not None and self._table.overlaps(stream))
        )

    def take_over(self, now: float) -> tuple[list[Subscription], list[Subscription]]:
        """Become the primary.

        Args:
            now: The monotonic clock's time.

        Returns:
            What goes on as if nothing had happened, and what does not.
        """
        table, self._table = self._table, None
        self.lead()
        kept, cut = list[Subscription](), list[Subscription]()
        for subscription in list(self.connection.wanted):
            stream = self._streams.get(subscription)
            is_kept = False
            if stream is not None and table is not None:
                is_ready = stream.is_following and (table.has_seen(stream) or self.is_ready(subscription, now))
                if is_ready:
                    stream.connection = self.name
                is_kept = table.take_over(stream) and is_ready
            (kept if is_kept else cut).append(subscription)
        if table is not None:
            table.close()
        return kept, cut

    def begin_anew(self, subscriptions: Iterable[Subscription]) -> None:
        """Start these over: what is asked for already is told as such, unless it begins with an answer to the asking.

        What is not asked for yet will be, and is told then.
        """
        told = []
        for subscription in subscriptions:
            if subscription in self._refused or (subscription in self._asked and self._starts_on_socket(subscription)):
                self.connection.resubscribe(subscription)
            elif subscription in self._asked:
                told.append(subscription)
        if told:
            self._listener.asked(self.name, told)
        self.tell_confirmed(told)

    def tell_confirmed(self, subscriptions: Iterable[Subscription]) -> None:
        """Tell of those of these that the exchange has acknowledged."""
        confirmed = [one for one in subscriptions if one in self._confirmed]
        if confirmed:
            self._listener.confirmed(confirmed)

    def _starts_on_socket(self, subscription: Subscription) -> bool:
        book = self._info.book
        return (
            book is not None
            and book.start in (BookStart.SOCKET, BookStart.SYNCED)
            and isinstance(self._streams.get(subscription), BookStream)
        )

    # what its connection tells
    @property
    def market(self) -> Mapping[type, Mapping[str, Callable[[Any], None]]]:
        """What takes the market events until it has a role."""
        return self._listener.market

    def on_quality(self, event: Event) -> None:
        """Pass the primary's on, and of each leg that it is back."""
        if isinstance(event, Reconnected):
            if not self.is_installed:
                return
            if self.lost_to is not None:
                event = msgspec.structs.replace(event, reason=f"{event.reason}; {self.lost_to} carried on")
                self.lost_to = None
        elif not self.is_primary:
            return
        self._listener.on_quality(event)

    def asked(self, connection: str, subscriptions: Sequence[Subscription]) -> None:
        """Note that these were asked for."""
        now = self._clock.monotonic()
        self._asked.update(dict.fromkeys(subscriptions, now))
        self._refused.difference_update(subscriptions)
        if self.is_primary:
            self._listener.asked(connection, subscriptions)

    def confirmed(self, subscriptions: Sequence[Subscription]) -> None:
        """Note that these were acknowledged."""
        self._confirmed.update(subscriptions)
        if self.is_primary:
            self._listener.confirmed(subscriptions)

    def refused(self, refusal: Refused) -> None:
        """Pass the primary's on; a spare does without."""
        for subscription in refusal.subscriptions:
            self._asked.pop(subscription, None)
            self._confirmed.discard(subscription)
        self._refused.update(refusal.subscriptions)
        if self.is_primary:
            self._listener.refused(refusal)
        else:
            named = ", ".join(map(str, refusal.subscriptions))
            _log.warning("%s %s: refused %s: %s", self._info.id, self.name, named, refusal.reason)

    def missed(self, subscriptions: Iterable[Subscription], missing: int | None) -> None:
        """Begin anew as a spare, whose trades and deltas up to here are good; of the primary the watcher is told."""
        if self.is_primary:
            self._watcher.jumped(self, missing)
        else:
            self.follow()

    def lost(self, loss: Missed) -> None:
        """Pass the primary's on; a spare begins anew, whose events up to here are good."""
        if self.is_primary:
            self._listener.lost(loss)
        else:
            self.follow()

    def garbled(self, subscriptions: Iterable[Subscription], error: Exception) -> None:
        """Pass the primary's on; a spare begins anew if something may be missing that no number tells of."""
        if self.is_primary:
            self._listener.garbled(subscriptions, error)
        elif list(subscriptions):
            self.follow()

    def unlisted(self) -> None:
        """Pass it on."""
        self._listener.unlisted()

    def disconnected(self, subscriptions: Iterable[Subscription], ts_good: Nanos, reason: str) -> None:
        """Tell the watcher."""
        self._watcher.ended(self, ts_good, reason)

    def _opened(self, located: Located) -> None:
        self._asked.clear()
        self._confirmed.clear()
        self._refused.clear()
        self._watcher.opened(self, located)
