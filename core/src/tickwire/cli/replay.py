"""``tickwire replay``: a capture through the same feeds again, into any sinks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tickwire.plugin.registry import Registry
    from tickwire.record.replay import Replay
    from tickwire.run.settings import Config, SinkConfig

__all__ = ["replay"]

_TO = "console, jsonl:FILE, TYPE:key=value,…, or a config file for its sinks; repeatable."


def replay(
    captured: Annotated[Path, typer.Argument(metavar="DIR", help="What tickwire record wrote.", show_default=False)],
    speed: Annotated[str, typer.Option(help="1: as fast as it was, 10: ten times that, max.")] = "max",
    to: Annotated[list[str] | None, typer.Option(help=_TO, show_default="JSON lines on stdout")] = None,
    run: Annotated[str | None, typer.Option(help="Which run, where there are several.", show_default=False)] = None,
    config: Annotated[
        Path | None, typer.Option(help="Instead of the config in the capture.", show_default=False)
    ] = None,
    from_: Annotated[
        str, typer.Option("--from", help="Who wrote it: tickwire or cryptofeed.", show_default=False)
    ] = "tickwire",
    exchange: Annotated[str | None, typer.Option(help="Of a capture of cryptofeed's.", show_default=False)] = None,
) -> None:
    """Replay a capture: the same events as then, to the byte, each time.

    Example: tickwire replay captures --to jsonl:again.jsonl
    """
    from tickwire.cli.loop import run_loop
    from tickwire.cli.running import say, signals_to, silence_broken_stdout
    from tickwire.cli.sink_specs import sinks_of
    from tickwire.plugin.registry import Registry
    from tickwire.run.settings import SinkConfig

    registry = Registry.discover()
    sinks = sinks_of(to, registry) if to else [SinkConfig("console", "console", options={"json": True})]
    pace = _speed(speed)
    loaded = None if config is None else _config(config)
    if from_ == "tickwire":
        one = _own(captured, run, loaded, sinks, pace, registry)
    elif from_ == "cryptofeed":
        one = _cryptofeeds(captured, exchange, loaded, sinks, pace, registry)
    else:
        raise typer.BadParameter("write tickwire or cryptofeed", param_hint="--from")

    async def main() -> None:
        import asyncio

        stop = asyncio.Event()
        with signals_to(stop):
            await one.run(stop)

    try:
        run_loop(main(), is_plain=True)
    finally:
        report = one.runner.report()
        for name, failure in report.failures.items():
            say(f"sink {name}: {failure}")
        say(str(report))
        for line in one.remarks():
            say(line)
        silence_broken_stdout()
    if report.has_lost:
        raise typer.Exit(1)


def _own(
    path: Path,
    run_id: str | None,
    config: Config | None,
    sinks: list[SinkConfig],
    speed: float | None,
    registry: Registry,
) -> Replay:
    from tickwire.cli.running import say
    from tickwire.record.reading import open_capture
    from tickwire.record.replay import Replay

    return Replay(open_capture(path, run_id), config=config, sinks=sinks, speed=speed, registry=registry, say=say)


def _cryptofeeds(
    path: Path,
    exchange: str | None,
    config: Config | None,
    sinks: list[SinkConfig],
    speed: float | None,
    registry: Registry,
) -> Replay:
    from tickwire.cli.running import say
    from tickwire.record.cryptofeed import read_cryptofeed
    from tickwire.record.replay import Replay

    if exchange is None and config is None:
        raise typer.BadParameter("say which exchange it comes from, by its id", param_hint="--exchange")
    found = read_cryptofeed(path, exchange, config, registry)
    return Replay(found.run, config=found.config, sinks=sinks, speed=speed, registry=registry, say=say)


def _config(path: Path) -> Config:
    from tickwire.run.config import load_config

    return load_config(path)


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0 < speed < 1e9:
        raise typer.BadParameter("write 1, 10, or max", param_hint="--speed")
    return speed
