"""``tickwire plan``: what a config amounts to, before it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer

from tickwire.cli.run import SET_HELP

if TYPE_CHECKING:
    from tickwire.model.instruments import Instrument
    from tickwire.run.feed import Feed
    from tickwire.run.instrument_cache import CachedList, InstrumentCache
    from tickwire.run.planning import FeedPlan
    from tickwire.run.settings import Config, ExchangeConfig, SinkConfig

__all__ = ["plan"]

_HEAD = (
    "feed", "exchange", "instruments", "streams", "connections", "per connection", "snapshots", "weight",
    "complete after",
)  # fmt: skip
_NAMED = 8


def plan(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML or TOML file.", show_default=False)],
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask nobody: use the lists of instruments read before.")
    ] = False,
    set_: Annotated[list[str] | None, typer.Option("--set", help=SET_HELP, show_default=False)] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say what a config file amounts to. One request per exchange, for its list of instruments; nothing is started.

    Example: tickwire plan night.yaml --offline
    """
    import asyncio

    from tickwire.cli.layout import columns, print_json
    from tickwire.run.config import load_config

    loaded = load_config(config, settings=set_ or ())
    plans, understood = asyncio.run(_plans(loaded, offline))
    notes = [note for one in plans for note in one.notes]
    if json:
        print_json({"feeds": [_data(one) for one in plans], "understood": understood, "notes": notes})
        return
    print("\n".join(columns([_HEAD, *map(_row, plans)])))
    sinks = " · ".join(map(_sink_words, loaded.sinks)) or "console"
    said = [("sinks", sinks), *(("understood", line) for line in _symbol_lines(plans))]
    said += [("understood", f"{path}: {text}") for path, text in understood.items()]
    print("\n".join(columns([*said, *(("notes", note) for note in notes)])))


async def _plans(config: Config, is_offline: bool) -> tuple[list[FeedPlan], Mapping[str, str]]:
    from tickwire.plugin.registry import Registry
    from tickwire.run.assembling import placed
    from tickwire.run.instrument_cache import InstrumentCache, default_state
    from tickwire.run.known_lists import list_file
    from tickwire.run.planning import plan_feed
    from tickwire.run.runner import Runner

    registry = Registry.discover()
    runner = Runner(config, registry)  # makes every feed and sink: whatever is wrong is told now
    cache = InstrumentCache(config.state or default_state())
    lists: dict[Path, CachedList] = {}
    plans = []
    try:
        for entry, feed in zip(config.exchanges, runner.feeds, strict=True):
            file = list_file(cache, config, entry, registry)
            if file not in lists:
                read = _kept if is_offline else _asked
                lists[file] = await read(config, entry, feed, cache, file)
            found = lists[file]
            feed.instruments.replace(found.instruments)
            listed: Mapping[str, Instrument] = feed.instruments.symbols
            with placed(config, entry.path):
                plans.append(plan_feed(entry, feed.wiring, listed, found.known()))
    finally:
        for feed in runner.feeds:
            await feed.wiring.transport.close()
    sinks = {sink.path: registry.sinks[sink.type].options_type for sink in config.sinks}
    return plans, _durations(config, sinks)


async def _asked(config: Config, entry: ExchangeConfig, feed: Feed, cache: InstrumentCache, file: Path) -> CachedList:
    import time

    from tickwire.model.errors import RetryableError, TickwireError
    from tickwire.run.instrument_cache import CachedList

    try:
        instruments = list(await feed.requests().converse(feed.wiring.symbols.load()))
    except RetryableError as error:
        raise TickwireError(
            f"{entry.path}: {error.message}", hint="try again, or use the list read before: --offline"
        ) from error
    cache.write(file, entry.exchange, time.time_ns(), instruments)
    before = cache.read(file)
    return before or CachedList(1, entry.exchange, time.time_ns(), tuple(instruments))


async def _kept(config: Config, entry: ExchangeConfig, feed: Feed, cache: InstrumentCache, file: Path) -> CachedList:
    import time

    from tickwire.model.errors import TickwireError

    found = cache.read(file)
    hint = "run tickwire plan without --offline"
    if found is None:
        raise TickwireError(f"{entry.path}: the instruments of {entry.exchange} were never read", hint=hint)
    age = (time.time_ns() - found.ts_read) / 1e9
    if age > config.instruments.keep:
        days = age / 86_400
        raise TickwireError(f"{entry.path}: the instruments of {entry.exchange} are {days:.1f} days old", hint=hint)
    return found


def _row(one: FeedPlan) -> tuple[str, ...]:
    connections = " + ".join(
        f"{each.connections:,}" + (f" × {each.times}" if each.times > 1 else "") for each in one.connections
    )
    limits = " + ".join(
        "no limit known" if each.most is None else f"{-(-each.streams // each.connections):,} of {each.most:,}"
        for each in one.connections
    )
    weights = " + ".join(
        f"{each.weight:,.10g} / {each.budget:,.10g}" if each.budget else f"{each.weight:,.10g}, no limit known"
        for each in one.weights
    )
    return (
        one.feed,
        one.exchange,
        f"{one.instruments:,} of {one.listed:,}",
        f"{one.streams:,}",
        connections or "0",
        limits or "–",
        f"{one.snapshots:,}",
        weights or "–",
        f"~{max(1, round(one.seconds)):,} s" if one.streams else "–",
    )


def _data(one: FeedPlan) -> dict[str, Any]:
    return {**attrs.asdict(one), "streams": one.streams}


def _symbol_lines(plans: Sequence[FeedPlan]) -> Iterator[str]:
    for one in plans:
        named = ", ".join(one.symbols[:_NAMED])
        more = f", and {len(one.symbols) - _NAMED:,} more" if len(one.symbols) > _NAMED else ""
        yield f"exchanges.{one.feed}.symbols: {named or 'none'}{more}"


def _sink_words(sink: SinkConfig) -> str:
    words = [f"{sink.name} {sink.type}"]
    if sink.channels is not None:
        words.append("/".join(map(str, sink.channels)))
    if sink.process:
        words.append(f"through {' → '.join(step.kind for step in sink.process)}")
    return ", ".join([*words, sink.when_full])


def _durations(config: Config, sinks: Mapping[str, type]) -> dict[str, str]:
    from tickwire.run.structuring import structure_options

    found = dict(_durations_in(config.instruments, "instruments"))
    for entry in config.exchanges:
        found |= dict(_durations_in(entry.rest, f"{entry.path}.rest"))
    for sink in config.sinks:
        options: Any = structure_options(sinks[sink.path], sink.options)
        found |= dict(_durations_in(options, sink.path))
        for number, step in enumerate(sink.process):
            found |= dict(_durations_in(step.named, f"{sink.path}.process[{number}].{step.kind}"))
    return found


def _durations_in(record: Any, path: str) -> Iterator[tuple[str, str]]:
    from tickwire.run.durations import Duration, duration_text

    for field in attrs.fields(attrs.resolve_types(type(record))):
        value = getattr(record, field.name)
        if Duration in (field.type, *getattr(field.type, "__args__", ())) and value is not None:
            yield f"{path}.{field.name}", duration_text(value)
