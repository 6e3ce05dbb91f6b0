"""The page of three exchanges and three sinks, as written: read, planned, and run against simulated exchanges.

What is not built yet is taken out by ``built``, each with a test that it is refused by name and not ignored; hosts are
pointed at simulators, and sinks are those that exist. The hosts of ``binance`` are names that only its proxy resolves.
"""

from __future__ import annotations

import asyncio
import json
import sys
import types
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import jsonschema
import msgspec
import pytest

import tickwire_backpack.plugin
from tickwire import Channel, ConfigError, Instrument, Instruments, Subscription, hookimpl, sink_of
from tickwire.model.quality import Event
from tickwire.plugin import (
    ChannelInfo,
    ConnectionInfo,
    ExchangeInfo,
    Fetch,
    Ids,
    Routing,
    SymbolSource,
    Tier,
)
from tickwire.plugin.registry import Registry
from tickwire.run.config import config_from, load_config
from tickwire.run.documents import read_yaml
from tickwire.run.planning import plan_feed
from tickwire.run.runner import Runner
from tickwire.run.schema import config_schema
from tickwire.run.settings import Config
from tickwire.simulation import SeededMarket, SimServer
from tickwire.testing import SimClient
from tickwire_backpack.simulator import BackpackSimulator
from tickwire_kestrel.info import KESTREL
from tickwire_kestrel.routing import KestrelRouter, KestrelRouting
from tickwire_kestrel.simulator import KestrelSimulator
from tickwire_kestrel.symbols import KestrelSymbols

if TYPE_CHECKING:
    from conftest import SocksProxy

PAGE = """\
name: night-eu                                  # in metrics, ledger and run ids
state: /var/lib/tickwire                        # instrument cache, ledger, spill, resume marks

exchanges:
  backpack:                                     # the key is a name; `exchange:` defaults to it
    symbols: ["*-USDC-PERP", "SOL-USDC", "!*-PREDICTION"]
    channels: [trades, l2_book, l1_book, mark_price, funding]
  binance:
    symbols: [BTC-USDT, ETH-USDT]
    channels:
      - trades
      - l2_book: {interval: 100ms, depth: 1000}
      - candles: {interval: 1m}
    connections: 2                              # hot stand-by
    proxy: socks5://10.0.0.7:1080
    endpoints:
      rest: [https://api.binance.com, https://api1.binance.com]
      websocket: [wss://stream.binance.com:9443, wss://data-stream.binance.vision]
  bitvavo:
    plugin: ccxt_generic                        # the pin; doctor shows who would win without it
    symbols: ["BTC-EUR"]
    channels: [trades, l2_book]
    rest: {snapshot_interval: 30, limit: 100}

recovery:
  backfill: in_order                            # in_order | late | off
  hold: 15s                                     # live trades of that instrument wait at most this long
  resume: 24h                                   # fill the hole since the last run, if it is younger

sinks:
  archive:
    type: parquet
    path: /data/market
    rotate: 15m
    when_full: spill
  hot:
    type: redis_streams
    url: ${REDIS_URL:?set it to redis://host:6379/0}
    channels: [trades, l1_book, quality]
    when_full: drop_oldest
    queue: 50000
  alerts:
    type: webhook
    url: ${ALERT_URL:?}
    channels: [quality]
    severity: warning
    every: 30s

serve: {host: 127.0.0.1, port: 9464}
log: {level: info, format: json}
"""
SINKS = """\
sinks:
  archive:
    type: jsonl
    path: market.jsonl
  hot:
    type: console
    channels: [trades, l1_book, quality]
    when_full: drop_oldest
    queue: 50000
  alerts:
    type: callback
    call: page_alerts:tell
    channels: [quality]

"""
WITH_SINKS = PAGE[: PAGE.index("sinks:")] + SINKS + PAGE[PAGE.index("serve:") :]
# what is not built yet, and how it is refused
UNBUILT = {
    "serve.host": "not built yet → remove it",
    "serve.port": "not built yet → remove it",
}
TOLD: list[Event] = []
# of a domain that never exists (RFC 6761): whoever does not leave them to the proxy gets nowhere
API, OTHER_API = "api.binance.invalid", "api1.binance.invalid"
STREAM, OTHER_STREAM = "stream.binance.invalid", "data-stream.binance.invalid"


class Candles(KestrelSimulator):
    """Kestrel that accepts candles, and has none."""

    def received(self, payload: bytes, client: SimClient) -> None:
        said = msgspec.json.decode(payload)
        topics = [topic for topic in said.get("topics", ()) if not topic.startswith("candles:")]
        super().received(msgspec.json.encode({**said, "topics": topics}), client)


class CandleRouter(KestrelRouter):
    def stream(self, subscription: Subscription) -> str:
        if subscription.channel is Channel.CANDLES and subscription.instrument is not None:
            return f"candles:{subscription.instrument.native}"
        return super().stream(subscription)


