"""What the tap adds to ccxt: a decoded frame to tapped record and event, against ccxt's own ``handle_message`` of it.

Both are real instances of one ccxt class with the same markets and options; ccxt's own has no tap and hands on nothing.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import json
import pstats
import tempfile
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from io import StringIO
from typing import Any

import attrs
from ccxt_frames import EXCHANGES, Exchange
from ratios import ratio

from tickwire import BookDelta, Channel, Instruments, Trade
from tickwire.cli.simulate import dress_of
from tickwire.plugin import Frame, Network
from tickwire.plugin.registry import Registry
from tickwire.simulation import SeededMarket, SimServer
from tickwire_ccxt_generic.client import CcxtClients
from tickwire_ccxt_generic.emitter import CcxtEmitter
from tickwire_ccxt_generic.instruments import read_markets
from tickwire_ccxt_generic.options import CcxtOptions
from tickwire_ccxt_generic.payloads import BookSeen, Payload, TradeSeen
from tickwire_ccxt_generic.routing import CcxtRouter
from tickwire_ccxt_generic.tap import Tap

__all__ = ["measure", "profile"]

COUNT = 40_000
CHUNK = 250  # as many take milliseconds, as in the other parts
BUDGET = 1.3


class Nobody:
    """Is told of sockets that are never dialled."""

    def wanted(self, url: str) -> None:
        """Take no notice."""

    def made(self, client: Any) -> None:
        """Take no notice."""

    def connected(self, client: Any) -> None:
        """Take no notice."""

    def failed(self, client: Any, error: Any) -> None:
        """Take no notice."""

    def closed(self, client: Any, code: Any) -> None:
        """Take no notice."""

    async def snapshot(self, fetch: Callable[[], Any], native: str) -> Any:
        """Fetch it."""
        return await fetch()


@attrs.define
class Pair:
    """Two instances of one class, one with a tap.

    Attributes:
        plain: Handles a frame as ccxt does.
        tapped: Handles it with the tap.
        route: The feed's router, which makes events.
        last: What the tap handed on last, where no events are made of it: who takes it is not measured.
        seen: How much came of it, by type, where they are.
    """

    plain: Callable[[Any], None] = attrs.field(init=False)
    tapped: Callable[[Any], None] = attrs.field(init=False)
    route: Callable[[Frame[Payload]], Iterable[object]] = attrs.field(init=False)
    last: deque[Payload] = attrs.field(factory=lambda: deque(maxlen=1))
    seen: dict[type, int] = attrs.field(factory=lambda: defaultdict(int))

    def read(self, payload: Payload) -> None:
        """Take what was tapped, and make events of it."""
        for event in self.route(Frame(payload, 1)):
            self.seen[type(event)] += 1


@asynccontextmanager
async def pair_of(exchange: Exchange, *, with_events: bool) -> AsyncIterator[Pair]:
    """Make both with the markets of a simulated exchange, and the same book in them."""
    dress = dress_of(Registry.discover().select(exchange.id).claim.info)
    pair = Pair()
    with tempfile.TemporaryDirectory() as state:
        async with SimServer(dress, SeededMarket.of(dress)) as server:
            clients = CcxtClients(exchange.id, CcxtOptions(state=state), Network((server.rest_url,), {}))
            put, later = pair.read if with_events else pair.last.append, asyncio.get_running_loop().call_soon
            tap = Tap(clients.venue, put, lambda native, reason: None, later)
            made = await clients.streaming(tap, Nobody(), None)
            plain = getattr(import_module("ccxt.pro"), exchange.id)({"newUpdates": True, "options": made.options})
            plain.set_markets(list(made.markets.values()), made.currencies)
            instruments = Instruments(read_markets(exchange.id, made.markets.values()).instruments)
            pair.route = CcxtRouter(CcxtEmitter(instruments, clients.venue)).route
            market_id = made.market(exchange.native)["id"]
            for channel in (Channel.TRADES, Channel.L2_BOOK):
                tap.want(channel, exchange.native, market_id)
            for one in (plain, made):
                client = one.client(exchange.url)
                if exchange.snapshot is not None:
                    one.orderbooks[exchange.native] = one.order_book({})
                    one.orderbooks[exchange.native].reset(dict(exchange.snapshot))
                else:
                    one.handle_message(client, json.loads(exchange.first or b""))
            await asyncio.sleep(0)
            assert pair.last or pair.seen, "the tap did not see the book"
            pair.last.clear()
            pair.seen.clear()
            ours, theirs = made.client(exchange.url), plain.client(exchange.url)
            pair.plain = lambda message: plain.handle_message(theirs, message)
            pair.tapped = lambda message: made.handle_message(ours, message)
            try:
                yield pair
            finally:
                await plain.close()
                await made.close()
                await clients.close()


def kinds(exchange: Exchange) -> Sequence[tuple[str, Sequence[bytes]]]:
    """Make an exchange's frames, by kind."""
    return ("trade", exchange.trades(COUNT)), ("book change", exchange.depths(COUNT))


async def measure() -> list[tuple[str, float, float, float, float]]:
    """Give (path, ratio of the tap, ratio with events, ns of ccxt, ns of ours with events) for each kind of frame."""
    results = []
    for exchange in EXCHANGES:
        for kind, frames in kinds(exchange):
            found = [await _measured(exchange, frames, with_events) for with_events in (False, True)]
            (tap, *_), (whole, theirs, ours) = found
            results.append((f"ccxt {exchange.id}, {kind}", tap, whole, theirs, ours))
    return results


async def _measured(exchange: Exchange, frames: Sequence[bytes], with_events: bool) -> tuple[float, float, float]:
    async with pair_of(exchange, with_events=with_events) as pair:
        # each gets messages of its own: ccxt keeps what it was given
        items = [(json.loads(frame), json.loads(frame)) for frame in frames]
        # the frames are not part of what is measured: whoever allocates would pay for their being looked through
        gc.collect()
        gc.freeze()
        figures = ratio(items, lambda item: pair.plain(item[0]), lambda item: pair.tapped(item[1]), CHUNK)
        gc.unfreeze()
        if not with_events:
            assert isinstance(pair.last.pop(), BookSeen | TradeSeen)
        else:
            assert pair.seen in ({BookDelta: len(frames)}, {Trade: len(frames)}), pair.seen
        return figures


def profile() -> None:
    """Print where the tap's path of a trade and of a book change spends its time."""
    for kind, shown in asyncio.run(_profiled()):
        print(f"{kind}:")
        for line in shown.splitlines():
            if line.strip() and ("ncalls" in line or line.lstrip()[:1].isdigit()) and "function calls" not in line:
                where = line.split()[-1]
                print(line.replace(where, where.rpartition("/")[2]))


async def _profiled() -> list[tuple[str, str]]:
    results = []
    for exchange in EXCHANGES:
        for kind, frames in kinds(exchange):
            async with pair_of(exchange, with_events=True) as pair:
                messages = [json.loads(frame) for frame in frames]
                profiler = cProfile.Profile()
                profiler.enable()
                for message in messages:
                    pair.tapped(message)
                profiler.disable()
            shown = StringIO()
            pstats.Stats(profiler, stream=shown).sort_stats("tottime").print_stats(12)
            results.append((f"{exchange.id}, {kind}", shown.getvalue()))
    return results


if __name__ == "__main__":
    profile()
