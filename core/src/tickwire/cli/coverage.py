"""``tickwire coverage``: is this hour complete?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tickwire.model.clock import Nanos
    from tickwire.record.coverage import Coverage

__all__ = ["coverage"]

_MOMENT = "14:00, 2026-11-21T14:00, -1h or now; UTC."


def coverage(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR or DB]",
            help="A state directory, its ledger, or stored events; by default where the system keeps such things.",
            show_default=False,
        ),
    ] = None,
    exchange: Annotated[str | None, typer.Option(help="Only this one.", show_default=False)] = None,
    symbol: Annotated[str | None, typer.Option(help="Only these; a shell glob.", show_default=False)] = None,
    channel: Annotated[str | None, typer.Option(help="Only this one, e.g. trades.", show_default=False)] = None,
    from_: Annotated[str | None, typer.Option("--from", help=f"From when: {_MOMENT}", show_default=False)] = None,
    to: Annotated[str | None, typer.Option("--to", help=f"Until when: {_MOMENT}", show_default=False)] = None,
    name: Annotated[
        str | None, typer.Option(help="Of a ledger only runs of the config of this name.", show_default=False)
    ] = None,
    sink: Annotated[
        str | None, typer.Option(help="What this sink did not write is a hole too.", show_default=False)
    ] = None,
    svg: Annotated[Path | None, typer.Option(help="Draw a strip for each series.", show_default=False)] = None,
    png: Annotated[Path | None, typer.Option(help="Likewise.", show_default=False)] = None,
    sql: Annotated[bool, typer.Option("--sql", help="Print the ledger's path, for sqlite3.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document; times are ns.")] = False,
) -> None:
    """Say when what was collected is complete, and name every hole. The status is 1 if anything is missing.

    Example: tickwire coverage /var/lib/tickwire --from 14:00 --to 15:00
    """
    import time

    from tickwire.cli.layout import columns, print_json
    from tickwire.run.instrument_cache import default_state

    place = path or default_state()
    if sql:
        print(_ledger(place))
        return
    start, end = _interval(from_, to, time.time_ns())
    found = _found(place, name, sink, start, end, (exchange, symbol, channel))
    from tickwire.record.words import coverage_data, head_line, loss_lines, row_of, verdict

    _draw(found, start, end, svg, png)
    wrong = verdict(found)
    if json:
        print_json(coverage_data(found, start, end))
    else:
        print(head_line(found, start, end))
        head = ("exchange", "symbol", "channel", "complete", "holes")
        print("\n".join(columns([head, *(row_of(one, found) for one in found)])))
        print("\n".join([*loss_lines(found), f"exit 1: {wrong}" if wrong else "complete"]))
    if wrong:
        raise typer.Exit(1)


def _ledger(place: Path) -> Path:
    from tickwire.model.errors import ConfigError
    from tickwire.record.sources import ledger_of

    found = ledger_of(place)
    if found is None:
        raise ConfigError(f"{str(place)!r} has no ledger", hint="name the state directory of a config that has run")
    return found


def _interval(from_: str | None, to: str | None, now: Nanos) -> tuple[Nanos | None, Nanos | None]:
    from tickwire.record.moments import parse_moment

    found: dict[str, Nanos | None] = {}
    for option, text in (("--from", from_), ("--to", to)):
        found[option] = None if text is None else parse_moment(text, now)
    start, end = found["--from"], found["--to"]
    if start is not None and end is not None and start >= end:
        raise typer.BadParameter(f"{from_} is not before {to}", param_hint="--to")
    return start, end


def _found(
    place: Path,
    name: str | None,
    sink: str | None,
    start: Nanos | None,
    end: Nanos | None,
    wanted: tuple[str | None, str | None, str | None],
) -> list[Coverage]:
    from fnmatch import fnmatchcase

    from tickwire.model.channels import ChannelRequest
    from tickwire.model.errors import TickwireError
    from tickwire.record.coverage import coverage as coverage_of
    from tickwire.record.sources import quality_events

    exchange, symbol, text = wanted
    channel = None if text is None else ChannelRequest.parse(text).channel
    known = coverage_of(quality_events(place, name), start, end, sink)
    found = [
        one
        for one in known
        if exchange in (None, one.exchange)
        and channel in (None, one.channel)
        and (symbol is None or fnmatchcase(one.symbol or "*", symbol))
    ]
    if not found:
        series = ", ".join(f"{one.exchange} {one.symbol or '*'} {one.channel}" for one in known[:5])
        more = f", and {len(known) - 5:,} more" if len(known) > 5 else ""
        hint = f"it knows {series}{more}" if known else "let a config run, or name another place"
        raise TickwireError(f"{str(place)!r} knows nothing of that", hint=hint)
    return found


def _draw(found: list[Coverage], start: Nanos | None, end: Nanos | None, svg: Path | None, png: Path | None) -> None:
    from tickwire.model.errors import ConfigError
    from tickwire.record.heat_strip import heat_strip

    if svg is None and png is None:
        return
    drawn = heat_strip(found, start, end)
    if svg is not None:
        svg.write_text(drawn, encoding="utf-8")
    if png is not None:
        try:
            from resvg_py import svg_to_bytes
        except ImportError as error:
            raise ConfigError(
                "drawing a PNG needs resvg-py", hint="pip install 'tickwire[png]', or use --svg"
            ) from error
        png.write_bytes(bytes(svg_to_bytes(svg_string=drawn, zoom=2)))
