"""What a hostile exchange does: a closed catalogue of faults, and those that are under way.

Faults hurt only what is sent. The market and its ground truth never know of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from random import Random
from typing import Final, Protocol

import attrs

from tickwire.model.channels import Channel
from tickwire.model.clock import Clock, Nanos, SystemClock

__all__ = ["Fault", "FaultKind", "Faults", "Injected", "Site", "Sufferer"]


class Site(StrEnum):
    """What a fault falls upon, and so what its ``count`` counts."""

    FRAME = "frame"
    """Messages of topics, as they are sent to one client."""
    BOOK = "book"
    """Changes of books, before they are sent to anybody."""
    CONNECTION = "connection"
    """Connections that are open at that moment."""
    DIAL = "dial"
    """The next connections."""
    SUBSCRIPTION = "subscription"
    """The next topics that are asked for."""
    REQUEST = "request"
    """The next HTTP requests."""
    CLOCK = "clock"
    """The exchange's time."""


class FaultKind(StrEnum):
    """What can go wrong."""

    DROP = "drop"
    """A frame is lost."""
    DUPLICATE = "duplicate"
    """A frame is sent twice."""
    REORDER = "reorder"
    """``count`` frames of one client are shuffled: the first ones wait for the last, at most ``seconds``."""
    STALL = "stall"
    """Nothing is delivered for ``seconds``, then all of it."""
    GARBAGE = "garbage"
    """Text that is no JSON is sent before a frame."""
    TRUNCATED = "truncated"
    """Only the first half of a frame is sent."""
    HUGE = "huge"
    """A frame is filled up with blanks to one byte above 10 MiB."""
    UNKNOWN_FIELD = "unknown_field"
    """Each JSON object of a frame has one field more."""
    UNKNOWN_KIND = "unknown_kind"
    """A copy of a frame is sent before it, in which every name is unheard of."""
    CORRUPT_NUMBER = "corrupt_number"
    """Each number with a fraction in a frame becomes ``number``."""

    SEQUENCE_GAP = "sequence_gap"
    """A change of a book is never sent to anybody, or the whole batch that it would have come in."""

    CLOSE_CLEAN = "close_clean"
    """The exchange closes with ``code``."""
    CLOSE_ABRUPT = "close_abrupt"
    """The connection is reset."""
    HALF_OPEN = "half_open"
    """The socket stays open, and nothing is delivered nor read any more, not even pings."""

    CLOSE_ON_OPEN = "close_on_open"
    """The upgrade is accepted, then the exchange closes with ``code``."""
    UPGRADE_REFUSED = "upgrade_refused"
    """The upgrade is answered with ``status``."""
    SILENT = "silent"
    """The socket is accepted and answers pings, and that is all."""

    SUBSCRIPTION_IGNORED = "subscription_ignored"
    """A topic is never delivered, and the frame that asked for it never answered."""
    CLOSE_AFTER_SUBSCRIBE = "close_after_subscribe"
    """The exchange closes with ``code`` instead of answering."""

    STALE_SNAPSHOT = "stale_snapshot"
    """The book is that of ``behind`` changes ago."""
    STALE_HISTORY = "stale_history"
    """The trades of the last ``seconds`` are not yet there."""
    STATUS_429 = "status_429"
    STATUS_418 = "status_418"
    STATUS_451 = "status_451"
    STATUS_403 = "status_403"
    STATUS_5XX = "status_5xx"
    SLOW_ANSWER = "slow_answer"
    """The answer comes ``seconds`` after it was made."""
    EMPTY_ANSWER = "empty_answer"
    """200, and no body."""
    HTML_ANSWER = "html_answer"
    """200, and a page for people."""
    CUT_ANSWER = "cut_answer"
    """The connection ends in the middle of the answer."""

    CLOCK_SKEW = "clock_skew"
    """The exchange's clock is ``seconds`` ahead (behind: below zero), in frames, answers and the header ``Date``."""

    @property
    def site(self) -> Site:
        """What it falls upon."""
        return _SITES[self]


