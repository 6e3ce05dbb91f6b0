"""Runs a configuration from a terminal: header, signals, summary. All of it on stderr; stdout is for events."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

from tickwire.cli.loop import run_loop
from tickwire.model.errors import ConfigError
from tickwire.plugin.registry import Registry
from tickwire.run.arguments import network_of
from tickwire.run.durations import parse_duration
from tickwire.run.runner import Runner
from tickwire.run.settings import Config, ExchangeConfig

__all__ = ["duration_of", "run_config"]


def run_config(config: Config, duration: float | None = None) -> None:
    """Run until Ctrl-C, SIGTERM, a closed pipe, the duration's end, or an error.

    Args:
        config: What to run.
        duration: Seconds; ``None``: without end.

    Raises:
        TickwireError: What ended it; the summary was printed before.
        typer.Exit: A sink failed, which the summary says.
    """
    registry = Registry.discover()
    runner = Runner(config, registry, say=say)
    for entry, feed in zip(config.exchanges, runner.feeds, strict=True):
        say(_header(entry, registry, feed.wiring.plugin))
    try:
        run_loop(_run(runner, duration))
    finally:
        report = runner.report()
        for sink, failure in report.failures.items():
            say(
                f"sink {sink}: {failure.first} ({failure.batches} times, at most {failure.events:,} events not written)"
            )
        if report.events or sys.exception() is None:
            say(str(report))
        _silence_broken_stdout()
    if report.failures:
        raise typer.Exit(1)


def say(line: str) -> None:
    """Print a line for the person at the terminal."""
    print(line, file=sys.stderr, flush=True)


def duration_of(text: str | None) -> float | None:
    """Read ``--duration``.

    Raises:
        typer.BadParameter: It is no duration.
    """
    try:
        return None if text is None else parse_duration(text)
    except ConfigError as error:
        raise typer.BadParameter(str(error), param_hint="--duration") from error


async def _run(runner: Runner, duration: float | None) -> None:
    stop = asyncio.Event()
    with _signals(stop):
        await runner.run(stop, duration)


@contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    before: dict[signal.Signals, Any] = {}

    def ask_to_stop(number: int, _: object) -> None:
        # the second one kills: whoever presses Ctrl-C twice does not want to wait for a flush
        signal.signal(number, signal.SIG_DFL)
        if number == signal.SIGINT and sys.stderr.isatty():
            os.write(sys.stderr.fileno(), b"\n")  # the terminal wrote ^C
        loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, ask_to_stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _header(entry: ExchangeConfig, registry: Registry, plugin: str) -> str:
    record = registry.loaded(plugin)
    info = next(info for info in record.exchanges if info.id == entry.exchange)
    streams = dict.fromkeys(
        (info.channels[request.channel].shares or request.channel, request.interval) for request in entry.channels
    )
    sockets = Counter(info.channels[channel].socket for channel, _ in streams)
    hosts = network_of(info, entry.endpoints.rest, entry.endpoints.websocket).websocket
    urls = ", ".join(dict.fromkeys(hosts[socket][0] for socket in sockets))
    subscriptions = len(entry.symbols) * len(entry.channels)
    connections = sum(
        -(-count * len(entry.symbols) // (info.sockets[socket].max_streams or sys.maxsize))
        for socket, count in sockets.items()
    )
    return (
        f"{entry.name}: plugin {record.distribution} {record.version} ({info.tier}), {urls}, "
        f"{_counted(subscriptions, 'subscription')} on {_counted(connections, 'connection')}"
    )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _silence_broken_stdout() -> None:
    # else the interpreter complains at its end about a pipe that the reader closed
    flush: Callable[[], None] = sys.stdout.flush
    try:
        flush()
    except (BrokenPipeError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
