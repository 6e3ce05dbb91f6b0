"""QuestDB: one table a kind of event, line protocol over HTTP, each record once by time and key.

The designated timestamp ``ts`` has microseconds; the exact times are the columns ``ts_event`` and ``ts_recv``. A table
is made at the first record of its kind, with de-duplication over ``ts`` and ``key``; QuestDB adds the other columns.

Source: questdb.com/docs, "ILP overview", "Deduplication", "REST API" (read 2026-11-26).
"""

from __future__ import annotations

from collections.abc import Sequence

from tickwire import ConfigError, Record, RefusedError, RetryableError
from tickwire_sinks.database_options import QuestOptions, basic
from tickwire_sinks.line_protocol import line
from tickwire_sinks.posting import Poster

__all__ = ["QuestSink"]


class QuestSink:
    """Writes rows; a repeated record replaces itself."""

    def __init__(self, options: QuestOptions) -> None:
        """Take over the settings; nothing is asked before ``open``."""
        self._options = options
        self._poster = Poster(options.url, timeout=options.timeout, headers=_headers(options))
        self._made: set[str] = set()

    async def open(self) -> None:
        """See that the server answers and knows us.

        Raises:
            ConfigError: User, password or token is wrong, or this is no QuestDB.
            RetryableError: The server cannot be reached now.
        """
        self._made.clear()
        await self._execute("SELECT 1")

    async def write(self, records: Sequence[Record]) -> None:
        """Write a batch; it is in QuestDB's write-ahead log when this returns.

        Raises:
            RefusedError: A record that the server or the protocol cannot take.
            RetryableError: The server cannot be reached, or not write now.
        """
        lines = [line(self._table(record), record, _time(record)) for record in records]
        for table in {self._table(record) for record in records} - self._made:
            await self._make(table)
        await self._poster.post("/write", {}, ("\n".join(lines) + "\n").encode())

    async def close(self) -> None:
        """Release the connections; a second call is harmless."""
        await self._poster.close()

    def _table(self, record: Record) -> str:
        return f"{self._options.table}{record.event.__struct_config__.tag}"

    async def _make(self, table: str) -> None:
        try:
            await self._execute(
                f"CREATE TABLE IF NOT EXISTS {table} (ts TIMESTAMP, exchange SYMBOL, symbol SYMBOL, key VARCHAR) "
                f"TIMESTAMP(ts) PARTITION BY {self._options.partition} WAL DEDUP UPSERT KEYS(ts, key)"
            )
            # a table that was there before may have been made without
            await self._execute(f"ALTER TABLE {table} DEDUP ENABLE UPSERT KEYS(ts, key)")
        except (ConfigError, RefusedError) as error:
            # not the records' fault: they wait until somebody mends the table
            hint = f"make {table} a WAL table with a designated timestamp ts and a column key, or change table:"
            raise RetryableError(error.message, hint=hint) from error
        self._made.add(table)

    async def _execute(self, query: str) -> None:
        await self._poster.ask("/exec", {"query": query}, method="GET")


def _time(record: Record) -> int:
    event = record.event
    return event.ts_recv if event.ts_event is None else event.ts_event


def _headers(options: QuestOptions) -> dict[str, str]:
    if options.token is not None:
        return {"Authorization": f"Bearer {options.token.reveal()}"}
    if options.user is not None:
        return {"Authorization": basic(options.user, options.password)}
    return {}
