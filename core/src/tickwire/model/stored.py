"""The stored form of an event: its JSON line, which begins with type and schema, and its idempotency key.

``{"type":"trade","schema":1,"run_id":"01K…","ordinal":7,"key":"backpack/SOL-USDC/341399899","exchange":…}``. Numbers
never have an exponent, so ``float`` and ``Decimal`` runs of the same data write the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeAlias, get_args

import msgspec

from tickwire.model import quality
from tickwire.model.account import Balance, Fill, OrderUpdate, Position
from tickwire.model.clock import Nanos
from tickwire.model.errors import DecodeError
from tickwire.model.events import (
    BookDelta,
    BookSnapshot,
    Candle,
    Funding,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Quote,
    Ticker,
    Trade,
)
from tickwire.model.numbers import number_text
from tickwire.model.quality import Event

__all__ = [
    "SCHEMA", "KeyMaker", "Record", "StoredEvent", "decode_event", "decode_record", "encode_event", "encode_record",
    "encode_records",
]  # fmt: skip

SCHEMA = 1
"""Version of the stored form; goes up when a field changes its meaning."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """An event as a sink receives it.

    Attributes:
        event: The event.
        run_id: Start of the process, a ULID.
        ordinal: Strictly increasing per run over all feeds: the total order of what was seen.
        key: Equal for equal records, also across retries, replays and restarts.
    """

    event: Event
    run_id: str
    ordinal: int
    key: str


StoredEvent: TypeAlias = (
    Trade[float] | BookSnapshot[float] | BookDelta[float] | Quote[float] | Ticker[float] | Candle[float]
    | Funding[float] | MarkPrice[float] | OpenInterest[float] | Liquidation[float]
    | OrderUpdate[float] | Fill[float] | Balance[float] | Position[float]
    | quality.Subscribed | quality.Unsubscribed | quality.Watermark | quality.Gap | quality.Backfilled
    | quality.Resynced | quality.Stale | quality.Recovered | quality.Reconnected | quality.Dropped
    | quality.ListingChange | quality.Inexact
)  # fmt: skip
"""Every event that can be read back, numbers as floats."""


_MOMENTS = 64
"""How many moments of an instrument without trade ids are remembered; trades out of order lie closer than that."""


class KeyMaker:
    """Makes idempotency keys; remembers the equal trades of the last moments where an exchange gives no trade id."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._moments: dict[tuple[str, str], dict[Nanos, dict[str, int]]] = {}

    def key(self, event: Event, ordinal: int) -> str:
        """Give the key of an event.

        A trade has its id, else its time and values and how many equal ones came before. Everything else, and a trade
        with neither id nor time, which nothing could recognise again, has the run and the ordinal.
        """
        if not isinstance(event, Trade):
            return f"{self._run_id}/{ordinal}"
        if event.trade_id is not None:
            return f"{event.exchange}/{event.symbol}/{event.trade_id}"
        if event.ts_event is None:
            return f"{self._run_id}/{ordinal}"
        values = f"{number_text(event.price)}/{number_text(event.size)}/{event.taker_side}"
        moments = self._moments.setdefault((event.exchange, event.symbol), {})
        counts = moments.setdefault(event.ts_event, {})
        if len(moments) > _MOMENTS:
            del moments[next(iter(moments))]
        nth = counts[values] = counts.get(values, 0) + 1
        return f"{event.exchange}/{event.symbol}/{event.ts_event}/{values}/{nth}"


_encoder = msgspec.json.Encoder(decimal_format="number")
_text_encoder = msgspec.json.Encoder()
_MAYBE_EXPONENT = re.compile(rb"e[-+\d]")  # finds far more, and takes a fifth of the time where there is none
_EXPONENT = re.compile(rb"[:\[,]-?\d+(?:\.\d+)?[eE]")
_HEADS: dict[type, bytes] = {}


def _body(event: Event) -> bytes:
    if isinstance(event, quality.QualityEvent):
        return _text_encoder.encode(event)
    if type(event.ts_event) is not int and event.ts_event is not None:
        raise TypeError(f"ts_event is {event.ts_event!r}, not an int of nanoseconds")
    encoded = _encoder.encode(event)
    if (_MAYBE_EXPONENT.search(encoded) and _EXPONENT.search(encoded)) or has_decimals(event):
        return _encoder.encode(_written_out(event))
    return encoded


def has_decimals(event: Event) -> bool:
    """Tell whether an event's numbers are decimals; those of one event are all of one type."""
    if isinstance(event, Trade):
        return isinstance(event.price, Decimal)
    if isinstance(event, BookSnapshot | BookDelta):
        levels = event.bids or event.asks
        return bool(levels) and isinstance(levels[0][0], Decimal)
    return any(isinstance(getattr(event, name), Decimal) for name in event.__struct_fields__)


def _written_out(value: Any) -> Any:
    if isinstance(value, float | Decimal):
        return msgspec.Raw(number_text(value).encode())
    if isinstance(value, tuple | list):
        return [_written_out(item) for item in value]
    if isinstance(value, msgspec.Struct):
        tag = {"type": value.__struct_config__.tag}
        return tag | {name: _written_out(getattr(value, name)) for name in value.__struct_fields__}
    return value


