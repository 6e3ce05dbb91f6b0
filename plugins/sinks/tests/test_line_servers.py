"""QuestDB and InfluxDB 2, which cannot be had here: servers of the tests' own that read the line protocol strictly.

They were written from the protocols' documentation, apart from the sinks, and do what the databases promise: InfluxDB
replaces a point of the same measurement, tags and time, QuestDB a row of the same time and key. What these tests cannot
show is that the real servers agree with their documentation.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
import pytest
import trustme
from aiohttp import web
from hypothesis import assume, given
from hypothesis import strategies as st

from tickwire import (
    ConfigError,
    RateLimitedError,
    Record,
    RefusedError,
    RequestRejectedError,
    RetryableError,
    Secret,
    Side,
    Trade,
)
from tickwire.plugin import Sink
from tickwire.testing import ProxiedSinkConformance, recorded, stream_of
from tickwire_sinks.database_options import InfluxOptions, QuestOptions
from tickwire_sinks.influxdb import InfluxSink, point_time
from tickwire_sinks.line_protocol import line
from tickwire_sinks.questdb import QuestSink

if TYPE_CHECKING:
    from conftest import RecordOf

T0 = 1_790_000_000_123_456_789
NAME = re.compile(r"((?:[^,= \\]|\\.)+)")
NUMBER = re.compile(r"-?\d+\.\d+")


@attrs.frozen
class Point:
    measurement: str
    tags: tuple[tuple[str, str], ...]
    fields: dict[str, Any]
    time: int


def parsed(text: str) -> Point:
    """Read one line by the grammar; whatever does not fit it is a ``ValueError``."""
    measurement, rest = word(text)
    tags = []
    while rest.startswith(","):
        name, rest = word(rest[1:])
        tag, rest = word(expected(rest, "="))
        tags.append((name, tag))
    if [name for name, _ in tags] != sorted({name for name, _ in tags}):
        raise ValueError(f"tags twice, or not in order: {tags}")
    fields: dict[str, Any] = {}
    rest = "," + expected(rest, " ")
    while rest.startswith(","):
        name, rest = word(rest[1:])
        if name in fields:
            raise ValueError(f"field {name} is there twice")
        fields[name], rest = value(expected(rest, "="))
    return Point(measurement, tuple(tags), fields, integer(expected(rest, " ")))


def word(text: str) -> tuple[str, str]:
    found = NAME.match(text)
    if found is None:
        raise ValueError(f"no name at {text[:20]!r}")
    return re.sub(r"\\([,= ])", r"\1", found[0]), text[found.end() :]


def expected(text: str, sign: str) -> str:
    if not text.startswith(sign):
        raise ValueError(f"no {sign!r} at {text[:20]!r}")
    return text[1:]


def value(text: str) -> tuple[Any, str]:
    if text.startswith('"'):
        end = re.compile(r'"((?:[^"\\]|\\.)*)"').match(text)
        if end is None:
            raise ValueError("a text without an end")
        return re.sub(r'\\(["\\])', r"\1", end[1]), text[end.end() :]
    plain = re.match(r"[^, ]+", text)
    if plain is None:
        raise ValueError("a field without a value")
    rest = text[plain.end() :]
    if plain[0] in ("t", "f"):
        return plain[0] == "t", rest
    if plain[0].endswith("i"):
        return integer(plain[0][:-1]), rest
    if not NUMBER.fullmatch(plain[0]):
        raise ValueError(f"{plain[0]} is no number with a point and without an exponent")
    return float(plain[0]), rest


def integer(text: str) -> int:
    if not -(2**63) <= int(text) < 2**63:
        raise ValueError(f"{text} is beyond 64 bits")
    return int(text)


class LineServer:
    """Takes lines over HTTP; ``answers`` are given instead, first one first."""

    def __init__(self) -> None:
        self.points: dict[object, Point] = {}
        self.answers: list[web.Response] = []
        self.requests: list[web.Request] = []
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        text = await request.text()
        if self.answers:
            return self.answers.pop(0)
        return await self.handle(request, text)

    async def handle(self, request: web.Request, text: str) -> web.Response:
        raise NotImplementedError

    def take(self, text: str, identity: Callable[[Point], object]) -> None:
        points = [parsed(one) for one in text.split("\n") if one]
        self.points |= {identity(point): point for point in points}


class Influx2(LineServer):
    """``POST /api/v2/write``, from docs.influxdata.com, "Write API" of version 2 (read 2026-11-26)."""

    async def handle(self, request: web.Request, text: str) -> web.Response:
        if request.headers.get("Authorization") != "Token t0ken":
            return web.json_response({"code": "unauthorized", "message": "unauthorized access"}, status=401)
        if (request.method, request.path) != ("POST", "/api/v2/write") or request.query.get("bucket") != "market":
            return web.json_response({"code": "not found", "message": 'bucket "x" not found'}, status=404)
        assert dict(request.query) == {"bucket": "market", "org": "desk", "precision": "ns"}
        if not text:
            return web.json_response({"code": "invalid", "message": "writing requires points"}, status=400)
        try:
            self.take(text, lambda point: (point.measurement, point.tags, point.time))
        except ValueError as error:
            return web.json_response({"code": "invalid", "message": f"unable to parse: {error}"}, status=400)
        return web.Response(status=204)


class Quest(LineServer):
    """``/exec`` and ``/write``, from questdb.com/docs, "REST API" and "ILP overview" (read 2026-11-26)."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, tuple[str, ...]] = {}

    async def handle(self, request: web.Request, text: str) -> web.Response:
        if request.headers.get("Authorization") != "Bearer t0ken":
            return web.Response(status=401, text="Unauthorized")
        if request.path == "/exec":
            return self._executed(request.query["query"])
        try:
            self.take(text, self._row)
        except ValueError as error:
            return web.json_response({"code": "invalid", "message": str(error), "line": 1}, status=400)
        return web.Response(status=204)

    def _row(self, point: Point) -> object:
        columns = {"ts": point.time // 1_000, **dict(point.tags), **point.fields}
        return point.measurement, *(columns[name] for name in self.tables[point.measurement])

    def _executed(self, statement: str) -> web.Response:
        create = re.fullmatch(
            r"CREATE TABLE IF NOT EXISTS (\w+) \(ts TIMESTAMP(?:, \w+ (?:SYMBOL|VARCHAR))+\) TIMESTAMP\(ts\) "
            r"PARTITION BY (?:HOUR|DAY|WEEK|MONTH|YEAR) WAL DEDUP UPSERT KEYS\(([\w, ]+)\)",
            statement,
        )
        if create is not None:
            self.tables.setdefault(create[1], tuple(create[2].split(", ")))
        elif not re.fullmatch(r"SELECT 1|ALTER TABLE \w+ DEDUP ENABLE UPSERT KEYS\([\w, ]+\)", statement):
            return web.json_response({"query": statement, "error": "unexpected token", "position": 0}, status=400)
        return web.json_response({"ddl": "OK"})


class LineServerKit(ProxiedSinkConformance):
    """What both have in common; no check runs in this class itself."""

    __test__ = False
    is_idempotent = True
    server: LineServer

    @pytest.fixture(autouse=True)
    def _reader(self, record_of: RecordOf) -> None:
        self.record_of = record_of

    async def prepare(self) -> None:
        await self.stand_before(await self.server.start())

    async def read_back(self) -> Sequence[Record]:
        records = [
            self.record_of(point.measurement.removeprefix("tickwire_"), {**dict(point.tags), **point.fields})
            for point in self.server.points.values()
        ]
        return sorted(records, key=lambda record: record.ordinal)

    def poison(self, record: Record) -> Record:
        event = msgspec.structs.replace(record.event, ts_event=2**70)
        return msgspec.structs.replace(record, event=event)

    async def clean(self) -> None:
        await super().clean()
        await self.server.stop()


class TestInfluxDb2(LineServerKit):
    __test__ = True
    sink = "influxdb"

    async def prepare(self) -> None:
        self.server = Influx2()
        await super().prepare()

    def make_options(self, tmp_path: Path) -> Mapping[str, object]:
        url = f"http://127.0.0.1:{self.proxy.port}"
        return {"url": url, "bucket": "market", "org": "desk", "token": "t0ken", "timeout": self.timeout}


class TestQuestDb(LineServerKit):
    __test__ = True
    sink = "questdb"

    async def prepare(self) -> None:
        self.server = Quest()
        await super().prepare()

    def make_options(self, tmp_path: Path) -> Mapping[str, object]:
        return {"url": f"http://127.0.0.1:{self.proxy.port}", "token": "t0ken", "timeout": self.timeout}


async def opened(server: LineServer, make: Callable[[str], Sink]) -> Sink:
    sink = make(f"http://127.0.0.1:{await server.start()}")
    await sink.open()
    return sink


def influx(url: str, **settings: Any) -> InfluxSink:
    return InfluxSink(InfluxOptions(url, **{"bucket": "market", "org": "desk", "token": Secret("t0ken"), **settings}))


def quest(url: str, **settings: Any) -> QuestSink:
    return QuestSink(QuestOptions(url, **{"token": Secret("t0ken"), **settings}))


BOTH = pytest.mark.parametrize(("kind", "make"), [(Influx2, influx), (Quest, quest)], ids=["influxdb", "questdb"])


@BOTH
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, RequestRejectedError),
        (413, RequestRejectedError),
        (422, RequestRejectedError),
        (429, RateLimitedError),
        *((status, RetryableError) for status in (302, 401, 403, 404, 405, 408, 409, 500, 502, 503, 504, 507)),
    ],
)
def test_while_writing_only_what_the_records_say_is_refused(
    kind: type[LineServer], make: Any, status: int, expected: type[Exception]
) -> None:
    async def body() -> None:
        server = kind()
        sink = await opened(server, make)
        await sink.write(stream_of(2))
        server.answers = [web.Response(status=status, text="no", headers={"Retry-After": "3"})]
        with pytest.raises(expected) as refusal:
            await sink.write(stream_of(2))
        assert type(refusal.value) is expected or not isinstance(refusal.value, RefusedError)
        await sink.close()
        await server.stop()

    asyncio.run(body())


