"""The form of spilled records: frames of length, checksum and MessagePack, in which floats and decimals stay exact."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

from tickwire.model import quality
from tickwire.model.account import Balance, Fill, OrderUpdate, Position
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
from tickwire.model.stored import Record, StoredEvent

__all__ = ["FRAME", "HEAD", "framed", "unframed"]

HEAD = b"tickwire spill 1\n"
"""Begins every file; the number goes up when the form changes."""
FRAME = struct.Struct("<II")
"""Begins every frame: the length of what follows, and its CRC-32."""

_DecimalEvent: TypeAlias = (
    Trade[Decimal] | BookSnapshot[Decimal] | BookDelta[Decimal] | Quote[Decimal] | Ticker[Decimal] | Candle[Decimal]
    | Funding[Decimal] | MarkPrice[Decimal] | OpenInterest[Decimal] | Liquidation[Decimal]
    | OrderUpdate[Decimal] | Fill[Decimal] | Balance[Decimal] | Position[Decimal] | quality.Watermark
)  # fmt: skip


class _Spilled(msgspec.Struct, array_like=True):
    event: StoredEvent
    run_id: str
    ordinal: int
    key: str


class _SpilledDecimal(msgspec.Struct, array_like=True):
    event: _DecimalEvent
    run_id: str
    ordinal: int
    key: str


_encode = msgspec.msgpack.Encoder(decimal_format="string").encode
_decoders: list[msgspec.msgpack.Decoder[Any]] = []  # made at first use: building them takes a millisecond


def framed(record: Record) -> bytes:
    """Write one record as a frame.

    Raises:
        ValueError, TypeError, OverflowError: It holds what no event may hold.
    """
    payload = _encode((record.event, record.run_id, record.ordinal, record.key))
    return FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def unframed(data: bytes) -> Iterator[tuple[int, Record | None]]:
    """Read frames until their end, or until one is torn or damaged.

    Yields:
        Where the frame ends in ``data``, and its record; ``None``: it is whole, and no record that this tickwire knows.
    """
    place = 0
    while place + FRAME.size <= len(data):
        length, checksum = FRAME.unpack_from(data, place)
        payload = data[place + FRAME.size : place + FRAME.size + length]
        if len(payload) < length or zlib.crc32(payload) != checksum:
            return
        place += FRAME.size + length
        yield place, _record(payload)


def _record(payload: bytes) -> Record | None:
    if not _decoders:
        _decoders.extend(msgspec.msgpack.Decoder(form) for form in (_Spilled, _SpilledDecimal))
    floats, decimals = _decoders
    try:
        # a decimal is text there, which is no float
        found = floats.decode(payload)
    except msgspec.ValidationError:
        try:
            found = decimals.decode(payload)
        except msgspec.DecodeError:
            return None
    return Record(found.event, found.run_id, found.ordinal, found.key)