def _head(event: Event) -> bytes:
    # every line begins with {"type":"<tag>", ; that much is replaced by the longer head
    head = _HEADS.get(type(event))
    if head is None:
        head = _HEADS[type(event)] = b'{"type":"%s",' % str(event.__struct_config__.tag).encode()
    return head


def encode_event(event: Event) -> bytes:
    """Write one event as a JSON line without the newline: ``{"type":…,"schema":…,"exchange":…}``."""
    head = _head(event)
    return b'%s"schema":%d,%s' % (head, SCHEMA, _body(event)[len(head) :])


def encode_record(record: Record) -> bytes:
    """Write one record as a JSON line without the newline; adds run id, ordinal and key."""
    head = _head(record.event)
    return b'%s"schema":%d,"run_id":"%s","ordinal":%d,"key":%s,%s' % (
        head, SCHEMA, record.run_id.encode(), record.ordinal, _encoder.encode(record.key),
        _body(record.event)[len(head) :],
    )  # fmt: skip


def encode_records(records: Sequence[Record]) -> bytes:
    """Write records as JSON lines, each with its newline: the bytes of ``encode_record``, several times as fast."""
    bodies = _encoder.encode_lines([record.event for record in records]).split(b"\n")
    keys = _encoder.encode_lines([record.key for record in records]).split(b"\n")
    run_id, heads, lines = "", dict[type, tuple[bytes, int]](), list[bytes]()
    for record, body, key in zip(records, bodies, keys, strict=False):  # both end in an empty line
        event = record.event
        kind = event.__class__
        if record.run_id != run_id:
            run_id, heads = record.run_id, {}
        head, skipped = heads.get(kind) or heads.setdefault(kind, _run_head(record))
        if not _PLAIN.get(kind, _is_plain)(event, body):
            body = _body(event)
        lines.append(b'%s%d,"key":%s,%s' % (head, record.ordinal, key, body[skipped:]))
    lines.append(b"")
    return b"\n".join(lines)


def _run_head(record: Record) -> tuple[bytes, int]:
    head = _head(record.event)
    return b'%s"schema":%d,"run_id":"%s","ordinal":' % (head, SCHEMA, record.run_id.encode()), len(head)


# Whether the encoder's own text is the stored form: no exponent, no decimal, times as they must be.
def _is_plain(event: Event, body: bytes) -> bool:
    moment = event.ts_event
    if (moment is not None and moment.__class__ is not int) or isinstance(event, quality.QualityEvent):
        return False
    return not _MAYBE_EXPONENT.search(body) and not has_decimals(event)


def _is_plain_trade(trade: Any, _: bytes) -> bool:
    price, size = trade.price, trade.size
    return (
        trade.ts_event.__class__ is int
        and price.__class__ is float
        and _LEAST <= price < _MOST
        and (_LEAST <= size < _MOST or size == 0)
    )


def _is_plain_delta(delta: Any, body: bytes) -> bool:
    if len(delta.bids) + len(delta.asks) > _FEW:
        return _is_plain(delta, body)
    for side in (delta.bids, delta.asks):
        for price, size in side:
            if price.__class__ is not float or not (_LEAST <= price < _MOST and (_LEAST <= size < _MOST or size == 0)):
                return False
    return delta.ts_event.__class__ is int


# the common kinds by their numbers, which takes a fifth of the time of a look at the text
_PLAIN: dict[type, Callable[[Any, bytes], bool]] = {Trade: _is_plain_trade, BookDelta: _is_plain_delta}
_FEW = 8
_LEAST, _MOST = 1e-5, 1e16  # below the one, and from the other on, the encoder writes an exponent


class _Header(msgspec.Struct):
    schema: int = SCHEMA


_header = msgspec.json.Decoder(_Header)
_decoder: msgspec.json.Decoder[StoredEvent] | None = None


def decode_event(line: bytes | str) -> StoredEvent:
    """Read back what ``encode_event`` or ``encode_record`` wrote.

    Raises:
        DecodeError: It is not a stored event, or of a later schema than this tickwire knows.
    """
    global _decoder  # made at first use: building it costs a millisecond that an import should not pay
    if _decoder is None:
        _decoder = msgspec.json.Decoder(StoredEvent)
    try:
        schema = _header.decode(line).schema
        if schema > SCHEMA:
            raise DecodeError(
                f"a stored event of schema {schema}; this tickwire reads up to {SCHEMA}: upgrade tickwire"
            )
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise DecodeError(f"not a stored event: {error}") from error


class _Place(msgspec.Struct):
    run_id: str
    ordinal: int
    key: str


_place = msgspec.json.Decoder(_Place)


def decode_record(line: bytes | str) -> Record:
    """Read back what ``encode_record`` wrote, numbers as floats.

    Raises:
        DecodeError: It is not a stored record, or of a later schema than this tickwire knows.
    """
    event = decode_event(line)
    try:
        place = _place.decode(line)
    except msgspec.DecodeError as error:
        raise DecodeError(f"not a stored record: {error}") from error
    return Record(event, place.run_id, place.ordinal, place.key)


def event_types() -> tuple[type, ...]:
    """Give every concrete event class."""
    return tuple(getattr(member, "__origin__", member) for member in get_args(StoredEvent))
