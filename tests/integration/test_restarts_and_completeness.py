"""Runs that are stopped, killed and replaced, as people do it: ``tickwire run`` in processes of its own.

What was written is held against the simulated market's ground truth, and what it says of itself as well: from the
stored events alone follows when each subscription is complete, and in that time nothing may be missing.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest

from tickwire import (
    Backfilled,
    BookDelta,
    BookSnapshot,
    Channel,
    Event,
    Gap,
    GapCause,
    Repair,
    Resynced,
    Subscribed,
    Trade,
    Unsubscribed,
    Watermark,
)
from tickwire.model.stored import decode_event
from tickwire.record.coverage import coverage
from tickwire.record.intervals import Span, joined
from tickwire.record.intervals import without as without_all
from tickwire.record.sources import quality_events
from tickwire.simulation import Fault, FaultKind, MemoryTruth, SeededMarket, SimServer
from tickwire_backpack.simulator import BackpackSimulator

SECOND = 1_000_000_000
MARGIN = SECOND // 4  # what is said of a moment may be off by what is under way at it
SYMBOLS = ("SOL-USDC", "BTC-USDC")
CONFIG = """\
state: state
exchanges:
  backpack:
    symbols: [SOL-USDC, BTC-USDC]
    channels: [trades, l2_book]
    endpoints: {{rest: "{rest}", websocket: "{websocket}"}}
