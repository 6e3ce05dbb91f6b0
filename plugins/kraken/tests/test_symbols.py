"""``AssetPairs`` -> instruments named as WebSocket v2 names them, with the decimals that its checksum wants."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tickwire import Instrument, InstrumentStatus, RateLimitedError, SymbolParts
from tickwire.plugin import Request, Response
from tickwire.testing import hold
from tickwire_kraken.symbols import KrakenSymbols, rest_name


def row(wsname: str, **more: Any) -> dict[str, Any]:
    return {
        "altname": wsname.replace("/", ""), "wsname": wsname, "pair_decimals": 1, "lot_decimals": 8, "tick_size": "0.1",
        "status": "online", **more,
    }  # fmt: skip


def loaded(answer: dict[str, Any]) -> tuple[list[Instrument], KrakenSymbols]:
    symbols = KrakenSymbols()

    def respond(request: Request) -> Response:
        assert request == Request("GET", "/0/public/AssetPairs")
        return Response(200, {}, msgspec.json.encode(answer), 7)

    return list(hold(symbols.load(), respond)), symbols


def listed(*rows: dict[str, Any]) -> list[Instrument]:
    return loaded({"error": [], "result": {str(number): one for number, one in enumerate(rows)}})[0]


@pytest.mark.parametrize(
    ("wsname", "native", "rest"),
    [
        ("XBT/USD", "BTC/USD", "XBTUSD"),
        ("ETH/XBT", "ETH/BTC", "ETHXBT"),
        ("XDG/EUR", "DOGE/EUR", "XDGEUR"),
        ("XDG/XBT", "DOGE/BTC", "XDGXBT"),
        ("WBTC/XBT", "WBTC/BTC", "WBTCXBT"),
        ("EUR/USD", "EUR/USD", "EURUSD"),
    ],
)
def test_the_two_old_names_are_replaced_wherever_they_stand_alone(wsname: str, native: str, rest: str) -> None:
    (one,) = listed(row(wsname))
    assert (one.native, one.symbol, rest_name(one.native)) == (native, native.replace("/", "-"), rest)


def test_a_pair_has_the_precision_of_the_exchange() -> None:
    assert listed(row("XBT/USD")) == [
        Instrument.of(
            "kraken", "BTC/USD", SymbolParts("BTC", "USD"), tick_size=Decimal("0.1"), lot_size=Decimal("0.00000001")
        )
    ]


@pytest.mark.parametrize(
    ("decimals", "tick", "kept"),
    [(4, "0.0005", "0.0005"), (1, "0.1", "0.1"), (1, "1", "0.1"), (2, "0.1", "0.01"), (0, "1", "1"), (0, "10", "1")],
)
def test_a_tick_of_fewer_decimals_than_prices_have_gives_way_to_them(decimals: int, tick: str, kept: str) -> None:
    (one,) = listed(row("XBT/USD", pair_decimals=decimals, tick_size=tick))
    assert (one.tick_size, one.price_text(12.0)) == (Decimal(kept), f"{12:.{decimals}f}")


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("online", InstrumentStatus.OPEN),
        ("cancel_only", InstrumentStatus.RESTRICTED),
        ("post_only", InstrumentStatus.RESTRICTED),
        ("limit_only", InstrumentStatus.RESTRICTED),
        ("reduce_only", InstrumentStatus.RESTRICTED),
        ("unheard_of", InstrumentStatus.UNKNOWN),
    ],
)
def test_what_a_status_means(status: str, meaning: InstrumentStatus) -> None:
    assert [one.status for one in listed(row("XBT/USD", status=status))] == [meaning]


def test_a_pair_that_the_socket_does_not_have_is_left_out_with_a_reason() -> None:
    dark = {name: value for name, value in row("XBT/USD").items() if name != "wsname"}
    found, symbols = loaded({"error": [], "result": {"XXBTZUSD.d": dark, "XETHZUSD": row("ETH/USD")}})
    assert [one.symbol for one in found] == ["ETH-USD"]
    assert [*symbols.quarantined.values()] == ["KeyError: 'wsname'"]


def test_an_error_is_an_error_and_no_empty_list() -> None:
    with pytest.raises(RateLimitedError):
        loaded({"error": ["EAPI:Rate limit exceeded"]})
