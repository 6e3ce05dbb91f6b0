"""Config files: what is understood, and what is said where something is not."""

from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.feed.settings import Backfill, RecoverySettings
from tickwire.model.channels import Channel, ChannelRequest
from tickwire.model.errors import ConfigError
from tickwire.run.config import config_from, load_config, plugin_of_class
from tickwire.run.documents import read_toml, read_yaml
from tickwire.run.durations import Duration
from tickwire.run.proxies import Proxy
from tickwire.run.settings import (
    Config,
    EndpointsConfig,
    ExchangeConfig,
    InstrumentsConfig,
    LogConfig,
    RestConfig,
    SinkConfig,
    TlsConfig,
    WebsocketConfig,
)

PAGE = """\
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
ENVIRON = {"API_KEY": "key", "API_SECRET": "hunter2"}


def complaint(text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        config_from(read_yaml(text, "night.yaml"), "night.yaml", environ or {})
    return str(caught.value)


def exchange(lines: str) -> str:
    return complaint("exchanges:\n  binance:\n    symbols: [BTC-USDT]\n" + "".join(f"    {lines}\n"))


def test_the_page_of_the_design_is_read_as_written() -> None:
    config = config_from(read_yaml(PAGE, "night.yaml"), "night.yaml", ENVIRON)
    (entry,) = config.exchanges
    credentials = entry.credentials
    assert credentials is not None
    assert config == Config(
        (
            ExchangeConfig(
                name="ccxt_generic",
                exchange="backpack",
                symbols=("BTC-USDT",),
                plugin="ccxt_generic",
                channels=(ChannelRequest(Channel.TRADES), ChannelRequest(Channel.L2_BOOK)),
                credentials=credentials,
                endpoints=EndpointsConfig("https://api.backpack.exchange", "wss://ws.backpack.exchange"),
                rest=RestConfig(30.0, 100),  # type: ignore[arg-type]
                websocket=WebsocketConfig(True, False),
            ),
        ),
        source="night.yaml",
    )
    assert credentials.reveal("api_secret") == "hunter2"
    assert "hunter2" not in repr(config)


def test_the_shortest_config_is_an_exchange_with_a_symbol() -> None:
    assert config_from({"exchanges": {"backpack": {"symbols": ["SOL-USDC"]}}}) == Config(
        (ExchangeConfig("backpack", "backpack", ("SOL-USDC",)),)
    )


def test_a_whole_config() -> None:
    text = """
