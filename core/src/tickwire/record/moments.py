"""Moments as people write and read them, in UTC: ``14:00``, ``2026-11-21T14:00``, ``-1h``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from tickwire.model.clock import Nanos
from tickwire.model.errors import ConfigError
from tickwire.run.durations import parse_duration

__all__ = ["day_text", "moment_text", "parse_moment", "span_words"]

_SECOND = 1_000_000_000
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?", re.ASCII)
_HINT = "write 14:00, 2026-11-21T14:00, -1h or now; times are UTC"


def parse_moment(text: str, now: Nanos) -> Nanos:
    """Read a moment.

    Args:
        text: A time of the day (the last one there was), a date, both with ``T`` or a blank between them, a duration
            ago (``-90m``), ``now``, or ns since 1970.
        now: What is now.

    Raises:
        ConfigError: It is none.
    """
    said = text.strip()
    if said == "now":
        return now
    if said.isdigit() and len(said) > 15:
        return int(said)
    if said.startswith("-"):
        try:
            return now - round(parse_duration(said[1:]) * _SECOND)
        except ConfigError as error:
            raise ConfigError(f"{text!r} is not a moment", hint=_HINT) from error
    if (time := _TIME.fullmatch(said)) is not None:
        today = now // (86_400 * _SECOND) * 86_400 * _SECOND
        at = today + _of_day(time, text)
        return at if at <= now else at - 86_400 * _SECOND
    day, _, rest = said.rstrip("Zz").replace("T", " ").partition(" ")
    time = _TIME.fullmatch(rest.strip() or "00:00")
    try:
        begin = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        time = None
    if time is None:
        raise ConfigError(f"{text!r} is not a moment", hint=_HINT)
    return round((begin - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)) * _SECOND + _of_day(time, text)


def _of_day(time: re.Match[str], text: str) -> Nanos:
    hour, minute, second = (int(part or 0) for part in time.group(1, 2, 3))
    is_end = (hour, minute, second) == (24, 0, 0)
    if minute > 59 or second > 59 or (hour > 23 and not is_end):
        raise ConfigError(f"{text!r} is not a moment", hint=_HINT)
    return (hour * 3600 + minute * 60 + second) * _SECOND + int((time[4] or "0").ljust(9, "0"))


def moment_text(ns: Nanos, digits: int = 0) -> str:
    """Write the time of the day, with so many digits of a second: ``14:21:07.1``."""
    whole, part = divmod(ns, _SECOND)
    text = f"{datetime.fromtimestamp(whole, UTC):%H:%M:%S}"
    return f"{text}.{part:09d}"[: len(text) + 1 + digits] if digits else text


def day_text(ns: Nanos) -> str:
    """Write the day: ``2026-11-21``."""
    return f"{datetime.fromtimestamp(ns // _SECOND, UTC):%Y-%m-%d}"


def span_words(start: Nanos, end: Nanos) -> str:
    """Write from when until when, the day once where it is the same: ``2026-11-21 14:00–15:00``."""
    begin, until = _short(start), _short(end)
    is_one_day = day_text(start) == day_text(end)
    return (
        f"{day_text(start)} {begin}–{until}" if is_one_day else f"{day_text(start)} {begin} – {day_text(end)} {until}"
    )


def _short(ns: Nanos) -> str:
    return moment_text(ns).removesuffix(":00") if ns % (60 * _SECOND) == 0 else moment_text(ns)
