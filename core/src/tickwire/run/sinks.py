"""Core's own sinks, declared as any plugin declares its own."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from tickwire.model.errors import ConfigError
from tickwire.plugin.hookspecs import hookimpl
from tickwire.plugin.info import SinkInfo

__all__ = ["CallbackOptions", "ConsoleOptions", "JsonLinesOptions"]


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
    """

    path: str

    def __attrs_post_init__(self) -> None:
        if not self.path or "\0" in self.path:
            raise ConfigError("path is no path", hint="write a file or a directory")


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


@hookimpl
def tickwire_sinks() -> Iterable[SinkInfo]:
    """Declare the console, JSON Lines and callbacks."""
    here = "tickwire.run.sink"
    return [
        SinkInfo("console", ConsoleOptions, f"{here}_console:ConsoleSink", "lines for people, or JSON, on stdout"),
        SinkInfo(
            "jsonl", JsonLinesOptions, f"{here}_jsonl:JsonLinesSink", "one JSON line an event, appended to a file"
        ),
        SinkInfo(
            "callback", CallbackOptions, f"{here}_callback:CallbackSink", "a function of yours, called with each event"
        ),
    ]
