"""Markets as ccxt's own classes parse them -> instruments: kinds, units, and names that are given once."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import ccxt.async_support
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire import (
    Instrument,
    Instruments,
    InstrumentStatus,
    InstrumentType,
    OptionType,
    SizeUnit,
    SymbolError,
    SymbolParts,
)
from tickwire_ccxt_generic.instruments import assign_symbols, instrument_of, parts_of, read_markets

OKX = ccxt.async_support.okx()
EXPIRY = 1_798_271_999_000  # 2026-12-26 07:59:59 UTC, and the day before in New York


def okx(id: str, kind: str, settle: str = "", **fields: str) -> Mapping[str, Any]:
    """Parse a row of okx's list of instruments, shaped as its class quotes it."""
    base, quote = id.split("-")[:2]
    row = {
        "instId": id, "instType": kind, "settleCcy": settle, "state": "live", "lotSz": "1", "tickSz": "0.1",
        "uly": "" if kind == "SPOT" else f"{base}-{quote}", "lever": "10", "ctVal": "" if kind == "SPOT" else "0.01",
    }  # fmt: skip
    if kind == "SPOT":
        row |= {"baseCcy": base, "quoteCcy": quote, "lotSz": "0.00000001"}
    parsed: Mapping[str, Any] = OKX.parse_market({**row, **fields})
    return parsed


SPOT = okx("BTC-USDT", "SPOT")
LINEAR = okx("BTC-USDT-SWAP", "SWAP", "USDT")
USD = okx("BTC-USD-SWAP", "SWAP", "USD", ctVal="1")
INVERSE = okx("BTC-USD-SWAP", "SWAP", "BTC", ctVal="100")
QUANTO = okx("BTC-USD-SWAP", "SWAP", "ETH", ctVal="1")
FUTURE = okx("BTC-USDT-261226", "FUTURES", "USDT", expTime=str(EXPIRY))
PUT = okx("BTC-USD-261226-100000-P", "OPTION", "BTC", expTime=str(EXPIRY), stk="100000", optType="P")


def names(*markets: Mapping[str, Any], known: Mapping[str, str] | None = None) -> dict[str, str]:
    return {one.native: one.symbol for one in read_markets("okx", markets, known).instruments}


def test_each_kind_of_market_becomes_its_kind_of_instrument() -> None:
    found = read_markets("okx", [SPOT, LINEAR, INVERSE, FUTURE, PUT])
    perp, day, tick = InstrumentType.PERP, date(2026, 12, 26), Decimal("0.1")
    cent, lot = Decimal("0.01"), Decimal("1.0")
    assert found.quarantined == {}
    assert found.instruments == (
        Instrument("okx", "BTC-USDT", "BTC/USDT", "BTC", "USDT", tick_size=tick, lot_size=Decimal("1e-8")),
        Instrument(
            "okx", "BTC-USDT-PERP", "BTC/USDT:USDT", "BTC", "USDT", perp, "USDT", None, None, None, tick, lot,
            SizeUnit.CONTRACTS, cent,
        ),
        Instrument(
            "okx", "BTC-USD-PERP", "BTC/USD:BTC", "BTC", "USD", perp, "BTC", None, None, None, tick, lot,
            SizeUnit.CONTRACTS, Decimal(100), is_inverse=True,
        ),
        Instrument(
            "okx", "BTC-USDT-20261226", "BTC/USDT:USDT-261226", "BTC", "USDT", InstrumentType.FUTURE, "USDT", day, None,
            None, tick, lot, SizeUnit.CONTRACTS, cent,
        ),
        Instrument(
            "okx", "BTC-USD-20261226-100000-P", "BTC/USD:BTC-261226-100000-P", "BTC", "USD", InstrumentType.OPTION,
            "BTC", day, Decimal(100000), OptionType.PUT, tick, lot, SizeUnit.CONTRACTS, cent, is_inverse=True,
        ),
    )  # fmt: skip


def test_sizes_are_in_base_units_where_a_linear_contract_is_of_one() -> None:
    market = okx("BTC-USDT-SWAP", "SWAP", "USDT", ctVal="1")
    assert instrument_of("okx", market, "BTC-USDT-PERP").size_unit is SizeUnit.BASE
    assert instrument_of("okx", {**market, "linear": False}, "BTC-USDT-PERP").size_unit is SizeUnit.CONTRACTS


