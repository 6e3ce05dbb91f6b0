"""Market rows of every type become instruments; native symbols are never changed, odd rows never guessed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire import (
    Instrument,
    InstrumentStatus,
    InstrumentType,
    SizeUnit,
    SymbolParts,
    format_symbol,
    parse_symbol,
)
from tickwire.plugin import Request, Response
from tickwire_backpack.symbols import BackpackSymbols

CENT = Decimal("0.01")


def load(rows: object) -> tuple[list[Instrument], BackpackSymbols]:
    symbols = BackpackSymbols()
    conversation = symbols.load()
    next(conversation)
    with pytest.raises(StopIteration) as end:
        conversation.send(Response(200, {}, json.dumps(rows).encode(), 7))
    return list(end.value.value), symbols


def row(symbol: str, base: str, type: str, quote: str = "USDC", **more: object) -> dict[str, Any]:
    """The fields every market object has, in the shape of the recorded one."""
    price, quantity = {"tickSize": "0.01", "minPrice": "0.01"}, {"stepSize": "0.01", "minQuantity": "0.01"}
    return {
        "symbol": symbol, "baseSymbol": base, "quoteSymbol": quote, "marketType": type,
        "filters": {"price": price, "quantity": quantity}, "orderBookState": "Open", **more,
    }  # fmt: skip


def one(entry: dict[str, Any]) -> Instrument:
    (instrument,), _ = load([entry])
    return instrument


def test_every_market_type_is_asked_for_since_prediction_is_not_in_the_default() -> None:
    assert next(BackpackSymbols().load()) == Request(
        "GET",
        "/api/v1/markets?marketType=SPOT&marketType=PERP&marketType=IPERP&marketType=DATED&marketType=PREDICTION"
        "&marketType=RFQ",
    )


def test_the_recorded_rows_become_instruments(answer: Callable[[str], Any]) -> None:
    instruments, symbols = load(answer("markets"))
    assert instruments == [
        Instrument("backpack", "SOL-USDC", "SOL_USDC", "SOL", "USDC", tick_size=CENT, lot_size=CENT),
        Instrument(
            "backpack", "SOL-USDC-PERP", "SOL_USDC_PERP", "SOL", "USDC", InstrumentType.PERP, "USDC",
            tick_size=CENT, lot_size=CENT,
        ),
        Instrument(
            "backpack", "SPCX.US-USDC", "SPCX.US_USDC", "SPCX.US", "USDC",
            tick_size=CENT, lot_size=CENT, status=InstrumentStatus.RESTRICTED,
        ),
    ]  # fmt: skip
    assert symbols.quarantined == {}


@pytest.mark.parametrize(
    ("entry", "symbol", "type", "settle", "expiry"),
    [
        (row("kPEPE_USDC_PERP", "kPEPE", "PERP"), "kPEPE-USDC-PERP", InstrumentType.PERP, "USDC", None),
        (row("0G_USDC_PERP", "0G", "PERP"), "0G-USDC-PERP", InstrumentType.PERP, "USDC", None),
        (row("MU.US_USDC", "MU.US", "SPOT"), "MU.US-USDC", InstrumentType.SPOT, None, None),
        (row("MU.US_USDC_PERP", "MU.US", "PERP"), "MU.US-USDC-PERP", InstrumentType.PERP, "USDC", None),
        (row("FDVEXTD1B_USDC_PREDICTION", "FDVEXTD1B", "PREDICTION"), "FDVEXTD1B-USDC-PREDICTION",
         InstrumentType.PREDICTION, None, None),
        (row("SOL_USDC_RFQ", "SOL", "RFQ"), "SOL-USDC-RFQ", InstrumentType.RFQ, None, None),
        (row("QNDX.US_USDC_RFQ", "QNDX.US", "RFQ"), "QNDX.US-USDC-RFQ", InstrumentType.RFQ, None, None),
        (row("BTC_USD_IPERP", "BTC", "IPERP", "USD"), "BTC-USD:BTC-PERP", InstrumentType.PERP, "BTC", None),
        (row("BTC_USDC_20261226", "BTC", "DATED"), "BTC-USDC-20261226",
         InstrumentType.FUTURE, "USDC", date(2026, 12, 26)),
    ],
)  # fmt: skip
def test_each_type_has_its_symbol_and_keeps_its_native_one(
    entry: dict[str, Any], symbol: str, type: InstrumentType, settle: str | None, expiry: date | None
) -> None:
    is_inverse = entry["marketType"] == "IPERP"
    assert one(entry) == Instrument(
        "backpack", symbol, entry["symbol"], entry["baseSymbol"], entry["quoteSymbol"], type, settle, expiry,
        tick_size=CENT, lot_size=CENT, is_inverse=is_inverse,
        size_unit=SizeUnit.CONTRACTS if is_inverse else SizeUnit.BASE,
    )  # fmt: skip


@pytest.mark.parametrize("symbol", ["BTC_USDC_DATED", "BTC_USDC_20261350", "20261226_USDC", "BTC_USDC_2026122"])
def test_a_dated_future_without_a_day_is_quarantined(symbol: str) -> None:
    instruments, symbols = load([row(symbol, "BTC", "DATED"), row("SOL_USDC", "SOL", "SPOT")])
    assert [instrument.native for instrument in instruments] == ["SOL_USDC"]
    assert list(symbols.quarantined) == [symbol]


@pytest.mark.parametrize("type", ["MONAD", "OPTION", "spot", "", None, 5, []])
def test_a_market_type_nobody_knows_is_quarantined_with_its_reason(type: Any) -> None:
    instruments, symbols = load([row("A_B", "A", type), row("SOL_USDC", "SOL", "SPOT")])
    assert [instrument.native for instrument in instruments] == ["SOL_USDC"]
    assert list(symbols.quarantined) == ["A_B"]
    if isinstance(type, str):
        assert symbols.quarantined["A_B"] == (
            f"SymbolError: instrument type {type!r} is not known → upgrade tickwire-backpack"
        )


@pytest.mark.parametrize("field", ["baseSymbol", "quoteSymbol", "marketType", "filters", "orderBookState"])
@pytest.mark.parametrize("value", [None, "", 5, {}, "gone"])
def test_a_row_with_an_odd_field_never_breaks_the_others(field: str, value: object) -> None:
    odd = row("A_B", "A", "PERP") | {field: value}
    if value == "gone":
        del odd[field]
    instruments, _ = load([odd, row("SOL_USDC", "SOL", "SPOT")])
    assert [instrument.native for instrument in instruments if instrument.native != "A_B"] == ["SOL_USDC"]


@pytest.mark.parametrize("step", [None, "", "0", "-1", "nan", "x", 5.5])
def test_a_row_without_a_usable_step_is_quarantined(step: object) -> None:
    odd = row("A_B", "A", "SPOT")
    odd["filters"]["price"]["tickSize"] = step
    instruments, symbols = load([odd])
    if step == 5.5:
        assert [instrument.tick_size for instrument in instruments] == [Decimal("5.5")]
    else:
        assert (instruments, list(symbols.quarantined)) == ([], ["A_B"])


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("Open", InstrumentStatus.OPEN),
        ("Closed", InstrumentStatus.CLOSED),
        ("CancelOnly", InstrumentStatus.RESTRICTED),
        ("LimitOnly", InstrumentStatus.RESTRICTED),
        ("PostOnly", InstrumentStatus.RESTRICTED),
        ("BrandNew", InstrumentStatus.UNKNOWN),
    ],
)
def test_the_state_of_the_order_book_is_the_status(state: str, status: InstrumentStatus) -> None:
    assert one(row("SOL_USDC", "SOL", "SPOT", orderBookState=state)).status is status


ASSETS = st.text(st.characters(codec="utf-8"), min_size=1)
DAYS = st.dates(date(2020, 1, 1), date(2099, 12, 31))
KINDS = st.sampled_from(["SPOT", "PERP", "IPERP", "DATED", "PREDICTION", "RFQ"])


@given(base=ASSETS, quote=ASSETS, kind=KINDS, day=DAYS)
def test_instruments_of_every_type_round_trip_through_the_symbol_grammar(
    base: str, quote: str, kind: str, day: date
) -> None:
    native = f"{base}_{quote}_{day:%Y%m%d}" if kind == "DATED" else f"{base}_{quote}_{kind}"
    symbols = BackpackSymbols()
    symbols.read([row(native, base, kind, quote)])
    assert symbols.quarantined == {}
    ((key, market),) = symbols.markets.items()
    instrument = market.instrument
    assert (key, instrument.native, instrument.base, instrument.quote) == (native, native, base, quote)
    parts = parse_symbol(instrument.symbol)
    assert parts == SymbolParts(base, quote, instrument.type, instrument.settle, instrument.expiry)
    assert format_symbol(parts) == instrument.symbol


def test_types_of_one_pair_get_symbols_of_their_own() -> None:
    entries: Iterable[dict[str, Any]] = [
        row(f"SOL_USDC_{kind}", "SOL", kind) for kind in ("SPOT", "PERP", "IPERP", "PREDICTION", "RFQ")
    ]
    instruments, symbols = load([*entries, row("SOL_USDC_20261226", "SOL", "DATED")])
    assert symbols.quarantined == {}
    assert [instrument.symbol for instrument in instruments] == [
        "SOL-USDC", "SOL-USDC-PERP", "SOL-USDC:SOL-PERP", "SOL-USDC-PREDICTION", "SOL-USDC-RFQ", "SOL-USDC-20261226",
    ]  # fmt: skip
