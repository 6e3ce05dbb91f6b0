"""The whole kit, for the example plugin."""

from pathlib import Path

from tickwire.testing import ExchangeConformance
from tickwire_kestrel.simulator import KestrelSimulator


class TestKestrel(ExchangeConformance):
    exchange = "kestrel"
    frames = Path(__file__).parent / "frames"
    simulator = KestrelSimulator
    credentials = {"api_key": KestrelSimulator.key, "api_secret": KestrelSimulator.secret}  # noqa: RUF012
