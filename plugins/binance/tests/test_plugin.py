"""The hooks, found and called as core does it, and what they declare."""

from __future__ import annotations

import pytest

from tickwire import Channel, Feed, Registry
from tickwire.plugin import BookStart, Ids, SequenceRule, Stamp
from tickwire_binance import plugin
from tickwire_binance.info import BINANCE, BINANCEUS, BINANCEUSDM
from tickwire_binance.routing import ROUTINGS
from tickwire_binance.symbols import BinanceSymbols

EXCHANGES = [BINANCE, BINANCEUS, BINANCEUSDM]
SPOT = {Channel.TRADES, Channel.L2_BOOK, Channel.L1_BOOK, Channel.TICKER, Channel.CANDLES}


def test_the_installed_plugin_is_found_by_its_entry_point_and_serves_three_exchanges() -> None:
    record = Registry.discover({}).loaded("binance")
    assert (record.distribution, list(record.exchanges)) == ("tickwire-binance", EXCHANGES)
    assert set(record.hooks) == {"tickwire_exchanges", "tickwire_symbols", "tickwire_routing"}


@pytest.mark.parametrize("info", EXCHANGES, ids=lambda info: info.id)
def test_each_exchange_is_assembled_with_its_own_language(info: object) -> None:
    exchange = getattr(info, "id")  # noqa: B009
    wiring = Feed(exchange, (), (), registry=Registry.of(binance=plugin)).wiring
    assert type(wiring.routing) is ROUTINGS[exchange]
    assert isinstance(wiring.symbols, BinanceSymbols)
    assert wiring.symbols.exchange == exchange
    request = next(wiring.symbols.load())
    expected = ("/fapi/v1/exchangeInfo", 1) if exchange == "binanceusdm" else ("/api/v3/exchangeInfo", 20)
    assert (request.path, request.weight) == expected


def test_what_is_declared_is_what_the_documents_say() -> None:
    assert set(BINANCE.channels) == set(BINANCEUS.channels) == SPOT
    assert set(BINANCEUSDM.channels) == SPOT | {Channel.MARK_PRICE, Channel.FUNDING, Channel.LIQUIDATIONS}
    for info in EXCHANGES:
        assert info.channels[Channel.TRADES].ids is Ids.CONSECUTIVE
        assert all(one.acknowledged for one in info.channels.values())
        assert {one.max_age for one in info.sockets.values()} == {86_400}
    assert [info.channels[Channel.L1_BOOK].ts_event for info in EXCHANGES] == [Stamp.NONE, Stamp.NONE, Stamp.ENGINE]
    books = [(info.book.start, info.book.sequence, info.book.windowed) for info in EXCHANGES if info.book is not None]
    spot, futures = (BookStart.REST, SequenceRule.CONSECUTIVE, False), (BookStart.REST, SequenceRule.LINKED, False)
    assert books == [spot, spot, futures]


def test_a_full_frame_of_requests_stays_below_what_the_exchange_takes() -> None:
    # Why: longer client messages than 4,096 bytes end the connection
    longest = max((f"1000000000000coinusdt@{rest}" for rest in ("depth@100ms", "kline_30m", "markPrice@1s")), key=len)
    for info in EXCHANGES:
        for socket in info.sockets.values():
            assert socket.batch * (len(longest) + 3) + 60 < 4_096
