"""The simulated Binance over REST: what market data clients ask for, and errors ``{"code": -1121, "msg": …}``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import takewhile
from typing import Any

from tickwire import Instrument, InstrumentStatus
from tickwire.simulation import SimMarket, SimReply, SimTrade, bucket_of

__all__ = ["BUCKETS", "Refusal", "agg_trades", "depth", "klines", "row"]

_MS = 1_000_000
_MOST = 1_000
BUCKETS: Mapping[str, str] = {
    name: "1month" if name == "1M" else name
    for name in ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")
}
"""What the simulated market calls the exchange's intervals."""

Text = Callable[[str], str]
"""How the exchange writes a number of the market's."""


class Refusal(Exception):
    """An answer that is no success; ``reply`` is what is sent."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.reply = SimReply(400, {"code": code, "msg": message})


def depth(params: Mapping[str, Any], market: SimMarket, text: Text, limits: tuple[int, ...] | int) -> dict[str, object]:
    """Answer ``depth``.

    Args:
        params: The query.
        market: What is traded.
        text: Writes numbers.
        limits: The limits there are; a number: any up to it, and it instead of a larger one.
    """
    limit = _number(params, "limit", 100 if isinstance(limits, int) else 500)
    if not isinstance(limits, int) and limit not in limits:
        raise Refusal(-4021, f"'{limit}' is not valid depth limit")
    book = market.book(_instrument(params, market).native, min(limit, limits) if isinstance(limits, int) else limit)
    sides = {
        name: [(text(price), text(size)) for price, size in side]
        for name, side in (("bids", book.bids), ("asks", book.asks))
    }
    return {"lastUpdateId": book.sequence, "E": market.now() // _MS, "T": book.ts // _MS, **sides}


def agg_trades(params: Mapping[str, Any], market: SimMarket, text: Text) -> list[dict[str, object]]:
    """Answer ``aggTrades``: from an id on, from a time on, or the last ones; oldest first."""
    native, limit = _instrument(params, market).native, min(_number(params, "limit", 500), _MOST)
    if "fromId" in params:
        found = market.trades(native, _number(params, "fromId", 0) - 1, limit)
    elif "startTime" in params:
        start = _number(params, "startTime", 0) * _MS
        newer = list(takewhile(lambda trade: trade.ts >= start, market.latest(native, 1_000_000)))
        found = newer[::-1][:limit]
    else:
        found = market.latest(native, limit)[::-1]
    return [row(trade, text) for trade in found]


def row(trade: SimTrade, text: Text) -> dict[str, object]:
    """Write an aggregate trade, of one match always: the simulated market tells one at a time."""
    return {
        "a": trade.number,
        "p": text(trade.price),
        "q": text(trade.size),
        "f": trade.number,
        "l": trade.number,
        "T": trade.ts // _MS,
        "m": not trade.buyer_is_taker,
    }


def klines(params: Mapping[str, Any], market: SimMarket, text: Text) -> list[list[object]]:
    """Answer ``klines``, closed ones only; a bucket without trades is left out, its prices being nobody's."""
    native, limit = _instrument(params, market).native, min(_number(params, "limit", 500), 1_500)
    bucket = BUCKETS.get(str(params.get("interval")))
    if bucket is None:
        raise Refusal(-1120, "Invalid interval.")
    start, end = _number(params, "startTime", 0) * _MS, _number(params, "endTime", market.now() // _MS) * _MS
    found = market.candles(native, bucket, start, max(end, bucket_of(bucket, start)[0] + 1), 100_000)
    rows = [
        [
            one.ts_start // _MS, *map(text, (one.open, one.high, one.low, one.close or "", one.volume)),
            one.ts_end // _MS - 1, text(one.quote_volume), one.trades, "0", "0", "0",
        ]
        for one in found
        if one.open is not None and one.high is not None and one.low is not None
    ]  # fmt: skip
    return rows[:limit] if "startTime" in params else rows[-limit:]


def _instrument(params: Mapping[str, Any], market: SimMarket) -> Instrument:
    if "symbol" not in params:
        raise Refusal(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
    for instrument in market.instruments:
        if instrument.native == params["symbol"] and instrument.status is not InstrumentStatus.CLOSED:
            return instrument
    raise Refusal(-1121, "Invalid symbol.")


def _number(params: Mapping[str, Any], name: str, default: int) -> int:
    text = str(params.get(name, default))
    if not (text.isascii() and text.isdigit()):
        raise Refusal(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
    return int(text)
