"""Lengths of time: ``250ms``, ``5s``, ``15m``, ``24h``, ``7d``; a bare number is seconds."""

from __future__ import annotations

import math
import re
from typing import NewType

from tickwire.model.errors import ConfigError
from tickwire.run.scalars import shown

__all__ = ["Duration", "duration_text", "parse_duration"]

Duration = NewType("Duration", float)
"""Seconds, above zero; a field of this type is written as a duration in a config."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "": 1.0}
_TEXT = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*(ms|s|m|h|d|)", re.ASCII)


def parse_duration(value: object) -> Duration:
    """Read a duration.

    Raises:
        ConfigError: It is no duration, or not above zero.
    """
    seconds = _seconds(value)
    if seconds is None or not (math.isfinite(seconds) and seconds > 0):
        raise ConfigError(
            f"{shown(value)} is not a duration", hint="write 250ms, 5s, 15m, 24h or 7d; a number is seconds"
        )
    return Duration(seconds)


def duration_text(seconds: float) -> str:
    """Write a duration as one would in a config: ``15m``, ``90s``, ``250ms``."""
    for unit in ("d", "h", "m", "s"):
        if seconds >= _UNITS[unit] and seconds % _UNITS[unit] == 0:
            return f"{seconds / _UNITS[unit]:g}{unit}"
    return f"{seconds:.10g}s" if seconds >= 1 else f"{seconds * 1000:.10g}ms"


def _seconds(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) < 1e15 else None
    match = _TEXT.fullmatch(value.strip()) if isinstance(value, str) else None
    return float(match[1]) * _UNITS[match[2]] if match else None
