"""What a sink gets instead of the events themselves: they go through its steps, and what comes out is a record again.

An event that passed unchanged keeps its record. A derived one has the ordinal of the event that brought it forth, and a
key that a replay gives it again: a candle's says of what it is and of how many trades, any other's names its cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tickwire.derive.book_samples import BookSamples
from tickwire.derive.calling import Calling
from tickwire.derive.candles import Candles, Late
from tickwire.derive.conflation import Conflation
from tickwire.derive.nbbo import Nbbo
from tickwire.derive.processor import Processor
from tickwire.derive.throttle import THROTTLED, Throttle
from tickwire.derive.vwap import Vwap
from tickwire.model.channel_events import EVENTS_OF, channel_of
from tickwire.model.channels import Channel
from tickwire.model.errors import ConfigError
from tickwire.model.events import Candle, Trade
from tickwire.model.quality import Event
from tickwire.model.stored import Record
from tickwire.run.durations import duration_text
from tickwire.run.process_settings import (
    BooksStep,
    CallStep,
    CandlesStep,
    ConflateStep,
    NbboStep,
    ProcessStep,
    ThrottleStep,
    VwapStep,
)
from tickwire.run.settings import SinkConfig
from tickwire.run.sink_callback import imported

__all__ = ["Processing"]


class Processing:
    """One sink's steps, between the runner and the sink's queue."""

    def __init__(self, entry: SinkConfig, put: Callable[[Record], None]) -> None:
        """Make the steps.

        Args:
            entry: The sink's settings.
            put: Takes what comes out.

        Raises:
            ConfigError: A function cannot be imported; names the place.
        """
        self._name = entry.name
        self._wanted = None if entry.channels is None else frozenset(entry.channels)
        self._put = put
        self._steps = [_made(step, number, entry.name) for number, step in enumerate(entry.process)]
        self._last: Record | None = None

    def put(self, record: Record) -> None:
        """Take the next record of the run."""
        self._last = record
        events: Iterable[Event] = (record.event,)
        for step in self._steps:
            events = [made for event in events for made in step.apply(event)]
        self._hand_on(events, record)

    def flush(self) -> None:
        """Hand on what is held back: nothing comes any more."""
        for number, step in enumerate(self._steps):
            events: Iterable[Event] = list(step.flush())
            for later in self._steps[number + 1 :]:
                events = [made for event in events for made in later.apply(event)]
            if self._last is not None:
                self._hand_on(events, self._last, "end")

    def _hand_on(self, events: Iterable[Event], cause: Record, when: str = "") -> None:
        for number, event in enumerate(events):
            if self._wanted is None or channel_of(event) in self._wanted:
                self._put(cause if event is cause.event else self._record(event, cause, f"{when}{number}"))

    def _record(self, event: Event, cause: Record, place: str) -> Record:
        return Record(event, cause.run_id, cause.ordinal, _key_of(event) or f"{cause.key}/{self._name}/{place}")


def _key_of(event: Event) -> str | None:
    if isinstance(event, Trade) and event.trade_id is not None:
        return f"{event.exchange}/{event.symbol}/{event.trade_id}"
    if isinstance(event, Candle) and event.is_computed:
        state = "closed" if event.is_closed else "open"
        return f"{event.exchange}/{event.symbol}/candle/{event.interval}/{event.ts_start}/{state}/{event.trades}"
    return None


def _nanos(seconds: float | None) -> int:
    return 0 if seconds is None else round(seconds * 1e9)


def _candles(step: CandlesStep, sink: str) -> Processor:
    name, late = duration_text(step.interval), Late(step.late)
    return Candles(
        _nanos(step.interval), name, late, _nanos(step.grace), updates=step.updates, empty=step.empty, sink=sink
    )


def _throttle(step: ThrottleStep, _: str) -> Processor:
    if step.channels is None:
        return Throttle(_nanos(step.every), THROTTLED)
    return Throttle(_nanos(step.every), [one for name in step.channels for one in EVENTS_OF[Channel(name)]])


def _conflation(step: ConflateStep, _: str) -> Processor:
    return Conflation(_nanos(step.every))


def _books(step: BooksStep, _: str) -> Processor:
    every = None if step.every is None else _nanos(step.every)
    return BookSamples(step.changes, every, step.depth, deltas=step.deltas)


def _nbbo(step: NbboStep, _: str) -> Processor:
    return Nbbo(_nanos(step.stale), step.name)


def _vwap(step: VwapStep, _: str) -> Processor:
    return Vwap(_nanos(step.window), duration_text(step.window), _nanos(step.every))


def _call(step: CallStep, sink: str) -> Processor:
    return Calling(imported(step.function), step.function, sink)


_MAKERS: dict[type, Callable[[Any, str], Processor]] = {
    CandlesStep: _candles,
    ThrottleStep: _throttle,
    ConflateStep: _conflation,
    BooksStep: _books,
    NbboStep: _nbbo,
    VwapStep: _vwap,
    CallStep: _call,
}


def _made(step: ProcessStep, number: int, sink: str) -> Processor:
    try:
        return _MAKERS[type(step.named)](step.named, sink)
    except ConfigError as error:
        error.path = f"process[{number}].call.function"
        raise
