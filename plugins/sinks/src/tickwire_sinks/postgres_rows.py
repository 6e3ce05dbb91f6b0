"""Rows of the tables read back into the events that they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tickwire import DecodeError, Event, StoredEvent

__all__ = ["event_of"]

_SIDES = {"bids": "bid", "asks": "ask"}
_JSON = ("instrument", "before")


def event_of(table: str, row: Mapping[str, Any]) -> Event:
    """Make the event of a row, numbers as floats.

    Args:
        table: The table it comes from, e.g. ``trade``, which is the event's ``type``.
        row: Its columns by name, as ``asyncpg`` gives them; those that are not the event's own are passed over.

    Raises:
        DecodeError: It is no row of such a table.
    """
    found: dict[str, Any] = {"type": table, **row}
    for field, side in _SIDES.items():
        if isinstance(found.get(f"{side}_price"), list):
            found[field] = list(zip(found[f"{side}_price"], found[f"{side}_size"], strict=True))
    for field in _JSON:
        if isinstance(found.get(field), str):
            found[field] = msgspec.json.decode(found[field])
    try:
        event: Event = msgspec.convert(found, StoredEvent, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        raise DecodeError(f"no row of table {table!r}: {error}") from error
    return event
