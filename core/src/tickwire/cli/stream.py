"""``tickwire stream``: one exchange's events on stdout."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["channel_texts", "stream"]


def stream(
    exchange: Annotated[str, typer.Argument(metavar="EXCHANGE", help="Its id, e.g. backpack.", show_default=False)],
    symbols: Annotated[
        list[str], typer.Argument(metavar="SYMBOL...", help="Our spelling, e.g. SOL-USDC.", show_default=False)
    ],
    channel: Annotated[
        list[str] | None,
        typer.Option(
            "-c",
            "--channel",
            help="Repeatable or comma-separated, e.g. trades,l2_book:depth=100; trades by default.",
            show_default=False,
        ),
    ] = None,
    plugin: Annotated[str | None, typer.Option(help="Pin this plugin.", show_default=False)] = None,
    rest_url: Annotated[str | None, typer.Option(help="Instead of the exchange's own.", show_default=False)] = None,
    ws_url: Annotated[str | None, typer.Option(help="Instead of the exchange's own.", show_default=False)] = None,
    duration: Annotated[str | None, typer.Option(help="Stop after 10s, 5m, 1h.", show_default=False)] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON line an event.")] = False,
) -> None:
    """Stream an exchange's events to stdout. Everything else goes to stderr; Ctrl-C ends it.

    Example: tickwire stream backpack SOL-USDC -c trades,l2_book
    """
    from tickwire.cli.running import duration_of, run_config
    from tickwire.model.channels import ChannelRequest
    from tickwire.run.settings import Config, EndpointsConfig, ExchangeConfig, SinkConfig

    requests = tuple(ChannelRequest.parse(text) for text in channel_texts(channel or ["trades"]))
    entry = ExchangeConfig(
        name=exchange,
        exchange=exchange,
        symbols=tuple(dict.fromkeys(symbols)),
        plugin=plugin,
        channels=tuple(dict.fromkeys(requests)),
        endpoints=EndpointsConfig(rest_url, ws_url),
    )
    console = SinkConfig("console", "console", options={"json": json})
    run_config(Config((entry,), (console,)), duration_of(duration))


def channel_texts(given: list[str]) -> list[str]:
    """Split at the commas between channels, not at those between a channel's parameters.

    ``["trades,l2_book:depth=100,interval=100ms"]`` is ``["trades", "l2_book:depth=100,interval=100ms"]``.
    """
    texts: list[str] = []
    for part in (part.strip() for text in given for part in text.split(",") if part.strip()):
        if "=" in part and ":" not in part and texts:
            texts[-1] += f",{part}"
        else:
            texts.append(part)
    return texts