@BOTH
@pytest.mark.parametrize("status", [401, 403, 404])
def test_while_opening_a_refusal_is_the_users_to_mend(kind: type[LineServer], make: Any, status: int) -> None:
    async def body() -> None:
        server = kind()
        server.answers = [web.Response(status=status, text="no such key")]
        with pytest.raises(ConfigError, match=f"{status} no such key") as refusal:
            await opened(server, make)
        assert "t0ken" not in f"{refusal.value!r} {refusal.value}"
        await server.stop()

    asyncio.run(body())


def test_an_organisation_that_is_not_named_is_the_users_to_mend() -> None:
    async def body() -> None:
        server = Influx2()
        said = {"code": "invalid", "message": "please provide either orgID or org"}
        server.answers = [web.json_response(said, status=400)]
        with pytest.raises(ConfigError, match="orgID"):
            await opened(server, lambda url: influx(url, org=None))
        await server.stop()

    asyncio.run(body())


@BOTH
@pytest.mark.parametrize("status", [429, 500, 503])
def test_while_opening_a_server_in_trouble_can_be_tried_again(kind: type[LineServer], make: Any, status: int) -> None:
    async def body() -> None:
        server = kind()
        server.answers = [web.Response(status=status)]
        sink = make(f"http://127.0.0.1:{await server.start()}")
        with pytest.raises(RetryableError):
            await sink.open()
        await sink.close()
        await sink.open()
        await sink.close()
        await server.stop()

    asyncio.run(body())


