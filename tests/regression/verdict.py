"""Judges what a regression session collected: ``verdict.py DIR``, by the venues' ground truth. Exit status 0: all well.

Every trade came once or is in an announced hole, and holes were filled; every book that was shown was the exchange's;
every outage and every pause between two runs was announced; no hole was left open.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import attrs
import msgspec
from setting import RUNS, VENUES, Venue

# the soak's: how long a book is away, and which holes stay open
sys.path.append(str(Path(__file__).parents[1] / "soak"))
from judge import Recoveries

from tickwire import (
    BookDelta,
    Channel,
    Event,
    Gap,
    GapCause,
    Severity,
    Subscribed,
    Trade,
    Unsubscribed,
    UnsubscribeReason,
    decode_event,
)
from tickwire.simulation import TruthFiles
from tickwire.testing.oracle import Oracle

__all__ = ["Account", "judge", "waited_for"]

_SECOND = 1_000_000_000
_NOTICED = 60 * _SECOND  # an outage is noticed when the connection ends: at once, but under load everything is late
_AT_ONCE = 2 * _SECOND
_IN_FLIGHT = 5.0
_TRADES, _DELTAS = 30, 50  # a venue of which less came proves nothing


class _Head(msgspec.Struct):
    run_id: str
    exchange: str


_head = msgspec.json.Decoder(_Head)


@attrs.define
class Account:
    """What was collected from one venue.

    Attributes:
        runs: Its events, run by run.
    """

    runs: dict[str, list[Event]] = attrs.field(factory=dict)

    @property
    def events(self) -> Iterator[Event]:
        """All of them, in order."""
        for run in self.runs.values():
            yield from run


def read(path: Path) -> dict[str, Account]:
    """Read the collector's file, by exchange; a line that a kill left torn is none."""
    accounts = {venue.exchange: Account() for venue in VENUES}
    if not path.exists():
        return accounts
    for line in path.read_bytes().split(b"\n")[:-1]:
        if line.endswith(b"}") and line:
            head = _head.decode(line)
            accounts[head.exchange].runs.setdefault(head.run_id, []).append(decode_event(line))
    return accounts


def told(account: Account) -> Iterator[Event]:
    """Give a venue's events as one stream.

    A run that was killed ends where its last line was written. What it wrote and could not note any more comes again in
    the next one, with the same key: such a repeat is left out, if it is equal.
    """
    unsure: dict[tuple[str, str | None], Trade[float]] = {}
    for run in account.runs.values():
        begun: dict[tuple[str | None, Channel | None], Subscribed] = {}
        for event in run:
            if isinstance(event, Subscribed):
                begun[event.symbol, event.channel] = event
            elif isinstance(event, Unsubscribed):
                begun.pop((event.symbol, event.channel), None)
            elif isinstance(event, Trade):
                first = unsure.pop((event.symbol, event.trade_id), None)
                if first is not None and _values(first) == _values(event):
                    continue
            yield event
        if not is_killed(run):
            continue
        unsure.update(((event.symbol, event.trade_id), event) for event in run if isinstance(event, Trade))
        for one in begun.values():
            yield Unsubscribed(
                one.exchange, one.symbol, None, run[-1].ts_recv, one.channel, one.connection, Severity.INFO,
                UnsubscribeReason.STOPPED,
            )  # fmt: skip


def is_killed(run: Sequence[Event]) -> bool:
    """Tell whether a run ended without saying so."""
    return not isinstance(run[-1], Unsubscribed)


def _values(trade: Trade[float]) -> tuple[object, ...]:
    return trade.ts_event, trade.price, trade.size, trade.taker_side, trade.sequence


def waited_for(folder: Path, number: int) -> list[str]:
    """Say what has not come yet of a run, counted from 1: trades and changes of each book, and the end of each hole.

    Of the last run it is the ends of all outages too.
    """
    found = []
    for venue in VENUES:
        runs = list(read(folder / "events.jsonl")[venue.exchange].runs.values())
        events = runs[number - 1] if len(runs) >= number else []
        came = {(type(e), e.symbol) for e in events if isinstance(e, BookDelta | Trade)}
        wanted = {(kind, symbol) for kind in (BookDelta, Trade) for symbol in venue.symbols}
        found += [f"{venue.exchange}: no {kind.__name__} of {symbol}" for kind, symbol in wanted - came]
        found += [f"{venue.exchange}: {gap}" for gap in _recoveries(events, []).open.values()]
        if number == len(RUNS) and len(outages_of(folder, venue)) < len(venue.outages):
            found.append(f"{venue.exchange}: an outage is to come")
    return found


def outages_of(folder: Path, venue: Venue) -> list[tuple[int, int]]:
    """Read when each outage of a venue began and ended, ns."""
    lines = (folder / "outages" / f"{venue.exchange}.jsonl").read_text().splitlines()
    return [(began, ended) for began, ended in map(json.loads, lines)]


def judge(folder: Path) -> tuple[list[str], list[str]]:
    """Judge a session.

    Args:
        folder: Of its truth, outages and events.

    Returns:
        Figures, and all that is wrong.
    """
    accounts = read(folder / "events.jsonl")
    figures, wrong = list[str](), list[str]()
    for venue in VENUES:
        account = accounts[venue.exchange]
        outages = outages_of(folder, venue)
        found = [*_wrong_data(folder, venue, account), *_untold(venue, account, outages)]
        wrong += [f"{venue.exchange}: {one}" for one in found]
        figures.append(_figures(venue, account, outages))
    return figures, wrong


