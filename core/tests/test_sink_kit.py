"""The sink kit on sinks of core's own, and on one that does everything wrong."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import pytest

from tickwire import ConnectionLostError, Record, Registry, decode_record, encode_record, hookimpl
from tickwire.plugin import SinkInfo
from tickwire.testing import ProxiedSinkConformance, SinkConformance


class LineServer:
    """A server that keeps lines by their keys and answers each batch with how many it took."""

    def __init__(self) -> None:
        self.lines: dict[str, bytes] = {}
        self.refuses = b"\0"
        self._handlers: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        self._server.close()
        for task in self._handlers:
            task.cancel()
        if self._handlers:
            await asyncio.wait(self._handlers)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        try:
            while line := await reader.readline():
                if line == b"\n":
                    writer.write(b"ok\n")
                elif self.refuses in line:
                    writer.write(b"no\n")
                else:
                    self.lines[decode_record(line).key] = line
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._handlers.discard(task)


@attrs.frozen
class LineOptions:
    port: int
    timeout: float = 10.0


class LineSink:
    """Sends lines, and waits until the server says that it has them."""

    def __init__(self, options: LineOptions) -> None:
        self._options = options
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        try:
            async with asyncio.timeout(self._options.timeout):
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._options.port)
                await self._ask(b"")
        except OSError as error:
            raise ConnectionLostError(f"the line server is away: {error}") from error

    async def write(self, records: Sequence[Record]) -> None:
        async with asyncio.timeout(self._options.timeout):
            await self._ask(b"".join(encode_record(record) + b"\n" for record in records))

    async def _ask(self, data: bytes) -> None:
        assert self._writer is not None
        self._writer.write(data + b"\n")
        await self._writer.drain()
        answer = await self._reader.readline()
        if answer == b"no\n":
            raise ValueError("the line server refuses that")
        if answer != b"ok\n":
            raise ConnectionLostError("the line server is gone")

    async def close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()


class LinePlugin:
    @hookimpl
    def tickwire_sinks(self) -> list[SinkInfo]:
        return [SinkInfo("lines", LineOptions, "tests_line_sink:LineSink")]


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tests_line_sink", sys.modules[__name__])


class TestLineServer(ProxiedSinkConformance):
    sink = "lines"
    is_idempotent = True

    @classmethod
    def registry(cls) -> Registry:
        return Registry.of(lines=LinePlugin())

    async def prepare(self) -> None:
        self.server = LineServer()
        await self.stand_before(await self.server.start())

    def make_options(self, tmp_path: Path) -> Mapping[str, object]:
        return {"port": self.proxy.port, "timeout": self.timeout}

    async def read_back(self) -> Sequence[Record | str]:
        return [decode_record(line) for line in self.server.lines.values()]

    async def clean(self) -> None:
        await super().clean()
        await self.server.stop()


class TestJsonLines(SinkConformance):
    sink = "jsonl"

    def make_options(self, tmp_path: Path) -> Mapping[str, object]:
        self.file = tmp_path / "events.jsonl"
        return {"path": str(self.file)}

    async def read_back(self) -> Sequence[Record | str]:
        return [decode_record(line) for line in self.file.read_text().splitlines()]
