"""What ccxt's instances are made of: the user's settings, seen on the real classes; no request is made."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tickwire import ConfigError, RateLimitedError
from tickwire.plugin import Network
from tickwire_ccxt_generic import CcxtClients, CcxtGenericFeed, CcxtOptions
from tickwire_ccxt_generic.answers import look_at
from tickwire_ccxt_generic.gate import Gate

LOOPBACK = "http://127.0.0.1:9"


class Keys:
    def __init__(self, **keys: str) -> None:
        self._keys: Mapping[str, str] = keys

    def reveal(self, name: str) -> str:
        from tickwire import CredentialsError

        if name not in self._keys:
            raise CredentialsError(f"{name} is not set", hint="set it")
        return self._keys[name]


def made(exchange: str, tmp_path: Path, network: Network, keys: Keys | None = None, **options: Any) -> Any:
    async def main() -> Any:
        clients = CcxtClients(exchange, CcxtOptions(state=str(tmp_path), **options), network, keys)
        try:
            return await clients.rest()
        finally:
            await clients.close()

    return asyncio.run(main())


@pytest.mark.parametrize("exchange", ["backpack", "binance", "kraken", "bitvavo", "bigone", "kucoin"])
def test_all_urls_lead_to_the_host_that_was_set(exchange: str, tmp_path: Path) -> None:
    def leaves(tree: Any) -> list[str]:
        return [leaf for each in tree.values() for leaf in leaves(each)] if isinstance(tree, dict) else [str(tree)]

    client = made(exchange, tmp_path, Network((LOOPBACK,), {}))
    urls = [url for url in leaves(client.urls["api"]) if url.startswith("http")]
    assert urls
    assert [url for url in urls if not url.startswith(f"{LOOPBACK}/") and url != LOOPBACK] == []


def test_keys_time_out_and_options_reach_the_client(tmp_path: Path) -> None:
    network = Network((LOOPBACK,), {}, timeout=3.5)
    keys = Keys(api_key="k", api_secret="s")
    client = made("backpack", tmp_path, network, keys, ccxt={"recvWindow": 7, "watchOrderBook": {"maxRetries": 2}})
    assert (client.apiKey, client.secret, client.timeout, client.enableRateLimit) == ("k", "s", 3500, True)
    assert client.options["recvWindow"] == 7
    assert client.options["watchOrderBook"] == {"maxRetries": 2, "snapshotDelay": 0}
    assert client.options["ws"]["compress"] == 0


def test_everything_goes_through_the_proxy_and_nothing_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://environment.example:1")
    proxy = "socks5://10.0.0.7:1080"

    async def main() -> tuple[str, bool]:
        network = Network((LOOPBACK,), {}, proxy_rest=proxy, proxy_websocket=proxy)
        clients = CcxtClients("backpack", CcxtOptions(state=str(tmp_path)), network)
        try:
            client = await clients.rest()
            return type(client.session.connector).__name__, client.session.trust_env
        finally:
            await clients.close()

    assert asyncio.run(main()) == ("ProxyConnector", False)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Network((LOOPBACK,), {}, proxy_rest="http://a:1", path="exchanges.x"), "one proxy for both"),
        (Network((LOOPBACK,), {}, engine="picows", path="exchanges.x"), "no WebSocket engine 'picows'"),
    ],
)
def test_what_ccxt_cannot_honour_is_refused(network: Network, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as found:
        CcxtClients("backpack", CcxtOptions(), network)
    assert found.value.path.startswith("exchanges.x.")


def test_a_refusal_for_too_many_requests_shuts_the_gate_for_as_long_as_it_says() -> None:
    async def main() -> float:
        gate, loop = Gate(), asyncio.get_running_loop()
        with pytest.raises(RateLimitedError) as found:
            look_at("acme", "GET", 429, {"Retry-After": "0.2"}, "slow down", gate)
        assert found.value.retry_after is None  # no whole number of seconds: a second is waited
        with pytest.raises(RateLimitedError) as found:
            look_at("acme", "GET", 418, {"retry-after": "2"}, "", gate)
        assert (found.value.retry_after, found.value.is_ban) == (2.0, True)
        began = loop.time()
        await gate.wait()
        return loop.time() - began

    assert asyncio.run(main()) == pytest.approx(2, abs=0.5)


def test_a_feed_class_states_what_it_wants_and_the_constructor_goes_before() -> None:
    class Ours(CcxtGenericFeed[float]):
        exchange_id = "bitvavo"
        symbols = ("BTC-EUR",)
        rest = LOOPBACK
        options = {"limit": 5, "audit_interval": 9.0}  # noqa: RUF012

    feed = Ours(options={"limit": 6})
    assert (feed.name, feed.network.rest, feed.wiring.plugin) == ("bitvavo", (LOOPBACK,), "ccxt_generic")
    transport: Any = feed.wiring.transport
    assert transport.rest.options == CcxtOptions(limit=6, audit_interval=9.0)
    with pytest.raises(ConfigError, match="of no exchange"):
        CcxtGenericFeed()
