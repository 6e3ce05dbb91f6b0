"""Dresses the simulated market as Binance: spot, Binance.US, USDⓈ-M futures.

All frames are those of combined streams; ``trade`` and ``aggTrade`` are both served, the latter with one match each.
Spot writes numbers with eight decimals, futures with those of the tick. What a buyer took of a candle's volume the
market does not know: it is written as zero. Not documented is what the exchange says to a stream of a market that it
does not list: here the whole request is refused, as for a stream of no known kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from tickwire import Channel, Clock, Instrument, InstrumentType, SystemClock
from tickwire.plugin import Request
from tickwire.simulation import SimBook, SimCandle, SimClient, SimMark, SimMarket, SimReply, SimTicker, SimTrade
from tickwire_binance import simulated_markets as markets
from tickwire_binance import simulated_rest as rest

__all__ = ["BinanceSimulator", "BinanceUsSimulator", "BinanceUsdmSimulator"]

_MS = 1_000_000
_FUNDING_EVERY = 8 * 3_600_000
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS")


class BinanceSimulator:
    """Spot; a dress for ``tickwire.simulation.SimServer``.

    Args:
        clock: What the publishing time ``E`` is read from.

    Attributes:
        clock: As above; a hostile exchange puts it wrong.
    """

    instruments: Sequence[Instrument] = markets.spot("binance")
    prices: Mapping[str, Decimal] = markets.SPOT_PRICES
    snapshot_on_join = False
    prefix = "/api/v3"
    depth_limits: tuple[int, ...] | int = 5000
    intervals: Mapping[str, str] = rest.BUCKETS
    speeds: Mapping[str, float] = {"": 1.0, "1000ms": 1.0, "100ms": 0.1}
    streams: Mapping[str, tuple[Channel, float]] = {
        "aggTrade": (Channel.TRADES, 0),
        "trade": (Channel.TRADES, 0),
        "bookTicker": (Channel.L1_BOOK, 0),
        "ticker": (Channel.TICKER, 1),
    }

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()

    # REST
    def rest(self, request: Request, market: SimMarket) -> object:
        """Answer a public GET."""
        routes: Mapping[str, Callable[[], object]] = {
            "exchangeInfo": lambda: self._listing(market),
            "depth": lambda: self._depth(request.params, market),
            "aggTrades": lambda: rest.agg_trades(request.params, market, self.text),
            "klines": lambda: rest.klines(request.params, market, self.text),
            "time": lambda: {"serverTime": self.clock.now() // _MS},
            "ping": dict,
        }
        prefix, _, name = request.path.rpartition("/")
        if prefix != self.prefix or name not in routes:
            return SimReply(404, {"code": -5000, "msg": f"Path {request.path}, Method {request.method} is invalid"})
        try:
            return routes[name]()
        except rest.Refusal as refusal:
            return refusal.reply

    def text(self, number: str) -> str:
        """Write a number with eight decimals."""
        whole, _, fraction = number.partition(".")
        return f"{whole}.{fraction:0<8}"

    def _listing(self, market: SimMarket) -> object:
        return {
            "timezone": "UTC",
            "serverTime": self.clock.now() // _MS,
            "rateLimits": [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}],
            "exchangeFilters": [],
            "symbols": [self._market_row(instrument) for instrument in market.instruments],
        }

    def _market_row(self, instrument: Instrument) -> Mapping[str, object]:
        return markets.spot_row(instrument)

    def _depth(self, params: Mapping[str, Any], market: SimMarket) -> Mapping[str, object]:
        answer = rest.depth(params, market, self.text, self.depth_limits)
        return {name: value for name, value in answer.items() if name not in ("E", "T")}

    # requests over the socket
    def received(self, payload: bytes, client: SimClient) -> None:
        """Subscribe or unsubscribe, all or nothing, and say so."""
        try:
            message = msgspec.json.decode(payload, type=_Message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return client.send({"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"})
        if message.method not in _METHODS:
            return _complain(client, message, f"Invalid request: unknown variant `{message.method}`")
        if message.method == "UNSUBSCRIBE":
            for stream in message.params:
                client.leave(stream)
        elif message.method == "SUBSCRIBE" and not self._join_all(message.params, client):
            return _complain(client, message, "Invalid request: invalid stream")
        return client.send({"result": None, "id": message.id})

    def _join_all(self, streams: Sequence[str], client: SimClient) -> bool:
        joined: list[str] = []
        for stream in streams:
            if not self._join(stream, client):
                for other in joined:
                    client.leave(other)
                return False
            joined.append(stream)
        return True

    def _join(self, stream: str, client: SimClient) -> bool:
        lower, _, kind = stream.partition("@")
        native, (name, _, speed) = lower.upper(), kind.partition("@")
        if name == "depth" and speed in self.speeds:
            return client.join(stream, Channel.L2_BOOK, native, self.speeds[speed])
        word, _, interval = kind.partition("_")
        if word == "kline" and interval in self.intervals:
            return client.join(stream, Channel.CANDLES, native, 1 if interval == "1s" else 2, self.intervals[interval])
        channel, every = self.streams.get(kind, (None, 0.0))
        return channel is not None and client.join(stream, channel, native, every)

    # frames
    def envelope(self, topic: str, message: object) -> object:
        """Wrap a message as ``{"stream": …, "data": …}``; which kind of trade it is, the stream's name says."""
        if isinstance(message, SimTrade):
            message = self._raw_trade(message) if topic.endswith("@trade") else self._agg_trade(message)
        return {"stream": topic, "data": message}

    def trade(self, trade: SimTrade) -> object:
        """Leave it to ``envelope``, which knows the stream."""
        return trade

    def _agg_trade(self, trade: SimTrade) -> dict[str, object]:
        head = {"e": "aggTrade", "E": self._emitted(trade.ts), "s": trade.instrument.native}
        return {**head, **rest.row(trade, self.text), "M": True}

    def _raw_trade(self, trade: SimTrade) -> dict[str, object]:
        return {
            "e": "trade",
            "E": self._emitted(trade.ts),
            "s": trade.instrument.native,
            "t": trade.number,
            "p": self.text(trade.price),
            "q": self.text(trade.size),
            "T": trade.ts // _MS,
            "m": not trade.buyer_is_taker,
            "M": True,
        }

    def book(self, change: SimBook, whole: SimBook) -> object:
        """Write a ``depthUpdate`` frame."""
        previous = change.sequence - 1 if change.previous is None else change.previous
        sides = {
            name: [(self.text(price), self.text(size)) for price, size in side]
            for name, side in (("b", change.bids), ("a", change.asks))
        }
        return {
            "e": "depthUpdate",
            "E": self._emitted(change.ts),
            "s": change.instrument.native,
            "U": previous + 1,
            "u": change.sequence,
            **sides,
        }

    def quote(self, whole: SimBook) -> object:
        """Write a ``bookTicker`` frame, without a kind and without a time."""
        (bid, bid_size), (ask, ask_size) = _best(whole.bids), _best(whole.asks)
        return {
            "u": whole.sequence,
            "s": whole.instrument.native,
            "b": self.text(bid),
            "B": self.text(bid_size),
            "a": self.text(ask),
            "A": self.text(ask_size),
        }

    def ticker(self, ticker: SimTicker) -> object:
        """Write a ``24hrTicker`` frame."""
        zero = ticker.open or "0"
        return {
            "e": "24hrTicker",
            "E": self._emitted(ticker.ts),
            "s": ticker.instrument.native,
            "c": self.text(ticker.last or zero),
            "Q": self.text("0"),
            "o": self.text(zero),
            "h": self.text(ticker.high or zero),
            "l": self.text(ticker.low or zero),
            "v": self.text(ticker.volume),
            "q": self.text(ticker.quote_volume),
            "O": (ticker.ts - 86_400_000 * _MS) // _MS,
            "C": ticker.ts // _MS,
            "F": 0,
            "L": ticker.trades,
            "n": ticker.trades,
        }

    def candle(self, candle: SimCandle) -> object:
        """Write a ``kline`` frame."""
        prices = {key: self.text(price or "0") for key, price in (
            ("o", candle.open), ("c", candle.close), ("h", candle.high), ("l", candle.low))}  # fmt: skip
        return {
            "e": "kline",
            "E": self._emitted(0),
            "s": candle.instrument.native,
            "k": {
                "t": candle.ts_start // _MS,
                "T": candle.ts_end // _MS - 1,
                "s": candle.instrument.native,
                "i": next(name for name, bucket in self.intervals.items() if bucket == candle.bucket),
                "f": 0,
                "L": candle.trades,
                **prices,
                "v": self.text(candle.volume),
                "n": candle.trades,
                "x": candle.is_closed,
                "q": self.text(candle.quote_volume),
                "V": self.text("0"),
                "Q": self.text("0"),
                "B": "0",
            },
        }

    def _emitted(self, ts: int) -> int:
        return max(self.clock.now(), ts) // _MS