recovery: {{backfill: {backfill}}}
sinks: {{archive: {{type: jsonl, path: events.jsonl}}}}
"""


@attrs.frozen
class Line:
    """A stored event, with the run that wrote it and its key."""

    run_id: str
    key: str
    event: Event


class _Head(msgspec.Struct):
    run_id: str
    key: str


_head = msgspec.json.Decoder(_Head)

# from stored events alone


@attrs.define
class _Hole:
    start: int
    end: float = float("inf")
    is_filled: bool = False
    is_harmless: bool = False


@attrs.define
class _Account:
    # what one run says of one subscription
    since: int | None = None
    until: int | None = None
    covered: list[tuple[int, int]] = attrs.field(factory=list)
    holes: dict[str, _Hole] = attrs.field(factory=dict)

    def end(self) -> None:
        if self.since is not None and self.until is not None:
            self.covered.append((self.since, self.until))
        self.since = self.until = None

    def follow(self, event: Event) -> None:
        match event:
            case Subscribed():
                self.since, self.until = event.ts_since, None
            case Watermark():
                self.until = event.ts_until
            case Unsubscribed():
                self.end()
            case Gap():
                hole = self.holes.setdefault(event.gap_id, _Hole(event.ts_start or 0))
                is_over = event.ts_end is not None and event.repair is Repair.NONE
                hole.end = float("inf") if event.ts_end is None else event.ts_end
                hole.is_harmless = is_over and event.missing == 0
            case Resynced() if event.gap_id is not None:
                self.holes[event.gap_id].end = event.ts_recv
            case Backfilled() if event.is_complete:
                hole = self.holes[event.gap_id]
                hole.is_filled, hole.end = True, min(hole.end, event.ts_recv)

    def complete(self) -> list[tuple[float, float]]:
        closed = [hole for hole in self.holes.values() if hole.is_filled or hole.is_harmless]
        open_ = [hole for hole in self.holes.values() if not (hole.is_filled or hole.is_harmless)]
        spans: list[tuple[float, float]] = [*self.covered, *((hole.start, hole.end) for hole in closed)]
        for hole in open_:
            spans = [part for span in spans for part in without(span, (hole.start, hole.end))]
        return spans


def without(span: tuple[float, float], hole: tuple[float, float]) -> list[tuple[float, float]]:
    """Cut a hole out of a span."""
    parts = [(span[0], min(span[1], hole[0])), (max(span[0], hole[1]), span[1])]
    return [part for part in parts if part[0] < part[1]]


def complete(lines: Iterable[Line], symbol: str, channel: Channel) -> list[tuple[float, float]]:
    """Say from stored events alone when a subscription is known to be complete: spans in ns, joined and in order.

    Coverage goes from ``Subscribed`` to the last ``Watermark``, less every hole that was announced and not filled. A
    run that was killed says nothing more: what came after its last watermark is not known to be complete. A hole that
    was filled is as good as coverage, the one since the last run too.
    """
    accounts: dict[str, _Account] = {}
    for line in lines:
        event = line.event
        about = getattr(event, "channel", None), event.symbol
        if isinstance(event, Subscribed | Watermark | Unsubscribed | Gap | Resynced | Backfilled) and (
            about in ((channel, symbol), (None, None))
        ):
            accounts.setdefault(line.run_id, _Account()).follow(event)
    spans = []
    for account in accounts.values():
        account.end()
        spans += account.complete()
    joined: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    return joined


def covered(place: Path) -> dict[tuple[str, Channel], Sequence[Span]]:
    """Say what ``tickwire coverage`` says is complete."""
    return {(one.symbol or "", one.channel): one.complete for one in coverage(quality_events(place))}


# the exchange, and runs


class Stage:
    """A market that never stops, a folder with a config, and the runs that a test starts there."""

    def __init__(self, folder: Path, server: SimServer, truth: MemoryTruth) -> None:
        self.folder = folder
        self.server = server
        self.truth = truth
        self.natives = {one.symbol: one.native for one in server.market.instruments}
        self.runs: list[Process] = []

    async def start(self) -> Process:
        """Start a run and wait until each of its books and trades has begun to flow."""
        before = len(self.lines())
        run = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tickwire.cli.main", "run", "night.yaml",
            cwd=self.folder, env={**os.environ, "TICKWIRE_LOAD_PLUGINS": "backpack"}, stdout=DEVNULL, stderr=PIPE,
        )  # fmt: skip
        self.runs.append(run)
        known = {line.run_id for line in self.lines()[:before]}
        wanted = {(kind, symbol) for kind in (BookSnapshot, Trade) for symbol in SYMBOLS}

        def is_flowing(lines: Sequence[Line]) -> bool:
            live = (line.event for line in lines[before:] if line.run_id not in known)
            return wanted <= {(type(event), event.symbol) for event in live}

        await self.until(is_flowing, run)
        return run

    async def stop(self, run: Process) -> str:
        """Stop a run as Ctrl-C does; gives what it printed for people."""
        run.send_signal(signal.SIGINT)
        _, err = await run.communicate()
        assert run.returncode == 0, err.decode()
        return err.decode()

    async def until(self, is_so: Callable[[list[Line]], bool], run: Process) -> None:
        """Wait for what is written."""
        while not is_so(self.lines()):
            assert run.returncode is None, (await run.communicate())[1].decode()
            await asyncio.sleep(0.1)

    async def moves(self, changes: int) -> None:
        """Let the market go on by so much."""
        market = self.server.market
        end = market.changes + changes
        while market.changes < end:  # noqa: ASYNC110 - it is a plain counter, and moves by itself
            await asyncio.sleep(0.05)

    def lines(self) -> list[Line]:
        """Read what is written so far; a line that a kill left torn is none."""
        path = self.folder / "events.jsonl"
        whole = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        read = []
        for line in whole:
            try:
                head = _head.decode(line)
                read.append(Line(head.run_id, head.key, decode_event(line)))
            except (msgspec.DecodeError, ValueError):
                assert b"}" not in line[-1:], line
        return read

    def trades(self, lines: Iterable[Line], symbol: str) -> list[int]:
        """Give the numbers of a symbol's trades as they were written."""
        events = (line.event for line in lines)
        return [one.sequence or 0 for one in events if isinstance(one, Trade) and one.symbol == symbol]

    def nothing_is_missing(self, lines: Sequence[Line]) -> None:
        """Hold every trade between the first and the last against the truth, values and all."""
        for symbol in SYMBOLS:
            found = self.trades(lines, symbol)
            low, high = min(found), max(found)
            real = {one.number: one for one in self.truth.trades(self.natives[symbol], low - 1, high)}
            assert set(found) == set(real)
            for line in lines:
                if isinstance(line.event, Trade) and line.event.symbol == symbol:
                    one = real[line.event.sequence or 0]
                    assert (line.event.price, line.event.size) == (float(one.price), float(one.size))
                    assert line.key == f"backpack/{symbol}/{one.number}"

    def what_is_called_complete_is(self, lines: Sequence[Line]) -> dict[tuple[str, Channel], list[tuple[float, float]]]:
        """Hold the truth against what the file says of itself; gives the spans."""
        spans: dict[tuple[str, Channel], list[tuple[float, float]]] = {}
        for symbol in SYMBOLS:
            native = self.natives[symbol]
            held = set(self.trades(lines, symbol))
            deltas = [line.event for line in lines if isinstance(line.event, BookDelta) and line.event.symbol == symbol]
            changed = {
                number for one in deltas for number in range(one.first_sequence or 0, (one.last_sequence or 0) + 1)
            }
            for channel, real, known in (
                (Channel.TRADES, [(one.ts, one.number) for one in self.truth.trades(native)], held),
                (Channel.L2_BOOK, [(one.ts, one.sequence) for one in self.truth.changes(native)], changed),
            ):
                spans[symbol, channel] = found = complete(lines, symbol, channel)
                inside = [number for ts, number in real if any(a + MARGIN < ts < b - MARGIN for a, b in found)]
                assert inside, (symbol, channel, found)
                assert set(inside) <= known, (symbol, channel, sorted(set(inside) - known)[:10])
        assert {one: joined((round(a), round(b)) for a, b in found) for one, found in spans.items()} == covered(
            self.folder / "events.jsonl"
        )
        self.the_ledger_claims_no_more()
        return spans

    def the_ledger_claims_no_more(self) -> None:
        """Hold the ledger against the file: after clean ends they say the same, after a kill it may know less."""
        ledger, stored = covered(self.folder / "state"), covered(self.folder / "events.jsonl")
        assert all(without_all(found, stored[one]) == [] for one, found in ledger.items())
        if all(run.returncode == 0 for run in self.runs):
            assert ledger == stored


