"""Frames as ccxt's handlers get them, decoded, in the formats of three exchanges: made here, the same every time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

import attrs
from frames import depths as backpack_depths
from frames import trades as backpack_trades

__all__ = ["EXCHANGES", "Exchange"]

_START = 1_788_367_430_000  # ms
_LEVELS = 10


@attrs.frozen
class Exchange:
    """One exchange's format.

    Attributes:
        id: ccxt's.
        native: ccxt's symbol of the instrument that the frames are of.
        url: Of its socket.
        trades: Makes so many trade frames, JSON.
        depths: Makes so many frames of one changed level or a few, JSON, consecutive after ``snapshot``.
        snapshot: The book before the first of them, as ``fetch_order_book`` gives it; ``None``: the socket's first
            frame has it.
        first: That frame.
    """

    id: str
    native: str
    url: str
    trades: Callable[[int], Sequence[bytes]]
    depths: Callable[[int], Sequence[bytes]]
    snapshot: Mapping[str, Any] | None = None
    first: bytes | None = None


def _book(nonce: int, middle: float, step: float) -> Mapping[str, Any]:
    bids, asks = ([[round(middle + sign * step * n, 2), 1.0] for n in range(1, 201)] for sign in (-1, 1))
    return {"bids": bids, "asks": asks, "nonce": nonce, "timestamp": _START, "datetime": None}


def _binance_trades(count: int) -> list[bytes]:
    random, made = Random(3), []
    for number in range(1, count + 1):
        trade = {
            "e": "aggTrade", "E": _START + number, "s": "BTCUSDT", "a": number, "p": f"{60_000 + random.random():.2f}",
            "q": f"{random.random() + 0.00001:.5f}", "f": number, "l": number, "T": _START + number,
            "m": random.random() < 0.5, "M": True,
        }  # fmt: skip
        made.append(json.dumps({"stream": "btcusdt@aggTrade", "data": trade}).encode())
    return made


def _binance_depths(count: int) -> list[bytes]:
    random, made = Random(4), []
    for number in range(1, count + 1):
        sides: tuple[list[list[str]], list[list[str]]] = ([], [])
        for _ in range(8):
            is_ask = random.getrandbits(1)
            price = 60_000 + (1 if is_ask else -1) * random.randint(1, 200) / 100
            sides[is_ask].append([f"{price:.2f}", f"{0.0 if random.random() < 0.3 else random.random():.5f}"])
        depth = {
            "e": "depthUpdate", "E": _START + number, "s": "BTCUSDT", "U": number, "u": number, "b": sides[0],
            "a": sides[1],
        }  # fmt: skip
        made.append(json.dumps({"stream": "btcusdt@depth@100ms", "data": depth}).encode())
    return made


def _time(number: int) -> str:
    return datetime.fromtimestamp(_START / 1000 + number / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _kraken_trades(count: int) -> list[bytes]:
    random, made = Random(5), []
    for number in range(1, count + 1):
        trade = {
            "symbol": "BTC/USD", "side": random.choice(("buy", "sell")), "price": round(60_000 + random.random(), 1),
            "qty": round(random.random() + 0.00000001, 8), "ord_type": "limit", "trade_id": number,
            "timestamp": _time(number),
        }  # fmt: skip
        made.append(json.dumps({"channel": "trade", "type": "update", "data": [trade]}).encode())
    return made


def _kraken_depths(count: int) -> list[bytes]:
    # sizes inside a window of ten levels; the digest is read, and what it says is core's to compare
    random, made = Random(6), []
    for number in range(1, count + 1):
        is_ask, level = random.getrandbits(1), random.randint(1, _LEVELS)
        row = {"price": 60_000 + (level if is_ask else -level) / 10, "qty": round(random.random() + 0.00000001, 8)}
        data = {
            "symbol": "BTC/USD", "bids": [] if is_ask else [row], "asks": [row] if is_ask else [],
            "checksum": number, "timestamp": _time(number),
        }  # fmt: skip
        made.append(json.dumps({"channel": "book", "type": "update", "data": [data]}).encode())
    return made


def _kraken_first() -> bytes:
    bids, asks = (
        [{"price": 60_000 + sign * level / 10, "qty": 1.0} for level in range(1, _LEVELS + 1)] for sign in (-1, 1)
    )
    data = {"symbol": "BTC/USD", "bids": bids, "asks": asks, "checksum": 0, "timestamp": _time(0)}
    return json.dumps({"channel": "book", "type": "snapshot", "data": [data]}).encode()


EXCHANGES = (
    Exchange(
        "backpack", "SOL/USDC", "wss://ws.backpack.exchange", backpack_trades, lambda count: backpack_depths(count, 1),
        snapshot=_book(0, 99.0, 0.01),
    ),
    Exchange(
        "binance", "BTC/USDT", "wss://stream.binance.com:9443/stream", _binance_trades, _binance_depths,
        snapshot=_book(0, 60_000.0, 0.01),
    ),
    Exchange("kraken", "BTC/USD", "wss://ws.kraken.com/v2", _kraken_trades, _kraken_depths, first=_kraken_first()),
)  # fmt: skip