class BinanceUsSimulator(BinanceSimulator):
    """Binance.US: spot under another id."""

    instruments = markets.spot("binanceus")


class BinanceUsdmSimulator(BinanceSimulator):
    """USDⓈ-M futures; both sockets are one here: what a dress is told of a connection is not its path."""

    instruments = markets.FUTURES
    prices = markets.FUTURES_PRICES
    prefix = "/fapi/v1"
    depth_limits = (5, 10, 20, 50, 100, 500, 1000)
    intervals: Mapping[str, str] = {name: bucket for name, bucket in rest.BUCKETS.items() if name != "1s"}
    speeds: Mapping[str, float] = {"": 0.25, "500ms": 0.5, "100ms": 0.1}
    streams: Mapping[str, tuple[Channel, float]] = {
        **BinanceSimulator.streams,
        "markPrice": (Channel.MARK_PRICE, 3),
        "markPrice@1s": (Channel.MARK_PRICE, 1),
        "forceOrder": (Channel.LIQUIDATIONS, 0),
    }

    def text(self, number: str) -> str:
        """Write a number as the market does, with the decimals of tick and lot."""
        return number

    def _market_row(self, instrument: Instrument) -> Mapping[str, object]:
        return markets.futures_row(instrument)

    def _depth(self, params: Mapping[str, Any], market: SimMarket) -> Mapping[str, object]:
        return rest.depth(params, market, self.text, self.depth_limits)

    def _agg_trade(self, trade: SimTrade) -> dict[str, object]:
        return {name: value for name, value in super()._agg_trade(trade).items() if name != "M"}

    def book(self, change: SimBook, whole: SimBook) -> object:
        """Write a ``depthUpdate`` frame with the engine's time and the update before."""
        frame = super().book(change, whole)
        assert isinstance(frame, dict)
        return {**frame, "T": change.ts // _MS, "pu": frame["U"] - 1}

    def quote(self, whole: SimBook) -> object:
        """Write a ``bookTicker`` frame with kind and times."""
        frame = super().quote(whole)
        assert isinstance(frame, dict)
        return {"e": "bookTicker", **frame, "T": whole.ts // _MS, "E": self._emitted(whole.ts)}

    def mark(self, mark: SimMark) -> object:
        """Write a ``markPriceUpdate`` frame; a dated future has no funding."""
        is_perp = mark.instrument.type is InstrumentType.PERP
        now = mark.ts // _MS
        return {
            "e": "markPriceUpdate",
            "E": self._emitted(mark.ts),
            "s": mark.instrument.native,
            "p": mark.mark,
            "i": mark.index,
            "P": mark.mark,
            "r": "0.00010000" if is_perp else "",
            "T": (now // _FUNDING_EVERY + 1) * _FUNDING_EVERY if is_perp else 0,
        }

    def liquidation(self, trade: SimTrade) -> object:
        """Write a ``forceOrder`` frame: the taker's order, of which this trade is all."""
        ts = trade.ts // _MS
        order = {
            "s": trade.instrument.native,
            "S": "BUY" if trade.buyer_is_taker else "SELL",
            "o": "LIMIT",
            "f": "IOC",
            "q": trade.size,
            "p": trade.price,
            "ap": trade.price,
            "X": "FILLED",
            "l": trade.size,
            "z": trade.size,
            "T": ts,
        }
        return {"e": "forceOrder", "E": self._emitted(trade.ts), "o": order}


class _Message(msgspec.Struct):
    method: str
    params: list[str] = []
    id: int | str | None = None


def _complain(client: SimClient, message: _Message, why: str) -> None:
    client.send({"error": {"code": 2, "msg": why}, "id": message.id})


def _best(levels: Sequence[tuple[str, str]]) -> tuple[str, str]:
    return levels[0] if levels else ("0", "0")
