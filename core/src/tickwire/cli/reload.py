"""``tickwire reload``: have a running process read its config again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tickwire.cli.run_files import RunningProcess

__all__ = ["reload"]

_ANSWERS_WITHIN = 20.0
_LOOK_EVERY = 0.05


def reload(
    target: Annotated[
        str | None,
        typer.Argument(metavar="[PID or CONFIG]", help="Which; not needed if only one runs.", show_default=False),
    ] = None,
) -> None:
    """Make a running tickwire read its config again. It takes over the difference, or refuses as a whole and says why.

    Example: tickwire reload night.yaml
    """
    import os
    import signal

    from tickwire.cli.run_files import running_processes
    from tickwire.model.errors import ConfigError, TickwireError

    number = getattr(signal, "SIGHUP", None)
    if number is None:
        raise TickwireError("this system has no SIGHUP", hint="restart the process")
    process = _chosen(target, running_processes())
    os.kill(process.pid, number)
    answer = _answer(process)
    if answer is None:
        raise TickwireError(f"process {process.pid} does not answer", hint="its own log says more")
    if answer.refusal is not None:
        raise ConfigError(f"process {process.pid} refused, and runs on as before: {answer.refusal}", hint="")
    for line in answer.changes or ():
        print(line)


def _chosen(target: str | None, running: list[RunningProcess]) -> RunningProcess:
    from tickwire.model.errors import ConfigError

    what = "no tickwire is running"
    found = running
    if target is not None and target.isdigit():
        found = [process for process in running if process.pid == int(target)]
        what = f"process {target} is no running tickwire of yours"
    elif target is not None:
        path = str(Path(target).resolve())
        found = [process for process in running if process.config == path]
        what = f"no tickwire is running {target}"
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{process.pid} ({process.config})" for process in found or running)
    if found:
        raise ConfigError(f"{len(found)} are running", hint=f"name one of {known}")
    raise ConfigError(what, hint=f"running: {known}" if known else "start one: tickwire run CONFIG")


def _answer(process: RunningProcess) -> RunningProcess | None:
    import time

    from tickwire.cli.run_files import running_processes

    until = time.monotonic() + _ANSWERS_WITHIN
    while time.monotonic() < until:
        time.sleep(_LOOK_EVERY)
        now = next((one for one in running_processes() if one.pid == process.pid), None)
        if now is None or now.reloads > process.reloads:
            return now
    return None
