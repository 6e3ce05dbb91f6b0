"""The conformance kit for exchanges through ccxt: the real classes, over loopback, in the dresses of native plugins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from tickwire import Instrument, InstrumentStatus, InstrumentType, Registry
from tickwire.simulation import Dress
from tickwire.testing import KIT_VERSION, ExchangeConformance, checks_of, shipped_report
from tickwire_backpack.simulator import BackpackSimulator
from tickwire_binance.simulator import BinanceSimulator, BinanceUsdmSimulator, BinanceUsSimulator
from tickwire_kraken.simulator import KrakenSimulator

_FRAMES = Path(__file__).parent / "ccxt_frames"


def as_far_as_ccxt(dress: Callable[..., Dress]) -> Callable[..., Dress]:
    """Leave out of a dress what ccxt cannot list; ``test_ccxt_lists_as_native`` tells what that is."""

    @wraps(dress)
    def simulator(**given: Any) -> Dress:
        made: Any = dress(**given)
        made.instruments = tuple(one for one in made.instruments if is_told(one))
        return cast(Dress, made)

    return simulator


def is_told(one: Instrument) -> bool:
    """Tell whether ccxt lists such an instrument, and all that is to be said of it: codes are in capitals there."""
    left_out = (InstrumentType.PREDICTION, InstrumentType.RFQ)
    is_plain = one.status in (InstrumentStatus.OPEN, InstrumentStatus.CLOSED)
    return is_plain and one.type not in left_out and one.symbol == one.symbol.upper()


pytestmark = pytest.mark.timeout(600)


class ThroughCcxt(ExchangeConformance):
    over_sockets = True
    credentials = {"api_key": "kit-key", "api_secret": "kit-secret"}  # noqa: RUF012
    lacks: ClassVar[Mapping[str, str]] = {
        "A1": "ccxt signs what it sends by itself: the plugin's signer carries the keys to it",
        "A3": "ccxt asks for keys when it needs them, and not at start",
        "S6": "ccxt reads the list as a whole: a garbled row fails it all, or is left out by ccxt without a word",
    }
    clocks = ("ccxt.async_support.base.throttler.time",)

    @classmethod
    def registry(cls) -> Registry:
        """Find the plugins of somebody who has installed no native one."""
        return Registry.discover({"TICKWIRE_BLOCK_PLUGINS": "backpack,binance,kraken"})

    @pytest.fixture(autouse=True)
    def folders(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Keep lists of markets apart from the user's."""
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


class TestBackpack(ThroughCcxt):
    exchange = "backpack"
    frames = _FRAMES / "backpack"
    simulator = as_far_as_ccxt(BackpackSimulator)
    lacks: ClassVar[Mapping[str, str]] = {
        **ThroughCcxt.lacks,
        "S4": "ccxt gives no tick size of what is traded by requests for quotes",
    }


class TestBinance(ThroughCcxt):
    exchange = "binance"
    frames = _FRAMES / "binance"
    simulator = as_far_as_ccxt(BinanceSimulator)


class TestBinanceUs(ThroughCcxt):
    exchange = "binanceus"
    frames = _FRAMES / "binanceus"
    simulator = as_far_as_ccxt(BinanceUsSimulator)


class TestBinanceUsdm(ThroughCcxt):
    exchange = "binanceusdm"
    frames = _FRAMES / "binanceusdm"
    simulator = as_far_as_ccxt(BinanceUsdmSimulator)


class TestKraken(ThroughCcxt):
    exchange = "kraken"
    frames = _FRAMES / "kraken"
    simulator = as_far_as_ccxt(KrakenSimulator)


@pytest.mark.parametrize("exchange", ["backpack", "binance", "binanceus", "binanceusdm", "kraken"])
def test_the_shipped_report_is_of_this_version_and_of_every_check(exchange: str) -> None:
    # after a change: pytest this file with
    # --conformance-report plugins/ccxt_generic/src/tickwire_ccxt_generic/conformance.json
    report = shipped_report("tickwire_ccxt_generic", exchange)
    assert report is not None
    assert report.exchange == exchange
    assert (report.kit, report.version, report.count("failed")) == (KIT_VERSION, version("tickwire-ccxt-generic"), 0)
    assert {one.id: one.title for one in report.checks} == {
        one.id: one.proves for one in checks_of(ExchangeConformance)
    }
