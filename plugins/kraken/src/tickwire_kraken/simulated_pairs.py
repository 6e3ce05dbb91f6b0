"""What the simulated Kraken lists, and its rows of ``AssetPairs`` (as recorded in November 2025) and ``Assets``."""

from collections.abc import Mapping
from decimal import Decimal

from tickwire import Instrument, InstrumentStatus, SymbolParts
from tickwire_kraken.symbols import rest_name

# native, the oldest name of the pair, decimals of the price, where it opens, status
_PAIRS = (
    ("BTC/USD", "XXBTZUSD", 1, "64250.3", "online"),
    ("ETH/USD", "XETHZUSD", 2, "3120.45", "online"),
    ("ETH/BTC", "XETHXXBT", 5, "0.04857", "online"),
    ("DOGE/USD", "XDGUSD", 7, "0.1428571", "online"),
    ("SOL/USD", "SOLUSD", 2, "148.27", "online"),
    ("ADA/EUR", "ADAEUR", 6, "0.356120", "post_only"),
)
_OLDEST = {"BTC": "XXBT", "ETH": "XETH", "DOGE": "XXDG", "USD": "ZUSD", "EUR": "ZEUR"}
_LOT_DECIMALS = 8
_LOT = Decimal(1).scaleb(-_LOT_DECIMALS)

OLDEST_NAMES = {native: oldest for native, oldest, *_ in _PAIRS}
PRICES = {native: Decimal(price) for native, _, _, price, _ in _PAIRS}
INSTRUMENTS = tuple(
    Instrument.of(
        "kraken",
        native,
        SymbolParts(native.partition("/")[0], native.partition("/")[2]),
        tick_size=Decimal(1).scaleb(-decimals),
        lot_size=_LOT,
        status=InstrumentStatus.OPEN if status == "online" else InstrumentStatus.RESTRICTED,
    )
    for native, _, decimals, _, status in _PAIRS
)
_STATUS = {InstrumentStatus.OPEN: "online", InstrumentStatus.RESTRICTED: "post_only"}


def native_of(pair: str) -> str:
    """Give the pair of a name that REST takes, new, old or oldest; an unknown one as it is."""
    return next(
        (i.native for i in INSTRUMENTS if pair in (i.native, rest_name(i.native), OLDEST_NAMES[i.native])), pair
    )


def pair_row(instrument: Instrument) -> Mapping[str, object]:
    """Write a row of ``AssetPairs``, in the names of WebSocket v1."""
    i = instrument
    return {
        "altname": rest_name(i.native),
        "wsname": f"{rest_name(i.base)}/{rest_name(i.quote)}",
        "aclass_base": "currency",
        "base": _OLDEST.get(i.base, i.base),
        "aclass_quote": "currency",
        "quote": _OLDEST.get(i.quote, i.quote),
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": i.price_decimals or 0,
        "lot_decimals": i.size_decimals or 0,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.4]],
        "fees_maker": [[0, 0.25]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": "0.00005",
        "costmin": "0.5",
        "tick_size": f"{i.tick_size:f}",
        "status": _STATUS.get(i.status, "cancel_only"),
    }


def asset_rows() -> Mapping[str, object]:
    """Write ``Assets``."""
    names = dict.fromkeys(name for i in INSTRUMENTS for name in (i.base, i.quote))
    return {
        _OLDEST.get(name, name): {
            "aclass": "currency",
            "altname": rest_name(name),
            "decimals": 10,
            "display_decimals": 5,
            "status": "enabled",
        }
        for name in names
    }
