"""A table for every kind of event, read off the event classes: columns with their types, and events as rows.

The book's levels are four arrays; times are the events' own nanoseconds (``bigint``), and ``time`` is ``ts_recv`` once
more, to the microsecond, as PostgreSQL counts time.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from operator import attrgetter
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import attrs
import msgspec

from tickwire import ConfigError, Instrument, Record, StoredEvent, exact

__all__ = ["Column", "Numbers", "Row", "Table", "quoted", "tables"]

Numbers = Literal["float", "decimal"]
Row = tuple[object, ...]
"""A record's values, in the order of the table's columns."""
_Read = Callable[[Any], object]

_TYPES: dict[type, str] = {int: "bigint", str: "text", bool: "boolean", Instrument: "jsonb"}
_NUMBERS: dict[Numbers, str] = {"float": "double precision", "decimal": "numeric"}
_SIDES = {"bids": "bid", "asks": "ask"}
_EPOCH = 946_684_800_000_000  # PostgreSQL counts microseconds since 2000


def quoted(name: str) -> str:
    """Write a name so that SQL takes it as it is."""
    return '"' + name.replace('"', '""') + '"'


@attrs.frozen
class Column:
    """One column.

    Attributes:
        name: As in the event, or ours.
        type: As ``format_type`` writes it.
        is_required: It holds no ``NULL``.
    """

    name: str
    type: str
    is_required: bool = False

    @property
    def sql(self) -> str:
        """Its definition in ``CREATE TABLE`` and ``ALTER TABLE``."""
        return f"{quoted(self.name)} {self.type}{' NOT NULL' if self.is_required else ''}"


HEAD = (
    Column("key", "text", True),
    Column("run_id", "text", True),
    Column("ordinal", "bigint", True),
    Column("time", "timestamp with time zone", True),
)


@attrs.frozen
class Table:
    """The table of one kind of event.

    Attributes:
        name: The event's ``type``.
        columns: In the order of ``row``.
        row: Makes the row of a record.
    """

    name: str
    columns: tuple[Column, ...]
    row: Callable[[Record], Row]


def tables(numbers: Numbers) -> dict[type, Table]:
    """Give every event class its table."""
    return {getattr(kind, "__origin__", kind): _table(kind, numbers) for kind in get_args(StoredEvent)}


def _table(kind: Any, numbers: Numbers) -> Table:
    plain: list[Column] = []
    made: list[tuple[Column, _Read]] = []
    for field in msgspec.structs.fields(kind):
        if field.name in _SIDES:
            made += _levels(field.name, numbers)
        else:
            column, read = _column(field.name, field.type, numbers)
            if read is None:
                plain.append(column)
            else:
                made.append((column, read))
    origin = getattr(kind, "__origin__", kind)
    columns = (*HEAD, *plain, *(column for column, _ in made))
    return Table(origin.__struct_config__.tag, columns, _row([one.name for one in plain], [read for _, read in made]))


def _row(plain: list[str], made: list[_Read]) -> Callable[[Record], Row]:
    values = attrgetter(*plain)  # several names always: every event has a header

    def row(record: Record) -> Row:
        event = record.event
        head = (record.key, record.run_id, record.ordinal, (event.ts_recv // 1000 - _EPOCH,))
        found: Row = values(event)
        if Decimal in map(type, found):
            found = tuple(_float(value) if isinstance(value, Decimal) else value for value in found)
        return head + found + tuple([read(event) for read in made])

    return row


def _column(name: str, kind: Any, numbers: Numbers) -> tuple[Column, _Read | None]:
    inner = _required(kind)
    get = attrgetter(name)
    if inner is float:
        return Column(name, _NUMBERS[numbers]), (lambda event: _decimal(get(event))) if numbers == "decimal" else None
    if inner is Instrument:
        return Column(name, _TYPES[inner]), lambda event: _json(get(event))
    if get_origin(inner) is tuple:
        return Column(name, "text[]"), get
    return Column(name, "text" if issubclass(inner, Enum) else _TYPES[inner]), None


def _required(kind: Any) -> Any:
    # X | None -> X
    others = [one for one in get_args(kind) if one is not type(None)] if get_origin(kind) in (Union, UnionType) else []
    return others[0] if len(others) == 1 else kind


def _levels(field: str, numbers: Numbers) -> list[tuple[Column, _Read]]:
    get, kind, side = attrgetter(field), f"{_NUMBERS[numbers]}[]", _SIDES[field]
    all_of = _floats if numbers == "float" else _decimals
    return [
        (Column(f"{side}_price", kind), lambda event: all_of([price for price, _ in get(event)])),
        (Column(f"{side}_size", kind), lambda event: all_of([size for _, size in get(event)])),
    ]


def _floats(values: list[Any]) -> list[Any]:
    return [*map(_float, values)] if values and isinstance(values[0], Decimal) else values


def _decimals(values: list[Any]) -> list[Any]:
    return [*map(exact, values)]


def _float(value: Decimal) -> float:
    number = float(value)
    if exact(number) != value:
        raise ConfigError(
            f"{value} has more digits than double precision holds", hint="set numbers: decimal, in a schema of its own"
        )
    return number


def _decimal(value: float | Decimal | None) -> Decimal | None:
    return None if value is None else exact(value)


def _json(value: Instrument | None) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
