"""ClickHouse where no server is: one of the test's own that reads statements and rows strictly, of both dialects.

It was written from ClickHouse's documentation, apart from the sink, and keeps the last row of equal sorting keys, as a
merged ``ReplacingMergeTree`` does. What real servers do, ``test_clickhouse.py`` shows where there is one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiohttp import web

from tickwire import ConfigError, Record, RefusedError, RetryableError
from tickwire.testing import ProxiedSinkConformance, stream_of
from tickwire_sinks.clickhouse import BLAMES_RECORD, BLAMES_SETTINGS, ClickHouseSink
from tickwire_sinks.database_options import ClickHouseOptions

if TYPE_CHECKING:
    from conftest import RecordOf

Row = dict[str, Any]
CREATE = re.compile(
    r"CREATE TABLE IF NOT EXISTS (\w+)\.(\w+) \((.+)\) ENGINE = ReplacingMergeTree "
    r"PARTITION BY (toYYYYMM\(.+\)) ORDER BY \(([\w, ()]+)\)"
)
INSERT = re.compile(r"INSERT INTO (\w+)\.(\w+) \(([`\w, ]+)\) FORMAT JSONEachRow")
COLUMN = re.compile(r"(?:^|, )(?:`(\w+)` ([\w(), ']+?)|INDEX \w+ \w+ TYPE minmax GRANULARITY 1)(?=, `|, INDEX|$)")


def whole(value: Any) -> Any:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise ValueError(f"{value!r} is no Int64")
    return value


def number(value: Any) -> Any:
    if type(value) not in (int, float):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def text(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def flag(value: Any) -> Any:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def time(value: Any) -> Any:
    # numbers are decoded as their digits: seconds, a point, nine digits
    seconds, point, fraction = str(value).partition(".")
    if not point or len(fraction) != 9:
        raise ValueError(f"{value!r} is no time with nine digits")
    return int(seconds) * 10**9 + int(fraction)


PLAIN: dict[str, Callable[[Any], Any]] = {
    "Int64": whole, "UInt16": whole, "Float64": number, "String": text, "Bool": flag, "UInt8": flag,
    "DateTime64(9, 'UTC')": time,
}  # fmt: skip


def reader(kind: str) -> Callable[[Any], Any]:
    """Give what reads a JSON value as a column's type."""
    inner = re.fullmatch(r"(LowCardinality|Nullable|Array)\((.+)\)", kind)
    if inner is None:
        return PLAIN[kind]
    read = reader(inner[2])
    if inner[1] == "Array":
        return lambda value: [read(one) for one in value]
    return (lambda value: None if value is None else read(value)) if inner[1] == "Nullable" else read


class FakeClickHouse:
    """Statements over HTTP, tables in memory."""

    def __init__(self, *, is_old: bool) -> None:
        self.is_old = is_old
        self.tables: dict[str, dict[str, str]] = {}
        self.order: dict[str, list[str]] = {}
        self.rows: dict[str, dict[object, Row]] = {}
        self.answers: list[web.Response] = []
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.text()
        if self.answers:
            return self.answers.pop(0)
        assert request.headers["Authorization"].startswith("Basic ")
        if "query" not in request.query:
            return self._executed(body)
        try:
            return self._inserted(request.query["query"], body)
        except (ValueError, msgspec.DecodeError) as error:
            return web.Response(status=400, text=f"Code: 27. DB::Exception: Cannot parse input: {error}")

    def _executed(self, statement: str) -> web.Response:
        if statement.startswith("SELECT count() FROM system.data_type_families"):
            return web.Response(text="0\n" if self.is_old else "1\n")
        if statement.startswith("SELECT table, name, type FROM system.columns"):
            return web.Response(body=b"\n".join(self._columns()))
        if create := CREATE.fullmatch(statement):
            columns = {name: kind for name, kind in COLUMN.findall(create[3]) if name}
            for kind in columns.values():
                reader(kind)  # knows the type
            self.tables.setdefault(create[2], columns)
            self.order[create[2]] = re.findall(r"length\((?:\w+)\)|\w+", create[5])
        elif added := re.fullmatch(r"ALTER TABLE \w+\.(\w+) ADD COLUMN `(\w+)` (.+)", statement):
            self.tables[added[1]][added[2]] = added[3]
        elif not statement.startswith("CREATE DATABASE IF NOT EXISTS "):
            return web.Response(status=400, text=f"Code: 62. DB::Exception: Syntax error: {statement}")
        return web.Response()

    def _columns(self) -> list[bytes]:
        return [
            msgspec.json.encode({"table": table, "name": name, "type": kind})
            for table, columns in self.tables.items()
            for name, kind in columns.items()
        ]

    def _inserted(self, statement: str, body: str) -> web.Response:
        insert = INSERT.fullmatch(statement)
        if insert is None:
            return web.Response(status=400, text=f"Code: 62. DB::Exception: Syntax error: {statement}")
        if insert[2] not in self.tables:
            return web.Response(status=404, text=f"Code: 60. DB::Exception: Table {insert[2]} does not exist")
        columns = self.tables[insert[2]]
        assert insert[3].replace("`", "").split(", ") == list(columns)
        rows = [self._row(columns, line) for line in body.splitlines()]  # all of them, or none
        place = self.rows.setdefault(insert[2], {})
        for row in rows:
            key = tuple(row[re.sub(r"length\((\w+)\)", r"\1", name)] for name in self.order[insert[2]])
            place.pop(key, None)
            place[key] = row
        return web.Response()

    def _row(self, columns: Mapping[str, str], line: str) -> Row:
        # times are read from their digits, which a float would lose
        spelled = msgspec.json.decode(re.sub(r'("ts_\w+":)(\d+\.\d{9})', r'\1"\2"', line))
        return {name: reader(kind)(spelled[name]) for name, kind in columns.items()}


