"""``tickwire symbols``: what an exchange lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tickwire.model.instruments import Instrument

__all__ = ["symbols"]

_HEAD = ("symbol", "native", "type", "tick", "lot", "status")


def symbols(
    exchange: Annotated[str, typer.Argument(metavar="EXCHANGE", help="Its id, e.g. backpack.", show_default=False)],
    pattern: Annotated[
        str, typer.Argument(metavar="[PATTERN]", help="A shell glob over our symbols, e.g. '*-PERP'.")
    ] = "*",
    plugin: Annotated[str | None, typer.Option(help="Pin this plugin.", show_default=False)] = None,
    rest_url: Annotated[str | None, typer.Option(help="Instead of the exchange's own.", show_default=False)] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List an exchange's instruments. Our symbol, its own, kind, tick, lot and status.

    Example: tickwire symbols backpack 'SOL-*'
    """
    import asyncio
    from fnmatch import fnmatchcase

    from tickwire.cli.layout import columns, print_json
    from tickwire.run.feed import load_instruments

    loaded = asyncio.run(load_instruments(exchange, plugin=plugin, rest=rest_url))
    found = [one for one in loaded if fnmatchcase(one.symbol.upper(), pattern.upper())]
    found.sort(key=lambda one: one.symbol)
    if json:
        print_json([_data(one) for one in found])
    elif found:
        print("\n".join(columns([_HEAD, *(tuple(_data(one).values()) for one in found)])))
    if not found:
        typer.echo(f"none of {len(loaded)} instruments of {exchange} matches {pattern!r}", err=True)
        raise typer.Exit(1)


def _data(one: Instrument) -> dict[str, str]:
    tick = "" if one.tick_size is None else f"{one.tick_size:f}"
    lot = "" if one.lot_size is None else f"{one.lot_size:f}"
    return dict(zip(_HEAD, (one.symbol, one.native, one.type, tick, lot, one.status), strict=True))
