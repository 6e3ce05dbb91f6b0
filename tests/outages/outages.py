"""Six sinks at once, of which one after the other fails at random for minutes, and the account of what each holds.

``python tests/outages/outages.py --minutes 10 --seed 1``. The feed is the simulated Backpack through the installed
``tickwire run``. Exit status 0: every sink with ``block`` or ``spill`` holds every record, the one with ``drop_oldest``
lacks just as many as were announced, those that can tell equal records hold none twice, and no feed was hurt.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from places import Place, places

CALM = 20.0  # seconds before the end in which all are back and the queues run empty
SYMBOLS = ["SOL-USDC", "BTC-USDC-PERP"]


async def session(minutes: float, seed: int, rate: float, folder: Path) -> list[str]:
    """Run it; gives what is wrong, after printing the figures."""
    chance, six, wrong = random.Random(seed), places(), list[str]()
    try:
        for place in six:
            await place.begin(folder)
        falls, said = await _collected(six, minutes, rate, chance, folder)
        wrong += [f"it said: {line}" for line in said if "Traceback" in line or "never" in line]
        wrong += await _accounted(six, falls, folder)
    finally:
        for place in six:
            with suppress(Exception):
                await place.end()
    return wrong


async def _collected(
    six: Sequence[Place], minutes: float, rate: float, chance: random.Random, folder: Path
) -> tuple[Counter[str], list[str]]:
    command = str(Path(sys.executable).with_name("tickwire"))
    exchange = await asyncio.create_subprocess_exec(
        command, "simulate", "backpack", "--symbols", ",".join(SYMBOLS), "--rate", f"{rate:g}", "--seed", "1", "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert exchange.stdout is not None
    urls = json.loads(await exchange.stdout.readline())
    config = folder / "six.yaml"
    config.write_text(json.dumps(_config(six, urls, folder)))  # JSON is YAML
    with (folder / "said.txt").open("w+") as said:
        collector = await asyncio.create_subprocess_exec(
            command, "run", str(config), "--duration", f"{minutes * 60:g}s", stdout=said, stderr=said
        )
        falls = await _outages([place for place in six if type(place).fall is not Place.fall], minutes, chance)
        status = await asyncio.wait_for(collector.wait(), minutes * 60 + 120)
        exchange.terminate()
        await exchange.wait()
        said.seek(0)
        lines = said.read().splitlines()
    print("\n".join(lines[-1:]))
    return falls, lines if status == 0 else [*lines, f"Traceback: exit status {status}"]


def _config(six: Sequence[Place], urls: dict[str, str], folder: Path) -> object:
    exchange = {
        "symbols": SYMBOLS,
        "channels": ["trades", "l2_book"],
        "endpoints": {"rest": urls["rest"], "websocket": urls["websocket"]},
    }
    return {
        "state": str(folder / "state"),
        "exchanges": {"backpack": exchange},
        "sinks": {place.name: place.entry() for place in six},
    }


async def _outages(mortal: Sequence[Place], minutes: float, chance: random.Random) -> Counter[str]:
    falls, ends = Counter[str](), time.monotonic() + minutes * 60 - CALM
    while time.monotonic() < ends:
        await asyncio.sleep(chance.uniform(0.2, 3))
        some = chance.sample(mortal, chance.choice((1, 1, 1, 2, len(mortal))))
        for place in some:
            await place.fall()
            falls[place.name] += 1
        await asyncio.sleep(chance.uniform(0.1, 8))
        for place in some:
            await place.rise()
    return falls


async def _accounted(six: Sequence[Place], falls: Counter[str], folder: Path) -> list[str]:
    whole, wrong = set[str](), list[str]()
    dropped = _dropped(folder)
    for place in six:
        keys = await place.keys()
        held = set(keys)
        whole = whole or held  # the first one is a file, which was there all the time
        lost, made, twice = len(whole - held), len(held - whole), len(keys) - len(held)
        print(
            f"{place.name:<15} {place.policy:<12} fell {falls[place.name]:>3} times: {len(held):>9,} records, "
            f"{lost:,} missing, {dropped[place.name]:,} announced, {twice:,} twice"
        )
        if lost != dropped[place.name] or (lost and place.policy != "drop_oldest"):
            wrong.append(f"{place.name} lacks {lost} records, and {dropped[place.name]} were announced")
        if made:
            wrong.append(f"{place.name} holds {made} records that {six[0].name} does not")
        if twice and place.is_idempotent:
            wrong.append(f"{place.name} holds {twice} records twice")
    if not any(dropped.values()):
        wrong.append("nothing was dropped anywhere: this proves nothing of what is counted")
    return wrong


def _dropped(folder: Path) -> Counter[str]:
    found = Counter[str]()
    for line in (folder / "jsonl" / "events.jsonl").read_bytes().splitlines():
        if line.startswith(b'{"type":"dropped"'):
            row = msgspec.json.decode(line)
            found[row["sink"]] += row["count"]
    return found


def main() -> int:
    """Parse, run, and say what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="below 3 nothing may be dropped, which fails")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=200.0, help="changes of the market, a second")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="tickwire-outages-"))
    wrong = asyncio.run(session(chosen.minutes, chosen.seed, chosen.rate, folder))
    for one in wrong[:50]:
        print(f"WRONG {one}")
    print(f"outages: {'FAILED' if wrong else 'passed'}, {len(wrong)} wrong" + (f"; see {folder}" if wrong else ""))
    if not wrong:
        shutil.rmtree(folder)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
