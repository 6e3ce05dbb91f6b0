"""Who serves an exchange is a pure function of the claims and the user's pin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.model.errors import AmbiguousExchangeError, PluginLoadError, TickwireError, UnknownExchangeError
from tickwire.plugin.info import ExchangeInfo, Tier
from tickwire.plugin.records import Claim
from tickwire.plugin.selection import Selection, select


def claim(plugin: str, exchange: str = "acme", tier: Tier = Tier.NATIVE) -> Claim:
    info = ExchangeInfo(id=exchange, tier=tier, rest=(), sockets={}, channels={}, limits={})
    return Claim(info, plugin, f"tickwire-{plugin}".replace("_", "-"), "0.2")


NATIVE, FAST = claim("acme"), claim("acme_fast")
GENERIC, OTHER = claim("ccxt_generic", tier=Tier.GENERIC), claim("many", tier=Tier.GENERIC)


def test_the_only_claim_wins() -> None:
    assert select("acme", [GENERIC]) == Selection(GENERIC, "the only plugin that serves it")


def test_native_beats_generic() -> None:
    assert select("acme", [GENERIC, OTHER, NATIVE]) == Selection(NATIVE, "native over generic", (GENERIC, OTHER))


def test_the_pin_beats_native() -> None:
    assert select("acme", [NATIVE, GENERIC], "ccxt_generic") == Selection(GENERIC, "pinned by the user", (NATIVE,))


def test_claims_on_other_exchanges_do_not_count() -> None:
    assert select("acme", [NATIVE, claim("bolt", "bolt")]) == Selection(NATIVE, "the only plugin that serves it")


def test_two_native_claims_need_the_user() -> None:
    with pytest.raises(AmbiguousExchangeError) as raised:
        select("acme", [FAST, GENERIC, NATIVE])
    assert str(raised.value) == (
        "exchange 'acme' is claimed by plugins 'acme' (tickwire-acme 0.2, native), 'acme_fast' (tickwire-acme-fast "
        "0.2, native), 'ccxt_generic' (tickwire-ccxt-generic 0.2, generic) → choose one in the config: "
        "plugin: acme or plugin: acme_fast"
    )


def test_two_generic_claims_need_the_user() -> None:
    with pytest.raises(
        AmbiguousExchangeError, match=r"→ choose one in the config: plugin: ccxt_generic or plugin: many$"
    ):
        select("acme", [GENERIC, OTHER])


def test_an_unknown_exchange_says_what_to_install() -> None:
    with pytest.raises(UnknownExchangeError) as raised:
        select("backpack", [NATIVE])
    assert str(raised.value) == (
        "no installed plugin serves 'backpack' → pip install tickwire-backpack, or a generic one: "
        "pip install tickwire-ccxt-generic"
    )


def test_the_generic_plugin_is_not_offered_to_those_who_have_it() -> None:
    with pytest.raises(UnknownExchangeError, match=r"→ pip install tickwire-backpack$"):
        select("backpack", [GENERIC])


@pytest.mark.parametrize("typed", ["Acme", "acm", "ACME"])
def test_an_exchange_spelt_nearly_right_gets_the_right_name(typed: str) -> None:
    with pytest.raises(UnknownExchangeError, match=r"→ did you mean acme\? else pip install tickwire-acme?, or"):
        select(typed, [NATIVE])


def test_a_pin_without_any_claim_says_what_to_install() -> None:
    with pytest.raises(PluginLoadError) as raised:
        select("acme", [NATIVE], "ccxt_generic")
    assert str(raised.value) == "no installed plugin named 'ccxt_generic' → pip install tickwire-ccxt-generic"


def test_a_pin_that_does_not_serve_the_exchange_names_what_it_serves() -> None:
    with pytest.raises(UnknownExchangeError) as raised:
        select("acme", [NATIVE, claim("bolt", "bolt"), claim("bolt", "bolt_test")], "bolt")
    assert str(raised.value) == ("plugin 'bolt' does not serve 'acme' (it serves: bolt, bolt_test) → pin plugin: acme")


def test_a_pin_that_serves_a_hundred_exchanges_names_some() -> None:
    many = [claim("many", f"x{number:03}") for number in range(104)]
    with pytest.raises(UnknownExchangeError, match=r"it serves: x000, .*, x011, … 92 more\) → did you mean x103\?$"):
        select("xx103", many, "many")


@given(
    claims=st.lists(
        st.builds(claim, st.sampled_from("abcd"), st.sampled_from(["acme", "bolt"]), st.sampled_from(Tier)),
        unique_by=lambda each: (each.plugin, each.info.id),
    ),
    pin=st.none() | st.sampled_from("abcde"),
    data=st.data(),
)
def test_the_order_of_installation_never_matters(claims: list[Claim], pin: str | None, data: st.DataObject) -> None:
    def outcome(order: list[Claim]) -> Selection | str:
        try:
            return select("acme", order, pin)
        except TickwireError as error:
            return f"{type(error).__name__}: {error}"

    assert outcome(claims) == outcome(data.draw(st.permutations(claims)))
