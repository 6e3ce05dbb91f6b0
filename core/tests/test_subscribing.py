"""A connection asks by declared names, remembers what it asked for, and reads answers instrument by instrument."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire import Channel, Instrument, Instruments, PluginContractError, Subscription
from tickwire.native import NativeMessageRouter, handles
from tickwire.plugin import Alive, Confirmed, Control, Frame, Refused, Send

SOL = Instrument("acme", "SOL-USDC", "SOL_USDC", "SOL", "USDC")
BTC = Instrument("acme", "BTC-USDC", "BTC_USDC", "BTC", "USDC")
BOOKS = [Subscription(Channel.L2_BOOK, SOL), Subscription(Channel.L2_BOOK, BTC, depth=50)]


class Pong(msgspec.Struct, tag_field="e", tag="pong"):
    """Says nothing."""


class Hello(msgspec.Struct, tag_field="e", tag="hello"):
    """Says nothing either."""


class Trade(msgspec.Struct, tag_field="e", tag="trade"):
    s: str


class Acme(NativeMessageRouter):
    decoder = msgspec.json.Decoder(Pong | Hello | Trade)
    signs_of_life = (Pong, Hello)
    ping_message = b'{"e":"ping"}'
    default_depth = 10
    default_interval = "100ms"
    stream_names: ClassVar = {
        Channel.TRADES: "{native_lower}@trade",
        Channel.L2_BOOK: "book.{depth}.{interval}.{native}",
        Channel.CANDLES: "kline_{interval}:{native}",
        Channel.ORDERS: "orders:{native}",
    }

    def request(self, add: bool, streams: Sequence[str], number: int) -> object:
        return [add, streams, number]

    @handles(Trade)
    def trade(self, m: Trade, ts_recv: int) -> Sequence[Control]:
        raise AssertionError(m)


@pytest.mark.parametrize(
    ("subscription", "name"),
    [
        (Subscription(Channel.TRADES, SOL), "sol_usdc@trade"),
        (Subscription(Channel.L2_BOOK, SOL), "book.10.100ms.SOL_USDC"),
        (Subscription(Channel.L2_BOOK, SOL, depth=5, interval="1s"), "book.5.1s.SOL_USDC"),
        (Subscription(Channel.CANDLES, SOL, interval="1m"), "kline_1m:SOL_USDC"),
        (Subscription(Channel.ORDERS, None), "orders:*"),
    ],
)
def test_a_stream_is_called_as_declared(subscription: Subscription, name: str) -> None:
    assert Acme().stream(subscription) == name


def test_a_channel_without_a_name_says_what_to_write() -> None:
    with pytest.raises(PluginContractError) as caught:
        Acme().stream(Subscription(Channel.TICKER, SOL))
    assert str(caught.value) == (
        "Acme cannot subscribe to SOL-USDC ticker"
        " → name ticker in stream_names or override stream(), and override request()"
    )


@pytest.mark.parametrize("name", ["trade.{coin}", "trade.{native", "trade.{}"])
def test_a_name_with_an_unknown_field_says_which_there_are(name: str) -> None:
    class Wrong(Acme):
        stream_names: ClassVar = {Channel.TRADES: name}

    with pytest.raises(PluginContractError) as caught:
        Wrong().stream(Subscription(Channel.TRADES, SOL))
    assert str(caught.value) == (
        f"Wrong names the stream of trades {name!r}"
        " → use {native}, {native_lower}, {interval}, {depth} only, or override stream()"
    )


@given(native=st.text(min_size=1))
def test_a_native_symbol_is_taken_as_it_is(native: str) -> None:
    instrument = Instrument("acme", "SOL-USDC", native, "SOL", "USDC")
    assert Acme().stream(Subscription(Channel.ORDERS, instrument)) == f"orders:{native}"


def test_a_ping_goes_out_where_one_is_declared() -> None:
    assert list(Acme().heartbeat(7)) == [Send(b'{"e":"ping"}')]
    assert list(NativeMessageRouter().heartbeat(7)) == []


def test_signs_of_life_are_alive_and_their_kinds_are_known() -> None:
    router = Acme(Instruments([SOL]))
    for kind in ("pong", "hello"):
        assert list(router.route(Frame(msgspec.json.encode({"e": kind}), 7))) == [Alive()]
    assert "pong" in Acme._tags["e"]


def test_a_connection_remembers_the_depth_of_each_book_it_asked_for() -> None:
    router = Acme()
    router.subscribe([*BOOKS, Subscription(Channel.TRADES, BTC)])
    assert router.book_depths == {"SOL_USDC": 10, "BTC_USDC": 50}
    router.unsubscribe(BOOKS)
    router.subscribe([Subscription(Channel.L2_BOOK, SOL, depth=5)])
    assert router.book_depths == {"SOL_USDC": 5, "BTC_USDC": 50}
    assert NativeMessageRouter().book_depths == {}


def test_an_answer_about_one_instrument_leaves_the_others_waiting() -> None:
    router = Acme()
    router.subscribe(BOOKS)
    assert router.answered_for(1, "SOL_USDC") == [Confirmed((BOOKS[0],))]
    assert router.answered_for(1, "SOL_USDC") == ()
    assert router.answered_for(1, "ETH_USDC") == ()
    assert router.answered_for(1, "BTC_USDC", "no such depth") == [Refused((BOOKS[1],), "no such depth")]
    assert router.answered_for(1, "BTC_USDC") == ()


@pytest.mark.parametrize("reason", [None, "closed"])
def test_an_answer_without_instrument_is_about_the_whole_request(reason: str | None) -> None:
    router = Acme()
    router.subscribe(BOOKS)
    expected = [Confirmed(tuple(BOOKS))] if reason is None else [Refused((one,), reason) for one in BOOKS]
    assert router.answered_for(1, None, reason) == expected


@pytest.mark.parametrize("number", [None, 0, 2])
def test_an_answer_to_no_request_says_nothing(number: int | None) -> None:
    router = Acme()
    router.subscribe(BOOKS)
    assert router.answered_for(number, "SOL_USDC") == ()
    assert router.answered_for(1, None) == [Confirmed(tuple(BOOKS))]


def test_an_answer_to_an_unsubscription_says_nothing_and_confirms_nothing_left() -> None:
    router = Acme()
    router.subscribe(BOOKS)
    router.unsubscribe(BOOKS[:1])
    assert router.answered_for(2, "SOL_USDC") == ()
    assert router.answered_for(1, "SOL_USDC") == ()
    assert router.answered_for(1, "BTC_USDC") == [Confirmed((BOOKS[1],))]
