"""Stored data read back: a frame of rows without duplicates, in order, that knows its holes."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import attrs

from tickwire.model.channels import Channel, ChannelRequest
from tickwire.model.clock import Nanos
from tickwire.model.counting import counted
from tickwire.model.errors import ConfigError, DataError
from tickwire.model.quality import Event
from tickwire.model.stored import Record
from tickwire.record.stored_holes import StoredHole, holes_of
from tickwire.store.arrow import arrow
from tickwire.store.reading import Wanted, read_tables
from tickwire.store.rows import records_of
from tickwire.store.schema import Numbers, channel_schema
from tickwire.store.tables import flattened, in_order, without_repeats

__all__ = ["Moment", "Stored", "load", "nanos_of"]

Moment: TypeAlias = Nanos | datetime | str
"""Integer nanoseconds since 1970, a ``datetime`` (UTC where it names no zone), or ISO text of one."""
Order: TypeAlias = Literal["ordinal", "event"]
T = TypeVar("T")
_SHOWN = 3


@attrs.frozen(eq=False, slots=False, repr=False)
class Stored:
    """Rows of one or more channels.

    Attributes:
        tables: By channel, one row an event: without duplicates, in order.
        numbers: What the prices and sizes of each channel are.
        is_flat: ``arrow`` and what is made of it have one row a level of a book.
    """

    tables: Mapping[Channel, Any]
    numbers: Mapping[Channel, Numbers]
    is_flat: bool
    _order: Order
    _channels: Sequence[Channel]
    _find_holes: Callable[[], list[StoredHole]]

    @property
    def arrow(self) -> Any:
        """The ``pyarrow.Table``; see ``to_arrow``."""
        return self.to_arrow()

    def to_arrow(self) -> Any:
        """Give the rows as a ``pyarrow.Table``.

        Raises:
            ConfigError: They are of several channels, whose columns differ: take ``tables``, or load one.
        """
        if len(self.tables) > 1:
            raise ConfigError(
                f"there are rows of {len(self.tables)} channels: {', '.join(self.tables)}",
                hint="name one: load(..., channel='trades'), or take .tables['trades']",
            )
        for channel, table in self.tables.items():
            return flattened(table) if self.is_flat and channel is Channel.L2_BOOK else table
        return channel_schema((self._channels or (Channel.TRADES,))[0]).empty_table()

    def to_polars(self) -> Any:
        """Give the rows as a ``polars.DataFrame``.

        Raises:
            ConfigError: polars is not installed, or the rows are of several channels.
        """
        return _installed("polars").from_arrow(self.to_arrow())

    def to_pandas(self) -> Any:
        """Give the rows as a ``pandas.DataFrame``.

        Raises:
            ConfigError: pandas is not installed, or the rows are of several channels.
        """
        _installed("pandas")
        return self.to_arrow().to_pandas()

    def records(self) -> Iterator[Record]:
        """Give the records that were written, of all channels, in order."""
        streams = [records_of(table, channel, self.numbers[channel]) for channel, table in self.tables.items()]
        return heapq.merge(*streams, key=_by_time if self._order == "event" else _by_ordinal)

    def events(self) -> Iterator[Event]:
        """Give the events that were written, equal to those, of all channels, in order."""
        return (record.event for record in self.records())

    @cached_property
    def holes(self) -> list[StoredHole]:
        """What is missing in these rows' time, instruments and channels, by the stored quality events."""
        return self._find_holes()

    def __repr__(self) -> str:
        rows = ", ".join(f"{table.num_rows:,} of {channel}" for channel, table in self.tables.items())
        return f"<Stored rows: {rows or 'none'}>"

    def __len__(self) -> int:
        return sum(table.num_rows for table in self.tables.values())


