"""ClickHouse over HTTP: one table a kind of event, each record once after its parts are merged.

Tables are made at the first record of a kind; at ``open`` those of an earlier tickwire get the columns they lack.

Source: clickhouse.com/docs, "HTTP interface", "ReplacingMergeTree", "JSONEachRow" (read 2026-11-26).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tickwire import (
    BookDelta,
    BookSnapshot,
    ConfigError,
    ListingChange,
    Record,
    RefusedError,
    RetryableError,
    TickwireError,
    encode_record,
)
from tickwire.plugin import Response
from tickwire_sinks.clickhouse_tables import MODERN, OLD, Dialect, Table, tables
from tickwire_sinks.database_options import ClickHouseOptions, basic
from tickwire_sinks.posting import Poster

__all__ = ["BLAMES_RECORD", "BLAMES_SETTINGS", "ClickHouseSink", "row"]

BLAMES_RECORD = frozenset({6, 26, 27, 33, 38, 41, 53, 69, 70, 72, 117, 130, 131, 190, 321, 349, 407, 469, 675})
"""Codes of texts that cannot be parsed, values out of a type's range, and constraints of the table."""
BLAMES_SETTINGS = frozenset({36, 44, 50, 62, 81, 164, 170, 192, 193, 194, 195, 291, 342, 497, 516, 732})
"""Codes of users, passwords, rights, databases, and of statements that this server does not understand."""

_CODE = re.compile(r"\bCode: (\d+)")
_TIME = re.compile(rb'("ts_(?!down)[a-z]+":)(\d+)')  # inside a text the quote would have a backslash before it
_encoder = msgspec.json.Encoder(decimal_format="number")


class ClickHouseSink:
    """Inserts rows, one request a kind of event in a batch."""

    def __init__(self, options: ClickHouseOptions) -> None:
        """Take over the settings; nothing is asked before ``open``."""
        self._options = options
        headers = {"Authorization": basic(options.user, options.password)}
        self._poster = Poster(options.url, timeout=options.timeout, headers=headers)
        self._dialect = MODERN
        self._tables: Mapping[str, Table] = {}
        self._made: set[str] = set()

    async def open(self) -> None:
        """Make the database, and bring tables that are there up to date.

        Raises:
            ConfigError: User, password or rights are wrong, or a table is not ours.
            RetryableError: The server cannot be reached now.
        """
        await self._run(f"CREATE DATABASE IF NOT EXISTS {self._options.database}")
        known = await self._run("SELECT count() FROM system.data_type_families WHERE name = 'DateTime64' FORMAT TSV")
        self._dialect = OLD if known.body.strip() == b"0" else MODERN
        self._tables = tables(self._dialect, self._options.numbers)
        self._made.clear()
        for name, columns in (await self._found()).items():
            if name in self._tables:
                await self._migrate(self._tables[name], columns)

    async def write(self, records: Sequence[Record]) -> None:
        """Insert a batch; it is in the tables when this returns.

        Raises:
            RefusedError: A record that the server cannot take.
            RetryableError: The server cannot be reached, or not write now.
        """
        kinds: dict[str, list[bytes]] = {}
        for record in records:
            kinds.setdefault(str(record.event.__struct_config__.tag), []).append(row(record, self._dialect))
        for name, rows in kinds.items():
            await self._insert(self._tables[name], rows)

    async def close(self) -> None:
        """Release the connections; a second call is harmless."""
        await self._poster.close()

    async def _insert(self, table: Table, rows: list[bytes]) -> None:
        database = self._options.database
        params = {"query": table.insert(database), "input_format_skip_unknown_fields": "1"}
        try:
            if table.name not in self._made:
                await self._poster.post("/", {}, table.create(database).encode())
                self._made.add(table.name)
            await self._poster.post("/", params, b"\n".join(rows))
        except (RefusedError, RetryableError) as error:
            raise _while_writing(error) from error

    async def _found(self) -> dict[str, dict[str, str]]:
        answer = await self._run(
            "SELECT table, name, type FROM system.columns "
            f"WHERE database = '{self._options.database}' FORMAT JSONEachRow"
        )
        found: dict[str, dict[str, str]] = {}
        for text in answer.body.splitlines():
            column = msgspec.json.decode(text, type=dict[str, str])
            found.setdefault(column["table"], {})[column["name"]] = column["type"]
        return found

    async def _migrate(self, table: Table, found: Mapping[str, str]) -> None:
        for column in table.columns:
            kind = found.get(column.name)
            if kind is None:
                await self._run(table.add(self._options.database, column))
            elif kind != column.type:
                raise ConfigError(
                    f"{self._options.database}.{table.name}.{column.name} is {kind}, not {column.type}",
                    hint="name another database:, or rename that table; numbers: decides the type of prices and sizes",
                )
        self._made.add(table.name)

    async def _run(self, statement: str) -> Response:
        try:
            return await self._poster.ask("/", {}, statement.encode())
        except (RefusedError, RetryableError) as error:
            raise _while_opening(error) from error


def row(record: Record, dialect: Dialect) -> bytes:
    """Write a record as the JSON object that its table's columns are read from."""
    line = _line(record)
    # a time without a point is taken for seconds
    return line if dialect is OLD else _TIME.sub(_with_point, line)


def _with_point(found: re.Match[bytes]) -> bytes:
    seconds, nanos = divmod(int(found[2]), 1_000_000_000)
    return b"%s%d.%09d" % (found[1], seconds, nanos)


def _line(record: Record) -> bytes:
    event = record.event
    if isinstance(event, BookSnapshot | BookDelta):
        return _reshaped(record, _levels("bid", event.bids) | _levels("ask", event.asks))
    if isinstance(event, ListingChange):
        return _reshaped(record, {name: _json(getattr(event, name)) for name in ("instrument", "before")})
    return encode_record(record)


def _reshaped(record: Record, instead: dict[str, Any]) -> bytes:
    event = record.event
    fields = {name: getattr(event, name) for name in event.__struct_fields__ if name not in ("bids", "asks")}
    own = {"schema": 1, "run_id": record.run_id, "ordinal": record.ordinal, "key": record.key}
    return _encoder.encode(fields | instead | own)


def _levels(side: str, levels: Sequence[tuple[Any, Any]]) -> dict[str, Any]:
    prices, sizes = zip(*levels, strict=True) if levels else ((), ())
    return {f"{side}_price": prices, f"{side}_size": sizes}


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _code(error: TickwireError) -> int | None:
    found = _CODE.search(error.message)
    return int(found[1]) if found else None


def _while_opening(error: TickwireError) -> TickwireError:
    if isinstance(error, RefusedError) or _code(error) in BLAMES_SETTINGS:
        return ConfigError(error.message, hint="check url, database, user, password, and what the user may do")
    return error


def _while_writing(error: TickwireError) -> TickwireError:
    if _code(error) in BLAMES_RECORD:
        return RefusedError(error.message)
    # a full disk, too many parts, a table that was dropped: the records wait
    return RetryableError(error.message) if isinstance(error, RefusedError) else error