class LikeKestrel:
    """A plugin of another exchange that speaks Kestrel's language."""

    def __init__(self, exchange: str, tier: Tier, **channels: ChannelInfo) -> None:
        more = {Channel(name): info for name, info in channels.items()}
        self.info = attrs.evolve(KESTREL, id=exchange, tier=tier, channels={**KESTREL.channels, **more}, simulator=None)

    @hookimpl
    def tickwire_exchanges(self) -> Iterable[ExchangeInfo]:
        return [self.info]

    @hookimpl
    def tickwire_symbols(self) -> SymbolSource:
        exchange = self.info.id

        class Symbols(KestrelSymbols):
            def _build_market(self, entry: Mapping[str, Any]) -> Instrument:
                return attrs.evolve(super()._build_market(entry), exchange=exchange)

        return Symbols()

    @hookimpl
    def tickwire_routing(self, instruments: Instruments) -> Routing:
        info = self.info

        class LikeKestrelRouting(KestrelRouting):
            def router(self, connection: ConnectionInfo) -> KestrelRouter:
                return CandleRouter(instruments, None)

            def locate(self, endpoint: str, url: str) -> Fetch[Any]:
                return super().locate(endpoint, url)

        LikeKestrelRouting.info = info
        return LikeKestrelRouting(instruments, None)


def registry() -> Registry:
    binance = LikeKestrel(
        "binance", Tier.NATIVE, candles=ChannelInfo(intervals=("1m",)),
        l2_book=attrs.evolve(KESTREL.channels[Channel.L2_BOOK], intervals=("100ms",)),
        trades=ChannelInfo(ids=Ids.CONSECUTIVE),
    )  # fmt: skip
    return Registry.of(
        backpack=tickwire_backpack.plugin, binance=binance, ccxt_generic=LikeKestrel("bitvavo", Tier.GENERIC)
    )


def market(*symbols: str) -> SeededMarket:
    def listed(symbol: str) -> Instrument:
        base, quote = symbol.split("-")
        native = f"{base}/{quote}"
        return Instrument("kestrel", symbol, native, base, quote, tick_size=Decimal("0.1"), lot_size=Decimal("0.001"))

    return SeededMarket(map(listed, symbols), seed=2)


def document() -> dict[str, Any]:
    data = read_yaml(WITH_SINKS, "night.yaml")
    assert isinstance(data, dict)
    return data


def built() -> dict[str, Any]:
    """Give the page less what is not built yet."""
    data = document()
    del data["serve"]
    del data["exchanges"]["bitvavo"]["rest"]
    backpack = next(claim.info for claim in registry().claims if claim.info.id == "backpack")
    channels = data["exchanges"]["backpack"]["channels"]
    data["exchanges"]["backpack"]["channels"] = [name for name in channels if backpack.offers(Channel(name))]
    return data


def at(config: dict[str, Any], servers: Mapping[str, SimServer], proxy: SocksProxy, folder: Path) -> Config:
    """Point the page at simulators, and ``binance`` at one that is met through its proxy alone."""
    for name, server in servers.items():
        config["exchanges"][name]["endpoints"] = {"rest": server.rest_url, "websocket": server.ws_url}
    port = servers["binance"].port
    config["exchanges"]["binance"]["endpoints"] = {
        "rest": [f"http://{host}:{port}" for host in (API, OTHER_API)],
        "websocket": [f"ws://{host}:{port}" for host in (STREAM, OTHER_STREAM)],
    }
    config["exchanges"]["binance"]["proxy"] = proxy.url
    proxy.names |= {API, OTHER_API, STREAM, OTHER_STREAM}
    config["state"] = str(folder / "state")
    config["sinks"]["archive"]["path"] = str(folder / "market.jsonl")
    return config_from(config, "night.yaml", {})


@pytest.fixture(autouse=True)
def _alerts(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("page_alerts")
    module.tell = TOLD.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "page_alerts", module)
    TOLD.clear()


def test_what_is_not_built_yet_is_refused_all_at_once_and_by_name(tmp_path: Path) -> None:
    file = tmp_path / "night.yaml"
    file.write_text(WITH_SINKS)
    with pytest.raises(ConfigError) as caught:
        load_config(file, {})
    lines = [line.strip() for line in str(caught.value).splitlines()[1:]]
    assert len(lines) == len(UNBUILT)
    for path, says in UNBUILT.items():
        assert any(line.startswith(f"{path}: {says}") for line in lines), path


def test_what_only_a_polling_plugin_could_honour_is_refused() -> None:
    data = built()
    data["exchanges"]["bitvavo"]["rest"] = document()["exchanges"]["bitvavo"]["rest"]
    with pytest.raises(ConfigError) as caught:
        Runner(config_from(data, "night.yaml", {}), registry())
    assert str(caught.value) == (
        "night.yaml: exchanges.bitvavo.rest.snapshot_interval: bitvavo is streamed, not polled: "
        "snapshot_interval cannot be honoured → remove it"
    )


