"""A feed on a hostile exchange: in memory, on a manual clock, seen by the oracle; the same seed gives the same run."""

from __future__ import annotations

import asyncio
import gc
import random
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import attrs

from tickwire import Channel, Event, Feed, Instrument, InstrumentStatus, ManualClock, Subscription, hookimpl
from tickwire.plugin import Transport
from tickwire.simulation import Abilities, Dress, Faults, MemoryExchange, MemoryTruth, SeededMarket
from tickwire.testing.clocked_loop import ClockedLoop, LoopClock, machine_showing
from tickwire.testing.oracle import Oracle
from tickwire.testing.prerequisites import same_in, verify_listed
from tickwire.testing.served import ServedExchange
from tickwire.testing.speaking import START, make_dress
from tickwire.testing.subject import Subject
from tickwire.testing.verdicts import SPOKEN, cannot, verify

__all__ = ["Trial", "run_trial", "runner", "trial"]

_WAY = "kit_memory"
_TICK = 0.1
_CHANGES = 4
_LATENCY = 0.004


class _MemoryWay:
    # An extension that replaces the transport.
    def __init__(self, exchange: MemoryExchange) -> None:
        self._exchange = exchange

    @hookimpl
    def tickwire_transport(self) -> Transport:
        """Lead to the exchange in memory."""
        return self._exchange.transport()


@attrs.define
class Trial:
    """One run.

    Attributes:
        subject: The plugin under test.
        clock: Everybody's time.
        exchange: What the feed talks to.
        faults: What goes wrong there.
        truth: What really happened.
        feed: The feed; it is running.
        oracle: Sees every event.
        events: All of them, in order.
        symbols: What is subscribed to.
    """

    subject: Subject
    clock: ManualClock
    exchange: MemoryExchange | ServedExchange
    faults: Faults
    truth: MemoryTruth
    feed: Feed[Any]
    oracle: Oracle
    events: list[Event]
    symbols: Sequence[str]

    async def live(self, seconds: float, *, tick: float = _TICK) -> None:
        """Let time pass and the market move."""
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end - tick / 2:
            await self.exchange.step(_CHANGES)
            await self.clock.advance(tick)

    async def until(self, holds: Callable[[], bool], within: float, *, tick: float = _TICK) -> bool:
        """Let time pass until something holds; tells whether it came to that."""
        end = self.clock.monotonic() + within
        while not holds():
            if self.clock.monotonic() >= end:
                return False
            await self.live(tick, tick=tick)
        return True

    @property
    def is_well(self) -> bool:
        """Whether everything is covered, in sync, and without an open hole."""
        status = self.feed.status()
        books = [self.feed.books[str(one.symbol)] for one in status if one.channel is Channel.L2_BOOK]
        in_sync = all(book.is_synced for book in books)
        return in_sync and bool(status) and all(one.state == "active" and not one.open_gap for one in status.values())

    async def must_recover(self, within: float = 240.0) -> None:
        """Wait until everything is well and has given something since now.

        Raises:
            Nonconformity: It never is.
        """
        before, waits = self.clock.now(), 0.0
        quick = await self.until(lambda: self._flows_since(before), min(20.0, within))
        while not quick and waits < within - 20:
            await self.live(1.0, tick=0.5)
            quick, waits = self._flows_since(before), waits + 1
        what = f"{within:g} s after the last fault it is not well: {self._told()}"
        verify(quick, SPOKEN, what, "see what the feed logs; subscribe() and snapshot() must work at any time")

    def _flows_since(self, moment: int) -> bool:
        return self.is_well and all((one.ts_last or 0) > moment for one in self.feed.status().values())

    def _told(self) -> str:
        books = {symbol: book.is_synced for symbol, book in self.feed.books.items()}
        return f"in sync: {books}; " + "; ".join(f"{key}: {one}" for key, one in self.feed.status().items())

    async def judge(self) -> None:
        """Stop the feed and ask the oracle.

        Raises:
            Nonconformity: It found something.
        """
        await self.exchange.settled()
        await self.feed.stop()
        wrong = self.oracle.verdict(self.truth)
        verify(not wrong, SPOKEN, "; ".join(wrong[:5]), "compare the plugin's events with the exchange's frames")

    def given(self, kind: type[Any]) -> list[Any]:
        """Give the events of a class."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def sockets(self) -> int:
        """How many kinds of socket it needs; a transport of the plugin's own may need more than are declared."""
        if isinstance(self.exchange, ServedExchange):
            return len(self.exchange.addresses)
        return len({self.subject.info.channels[one.channel].socket for one in self.feed.status()})

    @property
    def natives(self) -> Mapping[Subscription, str]:
        """Give the exchange's own symbol of each subscription."""
        traded = dict(zip(self.symbols, self.exchange.market.instruments, strict=True))
        return {one: traded[str(one.symbol)].native for one in self.feed.status()}


