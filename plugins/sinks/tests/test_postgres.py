"""PostgreSQL against a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from tickwire import ConfigError, ConnectionLostError, DecodeError, Record, Secret, Trade
from tickwire.testing import write_batches
from tickwire_sinks.options import PostgresOptions
from tickwire_sinks.postgres import PostgresSink
from tickwire_sinks.postgres_layout import VERSION
from tickwire_sinks.postgres_rows import event_of
from tickwire_sinks.postgres_tables import tables

URL = "postgresql://postgres@127.0.0.1:5432/test"
Run = Callable[..., Any]
Trades = Callable[..., list[Record]]


async def asked(sql: str, *arguments: object) -> Any:
    connection = await asyncpg.connect(URL)
    try:
        return await connection.fetch(sql, *arguments)
    finally:
        await connection.close()


@pytest.fixture
def schema(needs: Callable[[str, int, str], None], name: str, run: Run) -> Iterator[str]:
    needs("PostgreSQL", 5432, "pg_ctlcluster 15 main start")
    yield name
    run(asked(f'DROP SCHEMA IF EXISTS "{name}" CASCADE'))


def options(schema: str, **more: Any) -> PostgresOptions:
    return PostgresOptions(Secret(URL), schema, **more)


def test_every_event_reads_back_from_the_table_of_its_kind(schema: str, every_event: list[Record], run: Run) -> None:
    async def main() -> list[Record]:
        await write_batches(PostgresSink(options(schema)), every_event)
        return [
            Record(event_of(table.name, row), row["run_id"], row["ordinal"], row["key"])
            for table in tables("float").values()
            for row in await asked(f'SELECT * FROM "{schema}"."{table.name}"')
        ]

    found = run(main())
    assert sorted(found, key=lambda record: record.ordinal) == every_event
    assert len({type(record.event) for record in found}) == len(tables("float"))


def test_the_time_is_that_of_arrival(schema: str, trades: Trades, run: Run) -> None:
    async def main() -> Any:
        await write_batches(PostgresSink(options(schema)), trades(1))
        return await asked(f'SELECT ts_recv, extract(epoch FROM "time") AS seconds FROM "{schema}".trade')

    assert [(row["ts_recv"], row["seconds"]) for row in run(main())] == [
        (1_795_715_943_133_456_789, Decimal("1795715943.133456"))
    ]


def test_an_event_that_is_sent_again_is_there_once(
    schema: str, trades: Trades, every_event: list[Record], run: Run
) -> None:
    batch = trades(100)
    later = [Record(one.event, "01KB0V5Y3ZJ6T0Q4M8N2R7W9XD", one.ordinal + 7, one.key) for one in batch]

    async def main() -> list[Any]:
        await write_batches(PostgresSink(options(schema)), batch[:60], batch[40:], every_event, batch, every_event)
        await write_batches(PostgresSink(options(schema)), later)
        return [row["key"] for row in await asked(f'SELECT key FROM "{schema}".trade ORDER BY run_id, ordinal, key')]

    found = run(main())
    assert sorted(found) == sorted(
        [one.key for one in batch] + [one.key for one in every_event if type(one.event) is Trade]
    )


def test_what_decimals_hold_is_kept_to_the_last_digit(schema: str, run: Run) -> None:
    price = Decimal("0.1234567890123456789012345")
    record = Record(Trade("acme", "BTC-USD", 1, 2, price, Decimal(3)), "RUN", 1, "k")

    async def main() -> Any:
        await write_batches(PostgresSink(options(schema, numbers="decimal")), [record])
        return await asked(f'SELECT price, size FROM "{schema}".trade')

    assert [(row["price"], row["size"]) for row in run(main())] == [(price, 3)]


def test_a_decimal_that_double_precision_would_round_is_refused(schema: str, run: Run) -> None:
    fits = Record(Trade("acme", "BTC-USD", 1, 2, Decimal("0.1"), Decimal("123456789.12345")), "RUN", 1, "fits")
    long = Record(Trade("acme", "BTC-USD", 1, 2, Decimal("0.12345678901234567890"), Decimal(3)), "RUN", 2, "long")

    async def main() -> Any:
        sink = PostgresSink(options(schema))
        await sink.open()
        await sink.write([fits])
        with pytest.raises(ConfigError, match="more digits than double precision holds → set numbers: decimal"):
            await sink.write([long])
        await sink.close()
        return await asked(f'SELECT price, size FROM "{schema}".trade')

    assert [(row["price"], row["size"]) for row in run(main())] == [(0.1, 123456789.12345)]


def test_a_poison_record_leaves_nothing_of_its_batch_and_the_others_can_follow(
    schema: str, trades: Trades, run: Run
) -> None:
    batch = trades(3)
    poison = Record(Trade("acme", "BTC-USD", 1, 2, 1.0, 1.0, sequence=2**70), "RUN", 9, "poison")

    async def main() -> Any:
        sink = PostgresSink(options(schema))
        await sink.open()
        with pytest.raises(OverflowError):
            await sink.write([*batch, poison])
        await sink.write(batch)
        await sink.close()
        return await asked(f'SELECT key FROM "{schema}".trade ORDER BY ordinal')

    assert [row["key"] for row in run(main())] == [one.key for one in batch]


def test_an_older_schema_gets_the_columns_it_lacks_and_keeps_its_rows(schema: str, trades: Trades, run: Run) -> None:
    async def main() -> Any:
        await write_batches(PostgresSink(options(schema)), trades(2))
        await asked(f'ALTER TABLE "{schema}".trade DROP COLUMN matches')
        await write_batches(
            PostgresSink(options(schema)), [Record(Trade("acme", "A-B", 1, 2, 1.0, 1.0, matches=5), "RUN", 3, "k")]
        )
        return await asked(f'SELECT matches FROM "{schema}".trade ORDER BY ordinal')

    assert [row["matches"] for row in run(main())] == [None, None, 5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "ALTER TABLE {}.trade ALTER COLUMN price TYPE text",
            r"\.trade\.price is text, not double precision → name ano",
        ),
        ("UPDATE {}.layout SET version = 99", f"has layout 99; this tickwire-sinks writes layout {VERSION} → upgrade"),
    ],
)
def test_a_schema_that_is_not_ours_is_refused(schema: str, run: Run, change: str, message: str) -> None:
    async def main() -> None:
        await write_batches(PostgresSink(options(schema)))
        await asked(change.format(f'"{schema}"'))
        with pytest.raises(ConfigError, match=message):
            await write_batches(PostgresSink(options(schema)))

    run(main())


def test_numbers_of_another_kind_are_refused_with_the_setting(schema: str, run: Run) -> None:
    async def main() -> None:
        await write_batches(PostgresSink(options(schema)))
        with pytest.raises(ConfigError, match=r"is double precision, not numeric.* or set numbers: to what"):
            await write_batches(PostgresSink(options(schema, numbers="decimal")))

    run(main())


def test_two_that_begin_together_make_one_schema(schema: str, trades: Trades, run: Run) -> None:
    import asyncio

    async def main() -> Any:
        batch = trades(40)
        await asyncio.gather(*(write_batches(PostgresSink(options(schema)), batch[n:]) for n in range(4)))
        return await asked(f'SELECT key FROM "{schema}".trade')

    assert len(run(main())) == 40


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "postgresql://postgres:secret@127.0.0.1:5432/tw_no_such",
            'PostgreSQL at 127.0.0.1:5432: database "tw_no_such" d',
        ),
        (
            "postgresql://tw_nobody:secret@127.0.0.1:5432/test",
            'PostgreSQL at 127.0.0.1:5432: role "tw_nobody" does not e',
        ),
    ],
)
def test_what_the_server_refuses_is_the_users_to_mend(schema: str, run: Run, url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        run(PostgresSink(PostgresOptions(Secret(url))).open())
    assert "secret" not in str(caught.value)


def test_a_table_that_was_dropped_is_made_anew(schema: str, trades: Trades, run: Run) -> None:
    batch = trades(10)

    async def main() -> Any:
        sink = PostgresSink(options(schema))
        await sink.open()
        await sink.write(batch[:5])
        await asked(f'DROP TABLE "{schema}".trade')
        with pytest.raises(ConnectionLostError, match="does not exist"):
            await sink.write(batch[5:])
        await sink.open()
        await sink.write(batch[5:])
        await sink.close()
        return await asked(f'SELECT key FROM "{schema}".trade ORDER BY ordinal')

    assert [row["key"] for row in run(main())] == [one.key for one in batch[5:]]


@pytest.mark.parametrize(("table", "row"), [("trade", {"price": 1.0}), ("layout", {"version": 1}), ("quote", {})])
def test_what_is_no_row_of_an_event_is_told(table: str, row: dict[str, object]) -> None:
    with pytest.raises(DecodeError, match=f"no row of table '{table}'"):
        event_of(table, row)


STAND_IN = """
CREATE SCHEMA "{0}_ts";
CREATE TABLE "{0}_ts".calls (relation text, "column" text);
CREATE FUNCTION "{0}_ts".create_hypertable(relation regclass, time_column_name name, if_not_exists boolean)
RETURNS void LANGUAGE sql AS $$ INSERT INTO "{0}_ts".calls VALUES (relation::text, time_column_name) $$
"""


@pytest.mark.parametrize(("wanted", "count"), [(True, len(tables("float"))), (False, 0)])
def test_where_timescaledb_is_there_new_tables_become_hypertables(
    schema: str, trades: Trades, run: Run, wanted: bool, count: int
) -> None:
    """With a stand-in for the extension's function: the extension itself cannot be had here."""

    async def main() -> Any:
        connection = await asyncpg.connect(URL)
        await connection.execute(STAND_IN.format(schema))
        await connection.close()
        url = Secret(f"{URL}?search_path={schema}_ts,public")
        for _ in range(2):
            await write_batches(PostgresSink(PostgresOptions(url, schema, hypertables=wanted)), trades(20))
        calls = await asked(f'SELECT relation, "column" FROM "{schema}_ts".calls')
        await asked(f'DROP SCHEMA "{schema}_ts" CASCADE')
        return calls, await asked(f'SELECT key FROM "{schema}".trade')

    calls, rows = run(main())
    assert {row["column"] for row in calls} <= {"time"}
    assert (len(calls), len(rows)) == (count, 20)
