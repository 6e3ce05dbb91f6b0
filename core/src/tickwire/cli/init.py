"""``tickwire init``: a config file to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tickwire.plugin.info import ExchangeInfo
    from tickwire.plugin.registry import Registry

__all__ = ["init", "starter"]


def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="What to write.")] = Path("tickwire.yaml"),
    exchange: Annotated[
        str | None, typer.Option(help="Begin with this one; any installed by default.", show_default=False)
    ] = None,
) -> None:
    """Write a commented config file to begin with. A file that exists is left alone.

    Example: tickwire init night.yaml
    """
    from tickwire.model.errors import ConfigError
    from tickwire.plugin.registry import Registry

    text = starter(Registry.discover(), exchange)
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
    except FileExistsError as error:
        raise ConfigError(f"{str(file)!r} exists", hint="name another file, or move that one away") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"cannot write {str(file)!r}: {reason}", hint="name another file") from error
    print(f"wrote {file}\nnext:  tickwire plan {file}\nthen:  tickwire run {file}")


def starter(registry: Registry, exchange: str | None = None) -> str:
    """Give the text of a config that runs.

    Raises:
        ConfigError: Nobody serves the exchange.
        PluginError: No plugin that serves one is installed.
    """
    info = _chosen(registry, exchange)
    others = sorted({claim.info.id for claim in registry.claims} - {info.id})
    offered = [str(channel) for channel in info.channels if info.offers(channel)]
    wanted = [name for name in ("trades", "l2_book") if name in offered] or offered[:1]
    rest = [name for name in offered if name not in wanted]
    secrets = "".join(f"    #   {name}: ${{{name.upper()}:?}}\n" for name in info.credentials)
    return _TEXT.format(
        exchange=info.id,
        channels=", ".join(wanted),
        more=f"  # also: {', '.join(rest)}" if rest else "",
        credentials=f"{_CREDENTIALS}{secrets}" if secrets else "",
        others=f"  # also installed: {', '.join(others)}\n" if others else "",
        sinks=", ".join(sorted(registry.sinks)),
    )


def _chosen(registry: Registry, exchange: str | None) -> ExchangeInfo:
    from tickwire.model.errors import PluginLoadError
    from tickwire.plugin.info import Tier

    if exchange is not None:
        return registry.select(exchange).claim.info
    if not registry.claims:
        raise PluginLoadError(
            "no installed plugin serves any exchange", hint="pip install tickwire-backpack, or another exchange's"
        )
    return min(registry.claims, key=lambda claim: (claim.info.tier is not Tier.NATIVE, claim.info.id)).info


_CREDENTIALS = "    # credentials:                        # for channels of an account\n"
_TEXT = """\
# What tickwire collects, and where it goes. `tickwire plan` says what this file amounts to, `tickwire run` runs it,
# `tickwire reload` has a running one take over what you changed. ${{VAR}} stands for a variable of the environment.
name: tickwire                            # in reports

exchanges:
  {exchange}:                             # a name of yours; the exchange, unless exchange: says otherwise
    symbols: ["BTC-*"]                    # names or shell globs, in quotes; "!*-PERP" leaves out again
    channels: [{channels}]{more}
    # proxy: socks5://127.0.0.1:1080      # all its traffic, or env for what the environment says
{credentials}{others}
sinks:                                    # {sinks}
  screen:
    type: console
  # archive:
  #   type: jsonl
  #   path: data/events.jsonl
  # alerts:                               # gaps, reconnects, drops
  #   type: callback
  #   call: my_alerts:tell
  #   channels: [quality]

instruments:
  refresh: 15m                            # new listings that a glob matches are picked up

# log: {{level: info, format: json, file: tickwire.log}}
"""
