"""Is the book in sync? Snapshot, alignment, gap, resync, for one instrument; no I/O.

Invariants: a delta is emitted only on top of a snapshot that was emitted before it; between ``Gap`` and ``Resynced``
neither snapshot nor delta is emitted except the snapshot that ``Resynced`` follows; the book answers ``None`` then.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from tickwire.feed.exactness import Inexactness
from tickwire.feed.merging import Merge, Tail
from tickwire.feed.streams import ACTIVE, Stream, SubscriptionState
from tickwire.model.book import L2Book
from tickwire.model.channels import Subscription
from tickwire.model.clock import Clock, Nanos
from tickwire.model.counting import counted, span_text
from tickwire.model.errors import ChecksumMismatchError, CrossedBookError, DecodeError, SequenceGapError
from tickwire.model.events import BookDelta, BookSnapshot, SnapshotCause
from tickwire.model.quality import Event, GapCause, Repair, Resynced, Severity, UnsubscribeReason
from tickwire.model.sequence import Decision, SequenceRule, decide
from tickwire.plugin.info import BookFeed, BookStart

__all__ = ["BookStream", "BookVerifier"]

BookVerifier = Callable[[L2Book[Any]], int]
"""Digests a book as the exchange does."""

_KEPT = 10_000
_OLD = Decision.OLD


class BookStream(Stream):
    """The L2 book of one instrument.

    Attributes:
        book: The book; exactly at the event that is being emitted.
        flowing: Set once a delta came since the last subscription.
        answered: Set once a snapshot came, good or bad, since the last subscription.
        synced_at: When it was last brought into sync, ns; forgotten once that was counted.
    """

    repair = Repair.RESYNC

    def __init__(
        self,
        subscription: Subscription,
        exchange: str,
        clock: Clock,
        emit: Callable[[Event], None],
        rules: BookFeed,
        resync: Callable[[BookStream], None],
        verifier: BookVerifier | None = None,
        on_first: Callable[[], None] = lambda: None,
        numbers: type = float,
    ) -> None:
        """Make a stream that is not in sync.

        Args:
            subscription: Of an instrument.
            exchange: The exchange's id.
            clock: Dates the quality events.
            emit: Takes the events.
            rules: How the exchange's books work.
            resync: Called when a new snapshot is needed.
            verifier: Gives the checksum to compare; ``None``: none is compared.
            on_first: Called when the exchange has acknowledged it or data came.
            numbers: ``float``: values that lose digits are announced, and no checksum is believed from then on; or
                ``Decimal``.
        """
        super().__init__(subscription, exchange, clock, emit, on_first, numbers)
        self.book: L2Book[Any] = L2Book(exchange, subscription.symbol or "", rules.sequence)
        self.flowing = asyncio.Event()
        self.answered = asyncio.Event()
        self.synced_at: Nanos | None = None
        self._rules = rules
        self._resync = resync
        self._verifier = verifier
        self._waiting: deque[BookDelta[Any]] = deque(maxlen=_KEPT)
        self._keeps = rules.start is BookStart.REST
        self._had_snapshot = False
        self._untold: list[Inexactness] = []

    @property
    def is_settled(self) -> bool:
        """Whether nothing is open; a book out of sync is not delivered."""
        return self.book.is_synced and super().is_settled

    @property
    def latency(self) -> Nanos | None:
        """Give how long the last change was on its way."""
        ts_event, ts_recv = self.book.ts_event, self.book.ts_recv
        return None if ts_event is None or ts_recv is None else ts_recv - ts_event

    def asked(self, connection: str) -> None:
        """Start over: what was kept belongs to the last subscription."""
        super().asked(connection)
        self._waiting.clear()
        self.flowing.clear()
        self.answered.clear()

    def disconnected(self, ts_good: Nanos, detail: str, cause: GapCause = GapCause.DISCONNECTED) -> None:
        """Lose sync."""
        self.book.lose_sync()
        self._waiting.clear()
        super().disconnected(ts_good, detail, cause)

    def ended(self, reason: UnsubscribeReason) -> None:
        """Lose sync: nothing keeps the book right any more."""
        self.book.lose_sync()
        super().ended(reason)

    def on_delta(self, delta: BookDelta[Any]) -> None:
        """Apply a delta and let it through, or keep it until a snapshot comes."""
        book = self.book
        if not book.is_synced:
            self._keep(delta)
            return
        ts_good = book.ts_recv
        try:
            if book.apply_delta(delta) is _OLD:
                return
            if delta.checksum is not None and self._verifier is not None:
                self._verify(delta.checksum)
        except SequenceGapError as error:
            if self.merge is not None:
                book.is_synced = True  # nothing was changed: it is behind, and another connection may bring what lacks
                if self.merge.holds(delta):
                    return
                book.lose_sync()
            self._lost_sequence(error, ts_good)
            self._keep(delta)
            self._resync(self)
        except (CrossedBookError, ChecksumMismatchError, DecodeError) as error:
            self._lost_state(error, ts_good)
        else:
            if self._untold:
                self._tell_inexact(delta.ts_recv)
            # as _passed, whose call would cost as much as all of this
            self.count += 1
            self.ts_last = delta.ts_recv
            if self.state is not ACTIVE:
                self.arrived(delta.ts_recv)
            self._emit(delta)

    # several connections
    def join(self) -> Merge | Tail | None:
        """Give where several connections' deltas come together."""
        rule, start = self._rules.sequence, self._rules.start
        if self.merge is None and rule is not SequenceRule.NONE and start in (BookStart.REST, BookStart.SOCKET):
            # what a plugin decides for itself may be only that later is larger
            is_counted = rule in (SequenceRule.CONSECUTIVE, SequenceRule.LINKED)
            self.merge = Merge(self) if is_counted else Tail(self)
        return self.merge

    @property
    def is_following(self) -> bool:
        """Whether it is in sync."""
        return self.book.is_synced

    accept = on_delta

    def number_of(self, delta: BookDelta[Any]) -> int:
        """Give the sequence it ends at."""
        return delta.last_sequence or 0

    def turn_of(self, delta: BookDelta[Any]) -> Decision:
        """Tell whether it follows the book; while that is out of sync, the primary's deltas alone bring it back."""
        book = self.book
        if not book.is_synced or book.sequence is None or delta.last_sequence is None:
            return Decision.OLD
        return book.turn_of(delta)

    def on_snapshot(self, snapshot: BookSnapshot[Any]) -> None:
        """Take over a snapshot that came over the socket; it always replaces."""
        if not self._show(snapshot):
            self._resync(self)

    def offer(self, snapshot: BookSnapshot[Any]) -> bool:
        """Take over a snapshot fetched over REST, if the deltas kept meanwhile follow it.

        Returns:
            Whether the book is in sync now; ``False``: the snapshot is too old or crossed, fetch another.
        """
        waiting, rule, last = self._waiting, self._rules.sequence, snapshot.sequence
        while waiting and decide(rule, last, waiting[0], True) is Decision.OLD:
            waiting.popleft()
        if waiting and decide(rule, last, waiting[0], True) is Decision.GAP:
            return False
        followers = list(waiting)
        waiting.clear()
        if not self._show(snapshot):
            return False
        self.fetched += 1
        for delta in followers:
            self.on_delta(delta)
        return True

    def _look(self, event: BookDelta[Any] | BookSnapshot[Any]) -> None:
        inexact = self._exactness.look_at_levels(event.bids, event.asks)
        if inexact:
            self._untold += inexact
            self._verifier = None  # digits are missing: the exchange's digest is of other numbers than ours

        self._watch()

    def _watch(self) -> None:
        self.book.watch(*self._exactness.limits, self._look)

    def _tell_inexact(self, ts_recv: Nanos) -> None:
        inexact, self._untold = self._untold, []
        self._tell(inexact, ts_recv)

    def _keep(self, delta: BookDelta[Any]) -> None:
        if self._keeps:
            self._waiting.append(delta)
        self.kept += 1
        self.flowing.set()

    def _show(self, snapshot: BookSnapshot[Any]) -> bool:
        self.answered.set()
        ts_good = self.book.ts_recv
        if self._rules.windowed and snapshot.depth is None and self.subscription.depth is not None:
            snapshot = msgspec.structs.replace(snapshot, depth=self.subscription.depth)
        self._watch()
        check = self._exactness
        try:
            if not check.passes_levels(snapshot.bids) or not check.passes_levels(snapshot.asks):
                self._look(snapshot)
            self.book.apply_snapshot(snapshot)
            if snapshot.checksum is not None and self._verifier is not None:
                self._verify(snapshot.checksum)
        except (CrossedBookError, ChecksumMismatchError, DecodeError) as error:
            self.book.lose_sync()
            if self.gap is None and self._had_snapshot:
                self.open_gap(_cause(error), ts_good, str(error))
            return False
        cause = SnapshotCause.EXCHANGE
        if not self._had_snapshot:
            cause = SnapshotCause.INITIAL
        elif self.gap is not None:
            cause = SnapshotCause.RESYNC
        self._had_snapshot = True
        self.synced_at = self._clock.now()
        if self.state is not SubscriptionState.ACTIVE:
            self.book.lose_sync()  # Subscribed comes first, and at it the book is not shown yet
            self.arrived(snapshot.ts_recv)
            self.book.is_synced = True
        if self._untold:
            self._tell_inexact(snapshot.ts_recv)
        self._passed(msgspec.structs.replace(snapshot, cause=cause))
        if self.gap is not None:
            now = self._clock.now()
            gap, self.gap = self.gap, None
            self._emit(
                Resynced(*self._header(now), Severity.INFO, gap.gap_id, self.book.sequence, now - gap.ts_noticed)
            )
        self.served()
        return True

    def _verify(self, checksum: int) -> None:
        assert self._verifier is not None
        ours = self._verifier(self.book)
        if ours != checksum:
            raise ChecksumMismatchError(f"the exchange's checksum is {checksum}, ours {ours}, at {self.book.sequence}")

    def _lost_sequence(self, error: SequenceGapError, ts_good: Nanos | None) -> None:
        first, found = error.expected, error.found
        is_counted = self._rules.sequence is SequenceRule.CONSECUTIVE
        if not is_counted or first is None or found is None or found <= first:
            return self.open_gap(GapCause.SEQUENCE, ts_good, f"{error}, fetching a snapshot")
        missing = f"{counted(found - first, 'update')} missing ({span_text(first, found - 1)})"
        detail = f"{missing}, fetching a snapshot"
        return self.open_gap(GapCause.SEQUENCE, ts_good, detail, first, found - 1)

    def _lost_state(self, error: CrossedBookError | ChecksumMismatchError | DecodeError, ts_good: Nanos | None) -> None:
        self.book.lose_sync()
        self.open_gap(_cause(error), ts_good, f"{error}, fetching a snapshot")
        self._resync(self)


def _cause(error: Exception) -> GapCause:
    if isinstance(error, DecodeError):
        return GapCause.DECODE
    return GapCause.CROSSED if isinstance(error, CrossedBookError) else GapCause.CHECKSUM
