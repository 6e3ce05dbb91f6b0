"""Arrow tables of the stored form -> events again, equal to those that were written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

from tickwire.model.account import AccountEvent
from tickwire.model.channels import Channel
from tickwire.model.instruments import Instrument
from tickwire.model.stored import Record
from tickwire.store.schema import Column, Kind, Numbers, columns_of, event_classes

__all__ = ["records_of"]

_ROWS = 16_384


def records_of(table: Any, channel: Channel, numbers: Numbers) -> Iterator[Record]:
    """Turn a table into records, row by row.

    Args:
        table: With the columns of the channel, of a journal or of a file.
        channel: What it holds.
        numbers: What its numbers are; decimals come back with all their digits.
    """
    for batch in table.to_batches(max_chunksize=_ROWS):
        yield from _records(batch, channel, numbers)


def _records(batch: Any, channel: Channel, numbers: Numbers) -> Iterator[Record]:
    columns: dict[str, Sequence[Any]] = {}

    def column(name: str, is_time: bool = False) -> Sequence[Any]:
        if name not in columns:
            array = batch.column(name)
            columns[name] = (array.cast("int64") if is_time else array).to_pylist()
        return columns[name]

    makers = {
        _tag(one): _maker(one, [_values(field, column, numbers) for field in columns_of(one)])
        for one in event_classes(channel)
    }
    header = zip(column("type"), column("run_id"), column("ordinal"), column("key"), strict=True)
    for place, (tag, run_id, ordinal, key) in enumerate(header):
        yield Record(makers[tag](place), run_id, ordinal, key)


def _tag(event_type: Any) -> str:
    return str(event_type.__struct_config__.tag)


def _maker(event_type: Any, fields: Sequence[Sequence[Any]]) -> Callable[[int], Any]:
    # fields the constructor takes by position, and ``account``, which it takes by name
    if issubclass(event_type, AccountEvent):
        *rest, last = fields
        return lambda place: event_type(*[field[place] for field in rest], account=last[place])
    return lambda place: event_type(*[field[place] for field in fields])


def _values(field: Column, column: Callable[..., Sequence[Any]], numbers: Numbers) -> Sequence[Any]:
    if field.kind is Kind.LEVELS:
        prices, sizes = (column(name) for name in field.names)
        if numbers == "decimal":
            prices, sizes = ([list(map(Decimal, row)) for row in side] for side in (prices, sizes))
        return [tuple(zip(*levels, strict=True)) for levels in zip(prices, sizes, strict=True)]
    values = column(field.name, field.kind is Kind.TIME)
    turn = _turn(field.kind, field.enum, numbers)
    return values if turn is None else [None if value is None else turn(value) for value in values]


@cache
def _turn(kind: Kind, enum: Any, numbers: Numbers) -> Callable[[Any], Any] | None:
    if kind is Kind.NUMBER:
        return Decimal if numbers == "decimal" else None
    if kind is Kind.INSTRUMENT:
        return msgspec.json.Decoder(Instrument).decode
    if kind is Kind.TEXTS:
        return tuple
    # a word of another kind of event in the same column is none of these, and is not asked for
    return None if enum is None else {str(member.value): member for member in enum}.get
