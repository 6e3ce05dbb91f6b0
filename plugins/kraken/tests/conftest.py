"""What this plugin's tests share: documented and recorded frames, and the instruments they name."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tickwire import Instrument, Instruments, SymbolParts
from tickwire_kraken.router import KrakenRouter
from tickwire_kraken.routing import KrakenRouting

HERE = Path(__file__).parent


def pair(base: str, quote: str, tick: str) -> Instrument:
    return Instrument.of(
        "kraken", f"{base}/{quote}", SymbolParts(base, quote), tick_size=Decimal(tick), lot_size=Decimal("1e-8")
    )


PAIRS = (
    pair("BTC", "USD", "0.1"), pair("ETH", "USD", "0.01"), pair("MATIC", "USD", "0.0001"),
    pair("ALGO", "USD", "0.00001"),
)  # fmt: skip


@pytest.fixture
def instruments() -> Instruments:
    return Instruments(PAIRS)


@pytest.fixture
def routing(instruments: Instruments) -> KrakenRouting:
    return KrakenRouting(instruments)


@pytest.fixture
def connect(instruments: Instruments) -> Callable[..., KrakenRouter]:
    """Make the router of a new connection to a socket."""
    return lambda socket="public": KrakenRouter(instruments, socket=socket)


@pytest.fixture
def router(connect: Callable[..., KrakenRouter]) -> KrakenRouter:
    return connect()


@pytest.fixture(scope="session")
def frames() -> Callable[[str], list[bytes]]:
    """Give the raw frames of ``frames/NAME.jsonl``, without its header."""
    return lambda name: (HERE / "frames" / f"{name}.jsonl").read_bytes().splitlines()[1:]
