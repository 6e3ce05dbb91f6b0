"""The simulated Backpack over REST, oddities included: ascending bids, unpadded prices, errors in plain text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tickwire import Channel, Instrument, InstrumentStatus
from tickwire.simulation import SimMarket, SimReply
from tickwire_backpack import simulated_figures as figures
from tickwire_backpack.simulated_markets import asset_rows, market_row, security_rows

__all__ = ["ROUTES", "Refusal"]

_DEPTHS = ("5", "10", "20", "50", "100", "500", "1000")
_MARKET_TYPES = {"SPOT", "PERP", "IPERP", "DATED", "PREDICTION", "RFQ"}


class Refusal(Exception):
    """An answer that is no success; ``reply`` is what is sent."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(body)
        self.reply = SimReply(status, body)


def _markets(params: Mapping[str, Any], market: SimMarket) -> object:
    types: Sequence[str] = ("SPOT", "PERP")
    if "marketType" in params:
        # The parameter may be repeated; the server's mapping then has them all.
        getall = getattr(params, "getall", None)
        types = getall("marketType") if getall else (params["marketType"],)
    if not set(types) <= _MARKET_TYPES:
        raise _unparsed("marketType", 'failed to parse "MarketType": Expect a valid enumeration value.')
    return [market_row(i) for i in market.instruments if i.type.name in types]


def _market(params: Mapping[str, Any], market: SimMarket) -> object:
    return market_row(_instrument(params, market))


def _depth(params: Mapping[str, Any], market: SimMarket) -> object:
    limit = str(params.get("limit", "1000"))
    if limit not in _DEPTHS:
        raise _unparsed("limit", 'failed to parse "DepthLimit": Expect a valid enumeration value.')
    book = market.book(_open_instrument(params, market).native, int(limit))
    return {
        "asks": [_unpadded_level(level) for level in book.asks],
        "bids": [_unpadded_level(level) for level in reversed(book.bids)],
        "lastUpdateId": str(book.sequence),
        "timestamp": book.ts // 1_000,
    }


def _trades(params: Mapping[str, Any], market: SimMarket) -> object:
    limit, offset = _whole_number(params, "limit", 100), _whole_number(params, "offset", 0)
    if limit > 1_000:
        # The exchange's own text for a value above the documented maximum is unknown.
        raise _unparsed("limit", "verification failed. maximum(1000, exclusive: false)")
    rows = market.latest(_open_instrument(params, market).native, limit, offset)
    return [
        {
            "id": trade.number,
            "isBuyerMaker": not trade.buyer_is_taker,
            "price": figures.unpadded(trade.price),
            "quantity": figures.unpadded(trade.size),
            "quoteQuantity": figures.unpadded(f"{Decimal(trade.price) * Decimal(trade.size):f}"),
            "timestamp": trade.ts // 1_000_000,
        }
        for trade in rows
    ]


def _ticker(params: Mapping[str, Any], market: SimMarket) -> object:
    _check_window(params)
    # Declared for a market without a ticker; never seen.
    return figures.ticker_row(market.ticker(_open_instrument(params, market).native)) or SimReply(204)


def _tickers(params: Mapping[str, Any], market: SimMarket) -> object:
    _check_window(params)
    rows = (figures.ticker_row(market.ticker(i.native)) for i in _open(market))
    return [row for row in rows if row is not None]


def _check_window(params: Mapping[str, Any]) -> None:
    if params.get("interval", "1d") not in ("1d", "1w"):
        raise _unparsed("interval", 'failed to parse "TickerInterval": Expect a valid enumeration value.')


