"""Channels as a user writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire import Channel, ChannelRequest, Instrument, Subscribe, Subscription, UnsupportedChannelError


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("trades", ChannelRequest(Channel.TRADES)),
        ("TRADES", ChannelRequest(Channel.TRADES)),
        (" L2_Book ", ChannelRequest(Channel.L2_BOOK)),
        ("quotes", ChannelRequest(Channel.L1_BOOK)),
        ("l2_book:depth=100", ChannelRequest(Channel.L2_BOOK, depth=100)),
        ("l2_book:depth=100,interval=100ms", ChannelRequest(Channel.L2_BOOK, 100, "100ms")),
        ("l2_book: interval = 1m", ChannelRequest(Channel.L2_BOOK, None, "1m")),
    ],
)
def test_a_channel_is_read_with_its_parameters(text: str, request_: ChannelRequest) -> None:
    assert ChannelRequest.parse(text) == request_


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trade", "there is no channel 'trade' → one of trades, l2_book, l1_book"),
        ("", "there is no channel ''"),
        ("l2_book:", "'l2_book:': '' is not a parameter of a channel → write depth=100 or interval=100ms"),
        ("l2_book:depth", "'depth' is not a parameter"),
        ("l2_book:depth=0", "'depth=0' is not a parameter"),
        ("l2_book:depth=-5", "'depth=-5' is not a parameter"),
        ("l2_book:depth=1e3", "'depth=1e3' is not a parameter"),
        (f"l2_book:depth={'9' * 5000}", "is not a parameter"),
        ("l2_book:interval=", "'interval=' is not a parameter"),
        ("l2_book:levels=5", "'levels=5' is not a parameter"),
        ("l2_book:depth=5,depth=10", "names a parameter twice → write each parameter once"),
    ],
)
def test_a_mistake_in_a_channel_is_told_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(UnsupportedChannelError) as raised:
        ChannelRequest.parse(text)
    assert message in str(raised.value)


@given(st.text() | st.text("l2_book:=,depthinterval0123456789", max_size=30).map("l2_book:".__add__))
def test_any_text_is_a_request_or_an_unsupported_channel_error(text: str) -> None:
    try:
        request = ChannelRequest.parse(text)
    except UnsupportedChannelError:
        return
    assert isinstance(request.channel, Channel)
    assert request.depth is None or request.depth > 0


def test_subscribe_makes_the_same_requests_as_text() -> None:
    made = {
        "trades": Subscribe.trades(),
        "l1_book": Subscribe.l1_book(),
        "l2_book:depth=100,interval=100ms": Subscribe.l2_book(depth=100, interval="100ms"),
        "ticker": Subscribe.ticker(),
        "candles:interval=1m": Subscribe.candles("1m"),
        "mark_price": Subscribe.mark_price(),
        "funding": Subscribe.funding(),
        "open_interest": Subscribe.open_interest(),
        "liquidations": Subscribe.liquidations(),
        "orders": Subscribe.orders(),
        "fills": Subscribe.fills(),
        "balances": Subscribe.balances(),
        "positions": Subscribe.positions(),
    }
    assert made == {text: ChannelRequest.parse(text) for text in made}


def test_a_subscription_to_candles_names_its_interval() -> None:
    sol = Instrument("acme", "SOL-USDC", "SOL_USDC", "SOL", "USDC")
    named = [Subscription(channel, sol, interval="1m") for channel in (Channel.CANDLES, Channel.L2_BOOK)]
    assert [str(one) for one in named] == ["SOL-USDC candles:1m", "SOL-USDC l2_book"]


def test_a_subscription_reads_as_symbol_and_channel() -> None:
    sol = Instrument("acme", "SOL-USDC", "SOL_USDC", "SOL", "USDC")
    assert [str(Subscription(Channel.TRADES, i)) for i in (sol, None)] == ["SOL-USDC trades", "* trades"]
    assert [Subscription(Channel.TRADES, i).symbol for i in (sol, None)] == ["SOL-USDC", None]
