"""The markets on disk, with a real ccxt class that asks a list on loopback; and names that outlive everything."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import ccxt.async_support
import pytest
from aiohttp import web

from tickwire import DecodeError
from tickwire.plugin import Network
from tickwire_ccxt_generic import CcxtClients, CcxtOptions
from tickwire_ccxt_generic.metadata import CcxtMetadataCache


# a row as ccxt's class btcmarkets quotes it
def row(base: str) -> Mapping[str, str]:
    return {
        "marketId": f"{base}-AUD", "baseAssetName": base, "quoteAssetName": "AUD", "minOrderAmount": "0.00006",
        "maxOrderAmount": "1000000", "amountDecimals": "8", "priceDecimals": "2", "status": "Online",
    }  # fmt: skip


@attrs.define
class Exchange:
    """What a list on loopback says, how often it was asked, and the time."""

    rows: list[Mapping[str, str]] = attrs.field(factory=lambda: [row("COMP"), row("BTC")])
    asked: int = 0
    time: float = 1_800_000_000.0
    url: str = ""

    def now(self) -> float:
        return self.time

    async def markets(self, request: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response(self.rows)

    @asynccontextmanager
    async def client(self, number: type = float) -> AsyncIterator[Any]:
        urls = {"api": {"public": self.url, "private": self.url}}
        made = ccxt.async_support.btcmarkets({"urls": urls, "enableRateLimit": False})
        made.number = number
        try:
            yield made
        finally:
            await made.close()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_get("/v3/markets", self.markets)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield
        finally:
            await runner.cleanup()


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
def cache(tmp_path: Path, exchange: Exchange) -> Callable[..., CcxtMetadataCache]:
    def make(**options: Any) -> CcxtMetadataCache:
        return CcxtMetadataCache("btcmarkets", tmp_path / "kept", now=exchange.now, **options)

    return make


def symbols(cache: CcxtMetadataCache) -> list[str]:
    return [one.symbol for one in cache.instruments()]


def test_the_second_client_has_its_markets_without_asking(
    exchange: Exchange, cache: Callable[..., CcxtMetadataCache]
) -> None:
    async def main() -> None:
        async with exchange.serving(), exchange.client() as one, exchange.client() as other:
            await cache().ready(one)
            exchange.time += 3599
            second = cache()
            await second.ready(other)
            assert exchange.asked == 1
            assert other.markets == one.markets
            assert [other.safe_market(id)["symbol"] for id in one.markets_by_id] == list(one.markets)
            assert other.currencies == one.currencies
            assert other.market("BTC/AUD")["info"] == row("BTC")
            assert await other.load_markets() == one.markets
            assert exchange.asked == 1
            assert symbols(second) == ["COMP-AUD", "BTC-AUD"]

    asyncio.run(main())


def test_after_their_time_the_exchange_is_asked_again(
    exchange: Exchange, cache: Callable[..., CcxtMetadataCache]
) -> None:
    async def main() -> None:
        async with exchange.serving(), exchange.client() as one, exchange.client() as other:
            held = cache()
            await held.ready(one)
            exchange.rows.append(row("ETH"))
            await held.ready(one)
            assert symbols(held) == ["COMP-AUD", "BTC-AUD"]
            exchange.time += 3600
            await held.ready(one)
            assert symbols(held) == ["COMP-AUD", "BTC-AUD", "ETH-AUD"]
            assert "ETH/AUD" in one.markets
            exchange.time += 3600
            await cache(ttl=7200).ready(other)
            assert exchange.asked == 2

    asyncio.run(main())


def test_an_unknown_market_has_the_exchange_asked_again_but_once_a_minute(
    exchange: Exchange, cache: Callable[..., CcxtMetadataCache]
) -> None:
    async def main() -> None:
        async with exchange.serving(), exchange.client() as one:
            held = cache()
            await held.ready(one)
            exchange.rows.append(row("ETH"))
            with pytest.raises(ccxt.BadSymbol):
                one.market("ETH/AUD")
            exchange.time += 59
            assert not await held.refresh(one)
            exchange.time += 1
            assert await held.refresh(one)
            assert one.market("ETH/AUD")["id"] == "ETH-AUD"
            assert exchange.asked == 2

    asyncio.run(main())


def test_two_who_need_the_markets_at_once_ask_once(exchange: Exchange, cache: Callable[..., CcxtMetadataCache]) -> None:
    async def main() -> None:
        async with exchange.serving(), exchange.client() as one, exchange.client() as other:
            held = cache()
            await asyncio.gather(held.ready(one), held.ready(other))
            assert exchange.asked == 1
            assert other.markets == one.markets

    asyncio.run(main())


def test_an_empty_list_is_refused_and_what_was_kept_stays(
    exchange: Exchange, cache: Callable[..., CcxtMetadataCache], tmp_path: Path
) -> None:
    async def main() -> None:
        async with exchange.serving(), exchange.client() as one:
            await cache().ready(one)
            kept = (tmp_path / "kept" / "btcmarkets.markets.json").read_bytes()
            exchange.rows.clear()
            with pytest.raises(DecodeError, match="btcmarkets: ccxt found no market"):
                await cache(ttl=0).ready(one)
            assert (tmp_path / "kept" / "btcmarkets.markets.json").read_bytes() == kept

    asyncio.run(main())


def test_markets_of_decimals_are_kept_as_numbers(exchange: Exchange, cache: Callable[..., CcxtMetadataCache]) -> None:
    async def main() -> None:
        async with exchange.serving(), exchange.client(Decimal) as one, exchange.client(Decimal) as other:
            first, second = cache(), cache()
            await first.ready(one)
            await second.ready(other)
            assert one.markets["BTC/AUD"]["precision"]["price"] == Decimal("0.01")
            assert first.instruments() == second.instruments()
            assert [one.tick_size for one in second.instruments()] == [Decimal("0.01")] * 2

    asyncio.run(main())


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xff\xfe", b"[]", b"7", b'{"form": 0}', b'{"form": 1, "markets": 5, "ts": 1800000000, "symbols": 5}',
        b'{"form": 1, "markets": [], "ts": 1800000000, "symbols": {"BTC/AUD": 7}}', b"[" * 100_000,
        b'{"form": 1, "markets": [{}], "ts": "today", "symbols": [["BTC/AUD", "BTC-AUD"]]}',
    ],
)  # fmt: skip
def test_files_that_cannot_be_used_are_left_aside(
    exchange: Exchange, cache: Callable[..., CcxtMetadataCache], tmp_path: Path, content: bytes
) -> None:
    async def main() -> None:
        (tmp_path / "kept").mkdir()
        for name in ("markets", "symbols"):
            (tmp_path / "kept" / f"btcmarkets.{name}.json").write_bytes(content)
        async with exchange.serving(), exchange.client() as one:
            held = cache()
            await held.ready(one)
            assert symbols(held) == ["COMP-AUD", "BTC-AUD"]
            assert exchange.asked == 1

    asyncio.run(main())


def test_markets_that_another_version_of_ccxt_parsed_are_asked_for_again(
    exchange: Exchange, cache: Callable[..., CcxtMetadataCache], tmp_path: Path
) -> None:
    async def main() -> None:
        async with exchange.serving(), exchange.client() as one:
            await cache().ready(one)
            file = tmp_path / "kept" / "btcmarkets.markets.json"
            file.write_text(json.dumps({**json.loads(file.read_bytes()), "ccxt": "4.5.1"}))
            assert cache().load() is None

    asyncio.run(main())


def test_a_folder_that_cannot_be_written_is_warned_of_and_nothing_else(
    exchange: Exchange, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        (tmp_path / "file").write_text("no folder")
        async with exchange.serving(), exchange.client() as one:
            held = CcxtMetadataCache("btcmarkets", tmp_path / "file" / "below", now=exchange.now)
            await held.ready(one)
            assert symbols(held) == ["COMP-AUD", "BTC-AUD"]

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert caplog.text.count("cannot be") >= 2


def test_names_outlive_the_markets_and_every_process(tmp_path: Path) -> None:
    def listed(*settles: str) -> dict[str, str]:
        cache = CcxtMetadataCache("acme", tmp_path)
        cache.save({f"BTC/USD:{settle}": perpetual(settle) for settle in settles})
        return {one.native: one.symbol for one in cache.instruments()}

    assert listed("BTC") == {"BTC/USD:BTC": "BTC-USD-PERP"}
    assert listed("USD") == {"BTC/USD:USD": "BTC-USD:USD-PERP"}
    assert listed("USD", "BTC") == {"BTC/USD:USD": "BTC-USD:USD-PERP", "BTC/USD:BTC": "BTC-USD-PERP"}


def test_another_host_and_another_scope_have_files_of_their_own(tmp_path: Path) -> None:
    CcxtMetadataCache("acme", tmp_path).save({"BTC/USD:BTC": perpetual("BTC")})
    assert CcxtMetadataCache("acme", tmp_path).load() is not None
    assert CcxtMetadataCache("acme", tmp_path, hosts=["http://127.0.0.1:9"]).load() is None
    assert CcxtMetadataCache("acme", tmp_path, scope="spot").load() is None
    assert CcxtMetadataCache("kraken", tmp_path).load() is None


def test_a_feed_with_options_of_ccxt_keeps_a_list_of_its_own_and_the_same_names(tmp_path: Path) -> None:
    def cache(**ccxt_options: object) -> CcxtMetadataCache:
        options = CcxtOptions(state=str(tmp_path), ccxt=ccxt_options)
        return CcxtClients("okx", options, Network(("https://www.okx.com",), {})).cache

    cache().save({"BTC/USD:BTC": perpetual("BTC")})
    assert [one.symbol for one in cache().instruments()] == []
    assert cache().load() is not None
    assert cache(fetchMarkets={"types": ["swap"]}).load() is None
    named = cache()
    named.save({"BTC/USD:BTC": perpetual("BTC")})
    assert [one.symbol for one in named.instruments()] == ["BTC-USD-PERP"]
    other = cache(defaultType="swap")
    other.save({"BTC/USD:USD": perpetual("USD")})
    assert [one.symbol for one in other.instruments()] == ["BTC-USD:USD-PERP"]


def test_a_market_that_is_left_out_is_warned_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = CcxtMetadataCache("acme", tmp_path)
    cache.save({"ODD": {**perpetual("BTC"), "symbol": "ODD", "type": "index"}, "BTC/USD:BTC": perpetual("BTC")})
    with caplog.at_level(logging.WARNING):
        assert [cache.instruments(), cache.instruments()][0][0].symbol == "BTC-USD-PERP"
    assert caplog.text.count("acme: market ODD is left out") == 1
    assert list(cache.quarantined) == ["ODD"]


def perpetual(settle: str) -> Mapping[str, Any]:
    market = ccxt.async_support.Exchange().safe_market_structure()
    market |= {"symbol": f"BTC/USD:{settle}", "base": "BTC", "quote": "USD", "settle": settle, "type": "swap"}
    return {**market, "linear": settle == "USD", "inverse": settle == "BTC", "contractSize": 1.0}