@pytest.mark.parametrize("make", [influx, quest], ids=["influxdb", "questdb"])
def test_a_server_whose_certificate_is_not_trusted_is_the_users_to_mend(make: Callable[[str], Sink]) -> None:
    async def body() -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
        async with server:
            sink = make(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            with pytest.raises(ConfigError, match="its certificate is not trusted"):
                await sink.open()

    asyncio.run(body())


def test_a_questdb_table_that_is_not_fit_waits_for_somebody_to_mend_it() -> None:
    async def body() -> None:
        server = Quest()
        sink = await opened(server, quest)
        server.answers = [web.json_response({"ddl": "OK"}), web.json_response({"error": "not a WAL table"}, status=400)]
        with pytest.raises(RetryableError, match="make tickwire_trade a WAL table"):
            await sink.write([record for record in stream_of(3) if isinstance(record.event, Trade)])
        await sink.write(stream_of(3))
        await sink.close()
        await server.stop()
        assert len(server.points) == 3

    asyncio.run(body())


def test_a_questdb_table_is_made_once_in_a_connection() -> None:
    async def body() -> None:
        server = Quest()
        sink = await opened(server, quest)
        for _ in range(3):
            await sink.write(stream_of(10))
        await sink.close()
        await server.stop()
        statements = [request.query["query"] for request in server.requests if request.path == "/exec"]
        assert [statement.partition(" (")[0] for statement in sorted(statements)] == [
            "ALTER TABLE tickwire_quote DEDUP ENABLE UPSERT KEYS(ts, key)".partition(" (")[0],
            "ALTER TABLE tickwire_trade DEDUP ENABLE UPSERT KEYS(ts, key)".partition(" (")[0],
            "CREATE TABLE IF NOT EXISTS tickwire_quote",
            "CREATE TABLE IF NOT EXISTS tickwire_trade",
            "SELECT 1",
        ]

    asyncio.run(body())


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), min_size=1, max_size=12)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)


