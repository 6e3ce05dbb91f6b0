"""Hostile Backpacks in a process of their own: ``exchange.py WORLDS FAULTS SEED FOLDER``.

Prints each world's URLs as a JSON line, lets the faults loose once a line comes on standard input, prints ``over`` when
all are over, and goes on, well again, until standard input ends. Truth and faults are written to the folder.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from mishaps import run_mishaps

from tickwire.simulation import Faults, FileTruth, Injected, SeededMarket, SimServer
from tickwire_backpack.simulator import BackpackSimulator

SYMBOLS = ("SOL-USDC", "BTC-USDC", "ETH-USDC-PERP")
RATE = 300.0


class World:
    """One exchange with its truth, its faults, and the log of both."""

    def __init__(self, number: int, seed: int, folder: Path) -> None:
        self.folder = folder / f"world-{number}"
        self.folder.mkdir(parents=True)
        self.log = (self.folder / "faults.jsonl").open("w")
        self.truth = FileTruth(self.folder / "truth")
        self.is_less = asyncio.Event()
        self.faults = Faults(seed=seed, told=self.tell)
        dress = BackpackSimulator()
        self.market = SeededMarket.of(dress, SYMBOLS, seed=seed, truth=self.truth, kept_trades=200_000)
        self.server = SimServer(dress, self.market, rate=RATE, faults=self.faults)
        self.natives = [one.native for one in self.market.instruments]

    def tell(self, injected: Injected) -> None:
        """Write a fault down once it is over."""
        if injected.is_over:
            self.is_less.set()
            kind = injected.fault.kind.value
            self.log.write(json.dumps([kind, injected.began, injected.ended, injected.touched]) + "\n")


async def main(worlds: int, count: int, seed: int, folder: Path) -> None:
    """Be the exchanges."""
    all_worlds = [World(number, seed * 1_000 + number, folder) for number in range(worlds)]
    loop = asyncio.get_running_loop()
    for world in all_worlds:
        await world.server.start()
        print(json.dumps({"rest": world.server.rest_url, "websocket": world.server.ws_url}), flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    each = -(-count // worlds)
    await asyncio.gather(
        *(run_mishaps(one.faults, one.natives, each, seed * 1_000 + n, one.is_less) for n, one in enumerate(all_worlds))
    )
    print("over", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    for world in all_worlds:
        await world.server.close()
        world.truth.close()
        world.log.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