_KINDS_BY_SITE: Final = {
    Site.FRAME: (
        FaultKind.DROP, FaultKind.DUPLICATE, FaultKind.REORDER, FaultKind.STALL, FaultKind.GARBAGE, FaultKind.TRUNCATED,
        FaultKind.HUGE, FaultKind.UNKNOWN_FIELD, FaultKind.UNKNOWN_KIND, FaultKind.CORRUPT_NUMBER,
    ),
    Site.BOOK: (FaultKind.SEQUENCE_GAP,),
    Site.CONNECTION: (FaultKind.CLOSE_CLEAN, FaultKind.CLOSE_ABRUPT, FaultKind.HALF_OPEN),
    Site.DIAL: (FaultKind.CLOSE_ON_OPEN, FaultKind.UPGRADE_REFUSED, FaultKind.SILENT),
    Site.SUBSCRIPTION: (FaultKind.SUBSCRIPTION_IGNORED, FaultKind.CLOSE_AFTER_SUBSCRIBE),
    Site.REQUEST: (
        FaultKind.STALE_SNAPSHOT, FaultKind.STALE_HISTORY, FaultKind.STATUS_429, FaultKind.STATUS_418,
        FaultKind.STATUS_451, FaultKind.STATUS_403, FaultKind.STATUS_5XX, FaultKind.SLOW_ANSWER,
        FaultKind.EMPTY_ANSWER, FaultKind.HTML_ANSWER, FaultKind.CUT_ANSWER,
    ),
    Site.CLOCK: (FaultKind.CLOCK_SKEW,),
}  # fmt: skip
_SITES: Final = {kind: site for site, kinds in _KINDS_BY_SITE.items() for kind in kinds}
_STATUSES: Final = {
    FaultKind.STATUS_429: 429,
    FaultKind.STATUS_418: 418,
    FaultKind.STATUS_451: 451,
    FaultKind.STATUS_403: 403,
}
# the fault is under way until the connections it hit are gone
_LASTING: Final = (FaultKind.HALF_OPEN, FaultKind.SILENT)
# each open connection, any number of frames: only time ends these
_UNCOUNTED: Final = (FaultKind.STALL, FaultKind.CLOCK_SKEW, *_KINDS_BY_SITE[Site.CONNECTION])


def _count_of(fault: Fault) -> int | None:
    if fault.kind in _UNCOUNTED:
        return None
    return 4 if fault.kind is FaultKind.REORDER else 1


@attrs.frozen
class Fault:
    """One thing that goes wrong.

    Attributes:
        kind: What.
        count: How many it falls upon (of what, ``kind.site`` says), then it is over. ``None``: any number.
        channel: Only frames, topics, and connections that carry a topic, of this channel. ``None``: all.
        native: Only those of this instrument, by native symbol, and requests that name it in path or query.
        path: Only requests whose path contains this.
        seconds: How long, how old, or how far off, as the kind says.
        lasts: Seconds after which it is over in any case; ``None``: no limit.
        status: The HTTP status of ``UPGRADE_REFUSED`` and ``STATUS_5XX``; of the others the kind says it.
        retry_after: Seconds in the header ``Retry-After`` of a refusal; ``None``: no such header.
        code: With which the exchange closes.
        behind: Changes that a stale snapshot lacks, at most 2,000.
        number: What a corrupt number says: ``nan``, ``inf`` or, as no size can be that, ``-1``.
    """

    kind: FaultKind = attrs.field(converter=FaultKind)
    count: int | None = attrs.field(default=attrs.Factory(_count_of, takes_self=True))
    channel: Channel | None = None
    native: str | None = None
    path: str = ""
    seconds: float = 5.0
    lasts: float | None = None
    status: int = attrs.field(default=attrs.Factory(lambda self: _STATUSES.get(self.kind, 503), takes_self=True))
    retry_after: float | None = None
    code: int = 1000
    behind: int = 50
    number: str = "nan"

    def concerns(self, channel: Channel | None, native: str | None) -> bool:
        """Tell whether it falls upon a topic; an answer has neither channel nor symbol."""
        return self.channel in (None, channel) and self.native in (None, native)

    @property
    def limit(self) -> float | None:
        """Seconds after which it is over."""
        own = self.seconds if self.kind in (FaultKind.STALL, FaultKind.REORDER) else None
        limits = [limit for limit in (own, self.lasts) if limit is not None]
        return min(limits, default=None)


