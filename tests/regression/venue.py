"""A venue in a process of its own: ``venue.py EXCHANGE --minutes 3 --folder DIR``. SIGTERM or Ctrl-C ends it.

Prints where it listens as a JSON line. Its server restarts, its market does not: one that had forgotten its trades
would be another exchange. Ground truth goes to ``DIR/truth/EXCHANGE``, outages to ``DIR/outages/EXCHANGE.jsonl``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from setting import VENUES, Outage, Venue

from tickwire.cli.simulate import dress_of
from tickwire.plugin.registry import Registry
from tickwire.simulation import FileTruth, SeededMarket, SimServer

SEED = 17
RATE = 120.0
LOOK = 0.05
GRACE = 300.0  # seconds after which a venue that nobody ended ends by itself


async def run_outages(server: SimServer, venue: Venue, length: float, log: IO[str]) -> None:
    """Go through a venue's outages, and write down when each was, in ns."""
    for outage in venue.outages:
        await until_due(server, outage, length)
        down = time.time_ns()
        await server.stop(abrupt=outage.is_abrupt)
        await asyncio.sleep(outage.lasts * length)
        await server.start()
        print(json.dumps([down, time.time_ns()]), file=log, flush=True)


async def until_due(server: SimServer, outage: Outage, length: float) -> None:
    """Wait until somebody has been connected for as long as an outage says, or until the last one has left."""
    while not server.clients:  # noqa: ASYNC110 - clients are a plain counter
        await asyncio.sleep(LOOK)
    since = time.monotonic()
    while outage.after is None or time.monotonic() < since + outage.after * length:
        await asyncio.sleep(LOOK)
        if not server.clients:
            if outage.after is None:
                return
            since = time.monotonic()


async def main(venue: Venue, minutes: float, folder: Path, host: str, port: int) -> None:
    """Be the venue until told to end."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    truth = FileTruth(folder / "truth" / venue.exchange)
    # by its native plugin's dress: the one through ccxt has none
    dress = dress_of(Registry.discover().select(venue.exchange).claim.info)
    market = SeededMarket.of(dress, venue.symbols, seed=SEED, truth=truth, kept_trades=200_000)
    server = SimServer(dress, market, host=host, port=port, rate=RATE)
    await server.start()
    print(json.dumps({"port": server.port}), flush=True)
    outages = folder / "outages"
    outages.mkdir(exist_ok=True)
    with (outages / f"{venue.exchange}.jsonl").open("w") as log:
        failing = asyncio.create_task(run_outages(server, venue, minutes * 60, log))
        with suppress(TimeoutError):
            async with asyncio.timeout(minutes * 60 + GRACE):
                await stop.wait()
        failing.cancel()
        await asyncio.wait([failing])
    await server.close()
    truth.close()
    if not failing.cancelled():
        failing.result()  # an outage that went wrong is no outage


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exchange", choices=[venue.exchange for venue in VENUES])
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    chosen = parser.parse_args()
    known = next(venue for venue in VENUES if venue.exchange == chosen.exchange)
    asyncio.run(main(known, chosen.minutes, chosen.folder, chosen.host, chosen.port))
