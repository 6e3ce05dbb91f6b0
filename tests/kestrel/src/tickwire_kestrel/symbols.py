"""``GET /v1/instruments`` -> instruments: ``{"name": "BTC/USD", "base", "quote", "tick", "lot", "state"}``."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tickwire import Instrument
from tickwire.native import NativeSymbolService
from tickwire.plugin import Request


class KestrelSymbols(NativeSymbolService):
    request = Request("GET", "/v1/instruments")

    def _include_market(self, entry: Mapping[str, Any]) -> bool:
        return bool(entry["state"] == "open")

    def _build_market(self, entry: Mapping[str, Any]) -> Instrument:
        return Instrument("kestrel", f"{entry['base']}-{entry['quote']}", entry["name"], entry["base"], entry["quote"],
                          tick_size=Decimal(entry["tick"]), lot_size=Decimal(entry["lot"]))  # fmt: skip