class Sufferer(Protocol):
    """A client's line as faults see it."""

    def carries(self, fault: Fault) -> bool:
        """Tell whether it has a topic that the fault concerns."""
        ...

    def suffer(self, injected: Injected) -> None:
        """Let a fault of connections fall upon it."""
        ...

    def push(self, payload: bytes, channel: Channel | None, native: str | None) -> None:
        """Send, through the faults that are under way."""
        ...


@attrs.define(eq=False)
class Injected:
    """A fault that was let loose.

    Attributes:
        fault: What.
        began: When, ns on the exchange's true clock.
        ended: When it was over; ``None``: it is under way.
        touched: How many frames, changes, connections, topics or requests it has fallen upon.
    """

    fault: Fault
    began: Nanos
    ended: Nanos | None = None
    touched: int = 0
    _held: list[tuple[Sufferer, bytes, Channel | None, str | None]] = attrs.field(factory=list, repr=False)
    _victims: dict[Sufferer, None] = attrs.field(factory=dict, repr=False)
    _timer: asyncio.Task[None] | None = attrs.field(default=None, repr=False)

    @property
    def is_over(self) -> bool:
        """Whether the exchange is well again, as far as this one goes."""
        return self.ended is not None

    @property
    def is_spent(self) -> bool:
        """Whether it has fallen upon as many as it was to."""
        return self.fault.count is not None and self.touched >= self.fault.count

    def hold(self, line: Sufferer, payload: bytes, channel: Channel | None, native: str | None) -> None:
        """Keep a frame back until the fault is over."""
        self._held.append((line, payload, channel, native))

    def is_of_another(self, line: Sufferer) -> bool:
        """Tell whether it holds frames of another line."""
        return bool(self._held) and self._held[0][0] is not line

    def strike(self, line: Sufferer) -> None:
        """Stay under way until that line is gone."""
        self._victims[line] = None


