"""The look at a real exchange, held against a simulated one, and against nothing at all."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SMOKE = Path(__file__).with_name("smoke.py")


def look(rest: str, websocket: str, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SMOKE), "--rest-url", rest, "--ws-url", websocket, *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def exchange() -> Iterator[dict[str, str]]:
    command = [sys.executable, "-m", "tickwire.cli.main", "simulate", "binanceus", "--json", "--duration", "150s"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def test_a_book_that_flows_both_ways_passes(exchange: dict[str, str]) -> None:
    done = look(exchange["rest"], exchange["websocket"])
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "live: passed: binanceus, BTC-USDT, natively and through ccxt, 0 wrong" in done.stdout


def test_too_little_is_wrong_and_says_what_is_missing(exchange: dict[str, str]) -> None:
    done = look(exchange["rest"], exchange["websocket"], "--symbol", "ABC-DEF")
    assert done.returncode == 1, f"{done.stdout}\n{done.stderr}"
    assert "WRONG native: 'ABC-DEF' is not listed on binanceus" in done.stdout
    assert "live: FAILED" in done.stdout


def test_an_exchange_out_of_reach_is_no_verdict_and_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"
    done = look(f"http://{host}", f"ws://{host}", "--patience", "4")
    assert done.returncode == 3, f"{done.stdout}\n{done.stderr}"
    assert (
        f"live: no verdict: binanceus cannot be reached from here: binanceus: cannot reach http://{host}" in done.stdout
    )
