"""A feed of one's own over ccxt: a class that states the exchange and what is wanted of it, and copies no logic.

``python examples/ccxt_feed.py --trades 20``; needs ``pip install tickwire-ccxt-generic``. With ``--rest`` and
``--websocket`` it reads an exchange elsewhere, e.g. that of ``tickwire simulate backpack --symbols SOL-USDC,BTC-USDC``.
"""

from __future__ import annotations

import argparse
import asyncio

from tickwire import Gap, Resynced, Trade
from tickwire_ccxt_generic import CcxtGenericFeed


class BackpackMajors(CcxtGenericFeed[float]):
    """Two markets of Backpack, read through ccxt."""

    exchange_id = "backpack"
    symbols = ("SOL-USDC", "BTC-USDC")
    channels = ("trades", "l2_book")
    options = {"audit_interval": 30.0}  # noqa: RUF012


async def collect(feed: CcxtGenericFeed[float], number: int) -> None:
    """Print so many trades with the best prices at that moment, and what went wrong meanwhile."""
    left, has_all = number, asyncio.Event()

    def show(trade: Trade[float]) -> None:
        nonlocal left
        left -= 1
        if not left:
            has_all.set()
        book = feed.books[trade.symbol]
        print(f"{trade.symbol:9} {trade.size:>12} @ {trade.price:<10} best {book.best_bid} {book.best_ask}")

    feed.on(Trade, show)
    feed.on(Gap | Resynced, print)
    async with feed:
        await has_all.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trades", type=int, default=100)
    parser.add_argument("--rest")
    parser.add_argument("--websocket")
    given = parser.parse_args()
    asyncio.run(collect(BackpackMajors(rest=given.rest, websocket=given.websocket, buffer=0), given.trades))