@asynccontextmanager
async def stage(folder: Path, backfill: str = "in_order") -> AsyncIterator[Stage]:
    truth = MemoryTruth()
    dress = BackpackSimulator()
    market = SeededMarket.of(dress, SYMBOLS, seed=7, truth=truth)
    async with SimServer(dress, market, rate=200) as server:
        urls = {"rest": server.rest_url, "websocket": server.ws_url}
        (folder / "night.yaml").write_text(CONFIG.format(**urls, backfill=backfill))
        scene = Stage(folder, server, truth)
        try:
            yield scene
        finally:
            for run in scene.runs:
                if run.returncode is None:
                    run.kill()
                    await run.communicate()


def not_running(lines: Iterable[Line]) -> dict[tuple[str | None, Any], Gap]:
    """Give the holes since the last run as they were first announced."""
    found: dict[tuple[str | None, Any], Gap] = {}
    for line in lines:
        if isinstance(line.event, Gap) and line.event.cause is GapCause.NOT_RUNNING:
            found.setdefault((line.event.symbol, line.event.channel), line.event)
    return found


def is_filled(lines: Sequence[Line]) -> bool:
    """Tell whether the trades of every symbol are filled."""
    return {line.event.symbol for line in lines if isinstance(line.event, Backfilled)} == set(SYMBOLS)


def is_repaired(lines: Sequence[Line]) -> bool:
    """Tell whether every hole since the last run is filled or its book in sync again."""
    over = {
        line.event.gap_id
        for line in lines
        if isinstance(line.event, Resynced) or (isinstance(line.event, Backfilled) and line.event.is_complete)
    }
    return {gap.gap_id for gap in not_running(lines).values()} <= over


EVERYTHING = {(symbol, channel) for symbol in SYMBOLS for channel in (Channel.TRADES, Channel.L2_BOOK)}


