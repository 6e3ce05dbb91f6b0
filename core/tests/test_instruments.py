"""Instruments: steps, texts, unit conversions, and the live view of an exchange's list."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire import (
    Instrument,
    Instruments,
    InstrumentType,
    OptionType,
    SizeUnit,
    SymbolError,
    SymbolParts,
    UnknownNativeError,
    exact,
)

SOL = Instrument("acme", "SOL-USDC", "SOL_USDC", "SOL", "USDC", tick_size=Decimal("0.01"), lot_size=Decimal("0.10"))
PERP = Instrument.of("acme", "BTC_PERP", SymbolParts("BTC", "USD", InstrumentType.PERP, "BTC"))


def test_an_instrument_made_from_parts_is_spelt_by_the_grammar() -> None:
    assert Instrument("acme", "BTC-USD:BTC-PERP", "BTC_PERP", "BTC", "USD", InstrumentType.PERP, settle="BTC") == PERP


@pytest.mark.parametrize(
    ("step", "decimals"),
    [("0.01", 2), ("0.10", 1), ("1", 0), ("1.0", 0), ("10", 0), ("1E-8", 8), ("0.5", 1), (None, None)],
)
def test_decimals_are_those_of_the_step_without_padding(step: str | None, decimals: int | None) -> None:
    size = None if step is None else Decimal(step)
    instrument = Instrument("acme", "A-B", "AB", "A", "B", tick_size=size, lot_size=size)
    assert (instrument.price_decimals, instrument.size_decimals) == (decimals, decimals)


@pytest.mark.parametrize("step", ["0", "-0.1", "NaN", "Infinity"])
def test_a_step_that_is_no_positive_number_is_refused(step: str) -> None:
    with pytest.raises(SymbolError, match=r"'AB': tick_size is .* → a step is a positive number, or None"):
        Instrument("acme", "A-B", "AB", "A", "B", tick_size=Decimal(step))


@given(st.integers(0, 10**12))
def test_a_price_on_the_tick_is_written_with_the_ticks_decimals_in_both_number_modes(ticks: int) -> None:
    price = ticks * Decimal("0.01")
    assert SOL.price_text(float(price)) == SOL.price_text(price) == f"{ticks // 100}.{ticks % 100:02}"


def test_without_a_known_step_numbers_are_written_as_they_are() -> None:
    assert (PERP.price_text(1.5e-7), PERP.size_text(Decimal("2.50"))) == ("0.00000015", "2.50")


@pytest.mark.parametrize(
    ("unit", "is_inverse", "base", "notional"),
    [
        (SizeUnit.BASE, False, "3", "150"),
        (SizeUnit.QUOTE, False, "0.06", "3"),
        (SizeUnit.CONTRACTS, False, "30", "1500"),
        (SizeUnit.CONTRACTS, True, "0.6", "30"),
    ],
)
def test_three_at_a_price_of_fifty_with_ten_a_contract(
    unit: SizeUnit, is_inverse: bool, base: str, notional: str
) -> None:
    instrument = Instrument(
        "acme", "A-B", "AB", "A", "B", size_unit=unit, contract_size=Decimal(10), is_inverse=is_inverse
    )
    assert (instrument.base_size(3.0, 50.0), instrument.notional(3.0, 50.0)) == (Decimal(base), Decimal(notional))


@given(st.floats(0.001, 1e6), st.floats(0.001, 1e6), st.booleans(), st.sampled_from(SizeUnit))
def test_base_size_times_price_is_the_notional(size: float, price: float, is_inverse: bool, unit: SizeUnit) -> None:
    instrument = Instrument("acme", "A-B", "AB", "A", "B", size_unit=unit, is_inverse=is_inverse)
    product = instrument.base_size(size, price) * exact(price)
    assert product == pytest.approx(instrument.notional(size, price), rel=Decimal("1e-25"))


def test_a_native_symbol_that_was_not_loaded_is_a_data_error() -> None:
    with pytest.raises(UnknownNativeError, match="no instrument is loaded under the native symbol 'DOGE_USDC'"):
        Instruments([SOL]).native["DOGE_USDC"]


def test_a_refresh_changes_the_mappings_that_routers_hold() -> None:
    instruments = Instruments([SOL])
    native, symbols = instruments.native, instruments.symbols
    instruments.replace([PERP])
    assert (dict(native), symbols, list(instruments), len(instruments)) == (
        {"BTC_PERP": PERP},
        {"BTC-USD:BTC-PERP": PERP},
        [PERP],
        1,
    )


def test_a_native_key_lets_one_native_symbol_name_two_instruments() -> None:
    spot = Instrument("acme", "BTC-USDT", "BTCUSDT", "BTC", "USDT", native_key="spot:BTCUSDT")
    linear = Instrument.of(
        "acme", "BTCUSDT", SymbolParts("BTC", "USDT", InstrumentType.PERP, "USDT"), native_key="linear:BTCUSDT"
    )
    assert dict(Instruments([spot, linear]).native) == {"spot:BTCUSDT": spot, "linear:BTCUSDT": linear}


@pytest.mark.parametrize(
    ("twin", "message"),
    [
        (Instrument("acme", "SOL-USDC", "SOLUSDC", "SOL", "USDC"), "'SOLUSDC' and 'SOL_USDC' are both 'SOL-USDC'"),
        (
            Instrument("acme", "SOL-USD", "SOL_USDC", "SOL", "USD"),
            "'SOL-USD' and 'SOL-USDC' are both native 'SOL_USDC'",
        ),
    ],
)
def test_two_instruments_of_one_name_are_refused_and_nothing_changes(twin: Instrument, message: str) -> None:
    instruments = Instruments([PERP])
    with pytest.raises(SymbolError, match=message):
        instruments.replace([SOL, twin])
    assert list(instruments) == [PERP]


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("BTC-USDT:USDT-PERP", "BTC-USDT-PERP"),
        ("BTC-USDT-PERP", "BTC-USDT-PERP"),
        ("BTC-USD:BTC-20261226-100000-C", "BTC-USD-20261226-100000-C"),
        ("BTC-USD:BTC-PERP", "BTC-USD:BTC-PERP"),
        ("BTC-USD:ETH-PERP", "BTC-USD:ETH-PERP"),
        ("SOL-USDC:USDC", "SOL-USDC:USDC"),
    ],
)
def test_a_contract_may_be_named_with_its_settle_currency(named: str, expected: str) -> None:
    linear = Instrument.of("acme", "BTCUSDT", SymbolParts("BTC", "USDT", InstrumentType.PERP, "USDT"))
    call = Instrument(
        "acme", "BTC-USD-20261226-100000-C", "C", "BTC", "USD", InstrumentType.OPTION, "BTC", date(2026, 12, 26),
        Decimal(100_000), OptionType.CALL,
    )  # fmt: skip
    assert Instruments([SOL, PERP, linear, call]).canonical(named) == expected
