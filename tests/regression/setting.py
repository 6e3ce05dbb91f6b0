"""What a regression session is made of, in one place: the session starts it, and ``compose.yaml`` describes it.

Times are shares of the session's length, so that a short one goes through the same as a long one.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

__all__ = ["RUNS", "VENUES", "Outage", "Run", "Venue", "collector_command", "collector_environ", "venue_command"]

HERE = Path(__file__).parent


@attrs.frozen
class Outage:
    """A venue's server is gone for a while; what it trades goes on.

    Attributes:
        after: How long somebody was connected before; ``None``: it begins as soon as nobody is any more.
        lasts: How long.
        is_abrupt: Connections are reset, instead of closed by a frame.
    """

    after: float | None
    lasts: float
    is_abrupt: bool = False


@attrs.frozen
class Run:
    """The collector runs until it was well for a while, ends by a signal, and pauses.

    Attributes:
        lasts: How long, since everything came and no hole was open.
        ending: What ends it.
        pause: How long it is not there afterwards.
    """

    lasts: float
    ending: signal.Signals
    pause: float = 0.0


@attrs.frozen
class Venue:
    """A simulated exchange in a process of its own, read through ccxt."""

    exchange: str
    symbols: Sequence[str]
    outages: Sequence[Outage]


VENUES = (
    Venue(
        "backpack", ("SOL-USDC", "BTC-USDC"), (Outage(0.10, 0.02, True), Outage(0.10, 0.03), Outage(0.12, 0.02, True))
    ),
    Venue("binanceus", ("BTC-USDT", "ETH-USDT"), (Outage(0.14, 0.02), Outage(0.14, 0.02, True), Outage(0.10, 0.02))),
    # the second one begins when the collector stops, and is not over when the next one starts
    Venue("kraken", ("BTC-USD", "ETH-USD"), (Outage(0.17, 0.02, True), Outage(None, 0.10), Outage(0.06, 0.02, True))),
)
RUNS = (Run(0.30, signal.SIGINT, 0.04), Run(0.26, signal.SIGKILL, 0.04), Run(0.30, signal.SIGINT))


def venue_command(exchange: str, minutes: float, folder: str, host: str = "127.0.0.1", port: int = 0) -> list[str]:
    """Give the arguments of ``venue.py``."""
    options = {"--minutes": f"{minutes:g}", "--folder": folder, "--host": host, "--port": str(port)}
    return [exchange, *(word for option in options.items() for word in option)]


def collector_command(config: str) -> list[str]:
    """Give the arguments of ``tickwire``."""
    return ["run", config]


def collector_environ(hosts: Mapping[str, str], folder: str) -> dict[str, str]:
    """Give what the collector's config takes from the environment.

    Args:
        hosts: ``host:port`` of each venue.
        folder: Where it writes.
    """
    found = {f"{exchange.upper()}_HOST": host for exchange, host in hosts.items()}
    # no other plugin can serve these exchanges, whatever is installed
    return {**found, "DATA": folder, "TICKWIRE_LOAD_PLUGINS": "ccxt_generic"}
