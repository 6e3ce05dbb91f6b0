"""What the real ``backpack-exchange-sdk`` receives, as one JSON object. A process: its threads reconnect for ever.

Arguments: REST URL, WebSocket URL, native symbol, how many trades to wait for.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import defaultdict
from typing import Any

from backpack_exchange_sdk.public import PublicClient
from backpack_exchange_sdk.websocket import WebSocketClient

REST, SOCKET, SYMBOL, COUNT = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
WAIT = 25


class SimulatedSocket(WebSocketClient):  # type: ignore[misc, unused-ignore]
    """The client at another URL than the one its constructor sets."""

    @property
    def base_url(self) -> str:
        return SOCKET

    @base_url.setter
    def base_url(self, url: str) -> None: ...


def main() -> None:
    """Subscribe, ask over REST what can be asked, wait for enough frames, and print."""
    heard: dict[str, list[Any]] = defaultdict(list)
    enough, lock = threading.Event(), threading.Lock()

    def hear(data: dict[str, Any]) -> None:
        with lock:
            heard[data["e"]].append(data)
            closed = [candle for candle in heard["kline"] if candle["X"]]
            kinds = {"ticker", "markPrice", "openInterest", "bookTicker", "liquidation", "depth"}
            if len(heard["trade"]) >= COUNT and len(closed) >= 2 and all(heard[kind] for kind in kinds):
                enough.set()

    streams = ["trade", "depth", "bookTicker", "ticker", "kline.1m", "markPrice", "openInterest", "liquidation"]
    socket = SimulatedSocket()
    socket.subscribe([f"{stream}.{SYMBOL}" for stream in streams], hear)
    client = PublicClient(base_url=f"{REST}/", timeout=10)
    began = int(client.get_system_time()) // 1_000
    depth = client.get_depth(SYMBOL)
    is_enough = enough.wait(WAIT)
    rest = {
        "status": client.get_status(),
        "ping": client.send_ping(),
        "markets": client.get_markets(),
        "market": client.get_market(SYMBOL),
        "ticker": client.get_ticker(SYMBOL),
        "tickers": client.get_tickers(),
        "klines": client.get_klines(SYMBOL, "1m", began),
        "mark": client.get_mark_price(SYMBOL),
        "interest": client.get_open_interest(SYMBOL),
        "funding": client.get_funding_interval_rates(SYMBOL, limit=3),
        "trades": client.get_recent_trades(SYMBOL, limit=20),
        "history": client.get_historical_trades(SYMBOL, limit=20),
    }
    with lock:
        print(json.dumps({"is_enough": is_enough, "depth": depth, "heard": heard, "rest": rest}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
