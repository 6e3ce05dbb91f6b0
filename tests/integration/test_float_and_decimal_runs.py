"""A float run and a decimal run of one simulation write the same bytes.

Two feeds share one wire to a simulated exchange with a fixed seed and clocks that stand still: each frame and each
answer reaches both as the very same object, so receive times are equal because they are one time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from decimal import Decimal
from types import ModuleType
from typing import Any

import attrs
import pytest

import tickwire_backpack.plugin
import tickwire_kestrel.plugin
from tickwire import (
    BookDelta,
    BookSnapshot,
    Event,
    Feed,
    Gap,
    Inexact,
    L2Book,
    ManualClock,
    Record,
    Registry,
    Trade,
    encode_record,
    hookimpl,
)
from tickwire.model.stored import KeyMaker
from tickwire.plugin import Connection, Ending, Frame, Located, Request, Response, Transport
from tickwire.simulation import Dress, SeededMarket, SimServer
from tickwire_backpack.simulator import BackpackSimulator
from tickwire_kestrel.simulator import KestrelSimulator

MEMBERS = 2


@attrs.frozen
class Exchange:
    name: str
    dress: Callable[[], Dress]
    plugin: ModuleType
    natives: dict[str, str]

    def __str__(self) -> str:
        return self.name


EXCHANGES = [
    Exchange(
        "backpack",
        lambda: BackpackSimulator(ManualClock()),
        tickwire_backpack.plugin,
        {"SOL-USDC": "SOL_USDC", "BTC-USDC": "BTC_USDC"},
    ),
    Exchange("kestrel", KestrelSimulator, tickwire_kestrel.plugin, {"SOL-USD": "SOL/USD", "BTC-USD": "BTC/USD"}),
]


class OneWire:
    """An extension plugin: both feeds on one real transport. A frame is sent once both have asked for it."""

    def __init__(self) -> None:
        self.inner: Transport | None = None
        self.answers: dict[tuple[int, str], asyncio.Task[Response]] = {}
        self.dialled: asyncio.Task[Connection] | None = None
        self.handlers: list[Callable[[Frame], None]] = []
        self.sent: list[tuple[bytes, int]] = []
        self.subscribed = asyncio.Event()
        self.closed = 0

    @hookimpl(wrapper=True)
    def tickwire_transport(self) -> Generator[None, Transport, Transport]:
        inner = yield
        self.inner = self.inner or inner
        return Member(self)

    def on_frame(self, frame: Frame) -> None:
        for handle in self.handlers:
            handle(frame)


class Member:
    """One feed's end of the wire: a transport and its connection."""

    def __init__(self, wire: OneWire) -> None:
        self._wire = wire
        self._asked: list[str] = []
        self._said = 0
        self._on_close: Callable[[Ending], None] = lambda ending: None

    async def fetch(self, request: Request) -> Response:
        assert self._wire.inner is not None
        key = (self._asked.count(repr(request)), repr(request))
        self._asked.append(repr(request))
        if key not in self._wire.answers:
            self._wire.answers[key] = asyncio.ensure_future(self._wire.inner.fetch(request))
        return await self._wire.answers[key]

    async def connect(
        self, located: Located, on_frame: Callable[[Frame], None], on_close: Callable[[Ending], None]
    ) -> Connection:
        wire = self._wire
        assert wire.inner is not None
        wire.handlers.append(on_frame)
        self._on_close = on_close
        if wire.dialled is None:
            wire.dialled = asyncio.ensure_future(wire.inner.connect(located, wire.on_frame, lambda ending: None))
        await wire.dialled
        return self

    def send(self, payload: bytes) -> None:
        wire = self._wire
        if self._said == len(wire.sent):
            wire.sent.append((payload, 0))
        first, count = wire.sent[self._said]
        assert payload == first
        wire.sent[self._said] = (first, count + 1)
        self._said += 1
        if count + 1 == MEMBERS and wire.dialled is not None:
            wire.dialled.result().send(payload)
            wire.subscribed.set()

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    async def close(self) -> None:
        # of the connection, and of the transport afterwards
        self._on_close(Ending(1000, "closed by us"))
        self._on_close = lambda ending: None
        self._wire.closed += 1
        if self._wire.closed >= MEMBERS and self._wire.dialled is not None:
            await self._wire.dialled.result().close()
        if self._wire.closed >= 2 * MEMBERS and self._wire.inner is not None:
            await self._wire.inner.close()