def load(
    path: str | Path,
    exchange: str | None = None,
    symbol: str | Iterable[str | None] | None = None,
    channel: str | Iterable[str] | None = None,
    start: Moment | None = None,
    end: Moment | None = None,
    *,
    flat: bool = False,
    sort: Order = "ordinal",
    holes: Literal["ignore", "raise"] = "ignore",
) -> Stored:
    """Read stored data back: without duplicates by key, also what a run is writing just now.

    All of it is held in memory.

    Args:
        path: What a ``parquet`` or ``jsonl`` sink writes to: a directory, or one file.
        exchange: Its id; ``None``: all.
        symbol: One or more of our symbols, ``None`` among them: events of none; ``None``: all.
        channel: One or more, e.g. ``"trades"``; ``None``: all.
        start: From this ``ts_recv`` on.
        end: Up to, without, this ``ts_recv``.
        flat: One row a level of a book, with ``side``, ``level`` (0 is the first that was sent), ``price``, ``size``;
            an event without levels has none.
        sort: ``ordinal``: as it was received, run after run. ``event``: by ``ts_event`` (where there is none
            ``ts_recv``), then ``sequence``: trades that were fetched later stand in their place.
        holes: ``raise``: refuse data in which something is known to be missing.

    Raises:
        ConfigError: There is nothing stored there, or pyarrow is not installed.
        DataError: A file cannot be understood; with ``holes="raise"``: something is missing.
    """
    symbols, channels = _names(symbol), [_channel(name) for name in _names(channel) or ()]
    wanted = Wanted(
        exchange,
        None if symbols is None else frozenset(symbols),
        frozenset(channels) if channels else None,
        nanos_of(start),
        nanos_of(end),
    )
    tables, numbers = _tables(Path(path).expanduser(), wanted, sort)
    frame = Stored(tables, numbers, flat, sort, channels, lambda: _holes(Path(path).expanduser(), wanted))
    if holes == "raise" and frame.holes:
        shown = "; ".join(map(_words, frame.holes[:_SHOWN])) + (" …" if len(frame.holes) > _SHOWN else "")
        raise DataError(
            f"{counted(len(frame.holes), 'hole')}: {shown}", hint="load(..., holes='ignore') reads what there is"
        )
    return frame


def _tables(path: Path, wanted: Wanted, order: Order) -> tuple[dict[Channel, Any], dict[Channel, Numbers]]:
    tables: dict[Channel, Any] = {}
    numbers: dict[Channel, Numbers] = {}
    for (channel, kind), pieces in sorted(read_tables(path, wanted).items()):
        if channel in tables:
            raise ConfigError(
                f"{channel} was stored with floats, and with decimals", hint="load them apart: narrow what you ask for"
            )
        whole = arrow().concat_tables(pieces, promote_options="default")
        tables[channel], numbers[channel] = in_order(without_repeats(whole), order), kind
    return tables, numbers


def _holes(path: Path, wanted: Wanted) -> list[StoredHole]:
    # what was told before, or came to be known later, counts too
    symbols = None if wanted.symbols is None else wanted.symbols | {None}
    quality = Wanted(wanted.exchange, symbols, frozenset({Channel.QUALITY}))
    tables, numbers = _tables(path, quality, "ordinal")
    records = (record for channel, table in tables.items() for record in records_of(table, channel, numbers[channel]))
    return [
        hole
        for hole in holes_of(records)
        if hole.overlaps(wanted.start, wanted.end) and (hole.channel is None or wanted.takes_channel(hole.channel))
    ]


def _words(hole: StoredHole) -> str:
    what = " ".join(filter(None, (hole.exchange, hole.symbol, hole.channel)))
    return f"{what} {_text(hole.start)} to {'now' if hole.end is None else _text(hole.end)}: {hole.cause}"


def _by_ordinal(record: Record) -> tuple[str, int]:
    return record.run_id, record.ordinal


def _by_time(record: Record) -> Nanos:
    event = record.event
    return event.ts_recv if event.ts_event is None else event.ts_event


def _names(names: str | Iterable[T] | None) -> list[str | T] | None:
    return [names] if isinstance(names, str) else None if names is None else list(names)


def _channel(name: str) -> Channel:
    return ChannelRequest.parse(name).channel


def nanos_of(moment: Moment | None) -> Nanos | None:
    """Turn a moment into nanoseconds; ``None`` stays ``None``.

    Raises:
        ConfigError: It is none.
    """
    if moment is None or isinstance(moment, int):
        return moment
    try:
        when = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    except ValueError:
        raise ConfigError(f"{moment!r} is no moment", hint="write 2026-11-21T14:00, UTC, or nanoseconds") from None
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
    whole = when - datetime(1970, 1, 1, tzinfo=UTC)
    return (whole.days * 86_400 + whole.seconds) * 1_000_000_000 + whole.microseconds * 1_000


def _text(moment: Nanos) -> str:
    return datetime.fromtimestamp(moment // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _installed(library: str) -> Any:
    try:
        return import_module(library)
    except ImportError as error:
        raise ConfigError(f"{library} cannot be imported: {error}", hint=f"pip install {library}") from error
