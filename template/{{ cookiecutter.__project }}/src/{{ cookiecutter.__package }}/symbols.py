"""``GET /v1/markets`` -> instruments.

``{"symbol": "BTC_USD", "base": "BTC", "quote": "USD", "tick_size": "0.1", "lot_size": "0.00001", "status": "open"}``
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tickwire import Instrument, SymbolParts
from tickwire.native import NativeSymbolService
from tickwire.plugin import Request


class {{ cookiecutter.__class }}Symbols(NativeSymbolService):
    """One instrument for each market that is open."""

    request = Request("GET", "/v1/markets")
    rows = ("markets",)

    def _include_market(self, entry: Mapping[str, Any]) -> bool:
        return bool(entry["status"] == "open")

    def _build_market(self, entry: Mapping[str, Any]) -> Instrument:
        return Instrument.of(
            "{{ cookiecutter.exchange }}",
            entry["symbol"],
            SymbolParts(entry["base"], entry["quote"]),
            tick_size=Decimal(entry["tick_size"]),
            lot_size=Decimal(entry["lot_size"]),
        )
