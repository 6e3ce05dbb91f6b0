"""The whole kit, for Kraken, and the report of it that the package ships."""

from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

from tickwire import Instrument, SymbolParts
from tickwire.testing import KIT_VERSION, ExchangeConformance, checks_of, shipped_report
from tickwire_kraken.simulator import KrakenSimulator


def _listed(base: str, tick: str) -> Instrument:
    parts = SymbolParts(base, "USD")
    return Instrument.of("kraken", f"{base}/USD", parts, tick_size=Decimal(tick), lot_size=Decimal("1e-8"))


class TestKraken(ExchangeConformance):
    exchange = "kraken"
    frames = Path(__file__).parent / "frames"
    simulator = KrakenSimulator
    instruments = (_listed("MATIC", "0.0001"), _listed("ALGO", "0.00001"))


def test_the_shipped_report_is_of_this_version_and_of_every_check() -> None:
    # after a change: pytest this file with --conformance-report plugins/kraken/src/tickwire_kraken/conformance.json
    report = shipped_report("tickwire_kraken")
    assert report is not None
    assert (report.kit, report.version, report.count("failed")) == (KIT_VERSION, version("tickwire-kraken"), 0)
    assert {one.id: one.title for one in report.checks} == {
        one.id: one.proves for one in checks_of(ExchangeConformance)
    }
