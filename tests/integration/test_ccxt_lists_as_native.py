"""What ccxt makes of a simulated exchange's list is what the plugin written for that exchange makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import attrs
import pytest

from tickwire import Instrument, InstrumentStatus, InstrumentType
from tickwire.run.feed import load_instruments
from tickwire.simulation import Dress, SeededMarket, SimServer
from tickwire_backpack.simulator import BackpackSimulator
from tickwire_binance.simulator import BinanceSimulator, BinanceUsdmSimulator, BinanceUsSimulator
from tickwire_kraken.simulator import KrakenSimulator

DRESSES: dict[str, Callable[[], Dress]] = {
    "backpack": BackpackSimulator,
    "binance": BinanceSimulator,
    "binanceus": BinanceUsSimulator,
    "binanceusdm": BinanceUsdmSimulator,
    "kraken": KrakenSimulator,
}


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


# ccxt writes codes in capitals, and of a market's state only whether it is fully open
def facts(one: Instrument) -> Instrument:
    """Leave out how the exchange's own name is spelt, and what ccxt cannot say."""
    status = InstrumentStatus.OPEN if one.status is InstrumentStatus.OPEN else InstrumentStatus.CLOSED
    return attrs.evolve(
        one, symbol=one.symbol.upper(), base=one.base.upper(), native="", native_key=None, status=status
    )


# ccxt lists no prediction markets, and adds markets for quotes on request from another list of Backpack's
def named(instruments: Iterable[Instrument]) -> dict[str, Instrument]:
    left_out = (InstrumentType.PREDICTION, InstrumentType.RFQ)
    return {facts(one).symbol: facts(one) for one in instruments if one.type not in left_out}


@pytest.mark.parametrize("exchange", DRESSES)
def test_through_ccxt_an_exchange_lists_what_it_lists_natively(exchange: str) -> None:
    async def main() -> tuple[dict[str, Instrument], dict[str, Instrument]]:
        dress = DRESSES[exchange]()
        async with SimServer(dress, SeededMarket.of(dress)) as server:
            native = await load_instruments(exchange, rest=server.rest_url)
            through_ccxt = await load_instruments(exchange, plugin="ccxt_generic", rest=server.rest_url)
        return named(native), named(through_ccxt)

    native, through_ccxt = asyncio.run(main())
    assert native
    for symbol in native.keys() | through_ccxt.keys():
        assert native.get(symbol) == through_ccxt.get(symbol), symbol
