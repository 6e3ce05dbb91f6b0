"""The main job, offline: a simulated exchange in a process of its own, a collector, and a verdict against the truth.

Run it with ``nox -s demo``, or ``python examples/demo.py --seconds 30``. Exit status 0: everything equals the truth.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from tickwire import (
    Backfilled,
    Books,
    BookSnapshot,
    Event,
    Gap,
    QualityEvent,
    Resynced,
    Trade,
    Unsubscribed,
    decode_event,
    exact,
)
from tickwire.run.config import load_config
from tickwire.run.console import Columns, is_loud, quality_body
from tickwire.run.feed import Feed
from tickwire.run.runner import Runner
from tickwire.simulation import TruthFiles

HERE = Path(__file__).parent
REFRESH = 0.5
FAULTS, FAULT_EVERY, FAULT_LIMIT = "drop,sequence_gap,close_abrupt", 2.5, 3


@asynccontextmanager
async def simulated_exchange(truth: Path, rate: float, seed: int, is_calm: bool) -> AsyncIterator[dict[str, str]]:
    """Start ``tickwire simulate backpack`` and give its URLs; end it as Ctrl-C would."""
    command = ["-m", "tickwire.cli.main", "simulate", "backpack", "--json"]
    settings = ["--rate", str(rate), "--seed", str(seed), "--truth", str(truth)]
    if not is_calm:
        every, limit = str(FAULT_EVERY), str(FAULT_LIMIT)
        settings += ["--faults", FAULTS, "--fault-every", every, "--fault-limit", limit, "--fault-seed", str(seed)]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, *settings, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    first = await process.stdout.readline()
    if not first:
        raise SystemExit(f"the simulator did not start (exit status {await process.wait()})")
    try:
        yield json.loads(first)
    finally:
        process.send_signal(signal.SIGINT)
        await process.wait()


def table(feed: Feed, seconds: float) -> Table:
    """Draw the top of each book and how the stream is doing."""
    drawn = Table(title=f"tickwire demo · {seconds:.0f} s", title_justify="left")
    for name, side in (
        ("symbol", "left"),
        ("bid", "right"),
        ("ask", "right"),
        ("spread", "right"),
        ("levels", "right"),
    ):
        drawn.add_column(name, justify=side)  # type: ignore[arg-type]
    for name in ("deltas/s", "trades", "state"):
        drawn.add_column(name, justify="right")
    status = {(one.symbol, one.channel.value): stream for one, stream in feed.status().items()}
    for symbol, book in feed.books.items():
        bid, ask = book.best_bid, book.best_ask
        deltas, trades = status[symbol, "l2_book"], status[symbol, "trades"]
        drawn.add_row(
            symbol,
            f"{exact(bid.size)} @ {exact(bid.price)}" if bid else "–",
            f"{exact(ask.price)} @ {exact(ask.size)}" if ask else "–",
            f"{exact(book.spread)}" if book.spread is not None else "–",
            str(len(book)),
            f"{deltas.rate:,.0f}",
            f"{trades.rate * seconds:,.0f}",
            "in sync" if book.is_synced else "syncing",
        )
    return drawn


async def watch(feed: Feed, console: Console) -> None:
    """Show the table in place in a terminal, a plain line every few seconds otherwise."""
    started = asyncio.get_running_loop().time()
    live = Live(console=console, auto_refresh=False) if console.is_terminal else None
    if live is not None:
        live.start()
    try:
        for beat in range(1, sys.maxsize):
            await asyncio.sleep(REFRESH)
            seconds = asyncio.get_running_loop().time() - started
            if live is not None:
                live.update(table(feed, seconds), refresh=True)
            elif beat % 6 == 0:
                tops = (
                    f"{symbol} {book.best_bid.price if book.best_bid else '–'}" for symbol, book in feed.books.items()
                )
                print(f"{seconds:5.1f} s  best bids: {'  '.join(tops)}", flush=True)
    finally:
        if live is not None:
            live.stop()


def stored(path: Path) -> Iterator[Event]:
    """Read the events back as anyone would."""
    with path.open("rb") as lines:
        for line in lines:
            yield decode_event(line)


def compare(events: Path, truth: TruthFiles) -> list[str]:
    """Hold what was stored against what really happened; print the figures and give what is wrong."""
    books, counts, faults = Books(), Counter[str](), list[str]()
    repaired: set[str] = set()
    trades: dict[str, list[Trade]] = {}
    final: dict[str, BookSnapshot] = {}
    gaps: set[str] = set()
    for event in stored(events):
        if isinstance(event, Unsubscribed) and event.symbol is not None and event.symbol in books:
            book = books[event.symbol]
            if book.is_synced:
                final[event.symbol] = book.snapshot()  # coverage ends: the last moment it is known
        books.apply(event)
        counts[str(type(event).__struct_config__.tag).replace("_", " ")] += 1
        if isinstance(event, Trade):
            trades.setdefault(event.symbol, []).append(event)
        elif isinstance(event, Gap):
            gaps.add(event.gap_id)
            if event.missing == 0:
                repaired.add(event.gap_id)  # the ids prove that nothing was lost
        elif isinstance(event, Resynced) or (isinstance(event, Backfilled) and event.is_complete):
            repaired.add(event.gap_id or "")
    print("events   " + " · ".join(f"{count:,} {kind}" for kind, count in sorted(counts.items())))
    print(f"gaps     {len(gaps)} announced, {len(gaps - repaired)} not repaired")
    if gaps - repaired:
        faults.append(f"{len(gaps - repaired)} gaps were not repaired")
    for instrument in truth.instruments():
        received = trades.get(instrument.symbol, [])
        if instrument.symbol not in books:
            continue
        first, last = (received[0].sequence, received[-1].sequence) if received else (1, 0)
        assert first is not None
        assert last is not None
        # Backpack's history has milliseconds where its stream has microseconds
        happened = [
            (one.number, exact(float(one.price)), exact(float(one.size)), one.buyer_is_taker, one.ts // 1_000_000)
            for one in truth.trades(instrument.native, first - 1, last)
        ]
        got = [
            (one.sequence, exact(one.price), exact(one.size), one.taker_side == "buy", (one.ts_event or 0) // 1_000_000)
            for one in received
        ]
        if got != happened:
            faults.append(
                f"{instrument.symbol}: {len(got)} trades received, {len(happened)} happened in {first}…{last}"
            )
        last_book = final.get(instrument.symbol)
        if last_book is None or last_book.sequence is None:
            faults.append(f"{instrument.symbol}: the book was not in sync at the end")
            continue
        real = truth.book(instrument.native, last_book.sequence)
        for name, ours, theirs in (("bids", last_book.bids, real.bids), ("asks", last_book.asks, real.asks)):
            if list(ours) != [(float(price), float(size)) for price, size in theirs]:
                faults.append(f"{instrument.symbol}: {name} differ from the truth at {last_book.sequence}")
        levels = len(last_book.bids) + len(last_book.asks)
        print(f"checked  {instrument.symbol:<16} {len(got):>7,} trades · {levels:>4} levels at {last_book.sequence}")
    if not trades:
        faults.append("no trade was received")
    return faults


def say(console: Console, event: QualityEvent, columns: Columns) -> None:
    """Show what went wrong and what was done about it."""
    if is_loud(event):
        console.print(columns.line(event, *quality_body(event)), highlight=False, markup=False, soft_wrap=True)


async def collect(data: Path, seconds: float, rate: float, seed: int, is_calm: bool) -> None:
    """Run the config against the simulated exchange for a while."""
    console = Console()
    async with simulated_exchange(data / "truth", rate, seed, is_calm) as urls:
        print(f"simulated Backpack at {urls['rest']} and {urls['websocket']}")
        if not is_calm:
            print(f"{FAULT_LIMIT} things will go wrong there, out of {FAULTS.replace(',', ', ')}; each shows below")
        hosts = {"DEMO_REST_URL": urls["rest"], "DEMO_WS_URL": urls["websocket"], "DEMO_DATA": str(data)}
        runner = Runner(load_config(HERE / "demo.yaml", {**os.environ, **hosts}), say=print)
        runner.feeds[0].on(QualityEvent, partial(say, console, columns=Columns()))
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        watching = asyncio.create_task(watch(runner.feeds[0], console))
        try:
            report = await runner.run(stop, duration=seconds)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        print(f"\nrun      {report}")


def main() -> int:
    """Collect, then judge."""
    parser = argparse.ArgumentParser(description="tickwire's main job against a simulated exchange, with a verdict")
    parser.add_argument("--seconds", type=float, default=15.0, help="how long to collect (default 15)")
    parser.add_argument("--rate", type=float, default=2000.0, help="book changes a second over all instruments")
    parser.add_argument("--seed", type=int, default=7, help="of the simulated market")
    parser.add_argument("--calm", action="store_true", help="nothing goes wrong at the exchange")
    parser.add_argument("--data", type=Path, default=Path("demo-data"), help="where events and truth go (replaced)")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.data, ignore_errors=True)
    arguments.data.mkdir(parents=True)
    asyncio.run(collect(arguments.data, arguments.seconds, arguments.rate, arguments.seed, arguments.calm))
    faults = compare(arguments.data / "events.jsonl", TruthFiles(arguments.data / "truth"))
    for fault in faults:
        print(f"WRONG    {fault}")
    verdict = (
        "every trade and every book equals the truth" if not faults else f"{len(faults)} differences from the truth"
    )
    Console().print(f"VERDICT  {verdict}", style="bold red" if faults else "bold green", highlight=False)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
