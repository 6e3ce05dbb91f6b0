"""All figures in one run: ``nox -s bench``; ``nox -s bench -- wire`` for some. Ratios against a floor, not times."""

from __future__ import annotations

import asyncio
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import memory
import message_path
import startup

BUDGETS = (2.0, 2.8, 3.4)


def paths() -> None:
    """Print the read path's ratios and where its time goes."""
    for (name, times, floor, ours), budget in zip(asyncio.run(message_path.measure()), BUDGETS, strict=True):
        verdict = "met" if times <= budget else "NOT MET"
        print(
            f"{name:<42} {times:5.2f} × orjson.loads   budget ≤ {budget}  {verdict}   ({ours:,.0f} / {floor:,.0f} ns)"
        )
    print()
    message_path.profile()


def starting() -> None:
    """Print what starting costs."""
    for what, spent, budget in startup.measure():
        print(f"{what:<42} {spent:5.3f} s   budget ≤ {budget:.2f}  {'met' if spent <= budget else 'NOT MET'}")


def books() -> None:
    """Print what books cost."""
    before, after = asyncio.run(memory.measure())
    verdict = "met" if after <= memory.BUDGET else "NOT MET"
    print(
        f"{memory.BOOKS} books of {memory.LEVELS:,} levels a side{'':<11} {after:5.0f} MiB "
        f"({before:.0f} before)   budget ≤ {memory.BUDGET}  {verdict}"
    )


def wire() -> None:
    """Print the CPU of whole clients; in processes of their own."""
    subprocess.run([sys.executable, Path(__file__).with_name("wire.py")], check=True)


def taps() -> None:
    """Print what the tap of the generic plugin adds to ccxt's own handling of a frame."""
    import tap  # ccxt takes half a second and 100 MB: not for the other parts

    for name, tapped, whole, theirs, ours in asyncio.run(tap.measure()):
        verdict = "met" if tapped <= tap.BUDGET else "NOT MET"
        print(
            f"{name:<30} tapped {tapped:4.2f} × its handle_message   budget ≤ {tap.BUDGET}  {verdict}   "
            f"as an event {whole:4.2f} × ({ours:,.0f} / {theirs:,.0f} ns)"
        )


def sinks() -> None:
    """Print what sinks take in, beside hand-written code on the raw library."""
    import sinks as written  # pyarrow takes a second and 100 MB: not for the other parts

    for name, rate, times in written.measure():
        verdict = "met" if rate >= written.BUDGETS[name] and times >= written.LEAST else "NOT MET"
        print(
            f"{name:<12} {rate:9,.0f} events/s, budget ≥ {written.BUDGETS[name]:,}   "
            f"{times:4.2f} of the raw library's rate, budget ≥ {written.LEAST}   {verdict}"
        )
    import sink_servers
    import sink_streams

    asyncio.run(sink_servers.report())
    asyncio.run(sink_streams.report())


PARTS: dict[str, Callable[[], None]] = {
    "path": paths,
    "startup": starting,
    "memory": books,
    "wire": wire,
    "ccxt": taps,
    "sinks": sinks,
}


def main() -> None:
    """Run the parts that are named, or all."""
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}\n", flush=True)
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()
        print(flush=True)


if __name__ == "__main__":
    main()
