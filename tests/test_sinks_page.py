"""The sink that ``docs/sinks.md`` shows is a whole one: it passes the kit, and is found where it is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import pytest
from aiohttp import web

from tickwire import Record, Registry, decode_record
from tickwire.testing import ProxiedSinkConformance

PAGE = Path(__file__).parents[1] / "docs" / "sinks.md"
SHOWN = re.compile(r"<!-- file: tickwire_http.py -->\n```python\n(.*?)```", re.DOTALL)


def shown() -> str:
    [code] = SHOWN.findall(PAGE.read_text())
    return str(code)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("tickwire_http")
    exec(shown(), vars(module))
    monkeypatch.setitem(sys.modules, "tickwire_http", module)


class LineServer:
    """Keeps posted JSON lines by their keys."""

    def __init__(self) -> None:
        self.lines: dict[str, bytes] = {}
        app = web.Application()
        app.router.add_post("/", self._post)
        self._runner = web.AppRunner(app)

    async def start(self) -> int:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _post(self, request: web.Request) -> web.Response:
        lines = (await request.read()).splitlines()
        if any(b"refuse-this" in line for line in lines):
            return web.Response(status=422)
        self.lines |= {decode_record(line).key: line for line in lines}
        return web.Response()


class TestHttpOfThePage(ProxiedSinkConformance):
    sink = "http"
    is_idempotent = True

    @classmethod
    def registry(cls) -> Registry:
        return Registry.of(http=sys.modules["tickwire_http"])

    async def prepare(self) -> None:
        self.server = LineServer()
        await self.stand_before(await self.server.start())

    def make_options(self, tmp_path: Path) -> Mapping[str, object]:
        return {"url": f"http://127.0.0.1:{self.proxy.port}/", "timeout": self.timeout}

    async def read_back(self) -> Sequence[Record | str]:
        return [decode_record(line) for line in self.server.lines.values()]

    def poison(self, record: Record) -> Record | None:
        return Record(record.event, record.run_id, record.ordinal, "refuse-this")

    async def clean(self) -> None:
        await super().clean()
        await self.server.stop()


def test_the_sink_of_the_page_has_thirty_lines_at_most() -> None:
    assert len([line for line in shown().splitlines() if line.strip()]) <= 30


def test_the_sink_of_the_page_is_found_by_its_entry_point(tmp_path: Path) -> None:
    (tmp_path / "tickwire_http.py").write_text(shown())
    facts = tmp_path / "tickwire_http-0.1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: tickwire-http\nVersion: 0.1.0\n")
    (facts / "entry_points.txt").write_text("[tickwire.v1]\nhttp = tickwire_http\n")
    (tmp_path / "night.yaml").write_text(
        "exchanges: {nowhere: {symbols: [SOL-USDC]}}\nsinks: {mine: {type: http, ulr: http://127.0.0.1/}}\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "tickwire.cli.main", "run", "night.yaml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *os.environ.get("PYTHONPATH", "").split()])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3
    assert "sinks.mine.ulr: unknown key → did you mean url?" in done.stderr
