"""The whole kit, for each of the exchanges, and the reports of it that the package ships."""

from importlib.metadata import version
from pathlib import Path

import pytest

from tickwire import Instrument, InstrumentType, SymbolParts
from tickwire.testing import KIT_VERSION, ExchangeConformance, checks_of, shipped_report
from tickwire_binance.routing import ROUTINGS
from tickwire_binance.simulator import BinanceSimulator, BinanceUsdmSimulator, BinanceUsSimulator

_FRAMES = Path(__file__).parent / "frames"


class TestBinance(ExchangeConformance):
    exchange = "binance"
    frames = _FRAMES / "spot"
    simulator = BinanceSimulator
    instruments = (Instrument.of("binance", "BNBBTC", SymbolParts("BNB", "BTC")),)


class TestBinanceUs(ExchangeConformance):
    exchange = "binanceus"
    frames = _FRAMES / "spot_us"
    simulator = BinanceUsSimulator
    instruments = (Instrument.of("binanceus", "BNBBTC", SymbolParts("BNB", "BTC")),)


class TestBinanceUsdm(ExchangeConformance):
    exchange = "binanceusdm"
    frames = _FRAMES / "usdm"
    simulator = BinanceUsdmSimulator
    instruments = (Instrument.of("binanceusdm", "BNBUSDT", SymbolParts("BNB", "USDT", InstrumentType.PERP, "USDT")),)


@pytest.mark.parametrize("exchange", ROUTINGS)
def test_the_shipped_report_is_of_this_version_and_of_every_check(exchange: str) -> None:
    # after a change: pytest this file with --conformance-report plugins/binance/src/tickwire_binance/conformance.json
    report = shipped_report("tickwire_binance", exchange)
    assert report is not None
    assert report.exchange == exchange
    assert (report.kit, report.version, report.count("failed")) == (KIT_VERSION, version("tickwire-binance"), 0)
    assert {one.id: one.title for one in report.checks} == {
        one.id: one.proves for one in checks_of(ExchangeConformance)
    }
