"""A simulated exchange in a process of its own: ``python market_process.py EXCHANGE SYMBOLS CHANGES TRUTH_DIR``.

Prints its URLs as a JSON line, moves the market as fast as its client takes it, and when the last change is made prints
for each native symbol the last sequence and the last trade. It ends when its standard input is closed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from tickwire.cli.simulate import dress_of
from tickwire.plugin.registry import Registry
from tickwire.simulation import FileTruth, SeededMarket, SimServer


async def main(exchange: str, symbols: str, changes: str, truth: str) -> None:
    dress = dress_of(Registry.discover().select(exchange).claim.info)
    log = FileTruth(Path(truth))
    market = SeededMarket.of(dress, symbols.split(","), seed=11, truth=log)
    async with SimServer(dress, market, rate=0, limit=int(changes)) as server:
        print(json.dumps({"rest": server.rest_url, "websocket": server.ws_url}), flush=True)
        await server.finished()
        log.close()
        pits = [market.pit(instrument.native) for instrument in market.instruments]
        print(json.dumps({pit.instrument.symbol: [pit.sequence, pit.number] for pit in pits}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
