"""``GET /0/public/AssetPairs`` -> instruments, called as WebSocket v2 calls them.

``{"error": [], "result": {"XXBTZUSD": {"altname": "XBTUSD", "wsname": "XBT/USD", "pair_decimals": 1,
"lot_decimals": 8, "tick_size": "0.1", "status": "online", …}}}``. ``wsname`` is that of v1: v2 says ``BTC`` and
``DOGE`` for ``XBT`` and ``XDG``, and refuses the old names. Source: Kraken docs, "Get Tradable Asset Pairs" and "Spot
WebSocket" (read 2026-11-26).
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, ClassVar

import msgspec

from tickwire import Instrument, InstrumentStatus, SymbolParts
from tickwire.native import NativeSymbolService
from tickwire.plugin import Request, Response
from tickwire_kraken.answers import result_of

_NEW = {"XBT": "BTC", "XDG": "DOGE"}
_OLD = {new: old for old, new in _NEW.items()}
_RESTRICTED = ("cancel_only", "post_only", "limit_only", "reduce_only")


class KrakenSymbols(NativeSymbolService):
    """All spot pairs."""

    request = Request("GET", "/0/public/AssetPairs")
    native_field = "wsname"
    statuses: ClassVar = {
        "online": InstrumentStatus.OPEN,
        **dict.fromkeys(_RESTRICTED, InstrumentStatus.RESTRICTED),
    }

    def _entries(self, response: Response) -> Iterable[Any]:
        # by the exchange's oldest name of the pair
        return msgspec.json.decode(result_of(response), type=dict[str, Any]).values()

    def _build_market(self, entry: Mapping[str, Any]) -> Instrument:
        base, quote = (_NEW.get(name, name) for name in entry["wsname"].split("/"))
        return Instrument.of(
            "kraken",
            f"{base}/{quote}",
            SymbolParts(base, quote),
            tick_size=_tick(entry),
            lot_size=Decimal(1).scaleb(-entry["lot_decimals"]),
            status=self.status_of(entry["status"]),
        )


def rest_name(native: str) -> str:
    """Give what REST calls a pair: ``BTC/USD`` is ``XBTUSD`` there."""
    return "".join(_OLD.get(name, name) for name in native.split("/"))


def _tick(entry: Mapping[str, Any]) -> Decimal:
    # prices are digested with ``pair_decimals``: a coarser tick of fewer decimals would spoil the checksum
    step = Decimal(1).scaleb(-entry["pair_decimals"])
    tick = Decimal(entry.get("tick_size", step))
    return tick if tick.normalize().as_tuple().exponent == step.as_tuple().exponent else step