def test_stop_wait_and_start_leaves_every_trade_once_and_announces_the_book_s_hole(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stage(tmp_path) as scene:
            first = await scene.start()
            await scene.moves(100)
            await scene.stop(first)
            stopped = len(scene.lines())
            last = {symbol: max(scene.trades(scene.lines(), symbol)) for symbol in SYMBOLS}
            await scene.moves(500)
            second = await scene.start()
            await scene.until(lambda lines: is_repaired(lines[stopped:]), second)
            await scene.moves(100)
            told = await scene.stop(second)

            lines = scene.lines()
            scene.nothing_is_missing(lines)
            for symbol in SYMBOLS:
                found = scene.trades(lines, symbol)
                assert found == sorted(found)
                assert Counter(found).most_common(1)[0][1] == 1
                marked = [one.sequence or 0 for one in filled(lines[stopped:], symbol)]
                assert marked == list(range(last[symbol] + 1, last[symbol] + 1 + len(marked)))
                assert marked
            holes = not_running(lines[stopped:])
            assert not_running(lines[:stopped]) == {}
            assert set(holes) == EVERYTHING
            assert {gap.repair for (_, channel), gap in holes.items() if channel is Channel.L2_BOOK} == {Repair.RESYNC}
            assert "4 gaps repaired" in told
            assert "0 open · nothing dropped" in told

            spans = scene.what_is_called_complete_is(lines)
            for (_, channel), found_spans in spans.items():
                # trades are complete over the hole, books are not and say so
                assert len(found_spans) == (1 if channel is Channel.TRADES else 2)

    asyncio.run(scenario())


def filled(lines: Iterable[Line], symbol: str) -> list[Trade]:
    """Give the trades that came from history."""
    events = (line.event for line in lines)
    return [one for one in events if isinstance(one, Trade) and one.symbol == symbol and one.backfilled]


@pytest.mark.parametrize("has_watermarks", [True, False], ids=["after ten seconds", "before the first watermark"])
def test_kill_9_loses_no_trade_over_both_runs_and_the_hole_is_announced(tmp_path: Path, has_watermarks: bool) -> None:
    async def scenario() -> None:
        async with stage(tmp_path) as scene:
            first = await scene.start()
            await scene.until(has_marks(scene, Watermark if has_watermarks else Subscribed), first)
            first.kill()
            await first.communicate()
            killed = scene.lines()
            assert not any(isinstance(line.event, Unsubscribed) for line in killed)
            if has_watermarks:
                scene.what_is_called_complete_is(killed)
            else:
                assert [complete(killed, *one) for one in EVERYTHING] == [[]] * 4
            await scene.moves(300)
            second = await scene.start()
            await scene.until(lambda lines: is_repaired(lines[len(killed) :]), second)
            await scene.moves(100)
            await scene.stop(second)

            lines = scene.lines()
            scene.nothing_is_missing(lines)
            holes = not_running(lines[len(killed) :])
            assert set(holes) == EVERYTHING
            known = {
                (event.symbol, event.channel, event.ts_since if isinstance(event, Subscribed) else event.ts_until)
                for event in (line.event for line in killed)
                if isinstance(event, Subscribed | Watermark)
            }
            assert {(symbol, channel, gap.ts_start) for (symbol, channel), gap in holes.items()} <= known
            scene.what_is_called_complete_is(lines)

    asyncio.run(scenario())


def has_marks(scene: Stage, kind: type[Subscribed] | type[Watermark] = Watermark) -> Callable[[list[Line]], bool]:
    """Tell whether each subscription has said how far it is complete, and the next run can know of it."""

    def tell(lines: list[Line]) -> bool:
        said = {(one.event.symbol, one.event.channel) for one in lines if isinstance(one.event, kind)}
        return said == EVERYTHING and marked(scene.folder / "state" / "marks.sqlite3") == EVERYTHING

    return tell


def marked(path: Path) -> set[tuple[str, str]]:
    """Give what the next run will find a mark of; the file is there before anything stands in it."""
    if not path.exists():
        return set()
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as file:
        try:
            return set(file.execute("SELECT symbol, channel FROM marks"))
        except sqlite3.OperationalError:
            return set()


def test_a_deploy_that_starts_the_new_before_it_stops_the_old_loses_no_trade_and_keys_tell_repeats(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with stage(tmp_path) as scene:
            old = await scene.start()
            await scene.until(has_marks(scene), old)
            new = await scene.start()
            await scene.until(is_repaired, new)
            await scene.moves(100)
            await scene.stop(old)
            await scene.moves(100)
            await scene.stop(new)

            lines = scene.lines()
            assert len({line.run_id for line in lines}) == 2
            scene.nothing_is_missing(lines)
            keys = [line.key for line in lines if isinstance(line.event, Trade)]
            assert len(set(keys)) < len(keys)
            assert len(set(keys)) == sum(len(set(scene.trades(lines, symbol))) for symbol in SYMBOLS)
            for found in scene.what_is_called_complete_is(lines).values():
                assert len(found) == 1  # one or the other was there all the time, for the books too

    asyncio.run(scenario())


def held_back(lines: Iterable[Line]) -> list[Trade]:
    """Give the live trades that were handed on after something that the same socket brought later."""
    newest, held = 0, []
    for line in lines:
        event = line.event
        if isinstance(event, Trade) and not event.backfilled and event.ts_recv < newest:
            held.append(event)
        if isinstance(event, BookDelta) or (isinstance(event, Trade) and not event.backfilled):
            newest = max(newest, event.ts_recv)
    return held


@pytest.mark.parametrize("backfill", ["late", "off"])
def test_without_backfill_in_order_live_trades_are_never_held(tmp_path: Path, backfill: str) -> None:
    async def scenario() -> None:
        async with stage(tmp_path, backfill) as scene:
            first = await scene.start()
            await scene.moves(200)
            await scene.stop(first)
            stopped = len(scene.lines())
            await scene.moves(300)
            scene.server.faults.inject(Fault(FaultKind.SLOW_ANSWER, count=None, seconds=2, path="/api/v1/trades"))
            second = await scene.start()
            if backfill == "late":
                await scene.until(lambda lines: is_filled(lines[stopped:]), second)
            await scene.moves(200)
            await scene.stop(second)

            lines = scene.lines()
            for symbol in SYMBOLS:
                events = [line.event for line in lines[stopped:] if line.event.symbol == symbol]
                live = [one for one in events if isinstance(one, Trade) and not one.backfilled]
                numbers = [one.sequence or 0 for one in live]
                assert numbers == list(range(numbers[0], numbers[-1] + 1))
                assert bool(filled(lines[stopped:], symbol)) == (backfill == "late")
            assert held_back(lines[stopped:]) == []
            if backfill == "late":
                scene.nothing_is_missing(lines)
            scene.what_is_called_complete_is(lines)

    asyncio.run(scenario())


# tickwire coverage


async def command(scene: Stage, *arguments: str) -> tuple[int | None, str]:
    """Run ``tickwire coverage``; gives its status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tickwire.cli.main", "coverage", *arguments,
        cwd=scene.folder, env={**os.environ, "TICKWIRE_LOAD_PLUGINS": "backpack"}, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert err == b""
    return process.returncode, out.decode()


def series(answer: str) -> dict[tuple[str, str], Any]:
    """Read ``--json``."""
    return {(one["symbol"], one["channel"]): one for one in json.loads(answer)["series"]}


def ids_in(holes: list[dict[str, Any]]) -> set[int]:
    """Give the ids that holes name."""
    return {number for hole in holes for number in range(hole["first_missing"], hole["last_missing"] + 1)}


def test_the_holes_are_those_that_were_injected_and_no_others(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stage(tmp_path, "off") as scene:
            run = await scene.start()
            faults, native = scene.server.faults, scene.natives["SOL-USDC"]
            for number in range(3):
                faults.inject(Fault(FaultKind.DROP, count=2, channel=Channel.TRADES, native=native))
                faults.inject(Fault(FaultKind.DROP, channel=Channel.L2_BOOK, native=native))
                await scene.until(has_told(2 * number + 2, number + 1), run)
            await scene.moves(300)
            await scene.stop(run)

            code, answer = await command(scene, "state", "--json")
            found = series(answer)
            held = scene.trades(scene.lines(), "SOL-USDC")
            missing = set(range(min(held), max(held) + 1)) - set(held)
            assert len(missing) == 6
            assert ids_in(found["SOL-USDC", "trades"]["holes"]) == missing
            assert sum(hole["missing"] for hole in found["SOL-USDC", "trades"]["holes"]) == 6
            told = [
                event.gap_id
                for event in (line.event for line in scene.lines())
                if isinstance(event, Gap) and event.channel is Channel.L2_BOOK
            ]
            assert [hole["gap_id"] for hole in found["SOL-USDC", "l2_book"]["holes"]] == told
            assert len(told) == 3
            assert {hole["cause"] for one in found.values() for hole in one["holes"]} == {"sequence"}
            for channel in ("trades", "l2_book"):
                other = found["BTC-USDC", channel]
                assert (other["holes"], other["is_complete"], other["ratio"]) == ([], True, 1.0)
            assert code == 1
            scene.what_is_called_complete_is(scene.lines())
            assert_nothing_lies_in_a_hole(scene, found)

            code, stored = await command(scene, "events.jsonl", "--json")
            assert (code, series(stored)) == (1, found)
            code, table = await command(scene, "state", "--symbol", "BTC-*", "--svg", "strip.svg")
            assert (code, table.splitlines()[-1]) == (0, "complete")
            assert "BTC-USDC  l2_book" in (tmp_path / "strip.svg").read_text()
            code, table = await command(scene, "state", "--channel", "l2_book", "--exchange", "backpack")
            assert (code, table.splitlines()[-1]) == (1, "exit 1: 3 holes open")
            assert [line.split()[1] for line in table.splitlines()[2:-1]] == sorted(SYMBOLS)

    asyncio.run(scenario())


def has_told(trades: int, books: int) -> Callable[[list[Line]], bool]:
    """Tell whether so many trades were announced as missing, and the book came back so often."""

    def tell(lines: list[Line]) -> bool:
        events = [line.event for line in lines]
        missing = sum(one.missing or 0 for one in events if isinstance(one, Gap) and one.channel is Channel.TRADES)
        return missing >= trades and sum(isinstance(one, Resynced) for one in events) >= books

    return tell


def assert_nothing_lies_in_a_hole(scene: Stage, found: dict[tuple[str, str], Any]) -> None:
    """A book's hole is no longer than the book was away: no delta was emitted in it."""
    for hole in found["SOL-USDC", "l2_book"]["holes"]:
        deltas = [
            line.event.ts_recv
            for line in scene.lines()
            if isinstance(line.event, BookDelta) and line.event.symbol == "SOL-USDC"
        ]
        assert not [ts for ts in deltas if hole["start"] < ts < hole["end"]]
        assert any(ts <= hole["start"] for ts in deltas)
