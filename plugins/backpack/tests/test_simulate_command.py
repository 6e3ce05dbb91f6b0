"""``tickwire simulate backpack`` as people and scripts start it: a process with URLs, a truth and a clean end."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tickwire.simulation import TruthFiles

COMMAND = [sys.executable, "-m", "tickwire.cli.main", "simulate", "backpack"]


@contextmanager
def simulated(*options: str) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """Start the command with ``--json``; gives the process and the first line."""
    started = subprocess.Popen(
        [*COMMAND, "--json", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    with started as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def read(url: str, context: ssl.SSLContext | None = None) -> Any:
    with urlopen(url, timeout=30, context=context) as answer:
        return json.load(answer)


def failing(*options: str) -> tuple[int, str]:
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_and_the_truth_is_whole(tmp_path: Path, number: signal.Signals) -> None:
    truth = tmp_path / "truth"
    with simulated("--symbols", "SOL-USDC,BTC-USDC-PERP", "--rate", "5000", "--truth", str(truth)) as (process, urls):
        assert urls["pid"] == process.pid
        markets = read(f"{urls['rest']}/api/v1/markets")
        assert [market["symbol"] for market in markets] == ["SOL_USDC", "BTC_USDC_PERP"]
        while int((depth := read(f"{urls['rest']}/api/v1/depth?symbol=SOL_USDC"))["lastUpdateId"]) % 100 < 50:
            continue
        os.kill(process.pid, number)
        _, errors = process.communicate(timeout=20)
        assert (process.returncode, errors.rstrip().endswith(f"truth in {truth}")) == (0, True)
    found = TruthFiles(truth)
    assert [instrument.symbol for instrument in found.instruments()] == ["BTC-USDC-PERP", "SOL-USDC"]
    book = found.book("SOL_USDC", int(depth["lastUpdateId"]))
    assert [float(price) for price, _ in book.bids] == [float(price) for price, _ in reversed(depth["bids"])]


def test_people_are_shown_the_urls_and_a_command_to_try() -> None:
    done = subprocess.run([*COMMAND, "--duration", "0.1s"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    head, rest, socket, tried = done.stdout.splitlines()
    rest_url, ws_url = rest.split()[1], socket.split()[1]
    assert head == "backpack: 11 instruments simulated; Ctrl-C ends it"
    assert ws_url == rest_url.replace("http:", "ws:")
    assert tried.split(maxsplit=1)[1] == (
        f"tickwire stream backpack SOL-USDC -c trades,l2_book --rest-url {rest_url} --ws-url {ws_url}"
    )


def test_tls_is_trusted_through_the_named_file() -> None:
    with simulated("--tls") as (process, urls):
        assert urls["rest"].startswith("https://127.0.0.1:")
        assert urls["websocket"].startswith("wss://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=urls["certificate"])
        assert read(f"{urls['rest']}/api/v1/status", trusting) == {"message": None, "status": "Ok"}
        process.terminate()
        assert process.wait(30) == 0
        assert not Path(urls["certificate"]).exists()


def test_an_unknown_symbol_names_the_known_ones() -> None:
    code, errors = failing("--symbols", "SOL-USDC,DOGE-USDC")
    assert code == 3
    assert "does not list 'DOGE-USDC' → one or more of SOL-USDC, BTC-USDC" in errors


def test_a_port_in_use_is_named() -> None:
    with simulated() as (_, urls):
        port = urls["rest"].rpartition(":")[2]
        code, errors = failing("--port", port)
    assert code == 3
    assert f"cannot listen on 127.0.0.1:{port} (Address already in use) → choose another port" in errors


def test_a_truth_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, errors = failing("--truth", str(tmp_path / "file" / "truth"))
    assert code == 3
    assert "cannot make the truth's directory" in errors


def test_each_fault_is_a_line_when_it_begins_and_when_it_is_over() -> None:
    options = ("--faults", "close-clean", "--fault-every", "0.2", "--duration", "1s")
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()[4:]
    both = ["fault      close_clean begins", "fault      close_clean is over after 0.0 s: nothing came its way"]
    assert told
    assert told == both * (len(told) // 2)


def test_faults_are_json_lines_for_scripts() -> None:
    with simulated("--faults", "status_5xx", "--fault-every", "0.05", "--fault-seed", "3") as (process, urls):
        assert process.stdout is not None
        began = json.loads(process.stdout.readline())
        assert began | {"count": 0, "began": 0} == {
            "fault": "status_5xx", "is_over": False, "count": 0, "touched": 0, "began": 0, "ended": None
        }  # fmt: skip
        with pytest.raises(HTTPError, match="HTTP Error 5"):
            read(f"{urls['rest']}/api/v1/status")


def test_an_unknown_fault_names_the_near_ones() -> None:
    code, errors = failing("--faults", "drop,half_opened")
    assert code == 3
    assert "there is no kind of fault 'half_opened' → did you mean half_open?" in errors
