"""``stream`` is a plain iterator: no asyncio in sight, the feed lives in a thread that ends with the loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tickwire.model.clock import SystemClock
from tickwire.model.errors import SubscriptionRejectedError, UnknownExchangeError, UnknownInstrumentError
from tickwire.model.events import Trade
from tickwire.model.quality import Event, Unsubscribed
from tickwire.plugin.registry import Registry
from tickwire.run.script import stream

if TYPE_CHECKING:
    from conftest import Toy, ToyConnection


def trades(*numbers: int) -> list[dict[str, Any]]:
    return [{"k": "trade", "s": "SOL_USD", "n": number} for number in numbers]


def gives(toy: Toy, *messages: dict[str, Any]) -> None:
    """Let the toy say this once it is asked."""

    def answer(connection: ToyConnection, message: dict[str, Any]) -> None:
        asyncio.get_running_loop().call_soon(lambda: connection.give(*messages))

    toy.answer = answer


def streamed(toy: Toy, symbols: tuple[str, ...] = ("SOL-USD",), **settings: Any) -> Iterator[Event]:
    return stream("toy", symbols, registry=toy.registry(), clock=SystemClock(), **settings)


def numbers(events: list[Event]) -> list[int | None]:
    return [event.sequence for event in events if isinstance(event, Trade)]


def collect(events: Iterator[Event], seen: list[Event]) -> None:
    while True:
        seen.append(next(events))


def fail_at_the_first(events: Iterator[Event]) -> None:
    for _ in events:
        raise RuntimeError("the user's own")


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("tickwire toy")]


def test_events_come_until_the_seconds_are_over(toy: Toy) -> None:
    gives(toy, *trades(1, 2, 3))
    began = time.monotonic()
    events = list(streamed(toy, seconds=0.3))
    assert numbers(events) == [1, 2, 3]
    assert isinstance(events[-1], Unsubscribed)
    assert 0.25 < time.monotonic() - began < 20
    assert (threads(), toy.last.is_open) == ([], False)


def test_leaving_the_loop_early_stops_the_feed(toy: Toy) -> None:
    gives(toy, *trades(*range(5000)))
    for event in streamed(toy):
        if numbers([event]) == [10]:
            break
    assert (threads(), toy.last.is_open, toy.is_closed) == ([], False, True)


def test_an_exception_in_the_loop_s_body_stops_the_feed(toy: Toy) -> None:
    gives(toy, *trades(1))
    with pytest.raises(RuntimeError, match="the user's own"):
        fail_at_the_first(streamed(toy))
    assert (threads(), toy.last.is_open) == ([], False)


def test_an_error_comes_after_every_event_received_before_it(toy: Toy) -> None:
    gives(toy, *trades(*range(3000)), {"k": "no", "streams": ["trades:SOL_USD"], "why": "not today"})
    seen: list[Event] = []
    with pytest.raises(SubscriptionRejectedError, match="not today"):
        collect(streamed(toy), seen)
    assert numbers(seen) == list(range(3000))
    assert threads() == []


def test_an_error_ends_a_stream_that_has_no_end_at_once(toy: Toy) -> None:
    began = time.monotonic()
    with pytest.raises(UnknownInstrumentError):
        next(streamed(toy, ("NOT-LISTED",)))
    assert time.monotonic() - began < 20
    assert threads() == []


def test_an_error_comes_before_the_seconds_are_over(toy: Toy) -> None:
    began = time.monotonic()
    with pytest.raises(UnknownInstrumentError):
        next(streamed(toy, ("NOT-LISTED",), seconds=60))
    assert time.monotonic() - began < 20


def test_what_is_wrong_before_anything_starts_is_raised_by_the_first_step() -> None:
    with pytest.raises(UnknownExchangeError):
        next(stream("nowhere", ["SOL-USD"], registry=Registry.of()))


def test_it_works_in_a_thread_whose_own_loop_is_running(toy: Toy) -> None:
    async def notebook() -> list[Event]:
        return list(streamed(toy, seconds=0.2))

    gives(toy, *trades(1, 2))
    assert numbers(asyncio.run(notebook())) == [1, 2]


def test_a_slow_body_lets_the_sockets_be_read_on(toy: Toy) -> None:
    gives(toy, *trades(*range(5000)))
    events = streamed(toy)
    first = next(events)
    deadline = time.monotonic() + 5
    while toy.given < 5000 and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert toy.given == 5000
    rest = [first]
    while len(numbers(rest)) < 5000:
        rest.append(next(events))
    assert numbers(rest) == list(range(5000))
    events.close()  # type: ignore[attr-defined]
    assert threads() == []


def test_a_stream_that_is_never_begun_starts_nothing(toy: Toy) -> None:
    streamed(toy)
    assert (threads(), toy.dials) == ([], [])
