"""Exchanges that accept and then close, or say nothing, seen by ``tickwire stream`` in a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tickwire import Channel, Event, Gap, Reconnected, Stale, StaleAction, Trade, Watermark
from tickwire.model.stored import decode_event
from tickwire.simulation import Fault, FaultKind, SeededMarket, SimServer
from tickwire_backpack.simulator import BackpackSimulator


@asynccontextmanager
async def exchange(rate: float | None = 100) -> AsyncIterator[SimServer]:
    dress = BackpackSimulator()
    async with SimServer(dress, SeededMarket.of(dress, ["SOL-USDC"], seed=5), rate=rate, ping=2) as server:
        yield server


async def stream(server: SimServer, folder: Path, seconds: float) -> tuple[Sequence[Event], str]:
    """Run the command for so long; gives its events, and what it said to people."""
    command = ["stream", "backpack", "SOL-USDC", "-c", "trades,l2_book", "--json", "--duration", f"{seconds:g}s"]
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tickwire.cli.main", *command, "--rest-url", server.rest_url, "--ws-url", server.ws_url,
        cwd=folder, env={**os.environ, "XDG_STATE_HOME": str(folder)}, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    try:
        out, err = await run.communicate()
    finally:
        if run.returncode is None:
            run.kill()
            await run.wait()
    assert run.returncode == 0, err.decode()
    return [decode_event(line) for line in out.splitlines()], err.decode()


async def dialled(kind: FaultKind, folder: Path) -> tuple[int, str]:
    """Let each attempt end that way for thirty seconds; gives how many there were."""
    async with exchange() as server:
        fault = server.faults.inject(Fault(kind, count=None))
        events, told = await stream(server, folder, 30)
        assert not any(isinstance(event, Trade) for event in events)
        attempts = told.count(", attempt ")
        # each dial is struck once, or once for each of its two topics
        assert attempts <= fault.touched <= 2 * (attempts + 1), (kind, attempts, fault.touched)
        return attempts, told


@pytest.mark.long
def test_an_exchange_that_lets_nobody_stay_is_dialled_fewer_than_ten_times_in_thirty_seconds(tmp_path: Path) -> None:
    async def scenario() -> None:
        kinds = (FaultKind.CLOSE_ON_OPEN, FaultKind.CLOSE_AFTER_SUBSCRIBE, FaultKind.UPGRADE_REFUSED)
        for attempts, told in await asyncio.gather(*(dialled(kind, tmp_path) for kind in kinds)):
            assert 4 <= attempts < 10, told

    asyncio.run(scenario())


async def left_silent(folder: Path) -> None:
    async with exchange() as server:
        server.faults.inject(Fault(FaultKind.SILENT))
        events, _ = await stream(server, folder, 40)
        stale = {(event.channel, event.action) for event in events if isinstance(event, Stale)}
        assert stale == {(channel, StaleAction.RESUBSCRIBE) for channel in (Channel.TRADES, Channel.L2_BOOK)}


async def left_quiet(folder: Path) -> None:
    async with exchange(rate=None) as server:  # nothing is traded at all
        events, told = await stream(server, folder, 40)
        assert not any(isinstance(event, Stale | Reconnected | Gap) for event in events)
        assert any(isinstance(event, Watermark) for event in events)
        assert "WARNING" not in told


@pytest.mark.long
def test_a_silent_server_is_noticed_for_all_its_pings_and_a_quiet_instrument_is_not_restarted(tmp_path: Path) -> None:
    async def scenario() -> None:
        await asyncio.gather(left_silent(tmp_path), left_quiet(tmp_path))

    asyncio.run(scenario())
