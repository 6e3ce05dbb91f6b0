"""Records -> one Arrow batch of a channel: the write path, one pass over the rows and one list a column."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import cache
from itertools import accumulate, chain
from operator import itemgetter
from typing import Any

import msgspec
from msgspec.structs import astuple

from tickwire.model.channels import Channel
from tickwire.model.instruments import Instrument
from tickwire.model.numbers import number_text
from tickwire.model.stored import SCHEMA, Record
from tickwire.store.arrow import arrow
from tickwire.store.schema import CHANNEL_OF, Kind, Numbers, channel_columns, columns_of, event_classes, journal_schema

__all__ = ["NumbersError", "batch_of"]


_TAGS = {one: str(one.__struct_config__.tag) for one in CHANNEL_OF}  # type: ignore[attr-defined]


class NumbersError(ValueError):
    """A number is of the other type: the rows belong into another file."""


def batch_of(channel: Channel, records: Sequence[Record], numbers: Numbers) -> Any:
    """Make the ``pyarrow.RecordBatch`` of a journal.

    Args:
        channel: What all the records' events belong to.
        records: At least one, all of one run.
        numbers: What the events' numbers are.

    Raises:
        NumbersError: A number is a ``Decimal`` and floats were said.
        TypeError, ValueError, OverflowError: A field holds what it cannot hold.
    """
    pa = arrow()
    events = [record.event for record in records]
    arrays = list(_header(pa, records, events))
    schema, count = journal_schema(channel, numbers), len(records)
    for column, values in zip(channel_columns(channel), _transposed(channel, events), strict=True):
        if values[0] is None and values.count(None) == count:  # a field that the exchange does not have
            arrays.append(pa.nulls(count, schema.field(column.name).type))
        else:
            arrays += _BUILT[column.kind](pa, values, numbers)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _transposed(channel: Channel, events: Sequence[Any]) -> Iterable[Sequence[Any]]:
    places, kinds = _places(channel), {event.__class__ for event in events}
    if len(kinds) > 1:
        pick = {kind: itemgetter(*places[kind]) for kind in kinds}
        return zip(*[pick[event.__class__]((*astuple(event), None)) for event in events], strict=True)
    columns = [*zip(*map(astuple, events), strict=True), (None,) * len(events)]
    return [columns[place] for place in places[kinds.pop()]]


@cache
def _places(channel: Channel) -> dict[type, tuple[int, ...]]:
    # where the channel's columns stand among an event's fields; -1: nowhere, which is None
    union = channel_columns(channel)
    found: dict[type, tuple[int, ...]] = {}
    for one in event_classes(channel):
        index = {column.name: place for place, column in enumerate(columns_of(one))}
        found[one] = tuple(index.get(column.name, -1) for column in union)
    return found


def _header(pa: Any, records: Sequence[Record], events: Sequence[Any]) -> Iterable[Any]:
    count = len(records)
    yield _texts(pa, [_TAGS[event.__class__] for event in events])
    yield _constant(pa, SCHEMA, pa.int64(), count)
    yield _constant(pa, records[0].run_id, pa.string(), count)
    yield _integers(pa, [record.ordinal for record in records])
    yield pa.array([record.key for record in records], pa.string())


def _constant(pa: Any, value: object, type: Any, count: int) -> Any:
    return pa.repeat(pa.scalar(value, type), count)


def _integers(pa: Any, values: Sequence[Any]) -> Any:
    try:
        # pyarrow would cut a float down to an integer; this refuses it, and is faster
        packed = array("q", values)
    except TypeError:
        wrong = next((one for one in values if one is not None and not isinstance(one, int)), None)
        if wrong is not None:
            raise TypeError(f"{wrong!r} is not an int") from None
        return pa.array(values, pa.int64())
    return pa.Array.from_buffers(pa.int64(), len(packed), [None, pa.py_buffer(packed)])


def _times(pa: Any, values: Sequence[Any], numbers: Numbers) -> list[Any]:
    return [_integers(pa, values).view(pa.timestamp("ns", tz="UTC"))]


def _numbers(pa: Any, values: Sequence[Any], numbers: Numbers) -> Any:
    if numbers == "decimal":
        return pa.array([None if value is None else _exact_text(value) for value in values], pa.string())
    try:
        return pa.array(values, pa.float64())
    except pa.ArrowInvalid as error:
        raise NumbersError(str(error)) from error


def _exact_text(value: object) -> str:
    if not isinstance(value, Decimal | float):
        raise TypeError(f"{value!r} is not a number")
    return number_text(value)


def _levels(pa: Any, values: Sequence[Any], numbers: Numbers) -> list[Any]:
    # a row without levels of its own has None, and counts for nothing
    offsets = pa.array(array("i", accumulate(map(len, values), initial=0)), pa.int32())
    levels = list(chain.from_iterable(values))
    sides = zip(*levels, strict=True) if levels else ((), ())
    return [pa.ListArray.from_arrays(offsets, _numbers(pa, side, numbers)) for side in sides]


def _instruments(pa: Any, values: Sequence[Instrument | None], numbers: Numbers) -> list[Any]:
    texts = [None if value is None else msgspec.json.encode(value).decode() for value in values]
    return [pa.array(texts, pa.string())]


def _texts(pa: Any, values: Sequence[Any]) -> Any:
    # most are one text all along, which is quicker to see than to convert
    if values.count(values[0]) == len(values):
        return _constant(pa, values[0], pa.string(), len(values))
    return pa.array(values, pa.string())


def _lists(pa: Any, values: Sequence[Any], numbers: Numbers) -> list[Any]:
    if not any(values):
        offsets = pa.array(array("i", bytes(4 * (len(values) + 1))), pa.int32())
        return [pa.ListArray.from_arrays(offsets, pa.array([], pa.string()))]
    return [pa.array(values, pa.list_(pa.string()))]


_BUILT: dict[Kind, Callable[[Any, Sequence[Any], Numbers], list[Any]]] = {
    Kind.NUMBER: lambda pa, values, numbers: [_numbers(pa, values, numbers)],
    Kind.TIME: _times,
    Kind.INTEGER: lambda pa, values, numbers: [_integers(pa, values)],
    Kind.TEXT: lambda pa, values, numbers: [_texts(pa, values)],
    Kind.WORD: lambda pa, values, numbers: [_texts(pa, values)],
    Kind.FLAG: lambda pa, values, numbers: [pa.array(values, pa.bool_())],
    Kind.TEXTS: _lists,
    Kind.LEVELS: _levels,
    Kind.INSTRUMENT: _instruments,
}