@pytest.mark.parametrize(
    ("active", "status"),
    [(True, InstrumentStatus.OPEN), (False, InstrumentStatus.CLOSED), (None, InstrumentStatus.UNKNOWN)],
)
def test_whether_it_trades_is_what_ccxt_says(active: bool | None, status: InstrumentStatus) -> None:
    assert instrument_of("okx", {**SPOT, "active": active}, "BTC-USDT").status is status


@pytest.mark.parametrize(
    ("precision", "price", "tick"),
    [
        ("tick_size", 1e-08, Decimal("1e-8")),
        ("tick_size", 0.5, Decimal("0.5")),
        ("tick_size", Decimal("0.00"), None),
        ("tick_size", None, None),
        ("decimal_places", 3, Decimal("0.001")),
        ("significant_digits", 5, None),
    ],
)
def test_a_tick_is_read_by_the_exchanges_kind_of_precision(precision: str, price: Any, tick: Decimal | None) -> None:
    market = {**SPOT, "precision": {"price": price, "amount": price}}
    found = instrument_of("okx", market, "BTC-USDT", precision=precision)
    assert (found.tick_size, found.lot_size) == (tick, tick)


def test_the_linear_contract_keeps_the_short_name_before_the_inverse_before_the_quanto() -> None:
    every = {"BTC/USD:USD": "BTC-USD-PERP", "BTC/USD:BTC": "BTC-USD:BTC-PERP", "BTC/USD:ETH": "BTC-USD:ETH-PERP"}
    assert names(QUANTO, INVERSE, USD) == every
    assert names(QUANTO, INVERSE) == {"BTC/USD:BTC": "BTC-USD-PERP", "BTC/USD:ETH": "BTC-USD:ETH-PERP"}
    assert names(QUANTO) == {"BTC/USD:ETH": "BTC-USD-PERP"}


def test_a_later_listing_renames_none_and_carries_its_settle_currency_though_it_be_the_quote() -> None:
    first = read_markets("okx", [INVERSE])
    assert first.symbols == {"BTC/USD:BTC": "BTC-USD-PERP"}
    assert names(USD, INVERSE, known=first.symbols) == {
        "BTC/USD:BTC": "BTC-USD-PERP",
        "BTC/USD:USD": "BTC-USD:USD-PERP",
    }


def test_the_name_of_what_is_listed_no_longer_is_not_given_again() -> None:
    known = read_markets("okx", [INVERSE]).symbols
    later = read_markets("okx", [USD], known)
    assert later.symbols == {"BTC/USD:BTC": "BTC-USD-PERP", "BTC/USD:USD": "BTC-USD:USD-PERP"}


def test_every_contract_is_found_under_the_name_with_its_settle_currency() -> None:
    instruments = Instruments(read_markets("okx", [SPOT, LINEAR, INVERSE, FUTURE, PUT]).instruments)
    for named, native in {
        "BTC-USDT:USDT-PERP": "BTC/USDT:USDT",
        "BTC-USD:BTC-PERP": "BTC/USD:BTC",
        "BTC-USDT:USDT-20261226": "BTC/USDT:USDT-261226",
        "BTC-USD:BTC-20261226-100000-P": "BTC/USD:BTC-261226-100000-P",
    }.items():
        assert instruments.symbols[instruments.canonical(named)].native == native


def test_a_base_with_a_hyphen_is_no_contract() -> None:
    market = ccxt.async_support.hyperliquid().parse_market(
        {"name": "flx:CRCL", "baseName": "FLX-CRCL", "szDecimals": "3", "maxLeverage": "10", "collateralToken": "0",
         "markPx": "100.5", "baseId": 110001, "collateralTokenName": "USDC"}
    )  # fmt: skip
    (found,) = read_markets("hyperliquid", [market]).instruments
    assert (found.symbol, found.type, found.native) == ("FLX%2DCRCL-USDC-PERP", InstrumentType.PERP, market["symbol"])


def test_two_contracts_that_a_symbol_cannot_tell_apart_are_one_and_a_reason() -> None:
    evening = {**FUTURE, "symbol": "BTC/USDT:USDT-261226-PM", "expiry": EXPIRY + 3_600_000}
    full = {**FUTURE, "symbol": "BTC/USDT:USDT-261226-X", "expiry": EXPIRY + 7_200_000}
    found = read_markets("okx", [full, evening, FUTURE])
    assert {one.native: one.symbol for one in found.instruments} == {
        "BTC/USDT:USDT-261226": "BTC-USDT-20261226",
        "BTC/USDT:USDT-261226-PM": "BTC-USDT:USDT-20261226",
    }
    assert "is the name of 'BTC/USDT:USDT-261226-PM' already" in found.quarantined["BTC/USDT:USDT-261226-X"]


