"""What the simulated Binance lists, and its rows of ``exchangeInfo`` with the keys of the documents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

from tickwire import Instrument, InstrumentStatus, InstrumentType, SymbolParts

__all__ = ["FUTURES", "FUTURES_PRICES", "SPOT_PRICES", "futures_row", "spot", "spot_row"]

_PERP, _FUTURE = InstrumentType.PERP, InstrumentType.FUTURE
_OPEN, _CLOSED = InstrumentStatus.OPEN, InstrumentStatus.CLOSED
_QUARTER = date(2026, 12, 25)
_NEVER = 4_133_404_800_000  # the delivery date of a perpetual, ms

# base, quote, tick, step, opening price, state
_SPOT = (
    ("BTC", "USDT", "0.01", "0.00001", "86700", _OPEN),
    ("ETH", "USDT", "0.01", "0.0001", "2766.95", _OPEN),
    ("ETH", "BTC", "0.00001", "0.0001", "0.03191", _OPEN),
    ("BNB", "USDT", "0.01", "0.001", "861.5", _OPEN),
    ("1000SATS", "USDT", "0.00000001", "1", "0.00017", _OPEN),
    ("LUNA", "BTC", "0.00000001", "0.01", "0.000001", _CLOSED),
)
# native symbol, base, quote, expiry, tick, step, opening price, state
_FUTURES = (
    ("BTCUSDT", "BTC", "USDT", None, "0.1", "0.001", "86710", _OPEN),
    ("ETHUSDT", "ETH", "USDT", None, "0.01", "0.001", "2767.1", _OPEN),
    ("BTCUSDC", "BTC", "USDC", None, "0.1", "0.001", "86690", _OPEN),
    ("1000PEPEUSDT", "1000PEPE", "USDT", None, "0.0000001", "1", "0.0087", _OPEN),
    ("BTCUSDT_261225", "BTC", "USDT", _QUARTER, "0.1", "0.001", "87400", _OPEN),
    ("LUNAUSDT", "LUNA", "USDT", None, "0.001", "1", "0.5", _CLOSED),
)


def spot(exchange: str) -> tuple[Instrument, ...]:
    """Give the spot markets, of ``binance`` or ``binanceus``."""
    return tuple(
        Instrument.of(
            exchange,
            base + quote,
            SymbolParts(base, quote),
            tick_size=Decimal(tick),
            lot_size=Decimal(step),
            status=status,
        )
        for base, quote, tick, step, _, status in _SPOT
    )


FUTURES: tuple[Instrument, ...] = tuple(
    Instrument.of(
        "binanceusdm",
        native,
        SymbolParts(base, quote, _FUTURE if expiry else _PERP, quote, expiry),
        tick_size=Decimal(tick),
        lot_size=Decimal(step),
        status=status,
    )
    for native, base, quote, expiry, tick, step, _, status in _FUTURES
)
SPOT_PRICES: Mapping[str, Decimal] = {base + quote: Decimal(price) for base, quote, _, _, price, _ in _SPOT}
FUTURES_PRICES: Mapping[str, Decimal] = {native: Decimal(price) for native, _, _, _, _, _, price, _ in _FUTURES}


def spot_row(instrument: Instrument) -> Mapping[str, object]:
    """Write a symbol as ``GET /api/v3/exchangeInfo`` does; steps have eight decimals."""
    tick, step = f"{instrument.tick_size:.8f}", f"{instrument.lot_size:.8f}"
    return {
        "symbol": instrument.native,
        "status": "BREAK" if instrument.status is _CLOSED else "TRADING",
        "baseAsset": instrument.base,
        "baseAssetPrecision": 8,
        "quoteAsset": instrument.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "90000.00000000", "stepSize": step},
            {"filterType": "ICEBERG_PARTS", "limit": 10},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }


def futures_row(instrument: Instrument) -> Mapping[str, object]:
    """Write a symbol as ``GET /fapi/v1/exchangeInfo`` does; ``pricePrecision`` is finer than the tick."""
    tick, step = f"{instrument.tick_size:f}", f"{instrument.lot_size:f}"
    is_perp = instrument.expiry is None
    return {
        "symbol": instrument.native,
        "pair": f"{instrument.base}{instrument.quote}",
        "contractType": "PERPETUAL" if is_perp else "CURRENT_QUARTER",
        "deliveryDate": _NEVER if instrument.expiry is None else _delivery(instrument.expiry),
        "onboardDate": 1_569_398_400_000,
        "status": "SETTLING" if instrument.status is _CLOSED else "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": instrument.base,
        "quoteAsset": instrument.quote,
        "marginAsset": instrument.settle,
        "pricePrecision": (instrument.price_decimals or 0) + 1,
        "quantityPrecision": instrument.size_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "4529764", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "1000", "stepSize": step},
            {"filterType": "MARKET_LOT_SIZE", "minQty": step, "maxQty": "120", "stepSize": step},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def _delivery(day: date) -> int:
    # dated futures are settled at 08:00 UTC
    return int(datetime(day.year, day.month, day.day, 8, tzinfo=UTC).timestamp()) * 1_000
