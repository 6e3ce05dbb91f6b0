"""What this plugin's tests share: a few instruments of each exchange, and routers and routings that know them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from tickwire import Instrument, Instruments, InstrumentType, SymbolParts
from tickwire_binance.router import BinanceRouter
from tickwire_binance.routing import ROUTINGS, BinanceRouting

_SPOT = {name: SymbolParts(name[:3], name[3:]) for name in ("BTCUSDT", "BNBBTC", "BNBUSDT")}
_FUTURES = {
    "BTCUSDT": SymbolParts("BTC", "USDT", InstrumentType.PERP, "USDT"),
    "BTCUSDT_261225": SymbolParts("BTC", "USDT", InstrumentType.FUTURE, "USDT", date(2026, 12, 25)),
}


@pytest.fixture(scope="session")
def routing() -> Callable[[str], BinanceRouting]:
    """Make the routing of an exchange."""

    def make(exchange: str) -> BinanceRouting:
        parts = _FUTURES if exchange == "binanceusdm" else _SPOT
        known = Instruments(Instrument.of(exchange, native, one) for native, one in parts.items())
        return ROUTINGS[exchange](known)

    return make


@pytest.fixture(scope="session")
def router(routing: Callable[[str], BinanceRouting]) -> Callable[[str], BinanceRouter]:
    """Make a router of an exchange."""
    return lambda exchange: BinanceRouter(routing(exchange).instruments)