def test_of_two_that_are_alike_the_one_that_ccxt_spells_plainly_has_the_name() -> None:
    wrapped = {**SPOT, "symbol": "BTC.B/USDT"}
    assert wrapped["symbol"] < SPOT["symbol"]
    found = read_markets("okx", [wrapped, SPOT])
    assert [one.native for one in found.instruments] == ["BTC/USDT"]
    assert "is the name of 'BTC/USDT' already" in found.quarantined["BTC.B/USDT"]


def test_a_market_for_quotes_on_request_is_no_spot_market() -> None:
    quoted = {**SPOT, "symbol": "BTC.RFQ/USDT", "executionModel": "rfq"}
    assert names(quoted, SPOT) == {"BTC.RFQ/USDT": "BTC-USDT-RFQ", "BTC/USDT": "BTC-USDT"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "index"}, "'index' is no kind of instrument"),
        ({"base": ""}, "base is ''"),
        ({"quote": None}, "quote is None"),
        ({"settle": None}, "settle is None"),
        ({"contractSize": None}, "does not know its contract size"),
        ({"contractSize": float("nan")}, "is no number"),
        ({"type": "future", "expiry": None}, "TypeError"),
        ({"type": "future", "expiry": 1e22}, "Error"),
        ({"type": "option", "expiry": EXPIRY, "strike": "a lot", "optionType": "put"}, "InvalidOperation"),
        ({"type": "option", "expiry": EXPIRY, "strike": 1.0, "optionType": "both"}, "KeyError"),
        ({"type": []}, "TypeError"),
    ],
)
def test_an_odd_row_is_left_out_with_its_reason_and_the_rest_is_read(change: Mapping[str, Any], reason: str) -> None:
    odd = {**LINEAR, "symbol": "ODD/ROW:ROW", "base": "ODD", **change}
    found = read_markets("okx", [odd, SPOT])
    assert [one.native for one in found.instruments] == ["BTC/USDT"]
    assert reason in found.quarantined["ODD/ROW:ROW"]


@pytest.mark.parametrize("row", [None, 7, "x", [], {}, {"symbol": None}, {"symbol": 7}, {"symbol": []}])
def test_a_row_that_is_no_market_is_left_out(row: Any) -> None:
    found = read_markets("okx", [row, SPOT])
    assert [one.native for one in found.instruments] == ["BTC/USDT"]
    assert list(found.quarantined) == ["row 0"]


def test_a_market_that_is_listed_twice_is_read_once() -> None:
    found = read_markets("okx", [SPOT, SPOT])
    assert len(found.instruments) == 1
    assert "listed twice" in found.quarantined["BTC/USDT"]


def test_a_symbol_needs_all_its_parts() -> None:
    assert parts_of(LINEAR) == SymbolParts("BTC", "USDT", InstrumentType.PERP, "USDT")
    with pytest.raises(SymbolError, match="settle is ''"):
        parts_of({**LINEAR, "settle": ""})


perpetuals = st.lists(
    st.tuples(st.sampled_from("AB"), st.sampled_from(["USD", "EUR"]), st.sampled_from(["USD", "EUR", "A", "B"])),
    unique=True,
    min_size=1,
)


@given(listed=perpetuals, split=st.integers(0, 10), seed=st.integers(0, 99))
def test_names_are_unique_and_stay_whatever_is_listed_later_in_whatever_order(
    listed: list[tuple[str, str, str]], split: int, seed: int
) -> None:
    markets = [
        {
            **LINEAR, "symbol": f"{base}/{quote}:{settle}", "base": base, "quote": quote, "settle": settle,
            "linear": settle == quote, "inverse": settle == base,
        }
        for base, quote, settle in listed
    ]  # fmt: skip
    first, twins = assign_symbols(markets[:split], {})
    shuffled = random.Random(seed).sample(markets, len(markets))
    then, later_twins = assign_symbols(shuffled, first)
    assert not twins
    assert not later_twins
    assert then.items() >= first.items()
    assert len(set(then.values())) == len(then) == len(markets)
    assert assign_symbols(markets, first)[0] == then
