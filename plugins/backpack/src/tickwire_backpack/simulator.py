"""Dresses the simulated market as Backpack, oddities included.

REST: bids ascend like asks, ``lastUpdateId`` is text, prices are unpadded, some errors are plain text, ``/time`` and
``/ping`` are text. WebSocket: no acknowledgement, silence on unknown symbols, no snapshot, prices padded to the tick,
engine times in microseconds, keys in alphabetical order. Source: ``docs.backpack.exchange`` and frames recorded
2026-09-02; where neither tells, the comment says so.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from tickwire import Channel, Clock, SystemClock
from tickwire.plugin import Request
from tickwire.simulation import (
    SimBook,
    SimCandle,
    SimClient,
    SimMark,
    SimMarket,
    SimOpenInterest,
    SimReply,
    SimTicker,
    SimTrade,
)
from tickwire_backpack import simulated_figures as figures
from tickwire_backpack.simulated_markets import INSTRUMENTS, PRICES
from tickwire_backpack.simulated_rest import ROUTES, Refusal

__all__ = ["BackpackSimulator"]

_WINDOWS = {"200ms": 0.2, "600ms": 0.6, "1000ms": 1.0}
_WINDOW = re.compile(r"\d+ms")
_CHANNELS = {
    "trade": Channel.TRADES,
    "bookTicker": Channel.L1_BOOK,
    "depth": Channel.L2_BOOK,
    "ticker": Channel.TICKER,
    "kline": Channel.CANDLES,
    "markPrice": Channel.MARK_PRICE,
    "openInterest": Channel.OPEN_INTEREST,
    "liquidation": Channel.LIQUIDATIONS,
}
# Valid on the exchange; here they stay quiet, as they do there while nothing happens.
_QUIET = {"externalTicker", "stockPrice", "stockIndicativeQuote"}
_PRIVATE = {"account.orderUpdate", "account.positionUpdate", "account.balanceUpdate", "account.rfqUpdate"}
_PARSE, _SIGNATURE = (4002, "Parse error"), (4003, "Invalid signature")
_STREAM, _BAD_WINDOW = (4006, "Invalid stream"), (4008, "Invalid depth window")


class BackpackSimulator:
    """A dress for ``tickwire.simulation.SimServer``.

    Args:
        clock: What ``/time``, the emit time ``E`` and the age of a signature are read from.
        keys: API keys it knows; ``None``: any key whose signature is right.
        bare_liquidations: The stream of liquidations is called ``liquidation``, as in the older documents, and not
            ``liquidation.<symbol>``; the other name is an invalid stream.

    Attributes:
        clock: As above; a hostile exchange puts it wrong.
    """

    instruments = INSTRUMENTS
    prices = PRICES
    snapshot_on_join = False

    def __init__(
        self, clock: Clock | None = None, keys: Sequence[str] | None = None, *, bare_liquidations: bool = False
    ) -> None:
        self._bare_liquidations = bare_liquidations
        self.clock = clock or SystemClock()
        self._keys = None if keys is None else frozenset(keys)
        self._routes: Mapping[str, Callable[[Mapping[str, Any], SimMarket], object]] = {
            "/api/v1/time": lambda _, __: str(self.clock.now() // 1_000_000),
            **ROUTES,
        }

    def rest(self, request: Request, market: SimMarket) -> object:
        """Answer a public GET; any other path is 404 in plain text."""
        route = self._routes.get(request.path)
        if route is None:
            return SimReply(404, "not found")
        if request.method != "GET":
            return SimReply(405, "method not allowed")
        try:
            return route(request.params, market)
        except Refusal as refusal:
            return refusal.reply

    def received(self, payload: bytes, client: SimClient) -> None:
        """Subscribe or unsubscribe without a word; complain once per bad stream, never naming it."""
        try:
            message = msgspec.json.decode(payload, type=_Message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _complain(client, _PARSE)
        # Whether one bad stream voids a frame on the real exchange is unknown: here the others live.
        for stream in message.params:
            if message.method == "UNSUBSCRIBE":
                for topic in self._topics(stream):
                    client.leave(topic)
            elif complaint := self._subscribe(stream, message, client):
                _complain(client, complaint)
        return None

    def envelope(self, topic: str, message: object) -> object:
        """Wrap a message as ``{"data": …, "stream": …}``."""
        is_bare = self._bare_liquidations and topic.startswith("liquidation.")
        return {"data": message, "stream": "liquidation" if is_bare else topic}

    def trade(self, trade: SimTrade) -> object:
        """Write a ``trade`` frame; ``a`` and ``b`` are the seller's and the buyer's order."""
        return {
            "E": self._emitted(trade.ts),
            "T": trade.ts // 1_000,
            "a": str(trade.seller_order),
            "b": str(trade.buyer_order),
            "e": "trade",
            "m": not trade.buyer_is_taker,
            "p": trade.price,
            "q": trade.size,
            "s": trade.instrument.native,
            "t": trade.number,
        }

    def book(self, change: SimBook, whole: SimBook) -> object:
        """Write a ``depth`` frame; batched ones ascend on both sides."""
        return {
            "E": self._emitted(change.ts),
            "T": change.ts // 1_000,
            "U": (change.sequence - 1 if change.previous is None else change.previous) + 1,
            "a": change.asks,
            "b": change.bids[::-1],
            "e": "depth",
            "s": change.instrument.native,
            "u": change.sequence,
        }

    def quote(self, whole: SimBook) -> object:
        """Write a ``bookTicker`` frame; its ``u`` is that of the depth frame that changed the top."""
        ask, bid = _best(whole.asks), _best(whole.bids)
        return {
            "A": ask[1],
            "B": bid[1],
            "E": self._emitted(whole.ts),
            "T": whole.ts // 1_000,
            "a": ask[0],
            "b": bid[0],
            "e": "bookTicker",
            "s": whole.instrument.native,
            "u": whole.sequence,
        }

    def ticker(self, ticker: SimTicker) -> object:
        """Write a ``ticker`` frame."""
        return figures.ticker_frame(ticker, self._emitted(ticker.ts))

    def candle(self, candle: SimCandle) -> object:
        """Write a ``kline`` frame."""
        return figures.candle_frame(candle, self._emitted(0))

    def mark(self, mark: SimMark) -> object:
        """Write a ``markPrice`` frame."""
        return figures.mark_frame(mark, self._emitted(mark.ts))

    def open_interest(self, interest: SimOpenInterest) -> object:
        """Write an ``openInterest`` frame."""
        return figures.interest_frame(interest, self._emitted(interest.ts))

    def liquidation(self, trade: SimTrade) -> object:
        """Write a ``liquidation`` frame."""
        return figures.liquidation_frame(trade, self._emitted(trade.ts))

    def _topics(self, stream: str) -> Sequence[str]:
        # the bare stream is one topic per market
        if self._bare_liquidations and stream == "liquidation":
            types = figures.TYPES[Channel.LIQUIDATIONS]
            return [f"liquidation.{i.native}" for i in self.instruments if i.type in types]
        return (stream,)

    def _subscribe(self, stream: str, message: _Message, client: SimClient) -> tuple[int, str] | None:
        kind, _, native = stream.partition(".")
        if kind == "account":
            return self._subscribe_private(stream, message)
        if kind in _QUIET:
            return None
        if kind not in _CHANNELS:
            return _STREAM
        channel, interval, bucket = _CHANNELS[kind], 0.0, ""
        if channel is Channel.LIQUIDATIONS:
            return self._subscribe_liquidations(stream, client)
        if kind == "kline":
            # What the exchange says to an interval it does not have is unknown.
            bucket, _, native = native.partition(".")
            if bucket not in figures.INTERVALS:
                return _STREAM
        if kind == "depth":
            window, _, rest = native.partition(".")
            if window in _WINDOWS:
                interval, native = _WINDOWS[window], rest
            elif _WINDOW.fullmatch(window):
                return _BAD_WINDOW
        # An unknown or closed market, or one without such figures, draws no answer either.
        if figures.has(native, channel, self.instruments):
            client.join(stream, channel, native, interval or figures.PERIODS.get(channel, 0.0), bucket)
        return None

    def _subscribe_liquidations(self, stream: str, client: SimClient) -> tuple[int, str] | None:
        if (stream == "liquidation") is not self._bare_liquidations:
            return _STREAM
        for topic in self._topics(stream):
            native = topic.partition(".")[2]
            if figures.has(native, Channel.LIQUIDATIONS, self.instruments):
                client.join(topic, Channel.LIQUIDATIONS, native)
        return None

    def _subscribe_private(self, stream: str, message: _Message) -> tuple[int, str] | None:
        if not any(stream == name or stream.startswith(f"{name}.") for name in _PRIVATE):
            return _STREAM
        return None if self._is_signed(message.signature) else _SIGNATURE

    def _is_signed(self, signature: Sequence[str]) -> bool:
        from nacl.exceptions import BadSignatureError
        from nacl.signing import VerifyKey

        if len(signature) != 4 or (self._keys is not None and signature[0] not in self._keys):
            return False
        key, signed, timestamp, window = signature
        text = f"instruction=subscribe&timestamp={timestamp}&window={window}"
        try:
            VerifyKey(base64.b64decode(key, validate=True)).verify(
                text.encode(), base64.b64decode(signed, validate=True)
            )
            age = self.clock.now() // 1_000_000 - int(timestamp)
            return abs(age) <= min(int(window), 60_000)
        except (BadSignatureError, binascii.Error, ValueError):
            return False

    def _emitted(self, ts: int) -> int:
        return max(self.clock.now(), ts) // 1_000


class _Message(msgspec.Struct):
    method: Literal["SUBSCRIBE", "UNSUBSCRIBE"]
    params: list[str]
    signature: list[str] = []


def _complain(client: SimClient, complaint: tuple[int, str]) -> None:
    code, message = complaint
    client.send({"id": None, "error": {"code": code, "message": message}})


def _best(levels: Sequence[tuple[str, str]]) -> tuple[str | None, str | None]:
    # Fields of an empty side are null, say the newer documents.
    return levels[0] if levels else (None, None)
