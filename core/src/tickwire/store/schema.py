"""Columns of the stored form: one row an event, its fields as columns, levels as four parallel lists.

Every channel has one set of columns. Two channels hold events of several kinds (``l2_book``: snapshots and deltas,
``quality``: all quality events): theirs is the union, and the column ``type`` says which a row is.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum, auto
from functools import cache
from typing import Any, Literal, TypeAlias, get_args

import attrs
import msgspec.inspect as inspect

from tickwire.model.channel_events import EVENTS_OF
from tickwire.model.channels import Channel
from tickwire.model.instruments import Instrument
from tickwire.model.quality import QualityEvent
from tickwire.model.stored import StoredEvent, event_types
from tickwire.store.arrow import arrow

__all__ = [
    "CHANNEL_OF", "Column", "Kind", "Numbers", "arrow_schema", "channel_schema", "columns_of", "event_classes",
    "journal_schema",
]  # fmt: skip

Numbers: TypeAlias = Literal["float", "decimal"]
"""What prices and sizes are: 64-bit floats, or the exact decimals as text (no fixed-point type holds every rate)."""


class Kind(StrEnum):
    """What a column holds."""

    NUMBER = auto()
    TIME = auto()
    INTEGER = auto()
    TEXT = auto()
    WORD = auto()
    FLAG = auto()
    TEXTS = auto()
    LEVELS = auto()
    INSTRUMENT = auto()


@attrs.frozen
class Column:
    """One column; ``LEVELS`` stands for two, prices and sizes.

    Attributes:
        name: In the table.
        field: The event's field.
        kind: What it holds.
        enum: The closed set that its words are of.
    """

    name: str
    field: str
    kind: Kind
    enum: type[Enum] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What it is called in a table: ``bids`` are ``bid_price`` and ``bid_size``."""
        if self.kind is not Kind.LEVELS:
            return (self.name,)
        side = self.name.removesuffix("s")
        return f"{side}_price", f"{side}_size"


HEADER = ("type", "schema", "run_id", "ordinal", "key")
"""Columns that come from the record; the event's follow."""
_DURATIONS = {"ts_down"}
# the partition is called ``channel`` too, and readers let it win over the column
_RENAMED = {"channel": "of_channel"}
_EVENTS: Mapping[Channel, tuple[type, ...]] = {
    **EVENTS_OF,
    Channel.QUALITY: tuple(one for one in event_types() if issubclass(one, QualityEvent)),
}
CHANNEL_OF: Mapping[type, Channel] = {one: channel for channel, classes in _EVENTS.items() for one in classes}
"""The channel whose files an event's class stands in."""
_GENERIC = {getattr(one, "__origin__", one): one for one in get_args(StoredEvent)}


def event_classes(channel: Channel) -> tuple[type, ...]:
    """Give the classes of the events that a channel's files hold."""
    return _EVENTS[channel]


@cache
def columns_of(event_type: type) -> tuple[Column, ...]:
    """Give the columns of an event's own fields, in the order of its fields."""
    info = inspect.type_info(_GENERIC[event_type])
    assert isinstance(info, inspect.StructType)
    return tuple(_column(field.name, field.type) for field in info.fields)


@cache
def channel_columns(channel: Channel) -> tuple[Column, ...]:
    """Give the columns of a channel's events: the union of theirs, in order of first appearance."""
    found = {column.name: column for one in _EVENTS[channel] for column in reversed(columns_of(one))}
    for one in _EVENTS[channel]:
        for column in columns_of(one):
            if found[column.name].kind is not column.kind:  # e.g. a reason that is an enum here and free text there
                found[column.name] = attrs.evolve(column, kind=Kind.TEXT, enum=None)
    order = dict.fromkeys(column.name for one in _EVENTS[channel] for column in columns_of(one))
    return tuple(found[name] for name in order)


def arrow_schema(event_type: type, numbers: Numbers = "float") -> Any:
    """Give the ``pyarrow.Schema`` of the table that holds an event's class: that of its channel.

    Columns: ``type schema run_id ordinal key``, then the fields. Times are ``timestamp[ns, UTC]``, lengths of time
    int64 nanoseconds, ids text, sequences int64, closed sets dictionary-encoded text; ``bids`` and ``asks`` are the
    parallel lists ``bid_price bid_size ask_price ask_size``. A quality event's ``channel`` is ``of_channel``.

    Args:
        event_type: Of the market, account or quality, e.g. ``Trade``.
        numbers: ``float``: prices and sizes are float64. ``decimal``: they are text, exactly.

    Raises:
        ConfigError: pyarrow is not installed.
    """
    return channel_schema(CHANNEL_OF[event_type], numbers)


@cache
def channel_schema(channel: Channel, numbers: Numbers = "float") -> Any:
    """Give the ``pyarrow.Schema`` of a channel's Parquet files; see ``arrow_schema``."""
    return _schema(channel, numbers, is_journal=False)


@cache
def journal_schema(channel: Channel, numbers: Numbers = "float") -> Any:
    """Give the schema of a channel's journals: closed sets are plain text there, all else is as in the files."""
    return _schema(channel, numbers, is_journal=True)


def _schema(channel: Channel, numbers: Numbers, is_journal: bool) -> Any:
    pa = arrow()
    word = pa.string() if is_journal else pa.dictionary(pa.int32(), pa.string())
    number = pa.float64() if numbers == "float" else pa.string()
    types = {
        Kind.NUMBER: number,
        Kind.TIME: pa.timestamp("ns", tz="UTC"),
        Kind.INTEGER: pa.int64(),
        Kind.TEXT: pa.string(),
        Kind.WORD: word,
        Kind.FLAG: pa.bool_(),
        Kind.TEXTS: pa.list_(pa.string()),
        Kind.LEVELS: pa.list_(number),
        Kind.INSTRUMENT: pa.string(),
    }
    header = zip(HEADER, (word, pa.int64(), pa.string(), pa.int64(), pa.string()), strict=True)
    fields = [(name, types[column.kind]) for column in channel_columns(channel) for name in column.names]
    metadata = {"tickwire.channel": channel.value, "tickwire.numbers": numbers}
    return pa.schema([*header, *fields], metadata=metadata)


def _column(name: str, type: inspect.Type) -> Column:
    while isinstance(type, inspect.UnionType):
        type = next(one for one in type.types if not isinstance(one, inspect.NoneType))
    enum = type.cls if isinstance(type, inspect.EnumType) else None
    return Column(_RENAMED.get(name, name), name, _kind(name, type), enum)


def _kind(name: str, type: inspect.Type) -> Kind:
    if isinstance(type, inspect.IntType):
        return Kind.TIME if name.startswith("ts_") and name not in _DURATIONS else Kind.INTEGER
    if isinstance(type, inspect.VarTupleType):
        return Kind.TEXTS if isinstance(type.item_type, inspect.StrType) else Kind.LEVELS
    if getattr(type, "cls", None) is Instrument:
        return Kind.INSTRUMENT
    return _PLAIN[type.__class__]


_PLAIN = {
    inspect.FloatType: Kind.NUMBER,
    inspect.StrType: Kind.TEXT,
    inspect.BoolType: Kind.FLAG,
    inspect.EnumType: Kind.WORD,
}
