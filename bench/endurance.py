"""Thirty symbols, every channel, minutes at thousands of frames a second: no loss, flat memory, a loop that keeps up.

``python bench/endurance.py --minutes 10 --frames 5000``. The simulated exchange runs in a process of its own and writes
its ground truth; afterwards every trade and every book is compared with it. Exit status 0: everything held.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections import Counter
from decimal import Decimal
from time import perf_counter

from memory import resident

from tickwire import (
    Channel,
    Dropped,
    Event,
    Feed,
    Gap,
    Instrument,
    InstrumentType,
    Subscribe,
    SymbolParts,
    Trade,
    exact,
)
from tickwire.simulation import FileTruth, SeededMarket, SimServer, TruthFiles
from tickwire_backpack.simulator import BackpackSimulator

SYMBOLS = 30
WARM_UP = 20.0
LAG_P99_MS = 20.0
FRAMES_A_CHANGE = 1.55  # depth, trade and best-price frames for one change of this market, as measured


def instruments() -> tuple[Instrument, ...]:
    """List as many perps as are wanted: they have every channel."""
    parts = [SymbolParts(f"C{n:02}", "USDC", InstrumentType.PERP, "USDC") for n in range(SYMBOLS)]
    step = Decimal("0.01")
    return tuple(
        Instrument.of("backpack", f"{one.base}_USDC_PERP", one, tick_size=step, lot_size=step) for one in parts
    )


LISTED = instruments()
PRICES = {one.native: Decimal(100) for one in LISTED}


class ManyMarkets(BackpackSimulator):
    """Backpack with thirty perps."""

    instruments = LISTED
    prices = PRICES


async def serve(truth: str, rate: float) -> None:
    """Be the exchange until standard input ends."""
    log = FileTruth(truth)
    market = SeededMarket.of(ManyMarkets(), seed=5, truth=log)
    async with SimServer(ManyMarkets(), market, rate=rate) as server:
        print(json.dumps({"rest": server.rest_url, "websocket": server.ws_url}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    log.close()


class TradeDigest:
    """Trades in order, folded together: what this script itself kept would hide what the feed keeps."""

    def __init__(self) -> None:
        self.first = self.last = self.count = self.value = 0

    def add(self, number: int, price: Decimal, size: Decimal) -> None:
        """Fold one trade in."""
        self.first = self.first or number
        self.last = number
        self.count += 1
        self.value = hash((self.value, number, price, size))


async def lag(samples: list[float]) -> None:
    """Sample by how much a 10 ms sleep is late."""
    while True:
        start = perf_counter()
        await asyncio.sleep(0.01)
        samples.append((perf_counter() - start - 0.01) * 1e3)


async def collect(hosts: dict[str, str], seconds: float, truth: TruthFiles | None = None) -> dict[str, object]:
    """Subscribe to everything for a while and note what came."""
    candles = Subscribe.candles("1m")
    others = [one for one in Channel if one in (Channel.TICKER, Channel.MARK_PRICE, Channel.FUNDING)]
    more = [Channel.OPEN_INTEREST, Channel.LIQUIDATIONS]
    channels = [Channel.TRADES, Channel.L2_BOOK, Channel.L1_BOOK, *others, *more, candles]
    names = [one.symbol for one in ManyMarkets.instruments]
    feed = Feed("backpack", names, channels, buffer=0, **hosts)  # type: ignore[arg-type]
    counts, trades = Counter[str](), {name: TradeDigest() for name in names}

    def hear(event: Event) -> None:
        counts[type(event).__name__] += 1
        if isinstance(event, Gap | Dropped):
            print(event, file=sys.stderr)

    def hear_trade(trade: Trade) -> None:
        trades[trade.symbol].add(trade.sequence or 0, exact(trade.price), exact(trade.size))

    feed.on(Event, hear)
    feed.on(Trade, hear_trade)
    samples: list[float] = []
    async with feed:
        sampler = asyncio.create_task(lag(samples))
        await asyncio.sleep(WARM_UP)
        samples.clear()
        before, frames = resident(), feed.metrics.total("frames_total")
        await asyncio.sleep(seconds)
        frames = feed.metrics.total("frames_total") - frames
        after = resident()
        sampler.cancel()
        books = {name: book.snapshot() for name, book in feed.books.items() if book.is_synced}
    samples.sort()
    return {
        "counts": counts, "trades": trades, "books": books, "frames": frames / seconds, "growth": after - before,
        "lag": samples[int(len(samples) * 0.99)], "resident": after,
    }  # fmt: skip


def judge(result: dict[str, object], truth: TruthFiles) -> list[str]:
    """Compare with the truth; give what is wrong."""
    faults: list[str] = []
    trades: dict[str, TradeDigest] = result["trades"]  # type: ignore[assignment]
    for one in truth.instruments():
        got, real = trades[one.symbol], TradeDigest()
        for t in truth.trades(one.native, got.first - 1, got.last):
            real.add(t.number, exact(float(t.price)), exact(float(t.size)))
        if got.value != real.value:
            faults.append(f"{one.symbol}: {got.count} trades in {got.first}…{got.last}, {real.count} happened")
        book = result["books"].get(one.symbol)  # type: ignore[attr-defined]
        if book is None:
            faults.append(f"{one.symbol}: the book is not in sync")
            continue
        whole = truth.book(one.native, book.sequence)
        for ours, theirs in ((book.bids, whole.bids), (book.asks, whole.asks)):
            if list(ours) != [(float(price), float(size)) for price, size in theirs]:
                faults.append(f"{one.symbol}: the book differs at {book.sequence}")
    counts: Counter[str] = result["counts"]  # type: ignore[assignment]
    if counts["Gap"] or counts["Dropped"]:
        faults.append(f"{counts['Gap']} gaps, {counts['Dropped']} drops")
    if result["lag"] > LAG_P99_MS:  # type: ignore[operator]
        faults.append(f"loop lag p99 {result['lag']:.1f} ms")
    if result["growth"] > 16:  # type: ignore[operator]
        faults.append(f"memory grew by {result['growth']:.0f} MiB")
    return faults


def main() -> int:
    """Run it and print the verdict, or be the exchange."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--frames", type=float, default=5_000.0, help="a second")
    parser.add_argument("--serve", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    rate = arguments.frames / FRAMES_A_CHANGE
    if arguments.serve:
        asyncio.run(serve(arguments.serve, rate))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--serve", folder, "--frames", str(arguments.frames)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as exchange:
            assert exchange.stdout is not None
            hosts = json.loads(exchange.stdout.readline())
            result = asyncio.run(collect(hosts, arguments.minutes * 60))
            exchange.communicate()
        faults = judge(result, TruthFiles(folder))
    counts: Counter[str] = result["counts"]  # type: ignore[assignment]
    print(" · ".join(f"{count:,} {kind}" for kind, count in counts.most_common()))
    print(
        f"{result['frames']:,.0f} frames/s for {arguments.minutes:g} min · loop lag p99 {result['lag']:.2f} ms · "
        f"memory {result['resident']:.0f} MiB, grown by {result['growth']:+.1f} MiB"
    )
    for fault in faults:
        print("WRONG", fault)
    print("VERDICT", "no loss, right books, flat memory" if not faults else f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
