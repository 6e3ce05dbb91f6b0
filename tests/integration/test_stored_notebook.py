"""The notebook on stored data runs, on what a run of a simulated exchange has stored."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tickwire.plugin.registry import Registry
from tickwire.run.config import config_from
from tickwire.run.runner import Runner
from tickwire.simulation import MemoryTruth, SeededMarket, SimServer
from tickwire_backpack.simulator import BackpackSimulator

NOTEBOOK = Path(__file__).parents[2] / "examples" / "stored.ipynb"
NEEDS = ("pyarrow", "pandas", "matplotlib")


def cells() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == "code"]


async def _stored(folder: Path) -> None:
    market = SeededMarket.of(BackpackSimulator(), ["SOL-USDC"], seed=5, truth=MemoryTruth())
    async with SimServer(BackpackSimulator(), market, rate=200) as server:
        entry = {
            "symbols": ["SOL-USDC"],
            "channels": ["trades", "l2_book"],
            "endpoints": {"rest": server.rest_url, "websocket": server.ws_url},
        }
        sink = {"type": "parquet", "path": str(folder)}
        config = config_from({"exchanges": {"backpack": entry}, "sinks": {"archive": sink}}, "night.yaml", {})
        runner, stop = Runner(config, Registry.discover(), say=lambda line: None), asyncio.Event()

        async def until_enough() -> None:
            while not any(book.is_synced for book in runner.feeds[0].books.values()):  # noqa: ASYNC110 - polled as below
                await asyncio.sleep(0.05)
            end = market.changes + 600
            while market.changes < end:  # noqa: ASYNC110 - it is a plain counter, and moves by itself
                await asyncio.sleep(0.05)
            stop.set()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(runner.run(stop))
            tasks.create_task(until_enough())


def test_the_notebook_is_committed_without_what_it_printed() -> None:
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells())


def test_the_notebook_draws_what_was_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in NEEDS:
        pytest.importorskip(name, reason=f"needs {name}: pip install {' '.join(NEEDS)}")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "matplotlib"))
    monkeypatch.setenv("DATA", str(tmp_path / "data"))
    asyncio.run(_stored(tmp_path / "data"))
    names: dict[str, Any] = {}
    for number, cell in enumerate(cells()):
        exec(compile("".join(cell["source"]), f"{NOTEBOOK.name}, cell {number}", "exec"), names)
    printed = capsys.readouterr().out
    assert f"{len(names['frame']):,} trades, {len(names['trades'].holes)} holes" in printed
    assert len(names["frame"]) > 0
    assert names["books"]["bid"].notna().any()
    assert len(names["plt"].get_fignums()) == 2
    names["plt"].close("all")
