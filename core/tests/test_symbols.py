"""The symbol grammar, both ways, over every kind of instrument and any text an exchange may use as a name."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tickwire import InstrumentType, OptionType, SymbolError, SymbolParts, format_symbol, parse_symbol

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8) | st.sampled_from(
    [
        "BTC",
        "kPEPE",
        "FLX-CRCL",
        "1000BONK",
        "BRK.B",
        "a%2Db",
        "C++",
        "100%",
        "PERP",
        "20261226",
        "C",
        "Ö:é",
        "日本",
        "..",
    ]
)
SETTLED = (InstrumentType.PERP, InstrumentType.FUTURE, InstrumentType.OPTION)
strikes = st.decimals(min_value=0, max_value=10**12, allow_nan=False, allow_infinity=False)


@st.composite
def symbol_parts(draw: st.DrawFn) -> SymbolParts:
    kind = draw(st.sampled_from(InstrumentType))
    quote = draw(names)
    is_option = kind is InstrumentType.OPTION
    dated = is_option or kind is InstrumentType.FUTURE
    return SymbolParts(
        draw(names),
        quote,
        kind,
        draw(st.just(quote) | names) if kind in SETTLED else None,
        draw(st.dates()) if dated else None,
        draw(strikes) if is_option else None,
        draw(st.sampled_from(OptionType)) if is_option else None,
    )


@given(symbol_parts())
def test_the_parts_of_any_instrument_come_back_from_its_symbol(parts: SymbolParts) -> None:
    assert parse_symbol(format_symbol(parts)) == parts


@given(symbol_parts())
def test_a_settle_currency_that_is_the_quote_is_written_where_it_is_asked_for(parts: SymbolParts) -> None:
    text, full = format_symbol(parts), format_symbol(parts, with_settle=True)
    assert full.count(":") == (parts.settle is not None)
    assert (full == text) == (parts.settle is None or parts.settle != parts.quote)


@given(symbol_parts())
def test_a_symbol_holds_nothing_that_a_path_a_glob_or_yaml_would_read(parts: SymbolParts) -> None:
    assert not set(format_symbol(parts)) & set("/\\*?[]{}!&#'\"<>|@` \t\n\0,")


@given(symbol_parts(), symbol_parts())
def test_two_instruments_never_share_a_symbol(one: SymbolParts, other: SymbolParts) -> None:
    assume(one != other)
    assert format_symbol(one) != format_symbol(other)


grammar_soup = st.lists(
    st.sampled_from(
        ["BTC", "USD", "-", "-", ":", "%", "2D", "%2D", "PERP", "20261226", "100", ".5", "C", "P", "é", ""]
    ),
    max_size=10,
).map("".join)


@given(st.text() | grammar_soup)
def test_any_text_is_either_a_symbol_in_its_one_form_or_a_symbol_error(text: str) -> None:
    try:
        parts = parse_symbol(text)
    except SymbolError:
        return
    assert format_symbol(parts) == text


@pytest.mark.parametrize(
    ("symbol", "parts"),
    [
        ("SOL-USDC", SymbolParts("SOL", "USDC")),
        ("BTC-USDT-PERP", SymbolParts("BTC", "USDT", InstrumentType.PERP, "USDT")),
        ("BTC-USD:BTC-PERP", SymbolParts("BTC", "USD", InstrumentType.PERP, "BTC")),
        ("BTC-USD-20261226", SymbolParts("BTC", "USD", InstrumentType.FUTURE, "USD", date(2026, 12, 26))),
        (
            "BTC-USD:BTC-20261226-100000-C",
            SymbolParts(
                "BTC", "USD", InstrumentType.OPTION, "BTC", date(2026, 12, 26), Decimal(100000), OptionType.CALL
            ),
        ),
        (
            "XRP-USD-20261226-0.525-P",
            SymbolParts(
                "XRP", "USD", InstrumentType.OPTION, "USD", date(2026, 12, 26), Decimal("0.525"), OptionType.PUT
            ),
        ),
        ("X-USDC-PREDICTION", SymbolParts("X", "USDC", InstrumentType.PREDICTION)),
        ("X-USDC-RFQ", SymbolParts("X", "USDC", InstrumentType.RFQ)),
        ("FLX%2DCRCL-USDC", SymbolParts("FLX-CRCL", "USDC")),
        ("kPEPE-USDC-PERP", SymbolParts("kPEPE", "USDC", InstrumentType.PERP, "USDC")),
        ("BRK.B-USD", SymbolParts("BRK.B", "USD")),
    ],
)
def test_each_kind_of_instrument_has_its_spelling(symbol: str, parts: SymbolParts) -> None:
    assert (parse_symbol(symbol), format_symbol(parts)) == (parts, symbol)


@pytest.mark.parametrize(
    ("symbol", "message"),
    [
        ("BTC", "'BTC' is not a symbol → write BASE-QUOTE"),
        ("BTC-USDC-SWAP", "'BTC-USDC-SWAP' ends in 'SWAP', which is no kind of instrument → write BASE-QUOTE"),
        ("BTC-USD-20261301", "'BTC-USD-20261301': 20261301 is not a day → expiries are YYYYMMDD"),
        ("BTC-USD-20261226-0100-C", "'BTC-USD-20261226-0100-C' ends in '20261226-0100-C'"),
        ("BTC-USD:USD-PERP", "'BTC-USD:USD-PERP' is not in canonical form → write BTC-USD-PERP"),
        ("FLX%2dCRCL-USDC", "'FLX%2dCRCL-USDC' is not in canonical form → write FLX%2DCRCL-USDC"),
        ("a b-USDC", "'a b-USDC' is not in canonical form → write a%20b-USDC"),
        ("%FF-USDC", "'%FF' is not percent-encoded UTF-8"),
        ("\ud800-USDC", "is half a character"),
        ("-USDC", "does not describe a spot"),
        ("BTC-USD:-PERP", "does not describe a perp"),
    ],
)
def test_a_text_that_is_no_symbol_is_refused_with_what_to_write(symbol: str, message: str) -> None:
    with pytest.raises(SymbolError) as raised:
        parse_symbol(symbol)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "parts",
    [
        SymbolParts("", "USDC"),
        SymbolParts("BTC", "USDC", InstrumentType.PERP),
        SymbolParts("BTC", "USDC", InstrumentType.SPOT, "USDC"),
        SymbolParts("BTC", "USDC", InstrumentType.FUTURE, "USDC"),
        SymbolParts("BTC", "USD", InstrumentType.OPTION, "USD", date(2026, 1, 2), Decimal(1)),
        SymbolParts("BTC", "USD", InstrumentType.OPTION, "USD", date(2026, 1, 2), Decimal("NaN"), OptionType.CALL),
        SymbolParts("BTC", "USD", InstrumentType.OPTION, "USD", date(2026, 1, 2), Decimal(-1), OptionType.CALL),
        SymbolParts("\ud800", "USDC"),
    ],
)
def test_parts_that_do_not_fit_together_have_no_symbol(parts: SymbolParts) -> None:
    with pytest.raises(SymbolError):
        format_symbol(parts)