def _klines(params: Mapping[str, Any], market: SimMarket) -> object:
    native, interval = _open_instrument(params, market).native, params.get("interval")
    if interval not in figures.INTERVALS:
        raise _unparsed("interval", 'failed to parse "KlineInterval": Expect a valid enumeration value.')
    if params.get("priceType", "Last") != "Last":
        raise _unparsed("priceType", "the simulated exchange has candles of last prices only")
    if "startTime" not in params:
        raise _unparsed("startTime", 'Type "integer(int64)" expects an input value.')
    end = _whole_number(params, "endTime", 0) if "endTime" in params else None
    return figures.candle_rows(market, native, interval, _whole_number(params, "startTime", 0), end)


def _mark_prices(params: Mapping[str, Any], market: SimMarket) -> object:
    kind = params.get("marketType", "PERP")
    found = [
        i
        for i in _open(market)
        if figures.has(i.native, Channel.MARK_PRICE, [i])
        and (i.native == params["symbol"] if "symbol" in params else i.type.name == kind)
    ]
    if "symbol" in params and not found:
        raise Refusal(400, {"code": "INVALID_CLIENT_REQUEST", "message": "Symbol not found"})
    return [figures.mark_row(market.mark(i.native)) for i in found]


def _open_interest(params: Mapping[str, Any], market: SimMarket) -> object:
    wanted = [i for i in _open(market) if figures.has(i.native, Channel.OPEN_INTEREST, [i])]
    if "symbol" in params:
        wanted = [_open_instrument(params, market)]
    return [figures.interest_row(market.open_interest(i.native)) for i in wanted]


def _funding_rates(params: Mapping[str, Any], market: SimMarket) -> object:
    limit, offset = _whole_number(params, "limit", 100), _whole_number(params, "offset", 0)
    return figures.funding_rows(_open_instrument(params, market), market.now(), limit, offset)


def _open(market: SimMarket) -> list[Instrument]:
    return [i for i in market.instruments if i.status is not InstrumentStatus.CLOSED]


def _instrument(params: Mapping[str, Any], market: SimMarket) -> Instrument:
    if "symbol" not in params:
        raise _unparsed("symbol", 'Type "string" expects an input value.')
    for instrument in market.instruments:
        if instrument.native == params["symbol"]:
            return instrument
    raise Refusal(400, {"code": "INVALID_CLIENT_REQUEST", "message": "Invalid market symbol"})


def _open_instrument(params: Mapping[str, Any], market: SimMarket) -> Instrument:
    instrument = _instrument(params, market)
    if instrument.status is InstrumentStatus.CLOSED:
        raise Refusal(404, {"code": "RESOURCE_NOT_FOUND", "message": "Not Found"})
    return instrument


def _whole_number(params: Mapping[str, Any], name: str, default: int) -> int:
    text = str(params.get(name, default))
    if not text.isascii() or not text.isdigit():
        raise _unparsed(name, f'failed to parse "integer(uint64)": invalid digit found in "{text}"')
    return int(text)


def _unparsed(name: str, why: str) -> Refusal:
    return Refusal(400, f"failed to parse parameter `{name}`: {why}")


def _unpadded_level(level: tuple[str, str]) -> tuple[str, str]:
    return figures.unpadded(level[0]), figures.unpadded(level[1])


ROUTES: Mapping[str, Callable[[Mapping[str, Any], SimMarket], object]] = {
    "/api/v1/status": lambda _, __: {"message": None, "status": "Ok"},
    "/api/v1/ping": lambda _, __: "pong",
    "/api/v1/assets": lambda _, __: asset_rows(),
    "/api/v1/securities": lambda _, __: security_rows(),
    "/api/v1/markets": _markets,
    "/api/v1/market": _market,
    "/api/v1/depth": _depth,
    "/api/v1/trades": _trades,
    "/api/v1/trades/history": _trades,
    "/api/v1/ticker": _ticker,
    "/api/v1/tickers": _tickers,
    "/api/v1/klines": _klines,
    "/api/v1/markPrices": _mark_prices,
    "/api/v1/openInterest": _open_interest,
    "/api/v1/fundingRates": _funding_rates,
}
"""What answers a GET, by path; a query it refuses raises ``Refusal``."""
