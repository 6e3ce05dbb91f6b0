"""Compares what was collected with what happened, world by world, and sums it up in figures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import attrs
import msgspec
from mishaps import SKEW

from tickwire import Backfilled, Event, Gap, Reconnected, Resynced
from tickwire.model.stored import StoredEvent
from tickwire.simulation import TruthFiles
from tickwire.testing.oracle import Oracle

__all__ = ["Recoveries", "Verdict", "judge"]

_SETTLED = 5.0
_SECOND = 1_000_000_000


@attrs.define
class Verdict:
    """What came of a soak.

    Attributes:
        faults: How many of each kind.
        wrong: Everything that is wrong.
        events: By type.
        recoveries: Seconds from the end of a fault to the end of what it did to a book, less waits before redials.
    """

    faults: Counter[str] = attrs.field(factory=Counter)
    wrong: list[str] = attrs.field(factory=list)
    events: Counter[str] = attrs.field(factory=Counter)
    recoveries: list[float] = attrs.field(factory=list)

    @property
    def median(self) -> float:
        """Of the recoveries, seconds."""
        return median(self.recoveries) if self.recoveries else 0.0

    def lines(self) -> list[str]:
        """Say it in figures."""
        tenths = quantiles(self.recoveries, n=10) if len(self.recoveries) > 1 else [0.0] * 9
        kinds = " ".join(f"{kind}={count}" for kind, count in sorted(self.faults.items()))
        return [
            f"{self.faults.total():,} faults of {len(self.faults)} kinds: {kinds}",
            f"{self.events['Trade']:,} trades, {self.events['BookDelta']:,} book deltas, {self.events['Gap']:,} gap "
            f"events, {self.events['Resynced']:,} resyncs, {self.events['Backfilled']:,} backfills, "
            f"{self.events['Reconnected']:,} reconnects",
            f"recovery of a book: median {self.median:.3f} s, 90 % within {tenths[8]:.3f} s, "
            f"{len(self.recoveries):,} measured",
        ]


def judge(folder: Path) -> Verdict:
    """Judge every world of a soak."""
    verdict = Verdict()
    for world in sorted(folder.glob("world-*")):
        faults = [json.loads(line) for line in (world / "faults.jsonl").read_text().splitlines()]
        verdict.faults.update(kind for kind, *_ in faults)
        oracle = Oracle(require_filled=True, in_flight=_SETTLED, skew=SKEW)
        watch = Recoveries([ended for _, _, ended, _ in faults])
        for event in events(world / "events.msgpack"):
            verdict.events[type(event).__name__] += 1
            oracle.see(event)
            watch.see(event)
        verdict.recoveries += watch.seconds
        verdict.wrong += [f"{world.name}: {wrong}" for wrong in oracle.verdict(TruthFiles(world / "truth"))]
        verdict.wrong += [f"{world.name}: {gap} was never closed" for gap in watch.open]
        verdict.wrong += [f"{world.name}: {wrong}" for wrong in wrong_live_books(world)]
    return verdict


def events(path: Path) -> Iterator[Event]:
    """Read a collector's file."""
    decode = msgspec.msgpack.Decoder(StoredEvent).decode
    data = memoryview(path.read_bytes())
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        yield decode(data[at + 4 : at + 4 + size])
        at += 4 + size


def wrong_live_books(world: Path) -> Iterator[str]:
    """Compare what the feed's own books said at an event with the truth at that sequence."""
    truth = TruthFiles(world / "truth")
    natives = {one.symbol: one.native for one in truth.instruments()}
    for number, line in enumerate((world / "live.jsonl").read_text().splitlines()):
        symbol, is_synced, sequence, bid, ask = json.loads(line)
        if number % 20:
            continue  # reading the truth at a sequence costs milliseconds
        book = truth.book(natives[symbol], sequence)
        best = [[float(price), float(size)] for price, size in (book.bids[0], book.asks[0])]
        if not is_synced or [bid, ask] != best:
            yield f"{symbol}: the feed's book at {sequence} said {bid} | {ask}, and it was {best[0]} | {best[1]}"


class Recoveries:
    """How long books were away, from the end of the last fault before a resync or the gap's announcement, the later.

    Attributes:
        seconds: Less waits before redials.
        open: Holes that nothing closed yet, with what was said of them.
    """

    def __init__(self, ends: list[int]) -> None:
        self.seconds: list[float] = []
        self.open: dict[str, str] = {}
        self._ends = sorted(ends)
        self._announced: dict[str, int] = {}
        self._waits: list[tuple[int, int]] = []

    def see(self, event: Event) -> None:
        """Take in one event; all of them, in order."""
        if isinstance(event, Gap):
            self._announced.setdefault(event.gap_id, event.ts_recv)
            is_closed = event.ts_end is not None and event.repair != "backfill"
            if is_closed:
                self.open.pop(event.gap_id, None)
            else:
                self.open[event.gap_id] = event.detail
        elif isinstance(event, Reconnected):
            self._waits.append((event.ts_recv - event.ts_down, event.ts_recv))
        elif isinstance(event, Backfilled):
            self.open.pop(event.gap_id, None)
        elif isinstance(event, Resynced) and event.gap_id is not None:
            self.open.pop(event.gap_id, None)
            begin = self._announced.get(event.gap_id)
            if begin is None:
                return  # of a hole that nobody announced: the oracle tells
            begin = max([begin, *(end for end in self._ends if begin <= end <= event.ts_recv)])
            waited = sum(max(0, min(end, event.ts_recv) - max(start, begin)) for start, end in self._waits[-20:])
            self.seconds.append(max(0, event.ts_recv - begin - waited) / _SECOND)
