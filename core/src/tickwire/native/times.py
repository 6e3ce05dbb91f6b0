"""Times written as text, which msgspec would read as ``datetime``: slower, to the microsecond, and without bounds."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import overload

from tickwire.model.clock import Nanos
from tickwire.model.errors import DecodeError

__all__ = ["rfc3339_nanos"]

_FROM, _TO = datetime(2009, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_SECOND: Nanos = 1_000_000_000
# ns that the last of so many digits stands for
_UNITS: tuple[int, ...] = tuple(10 ** (9 - digits) for digits in range(10))


@overload
def rfc3339_nanos(text: str) -> Nanos: ...
@overload
def rfc3339_nanos(text: str | None) -> Nanos | None: ...
def rfc3339_nanos(text: str | None) -> Nanos | None:
    """Turn ``2023-10-04T16:26:30.524394914Z`` into nanoseconds; any number of digits, and offsets such as ``+02:00``.

    ``None``, where a frame has no time, stays ``None``.

    Raises:
        DecodeError: It is not such a text, or not between 2009 and 2100.
    """
    if text is None:
        return None
    if text[-1:] == "Z":
        zone, fraction = "+00:00", text[19:-1]
    else:
        zone, fraction = text[-6:], text[19:-6]
    seconds = _seconds(text[:19], zone)
    if not fraction:
        return seconds
    digits = fraction[1:10]
    if fraction[0] != "." or not (fraction.isascii() and fraction[1:].isdecimal()):
        raise DecodeError(f"a time was expected, found {text!r}")
    return seconds + int(digits) * _UNITS[len(digits)]


@lru_cache(maxsize=256)
def _seconds(text: str, zone: str) -> Nanos:
    # as good as all frames of a second write it alike
    try:
        moment = datetime.strptime(f"{text}{zone}", "%Y-%m-%dT%H:%M:%S%z")
    except ValueError as error:
        raise DecodeError(f"a time was expected, found {text!r}") from error
    if not _FROM <= moment < _TO:
        raise DecodeError(f"a time between 2009 and 2100 was expected, found {text!r}")
    return int(moment.timestamp()) * _SECOND
