"""What the simulated Backpack lists, and its market objects with all keys of the real ones.

Shape: ``GET /api/v1/market?symbol=SOL_USDC`` as recorded 2026-09-02.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tickwire import Instrument, InstrumentStatus, InstrumentType, SymbolParts

__all__ = ["INSTRUMENTS", "PRICES", "asset_rows", "market_row", "security_rows"]

_SPOT, _PERP, _PREDICTION = InstrumentType.SPOT, InstrumentType.PERP, InstrumentType.PREDICTION
_OPEN, _CLOSED = InstrumentStatus.OPEN, InstrumentStatus.CLOSED

# native symbol, base, type, tick, step, opening price, state
_LISTED = (
    ("SOL_USDC", "SOL", _SPOT, "0.01", "0.01", "98.96", _OPEN),
    ("BTC_USDC", "BTC", _SPOT, "0.1", "0.00001", "86700", _OPEN),
    ("ETH_USDC", "ETH", _SPOT, "0.01", "0.0001", "2766.95", _OPEN),
    ("USDT_USDC", "USDT", _SPOT, "0.0001", "1", "1.0004", _OPEN),
    ("MU.US_USDC", "MU.US", _SPOT, "0.01", "0.01", "340.32", _OPEN),
    ("JTO_USDC", "JTO", _SPOT, "0.0001", "0.1", "0.4", _CLOSED),
    ("SOL_USDC_PERP", "SOL", _PERP, "0.01", "0.01", "98.94", _OPEN),
    ("BTC_USDC_PERP", "BTC", _PERP, "0.1", "0.00001", "86710", _OPEN),
    ("ETH_USDC_PERP", "ETH", _PERP, "0.01", "0.0001", "2767.1", _OPEN),
    ("kPEPE_USDC_PERP", "kPEPE", _PERP, "0.000001", "100", "0.0087", _OPEN),
    ("FDVEXTD1B_USDC_PREDICTION", "FDVEXTD1B", _PREDICTION, "0.001", "1", "0.5", _OPEN),
)

INSTRUMENTS: tuple[Instrument, ...] = tuple(
    Instrument.of(
        "backpack",
        native,
        SymbolParts(base, "USDC", type, "USDC" if type is _PERP else None),
        tick_size=Decimal(tick),
        lot_size=Decimal(step),
        status=status,
    )
    for native, base, type, tick, step, _, status in _LISTED
)
PRICES: Mapping[str, Decimal] = {native: Decimal(price) for native, _, _, _, _, price, _ in _LISTED}


def market_row(instrument: Instrument) -> Mapping[str, object]:
    """Write a market object."""
    is_perp = instrument.type is _PERP
    return {
        "baseSymbol": instrument.base,
        "createdAt": "2025-01-21T06:34:54.691858",
        "filters": {"price": _price_filter(instrument, is_perp), "quantity": _quantity_filter(instrument)},
        "fundingInterval": 3_600_000 if is_perp else None,
        "fundingRateLowerBound": "-100" if is_perp else None,
        "fundingRateUpperBound": "100" if is_perp else None,
        "imfFunction": {"base": "0.02", "factor": "0.00006", "type": "sqrt"} if is_perp else None,
        "marketType": instrument.type.name,
        "mmfFunction": {"base": "0.0135", "factor": "0.000036", "type": "sqrt"} if is_perp else None,
        "openInterestLimit": "4000000" if is_perp else "0",
        "orderBookState": "Closed" if instrument.status is _CLOSED else "Open",
        "positionLimitWeight": "1" if is_perp else None,
        "quoteSymbol": instrument.quote,
        "rwaMarketType": "STOCK" if _is_stock(instrument) else None,
        "symbol": instrument.native,
        "visible": True,
    }


def asset_rows() -> list[Mapping[str, object]]:
    """Write the assets: every base and the dollar, none of which can be moved out of a simulation."""
    symbols = dict.fromkeys(["USDC", *(i.base for i in INSTRUMENTS if i.type is _SPOT)])
    return [{"coingeckoId": None, "displayName": symbol, "symbol": symbol, "tokens": []} for symbol in symbols]


def security_rows() -> list[Mapping[str, object]]:
    """Write the securities, of which only the regular session exists here."""
    session = {"maxQuantity": "10000", "minQuantity": "0.01", "name": "US_EQUITIES_REGULAR", "stepSize": "0.01"}
    return [
        {"asset": i.base, "cusip": None, "name": i.base, "sessions": [session]} for i in INSTRUMENTS if _is_stock(i)
    ]


def _is_stock(instrument: Instrument) -> bool:
    return instrument.base.endswith(".US")


def _price_filter(instrument: Instrument, is_perp: bool) -> Mapping[str, object]:
    band = (
        {"maxMultiplier": "1.1", "minMultiplier": "0.9"}
        if is_perp
        else {"maxMultiplier": "1.03", "minMultiplier": "0.97"}
    )
    tick = _step_text(instrument.tick_size)
    return {
        "borrowEntryFeeMaxMultiplier": None if is_perp else "1.01",
        "borrowEntryFeeMinMultiplier": None if is_perp else "0.99",
        "discoveryBoundBand": None,
        "maxImpactMultiplier": "1.01",
        "maxMultiplier": "2",
        "maxPrice": _highest(instrument, is_perp),
        "maxPriceUpdateMultiplier": "1.0025",
        "meanMarkPriceBand": band,
        "meanPremiumBand": {"tolerancePct": "0.05"} if is_perp else None,
        "minImpactMultiplier": "0.99",
        "minMultiplier": "0.25",
        "minPrice": tick,
        "minPriceUpdateMultiplier": "0.9975",
        "tickSize": tick,
    }


def _highest(instrument: Instrument, is_perp: bool) -> str | None:
    if instrument.type is _PREDICTION:
        return _step_text(Decimal(1) - (instrument.tick_size or Decimal(0)))
    # A power of ten well above the price; the real bounds follow no known rule.
    return f"{Decimal(1).scaleb(PRICES.get(instrument.native, Decimal(100)).adjusted() + 2):f}" if is_perp else None


def _quantity_filter(instrument: Instrument) -> Mapping[str, object]:
    step = _step_text(instrument.lot_size)
    return {"maxQuantity": None, "minQuantity": step, "stepSize": step}


def _step_text(step: Decimal | None) -> str:
    return f"{step or 1:f}"