@given(texts, texts, numbers, numbers, st.none() | texts, st.lists(texts, max_size=3), st.integers(0, 2**63 - 1))
def test_any_text_and_number_reads_back_equal(
    exchange: str, symbol: str, price: float, size: float, trade_id: str | None, conditions: list[str], time: int
) -> None:
    assume(not re.search(r"\\(?=[,= ]|\Z)", exchange) and not re.search(r"\\(?=[,= ]|\Z)", symbol))
    event = Trade(exchange, symbol, None, time, price, size, Side.SELL, trade_id, conditions=tuple(conditions))
    (record,) = recorded([event])
    point = parsed(line("trade", record, time))
    fields = dict(point.fields)
    assert (point.tags, point.time) == ((("exchange", exchange), ("symbol", symbol)), time)
    assert fields.pop("trade_id", None) == trade_id
    assert msgspec.json.decode(fields.pop("conditions")) == conditions
    assert fields == {
        "ts_recv": time, "price": price, "size": size, "taker_side": "sell", "backfilled": False,
        "run_id": record.run_id, "ordinal": 1, "key": record.key,
    }  # fmt: skip


@pytest.mark.parametrize("symbol", ["a\nb", "a\\", "a\\,b"])
def test_a_symbol_that_the_protocol_cannot_carry_is_refused(symbol: str) -> None:
    (record,) = recorded([Trade("kit", symbol, None, T0, 1.0, 1.0)])
    with pytest.raises(RefusedError):
        line("trade", record, T0)


@given(st.sets(st.integers(1, 10**12), min_size=2, max_size=50), st.integers(0, 999_999))
def test_consecutive_trades_of_a_moment_have_times_of_their_own(ids: set[int], offset: int) -> None:
    moment = T0 - T0 % 1_000_000 + offset
    numbers = {number % 1_000_000 for number in ids}
    times = {
        point_time(Record(Trade("kit", "A-B", moment, T0, 1.0, 1.0, None, str(number)), "01K", 1, f"kit/A-B/{number}"))
        for number in ids
    }
    assert len(times) == len(numbers)
    assert {time // 1_000_000 for time in times} == {moment // 1_000_000}


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "localhost:8086"},
        {"url": "http://user:s3cret@localhost:8086"},
        {"url": "http://localhost:8086", "bucket": None},
        {"url": "http://localhost:8086", "database": "also"},
        {"url": "http://localhost:8086", "measurement": "a b"},
        {"url": "http://[::1"},
    ],
)
def test_settings_of_influxdb_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as refusal:
        InfluxOptions(**{"bucket": "market", **settings})
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize("settings", [{"url": "tcp://localhost:9009"}, {"table": "a-b"}, {"table": "x; DROP TABLE y"}])
def test_settings_of_questdb_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        QuestOptions(**{"url": "http://localhost:9000", **settings})


def test_secrets_are_not_shown() -> None:
    secret = Secret("hunter2")
    shown = f"{InfluxOptions('http://h:1', bucket='b', token=secret, password=secret)!r}"
    assert "hunter2" not in shown + repr(QuestOptions("http://h:1", token=secret, password=secret))
