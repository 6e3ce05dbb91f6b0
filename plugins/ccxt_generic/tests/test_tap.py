"""The tap on ccxt's own caches and books: what is put into them comes out once, in order, and with its numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ccxt.async_support.base.ws.cache import ArrayCache, ArrayCacheByTimestamp

from tickwire import Channel
from tickwire_ccxt_generic.payloads import BookSeen, CandleSeen, Fault, Lost, Payload, QuoteSeen, TickerSeen, TradeSeen
from tickwire_ccxt_generic.tap import Tap
from tickwire_ccxt_generic.venues import BACKPACK, KRAKEN, UNKNOWN, Venue

SYMBOL, MARKET = "SOL/USDC", "SOL_USDC"


class Scene:
    """A tap, what it gave, and the books it could not bring into sync."""

    def __init__(self, venue: Venue = UNKNOWN) -> None:
        self.seen: list[Payload] = []
        self.restarted: list[str] = []
        self.later: list[Callable[[], None]] = []

        def restart(native: str, reason: str) -> None:
            self.restarted.append(f"{native}: {reason}")

        self.tap = Tap(venue, self.seen.append, restart, self.later.append)
        for channel in Channel:
            self.tap.want(channel, SYMBOL, MARKET)

    def frame(self, handle: Callable[[], Any], message: Any = None) -> list[Payload]:
        """Let ccxt handle a frame; gives what came of it."""
        self.seen.clear()
        self.tap.read(lambda client, given: handle(), None, {} if message is None else message)
        return list(self.seen)

    def book(self, kind: str = "plain", **snapshot: Any) -> Any:
        book = self.tap.make_book(kind, snapshot, None)
        self.tap.orderbooks[SYMBOL] = book
        return book


def trade(number: int, symbol: str = SYMBOL) -> dict[str, Any]:
    return {"id": str(number), "symbol": symbol, "price": 1.0, "amount": 1.0}


def test_every_append_to_a_cache_of_trades_comes_out_and_a_small_cache_loses_nothing() -> None:
    scene = Scene()
    cache = ArrayCache(2)
    cache.append(trade(1))
    first = scene.frame(lambda: scene.tap.trades.__setitem__(SYMBOL, cache))
    rest = scene.frame(lambda: [cache.append(trade(number)) for number in range(2, 9)])
    assert [*first, *rest] == [TradeSeen(trade(number)) for number in range(1, 9)]
    assert len(cache) == 2
    assert scene.frame(lambda: scene.tap.trades.__setitem__(SYMBOL, cache)) == []


def test_a_trade_counts_for_its_own_symbol_and_only_what_is_wanted_comes_out() -> None:
    scene = Scene()
    cache = ArrayCache(10)
    scene.tap.trades["all of them"] = cache
    assert scene.frame(lambda: [cache.append(trade(1, "BTC/USDC")), cache.append(trade(2))]) == [TradeSeen(trade(2))]
    scene.tap.unwant(Channel.TRADES, SYMBOL)
    assert scene.frame(lambda: cache.append(trade(3))) == []


def test_a_reset_is_the_whole_book_and_what_is_stored_afterwards_are_changes_in_order() -> None:
    scene = Scene()
    book = scene.book()
    whole = scene.frame(lambda: book.reset({"bids": [[1.0, 5.0], [2.0, 6.0]], "asks": [[3.0, 7.0]], "timestamp": 8}))
    assert whole == [BookSeen(SYMBOL, True, ((2.0, 6.0), (1.0, 5.0)), ((3.0, 7.0),), 8_000_000)]

    def change() -> None:
        book["timestamp"] = 9
        for price, size in ((1.0, 0.0), (1.5, 1.0), (1.5, 2.0)):
            book["bids"].store(price, size)
        book["asks"].storeArray([3.0, 1.0])

    changed = scene.frame(change)
    assert changed == [
        BookSeen(SYMBOL, False, ((1.0, 0.0), (1.5, 1.0), (1.5, 2.0)), ((3.0, 1.0),), 9_000_000)
    ]  # fmt: skip
    assert scene.frame(lambda: None) == []


def test_a_level_counts_as_gone_where_no_order_is_left_at_it() -> None:
    scene = Scene()
    book = scene.book("counted", bids=[[1.0, 5.0, 2]])
    scene.frame(lambda: None)
    (changed,) = scene.frame(lambda: [book["bids"].storeArray([1.0, 5.0, 0]), book["bids"].storeArray([2.0, 1.0, 1])])
    assert isinstance(changed, BookSeen)
    assert changed.bids == ((1.0, 0.0), (2.0, 1.0))


def test_orders_at_one_price_are_one_level() -> None:
    scene = Scene()
    book = scene.book("indexed", asks=[[1.0, 5.0, "a"], [1.0, 2.0, "b"]])
    (whole,) = scene.frame(lambda: None)
    assert isinstance(whole, BookSeen)
    assert whole.asks == ((1.0, 7.0),)
    (changed,) = scene.frame(lambda: [book["asks"].storeArray([2.0, 5.0, "a"])])
    assert isinstance(changed, BookSeen)
    assert sorted(changed.asks) == [(1.0, 2.0), (2.0, 5.0)]


def test_levels_cut_off_are_gone_where_nothing_else_tells() -> None:
    scene = Scene()
    book = scene.tap.make_book("plain", {"bids": [[1.0, 1.0], [2.0, 1.0]]}, 2)
    scene.tap.orderbooks[SYMBOL] = book
    scene.frame(lambda: None)
    (changed,) = scene.frame(lambda: [book["bids"].store(3.0, 1.0), book.limit()])
    assert isinstance(changed, BookSeen)
    assert changed.bids == ((3.0, 1.0), (1.0, 0.0))


def depth(first: int, last: int) -> dict[str, Any]:
    return {"data": {"e": "depth", "s": MARKET, "T": 1_700_000_000_000_000, "U": first, "u": last}}


def test_changes_have_the_numbers_of_their_frame_also_where_ccxt_threw_it_away() -> None:
    scene = Scene(BACKPACK)
    book = scene.book()
    scene.frame(lambda: book.reset({"bids": [[1.0, 1.0]], "nonce": 40}))
    (changed,) = scene.frame(lambda: book["bids"].store(1.0, 2.0), depth(41, 43))
    assert changed == BookSeen(SYMBOL, False, ((1.0, 2.0),), (), 1_700_000_000_000_000_000, 41, 43)
    (ignored,) = scene.frame(lambda: None, depth(50, 51))
    assert ignored == BookSeen(SYMBOL, False, (), (), 1_700_000_000_000_000_000, 50, 51)


@pytest.mark.parametrize(("kept", "is_right"), [([(41, 42), (43, 43)], True), ([(41, 41), (43, 43)], False)])
def test_a_snapshot_is_shown_only_if_the_changes_kept_for_it_lack_nothing(
    kept: list[tuple[int, int]], is_right: bool
) -> None:
    scene = Scene(BACKPACK)
    book = scene.book()
    for first, last in kept:
        assert scene.frame(lambda: None, depth(first, last)) == []
    book.reset({"bids": [[1.0, 1.0]], "nonce": 40})  # over REST, outside any frame
    book["nonce"] = 43
    assert scene.seen == []
    (flush,) = scene.later
    flush()
    expected = [BookSeen(SYMBOL, True, ((1.0, 1.0),), (), None, None, 43)]
    assert scene.seen == (expected if is_right else [])
    assert scene.restarted == ([] if is_right else [f"{SYMBOL}: changes after 40 are missing"])


def test_a_handler_that_raises_spoils_its_frame_alone() -> None:
    scene = Scene()
    book = scene.book(bids=[[1.0, 1.0]])
    scene.frame(lambda: None)

    def fail() -> None:
        book["bids"].store(1.0, 9.0)
        raise KeyError("a field")

    (fault,) = scene.frame(fail)
    assert isinstance(fault, Fault)
    assert isinstance(fault.error, KeyError)
    (changed,) = scene.frame(lambda: book["bids"].store(2.0, 1.0))
    assert isinstance(changed, BookSeen)
    assert changed.bids == ((2.0, 1.0),)


def test_a_book_that_ccxt_drops_is_lost_and_one_that_nobody_wants_is_not() -> None:
    scene = Scene()
    scene.book(bids=[[1.0, 1.0]])
    scene.frame(lambda: None)
    (lost,) = scene.frame(lambda: scene.tap.orderbooks.__delitem__(SYMBOL))
    assert isinstance(lost, Lost)
    assert (lost.channel, lost.native) == (Channel.L2_BOOK, SYMBOL)
    scene.book(bids=[[1.0, 1.0]])
    scene.frame(lambda: None)
    scene.tap.unwant(Channel.L2_BOOK, SYMBOL)
    assert scene.frame(lambda: scene.tap.orderbooks.__delitem__(SYMBOL)) == []


def test_after_asking_anew_what_comes_on_top_of_the_old_book_is_not_shown() -> None:
    scene = Scene(KRAKEN)
    book = scene.book(bids=[[1.0, 1.0]])
    scene.frame(lambda: None)
    scene.tap.want(Channel.L2_BOOK, SYMBOL, MARKET)
    assert scene.frame(lambda: book["bids"].store(2.0, 1.0)) == []
    (whole,) = scene.frame(lambda: book.reset({"bids": [[3.0, 1.0]]}))
    assert isinstance(whole, BookSeen)
    assert (whole.is_whole, whole.bids) == (True, ((3.0, 1.0),))


def test_a_book_that_a_late_frame_began_after_the_subscription_ended_is_gone_with_the_next_one() -> None:
    scene = Scene(BACKPACK)
    scene.tap.unwant(Channel.L2_BOOK, SYMBOL)
    scene.book(bids=[[1.0, 1.0]], nonce=7)
    scene.tap.want(Channel.L2_BOOK, SYMBOL, MARKET)
    assert SYMBOL not in scene.tap.orderbooks
    # one that was begun while it was wanted is ccxt's to replace
    scene.book(bids=[[2.0, 1.0]], nonce=8)
    scene.tap.unwant(Channel.L2_BOOK, SYMBOL)
    scene.tap.want(Channel.L2_BOOK, SYMBOL, MARKET)
    assert SYMBOL in scene.tap.orderbooks


def test_an_empty_snapshot_is_no_book() -> None:
    scene = Scene()
    book = scene.book()
    assert scene.frame(lambda: book.reset({})) == []
    (whole,) = scene.frame(lambda: book["bids"].store(1.0, 1.0))
    assert isinstance(whole, BookSeen)
    assert whole.is_whole


def test_tickers_quotes_and_candles_come_out_one_by_one() -> None:
    scene = Scene()
    assert scene.frame(lambda: scene.tap.tickers.__setitem__(SYMBOL, {"last": 1})) == [TickerSeen(SYMBOL, {"last": 1})]
    assert scene.frame(lambda: scene.tap.bidsasks.__setitem__(SYMBOL, {"bid": 1})) == [QuoteSeen(SYMBOL, {"bid": 1})]
    cache, caches = ArrayCacheByTimestamp(5), scene.tap.ohlcvs

    def store() -> None:
        caches[SYMBOL] = {}
        caches[SYMBOL]["1m"] = cache
        for close in (4, 5):
            cache.append([60_000, 1, 2, 3, close, 6])

    assert scene.frame(store) == [CandleSeen(SYMBOL, "1m", (60_000, 1, 2, 3, close, 6)) for close in (4, 5)]
