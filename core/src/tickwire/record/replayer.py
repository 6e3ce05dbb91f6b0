"""Delivers a capture to the feeds: turn by turn as it was recorded, or by time where that cannot be followed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from tickwire.feed.limits import Limits
from tickwire.feed.listing import ListingSettings
from tickwire.feed.marks import Marks
from tickwire.model.clock import Clock, Nanos
from tickwire.model.errors import ConnectionLostError, ExchangeUnavailableError, TickwireError
from tickwire.plugin.protocols import Ending, Frame, Request, Response
from tickwire.record.by_time import Answers, Lines
from tickwire.record.clocks import DeliveredClock
from tickwire.record.entries import (
    Answered,
    Arrival,
    Asked,
    Dialed,
    Dialing,
    Done,
    Ended,
    Entry,
    Framed,
    Known,
    Lost,
    Marked,
    RunBegun,
    Stopped,
)
from tickwire.record.failures import raised
from tickwire.record.foreign import FOREIGN, roughly
from tickwire.record.objects import with_objects
from tickwire.record.operations import Operation, Operations
from tickwire.record.pace import Pace
from tickwire.record.past import RecordedPast
from tickwire.record.redaction import MASK
from tickwire.record.replay_transport import ReplayLine, replayed_connection
from tickwire.record.taped import RequestKey, request_key
from tickwire.record.turns import SETTLED, others_are_ready
from tickwire.run.settings import ExchangeConfig

__all__ = ["Replayer"]

_log = logging.getLogger(__name__)


class Replayer:
    """One replay; goes around a ``Runner``'s feeds.

    Attributes:
        run_id: The recorded run's.
        clock: The feeds'.
        limits: The feeds', by that clock.
        operations: What the feeds wait for.
        is_exact: It follows turn by turn.
        is_foreign: Other software recorded it.
        course: Why it does not any more; empty while it does.
        delivered: Entries delivered so far.
        until: Set at the end.
        error: Why the capture could not be read to its end.
    """

    def __init__(self, begun: RunBegun, entries: Iterable[Entry], pace: Pace) -> None:
        """Take over a run.

        Args:
            begun: How it began.
            entries: What followed.
            pace: When to go on.
        """
        self.run_id = begun.run_id
        self.operations = Operations()
        self.is_exact = begun.is_exact
        self.is_foreign = begun.version == FOREIGN
        self.course = "" if begun.is_exact else "it was recorded without tickwire's own clock"
        self.delivered = 0
        self.until = asyncio.Event()
        self.error: TickwireError | None = None
        self._clock = DeliveredClock(self.operations, self._sleeping, begun.ts, begun.mono)
        self.clock: Clock = self._clock
        self.limits = Limits(self._clock)
        self._entries: Iterator[Entry] = iter(entries)
        self._pace = pace
        self._next: Arrival | None = None
        self._turns = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._halted: set[int] = set()
        self._is_over = self._is_closed = False
        self._requests: dict[int, RequestKey] = {}
        self._fetching: dict[int, str] = {}
        self._lines: dict[int, ReplayLine] = {}
        self._answers = Answers(roughly if self.is_foreign else lambda key: key)
        self._by_time = Lines()
        self._past = RecordedPast()
        self._deliveries: dict[type, Callable[[Any], None]] = {
            Framed: self._framed, Answered: self._answered, Dialed: self._dialed, Ended: self._ended,
            Done: self._done, Stopped: lambda entry: self.until.set(),
        }  # fmt: skip
        self._notes: dict[type, Callable[[Any], None]] = {
            Asked: self._was_asked, Dialing: self._was_dialled,
            Marked: self._past.was_marked, Known: self._past.was_known,
            Lost: self._was_lost,
        }  # fmt: skip

    # the life
    def _begin(self) -> None:
        # with the first thing that a feed does, as a recording does
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._pace.begin(self._clock.mono)
            self._read_on()
            self._loop.call_soon(self._turn)

    def _sleeping(self, operation: Operation, seconds: float) -> Callable[[], None]:
        self._begin()
        return _nothing

    def close(self) -> None:
        """Deliver nothing any more."""
        self._is_closed = True

    def pause(self, number: int) -> None:
        """Halt at the next quiet moment, for somebody who cannot keep up."""
        self._halted.add(number)

    def resume(self, number: int) -> None:
        """Go on."""
        self._halted.discard(number)

    def _turn(self) -> None:
        loop = self._loop
        if self._is_closed or loop is None:
            return
        is_settled = self._turns >= SETTLED or not others_are_ready(loop)
        entry = self._next
        if entry is None:
            if is_settled:
                self._at_end()
                return
        elif self._is_due(entry, is_settled):
            wait = self._pace.wait(entry.mono) if is_settled else 0.0
            if is_settled and (wait > 0 or self._halted):
                loop.call_later(max(wait, 0.001), self._turn)
                return
            self._advance(entry)
        self._turns += 1
        loop.call_soon(self._turn)

    def _is_due(self, entry: Arrival, is_settled: bool) -> bool:
        if self.is_exact and entry.turns < SETTLED:
            return self._turns >= entry.turns
        return is_settled

    def _advance(self, entry: Arrival) -> None:
        self._turns = 0
        if not self.is_exact and self._wake_first(entry.mono):
            return
        self._show(entry.ts, entry.mono)
        following: Arrival | None = entry
        # what came in one turn goes in one turn
        while following is entry or (following is not None and not following.turns):
            assert following is not None
            self._deliveries[type(following)](following)
            self.delivered += 1
            following = self._read_on()

    def _show(self, wall: Nanos, mono: int) -> None:
        self._clock.wall, self._clock.mono = wall, max(mono, self._clock.mono)

    # In a replay by time waits end when they are over, in order.
    def _wake_first(self, until: int) -> bool:
        due = min(
            (
                (one.key, one.number)
                for one in self.operations.open.values()
                if one.kind == "sleep" and not one.done.done()
            ),
            default=None,
        )
        if due is None or due[0] > until:
            return False
        mono, number = due
        self._show(self._clock.wall + max(0, mono - self._clock.mono), mono)
        self.operations.finish(number)
        return True

    def _read_on(self) -> Arrival | None:
        self._next = None
        try:
            self._read_notes()
        except TickwireError as error:  # the capture cannot be read any further
            self.error = error
            self._entries = iter(())
        return self._next

    def _read_notes(self) -> None:
        for entry in self._entries:
            if isinstance(entry, Arrival):
                self._next = with_objects(entry)
                break
            note = self._notes.get(type(entry))
            if note is not None:
                note(entry)

    def _at_end(self) -> None:
        if not self._is_over:
            self._is_over = True
            for operation in list(self.operations.open.values()):
                if operation.kind == "close":
                    self._close_at_once(operation)
                elif operation.kind == "ping":
                    self.operations.finish(operation.number, False)
            self.until.set()

    def _leave(self, why: str) -> None:
        if not self.is_exact:
            return
        self.is_exact, self.course = False, why
        _log.warning("the replay goes by time from here on: %s", why)
        for operation in self.operations.open.values():
            if operation.kind == "fetch":
                self._answers.asked(self._fetching[operation.number], operation)
        for line in self._lines.values():
            if line.recorded is None and line.number in self.operations.open:
                self._by_time.dialled(line)

    # what the feeds do
    def asking(self, operation: Operation, feed: str) -> None:
        """Note that a feed wants an answer."""
        self._begin()
        self._fetching[operation.number] = feed
        if self._is_over:
            self.operations.finish(operation.number, error=ExchangeUnavailableError("the capture is over"))
        elif not self.is_exact:
            self._answers.asked(feed, operation)

    def dialing(self, operation: Operation, line: ReplayLine) -> None:
        """Note that a feed wants a connection."""
        self._begin()
        self._lines[operation.number] = line
        if self._is_over:
            self.operations.finish(operation.number, error=ConnectionLostError("the capture is over"))
        elif self.is_exact:
            line.recorded = operation.number
        else:
            self._by_time.dialled(line)

    def closing(self, operation: Operation, line: ReplayLine | None) -> None:
        """Note that a feed closes a connection, or its transport."""
        operation.key = line
        if self._is_over or not self.is_exact:
            self._close_at_once(operation)

    def _close_at_once(self, operation: Operation) -> None:
        if operation.key is not None:
            operation.key.end(Ending(1000, "closed"))
        self.operations.finish(operation.number)

    def pinging(self, operation: Operation) -> None:
        """Note that a feed wants to know whether a connection is alive."""
        if self._is_over or not self.is_exact:
            # whether it was alive is seen by what came of it
            self.operations.finish(operation.number, True)

    # what was recorded
    def _was_lost(self, entry: Lost) -> None:
        count = f"{entry.entries:,} missing: " if entry.entries else ""
        self._leave(f"{count}{entry.reason}")

    def _was_asked(self, entry: Asked) -> None:
        request = Request(entry.method, entry.path, entry.params, entry.body, entry.headers, signed=entry.is_signed)
        self._requests[entry.number] = request_key(request)

    def _was_dialled(self, entry: Dialing) -> None:
        if not self.is_exact:
            self._by_time.recorded(entry.number, entry.feed, entry.url)

    def _framed(self, entry: Framed) -> None:
        frame = Frame(entry.payload, entry.ts_recv)
        if self.is_exact:
            line = self._lines.get(entry.connection)
            if line is None:
                self._leave(f"connection {entry.connection} was not dialled")
            else:
                line.on_frame(frame)
                return
        self._came(entry.feed, entry.connection, frame)

    def _ended(self, entry: Ended) -> None:
        error = None if entry.failure is None else raised(entry.failure)
        ending = Ending(entry.code, entry.reason, error)
        line = self._lines.get(entry.connection) if self.is_exact else None
        if line is not None:
            line.end(ending)
            self._lines.pop(entry.connection)
        else:
            self._came(entry.feed, entry.connection, ending)
            self._by_time.forget(entry.connection)

    def _came(self, feed: str, connection: int, item: Any) -> None:
        found = self._by_time.find(connection)
        if found is not None:
            found.came(item)
            return
        for line in self._lines.values():  # dialled before the courses parted
            if line.recorded == connection and line.feed == feed:
                (line.on_frame if isinstance(item, Frame) else line.end)(item)
                return

    def _answered(self, entry: Answered) -> None:
        key = self._requests.pop(entry.number, ("", "", ""))
        finish = partial(self._finish_fetch, entry)
        if self.is_exact:
            operation = self._expected(entry.number, "fetch")
            if operation is not None and _is_same(operation.key, key):
                finish(operation)
                return
            if operation is not None:
                self._leave(f"{operation.key[0]} {operation.key[1]} was asked for instead of {key[0]} {key[1]}")
            if self.is_exact:
                return  # nobody waits any more, as then
        self._answers.came(entry.feed, key, finish)

    def _finish_fetch(self, entry: Answered, operation: Operation) -> None:
        if entry.failure is not None:
            self.operations.finish(operation.number, error=raised(entry.failure))
            return
        response = Response(entry.status, entry.headers, entry.body, entry.ts_recv, entry.value)
        self.operations.finish(operation.number, response)

    def _dialed(self, entry: Dialed) -> None:
        if self.is_exact:
            operation = self._expected(entry.number, "dial")
            if operation is not None:
                self._finish_dial(entry, self._lines[operation.number])
            if self.is_exact:
                return
        found = self._by_time.find(entry.number)
        if found is None:
            return
        if found.line is not None:
            self._finish_dial(entry, found.line)
        elif entry.failure is None:
            found.opens = partial(self._finish_dial, entry)
        else:
            self._by_time.drop(entry.number)

    def _finish_dial(self, entry: Dialed, line: ReplayLine) -> None:
        if entry.failure is not None:
            self._lines.pop(line.number, None)
            self.operations.finish(line.number, error=raised(entry.failure))
        else:
            self.operations.finish(line.number, replayed_connection(line, entry.can_ping))

    def _done(self, entry: Done) -> None:
        if not self.is_exact:
            return
        if self._expected(entry.number, None) is not None:
            error = None if entry.failure is None else raised(entry.failure)
            self.operations.finish(entry.number, entry.value, error)

    # Gives what waits under that number; None: it waits no more, or the courses part.
    def _expected(self, number: int, kind: str | None) -> Operation | None:
        operation = self.operations.open.get(number)
        if operation is None and number >= self.operations.count:
            self._leave(f"operation {number} was not begun")
            return None
        if operation is not None and (kind or operation.kind) != operation.kind:
            self._leave(f"a {operation.kind} was begun instead of a {kind}")
            return None
        return operation

    # around the feeds
    def listing(self, entry: ExchangeConfig, settings: ListingSettings) -> ListingSettings:
        """Give what the feed was told of earlier lists."""
        return self._past.listing(entry, settings)

    def marks(self, entry: ExchangeConfig, marks: Marks) -> Marks:
        """Give what the feed was told of the run before."""
        return self._past.marks(entry)


def _is_same(asked: RequestKey, recorded: RequestKey) -> bool:
    # a listen key or another secret in a path was masked when it was recorded
    return asked == recorded or (asked[0] == recorded[0] and (MASK in recorded[1] or MASK in recorded[2]))


def _nothing() -> None:
    pass