class ClickHouseProtocolKit(ProxiedSinkConformance):
    """What both dialects have in common; no check runs in this class itself."""

    __test__ = False
    sink = "clickhouse"
    is_idempotent = True
    is_old = False

    @pytest.fixture(autouse=True)
    def _reader(self, record_of: RecordOf) -> None:
        self.record_of = record_of

    async def prepare(self) -> None:
        self.server = FakeClickHouse(is_old=self.is_old)
        await self.stand_before(await self.server.start())

    def make_options(self, tmp_path: Path) -> Mapping[str, object]:
        return {"url": f"http://127.0.0.1:{self.proxy.port}", "timeout": self.timeout}

    async def read_back(self) -> Sequence[Record]:
        found = [
            self.record_of(name, with_levels(row)) for name, rows in self.server.rows.items() for row in rows.values()
        ]
        return sorted(found, key=lambda record: record.ordinal)

    def poison(self, record: Record) -> Record:
        return msgspec.structs.replace(record, event=msgspec.structs.replace(record.event, sequence="x"))

    async def clean(self) -> None:
        await super().clean()
        await self.server.stop()


def with_levels(row: Row) -> Row:
    row = dict(row)
    for side in ("bid", "ask"):
        if isinstance(row.get(f"{side}_price"), list):
            row[f"{side}s"] = list(zip(row.pop(f"{side}_price"), row.pop(f"{side}_size"), strict=True))
    return row


class TestClickHouseProtocol(ClickHouseProtocolKit):
    __test__ = True


class TestOldClickHouseProtocol(ClickHouseProtocolKit):
    __test__ = True
    is_old = True


PASSING = (60, 159, 209, 241, 242, 243, 252, 319, 516, 999)


@pytest.mark.parametrize("status", [400, 404, 500])
def test_while_writing_only_codes_of_records_are_refused(status: int) -> None:
    async def body(server: FakeClickHouse, sink: ClickHouseSink) -> None:
        await sink.open()
        await sink.write(stream_of(1))
        expected: dict[int, type[Exception]] = dict.fromkeys(BLAMES_RECORD, RefusedError)
        for code, error in (expected | dict.fromkeys(PASSING, RetryableError)).items():
            server.answers = [web.Response(status=status, text=f"Code: {code}. DB::Exception: no")]
            with pytest.raises(error, match=f"Code: {code}"):
                await sink.write(stream_of(1))

    run(body)


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_while_opening_a_code_of_settings_is_the_users_to_mend(status: int) -> None:
    async def body(server: FakeClickHouse, sink: ClickHouseSink) -> None:
        for code in BLAMES_SETTINGS:
            server.answers = [web.Response(status=status, text=f"Code: {code}. DB::Exception: no")]
            with pytest.raises(ConfigError, match=f"Code: {code}"):
                await sink.open()

    run(body)


@pytest.mark.parametrize(("status", "code"), [(500, 202), (503, 0), (500, 241), (429, 0)])
def test_while_opening_a_server_in_trouble_can_be_tried_again(status: int, code: int) -> None:
    async def body(server: FakeClickHouse, sink: ClickHouseSink) -> None:
        server.answers = [web.Response(status=status, text=f"Code: {code}. DB::Exception: later")]
        with pytest.raises(RetryableError):
            await sink.open()
        await sink.open()

    run(body)


def run(body: Callable[[FakeClickHouse, ClickHouseSink], Any]) -> None:
    async def main() -> None:
        server = FakeClickHouse(is_old=False)
        sink = ClickHouseSink(ClickHouseOptions(f"http://127.0.0.1:{await server.start()}"))
        try:
            await body(server, sink)
        finally:
            await sink.close()
            await server.stop()

    asyncio.run(main())
