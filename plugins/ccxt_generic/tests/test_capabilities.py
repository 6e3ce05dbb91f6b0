"""The checked-in table against the installed ccxt's own classes."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import ccxt
import ccxt.pro
import pytest

from tickwire import Channel, UnknownExchangeError
from tickwire.plugin import BookStart, Ids, SequenceRule, Tier
from tickwire_ccxt_generic.capabilities import CREDENTIALS, capabilities_of, table
from tickwire_ccxt_generic.generate import capabilities_of_class, installed_table, main, table_text
from tickwire_ccxt_generic.info import POLLED, STREAMED, exchange_infos, info_of
from tickwire_ccxt_generic.venues import VENUES, venue_of

IS_THE_TABLES = version("ccxt") == table().ccxt
of_the_tables_version = pytest.mark.skipif(
    not IS_THE_TABLES, reason=f"the table is of ccxt {table().ccxt}, and {version('ccxt')} is installed"
)


@of_the_tables_version
def test_the_table_has_exactly_ccxts_ids() -> None:
    assert list(table().exchanges) == ccxt.exchanges
    assert {name for name, each in table().exchanges.items() if each.streams} == set(ccxt.pro.exchanges)
    assert (len(ccxt.exchanges), len(ccxt.pro.exchanges)) == (104, 76)


@of_the_tables_version
def test_the_table_is_that_of_the_installed_ccxt() -> None:
    assert main([]) == 0


def test_streaming_ids_are_the_files_in_ccxt_pro() -> None:
    spec = find_spec("ccxt")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    files = Path(spec.submodule_search_locations[0], "pro").glob("*.py")
    assert {file.stem for file in files} - {"__init__"} == set(ccxt.pro.exchanges)


def test_how_many_can_do_what() -> None:
    watch = Counter(channel for each in table().exchanges.values() for channel in each.watch)
    assert watch == {
        Channel.TRADES: 73, Channel.L2_BOOK: 75, Channel.TICKER: 68, Channel.L1_BOOK: 35, Channel.CANDLES: 61,
    }  # fmt: skip
    without = {name for name, each in table().exchanges.items() if each.streams and Channel.TRADES not in each.watch}
    assert without == {"bydfi", "mudrex", "onetrading"}


def test_a_changed_table_is_shown_line_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "table.json"
    made = table_text(installed_table())
    file.write_text(made.replace('    "zaif"', '    "zaaf"'))
    assert main(["--file", str(file)]) == 1
    told = capsys.readouterr().out
    assert '-    "zaaf": {' in told
    assert '+    "zaif": {' in told
    assert told.endswith("nox -s ccxt_table -- --write\n")
    assert main(["--file", str(file), "--write"]) == 0
    assert file.read_text() == made
    assert main(["--file", str(file)]) == 0


def test_unwatching_is_told_by_the_method_and_not_by_has() -> None:
    bitfinex, backpack = ccxt.pro.bitfinex(), ccxt.pro.backpack()
    assert bitfinex.has["unWatchOrderBook"]
    assert Channel.L2_BOOK not in capabilities_of_class(ccxt.pro.bitfinex, True).unwatch
    assert not backpack.has.get("unWatchOrderBook")
    assert Channel.L2_BOOK in capabilities_of_class(ccxt.pro.backpack, True).unwatch


@pytest.mark.parametrize("method", ["trades", "order_book", "ticker", "bids_asks", "ohlcv"])
def test_what_is_told_to_be_unwatched_is_a_method_of_the_class_itself(method: str) -> None:
    channels = {"trades": Channel.TRADES, "order_book": Channel.L2_BOOK, "ticker": Channel.TICKER,
                "bids_asks": Channel.L1_BOOK, "ohlcv": Channel.CANDLES}  # fmt: skip
    for name in sorted(set(ccxt.pro.exchanges) & set(table().exchanges)):
        is_there = f"async def un_watch_{method}(" in inspect.getsource(
            inspect.getmodule(getattr(ccxt.pro, name)) or ccxt
        )
        if is_there and channels[method] in table().exchanges[name].watch:
            assert channels[method] in table().exchanges[name].unwatch, name


def test_hosts_are_the_public_ones_without_a_path() -> None:
    assert (capabilities_of("backpack").rest, capabilities_of("backpack").websocket) == (
        "https://api.backpack.exchange",
        "wss://ws.backpack.exchange",
    )
    assert capabilities_of("binanceusdm").rest == "https://fapi.binance.com"
    assert capabilities_of("okx").rest == "https://www.okx.com"  # its {hostname} filled in
    for name, each in table().exchanges.items():
        assert "{" not in each.rest + (each.websocket or ""), name
        assert each.rest.startswith("https://"), name
        assert each.rest.count("/") == 2, name
        assert (each.websocket is not None) == each.streams, name


def test_every_credential_of_ccxt_has_a_name_of_ours() -> None:
    assert set(ccxt.Exchange().requiredCredentials) == set(CREDENTIALS.values())
    assert capabilities_of("backpack").credentials == ("api_key", "api_secret")


def test_an_id_that_ccxt_has_not_is_refused() -> None:
    with pytest.raises(UnknownExchangeError, match=r"ccxt .* has no exchange 'mtgox'"):
        info_of("mtgox")


def test_every_exchange_is_declared_at_tier_generic() -> None:
    infos = exchange_infos()
    assert [info.id for info in infos] == list(table().exchanges)
    assert {info.tier for info in infos} == {Tier.GENERIC}
    starts = {info.id: info.book.start for info in infos if info.book}
    assert starts == {
        name: BookStart.SYNCED if Channel.L2_BOOK in each.watch else BookStart.EVERY_FRAME
        for name, each in table().exchanges.items()
        if Channel.L2_BOOK in (*each.watch, *each.fetch)
    }


def test_a_channel_that_cannot_be_streamed_is_polled() -> None:
    for info in exchange_infos():
        known = capabilities_of(info.id)
        streamed = {channel for channel, each in info.channels.items() if each.socket == STREAMED}
        polled = {channel for channel, each in info.channels.items() if each.socket == POLLED}
        without = set(venue_of(info.id).without)
        assert streamed == set(known.watch) - without
        assert polled == set(known.fetch) - set(known.watch) - without
        assert (STREAMED in info.sockets) == known.streams
    assert set(info_of("zaif").channels) == {Channel.TRADES, Channel.L2_BOOK, Channel.TICKER}
    assert info_of("bydfi").channels[Channel.TRADES].socket == POLLED


def test_candles_have_the_intervals_of_the_class() -> None:
    assert info_of("kraken").channels[Channel.CANDLES].intervals == tuple(ccxt.kraken().timeframes)
    assert info_of("kraken").channels[Channel.TRADES].intervals == ()


def test_what_is_known_of_a_venue_is_declared() -> None:
    for info in exchange_infos():
        venue = venue_of(info.id)
        if info.book is not None:
            assert info.book.sequence == venue.sequence
        if Channel.TRADES in info.channels:
            trades = info.channels[Channel.TRADES]
            assert (trades.ids, trades.history) == (venue.trade_ids, venue.history)
    assert venue_of("bitbank").sequence is SequenceRule.NONE
    assert venue_of("bitbank").trade_ids is Ids.OPAQUE
    assert set(VENUES) <= set(table().exchanges)


def test_declaring_does_not_import_ccxt() -> None:
    code = (
        "import sys; from tickwire.plugin.registry import Registry\n"
        "registry = Registry.discover(check=False)\n"
        "record = registry.record('ccxt_generic')\n"
        "assert record.status == 'loaded', record.reason\n"
        "print(len(record.exchanges), {name.partition('.')[0] for name in sys.modules} & {'ccxt', 'aiohttp'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "104 set()\n"
