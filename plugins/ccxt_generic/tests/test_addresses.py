"""ccxt's URLs on the hosts that the user set."""

from __future__ import annotations

import pytest

from tickwire_ccxt_generic.addresses import moved

BINANCE = "https://api.binance.com"


@pytest.mark.parametrize(
    ("url", "base", "declared", "expected"),
    [
        ("https://api.binance.com/api/v3", BINANCE, BINANCE, "https://api.binance.com/api/v3"),
        ("https://api.binance.com/api/v3", "https://api1.binance.com", BINANCE, "https://api1.binance.com/api/v3"),
        ("https://fapi.binance.com/fapi/v1", "https://api1.binance.com", BINANCE, "https://fapi.binance.com/fapi/v1"),
        ("https://fapi.binance.com/fapi/v1", "http://127.0.0.1:9", BINANCE, "http://127.0.0.1:9/fapi/v1"),
        ("https://api.binance.com/api/v3", "http://127.0.0.1:9/", BINANCE, "http://127.0.0.1:9/api/v3"),
        ("https://api.binance.com/api/v3", "https://cache.example/binance", BINANCE, "https://cache.example/binance/api/v3"),
        ("wss://ws.kraken.com/v2", "wss://there.example/v2", "wss://ws.kraken.com", "wss://there.example/v2"),
        ("wss://a.example/ws?x=1", "ws://127.0.0.1:9", "wss://a.example", "ws://127.0.0.1:9/ws?x=1"),
    ],
)  # fmt: skip
def test_a_base_takes_over_its_host_or_all_hosts(url: str, base: str, declared: str, expected: str) -> None:
    assert moved(url, base, declared) == expected


def test_a_host_that_ccxt_looks_for_stays_in_the_path() -> None:
    url, base = "wss://stream.binance.com:9443/ws", "ws://127.0.0.1:9"
    assert moved(url, base, "wss://stream.binance.com:9443", keeps_host=True) == f"{base}/stream.binance.com:9443/ws"
