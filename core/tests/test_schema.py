"""The JSON Schema of the config file says the same as the code that reads it."""

from __future__ import annotations

from typing import Any

import attrs
import jsonschema
import pytest

from tickwire.plugin.registry import Registry
from tickwire.run.config import config_from
from tickwire.run.documents import read_yaml
from tickwire.run.durations import duration_text, parse_duration
from tickwire.run.entries import Document, ExchangeEntry
from tickwire.run.schema import config_schema

SCHEMA = config_schema(Registry.of().sinks.values())
DESIGN = """\
exchanges:
  ccxt_generic:
    class: CcxtGenericFeed
    exchange: backpack
    symbols: ["BTC-USDT"]
    channels: [TRADES, L2_BOOK]
    rest:
      snapshot_interval: 30
      limit: 100
    websocket:
      enabled: true
      rest_only: false
    credentials:
      api_key: ${API_KEY:?}
      api_secret: ${API_SECRET:?}
    endpoints:
      rest: https://api.backpack.exchange
      websocket: wss://ws.backpack.exchange
"""
EVERYTHING = """\
name: night
state: /var/lib/tickwire
instruments: {refresh: 15m, keep: 7d}
log: {level: info, format: json, file: x.log}
exchanges:
  x:
    exchange: binance
    plugin: binance
    symbols: ["*-USDT", "!X-*"]
    channels: [trades, Quotes, "l2_book:depth=5,interval=100ms", {l2_book: {interval: 100ms, depth: 1000}}]
    options: {region: eu}
    extensions: {hsm: {slot: 1}, log:}
    connections: ${COUNT:-1}
    proxy: socks5://10.0.0.7:1080
    tls: {ca_file: ca.pem}
    websocket: {engine: picows, compress: true}
    numbers: decimal
    on_unknown_symbol: warn
    endpoints: {rest: [https://a, https://b], websocket: {public: wss://c, private: [wss://d, wss://e]}}
sinks:
  a: {type: jsonl, path: data, channels: [trades, QUALITY], queue: "${QUEUE:-50}", when_full: block}
  b: {type: console, json: true, process: [candles: {interval: 1m}, throttle: {every: 1s, channels: [trades]}]}
"""


def refused(text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [f"{error.json_path}" for error in validator.iter_errors(read_yaml(text, ""))]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("text", [DESIGN, EVERYTHING])
def test_what_is_read_is_accepted(text: str) -> None:
    assert refused(text) == []
    config_from(read_yaml(text, ""), environ={"API_KEY": "k", "API_SECRET": "s"})


def top(lines: str) -> str:
    return f"exchanges: {{b: {{symbols: [A-B]}}}}\n{lines}"


def entry(lines: str) -> str:
    return f"exchanges: {{b: {{symbols: [A-B], {lines}}}}}"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("{}", "$"),
        ("exchanges: {}", "$.exchanges"),
        ("exchanges: {b: {}}", "$.exchanges.b"),
        ("exchanges: {b: {symbols: A-B}}", "$.exchanges.b.symbols"),
        ("exchanges: {b: {symbols: []}}", "$.exchanges.b.symbols"),
        (entry("symbol: [C-D]"), "$.exchanges.b"),
        (entry("channels: [trade]"), "$.exchanges.b.channels"),
        (entry("channels: [l2_book: {width: 5}]"), "$.exchanges.b.channels"),
        (entry("connections: 1.5"), "$.exchanges.b.connections"),
        (entry("proxy: 10.0.0.7"), "$.exchanges.b.proxy"),
        (entry("numbers: double"), "$.exchanges.b.numbers"),
        (entry("rest: {snapshot_interval: 1:30}"), "$.exchanges.b.rest.snapshot_interval"),
        (entry("websocket: {compress: no}"), "$.exchanges.b.websocket.compress"),
        (top("log: {level: loud}"), "$.log"),
        (top("instruments: {refresh: 0}"), "$.instruments.refresh"),
        (top("servers: 1"), "$"),
        (top("sinks: {s: {path: x}}"), "$.sinks.s"),
        (top("sinks: {s: {type: jsonl}}"), "$.sinks.s"),
        (top("sinks: {s: {type: jsonl, path: x, queue: 0}}"), "$.sinks.s.queue"),
        (top("sinks: {s: {type: jsonl, path: x, when_full: wait}}"), "$.sinks.s.when_full"),
        (top("sinks: {s: {type: console, colour: red}}"), "$.sinks.s"),
        (top("sinks: {s: {type: console, process: [candles: {every: 1m}]}}"), "$.sinks.s.process"),
    ],
)
def test_what_is_refused_is_refused(text: str, path: str) -> None:
    assert refused(text) == [path]


def described(schema: Any) -> set[str]:
    return {name for name, each in schema["properties"].items() if each.get("description")}


def test_every_key_is_described() -> None:
    assert described(SCHEMA) == {field.name for field in attrs.fields(Document)}
    assert described(SCHEMA["$defs"]["exchange"]) == {
        field.name.removesuffix("_") for field in attrs.fields(ExchangeEntry)
    }
    assert SCHEMA["$defs"]["exchange"]["properties"]["numbers"]["default"] == "float"


def test_a_plugin_s_sink_may_have_any_settings_where_it_is_not_installed() -> None:
    assert refused(top("sinks: {hot: {type: redis_streams, url: x, severity: warning}}")) == []


@pytest.mark.parametrize("text", ["250ms", "1s", "90s", "15m", "24h", "7d", "1.5s"])
def test_a_duration_is_shown_as_it_would_be_written(text: str) -> None:
    assert duration_text(parse_duration(text)) == {"24h": "1d"}.get(text, text)