def test_the_sinks_of_the_page_that_do_not_exist_are_named() -> None:
    environ = {"REDIS_URL": "redis://host:6379/0", "ALERT_URL": "https://alert.example"}
    data: Any = read_yaml(PAGE, "night.yaml")
    sinks = {name: {**sink, "when_full": "block"} for name, sink in data["sinks"].items()}
    config = config_from({**built(), "sinks": sinks}, "night.yaml", environ)
    with pytest.raises(ConfigError) as caught:
        Runner(config, registry())
    assert str(caught.value) == (
        "night.yaml: sinks.hot.type: no installed plugin offers a sink of type 'redis_streams' "
        "→ one of callback, console, jsonl, parquet"
    )


def test_the_sinks_of_the_page_are_made_where_tickwire_sinks_is_installed() -> None:
    from tickwire_sinks import plugin

    environ = {"REDIS_URL": "redis://host:6379/0", "ALERT_URL": "https://alert.example"}
    data: Any = read_yaml(PAGE, "night.yaml")
    config = config_from({**built(), "sinks": data["sinks"]}, "night.yaml", environ)
    sinks = Registry.of(sinks=plugin).sinks
    assert [(sink.name, sinks[sink.type].type) for sink in config.sinks] == [
        ("archive", "parquet"), ("hot", "redis_streams"), ("alerts", "webhook"),
    ]  # fmt: skip
    for sink in config.sinks:
        assert sink_of(sink.type, sink.options, Registry.of(sinks=plugin)) is not None


def test_the_schema_accepts_the_page() -> None:
    jsonschema.validate(document(), config_schema(registry().sinks.values()))


def test_the_page_runs_as_planned(tmp_path: Path, socks_proxy: SocksProxy, capfd: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []

    async def main() -> Runner:
        servers = {
            "backpack": SimServer(BackpackSimulator(), SeededMarket.of(BackpackSimulator(), seed=1), rate=400),
            "binance": SimServer(Candles(), market("BTC-USDT", "ETH-USDT"), rate=200),
            "bitvavo": SimServer(Candles(), market("BTC-EUR"), rate=100),
        }
        async with AsyncExitStack() as stack:
            for server in servers.values():
                await stack.enter_async_context(server)
            await stack.enter_async_context(socks_proxy)
            config = at(built(), servers, socks_proxy, tmp_path)
            runner = Runner(config, registry(), say=said.append)
            stop = asyncio.Event()
            running = asyncio.create_task(runner.run(stop))
            async with asyncio.timeout(30):
                while not said[1:] or min(trades(tmp_path).values(), default=0) < 20 or len(trades(tmp_path)) < 8:
                    assert not running.done(), running
                    await asyncio.sleep(0.05)
            for entry, feed in zip(config.exchanges, runner.feeds, strict=True):
                plan = plan_feed(entry, feed.wiring, feed.instruments.symbols, {})
                channels = feed.wiring.info.channels
                wires = {(one.symbol, channels[one.channel].shares or one.channel) for one in feed.status()}
                assert plan.streams == len(wires)
                assert sum(one.connections * one.times for one in plan.connections) == servers[entry.name].clients
                assert plan.instruments == len({one.symbol for one in feed.status()})
            # every socket the exchange holds came through the proxy
            assert socks_proxy.tunnels[STREAM] == servers["binance"].clients > 0
            stop.set()
            await running
        return runner

    runner = asyncio.run(main())
    assert set(trades(tmp_path)) == {
        "backpack SOL-USDC-PERP", "backpack BTC-USDC-PERP", "backpack ETH-USDC-PERP", "backpack kPEPE-USDC-PERP",
        "backpack SOL-USDC", "binance BTC-USDT", "binance ETH-USDT", "bitvavo BTC-EUR",
    }  # fmt: skip
    assert "backpack: 5 of 11 instruments, " in said[0]
    assert any(line.startswith("8/8 books in sync after ") for line in said)
    # REST and WebSocket of that exchange, at its first hosts, and nothing of the others
    assert set(socks_proxy.asked) == {API, STREAM}
    assert runner.report().failures == {}
    assert runner.report().dropped == {}
    assert {type(event).__name__ for event in TOLD} >= {"Subscribed", "Unsubscribed"}
    assert len(list((tmp_path / "state" / "instruments").iterdir())) == 3
    assert "SOL-USDC" in capfd.readouterr().out


def trades(folder: Path) -> Counter[str]:
    file = folder / "market.jsonl"
    found: Counter[str] = Counter()
    for line in file.read_text().splitlines() if file.exists() else ():
        if '"type":"trade"' in line and line.endswith("}"):
            event = json.loads(line)
            found[f"{event['exchange']} {event['symbol']}"] += 1
    return found
