"""ClickHouse's tables: one a kind of event, its columns read off the event class, in the stored form.

A row is found again by what its key is made of, so that ``ReplacingMergeTree`` keeps one copy of a repeated record:
trades by key, everything else by run and ordinal.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import cast, get_args

import attrs
import msgspec
from msgspec import inspect

from tickwire import StoredEvent

__all__ = ["MODERN", "OLD", "Column", "Dialect", "Table", "tables"]


@attrs.frozen
class Dialect:
    """What a server's age decides.

    Attributes:
        time: Type of a time.
        label: Type of a text that few values have; ``{}`` is the text's own type.
        flag: Type of yes or no.
        month: Partition of a row.
        index: Whether a column can have an index of its own.
    """

    time: str
    label: str
    flag: str
    month: str
    index: bool


MODERN = Dialect("DateTime64(9, 'UTC')", "LowCardinality({})", "Bool", "toYYYYMM(ts_recv)", index=True)
OLD = Dialect("Int64", "{}", "UInt8", "toYYYYMM(toDateTime(intDiv(ts_recv, 1000000000), 'UTC'))", index=False)
"""Before 20.1, which has no time with nanoseconds: times are integers, ns since 1970 UTC."""


@attrs.frozen
class Column:
    """One column.

    Attributes:
        name: Its name.
        type: As ``system.columns`` shows it.
    """

    name: str
    type: str


@attrs.frozen
class Table:
    """The table of one kind of event.

    Attributes:
        name: The kind's tag.
        columns: In order.
        order: What finds a row again.
        dialect: The server's.
    """

    name: str
    columns: tuple[Column, ...]
    order: str
    dialect: Dialect

    def create(self, database: str) -> str:
        """Write the statement that makes it."""
        parts = [f"`{column.name}` {column.type}" for column in self.columns]
        if self.dialect.index:
            parts.append("INDEX by_ts_recv ts_recv TYPE minmax GRANULARITY 1")
        return (
            f"CREATE TABLE IF NOT EXISTS {database}.{self.name} ({', '.join(parts)}) ENGINE = ReplacingMergeTree "
            f"PARTITION BY {self.dialect.month} ORDER BY ({self.order})"
        )

    def add(self, database: str, column: Column) -> str:
        """Write the statement that adds a column to a table of an earlier tickwire."""
        return f"ALTER TABLE {database}.{self.name} ADD COLUMN `{column.name}` {column.type}"

    def insert(self, database: str) -> str:
        """Write the statement that reads JSON lines."""
        names = ", ".join(f"`{column.name}`" for column in self.columns)
        return f"INSERT INTO {database}.{self.name} ({names}) FORMAT JSONEachRow"


@cache
def tables(dialect: Dialect, numbers: str) -> Mapping[str, Table]:
    """Give the table of every kind of event, by its tag.

    Args:
        dialect: The server's.
        numbers: ``float`` or ``decimal``.
    """
    number = "Decimal(38, 18)" if numbers == "decimal" else "Float64"
    return {table.name: table for table in (_table(kind, dialect, number) for kind in get_args(StoredEvent))}


def _table(kind: type, dialect: Dialect, number: str) -> Table:
    info = cast(inspect.StructType, inspect.type_info(kind))
    own = [column for field in info.fields for column in _columns(field, dialect, number)]
    label = dialect.label.format("String")
    records = [
        Column("schema", "UInt16"),
        Column("run_id", label),
        Column("ordinal", "Int64"),
        Column("key", "String"),
    ]
    # by length first: then ids that are numbers stand in their order, which is that of time
    order = "exchange, symbol, length(key), key" if info.tag == "trade" else "exchange, run_id, ordinal"
    return Table(str(info.tag), (*own, *records), order, dialect)


def _columns(field: inspect.Field, dialect: Dialect, number: str) -> list[Column]:
    name, kind = field.name, field.type
    if name in ("bids", "asks"):
        side = name.removesuffix("s")
        return [Column(f"{side}_{part}", f"Array({number})") for part in ("price", "size")]
    is_optional = isinstance(kind, inspect.UnionType) and kind.includes_none
    if isinstance(kind, inspect.UnionType):
        kind = next(member for member in kind.types if not isinstance(member, inspect.NoneType))
    is_time = name.startswith("ts_") and name != "ts_down"
    plain = dialect.time if is_time else _plain(kind, dialect, number)
    wide = f"Nullable({plain})" if is_optional else plain
    is_label = isinstance(kind, inspect.EnumType) or name in ("exchange", "symbol")
    return [Column(name, dialect.label.format(wide) if is_label else wide)]


def _plain(kind: msgspec.inspect.Type, dialect: Dialect, number: str) -> str:
    if isinstance(kind, inspect.IntType):
        return "Int64"
    if isinstance(kind, inspect.FloatType):
        return number
    if isinstance(kind, inspect.BoolType):
        return dialect.flag
    return "Array(String)" if isinstance(kind, inspect.VarTupleType) else "String"
