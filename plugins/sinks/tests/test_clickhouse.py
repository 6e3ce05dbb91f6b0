"""ClickHouse: a private server through the sink kit, and killed with -9; today's engine, where chdb is installed.

The server is whichever is on the PATH: Debian packages 18.16, whose times are integers; a later one has ``DateTime64``.
chdb is ClickHouse's engine as a library: the tests put it behind a web server of their own, so that the statements and
the format are judged by it, and nothing else is.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import random
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import aiohttp
import msgspec
import pytest
from aiohttp import web

from tickwire import (
    BookDelta,
    ConfigError,
    ConnectionLostError,
    Record,
    RefusedError,
    RetryableError,
    Secret,
    Side,
    Trade,
)
from tickwire.testing import ProxiedSinkConformance, every_event, recorded, stream_of, write_batches
from tickwire_sinks.clickhouse import BLAMES_RECORD, BLAMES_SETTINGS, ClickHouseSink
from tickwire_sinks.clickhouse_tables import MODERN, OLD, Dialect, tables
from tickwire_sinks.database_options import ClickHouseOptions

if TYPE_CHECKING:
    from conftest import RecordOf

has_server = pytest.mark.skipif(
    shutil.which("clickhouse-server") is None,
    reason="clickhouse-server is not on the PATH: apt-get install clickhouse-server",
)
has_engine = pytest.mark.skipif(importlib.util.find_spec("chdb") is None, reason="no engine: pip install chdb-core")
T0 = 1_790_000_000_123_456_789
CONFIG = """<yandex>
<logger><level>error</level><console>1</console></logger>
<http_port>{port}</http_port><tcp_port>{control}</tcp_port><listen_host>127.0.0.1</listen_host>
<path>{folder}/data/</path><tmp_path>{folder}/tmp/</tmp_path><mark_cache_size>10000000</mark_cache_size>
<default_profile>default</default_profile><default_database>default</default_database>
<profiles><default></default></profiles><quotas><default></default></quotas>
<users>
<default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
</default>
</users>
<users_config>{folder}/config.xml</users_config>
</yandex>
"""


class Server:
    """A ``clickhouse-server`` of the test's own, on a port below those that the system hands out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        for _ in range(10):
            self.port, control = random.sample(range(20_000, 32_000), 2)
            config = self._folder / "config.xml"
            config.write_text(CONFIG.format(folder=self._folder, control=control, port=self.port))
            if await self.start_again():
                return
        pytest.fail("clickhouse-server ended at its start, on each of ten ports")

    async def start_again(self) -> bool:
        self._spawn()
        while self._process.poll() is None:
            try:
                await query(self.url, "SELECT 1")
                return True
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
        return False

    def _spawn(self) -> None:
        command = ["clickhouse-server", f"--config-file={self._folder / 'config.xml'}"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


class Engine:
    """ClickHouse's engine in this process, behind a web server that does what ClickHouse's own does for a sink."""

    def __init__(self, folder: Path) -> None:
        self._session = importlib.import_module("chdb.session").Session(str(folder))

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        app = web.Application(client_max_size=2**24)
        app.router.add_post("/", self._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        statement = "\n".join([request.query.get("query", ""), await request.text()])
        try:
            result = self._session.query(statement, "TabSeparated")
        except RuntimeError as error:
            return web.Response(status=500, text=str(error))
        return web.Response(body=result.bytes() if result else b"")


async def query(url: str, text: str) -> bytes:
    async with aiohttp.ClientSession() as session, session.post(url, data=text.encode()) as answer:
        body = await answer.read()
        assert answer.status == 200, body
        return body


async def read(url: str, database: str, record_of: RecordOf) -> list[Record]:
    """Read every row back as the record it was, in the order of writing."""
    names = (await query(url, f"SELECT name FROM system.tables WHERE database = '{database}' FORMAT TSV")).decode()
    records = []
    for name in names.split():
        records += [record_of(name, row) for row in await rows(url, f"SELECT * FROM {database}.{name} FINAL")]
    return sorted(records, key=lambda record: record.ordinal)


async def rows(url: str, text: str) -> list[dict[str, Any]]:
    body = msgspec.json.decode(await query(url, f"{text} FORMAT JSON"))
    kinds = {column["name"]: column["type"] for column in body["meta"]}
    return [levels({name: plain(kinds[name], row[name]) for name in row}) for row in body["data"]]


def levels(row: dict[str, Any]) -> dict[str, Any]:
    for side in ("bid", "ask"):
        if isinstance(row.get(f"{side}_price"), list):
            row[f"{side}s"] = list(zip(row.pop(f"{side}_price"), row.pop(f"{side}_size"), strict=True))
    return row


def plain(kind: str, value: Any) -> Any:
    """Undo what ClickHouse's JSON does: wide integers are texts, flags of old servers 0 and 1, times dates."""
    if value is None:
        return None
    if "DateTime64" in kind:
        day, _, fraction = value.partition(".")
        return int(datetime.fromisoformat(f"{day}+00:00").timestamp()) * 10**9 + int(fraction)
    if "Int64" in kind or kind == "UInt16":
        return int(value)
    return bool(value) if "UInt8" in kind else value


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("clickhouse"))
    asyncio.run(started.start())
    yield started
    started.kill()


@has_server
class TestClickHouse(ProxiedSinkConformance):
    sink = "clickhouse"
    is_idempotent = True

    @pytest.fixture(autouse=True)
    def _served(self, server: Server, record_of: RecordOf) -> None:
        self.server, self.record_of = server, record_of

    async def prepare(self) -> None:
        self.database = f"kit_{uuid4().hex}"
        await self.stand_before(self.server.port)

    def make_options(self, tmp_path: Path) -> Mapping[str, object]:
        return {"url": f"http://127.0.0.1:{self.proxy.port}", "database": self.database, "timeout": self.timeout}

    async def read_back(self) -> Sequence[Record]:
        return await read(self.server.url, self.database, self.record_of)

    def poison(self, record: Record) -> Record:
        # a count that is no number
        return msgspec.structs.replace(record, event=msgspec.structs.replace(record.event, sequence="x"))

    async def clean(self) -> None:
        await super().clean()
        await query(self.server.url, f"DROP DATABASE IF EXISTS {self.database}")


@has_server
def test_a_server_killed_while_it_writes_has_everything_once(tmp_path: Path, record_of: RecordOf) -> None:
    async def body() -> None:
        server = Server(tmp_path)
        await server.start()
        sink = ClickHouseSink(ClickHouseOptions(server.url))
        records = stream_of(400)
        try:
            await sink.open()
            await sink.write(records[:200])
            server.kill()
            with pytest.raises(ConnectionLostError):
                await sink.write(records[200:])
            await sink.close()
            assert await server.start_again()
            await sink.open()
            await sink.write(records[150:])
            await sink.close()
            assert await read(server.url, "tickwire", record_of) == records
        finally:
            server.kill()

    asyncio.run(body())


@has_server
@pytest.mark.parametrize(("user", "password"), [("nobody", ""), ("default", "wrong")])
def test_an_unknown_user_is_the_users_mistake(server: Server, user: str, password: str) -> None:
    async def body() -> None:
        sink = ClickHouseSink(ClickHouseOptions(server.url, user=user, password=Secret(password)))
        with pytest.raises(ConfigError, match="Code: 19"):
            await sink.open()
        await sink.close()

    asyncio.run(body())


@has_server
def test_a_table_that_is_dropped_comes_back(server: Server, record_of: RecordOf) -> None:
    async def body() -> None:
        database, records = f"dropped_{uuid4().hex}", stream_of(20)
        sink = ClickHouseSink(ClickHouseOptions(server.url, database=database))
        await sink.open()
        await sink.write(records)
        await query(server.url, f"DROP DATABASE {database}")
        with pytest.raises(RetryableError):
            await sink.write(records)
        await sink.close()
        await sink.open()
        await sink.write(records)
        await sink.close()
        assert await read(server.url, database, record_of) == records
        await query(server.url, f"DROP DATABASE {database}")

    asyncio.run(body())


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(tmp_path_factory.mktemp("chdb"))


def options(url: str, **settings: Any) -> ClickHouseOptions:
    return ClickHouseOptions(url, database=f"test_{uuid4().hex}", **settings)


@has_engine
def test_todays_engine_gives_back_every_kind_of_event_once(engine: Engine, record_of: RecordOf) -> None:
    async def body() -> None:
        async with engine.served() as url:
            settings, records = options(url), recorded(every_event())
            await write_batches(ClickHouseSink(settings), records)
            await write_batches(ClickHouseSink(settings), records[5:], records)
            assert await read(url, settings.database, record_of) == records

    asyncio.run(body())


@has_engine
def test_todays_engine_keeps_one_copy_of_a_trade_that_another_run_found(engine: Engine, record_of: RecordOf) -> None:
    async def body() -> None:
        async with engine.served() as url:
            settings = options(url)
            live = Trade("kit", "SOL-USDC", T0, T0 + 7, 1.0, 2.0, Side.BUY, "12")
            filled = msgspec.structs.replace(
                live, ts_event=T0 // 1_000_000 * 1_000_000, ts_recv=T0 + 9, backfilled=True
            )
            await write_batches(ClickHouseSink(settings), [Record(live, "01KA", 1, "kit/SOL-USDC/12")])
            await write_batches(ClickHouseSink(settings), [Record(filled, "01KB", 5, "kit/SOL-USDC/12")])
            assert [record.event for record in await read(url, settings.database, record_of)] == [filled]

    asyncio.run(body())


@has_engine
def test_todays_engine_adds_the_columns_that_an_earlier_table_lacks(engine: Engine, record_of: RecordOf) -> None:
    async def body() -> None:
        async with engine.served() as url:
            settings, records = options(url), stream_of(6)
            await write_batches(ClickHouseSink(settings), records)
            for column in ("conditions", "matches"):
                await query(url, f"ALTER TABLE {settings.database}.trade DROP COLUMN {column}")
            await write_batches(ClickHouseSink(settings), records)
            assert await read(url, settings.database, record_of) == records

    asyncio.run(body())


@has_engine
def test_a_table_of_other_types_is_the_users_mistake(engine: Engine) -> None:
    async def body() -> None:
        async with engine.served() as url:
            settings = options(url)
            await query(url, f"CREATE DATABASE {settings.database}")
            await query(url, f"CREATE TABLE {settings.database}.trade (price String) ENGINE = Memory")
            with pytest.raises(ConfigError, match=r"\.trade\.price is String, not Float64"):
                await write_batches(ClickHouseSink(settings))

    asyncio.run(body())


@has_engine
def test_decimals_keep_their_digits(engine: Engine) -> None:
    async def body() -> None:
        async with engine.served() as url:
            settings = options(url, numbers="decimal")
            trade = Trade("kit", "SOL-USDC", T0, T0, Decimal("0.123456789012345678"), Decimal("123456789012345678.5"))
            delta = BookDelta("kit", "SOL-USDC", T0, T0, ((Decimal("98.960000000000000001"), Decimal("1")),), ())
            await write_batches(ClickHouseSink(settings), recorded([trade, delta]))
            price = await query(
                url, f"SELECT toString(price), toString(size) FROM {settings.database}.trade FORMAT CSV"
            )
            assert price.decode().strip() == '"0.123456789012345678","123456789012345678.5"'
            level = await query(url, f"SELECT toString(bid_price[1]) FROM {settings.database}.book_delta FORMAT CSV")
            assert level.decode().strip() == '"98.960000000000000001"'

    asyncio.run(body())


@has_engine
def test_a_poison_record_is_refused_alone(engine: Engine, record_of: RecordOf) -> None:
    async def body() -> None:
        async with engine.served() as url:
            settings, good = options(url), stream_of(3)
            poison = msgspec.structs.replace(good[0], event=msgspec.structs.replace(good[0].event, sequence="x"))
            with pytest.raises(RefusedError):
                await write_batches(ClickHouseSink(settings), [*good, poison])
            await write_batches(ClickHouseSink(settings), good)
            assert await read(url, settings.database, record_of) == good

    asyncio.run(body())


def test_a_code_blames_the_record_or_the_settings_or_nobody() -> None:
    assert not BLAMES_RECORD & BLAMES_SETTINGS
    # unknown table, too many parts, not enough space, memory, a read-only replica, a time-out
    assert not {60, 159, 209, 210, 241, 242, 243, 252, 319, 999} & (BLAMES_RECORD | BLAMES_SETTINGS)


@pytest.mark.parametrize("dialect", [OLD, MODERN], ids=["old", "modern"])
def test_each_kind_of_event_has_a_table_with_its_fields(dialect: Dialect) -> None:
    made = tables(dialect, "float")
    assert [column.name for column in made["book_delta"].columns] == [
        "exchange", "symbol", "ts_event", "ts_recv", "bid_price", "bid_size", "ask_price", "ask_size",
        "first_sequence", "last_sequence", "previous_sequence", "checksum", "schema", "run_id", "ordinal", "key",
    ]  # fmt: skip
    assert set(made) == {str(event.__struct_config__.tag) for event in every_event()}
    assert made["trade"].order == "exchange, symbol, length(key), key"