@asynccontextmanager
async def trial(
    subject: Subject,
    *,
    channels: Sequence[Channel] = (Channel.TRADES, Channel.L2_BOOK),
    traded: int = 2,
    seed: int = 0,
    closed: int = 0,
    credentials: Mapping[str, str] | None = None,
) -> AsyncIterator[Trial]:
    """Open an exchange and a feed on it.

    Args:
        subject: The plugin under test.
        channels: Of these the ones that it claims.
        traded: How many instruments.
        seed: Of the market, the faults and the back-off.
        closed: How many of them the exchange lists and does not trade.
        credentials: For private channels.
    """
    wanted = [channel for channel in channels if subject.info.offers(channel)]
    if not wanted:
        cannot(f"{subject.exchange} has none of {', '.join(channels)}")
    is_served = subject.over_sockets
    clock = LoopClock(asyncio.get_running_loop(), START) if is_served else ManualClock(START)
    truth, faults = MemoryTruth(), Faults(seed=seed)
    dress = make_dress(subject.dress_maker(), clock)
    market = _market(dress, subject.traded(traded), closed, seed, clock, truth)
    symbols = _symbols(subject, market.instruments)
    async with _opened(subject, dress, market, clock, faults) as exchange:
        feed: Feed[Any] = Feed(
            subject.exchange,
            symbols,
            wanted,
            plugin=subject.plugin,
            options=subject.options or None,
            credentials=credentials,
            clock=clock,
            buffer=0,
            **_way(subject, exchange),
        )
        trades = subject.info.channels.get(Channel.TRADES)
        reaches = trades is not None and trades.history is not None
        oracle = Oracle(require_filled=reaches, live=lambda: feed.books, believes_watermarks=True)
        run = Trial(subject, clock, exchange, faults, truth, feed, oracle, [], symbols)
        feed.on(Event, oracle.see)
        feed.on(Event, run.events.append)
        async with feed:
            yield run


def _opened(
    subject: Subject, dress: Dress, market: SeededMarket, clock: ManualClock, faults: Faults
) -> MemoryExchange | ServedExchange:
    if subject.over_sockets:
        return ServedExchange(dress, market, clock=clock, faults=faults)
    return MemoryExchange(dress, market, clock=clock, faults=faults, latency=_LATENCY)


# How a feed reaches the exchange: its own transport by addresses, as a user's, or another transport.
def _way(subject: Subject, exchange: MemoryExchange | ServedExchange) -> Mapping[str, Any]:
    if isinstance(exchange, ServedExchange):
        return {"registry": subject.registry, "rest": exchange.rest_url, "websocket": exchange.ws_url}
    return {"registry": subject.registry.including(**{_WAY: _MemoryWay(exchange)}), "extensions": {_WAY: {}}}


def run_trial(subject: Subject, check: Callable[[Trial], Any], **how: Any) -> None:
    """Run a check on a trial of its own, and see that it leaves nothing behind.

    Args:
        subject: The plugin under test.
        check: An async function that is given the trial.
        how: As of ``trial``.
    """
    state = random.getstate()
    random.seed(how.get("seed", 0))  # the back-off's jitter
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            with runner(subject) as runs:
                left = runs.run(_run(subject, check, how))
            gc.collect()
    finally:
        random.setstate(state)
    verify(
        not left, "routing.py", f"it leaves behind {left}", "start no tasks and let no exception escape from a router"
    )
    told = [str(one.message) for one in warned if not issubclass(one.category, DeprecationWarning)]
    verify(not told, "routing.py", f"it warns: {told}", "mend what the warnings say")


@contextmanager
def runner(subject: Subject) -> Iterator[asyncio.Runner]:
    """Open what a trial runs on: where there are sockets, a loop whose time is the kit's."""
    if not subject.over_sockets:
        with asyncio.Runner() as run:
            yield run
        return
    loop = ClockedLoop()
    with machine_showing(LoopClock(loop, START).now, subject.clocks), asyncio.Runner(loop_factory=lambda: loop) as run:
        yield run


async def _run(subject: Subject, check: Callable[[Trial], Any], how: Mapping[str, Any]) -> list[str]:
    loop, left = asyncio.get_running_loop(), list[str]()
    loop.set_exception_handler(lambda _, context: left.append(str(context.get("exception") or context["message"])))
    # where the loop's time is the kit's, pytest's own limit is left
    async with asyncio.timeout(None if subject.over_sockets else 100):
        async with trial(subject, **how) as run:
            await check(run)
        for _ in range(5):
            await asyncio.sleep(0)
    gc.collect()
    ours = asyncio.current_task()
    return left + [_named(task) for task in asyncio.all_tasks() if task is not ours]


def _named(task: asyncio.Task[Any]) -> str:
    name, coroutine = task.get_name(), getattr(task.get_coro(), "__qualname__", "")
    return f"{name} ({coroutine})" if name.startswith("Task-") else name


def _market(
    dress: Dress, symbols: Sequence[str], closed: int, seed: int, clock: ManualClock, truth: MemoryTruth
) -> SeededMarket:
    can = Abilities.of(dress)
    chosen = [one for one in can.instruments if one.symbol in symbols]
    status = InstrumentStatus.CLOSED
    listed = [attrs.evolve(one, status=status) if number < closed else one for number, one in enumerate(chosen)]
    return SeededMarket(listed, seed=seed, clock=clock, truth=truth, prices=can.prices, orders=60, kept_trades=20_000)


def _symbols(subject: Subject, instruments: Sequence[Instrument]) -> list[str]:
    exchange = subject.speaking(traded=0)
    loaded = subject.loaded(exchange).instruments
    verify_listed(exchange.traded, loaded)
    return [found.symbol for one in instruments if (found := same_in(loaded, one)) is not None]
