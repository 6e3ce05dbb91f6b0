"""Runs a configuration from a terminal: header, signals, summary. All of it on stderr; stdout is for events."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import typer

from tickwire.cli.logs import log_handler, use_handler
from tickwire.cli.loop import run_loop
from tickwire.cli.run_files import RunFile
from tickwire.feed.selectors import is_glob
from tickwire.model.counting import counted
from tickwire.model.errors import ConfigError, TickwireError
from tickwire.plugin.registry import Registry
from tickwire.run.durations import parse_duration
from tickwire.run.feed import Feed
from tickwire.run.instrument_cache import default_state
from tickwire.run.runner import Runner
from tickwire.run.settings import Config, ExchangeConfig

if TYPE_CHECKING:
    from tickwire.record.recording import Recording

__all__ = ["Again", "duration_of", "recording_named_by", "run_config", "say", "signals_to", "silence_broken_stdout"]


logger = logging.getLogger("tickwire.run")


@attrs.frozen
class Again:
    """How a running process takes its config over once more.

    Attributes:
        path: The file.
        read: Reads it; raises ``ConfigError``.
    """

    path: Path
    read: Callable[[], Config]


def run_config(
    config: Config, duration: float | None = None, again: Again | None = None, recording: Recording | None = None
) -> None:
    """Run until Ctrl-C, SIGTERM, a closed pipe, the duration's end, or an error.

    Args:
        config: What to run.
        duration: Seconds; ``None``: without end.
        again: Reads the config again at SIGHUP; ``None``: that signal ends the process, as usual.
        recording: Writes down what passes; by default where the config names the recorder.

    Raises:
        TickwireError: What ended it; the summary was printed before.
        typer.Exit: A sink failed, or the capture is not complete, which the summary says.
    """
    registry = Registry.discover()
    tell = _Sayer()
    recording = recording or recording_named_by(config)
    if recording is not None:
        config = recording.recorded(config)
        again = None if again is None else attrs.evolve(again, read=_recorded(again.read, recording))
    runner = Runner(config, registry, say=tell, state=default_state(), surroundings=recording)
    use_handler(log_handler(config.log, config.source))
    tell.is_json = config.log is not None and config.log.format == "json"
    for entry, feed in zip(config.exchanges, runner.feeds, strict=True):
        tell(_header(entry, registry, feed))
    if recording is not None:
        tell(f"recording run {recording.run_id} in {recording.folder}")
    try:
        run_loop(_run(runner, duration, again, tell, recording))
    finally:
        report = runner.report()
        for sink, failure in report.failures.items():
            say(f"sink {sink}: {failure}")
        if report.events or sys.exception() is None:
            say(str(report))
        if recording is not None:
            say(str(recording))
        silence_broken_stdout()
    if report.has_lost or (recording is not None and recording.writer.lost):
        raise typer.Exit(1)


def say(line: str) -> None:
    """Print a line for the person at the terminal."""
    print(line, file=sys.stderr, flush=True)


class _Sayer:
    """Prints a line for the person at the terminal; where logs are JSON, it is one of them."""

    is_json = False

    def __call__(self, line: str) -> None:
        if self.is_json:
            # told at any level: else there would be no word of a refused reload
            for handler in logging.getLogger().handlers:
                handler.handle(logger.makeRecord(logger.name, logging.INFO, "", 0, line, (), None))
        else:
            say(line)


def duration_of(text: str | None, option: str = "--duration") -> float | None:
    """Read ``--duration``.

    Raises:
        typer.BadParameter: It is no duration.
    """
    try:
        return None if text is None else parse_duration(text)
    except ConfigError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def recording_named_by(config: Config) -> Recording | None:
    """Begin to record where a config's entries name the recorder; ``None``: none does."""
    if not any("recorder" in entry.extensions for entry in config.exchanges):
        return None
    from tickwire.record.alone import recording_of

    return recording_of(config)


def _recorded(read: Callable[[], Config], recording: Recording) -> Callable[[], Config]:
    def read_again() -> Config:
        config = recording.recorded(read())
        recording.interrupted("the configuration was read again")
        return config

    return read_again


