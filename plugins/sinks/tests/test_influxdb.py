"""InfluxDB 1 as Debian packages it: a private ``influxd`` on free ports, through the sink kit, and killed with -9."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import aiohttp
import msgspec
import pytest

from tickwire import ConfigError, ConnectionLostError, Record, Side, Trade
from tickwire.testing import ProxiedSinkConformance, stream_of
from tickwire_sinks.database_options import InfluxOptions
from tickwire_sinks.influxdb import InfluxSink

if TYPE_CHECKING:
    from conftest import RecordOf

pytestmark = pytest.mark.skipif(
    shutil.which("influxd") is None, reason="influxd is not on the PATH: apt-get install influxdb"
)
CONFIG = """reporting-disabled = true
bind-address = "127.0.0.1:{control}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
"""
T0 = 1_790_000_000_123_456_789


class Server:
    """An ``influxd`` of the test's own, on a port below those that the system hands out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        for _ in range(10):
            self.port, control = random.sample(range(20_000, 32_000), 2)
            config = self._folder / "influxdb.conf"
            config.write_text(CONFIG.format(folder=self._folder, control=control, port=self.port))
            if await self.start_again():
                return
        pytest.fail("influxd ended at its start, on each of ten ports")

    async def start_again(self) -> bool:
        self._spawn()
        while self._process.poll() is None:
            try:
                await query(self.url, "SHOW DATABASES")
                return True
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
        return False

    def _spawn(self) -> None:
        command = ["influxd", "-config", str(self._folder / "influxdb.conf")]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("influxd"))
    asyncio.run(started.start())
    yield started
    started.kill()


async def query(url: str, text: str, database: str = "") -> list[dict[str, Any]]:
    async with aiohttp.ClientSession() as session:
        params = {"q": text, "db": database, "epoch": "ns"}
        async with session.post(f"{url}/query", params=params) as answer:
            body = msgspec.json.decode(await answer.read())
    return [series for result in body["results"] for series in result.get("series", [])]


async def read(url: str, database: str, record_of: RecordOf) -> list[Record]:
    """Read every point back as the record it was, in the order of writing."""
    records = []
    for (name,) in [row for series in await query(url, "SHOW MEASUREMENTS", database) for row in series["values"]]:
        for series in await query(url, f"SELECT * FROM {name}", database):
            for values in series["values"]:
                row = dict(zip(series["columns"], values, strict=True))
                del row["time"]
                records.append(record_of(name, row))
    return sorted(records, key=lambda record: record.ordinal)


class TestInfluxDb(ProxiedSinkConformance):
    sink = "influxdb"
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
        # a time that no 64 bits hold
        event = msgspec.structs.replace(record.event, ts_event=2**70)
        return msgspec.structs.replace(record, event=event)

    async def clean(self) -> None:
        await super().clean()
        await query(self.server.url, f'DROP DATABASE "{self.database}"')


def trade(number: int, ts_event: int, trade_id: str | None) -> Record:
    event = Trade("kit", "SOL-USDC", ts_event, T0, 100.0 + number, 1.0, Side.BUY, trade_id)
    key = f"kit/SOL-USDC/{trade_id}" if trade_id else f"kit/SOL-USDC/{ts_event}/{100.0 + number}/1.0/buy/1"
    return Record(event, "01KRUN", number, key)


@pytest.mark.parametrize("form", ["{}", "x{}-9f", ""], ids=["number", "text", "none"])
def test_trades_of_one_nanosecond_are_points_of_their_own(server: Server, record_of: RecordOf, form: str) -> None:
    async def body() -> None:
        database = f"same_{uuid4().hex}"
        sink = InfluxSink(InfluxOptions(server.url, database=database))
        records = [trade(number, T0, form.format(number) or None) for number in range(50)]
        await sink.open()
        await sink.write(records)
        await sink.write(records[20:])
        await sink.close()
        assert await read(server.url, database, record_of) == records
        await query(server.url, f'DROP DATABASE "{database}"')

    asyncio.run(body())


def test_a_server_killed_while_it_writes_has_everything_once(tmp_path: Path, record_of: RecordOf) -> None:
    async def body() -> None:
        server = Server(tmp_path)
        await server.start()
        sink = InfluxSink(InfluxOptions(server.url, database="killed"))
        records = stream_of(400)
        try:
            await sink.open()
            await sink.write(records[:200])
            server.kill()
            with pytest.raises(ConnectionLostError):
                await sink.write(records[200:])
            await sink.close()
            with pytest.raises(ConnectionLostError):
                await sink.open()
            assert await server.start_again()
            await sink.open()
            await sink.write(records[200:])
            await sink.close()
            assert await read(server.url, "killed", record_of) == records
        finally:
            server.kill()

    asyncio.run(body())


def test_a_retention_policy_that_is_not_there_is_the_users_mistake(server: Server) -> None:
    async def body() -> None:
        sink = InfluxSink(InfluxOptions(server.url, database="there", retention_policy="none_such"))
        with pytest.raises(ConfigError, match="none_such"):
            await sink.open()
        await sink.close()

    asyncio.run(body())
