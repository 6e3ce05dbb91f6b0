"""The schema in the database: made where it is missing, brought up to date where it is older, else refused.

A column that an event has gained since is added; its older rows hold ``NULL``. A change that is more than a new column
counts ``VERSION`` up; the table ``layout`` says which one a schema has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tickwire import ConfigError
from tickwire_sinks.postgres_tables import Column, Table, quoted

__all__ = ["VERSION", "prepare"]

VERSION = 1
"""Of the layout that this package writes."""

_LOCK = 0x7469636B  # two processes that start together make the schema one after the other
_COLUMNS = """
SELECT c.relname AS table, a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = to_regnamespace($1) AND c.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND NOT a.attisdropped
"""
_HYPERTABLES = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_proc WHERE proname = 'create_hypertable' AND pg_function_is_visible(oid))
"""


async def prepare(connection: Any, schema: str, tables: Iterable[Table], hypertables: bool) -> None:
    """Make or update everything, in one transaction.

    Args:
        connection: Of asyncpg.
        schema: Its name.
        tables: Those that are needed.
        hypertables: Make new ones hypertables, if TimescaleDB is there.

    Raises:
        ConfigError: The schema is of a later layout, or a column is of another type.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        found = await _columns(connection, schema)
        await _check_version(connection, schema, found)
        as_hypertables = hypertables and await connection.fetchval(_HYPERTABLES)
        for table in tables:
            if table.name in found:
                await _update(connection, schema, table, found[table.name])
            else:
                await _create(connection, schema, table, as_hypertables)


async def _columns(connection: Any, schema: str) -> Mapping[str, Mapping[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for row in await connection.fetch(_COLUMNS, quoted(schema)):
        found.setdefault(row["table"], {})[row["column"]] = row["type"]
    return found


async def _check_version(connection: Any, schema: str, found: Mapping[str, object]) -> None:
    layout = f"{quoted(schema)}.layout"
    if "layout" not in found:
        if not await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", quoted(schema)):
            await connection.execute(f"CREATE SCHEMA {quoted(schema)}")
        await connection.execute(f"CREATE TABLE {layout} (version bigint PRIMARY KEY, since timestamptz DEFAULT now())")
        await connection.execute(f"INSERT INTO {layout} (version) VALUES ($1)", VERSION)
        return
    version = await connection.fetchval(f"SELECT max(version) FROM {layout}")
    if version is None or version > VERSION:
        raise ConfigError(
            f"schema {schema!r} has layout {version}; this tickwire-sinks writes layout {VERSION}",
            hint="upgrade tickwire-sinks, or name another schema",
        )


async def _create(connection: Any, schema: str, table: Table, as_hypertable: bool) -> None:
    name = f"{quoted(schema)}.{quoted(table.name)}"
    unique = '"key", "time"' if as_hypertable else '"key"'  # TimescaleDB wants the time in every unique index
    await connection.execute(
        f"CREATE TABLE {name} ({', '.join(column.sql for column in table.columns)});"
        f"CREATE UNIQUE INDEX {quoted(f'{table.name}_key')} ON {name} ({unique});"
        f'CREATE INDEX {quoted(f"{table.name}_time")} ON {name} ("exchange", "symbol", "time")'
    )
    if as_hypertable:
        await connection.fetch("SELECT create_hypertable($1::regclass, 'time', if_not_exists => TRUE)", name)


async def _update(connection: Any, schema: str, table: Table, found: Mapping[str, str]) -> None:
    name = f"{quoted(schema)}.{quoted(table.name)}"
    for column in table.columns:
        if column.name not in found:
            await connection.execute(f"ALTER TABLE {name} ADD COLUMN {column.sql}")
        elif found[column.name] != column.type:
            raise ConfigError(
                f"{schema}.{table.name}.{column.name} is {found[column.name]}, not {column.type}", hint=_hint(column)
            )


def _hint(column: Column) -> str:
    is_number = column.type.startswith(("double precision", "numeric"))
    return "name another schema" + (", or set numbers: to what the table was made with" if is_number else "")
