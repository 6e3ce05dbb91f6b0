"""The whole kit, for Backpack, and the report of it that the package ships."""

from importlib.metadata import version
from pathlib import Path

from tickwire import Instrument, InstrumentType, SymbolParts
from tickwire.plugin import Request
from tickwire.testing import KIT_VERSION, ExchangeConformance, checks_of, shipped_report
from tickwire_backpack.simulator import BackpackSimulator

_STOCK = SymbolParts("AAPL.US", "USDC", InstrumentType.PERP, "USDC")


class TestBackpack(ExchangeConformance):
    exchange = "backpack"
    frames = Path(__file__).parent / "frames"
    simulator = BackpackSimulator
    credentials = {  # noqa: RUF012
        "api_key": "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
        "api_secret": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    }
    signed_request = Request("GET", "/api/v1/capital", signed=True)
    instruments = (Instrument.of("backpack", "AAPL.US_USDC_PERP", _STOCK),)


def test_the_shipped_report_is_of_this_version_and_of_every_check() -> None:
    # after a change: pytest this file with --conformance-report plugins/backpack/src/tickwire_backpack/conformance.json
    report = shipped_report("tickwire_backpack")
    assert report is not None
    assert (report.kit, report.version, report.count("failed")) == (KIT_VERSION, version("tickwire-backpack"), 0)
    assert {one.id: one.title for one in report.checks} == {
        one.id: one.proves for one in checks_of(ExchangeConformance)
    }