async def _run(
    runner: Runner, duration: float | None, again: Again | None, tell: _Sayer, recording: Recording | None
) -> None:
    stop, hup = asyncio.Event(), asyncio.Event()
    with ExitStack() as stack:
        stack.enter_context(signals_to(stop, hup if again is not None else None))
        reloading: asyncio.Task[None] | None = None
        if again is not None:
            file = stack.enter_context(RunFile.of(again.path, runner.config.name))
            reloading = asyncio.create_task(_reload(runner, again, hup, file, tell))
        try:
            await (runner if recording is None else recording.around(runner)).run(stop, duration)
        finally:
            if reloading is not None:
                reloading.cancel()
                await asyncio.wait([reloading])


async def _reload(runner: Runner, again: Again, hup: asyncio.Event, file: RunFile, tell: _Sayer) -> None:
    while True:
        await hup.wait()
        hup.clear()
        try:
            config = again.read()
            handler = log_handler(config.log, config.source)
            changes = await runner.reload(config)
            use_handler(handler)
            tell.is_json = config.log is not None and config.log.format == "json"
        except TickwireError as error:
            tell(f"reload refused, everything runs on as before: {error}")
            file.answer(None, str(error))
        except Exception as error:  # a task's outermost edge: whatever went wrong, the run goes on
            logger.exception("reload failed")
            file.answer(None, f"{type(error).__name__}: {error}")
        else:
            for line in changes.lines():
                tell(f"reload: {line}")
            file.answer(changes.lines(), None)


@contextmanager
def signals_to(stop: asyncio.Event, hup: asyncio.Event | None = None) -> Iterator[None]:
    """Set ``stop`` at Ctrl-C and SIGTERM, and ``hup`` at SIGHUP, while the block runs."""
    loop = asyncio.get_running_loop()
    before: dict[signal.Signals, Any] = {}
    was_terminal = sys.stderr.isatty()

    def ask_to_stop(number: int, _: object) -> None:
        # the second one kills: whoever presses Ctrl-C twice does not want to wait for a flush
        signal.signal(number, signal.SIG_DFL)
        if number == signal.SIGINT and sys.stderr.isatty():
            os.write(sys.stderr.fileno(), b"\n")  # the terminal wrote ^C
        loop.call_soon_threadsafe(stop.set)

    def ask_to_reload(*_: object) -> None:
        # the terminal was closed: nobody is there any more who would reload
        is_hung_up = was_terminal and not _is_there()
        loop.call_soon_threadsafe(stop.set if is_hung_up or hup is None else hup.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, ask_to_stop)
    if hup is not None and hasattr(signal, "SIGHUP"):
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, ask_to_reload)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_there() -> bool:
    try:
        os.tcgetpgrp(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return True


def _header(entry: ExchangeConfig, registry: Registry, feed: Feed) -> str:
    record = registry.loaded(feed.wiring.plugin)
    info = next(info for info in record.exchanges if info.id == entry.exchange)
    streams = dict.fromkeys(
        (info.channels[request.channel].shares or request.channel, request.interval) for request in entry.channels
    )
    sockets = Counter(info.channels[channel].socket for channel, _ in streams)
    hosts = feed.network.websocket
    urls = ", ".join(dict.fromkeys(hosts[socket][0] for socket in sockets))
    head = f"{entry.name}: plugin {record.distribution} {record.version} ({info.tier}), {urls}"
    if entry.proxy is not None:
        head += f" through {entry.proxy}"
    if any(is_glob(symbol) or symbol.startswith("!") for symbol in entry.symbols):
        return f"{head}, {counted(len(entry.symbols), 'selector')}, {counted(len(entry.channels), 'channel')}"
    subscriptions = len(entry.symbols) * len(entry.channels)
    connections = entry.connections * sum(
        -(-count * len(entry.symbols) // (info.sockets[socket].max_streams or sys.maxsize))
        for socket, count in sockets.items()
    )
    return f"{head}, {counted(subscriptions, 'subscription')} on {counted(connections, 'connection')}"


def silence_broken_stdout() -> None:
    """Point stdout to nowhere where its reader has closed it."""
    # else the interpreter complains at its end about a pipe that the reader closed
    flush: Callable[[], None] = sys.stdout.flush
    try:
        flush()
    except (BrokenPipeError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
