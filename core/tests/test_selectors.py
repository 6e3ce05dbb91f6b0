"""Which symbols selectors mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.feed.selectors import Selected, is_glob, select

LISTED = ["SOL-USDC", "BTC-USDC", "SOL-USDC-PERP", "BTC-USDC-PERP", "X-USDC-PREDICTION"]


@pytest.mark.parametrize(
    ("selectors", "selected"),
    [
        (["SOL-USDC"], Selected(("SOL-USDC",))),
        (["*-PERP", "SOL-USDC"], Selected(("SOL-USDC-PERP", "BTC-USDC-PERP", "SOL-USDC"))),
        (["SOL-USDC", "*"], Selected(("SOL-USDC", "BTC-USDC", "SOL-USDC-PERP", "BTC-USDC-PERP", "X-USDC-PREDICTION"))),
        (["*", "!*-PERP", "!X-*"], Selected(("SOL-USDC", "BTC-USDC"))),
        (["*-PERP", "!SOL-*", "SOL-USDC-PERP"], Selected(("BTC-USDC-PERP", "SOL-USDC-PERP"))),
        (["*-PERP", "!*-PREDICTION"], Selected(("SOL-USDC-PERP", "BTC-USDC-PERP"), idle=(1,))),
        (["[SB]OL-USDC", "ETH-*"], Selected(("SOL-USDC",), idle=(1,))),
        (["sol-usdc", "SOL-USDT"], Selected((), unlisted=(0, 1))),
    ],
)
def test_selectors_apply_in_their_order(selectors: list[str], selected: Selected) -> None:
    assert select(selectors, LISTED) == selected


def test_a_glob_takes_in_what_trades_and_a_name_whatever_it_names() -> None:
    assert select(["*-USDC"], LISTED, closed={"SOL-USDC"}) == Selected(("BTC-USDC",))
    assert select(["SOL-USDC"], LISTED, closed={"SOL-USDC"}) == Selected(("SOL-USDC",))


@given(st.lists(st.sampled_from(["*", "!*", "*-PERP", "!SOL-*", "SOL-USDC", "!BTC-USDC", "NO-NO"]), max_size=6))
def test_what_is_selected_is_listed_once_and_not_excluded_last(selectors: list[str]) -> None:
    symbols = select(selectors, LISTED).symbols
    assert set(symbols) <= set(LISTED)
    assert len(symbols) == len(set(symbols))
    if selectors and selectors[-1] == "!*":
        assert symbols == ()


def test_a_name_is_no_glob() -> None:
    assert [is_glob(text) for text in ("SOL-USDC", "FLX%2DA-USD", "*-USDC", "SOL-USD?", "[A]-USD")] == [
        False, False, True, True, True,
    ]  # fmt: skip
