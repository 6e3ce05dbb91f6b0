"""Calls a function of the user's with each event."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from operator import attrgetter
from typing import Any

from tickwire.model.errors import ConfigError, RecordsRefusedError
from tickwire.model.stored import Record
from tickwire.run.sinks import CallbackOptions

__all__ = ["CallbackSink", "imported"]


class CallbackSink:
    """Calls ``module:function`` with each event; one that raises does not keep the next from being called."""

    def __init__(self, options: CallbackOptions) -> None:
        """Import the function.

        Raises:
            ConfigError: There is no such module or function, or importing it fails.
        """
        self._name = options.call
        self._function = imported(options.call)

    async def open(self) -> None:
        """Nothing to do."""

    async def write(self, records: Sequence[Record]) -> None:
        """Call the function for each record's event, in order; awaits it where it is ``async``.

        Raises:
            RecordsRefusedError: It raised, for at least one; the others were called all the same.
        """
        errors: list[Exception] = []
        indices: list[int] = []
        for index, record in enumerate(records):
            try:
                answer = self._function(record.event)
                if inspect.isawaitable(answer):
                    await answer
            except Exception as error:  # whatever the user's function raises is the user's to read
                errors.append(error)
                indices.append(index)
        if errors:
            first = errors[0]
            raise RecordsRefusedError(
                f"{self._name} raised {type(first).__name__}: {first} ({len(errors)} of {len(records)} events)",
                indices=indices,
            ) from first

    async def close(self) -> None:
        """Nothing to do."""


def imported(call: str) -> Callable[[Any], Any]:
    """Import ``module:function``, from the working directory too.

    Raises:
        ConfigError: There is no such module or function, or importing it fails.
    """
    module, _, function = call.partition(":")
    # a script's neighbours can be imported, those of an installed command cannot
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())
    try:
        found = attrgetter(function)(import_module(module))
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"cannot import {call!r}: {error}", hint="write module:function", path="call") from error
    except Exception as error:  # a module's own code may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"importing {module!r} raised {reason}", hint="correct that module", path="call") from error
    if not callable(found):
        raise ConfigError(f"{call!r} is a {type(found).__name__}", hint="name a function", path="call")
    return found  # type: ignore[no-any-return]
