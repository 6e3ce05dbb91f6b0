"""Resident memory of a process with one feed of 50 books, 1,000 levels a side."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import tickwire_backpack.plugin as backpack
from tickwire import BookSnapshot, Channel, Feed, Instrument, Registry, Subscription, SystemClock
from tickwire.feed.session import FeedSession

BOOKS, LEVELS, BUDGET = 50, 1_000, 120


def resident() -> float:
    """Give this process's resident memory in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


async def measure() -> tuple[float, float]:
    """Give resident MiB before the books and with them."""
    feed = Feed("backpack", ["X0-USDC"], ["trades", "l2_book"], registry=Registry.of(backpack=backpack))
    await feed.wiring.transport.close()
    import aiohttp  # noqa: F401  # what a running feed has loaded

    instruments = [
        Instrument("backpack", f"X{n}-USDC", f"X{n}_USDC", f"X{n}", "USDC", tick_size=Decimal("0.01"),
                   lot_size=Decimal("0.01"))
        for n in range(BOOKS)
    ]  # fmt: skip
    feed.wiring.instruments.replace(instruments)
    session = FeedSession(
        feed.wiring, feed.network, feed._settings, SystemClock(), feed._callbacks.emit, feed.metrics, feed._limits
    )
    session._carry = lambda subscription: None  # type: ignore[method-assign]
    before = resident()
    for n, instrument in enumerate(instruments):
        session._add(Subscription(Channel.L2_BOOK, instrument))
        bids = tuple((float(f"{100 - level / 100:.2f}"), level + n / 100) for level in range(1, LEVELS + 1))
        asks = tuple((float(f"{100 + level / 100:.2f}"), level + n / 100) for level in range(1, LEVELS + 1))
        session.market[BookSnapshot][instrument.symbol](
            BookSnapshot("backpack", instrument.symbol, 1, 1, bids, asks, 1)
        )
    return before, resident()


if __name__ == "__main__":
    before, after = asyncio.run(measure())
    print(f"{BOOKS} books of {LEVELS:,} levels a side: {after:.0f} MiB resident, {before:.0f} before (budget {BUDGET})")
