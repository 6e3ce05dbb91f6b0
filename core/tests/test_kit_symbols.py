"""What the kit finds wrong with symbols: the check S2."""

from __future__ import annotations

import attrs
import pytest

from tickwire import Instrument, InstrumentType, SymbolParts
from tickwire.testing.symbols import misnamed


def perp(settle: str, symbol: str | None = None) -> Instrument:
    made = Instrument.of("acme", f"BTCUSD_{settle}", SymbolParts("BTC", "USD", InstrumentType.PERP, settle))
    return made if symbol is None else attrs.evolve(made, symbol=symbol)


SHORT = "BTC-USD-PERP"
LINEAR, INVERSE, QUANTO = perp("USD"), perp("BTC"), perp("ETH")


@pytest.mark.parametrize(
    "listed",
    [
        [LINEAR, INVERSE, QUANTO],
        [perp("BTC", SHORT)],
        [perp("BTC", SHORT), QUANTO],
        [perp("ETH", SHORT)],
        [INVERSE],
    ],
    ids=["all full", "inverse alone", "inverse before quanto", "quanto alone", "inverse in full"],
)
def test_the_first_of_linear_inverse_and_quanto_may_have_the_short_name(listed: list[Instrument]) -> None:
    assert list(misnamed(listed)) == []


@pytest.mark.parametrize(
    ("listed", "wrong"),
    [
        ([LINEAR, perp("BTC", SHORT)], SHORT),
        ([INVERSE, perp("ETH", SHORT)], SHORT),
        ([perp("BTC", "BTC-USD:ETH-PERP")], "BTC-USD:ETH-PERP"),
        ([perp("BTC", "BTC-USD")], "BTC-USD"),
        ([perp("BTC", "ETH-USD-PERP")], "ETH-USD-PERP"),
        ([perp("USD", "BTC-USD:USD-PERP")], "BTC-USD:USD-PERP"),
        ([perp("USD", "BTC_USD")], "BTC_USD"),
    ],
)
def test_any_other_name_that_says_something_else_is_wrong(listed: list[Instrument], wrong: str) -> None:
    ((what, _),) = misnamed(listed)
    assert repr(wrong) in what
