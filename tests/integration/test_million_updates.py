"""A million book updates at full speed, with their trades: nothing lost, nothing wrong, memory flat."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import defaultdict
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from tickwire import BookDelta, BookSnapshot, Event, Feed, Gap, Reconnected, Trade
from tickwire.simulation import SimTrade, TruthFiles

CHANGES = 1_000_000
WARM = 200_000
SAMPLE = 1_000
MAY_GROW = 8 * 2**20
SYMBOLS = ["SOL-USDC", "BTC-USDC", "ETH-USDC"]
_SCRIPT = Path(__file__).with_name("market_process.py")


class Witness:
    """Keeps a digest of all trades and of the book at every thousandth sequence: a few hundred bytes a symbol."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.first: dict[str, int] = {}
        self.last: dict[str, int] = {}
        self.digests: dict[str, Any] = defaultdict(blake2b)
        self.shots: dict[str, dict[int, str]] = defaultdict(dict)
        self.updates = 0
        self.disorder = 0
        self.warm = 0
        self.quality: list[Event] = []
        self.ends: dict[str, list[int]] | None = None
        self.arrived = asyncio.Event()
        feed.on(Trade, self.trade)
        feed.on(BookDelta, self.delta)
        feed.on(BookSnapshot, self.snapshot)
        feed.on(Gap | Reconnected, self.quality.append)

    def trade(self, trade: Trade) -> None:
        symbol, number = trade.symbol, trade.sequence or 0
        if symbol not in self.first:
            self.first[symbol], self.last[symbol] = number, number - 1
        self.disorder += number != self.last[symbol] + 1
        self.last[symbol] = number
        self.digests[symbol].update(f"{number} {trade.price!r} {trade.size!r} {trade.taker_side}\n".encode())
        if self.ends is not None:
            self.look()

    def snapshot(self, snapshot: BookSnapshot) -> None:
        self.shoot(snapshot.symbol, snapshot.sequence or 0)

    def delta(self, delta: BookDelta) -> None:
        self.updates += 1
        if self.updates == WARM:
            self.warm = resident()
        sequence = delta.last_sequence or 0
        if not sequence % SAMPLE:
            self.shoot(delta.symbol, sequence)
        if self.ends is not None:
            self.look()

    def shoot(self, symbol: str, sequence: int) -> None:
        book = self.feed.books[symbol]
        assert book.sequence == sequence
        self.shots[symbol][sequence] = digest(book.bids(), book.asks())

    async def arrive_at(self, ends: dict[str, list[int]]) -> None:
        """Wait for these: by symbol the last sequence and the last trade."""
        self.ends = ends
        self.look()
        await self.arrived.wait()

    def look(self) -> None:
        assert self.ends is not None
        if self.ends == {symbol: [self.feed.books[symbol].sequence, self.last.get(symbol)] for symbol in SYMBOLS}:
            self.arrived.set()


def digest(bids: Iterable[tuple[float, float]], asks: Iterable[tuple[float, float]]) -> str:
    text = repr([*map(tuple, bids), "|", *map(tuple, asks)])
    return blake2b(text.encode(), digest_size=16).hexdigest()


def trades_digest(trades: Iterable[SimTrade]) -> str:
    whole = blake2b()
    for trade in trades:
        side = "buy" if trade.buyer_is_taker else "sell"
        whole.update(f"{trade.number} {float(trade.price)!r} {float(trade.size)!r} {side}\n".encode())
    return whole.hexdigest()


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def levels(texts: Iterable[tuple[str, str]]) -> list[tuple[float, float]]:
    return [(float(price), float(size)) for price, size in texts]


async def line(process: Process) -> Any:
    assert process.stdout is not None
    return json.loads(await process.stdout.readline())


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_million_updates_arrive_once_in_order_and_right_in_flat_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def main() -> None:
        arguments = ["backpack", ",".join(SYMBOLS), str(CHANGES), str(tmp_path)]
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(_SCRIPT), *arguments, stdin=PIPE, stdout=PIPE
        )
        try:
            urls = await line(process)
            feed = Feed("backpack", SYMBOLS, ["trades", "l2_book"], **urls, buffer=0)
            witness = Witness(feed)
            began, used = time.perf_counter(), time.process_time()
            async with feed:
                await asyncio.wait_for(witness.arrive_at(await line(process)), 30)
                took, used, grown = (
                    time.perf_counter() - began, time.process_time() - used, resident() - witness.warm,
                )  # fmt: skip
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()
        report(witness, took, used, grown)
        judge(witness, grown)

    def report(witness: Witness, took: float, used: float, grown: int) -> None:
        trades = sum(last - witness.first[symbol] + 1 for symbol, last in witness.last.items())
        with capsys.disabled():
            print(
                f"\n{witness.updates:,} updates and {trades:,} trades in {took:.1f} s: {witness.updates / took:,.0f} "
                f"updates/s ({used / (witness.updates + trades) * 1e6:.1f} µs CPU an event), memory after the first "
                f"{WARM:,} {grown / 2**20:+.1f} MiB"
            )

    def judge(witness: Witness, grown: int) -> None:
        truth = TruthFiles(tmp_path)
        natives = {instrument.symbol: instrument.native for instrument in truth.instruments()}
        assert witness.quality == []
        assert witness.disorder == 0
        assert witness.updates > CHANGES * 0.99
        for symbol, native in natives.items():
            trades = truth.trades(native, witness.first[symbol] - 1)
            assert witness.digests[symbol].hexdigest() == trades_digest(trades)
            shots = witness.shots[symbol]
            assert len(shots) > CHANGES / len(SYMBOLS) / SAMPLE * 0.9
            for sequence, shot in shots.items():
                book = truth.book(native, sequence)
                assert shot == digest(levels(book.bids), levels(book.asks)), (symbol, sequence)
        assert grown < MAY_GROW

    asyncio.run(main())
