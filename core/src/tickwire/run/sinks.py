"""Core's own sinks, declared as any plugin declares its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import attrs

from tickwire.model.errors import ConfigError
from tickwire.plugin.hookspecs import hookimpl
from tickwire.plugin.info import SinkInfo
from tickwire.run.durations import Duration, duration_text

__all__ = ["CallbackOptions", "ConsoleOptions", "JsonLinesOptions", "ParquetOptions"]

_QUARTER = Duration(900.0)
_DAY = 86_400.0


@attrs.frozen
class ConsoleOptions:
    """Settings of the console.

    Attributes:
        json: Print every event as a JSON line instead of a line for people.
    """

    json: bool = False


@attrs.frozen
class JsonLinesOptions:
    """Settings of a JSON Lines sink.

    Attributes:
        path: A file (its name has an ending, e.g. ``data/events.jsonl``), or a directory, which gets ``events.jsonl``.
        compress: Write zstd frames, one a batch; the file's name gets the ending ``.zst``.
        rotate: Begin a file for each such stretch of time, counted from midnight UTC; its name gets when it begins.
    """

    path: str
    compress: Literal["zstd"] | None = None
    rotate: Duration | None = None

    def __attrs_post_init__(self) -> None:
        _check_path(self.path, "write a file or a directory")
        if self.rotate is not None:
            _check_rotate(self.rotate)


@attrs.frozen
class ParquetOptions:
    """Settings of a Parquet sink.

    Attributes:
        path: The directory.
        rotate: How long a stretch of time one file holds; windows are counted from midnight UTC.
        level: Of zstd's compression, 1 (fast) to 22 (small).
    """

    path: str
    rotate: Duration = _QUARTER
    level: int = 3

    def __attrs_post_init__(self) -> None:
        _check_path(self.path, "write a directory")
        _check_rotate(self.rotate)
        if not 1 <= self.level <= 22:
            raise ConfigError(f"level is {self.level}", hint="write 1 to 22")


@attrs.frozen
class CallbackOptions:
    """Settings of a callback.

    Attributes:
        call: ``module:function``; called with each event, may be ``async``.
    """

    call: str

    def __attrs_post_init__(self) -> None:
        module, _, function = self.call.partition(":")
        if not module or not function:
            raise ConfigError(f"call is {self.call!r}", hint="write module:function")


def _check_path(path: str, hint: str) -> None:
    if not path or "\0" in path:
        raise ConfigError("path is no path", hint=hint)


def _check_rotate(rotate: Duration) -> None:
    if not 1 <= rotate <= _DAY:
        raise ConfigError(f"rotate is {duration_text(rotate)}", hint="write 1s to 24h, e.g. 15m")


@hookimpl
def tickwire_sinks() -> Iterable[SinkInfo]:
    """Declare the console, JSON Lines, Parquet and callbacks."""
    here = "tickwire.run.sink"
    return [
        SinkInfo("console", ConsoleOptions, f"{here}_console:ConsoleSink", "lines for people, or JSON, on stdout"),
        SinkInfo(
            "jsonl", JsonLinesOptions, f"{here}_jsonl:JsonLinesSink", "one JSON line an event, appended to a file"
        ),
        SinkInfo(
            "parquet",
            ParquetOptions,
            f"{here}_parquet:ParquetSink",
            "Parquet by exchange, channel, day and symbol",
        ),
        SinkInfo(
            "callback", CallbackOptions, f"{here}_callback:CallbackSink", "a function of yours, called with each event"
        ),
    ]
