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
from decimal import Decimal
from typing import Any, Literal

import msgspec

from tickwire import Channel, Clock, Instrument, InstrumentStatus, SystemClock
from tickwire.plugin import Request
from tickwire.simulation import SimBook, SimClient, SimMarket, SimReply, SimTrade
from tickwire_backpack.simulated_markets import INSTRUMENTS, PRICES, asset_rows, market_row, security_rows

__all__ = ["BackpackSimulator"]

_DEPTHS = ("5", "10", "20", "50", "100", "500", "1000")
_MARKET_TYPES = {"SPOT", "PERP", "IPERP", "DATED", "PREDICTION", "RFQ"}
_WINDOWS = {"200ms": 0.2, "600ms": 0.6, "1000ms": 1.0}
_WINDOW = re.compile(r"\d+ms")
_CHANNELS = {"trade": Channel.TRADES, "bookTicker": Channel.L1_BOOK, "depth": Channel.L2_BOOK}
# Valid on the exchange; here they stay quiet, as they do there while nothing happens.
_QUIET = {"kline", "ticker", "markPrice", "openInterest", "liquidation", "externalTicker", "stockPrice"}
_PRIVATE = {"account.orderUpdate", "account.positionUpdate", "account.balanceUpdate", "account.rfqUpdate"}
_PARSE, _SIGNATURE = (4002, "Parse error"), (4003, "Invalid signature")
_STREAM, _BAD_WINDOW = (4006, "Invalid stream"), (4008, "Invalid depth window")


class BackpackSimulator:
    """A dress for ``tickwire.simulation.SimServer``.

    Args:
        clock: What ``/time``, the emit time ``E`` and the age of a signature are read from.
        keys: API keys it knows; ``None``: any key whose signature is right.
    """

    instruments = INSTRUMENTS
    prices = PRICES
    snapshot_on_join = False

    def __init__(self, clock: Clock | None = None, keys: Sequence[str] | None = None) -> None:
        self._clock = clock or SystemClock()
        self._keys = None if keys is None else frozenset(keys)
        self._routes: Mapping[str, Callable[[Mapping[str, Any], SimMarket], object]] = {
            "/api/v1/status": lambda _, __: {"message": None, "status": "Ok"},
            "/api/v1/ping": lambda _, __: "pong",
            "/api/v1/time": lambda _, __: str(self._clock.now() // 1_000_000),
            "/api/v1/assets": lambda _, __: asset_rows(),
            "/api/v1/securities": lambda _, __: security_rows(),
            "/api/v1/markets": _markets,
            "/api/v1/market": _market,
            "/api/v1/depth": _depth,
            "/api/v1/trades": _trades,
            "/api/v1/trades/history": _trades,
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
        except _Refusal as refusal:
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
                client.leave(stream)
            elif complaint := self._subscribe(stream, message, client):
                _complain(client, complaint)
        return None

    def envelope(self, topic: str, message: object) -> object:
        """Wrap a message as ``{"data": …, "stream": …}``."""
        return {"data": message, "stream": topic}

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

    def _subscribe(self, stream: str, message: _Message, client: SimClient) -> tuple[int, str] | None:
        kind, _, native = stream.partition(".")
        if kind == "account":
            return self._subscribe_private(stream, message)
        if kind in _QUIET:
            return None
        if kind not in _CHANNELS:
            return _STREAM
        interval = 0.0
        if kind == "depth":
            window, _, rest = native.partition(".")
            if window in _WINDOWS:
                interval, native = _WINDOWS[window], rest
            elif _WINDOW.fullmatch(window):
                return _BAD_WINDOW
        # An unknown or closed market draws no answer either.
        client.join(stream, _CHANNELS[kind], native, interval)
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
            age = self._clock.now() // 1_000_000 - int(timestamp)
            return abs(age) <= min(int(window), 60_000)
        except (BadSignatureError, binascii.Error, ValueError):
            return False

    def _emitted(self, ts: int) -> int:
        return max(self._clock.now(), ts) // 1_000


class _Message(msgspec.Struct):
    method: Literal["SUBSCRIBE", "UNSUBSCRIBE"]
    params: list[str]
    signature: list[str] = []


class _Refusal(Exception):
    def __init__(self, status: int, body: object) -> None:
        super().__init__(body)
        self.reply = SimReply(status, body)


def _complain(client: SimClient, complaint: tuple[int, str]) -> None:
    code, message = complaint
    client.send({"id": None, "error": {"code": code, "message": message}})


def _best(levels: Sequence[tuple[str, str]]) -> tuple[str | None, str | None]:
    # Fields of an empty side are null, say the newer documents.
    return levels[0] if levels else (None, None)


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
            "price": _unpadded(trade.price),
            "quantity": _unpadded(trade.size),
            "quoteQuantity": _unpadded(f"{Decimal(trade.price) * Decimal(trade.size):f}"),
            "timestamp": trade.ts // 1_000_000,
        }
        for trade in rows
    ]


def _instrument(params: Mapping[str, Any], market: SimMarket) -> Instrument:
    if "symbol" not in params:
        raise _unparsed("symbol", 'Type "string" expects an input value.')
    for instrument in market.instruments:
        if instrument.native == params["symbol"]:
            return instrument
    raise _Refusal(400, {"code": "INVALID_CLIENT_REQUEST", "message": "Invalid market symbol"})


def _open_instrument(params: Mapping[str, Any], market: SimMarket) -> Instrument:
    instrument = _instrument(params, market)
    if instrument.status is InstrumentStatus.CLOSED:
        raise _Refusal(404, {"code": "RESOURCE_NOT_FOUND", "message": "Not Found"})
    return instrument


def _whole_number(params: Mapping[str, Any], name: str, default: int) -> int:
    text = str(params.get(name, default))
    if not text.isascii() or not text.isdigit():
        raise _unparsed(name, f'failed to parse "integer(uint64)": invalid digit found in "{text}"')
    return int(text)


def _unparsed(name: str, why: str) -> _Refusal:
    return _Refusal(400, f"failed to parse parameter `{name}`: {why}")


def _unpadded_level(level: tuple[str, str]) -> tuple[str, str]:
    return _unpadded(level[0]), _unpadded(level[1])


def _unpadded(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
