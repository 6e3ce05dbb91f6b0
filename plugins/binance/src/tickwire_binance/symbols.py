"""``GET …/exchangeInfo`` -> instruments.

Spot: ``{"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT", "filters": [{"filterType":
"PRICE_FILTER", "tickSize": "0.01000000", …}, {"filterType": "LOT_SIZE", "stepSize": "0.00001000", …}, …], …}``; futures
have ``contractType``, ``deliveryDate`` (ms) and ``marginAsset`` too. ``pricePrecision`` is no tick size, say the docs.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from tickwire import Instrument, InstrumentStatus, InstrumentType, SymbolParts
from tickwire.native import NativeSymbolService

_FUTURES = ("CURRENT_MONTH", "NEXT_MONTH", "CURRENT_QUARTER", "NEXT_QUARTER")
_CLOSED = {
    "PRE_TRADING", "POST_TRADING", "END_OF_DAY", "HALT", "BREAK",  # spot
    "PENDING_TRADING", "PRE_DELIVERING", "DELIVERING", "DELIVERED", "PRE_SETTLE", "SETTLING", "CLOSE",  # futures
}  # fmt: skip


class BinanceSymbols(NativeSymbolService):
    """Instruments of one of the exchanges; a contract of an unknown type is quarantined, never guessed."""

    rows = ("symbols",)
    types: ClassVar = {
        None: InstrumentType.SPOT,
        **dict.fromkeys(("PERPETUAL", "TRADIFI_PERPETUAL"), InstrumentType.PERP),
        **dict.fromkeys(_FUTURES, InstrumentType.FUTURE),
    }
    statuses: ClassVar = {"TRADING": InstrumentStatus.OPEN, **dict.fromkeys(_CLOSED, InstrumentStatus.CLOSED)}

    def _build_market(self, entry: Mapping[str, Any]) -> Instrument:
        type = self.type_of(entry.get("contractType"))
        filters = {one["filterType"]: one for one in entry["filters"]}
        expiry = None
        if type is InstrumentType.FUTURE:
            expiry = datetime.fromtimestamp(entry["deliveryDate"] / 1_000, UTC).date()
        settle = None if type is InstrumentType.SPOT else entry["marginAsset"]
        return Instrument.of(
            self.exchange,
            entry["symbol"],
            SymbolParts(entry["baseAsset"], entry["quoteAsset"], type, settle, expiry),
            tick_size=Decimal(filters["PRICE_FILTER"]["tickSize"]),
            lot_size=Decimal(filters["LOT_SIZE"]["stepSize"]),
            status=self.status_of(entry["status"]),
        )
