"""A run with steps before its sinks, on the simulated exchange: what they make is what was traded and quoted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tickwire import (
    BookDelta,
    Books,
    BookSnapshot,
    Candle,
    Event,
    Quote,
    Registry,
    SnapshotCause,
    Trade,
    decode_event,
    exact,
)
from tickwire.run.config import config_from
from tickwire.run.runner import Runner
from tickwire.simulation import MemoryTruth, SeededMarket, SimServer
from tickwire_backpack.simulator import BackpackSimulator

SYMBOLS = ("SOL-USDC", "BTC-USDC")
STEPS: dict[str, tuple[list[str], list[dict[str, Any]]]] = {
    "candles": (["candles"], [{"candles": {"interval": "1s"}}]),
    "merged": (["l2_book", "quality"], [{"conflate": {"every": "100ms"}}]),
    "sampled": (["l2_book"], [{"books": {"changes": 10, "depth": 5}}]),
    "best": (["l1_book"], [{"nbbo": {"name": "best"}}, {"throttle": {"every": "50ms"}}]),
}


def config(folder: Path, server: SimServer) -> dict[str, Any]:
    sinks = {
        name: {"type": "jsonl", "path": str(folder / f"{name}.jsonl"), "channels": channels, "process": steps}
        for name, (channels, steps) in STEPS.items()
    }
    everything = {"type": "jsonl", "path": str(folder / "everything.jsonl")}
    exchange = {
        "symbols": list(SYMBOLS),
        "channels": ["trades", "l2_book"],
        "endpoints": {"rest": server.rest_url, "websocket": server.ws_url},
    }
    return {"exchanges": {"backpack": exchange}, "sinks": {**sinks, "everything": everything}}


def stored(folder: Path, name: str) -> list[tuple[str, Event]]:
    """Give key and event of each line."""
    lines = (folder / f"{name}.jsonl").read_bytes().splitlines()
    return [(json.loads(line)["key"], decode_event(line)) for line in lines]


async def collect(folder: Path) -> None:
    """Run until there are some candles of each symbol."""
    market = SeededMarket.of(BackpackSimulator(), SYMBOLS, seed=5, truth=MemoryTruth())
    async with SimServer(BackpackSimulator(), market, rate=200) as server:
        registry = Registry.discover({"TICKWIRE_LOAD_PLUGINS": "backpack"})
        runner = Runner(config_from(config(folder, server), "night.yaml", {}), registry)
        stop = asyncio.Event()
        running = asyncio.create_task(runner.run(stop))
        while not is_enough(folder):
            assert not running.done(), await running
            await asyncio.sleep(0.1)
        stop.set()
        await running


def is_enough(folder: Path) -> bool:
    path = folder / "candles.jsonl"
    text = path.read_text() if path.exists() else ""
    return all(text.count(f'"{symbol}"') >= 3 for symbol in SYMBOLS)


def test_what_the_steps_make_is_what_was_traded_and_quoted(tmp_path: Path) -> None:
    asyncio.run(collect(tmp_path))
    everything = [event for _, event in stored(tmp_path, "everything")]
    the_candles_are_those_of_the_trades(stored(tmp_path, "candles"), everything)
    truth = states(everything)
    merged = [event for _, event in stored(tmp_path, "merged")]
    assert states(merged).items() <= truth.items()
    deltas = sum(isinstance(event, BookDelta) for event in everything)
    assert 0 < sum(isinstance(event, BookDelta) for event in merged) < deltas
    sampled = [event for _, event in stored(tmp_path, "sampled")]
    samples = [one for one in sampled if isinstance(one, BookSnapshot) and one.cause is SnapshotCause.PERIODIC]
    assert samples
    for one in samples:
        bids, asks = truth[one.symbol, one.sequence]
        assert (list(one.bids), list(one.asks)) == (bids[:5], asks[:5])
    best = [event for _, event in stored(tmp_path, "best")]
    assert {type(event) for event in best} == {Quote}
    tops = {(symbol, *bids[0], *asks[0]) for (symbol, _), (bids, asks) in truth.items()}
    shown = {
        (one.symbol, one.bid_price, one.bid_size, one.ask_price, one.ask_size) for one in best if isinstance(one, Quote)
    }
    assert {one for one in shown if None not in one} <= tops


def the_candles_are_those_of_the_trades(made: Sequence[tuple[str, Event]], everything: Sequence[Event]) -> None:
    """Reckon each candle from the trades of its second; between the first and the last none is left out."""
    keys = [key for key, _ in made]
    assert len(set(keys)) == len(keys)
    trades = [event for event in everything if isinstance(event, Trade)]
    for symbol in SYMBOLS:
        own = sorted((one for one in trades if one.symbol == symbol), key=lambda one: one.sequence or 0)
        found = [one for _, one in made if isinstance(one, Candle) and one.symbol == symbol]
        first, last = found[0].ts_start, found[-1].ts_end
        seconds = {(one.ts_event or 0) // 10**9 * 10**9 for one in own if first <= (one.ts_event or 0) < last}
        assert [one.ts_start for one in found] == sorted(seconds)
        for one in found:
            inside = [each for each in own if one.ts_start <= (each.ts_event or 0) < one.ts_end]
            prices = [each.price for each in inside]
            volume = float(sum(exact(each.size) for each in inside))
            assert (one.open, one.high, one.low, one.close) == (prices[0], max(prices), min(prices), prices[-1])
            assert (one.volume, one.trades, one.is_closed, one.is_computed) == (volume, len(inside), True, True)


def states(events: Sequence[Event]) -> dict[tuple[str, int | None], tuple[Any, Any]]:
    """Each book at each sequence, as the stream builds it."""
    books, found = Books("backpack"), {}
    for event in events:
        books.apply(event)
        if isinstance(event, BookSnapshot | BookDelta):
            book = books[event.symbol]
            found[event.symbol, book.sequence] = (book.bids(), book.asks())
    return found