name: night-eu
exchanges:
  eu:
    {exchange: binance, plugin: binance, symbols: [BTC-USDT], options: {region: eu}, extensions: {hsm: {slot: 1}, log:}}
  binance:
    symbols: ["*-USDC", "!A-USDC"]
    channels: [quotes, l2_book: {interval: 100ms, depth: 1000}, "l2_book:depth=5"]
    endpoints: {rest: [https://a, https://b], websocket: {public: wss://c, private: [wss://d, wss://e]}}
sinks:
  archive: {type: jsonl, path: data, channels: [trades, QUALITY], queue: 50, when_full: block}
"""
    assert config_from(read_yaml(text, "")) == Config(
        (
            ExchangeConfig(
                "eu",
                "binance",
                ("BTC-USDT",),
                "binance",
                options={"region": "eu"},
                extensions={"hsm": {"slot": 1}, "log": {}},
            ),
            ExchangeConfig(
                "binance",
                "binance",
                ("*-USDC", "!A-USDC"),
                channels=(
                    ChannelRequest(Channel.L1_BOOK),
                    ChannelRequest(Channel.L2_BOOK, 1000, "100ms"),
                    ChannelRequest(Channel.L2_BOOK, 5),
                ),
                endpoints=EndpointsConfig(
                    ("https://a", "https://b"), {"public": "wss://c", "private": ("wss://d", "wss://e")}
                ),
            ),
        ),
        (SinkConfig("archive", "jsonl", (Channel.TRADES, Channel.QUALITY), 50, "block", {"path": "data"}),),
        "night-eu",
    )


def test_toml_says_the_same(tmp_path: Path) -> None:
    file = tmp_path / "night.toml"
    file.write_text('[exchanges.backpack]\nsymbols = ["SOL-USDC"]\nchannels = ["trades", {l2_book = {depth = 5}}]\n')
    (entry,) = load_config(file).exchanges
    assert entry.channels == (ChannelRequest(Channel.TRADES), ChannelRequest(Channel.L2_BOOK, 5))


@pytest.mark.parametrize(
    ("feed_class", "plugin"),
    [("CcxtGenericFeed", "ccxt_generic"), ("BackpackFeed", "backpack"), ("OKXFeed", "okx"), ("Feed", "feed")],
)
def test_a_feed_class_names_the_plugin_that_declares_it(feed_class: str, plugin: str) -> None:
    assert plugin_of_class(feed_class) == plugin


def test_class_and_plugin_must_not_contradict_each_other() -> None:
    assert complaint("exchanges: {x: {symbols: [A-B], class: CcxtGenericFeed, plugin: binance}}") == (
        "night.yaml: exchanges.x.class: class 'CcxtGenericFeed' belongs to plugin 'ccxt_generic', "
        "but plugin says 'binance' → keep one of the two"
    )
    config_from({"exchanges": {"x": {"symbols": ["A-B"], "class": "BinanceFeed", "plugin": "binance"}}})


def test_an_unknown_key_is_refused_with_a_suggestion() -> None:
    assert complaint("exchanges: {binance: {symbol: [BTC-USDT]}}") == (
        "night.yaml: exchanges.binance.symbol: unknown key → did you mean symbols?"
    )


def top(lines: str) -> str:
    return complaint(f"exchanges: {{binance: {{symbols: [A-B]}}}}\n{lines}")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("serve: {}", "serve: not built yet → remove it"),
        ("serve: {port: 9464}", "serve.port: not built yet → remove it"),
        (
            "recovery: {hold: soon}",
            "recovery.hold: 'soon' is not a duration → write 250ms, 5s, 15m, 24h or 7d; a number",
        ),
        ("recovery: {holds: 15s}", "recovery.holds: unknown key → did you mean hold?"),
        ("recovery: {backfill: never}", "recovery.backfill: expected one of in_order, late, off, found 'never'"),
    ],
)
def test_what_is_not_built_yet_or_wrong_is_refused_by_name(lines: str, expected: str) -> None:
    assert top(lines).startswith(f"night.yaml: {expected}")


@pytest.mark.parametrize(
    ("count", "what"), [(0, "no connection carries nothing"), (5, "5 connections for the same are too many")]
)
def test_one_to_four_connections_may_carry_the_same(count: int, what: str) -> None:
    assert exchange(f"connections: {count}") == (
        f"night.yaml: exchanges.binance.connections: {what} → write 1 to 4; with 2 one is a hot stand-by"
    )


def test_recovery_says_how_holes_are_filled() -> None:
    read = partial(config_from, environ={})
    exchanges = {"binance": {"symbols": ["A-B"]}}
    assert read({"exchanges": exchanges}).recovery == RecoverySettings(Backfill.IN_ORDER, 15.0, resume=86_400.0)
    recovery = {"backfill": "late", "hold": "5s", "resume": "7d"}
    given = read({"exchanges": exchanges, "recovery": recovery}).recovery
    assert given == RecoverySettings(Backfill.LATE, 5.0, resume=604_800.0)


def test_top_level_keys_are_a_closed_list() -> None:
    assert top("servers: 1") == "night.yaml: servers: unknown key → did you mean serve?"
    assert top("zzz: 1") == (
        "night.yaml: zzz: unknown key → one of exchanges, sinks, name, state, instruments, log, recovery, serve"
    )


def test_the_keys_of_the_way_out_and_of_the_run() -> None:
    text = """
exchanges:
  binance:
    symbols: [BTC-USDT]
    connections: 1
    proxy: socks5://me:hunter2@10.0.0.7:1080
    tls: {ca_file: ca.pem}
    websocket: {engine: picows, compress: true}
    numbers: decimal
    on_unknown_symbol: warn
state: /var/lib/tickwire
instruments: {refresh: 5m, keep: 1d}
log: {level: debug, format: json, file: x.log}
"""
    config = config_from(read_yaml(text, ""), environ={})
    proxy = Proxy.parse("socks5://me:hunter2@10.0.0.7:1080")
    assert config == Config(
        (
            ExchangeConfig(
                "binance", "binance", ("BTC-USDT",), websocket=WebsocketConfig(engine="picows", compress=True),
                proxy=proxy, tls=TlsConfig(Path("ca.pem")), numbers="decimal", on_unknown_symbol="warn",
            ),
        ),
        state=Path("/var/lib/tickwire"),
        instruments=InstrumentsConfig(Duration(300.0), Duration(86_400.0)),
        log=LogConfig("debug", "json", Path("x.log")),
    )  # fmt: skip
    assert "hunter2" not in repr(config)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("proxy: 10.0.0.7:1080", "proxy: this is no proxy URL → write http://host:port, socks5://host:port, or env"),
        ("proxy: 5", "proxy: this is no proxy URL → write http://host:port, socks5://host:port, or env"),
        (
            "proxy: ftp://me:hunter2@x:1",
            "proxy: a proxy of kind 'ftp' cannot be used → write http://host:port, socks5:",
        ),
        ("numbers: 2", "numbers: expected one of float, decimal, found 2 → write float"),
        ("on_unknown_symbol: ignore", "on_unknown_symbol: expected one of error, warn, found 'ignore' → write error"),
        (
            "websocket: {engine: curl}",
            "websocket.engine: expected one of aiohttp, picows, found 'curl' → write aiohttp",
        ),
        ("tls: {ca: x}", "tls.ca: unknown key → one of ca_file"),
    ],
)
def test_mistakes_in_the_way_out(lines: str, expected: str) -> None:
    text = exchange(lines)
    assert text.startswith(f"night.yaml: exchanges.binance.{expected}")
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("symbols", "expected"),
    [
        (
            '["!*-PERP"]',
            "symbols begins with '!*-PERP', which has nothing to exclude from → begin with what to take in",
        ),
        ('["*", "!"]', "symbols names '!', which is nothing → write a symbol or a selector"),
        ('["*", ""]', "symbols names '', which is nothing → write a symbol or a selector"),
    ],
)
def test_selectors_that_are_none(symbols: str, expected: str) -> None:
    text = complaint(f"exchanges: {{binance: {{symbols: {symbols}}}}}")
    assert text.startswith(f"night.yaml: exchanges.binance: {expected}")


def test_mistakes_in_the_log() -> None:
    assert top("log: {level: loud}").startswith(
        "night.yaml: log.level: expected one of debug, info, warning, error, found 'loud' → write debug"
    )


def test_an_unset_variable_is_told_with_the_place_and_its_message() -> None:
    text = "exchanges: {b: {symbols: [A-B]}}\nsinks:\n  hot:\n    type: x\n    url: ${REDIS_URL:?set it to redis://host:6379/0}"
    assert complaint(text) == "night.yaml: sinks.hot.url: REDIS_URL is not set → set it to redis://host:6379/0"


def test_an_unset_variable_is_one_mistake_not_two() -> None:
    assert exchange("rest: {limit: '${LIMIT:?}'}") == (
        "night.yaml: exchanges.binance.rest.limit: LIMIT is not set → set LIMIT in the environment"
    )


def test_all_mistakes_of_a_file_are_told_at_once() -> None:
    text = "name: 5\nexchanges:\n  a: {symbols: BTC}\n  b: {symbols: [A-B], channels: [trade]}\nsinks: {x: {queue: 0}}"
    assert [line.split(":")[0].strip() for line in complaint(text).splitlines()] == [
        "night.yaml",
        "name",
        "exchanges.a.symbols",
        "exchanges.b.channels[0]",
        "sinks.x",
    ]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("symbols: 5", "night.yaml:4:5: the key 'symbols' is here a second time → correct it at that place"),
        ("channels: []", "night.yaml: exchanges.binance: channels is empty → name at least one, e.g."),
        (
            "endpoints: {rest: wss://x}",
            "night.yaml: exchanges.binance.endpoints: 'wss://x' is not a URL for this → begin",
        ),
        ("credentials: {api_key: 123}", "night.yaml: exchanges.binance.credentials.api_key: expected a text that is"),
        (
            "websocket: {enabled: no}",
            "night.yaml: exchanges.binance.websocket.enabled: expected true or false, found 'no'",
        ),
        (
            "rest: {snapshot_interval: 1:30}",
            "night.yaml: exchanges.binance.rest.snapshot_interval: '1:30' is not a dur",
        ),
    ],
)
def test_mistakes_in_an_exchange(lines: str, expected: str) -> None:
    assert exchange(lines).startswith(expected)


@pytest.mark.parametrize(
    ("sink", "expected"),
    [
        ("{path: x}", "sinks.s: type is missing → add type: …"),
        ("", "sinks.s: a sink is a mapping → write type: jsonl and its settings"),
        ("{type: a, queue: 0}", "sinks.s.queue: a queue of 0 is no queue → write 1 or more"),
        ("{type: a, batch: 0}", "sinks.s.batch: a batch of 0 is no batch → write 1 or more"),
        ("{type: a, spill_limit: 0}", "sinks.s.spill_limit: 0 bytes hold nothing → write bytes"),
        ("{type: a, linger: soon}", "sinks.s.linger: 'soon' is not a duration"),
        (
            "{type: a, when_full: split}",
            "sinks.s.when_full: there is no policy 'split' → one of drop_oldest, block, conflate, spill",
        ),
        ("{type: a, channels: [l2_book: {depth: 5}]}", "sinks.s.channels[0]: a sink's channel has no parameters"),
    ],
)
def test_mistakes_in_a_sink(sink: str, expected: str) -> None:
    text = f"exchanges: {{b: {{symbols: [A-B]}}}}\nsinks:\n  s: {sink}"
    assert complaint(text).startswith(f"night.yaml: {expected}")


@pytest.mark.parametrize("text", ["", "exchanges:", "exchanges: {}", "[]", "5", "exchanges: []", "exchanges: {b: }"])
def test_a_config_without_an_exchange_is_none(text: str) -> None:
    assert "night.yaml" in complaint(text)


@pytest.mark.parametrize("selector", ["*-USDC-PERP", "!*-PREDICTION", "*USDC*", "!A-B"])
def test_an_unquoted_selector_is_told_to_be_quoted(selector: str) -> None:
    text = complaint(f"exchanges: {{b: {{\n symbols: [{selector}]}}}}")
    assert text.endswith("→ quote selectors that begin with `*` or `!`")
    assert text.startswith("night.yaml:2:")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1", "night.yaml:1:6: not YAML: while parsing a flow sequence, expected ',' or ']'"),
        ("a: 1\na: 2", "night.yaml:2:1: the key 'a' is here a second time → correct it at that place"),
        ("a: b: c", "night.yaml:1:5: not YAML: mapping values are not allowed here → correct it at that place"),
        ("b: {c: ${X}}", "night.yaml:1:9: not YAML: while parsing a flow mapping, expected ',' or '}', but got"),
        ("&a [*a]", "night.yaml:1:1: found unconstructable recursive node"),
        ("[" * 5000, "night.yaml: not YAML: maximum recursion depth exceeded"),
        ("a: \0", "night.yaml: not YAML: unacceptable character"),
        ("a: 1\n---\nb: 2", "night.yaml:2:1: not YAML: expected a single document"),
    ],
)
def test_bad_yaml_is_told_with_line_and_column(text: str, expected: str) -> None:
    assert complaint(text).startswith(expected)


def test_yaml_reads_what_looks_like_text_as_text() -> None:
    text = "a: no\nb: 1:30\nc: 010\nd: 2026-01-01\ne: 1_000\nf: .inf\ng: ~\nh: 1e3\ni: -5\nj: 1.5\nk: True\nl: 'true'"
    assert read_yaml(text, "") == {
        "a": "no",
        "b": "1:30",
        "c": "010",
        "d": "2026-01-01",
        "e": "1_000",
        "f": ".inf",
        "g": None,
        "h": 1000.0,
        "i": -5,
        "j": 1.5,
        "k": True,
        "l": "true",
    }


def test_yaml_anchors_and_merges_work() -> None:
    assert read_yaml("a: &a {x: 1}\nb: {<<: *a, y: 2}", "") == {"a": {"x": 1}, "b": {"x": 1, "y": 2}}


def test_bad_toml_is_told_with_line_and_column() -> None:
    with pytest.raises(ConfigError, match=r"^night.toml:2:5: not TOML: Invalid value → see https://toml.io$"):
        read_toml("a = 1\nb = x", "night.toml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read '.*night.yaml': No such file or directory → name a config"):
        load_config(tmp_path / "night.yaml")


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    file = tmp_path / "night.yaml"
    file.write_bytes(b"name: \xff")
    with pytest.raises(ConfigError, match=r"^night.yaml: byte 6 is not UTF-8 → save it as UTF-8$"):
        load_config(file)


_words = st.sampled_from(
    [
        *("exchanges", "sinks", "name", "symbols", "channels", "options", "class", "plugin", "type", "queue", "rest"),
        *(
            ": ",
            "\n",
            "\n  ",
            "- ",
            "[",
            "]",
            "{",
            "}",
            ",",
            "'",
            '"',
            "${",
            "}",
            "$${",
            "&a",
            "*a",
            "!t",
            "<<",
            "|",
            "#",
        ),
        *("1", "true", "1:30", "~", "= ", "[[", "]]", "é", "\0", "\t"),
    ]
)


@given(st.lists(_words, max_size=25).map("".join) | st.text())
def test_any_text_is_a_config_or_a_config_error(text: str) -> None:
    for read in (read_yaml, read_toml):
        with suppress(ConfigError):
            config_from(read(text, "any"), "any", ENVIRON)


@given(content=st.binary(max_size=60))
def test_any_bytes_are_a_config_or_a_config_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    for name in ("any.yaml", "any.toml"):
        file = tmp_path_factory.getbasetemp() / name
        file.write_bytes(content)
        with suppress(ConfigError):
            load_config(file, ENVIRON)
