"""Rows of ``exchangeInfo`` become instruments; what cannot be one is left out with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tickwire import Instrument, InstrumentStatus, InstrumentType, SymbolParts
from tickwire.plugin import Request, Response
from tickwire.testing import hold
from tickwire_binance.symbols import BinanceSymbols

FILTERS = [
    {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.00100000"},
    {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764", "tickSize": "0.10000000"},
]
SPOT = {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT", "filters": FILTERS}
PERP = {**SPOT, "contractType": "PERPETUAL", "deliveryDate": 4133404800000, "marginAsset": "USDT", "pricePrecision": 2}
QUARTER = {
    **PERP, "symbol": "BTCUSDT_261225", "contractType": "CURRENT_QUARTER", "deliveryDate": 1798185600000,
}  # fmt: skip


def load(*rows: object, exchange: str = "binance") -> BinanceSymbols:
    symbols = BinanceSymbols(Request("GET", "/exchangeInfo"), exchange=exchange)
    hold(symbols.load(), lambda _: Response(200, {}, msgspec.json.encode({"symbols": rows}), 0))
    return symbols


def one(row: Mapping[str, Any], exchange: str = "binance") -> Instrument:
    (market,) = load(row, exchange=exchange).markets.values()
    return market.instrument


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        (SPOT, SymbolParts("BTC", "USDT")),
        (PERP, SymbolParts("BTC", "USDT", InstrumentType.PERP, "USDT")),
        ({**PERP, "contractType": "TRADIFI_PERPETUAL"}, SymbolParts("BTC", "USDT", InstrumentType.PERP, "USDT")),
        ({**PERP, "marginAsset": "BTC"}, SymbolParts("BTC", "USDT", InstrumentType.PERP, "BTC")),
        (QUARTER, SymbolParts("BTC", "USDT", InstrumentType.FUTURE, "USDT", date(2026, 12, 25))),
    ],
)
def test_a_row_becomes_an_instrument_by_its_fields(row: Mapping[str, Any], parts: SymbolParts) -> None:
    steps = {"tick_size": Decimal("0.1"), "lot_size": Decimal("0.001")}
    assert one(row, "here") == Instrument.of("here", row["symbol"], parts, **steps)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("native", "status"),
    [
        ("TRADING", InstrumentStatus.OPEN),
        ("BREAK", InstrumentStatus.CLOSED),
        ("SETTLING", InstrumentStatus.CLOSED),
        ("AUCTION_MATCH", InstrumentStatus.UNKNOWN),
    ],
)
def test_only_what_trades_is_open(native: str, status: InstrumentStatus) -> None:
    assert one({**SPOT, "status": native}).status is status


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ({**PERP, "contractType": "UNHEARD_OF"}, "SymbolError: instrument type 'UNHEARD_OF' is not known"),
        ({**PERP, "contractType": ""}, "SymbolError: instrument type '' is not known"),
        ({**SPOT, "filters": FILTERS[:1]}, "KeyError: 'PRICE_FILTER'"),
        ({**SPOT, "filters": [{**FILTERS[0], "stepSize": "0.00000000"}, FILTERS[1]]}, "lot_size is 0E-8"),
        ({**QUARTER, "deliveryDate": "soon"}, "TypeError"),
        ({**SPOT, "baseAsset": ""}, "SymbolError"),
    ],
)
def test_an_odd_row_is_left_out_with_its_reason_and_the_others_are_loaded(odd: Mapping[str, Any], reason: str) -> None:
    symbols = load({**odd, "symbol": "ODD"}, {**SPOT, "symbol": "ETHUSDT", "baseAsset": "ETH"})
    assert list(symbols.markets) == ["ETHUSDT"]
    assert reason in symbols.quarantined["ODD"]
