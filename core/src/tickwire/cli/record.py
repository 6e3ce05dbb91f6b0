"""``tickwire record``: a config file, and everything that passes between its feeds and their exchanges on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tickwire.cli.run import SET_HELP

if TYPE_CHECKING:
    from tickwire.run.settings import Config

__all__ = ["record"]


def record(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML or TOML file.", show_default=False)],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the capture goes.", show_default=False)],
    duration: Annotated[str | None, typer.Option("--for", help="Stop after 10s, 5m, 1h.", show_default=False)] = None,
    rotate_size: Annotated[int, typer.Option(help="Begin a new file after so many megabytes.")] = 256,
    rotate_time: Annotated[str, typer.Option(help="Begin a new file after 15m, 1h.")] = "1h",
    set_: Annotated[list[str] | None, typer.Option("--set", help=SET_HELP, show_default=False)] = None,
) -> None:
    """Run a config file and record: raw frames both ways, HTTP exchanges, connections. Its sinks go on as in a run.

    Example: tickwire record night.yaml --out captures --for 10m
    """
    from tickwire.cli.running import duration_of, run_config
    from tickwire.record.recording import Recording
    from tickwire.record.writer import CaptureOptions
    from tickwire.run.config import load_config

    seconds, rotate = duration_of(duration, "--for"), duration_of(rotate_time, "--rotate-time")
    if rotate_size < 1:
        raise typer.BadParameter("write 1 or more", param_hint="--rotate-size")
    loaded = _with_sinks(load_config(config, settings=set_ or ()))
    options = CaptureOptions(out.expanduser(), rotate_size * 1_000_000, rotate or CaptureOptions(out).rotate_time)
    recording = Recording(options, loaded)
    try:
        run_config(loaded, seconds, recording=recording)
    finally:
        recording.close()


# who only records does not want to see every event
def _with_sinks(config: Config) -> Config:
    import attrs

    from tickwire.record.replay import NOWHERE

    return config if config.sinks else attrs.evolve(config, sinks=(NOWHERE,))
