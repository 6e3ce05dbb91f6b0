"""``tickwire run``: a config file, until it is stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tickwire.run.settings import Config

__all__ = ["run"]

SET_HELP = "path=value, beats file and environment; repeatable."


def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML or TOML file.", show_default=False)],
    duration: Annotated[str | None, typer.Option(help="Stop after 10s, 5m, 1h.", show_default=False)] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help=SET_HELP, show_default=False)] = None,
    json: Annotated[bool, typer.Option("--json", help="Print events as JSON lines, beside the file's sinks.")] = False,
) -> None:
    """Run a config file until it is stopped: its exchanges into its sinks. SIGHUP makes it read the file again.

    Example: tickwire run night.yaml --duration 1h
    """
    from tickwire.cli.running import Again, duration_of, run_config
    from tickwire.run.config import load_config

    def read() -> Config:
        loaded = load_config(config, settings=set_ or ())
        return _with_json(loaded) if json else loaded

    run_config(read(), duration_of(duration), Again(config, read))


def _with_json(config: Config) -> Config:
    import attrs

    from tickwire.run.settings import SinkConfig

    others = tuple(sink for sink in config.sinks if sink.type != "console")
    return attrs.evolve(config, sinks=(*others, SinkConfig("console", "console", options={"json": True})))
