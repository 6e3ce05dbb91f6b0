"""Frame in, callback out: the whole read path of a connection, against ``orjson.loads`` of the same frames."""

from __future__ import annotations

import asyncio
import cProfile
import pstats
from decimal import Decimal
from io import StringIO

import orjson
from frames import depths, trades
from ratios import ratio

import tickwire_backpack.plugin as backpack
from tickwire import BookDelta, BookSnapshot, Channel, Feed, Instrument, Registry, Subscription, SystemClock, Trade
from tickwire.feed.connection import FeedConnection
from tickwire.feed.session import FeedSession
from tickwire.plugin import ConnectionInfo, Frame, Located

COUNT = 200_000
SOL = Instrument("backpack", "SOL-USDC", "SOL_USDC", "SOL", "USDC", tick_size=Decimal("0.01"), lot_size=Decimal("0.01"))


def connection_of(feed: Feed) -> FeedConnection:
    """Make the feed's connection without dialling, its streams in place and its book in sync at 0."""
    feed.wiring.instruments.replace([SOL])
    session = FeedSession(
        feed.wiring, feed.network, feed._settings, SystemClock(), feed._callbacks.emit, feed.metrics, feed._limits
    )
    connection = FeedConnection(
        "public-1",
        "public",
        session._hosts["public"],
        feed.wiring,
        session._requests,
        SystemClock(),
        session,
        feed.metrics,
        feed._settings.backoff,
    )
    session._carry = lambda subscription: None  # type: ignore[method-assign]
    for channel in (Channel.TRADES, Channel.L2_BOOK):
        session._add(Subscription(channel, SOL))
    connection._router = feed.wiring.routing.router(ConnectionInfo("public-1", "public", Located("")))
    connection._route = connection._router.route
    levels = [round(n / 100, 2) for n in range(1, 201)]
    bids, asks = tuple((99 - x, 1.0) for x in levels), tuple((99 + x, 1.0) for x in levels)
    session.market[BookSnapshot]["SOL-USDC"](BookSnapshot("backpack", "SOL-USDC", 1, 1, bids, asks, 0))
    return connection


async def measure() -> list[tuple[str, float, float, float]]:
    """Give (path, ratio, ns of orjson, ns of ours) for each kind of frame."""
    results = []
    for name, payloads in (
        ("trade frame → callback", trades(COUNT)),
        ("1-level depth frame → book → callback", depths(COUNT, 1)),
        ("8-level depth frame → book → callback", depths(COUNT // 2, 8)),
    ):
        feed = Feed("backpack", ["SOL-USDC"], ["trades", "l2_book"], buffer=0, registry=Registry.of(backpack=backpack))
        heard = [0]

        def hear(event: object, heard: list[int] = heard) -> None:
            heard[0] += 1

        feed.on(Trade, hear)
        feed.on(BookDelta, hear)
        connection = connection_of(feed)
        frames = [Frame(payload, 1) for payload in payloads]
        figures = ratio(frames, lambda frame: orjson.loads(frame.payload), connection._on_frame)
        assert heard[0] == len(frames), f"{heard[0]} events of {len(frames)} frames"
        results.append((name, *figures))
    return results


def profile() -> None:
    """Print where the read path of a trade frame spends its time."""
    feed = Feed("backpack", ["SOL-USDC"], ["trades", "l2_book"], buffer=0, registry=Registry.of(backpack=backpack))

    async def prepared() -> FeedConnection:
        return connection_of(feed)

    connection = asyncio.run(prepared())
    frames = [Frame(payload, 1) for payload in trades(50_000)]
    profiler = cProfile.Profile()
    profiler.enable()
    for frame in frames:
        connection._on_frame(frame)
    profiler.disable()
    shown = StringIO()
    pstats.Stats(profiler, stream=shown).sort_stats("tottime").print_stats(10)
    for line in shown.getvalue().splitlines():
        if line.strip() and ("ncalls" in line or line.lstrip()[:1].isdigit()) and "function calls" not in line:
            where = line.split()[-1]
            print(line.replace(where, where.rpartition("/")[2]))


if __name__ == "__main__":
    for name, times, base, ours in asyncio.run(measure()):
        print(f"{name:<42} {times:5.2f} × orjson.loads   ({ours:,.0f} ns against {base:,.0f} ns)")