class Faults:
    """The faults of one exchange; hand it to ``SimServer`` or ``MemoryExchange`` and inject.

    Args:
        seed: Of shuffles and garbage.
        told: Called when a fault begins and again when it is over, e.g. to print it.

    Attributes:
        random: Where all chance comes from.
        frames: Those of site ``FRAME`` that are under way, in the order of their beginning.
        books: Likewise of site ``BOOK``.
        skew: How far ahead the exchange's clock is, ns.
    """

    def __init__(self, *, seed: int = 0, told: Callable[[Injected], None] | None = None) -> None:
        self.random = Random(seed)
        self.frames: tuple[Injected, ...] = ()
        self.books: tuple[Injected, ...] = ()
        self.skew: Nanos = 0
        self._told = told
        self._clock: Clock = SystemClock()
        self._lines: Callable[[], Iterable[Sufferer]] = tuple
        self._active: dict[Injected, None] = {}
        self._past: list[Injected] = []

    @property
    def active(self) -> Sequence[Injected]:
        """Those under way, in the order of their beginning."""
        return tuple(self._active)

    @property
    def past(self) -> Sequence[Injected]:
        """Those that are over, in the order of their end."""
        return tuple(self._past)

    def inject(self, fault: Fault) -> Injected:
        """Let a fault loose; one with a time limit needs a running event loop."""
        injected = Injected(fault, self._clock.now())
        self._active[injected] = None
        self._sort()
        if self._told is not None:
            self._told(injected)
        if fault.kind.site is Site.CONNECTION:
            self._strike(injected)
        if fault.limit is not None and not injected.is_over:
            injected._timer = asyncio.create_task(self._expire(injected, fault.limit), name="tickwire fault")
        return injected

    def clear(self) -> None:
        """Make the exchange well again: what is held back is sent, and dead connections are reset."""
        for injected in self.active:
            self.end(injected)

    def end(self, injected: Injected) -> None:
        """Make one fault be over; harmless if it is."""
        if injected not in self._active:
            return
        del self._active[injected]
        self._past.append(injected)
        injected.ended = self._clock.now()
        if injected._timer is not None:
            injected._timer.cancel()
        self._sort()
        self._release(injected)
        if self._told is not None:
            self._told(injected)

    # what the exchange asks
    def attach(self, clock: Clock, lines: Callable[[], Iterable[Sufferer]]) -> None:
        """Belong to an exchange: its clock and its open lines."""
        self._clock, self._lines = clock, lines

    def take(
        self, kinds: Iterable[FaultKind], concerns: Callable[[Fault], bool] = lambda fault: True
    ) -> Injected | None:
        """Give the first fault of these kinds that falls upon something, counted; ``None``: nothing happens to it."""
        for injected in self._active:
            if injected.fault.kind in kinds and not injected.is_spent and concerns(injected.fault):
                self.touch(injected)
                return injected
        return None

    def touch(self, injected: Injected) -> None:
        """Count what a fault fell upon; it may be over then."""
        injected.touched += 1
        if injected.is_spent and injected.fault.kind not in _LASTING:
            self.end(injected)

    def gone(self, line: Sufferer) -> None:
        """Forget a line; the faults that lasted as long as it are over."""
        for injected in self.active:
            if injected._held:
                injected._held = [held for held in injected._held if held[0] is not line]
            if line in injected._victims:
                del injected._victims[line]
                self._end_if_nobody_suffers(injected)

    def _strike(self, injected: Injected) -> None:
        fault = injected.fault
        for line in tuple(self._lines()):
            if injected.is_spent or injected.is_over:
                break
            if line.carries(fault):
                injected.touched += 1
                line.suffer(injected)
        self._end_if_nobody_suffers(injected)

    def _end_if_nobody_suffers(self, injected: Injected) -> None:
        is_done = injected.is_spent or injected.fault.kind.site is Site.CONNECTION
        if is_done and not injected._victims:
            self.end(injected)

    def _release(self, injected: Injected) -> None:
        held, injected._held = injected._held, []
        if injected.fault.kind is FaultKind.REORDER:
            held = _shuffled(held, self.random)
        for line, payload, channel, native in held:
            line.push(payload, channel, native)
        for victim in tuple(injected._victims):
            victim.suffer(injected)
        injected._victims.clear()

    def _sort(self) -> None:
        self.frames = tuple(i for i in self._active if i.fault.kind.site is Site.FRAME)
        self.books = tuple(i for i in self._active if i.fault.kind.site is Site.BOOK)
        skews = [i.fault.seconds for i in self._active if i.fault.kind is FaultKind.CLOCK_SKEW]
        self.skew = round(sum(skews) * 1e9)

    async def _expire(self, injected: Injected, seconds: float) -> None:
        await self._clock.sleep(seconds)
        injected._timer = None  # it is us: not to be cancelled
        self.end(injected)


def _shuffled(
    held: list[tuple[Sufferer, bytes, Channel | None, str | None]], random: Random
) -> list[tuple[Sufferer, bytes, Channel | None, str | None]]:
    # a shuffle that leaves all in place would be no fault
    found = held
    while len(held) > 1 and found == held:
        found = random.sample(held, len(held))
    return found