def _wrong_data(folder: Path, venue: Venue, account: Account) -> Iterator[str]:
    truth = TruthFiles(folder / "truth" / venue.exchange)
    oracle = Oracle(require_filled=True, in_flight=_IN_FLIGHT)
    for event in told(account):
        oracle.see(event)
    yield from oracle.verdict(truth)
    for instrument in truth.instruments():
        trades = [event for event in account.events if isinstance(event, Trade) and event.symbol == instrument.symbol]
        numbers = {trade.sequence or 0 for trade in trades}
        # over all runs, pauses included: there is a history, so nothing may stay away
        real = {
            one.number for one in truth.trades(instrument.native, min(numbers, default=1) - 1, max(numbers, default=0))
        }
        if lost := sorted(real - numbers):
            yield f"{instrument.symbol}: {len(lost)} trades between the first and the last are missing, e.g. {lost[0]}"


def _untold(venue: Venue, account: Account, outages: Sequence[tuple[int, int]]) -> Iterator[str]:
    if len(account.runs) != len(RUNS):
        yield f"it was collected in {len(account.runs)} runs, and there were {len(RUNS)}"
    if len(outages) != len(venue.outages):
        yield f"{len(outages)} outages of {len(venue.outages)} were over in time"
    kinds = Counter(type(event).__name__ for event in account.events)
    for kind, least in (("Trade", _TRADES), ("BookDelta", _DELTAS), ("BookSnapshot", 1), ("Backfilled", 1)):
        if kinds[kind] < least:
            yield f"only {kinds[kind]} events {kind}: this proves nothing"
    felt = [
        (run, one, _whole_at(run, one[0]))
        for run in account.runs.values()
        for one in outages
        if run[0].ts_recv < one[0] < run[-1].ts_recv - _AT_ONCE
    ]
    if not any(whole for _, _, whole in felt):
        yield "no outage fell upon what was whole: this proves nothing"
    for run, one, whole in felt:
        told_of = {(gap.symbol, gap.channel) for gap in run if isinstance(gap, Gap) and _tells_of(gap, one)}
        for symbol, channel in sorted(whole - told_of) if (None, None) not in told_of else ():
            yield f"an outage of {(one[1] - one[0]) / _SECOND:.1f} s was not announced: {channel} of {symbol}"
    for number, run in enumerate(list(account.runs.values())[1:], 2):
        asleep = {
            (e.symbol, e.channel) for e in run if isinstance(e, Gap) and e.cause is GapCause.NOT_RUNNING
        }  # fmt: skip
        wanted = {(symbol, channel) for symbol in venue.symbols for channel in (Channel.TRADES, Channel.L2_BOOK)}
        if missing := wanted - asleep:
            names = ", ".join(sorted(f"{channel} of {symbol}" for symbol, channel in missing))
            yield f"the pause before run {number} was not announced: {names}"
    for run in list(account.runs.values())[-1:]:
        yield from (f"a hole was never closed: {gap}" for gap in _recoveries(run, outages).open.values())


def _tells_of(gap: Gap, outage: tuple[int, int]) -> bool:
    return gap.cause is not GapCause.NOT_RUNNING and outage[0] <= gap.ts_recv <= outage[1] + _NOTICED


def _whole_at(run: Sequence[Event], moment: int) -> set[tuple[str, Channel]]:
    # subscriptions that had begun, and of which no hole was open
    begun: set[tuple[str, Channel]] = set()
    watch, holes = Recoveries([]), dict[str, Gap]()
    for event in run:
        if event.ts_recv > moment:
            break
        watch.see(event)
        if isinstance(event, Gap):
            holes[event.gap_id] = event
        elif isinstance(event, Subscribed | Unsubscribed) and event.symbol is not None and event.channel is not None:
            begun.add((event.symbol, event.channel))
            if isinstance(event, Unsubscribed):
                begun.discard((event.symbol, event.channel))
    torn = [holes[name] for name in watch.open]
    return {
        (symbol, channel)
        for symbol, channel in begun
        if not any(hole.symbol in (None, symbol) and hole.channel in (None, channel) for hole in torn)
    }


def _recoveries(run: Iterable[Event], outages: Sequence[tuple[int, int]]) -> Recoveries:
    watch = Recoveries([ended for _, ended in outages])
    for event in run:
        watch.see(event)
    return watch


def _figures(venue: Venue, account: Account, outages: Sequence[tuple[int, int]]) -> str:
    kinds = Counter(type(event).__name__ for event in account.events)
    late = sum(isinstance(event, Trade) and event.backfilled for event in account.events)
    away = sorted(seconds for run in account.runs.values() for seconds in _recoveries(run, outages).seconds)
    middle = f"{away[len(away) // 2]:.2f} s" if away else "–"
    return (
        f"{venue.exchange:<10} {len(account.runs)} runs, {len(outages)} outages: {kinds['Trade']:,} trades ({late:,} "
        f"fetched later), {kinds['BookDelta']:,} book changes, {kinds['Gap']} gap events, {kinds['Resynced']} resyncs, "
        f"{kinds['Backfilled']} backfills, a book back after {middle} (median)"
    )


def main() -> int:
    """Judge a folder, and say what is wrong."""
    figures, wrong = judge(Path(sys.argv[1]))
    print("\n".join(figures))
    for one in wrong[:50]:
        print(f"WRONG {one}")
    print(f"regression: {'FAILED' if wrong else 'passed'}, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
