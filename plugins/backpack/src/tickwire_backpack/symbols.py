"""``GET /api/v1/markets`` -> instruments.

``{"symbol": "SOL_USDC_PERP", "baseSymbol": "SOL", "quoteSymbol": "USDC", "marketType": "PERP",
"orderBookState": "Open", "filters": {"price": {"tickSize": "0.01", …}, "quantity": {"stepSize": "0.01", …}}, …}``.
Type, base and quote come from the fields, never from splitting the symbol: bases hold dots (``MU.US``) and lower case
(``kPEPE``). Source: Backpack docs, page "Get markets" (read 2026-11-21).
"""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

from tickwire import Instrument, InstrumentStatus, InstrumentType, SizeUnit, SymbolError, SymbolParts
from tickwire.native import NativeSymbolService
from tickwire.plugin import Request

# PREDICTION must be asked for; the default is spot and perp only
_MARKET_TYPES = ("SPOT", "PERP", "IPERP", "DATED", "PREDICTION", "RFQ")
_EXPIRY = re.compile(r"_(20\d{6})$", re.ASCII)


class BackpackSymbols(NativeSymbolService):
    """Instruments of every market type; an unknown type is quarantined, never guessed."""

    request = Request("GET", "/api/v1/markets?" + "&".join(f"marketType={kind}" for kind in _MARKET_TYPES))
    types: ClassVar = {
        "SPOT": InstrumentType.SPOT,
        "PERP": InstrumentType.PERP,
        "IPERP": InstrumentType.PERP,
        "DATED": InstrumentType.FUTURE,
        "PREDICTION": InstrumentType.PREDICTION,
        "RFQ": InstrumentType.RFQ,
    }
    statuses: ClassVar = {
        "Open": InstrumentStatus.OPEN,
        "Closed": InstrumentStatus.CLOSED,
        **dict.fromkeys(("CancelOnly", "LimitOnly", "PostOnly"), InstrumentStatus.RESTRICTED),
    }

    def _build_market(self, entry: Mapping[str, Any]) -> Instrument:
        native, kind = entry["symbol"], entry["marketType"]
        type = self.type_of(kind)
        is_inverse = kind == "IPERP"
        base, quote = entry["baseSymbol"], entry["quoteSymbol"]
        is_settled = type in (InstrumentType.PERP, InstrumentType.FUTURE)
        settle = (base if is_inverse else quote) if is_settled else None
        expiry = _expiry(native) if type is InstrumentType.FUTURE else None
        return Instrument.of(
            "backpack",
            native,
            SymbolParts(base, quote, type, settle, expiry),
            tick_size=Decimal(entry["filters"]["price"]["tickSize"]),
            lot_size=Decimal(entry["filters"]["quantity"]["stepSize"]),
            # every perp seen counts base units; an inverse one, listed in the API and never seen, would count contracts
            size_unit=SizeUnit.CONTRACTS if is_inverse else SizeUnit.BASE,
            is_inverse=is_inverse,
            status=self.status_of(entry["orderBookState"]),
        )


def _expiry(native: str) -> date:
    # no dated future was ever listed; the market object has no field for the day
    found = _EXPIRY.search(native)
    if found is None:
        raise SymbolError(f"{native!r} is a dated future without a day", hint="upgrade tickwire-backpack")
    day = found[1]
    return date(int(day[:4]), int(day[4:6]), int(day[6:]))
