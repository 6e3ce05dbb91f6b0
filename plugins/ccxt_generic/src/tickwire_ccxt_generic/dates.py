"""ccxt's conversions between milliseconds and ISO 8601, remembered by the second.

ccxt converts the time of every frame, which takes it a quarter of the whole handling; nearly all frames of a second
differ in the fraction alone. What does not have the usual form goes ccxt's own way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

__all__ = ["remembered_iso8601", "remembered_parse8601"]

_SECONDS = 256
_MS = 1000
_usual = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}").fullmatch


def remembered_iso8601(own: Callable[[Any], Any]) -> Callable[..., Any]:
    """Give what answers as ccxt's ``iso8601`` does: ``1754903057554`` is ``2025-08-11T09:04:17.554Z``."""
    second = lru_cache(_SECONDS)(own)

    def iso8601(timestamp: Any = None) -> Any:
        if type(timestamp) is not int:
            return own(timestamp)
        whole = second(timestamp - timestamp % _MS)
        return whole and f"{whole[:-4]}{timestamp % _MS:03d}Z"

    return iso8601


def remembered_parse8601(own: Callable[[Any], Any]) -> Callable[..., Any]:
    """Give what answers as ccxt's ``parse8601`` does: digits below the millisecond are cut off."""

    @lru_cache(_SECONDS)
    def second(text: str) -> Any:
        return own(f"{text}Z") if _usual(text) else None

    def parse8601(timestamp: Any = None) -> Any:
        if type(timestamp) is str and timestamp[19:20] == "." and timestamp[-1] == "Z":
            fraction, whole = timestamp[20:-1], second(timestamp[:19])
            if whole is not None and fraction.isascii() and fraction.isdecimal():
                return whole + int(f"{fraction}00"[:3])
        return own(timestamp)

    return parse8601
