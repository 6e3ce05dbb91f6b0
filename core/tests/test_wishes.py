"""What users name, against the list: contracts may carry their settle currency wherever a symbol may stand."""

from __future__ import annotations

import pytest

from tickwire import (
    Channel,
    ChannelRequest,
    Instrument,
    Instruments,
    InstrumentType,
    SymbolParts,
    UnknownInstrumentError,
)
from tickwire.feed.listing import ListingSettings
from tickwire.feed.wishes import Wishes

PERPS = [Instrument.of("acme", base, SymbolParts(base, "USDT", InstrumentType.PERP, "USDT")) for base in ("BTC", "ETH")]
TRADES = ChannelRequest(Channel.TRADES)


@pytest.fixture
def wishes() -> Wishes:
    return Wishes("acme", Instruments(PERPS), ListingSettings())


def test_a_name_with_the_settle_currency_selects_the_instrument(wishes: Wishes) -> None:
    assert wishes.resolve(["BTC-USDT:USDT-PERP", "ETH-USDT-PERP"]).symbols == ("BTC-USDT-PERP", "ETH-USDT-PERP")
    assert wishes.resolve(["*", "!BTC-USDT:USDT-PERP"]).symbols == ("ETH-USDT-PERP",)
    assert wishes.chosen(["BTC-USDT:USDT-PERP"]) == {"BTC-USDT-PERP"}


def test_it_is_subscribed_to_and_left_under_either_name(wishes: Wishes) -> None:
    (held,) = wishes.subscriptions(["BTC-USDT:USDT-PERP"], [TRADES])
    assert held.symbol == "BTC-USDT-PERP"
    assert wishes.meant(["BTC-USDT:USDT-PERP"], [TRADES], [held]) == [held]


def test_another_settle_currency_is_not_listed(wishes: Wishes) -> None:
    with pytest.raises(UnknownInstrumentError, match=r"'BTC-USDT:BTC-PERP' is not listed .* BTC-USDT-PERP"):
        wishes.resolve(["BTC-USDT:BTC-PERP"])
