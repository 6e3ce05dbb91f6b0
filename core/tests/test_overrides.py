"""Defaults < file < environment < command line, each typed by the key it sets."""

from __future__ import annotations

from typing import Any

import pytest

from tickwire.model.channels import Channel, ChannelRequest
from tickwire.model.errors import ConfigError
from tickwire.run.config import config_from
from tickwire.run.proxies import Proxy
from tickwire.run.settings import Config

FILE: dict[str, Any] = {
    "exchanges": {"night-eu": {"exchange": "binance", "symbols": ["BTC-USDT"], "proxy": "http://file:1"}},
    "sinks": {"out": {"type": "jsonl", "queue": 5, "path": "x"}},
}


def read(environ: dict[str, str], *settings: str) -> Config:
    return config_from(FILE, "night.yaml", environ, settings)


def complaint(environ: dict[str, str], *settings: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(environ, *settings)
    return str(caught.value)


def test_the_environment_beats_the_file_and_the_command_line_beats_both() -> None:
    environ = {"TICKWIRE__EXCHANGES__NIGHT_EU__PROXY": "http://environment:1"}
    assert read({}).exchanges[0].proxy == Proxy.parse("http://file:1")
    assert read(environ).exchanges[0].proxy == Proxy.parse("http://environment:1")
    said = ("exchanges.night-eu.proxy=http://first:1", "exchanges.night-eu.proxy=http://last:1")
    assert read(environ, *said).exchanges[0].proxy == Proxy.parse("http://last:1")


def test_a_value_takes_the_type_of_its_key() -> None:
    environ = {
        "TICKWIRE__SINKS__OUT__QUEUE": "77",
        "TICKWIRE__EXCHANGES__NIGHT_EU__SYMBOLS": "A-B, C-D",
        "TICKWIRE__EXCHANGES__NIGHT_EU__WEBSOCKET__COMPRESS": "true",
        "TICKWIRE__INSTRUMENTS__REFRESH": "90s",
        "TICKWIRE__NAME": "5",
    }
    config = read(environ, "exchanges.night-eu.channels=[trades, {l2_book: {depth: 5}}]", "sinks.out.path=7")
    (entry,) = config.exchanges
    assert (config.sinks[0].queue, entry.symbols, entry.websocket.compress) == (77, ("A-B", "C-D"), True)
    assert (config.instruments.refresh, config.name, config.sinks[0].options) == (90.0, "5", {"path": "7"})
    assert entry.channels == (ChannelRequest(Channel.TRADES), ChannelRequest(Channel.L2_BOOK, 5))


def test_one_item_of_a_list_can_be_set() -> None:
    assert read({}, "exchanges.night-eu.symbols[0]=A-B").exchanges[0].symbols == ("A-B",)


def test_an_entry_can_come_from_outside_the_file() -> None:
    assert read({"TICKWIRE__EXCHANGES__KRAKEN__SYMBOLS": "BTC-USD"}).exchanges[1].name == "kraken"


def test_the_file_itself_is_not_changed() -> None:
    before = repr(FILE)
    read({"TICKWIRE__NAME": "x"}, "sinks.out.queue=6")
    assert repr(FILE) == before


def test_what_replaces_an_unset_variable_replaces_its_mistake() -> None:
    data = {"exchanges": {"b": {"symbols": ["A-B"], "proxy": "${PROXY:?}"}}}
    assert config_from(data, "", {}, ["exchanges.b.proxy=env"]).exchanges[0].proxy == Proxy(None)


@pytest.mark.parametrize(
    ("environ", "settings", "expected"),
    [
        (
            {"TICKWIRE__EXCHANGES__NIGHT_EU__PROXI": "x"}, (),
            "night.yaml: exchanges.night-eu.proxi: unknown key (from TICKWIRE__EXCHANGES__NIGHT_EU__PROXI) "
            "→ did you mean proxy?",
        ),
        (
            {"TICKWIRE__SINKS__OUT__QUEUE": "many"}, (),
            "night.yaml: sinks.out.queue: expected a whole number, found what the environment says "
            "(from TICKWIRE__SINKS__OUT__QUEUE) → write digits only, without quotes",
        ),
        ({}, ("exchanges.night-eu",), "night.yaml: --set 'exchanges.night-eu' is no path=value → write exchanges.NAME"),
        ({}, ("a[b=1",), "night.yaml: --set 'a[b' is no path=value → write exchanges.NAME.proxy=…"),
        (
            {}, ("sinks.out.queue.x=1",),
            "night.yaml: sinks.out.queue: nothing can be set inside a single value (from --set sinks.out.queue.x) "
            "→ name its key alone",
        ),
        (
            {}, ("exchanges.night-eu.symbols[3]=x",),
            "night.yaml: exchanges.night-eu.symbols: '3' is no position in a list of 1 "
            "(from --set exchanges.night-eu.symbols[3]) → count from 0",
        ),
        ({"TICKWIRE__NAME__": "x"}, (), "night.yaml: name: a key is empty (from TICKWIRE__NAME__) → write"),
        ({}, ("sinks.out.channels=[trades",), "night.yaml: not YAML: while parsing a flow sequence"),
    ],
)  # fmt: skip
def test_mistakes_name_who_made_them(environ: dict[str, str], settings: tuple[str, ...], expected: str) -> None:
    assert complaint(environ, *settings).startswith(expected)


def test_a_secret_from_the_environment_is_not_shown() -> None:
    assert "hunter2" not in complaint({"TICKWIRE__EXCHANGES__NIGHT_EU__PROXY": "ftp://me:hunter2@x:1"})