class Run:
    """What one feed let through, as the JSON Lines sink writes it."""

    def __init__(self, feed: Feed[Any]) -> None:
        self.feed = feed
        self.events: list[Event] = []
        self.lines: list[bytes] = []
        self.moved = asyncio.Event()
        self._keys = KeyMaker("RUN")
        feed.on(Event, self._note)

    def _note(self, event: Event) -> None:
        self.events.append(event)
        ordinal = len(self.events)
        self.lines.append(encode_record(Record(event, "RUN", ordinal, self._keys.key(event, ordinal))))
        self.moved.set()

    def is_synced(self, natives: dict[str, str]) -> bool:
        return all(symbol in self.feed.books and self.feed.books[symbol].is_synced for symbol in natives)

    async def until(self, reached: Callable[[L2Book[Any], str], bool], natives: dict[str, str]) -> None:
        async with asyncio.timeout(20):
            while not all(
                symbol in self.feed.books and reached(self.feed.books[symbol], native)
                for symbol, native in natives.items()
            ):
                self.moved.clear()
                await self.moved.wait()


async def run_both(exchange: Exchange) -> tuple[Run, Run]:
    clock, wire = ManualClock(), OneWire()
    market = SeededMarket.of(exchange.dress(), list(exchange.natives.values()), seed=11, clock=ManualClock())
    async with SimServer(exchange.dress(), market) as server:
        feeds: list[Feed[Any]] = [
            Feed(
                exchange.name, list(exchange.natives), ["trades", "l2_book"], rest=server.rest_url,
                websocket=server.ws_url, clock=clock, numbers=numbers, buffer=0, extensions={"one_wire": None},
                registry=Registry.of(**{exchange.name: exchange.plugin, "one_wire": wire}),
            )
            for numbers in (float, Decimal)
        ]  # fmt: skip
        runs = [Run(feed) for feed in feeds]
        async with feeds[0], feeds[1]:
            async with asyncio.timeout(20):
                await wire.subscribed.wait()
                # an exchange that confirms nothing is believed at its first delta
                while not all(run.is_synced(exchange.natives) for run in runs):
                    await move(server, clock, 5)
            for _ in range(40):
                await move(server, clock, 50)
            for run in runs:
                await run.until(lambda book, native: book.sequence == market.book(native, 1).sequence, exchange.natives)
    return runs[0], runs[1]


async def move(server: SimServer, clock: ManualClock, changes: int) -> None:
    await server.step(changes)
    await clock.advance(0.01)


@pytest.mark.parametrize("exchange", EXCHANGES, ids=str)
def test_float_and_decimal_runs_of_one_simulation_write_the_same_bytes(exchange: Exchange) -> None:
    async def main() -> None:
        floats, decimals = await run_both(exchange)
        assert floats.lines == decimals.lines
        for run, numbers in ((floats, float), (decimals, Decimal)):
            kinds = {type(event) for event in run.events}
            assert {Trade, BookDelta, BookSnapshot} <= kinds
            assert not {Inexact, Gap} & kinds
            assert {type(event.price) for event in run.events if isinstance(event, Trade)} == {numbers}
            books = [event for event in run.events if isinstance(event, BookDelta | BookSnapshot)]
            assert {type(n) for e in books for level in e.bids + e.asks for n in level} == {numbers}

    asyncio.run(main())
