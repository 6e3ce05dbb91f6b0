"""Looks at a real exchange for a minute: do snapshots and deltas flow, natively and through ccxt?

``nox -s live``, or ``python tests/live/smoke.py --exchange binanceus --symbol BTC-USDT``. The one thing here that goes
out to the public network; nothing runs it by itself. Exit status 0: they do; 1: something is wrong; 3: no verdict,
because the exchange cannot be reached from here.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from collections import Counter

import attrs

from tickwire import BookDelta, BookSnapshot, Event, Feed, Gap, RetryableError, TickwireError, Trade

WAYS = ("native", "ccxt_generic")
LOGGERS = ("tickwire", "tickwire_ccxt_generic")
DELTAS = 20
WRONG, UNREACHABLE = 1, 3


@attrs.define
class Look:
    """What came one way.

    Attributes:
        way: ``native``, or the plugin's name.
        symbol: Of what.
        events: By type.
        wrong: What should not have been.
        complaints: What the feed logged.
        snapshot_after: Seconds to the first snapshot.
        error: What ended the feed.
        best: Best bid and ask of the feed's book.
    """

    way: str
    symbol: str
    events: Counter[type] = attrs.field(factory=Counter)
    wrong: list[str] = attrs.field(factory=list)
    complaints: list[str] = attrs.field(factory=list)
    snapshot_after: float | None = None
    error: TickwireError | None = None
    best: tuple[float, float] | None = None
    began: float = attrs.field(factory=time.monotonic)
    _sequence: int | None = None

    @property
    def is_unreachable(self) -> bool:
        """Whether nothing at all came, without a reason of ours."""
        return not self.events and not self.wrong and (self.error is None or isinstance(self.error, RetryableError))

    def see(self, event: Event) -> None:
        """Take in an event."""
        self.events[type(event)] += 1
        if isinstance(event, BookSnapshot):
            self.snapshot_after = self.snapshot_after or time.monotonic() - self.began
            self._sequence = event.sequence
            if not event.bids or not event.asks:
                self.wrong.append("a snapshot has an empty side")
        elif isinstance(event, BookDelta):
            if self.snapshot_after is None:
                self.wrong.append("a delta came before any snapshot")
            last = event.last_sequence
            if self._sequence is not None and last is not None and last <= self._sequence:
                self.wrong.append(f"a delta up to {last} came after {self._sequence}")
            self._sequence = last

    @property
    def is_enough(self) -> bool:
        """Whether the verdict can be given."""
        return self.snapshot_after is not None and self.events[BookDelta] >= DELTAS and self.best is not None

    def faults(self) -> list[str]:
        """Say what is wrong."""
        found = list(dict.fromkeys(self.wrong))[:5]
        if self.error is not None:
            found.append(str(self.error))
        if self.snapshot_after is None:
            found.append("no snapshot came")
        elif self.events[BookDelta] < DELTAS:
            found.append(f"only {self.events[BookDelta]} deltas came, and {DELTAS} were waited for")
        elif self.best is None:
            found.append("its book was never in sync")
        elif self.best[0] >= self.best[1]:
            found.append(f"its book is crossed: {self.best[0]} | {self.best[1]}")
        return found

    def line(self) -> str:
        """Say what came."""
        counts = ", ".join(f"{self.events[kind]} {kind.__name__}" for kind in (BookSnapshot, BookDelta, Trade, Gap))
        after = "no snapshot" if self.snapshot_after is None else f"snapshot after {self.snapshot_after:.1f} s"
        best = "" if self.best is None else f", best {self.best[0]:g} | {self.best[1]:g}"
        return f"{self.way:<13} {self.symbol}: {after}, {counts}{best}"


class Complaints(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, kept: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self._kept.append(record.getMessage())


async def look(way: str, chosen: argparse.Namespace, state: str) -> Look:
    """Watch one instrument one way until enough came, or for so long."""
    seen = Look(way, chosen.symbol)
    handler = Complaints(seen.complaints)
    for name in LOGGERS:
        logging.getLogger(name).addHandler(handler)
    try:
        feed = Feed(
            chosen.exchange, [chosen.symbol], ["trades", "l2_book"], buffer=0,
            plugin=way if way == "ccxt_generic" else None, options={"state": state} if way == "ccxt_generic" else None,
            rest=chosen.rest_url, websocket=chosen.ws_url, proxy="env" if chosen.rest_url is None else None,
        )  # fmt: skip
        feed.on(Event, seen.see)
        async with feed, asyncio.timeout(chosen.seconds):
            ready = asyncio.create_task(feed.ready())
            ready.add_done_callback(lambda task: task.cancelled() or task.exception())  # the feed itself says it
            while not seen.is_enough and (seen.events or time.monotonic() < seen.began + chosen.patience):
                await asyncio.sleep(0.1)
                if ready.done() and ready.exception() is not None:
                    break
                book = feed.books.get(chosen.symbol)
                if book is not None and book.best_bid is not None and book.best_ask is not None:
                    seen.best = book.best_bid.price, book.best_ask.price
    except TimeoutError:
        pass  # what is missing tells
    except TickwireError as error:
        seen.error = error
    finally:
        for name in LOGGERS:
            logging.getLogger(name).removeHandler(handler)
    return seen


async def main(chosen: argparse.Namespace) -> int:
    """Look both ways, and give the exit status."""
    looks = []
    with tempfile.TemporaryDirectory(prefix="tickwire-live-") as state:
        for way in WAYS:
            looks.append(await look(way, chosen, state))
            print(looks[-1].line(), flush=True)
    if all(one.is_unreachable for one in looks):
        why = next(
            (text for one in looks for text in (*one.complaints[-1:], str(one.error or "")) if text), "no answer"
        )
        print(f"live: no verdict: {chosen.exchange} cannot be reached from here: {why}")
        print("      allow this machine its hosts, or set HTTPS_PROXY; tickwire doctor shows them")
        return UNREACHABLE
    faults = [f"{one.way}: {fault}" for one in looks for fault in one.faults()]
    for fault in faults:
        print(f"WRONG {fault}")
    for one in looks if faults else ():
        print("\n".join(f"      {one.way} logged: {text}" for text in one.complaints[-5:]))
    verdict = "FAILED" if faults else "passed"
    print(f"live: {verdict}: {chosen.exchange}, {chosen.symbol}, natively and through ccxt, {len(faults)} wrong")
    return WRONG if faults else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exchange", default="binanceus", help="one that a native plugin serves too")
    parser.add_argument("--symbol", default="BTC-USDT")
    parser.add_argument("--seconds", type=float, default=60.0, help="at most, each way")
    parser.add_argument("--patience", type=float, default=15.0, help="until something must have come")
    parser.add_argument("--rest-url", help="instead of the exchange's own host")
    parser.add_argument("--ws-url", help="likewise")
    sys.exit(asyncio.run(main(parser.parse_args())))
