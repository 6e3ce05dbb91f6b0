"""Topics from templates: which names, which characters, and the way back."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tickwire import ConfigError, Record, Trade
from tickwire_sinks.messages import Topics

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # however busy the machine is
RESERVED = ".*> \t\r\n+#/\0"


def record(symbol: str) -> Record:
    return Record(Trade("acme", symbol, 1, 2, 3.0, 4.0), "RUN", 1, "k")


@pytest.mark.parametrize(
    ("template", "topic"),
    [
        ("a:{exchange}:{channel}:{symbol}:{type}", "a:acme:trades:BTC-USD:BTC-PERP:trade"),
        ("{{{exchange}}}", "{acme}"),
        ("fixed", "fixed"),
    ],
)
def test_a_template_is_filled(template: str, topic: str) -> None:
    assert Topics(template).of(record("BTC-USD:BTC-PERP")) == topic


@unhurried
@given(symbol=st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_word_has_no_reserved_character_and_reads_back(symbol: str) -> None:
    word = Topics("{symbol}", reserved=RESERVED).of(record(symbol))
    assert not set(word) & set(RESERVED)
    assert unquote(word) == symbol


@unhurried
@given(one=st.text(alphabet="A%.25E/", min_size=1), other=st.text(alphabet="A%.25E/", min_size=1))
def test_two_symbols_have_two_topics(one: str, other: str) -> None:
    topics = Topics("{symbol}", reserved=RESERVED)
    assert (topics.of(record(one)) == topics.of(record(other))) is (one == other)


def test_what_has_no_symbol_has_a_sign_that_is_none(every_event: list[Record]) -> None:
    topics = Topics("{symbol}/{type}")
    found = {topics.of(one) for one in every_event if one.event.symbol is None}
    assert found == {f"_/{one.event.__struct_config__.tag}" for one in every_event if one.event.symbol is None}


def test_a_pattern_has_a_wildcard_for_every_word_that_varies() -> None:
    assert Topics("tw.{exchange}.x-{channel}.end").pattern(".", "*") == "tw.*.*.end"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("", "topic is empty → use {exchange}"),
        ("{price}", r"topic '{price}' names {price}, which no event has → use {exchange}"),
        ("{symbol!r}", "which no event has"),
        ("{symbol:>9}", "which no event has"),
        ("{}", "which no event has"),
        ("{symbol", "is no template: "),
        ("a#{symbol}", "has '#', which is not allowed there → leave it out"),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused(template: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Topics(template, forbidden="#")
