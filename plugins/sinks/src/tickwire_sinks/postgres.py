"""PostgreSQL: a table for every kind of event, filled by COPY, each event once by its key."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from tickwire import ConnectionLostError, Record
from tickwire_sinks.border import extra
from tickwire_sinks.options import PostgresOptions, place_of
from tickwire_sinks.postgres_errors import BORDER
from tickwire_sinks.postgres_layout import prepare
from tickwire_sinks.postgres_tables import Row, quoted, tables

with extra("postgres"):
    import asyncpg

__all__ = ["PostgresSink"]

_GOODBYE = 1.0  # nothing is under way when it closes: a server that hangs is left


class PostgresSink:
    """Writes each batch in one transaction: it is in the database as a whole, or not at all."""

    def __init__(self, options: PostgresOptions) -> None:
        """Take over the settings; ``open`` connects."""
        self._options = options
        self._place = place_of(options.url)
        self._tables = tables(options.numbers)
        self._connection: Any = None
        self._staged: set[type] = set()

    async def open(self) -> None:
        """Connect, and make the tables or bring them up to date.

        Raises:
            ConnectionLostError: The server cannot be reached, or does not serve now.
            ConfigError: It refuses user, password, database or rights, or there are tables of another shape.
        """
        await self.close()
        options = self._options
        try:
            with BORDER.crossed(self._place, opening=True):
                self._connection = await self._connect()
                async with asyncio.timeout(options.timeout):
                    await prepare(self._connection, options.schema, self._tables.values(), options.hypertables)
        except BaseException:
            await self.close()
            raise

    async def write(self, records: Sequence[Record]) -> None:
        """Write a batch; events whose key is there already are left out.

        Raises:
            ConnectionLostError: The connection was lost, the server does not serve now, or a table has gone.
            ConfigError: A table may not be written.
        """
        if self._connection is None:
            raise ConnectionLostError(f"PostgreSQL at {self._place} is not connected")
        rows: dict[type, list[Row]] = {}
        for record in records:
            kind = type(record.event)
            rows.setdefault(kind, []).append(self._tables[kind].row(record))
        with BORDER.crossed(self._place):
            async with asyncio.timeout(self._options.timeout):
                await self._insert_all(rows)
        self._staged.update(rows)  # not before the commit: a rollback takes temporary tables away too

    async def close(self) -> None:
        """Disconnect; a second call is harmless."""
        connection, self._connection = self._connection, None
        self._staged.clear()
        if connection is not None and not connection.is_closed():
            with BORDER.left(self._place):
                await connection.close(timeout=_GOODBYE)

    async def _connect(self) -> Any:
        timeout = self._options.timeout
        connection = await asyncpg.connect(
            self._options.url.reveal(),
            timeout=timeout,
            command_timeout=timeout,
            server_settings={"application_name": "tickwire"},
        )
        # microseconds since 2000, as the server keeps them: a datetime each would cost more than all the rest
        await connection.set_type_codec(
            "timestamptz", schema="pg_catalog", encoder=lambda value: value, decoder=lambda value: value, format="tuple"
        )
        return connection

    async def _insert_all(self, rows: Mapping[type, list[Row]]) -> None:
        transaction = self._connection.transaction()
        try:
            await transaction.start()
            for kind, some in rows.items():
                await self._insert(kind, some)
            await transaction.commit()
        except (OSError, asyncio.CancelledError):
            self._connection.terminate()  # it hangs or has gone, and rolling back would wait for it again
            raise
        except BaseException:
            if self._connection.is_in_transaction():
                await transaction.rollback()
            raise

    async def _insert(self, kind: type, rows: list[Row]) -> None:
        table = self._tables[kind]
        name, staging = f"{quoted(self._options.schema)}.{quoted(table.name)}", f"tickwire_{table.name}"
        columns = [column.name for column in table.columns]
        listed = ", ".join(map(quoted, columns))
        if kind not in self._staged:
            await self._connection.execute(f"CREATE TEMP TABLE {quoted(staging)} (LIKE {name}) ON COMMIT DELETE ROWS")
        await self._connection.copy_records_to_table(staging, records=rows, columns=columns, schema_name="pg_temp")
        await self._connection.execute(
            f"INSERT INTO {name} ({listed}) SELECT {listed} FROM pg_temp.{quoted(staging)} ORDER BY ordinal"
            " ON CONFLICT DO NOTHING"
        )
