"""``tickwire plugins`` and ``tickwire doctor`` over distributions as pip leaves them."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs
import pytest
import typer

from tickwire.cli.doctor import doctor
from tickwire.cli.loop import loop_words, run_loop
from tickwire.cli.plugins import plugins
from tickwire.model.errors import (
    ConfigError,
    PluginContractError,
    PluginLoadError,
    UnknownExchangeError,
)
from tickwire.native.ws import choose_engine

Install = Callable[..., None]
ENGINE = "; ".join(filter(None, attrs.astuple(choose_engine())))
_HEAD = """
from tickwire.model.channels import Channel
from tickwire.plugin import *
from tickwire.plugin.hookspecs import hookimpl
from tickwire.run.secrets import Secret
import attrs

class Strategy:
    def load(self): ...
    def sign(self, request): ...
    def endpoint(self, subscription): ...
    def locate(self, endpoint, url): ...
    def router(self, connection): ...
    def snapshot(self, subscription): ...
    def history(self, hole): ...
    def checksum(self, book, instrument): ...

@attrs.frozen
class Options:
    depth: int = 10
    token: Secret = Secret("hunter2")
    hidden: str = attrs.field(default="hunter2", repr=False)
    label: str = "plain"

def exchange(id, tier=Tier.NATIVE):
    return ExchangeInfo(
        id=id, tier=tier, rest=("https://api.acme.example/v1",),
        sockets={"public": Endpoint("wss://ws.acme.example"), "private": Endpoint("wss://ws.acme.example/p")},
        channels={
            Channel.TRADES: ChannelInfo(ids=Ids.CONSECUTIVE, history=History(By.ID, 500, "7 d"), acknowledged=False),
            Channel.L2_BOOK: ChannelInfo(ts_event=Stamp.PUBLISHED, intervals=("100ms",)),
            Channel.TICKER: ChannelInfo(support=Support.NOT_YET),
            Channel.LIQUIDATIONS: ChannelInfo(support=Support.NO),
        },
        limits={"default": RateLimit(6_000, 60)},
        book=BookFeed(BookStart.SOCKET, SequenceRule.LINKED, depths=(5, 50), checksum=Checksum(10)),
        credentials=("api_key", "api_secret"), options_type=Options, docs_url="https://docs.acme.example",
        simulator="acme.simulator:Acme",
    )
"""
_NATIVE = """
@hookimpl
def tickwire_exchanges(): return [exchange("acme")]
@hookimpl
def tickwire_symbols(): return Strategy()
@hookimpl
def tickwire_auth(credentials): return credentials.reveal("api_key") and Strategy()
@hookimpl
def tickwire_routing(): return Strategy()
"""
_GENERIC = """
@hookimpl
def tickwire_exchanges(): return [exchange("acme", Tier.GENERIC), exchange("bolt", Tier.GENERIC)]
"""
_WRAPPER = """
@hookimpl(wrapper=True)
def tickwire_auth(options):
    yield
    return Strategy()
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install distributions as folders on the path, and hide whatever else the environment has."""
    names: list[str] = []

    def put(name: str, body: str, *, group: str = "tickwire.v1") -> None:
        facts = tmp_path / f"tickwire_{name}-0.1.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tickwire-{name}\nVersion: 0.1.0\n")
        (facts / "entry_points.txt").write_text(f"[{group}]\n{name} = cli_test_{name}\n")
        (tmp_path / f"cli_test_{name}.py").write_text(_HEAD + body)
        names.append(name)
        monkeypatch.setenv("TICKWIRE_LOAD_PLUGINS", ",".join(names))

    monkeypatch.syspath_prepend(tmp_path)
    yield put
    for name in names:
        sys.modules.pop(f"cli_test_{name}", None)


def table(text: str) -> list[list[str]]:
    """Read the rows of plugins that the test installed, whatever else the environment holds."""
    rows = [re.split(r"\s{2,}", line) for line in text.splitlines()]
    return [row for row in rows if row[-1] != "TICKWIRE_LOAD_PLUGINS does not name it"]


def test_plugins_lists_core_and_every_plugin_with_its_reason(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme", _NATIVE)
    install("many", _GENERIC)
    install("hsm", _WRAPPER)
    install("broken", "def tickwire_auth(): ...")
    install("newer", "raise AssertionError('not to be imported')", group="tickwire.v2")
    plugins()
    assert table(capsys.readouterr().out) == [
        ["plugin", "distribution", "version", "status", "exchanges", "hooks", "note"],
        ["builtin_sinks", "tickwire", "0.1.0", "loaded", "–", "sinks",
         "part of tickwire · sinks: console, jsonl, parquet, callback"],
        ["defaults", "tickwire", "0.1.0", "loaded", "–", "auth transport", "part of tickwire"],
        ["recorder", "tickwire", "0.1.0", "loaded", "extension", "auth (wraps) transport (wraps)", "part of tickwire"],
        ["replayer", "tickwire", "0.1.0", "loaded", "extension",
         "auth (wraps) transport (wraps) routing (wraps)", "part of tickwire"],
        ["acme", "tickwire-acme", "0.1.0", "loaded", "1 native", "symbols auth routing"],
        ["broken", "tickwire-broken", "0.1.0", "failed", "?", "?",
         "tickwire_auth is not decorated → write @hookimpl above it (from tickwire import hookimpl)"],
        ["hsm", "tickwire-hsm", "0.1.0", "loaded", "extension", "auth (wraps)"],
        ["many", "tickwire-many", "0.1.0", "loaded", "2 generic", "–"],
        ["newer", "tickwire-newer", "0.1.0", "incompatible", "?", "?",
         "speaks tickwire.v2, this is v1: upgrade tickwire"],
        ["contested: acme → acme (native over generic); pin with", "plugin: many"],
    ]  # fmt: skip


def test_plugins_shows_an_exchange_that_nobody_gets(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("acme", _NATIVE)
    install("fast", _NATIVE)
    plugins()
    assert capsys.readouterr().out.splitlines()[-1] == (
        "contested: acme → nobody, claimed by acme (native), fast (native); "
        "choose one in the config: plugin: acme or plugin: fast"
    )


def test_plugins_as_json_is_complete(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("acme", _NATIVE)
    install("many", _GENERIC)
    plugins(json=True)
    document = json.loads(capsys.readouterr().out)
    (record,) = [each for each in document["plugins"] if each["name"] == "acme"]
    assert record == {
        "name": "acme",
        "distribution": "tickwire-acme",
        "version": "0.1.0",
        "status": "loaded",
        "reason": "",
        "is_core": False,
        "hooks": ["tickwire_exchanges", "tickwire_symbols", "tickwire_auth", "tickwire_routing"],
        "wraps": [],
        "exchanges": [
            {
                "id": "acme",
                "tier": "native",
                "channels": {"trades": "yes", "l2_book": "yes", "ticker": "not_yet", "liquidations": "no"},
            }
        ],
        "sinks": [],
    }
    assert document["contested"] == [
        {
            "exchange": "acme",
            "winner": "acme",
            "rule": "native over generic",
            "claims": [
                {"plugin": "acme", "distribution": "tickwire-acme", "version": "0.1.0", "tier": "native"},
                {"plugin": "many", "distribution": "tickwire-many", "version": "0.1.0", "tier": "generic"},
            ],
        }
    ]


def test_plugins_in_strict_mode_shows_all_and_then_fails(
    install: Install, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("broken", "def tickwire_auth(): ...")
    monkeypatch.setenv("TICKWIRE_STRICT", "1")
    with pytest.raises(typer.Exit) as ended:
        plugins()
    printed = capsys.readouterr()
    assert ended.value.exit_code == 1
    assert "broken" in printed.out
    assert printed.err.startswith("TICKWIRE_STRICT: plugin 'broken' (tickwire-broken 0.1.0) is failed: ")


def test_plugins_in_strict_mode_is_content_with_blocked_ones(
    install: Install, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install("broken", "def tickwire_auth(): ...")
    monkeypatch.setenv("TICKWIRE_STRICT", "1")
    monkeypatch.setenv("TICKWIRE_BLOCK_PLUGINS", "broken")
    plugins()
    assert "TICKWIRE_BLOCK_PLUGINS names it" in capsys.readouterr().out


def test_other_commands_refuse_to_start_in_strict_mode(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("acme", _NATIVE)
    install("broken", "def tickwire_auth(): ...")
    monkeypatch.setenv("TICKWIRE_STRICT", "1")
    with pytest.raises(PluginLoadError, match=r"^plugin 'broken'"):
        doctor("acme")


def report(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    lines = [line for line in capsys.readouterr().out.splitlines() if "does not name it" not in line]
    return [(line[:12].rstrip(), line[12:].strip()) for line in lines]


def test_doctor_explains_who_serves_an_exchange_and_with_what(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme", _NATIVE)
    install("many", _GENERIC)
    doctor("acme")
    assert report(capsys)[:19] == [
        ("acme", "tickwire-acme 0.1.0, native: native over generic; also claimed by many (generic)"),
        (
            "strategies",
            f"symbols: acme · transport: tickwire ({ENGINE}) · routing: acme · auth: acme, once credentials are set",
        ),
        (
            "channels",
            "trades   engine time · consecutive ids · history by id, 500 rows a request, back to 7 d · "
            "no acknowledgement · socket public",
        ),
        (
            "",
            "l2_book  publishing time · linked sequence · snapshot on the socket · checksum over 10 levels · "
            "depths 5, 50 · intervals 100ms · acknowledged · socket public",
        ),
        ("", "not yet  ticker"),
        ("", "never    liquidations"),
        ("credentials", "api_key not set · api_secret not set"),
        ("options", "depth = 10"),
        ("", "token = ***"),
        ("", "hidden = ***"),
        ("", "label = plain"),
        ("network", "rest https://api.acme.example/v1"),
        ("", "public wss://ws.acme.example"),
        ("", "private wss://ws.acme.example/p"),
        ("limits", "default 6,000 per 60 s"),
        ("event loop", loop_words()),
        ("simulator", "tickwire simulate acme"),
        ("conformance", "no report shipped: pytest --conformance-report conformance.json"),
        ("documented", "https://docs.acme.example"),
    ]


def test_doctor_sums_up_the_conformance_report_that_a_plugin_ships(
    install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme", _NATIVE)
    package = tmp_path / "cli_test_acme"
    package.mkdir()
    (tmp_path / "cli_test_acme.py").rename(package / "__init__.py")
    results = [
        {"id": f"R{number}", "title": "", "outcome": outcome}
        for number, outcome in enumerate(["passed", "passed", "skipped", "xfailed"])
    ]
    facts = {"kit": 1, "exchange": "acme", "plugin": "acme", "distribution": "tickwire-acme", "version": "0.0.9",
             "tickwire": "0.1.0", "python": "3.11.7", "date": "2026-11-20", "checks": results}  # fmt: skip
    (package / "conformance.json").write_text(json.dumps(facts))
    doctor("acme")
    words = "kit 1: 2 passed, 1 skipped (cannot), 1 not yet · 2026-11-20 · tickwire-acme 0.0.9 (installed: 0.1.0)"
    assert ("conformance", words) in report(capsys)
    (package / "conformance.json").write_text("{}")
    doctor("acme")
    told = dict(report(capsys))["conformance"]
    assert told == "cli_test_acme/conformance.json is no conformance report: Object missing required field `kit`"


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> Any:
        return None if name in ("picows", "uvloop") else find_spec(name)

    monkeypatch.setattr("tickwire.native.ws.find_spec", find)
    monkeypatch.setattr("tickwire.cli.loop.find_spec", find)


@pytest.mark.usefixtures("not_installed")
def test_doctor_says_what_would_be_faster(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("acme", _NATIVE)
    doctor("acme")
    words = dict(report(capsys))
    assert "tickwire (aiohttp; picows not installed: pip install 'tickwire[speed]')" in words["strategies"]
    assert words["event loop"] == "asyncio (uvloop not installed: pip install 'tickwire[speed]')"


@pytest.mark.usefixtures("not_installed")
def test_an_engine_that_is_not_installed_is_named_with_its_remedy() -> None:
    with pytest.raises(ConfigError, match=r"picows is not installed → pip install 'tickwire\[speed\]'$"):
        choose_engine("picows")


def test_an_engine_that_was_chosen_is_used_and_an_unknown_one_refused() -> None:
    assert attrs.astuple(choose_engine("aiohttp")) == ("aiohttp", "as configured")
    with pytest.raises(ConfigError, match=r"no WebSocket engine 'curl' → one of picows, aiohttp$"):
        choose_engine("curl")


def test_commands_run_on_the_loop_that_doctor_names() -> None:
    async def module() -> str:
        return type(asyncio.get_running_loop()).__module__

    assert run_loop(module()).split(".")[0] == loop_words().split(" ")[0]


def test_doctor_shows_plugins_that_are_not_used(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("acme", _NATIVE)
    install("broken", "def tickwire_auth(): ...")
    doctor("acme")
    assert (
        "'broken' (tickwire-broken 0.1.0), failed: tickwire_auth is not decorated → write @hookimpl above it "
        "(from tickwire import hookimpl)"
    ) in [line for _, line in report(capsys)]


_CONFIG = """
exchanges:
  mine:
    exchange: acme
    symbols: [BTC-USDT]
    credentials: {api_key: "${KEY}", extra: "${KEY}"}
    options: {depth: 50, label: "${KEY}", token: hunter2, hidden: hunter2}
    extensions: {hsm: {pin: hunter2}}
    endpoints: {rest: "https://me:hunter2@proxy.example:8443/hunter2?key=hunter2"}
    proxy: "socks5://me:${KEY}@10.0.0.7:1080"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEY", "hunter2")
    file = tmp_path / "night.yaml"
    file.write_text(_CONFIG)
    return file


@pytest.mark.parametrize("name", ["mine", "acme"])
def test_doctor_examines_an_entry_of_the_config(
    install: Install, config: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme", _NATIVE)
    install("hsm", _WRAPPER)
    doctor(name, config=config)
    told = report(capsys)
    assert told[1] == (
        "strategies",
        f"symbols: acme · auth: hsm (wraps acme) · transport: tickwire ({ENGINE}) · routing: acme",
    )
    assert told[6:15] == [
        ("credentials", "api_key set · api_secret not set · extra set"),
        ("options", "depth = 50"),
        ("", "token = ***"),
        ("", "hidden = ***"),
        ("", "label = ***"),
        ("network", "rest https://proxy.example:8443/…"),
        ("", "public wss://ws.acme.example"),
        ("", "private wss://ws.acme.example/p"),
        ("", "proxy socks5://***@10.0.0.7:1080"),
    ]


@pytest.mark.parametrize(
    ("environ", "shown"),
    [
        ({}, "proxy none (of the environment)"),
        ({"ALL_PROXY": "http://me:hunter2@p:1"}, "proxy http://***@p:1 (of the environment)"),
        (
            {"ALL_PROXY": "http://me:hunter2@p:1", "NO_PROXY": "api.acme.example"},
            "proxy rest none, sockets http://***@p:1 (of the environment)",
        ),
    ],
)
def test_doctor_shows_the_proxy_that_the_environment_names(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    environ: dict[str, str], shown: str,
) -> None:  # fmt: skip
    install("acme", _NATIVE)
    file = tmp_path / "night.yaml"
    file.write_text("exchanges: {acme: {symbols: [BTC-USDT], proxy: env}}")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    doctor("acme", config=file)
    assert report(capsys)[11:15] == [
        ("network", "rest https://api.acme.example/v1"),
        ("", "public wss://ws.acme.example"),
        ("", "private wss://ws.acme.example/p"),
        ("", shown),
    ]


@pytest.mark.parametrize("as_json", [False, True])
def test_doctor_prints_no_secret(
    install: Install, config: Path, as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme", _NATIVE)
    install("hsm", _WRAPPER)
    doctor("mine", config=config, json=as_json)
    assert "hunter2" not in capsys.readouterr().out


def test_doctor_as_json_is_complete(install: Install, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install("acme", _NATIVE)
    install("hsm", _WRAPPER)
    doctor("mine", config=config, json=True)
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert {record["name"] for record in document.pop("plugins")} >= {"acme", "builtin_sinks", "defaults", "hsm"}
    assert document.pop("channels")["trades"] == {
        "support": "yes",
        "socket": "public",
        "ts_event": "engine",
        "ids": "consecutive",
        "acknowledged": False,
        "history": {"by": "id", "page": 500, "reach": "7 d"},
        "intervals": [],
        "shares": None,
        "is_verified": True,
    }
    assert document == {
        "exchange": "acme",
        "claim": {"plugin": "acme", "distribution": "tickwire-acme", "version": "0.1.0", "tier": "native"},
        "rule": "the only plugin that serves it",
        "rejected": [],
        "strategies": {"symbols": "acme", "auth": "hsm (wraps acme)", "transport": "tickwire", "routing": "acme"},
        "engine": choose_engine().name,
        "engine_reason": choose_engine().reason or None,
        "event_loop": loop_words(),
        "extensions": ["hsm"],
        "book": {
            "start": "socket",
            "sequence": "linked",
            "windowed": False,
            "depths": [5, 50],
            "checksum": {"levels": 10, "needs_text": False},
        },
        "limits": {"default": {"weight": 6000, "seconds": 60}},
        "credentials": {"api_key": True, "api_secret": False, "extra": True},
        "options": {"depth": 50, "token": "***", "hidden": "***", "label": "***"},
        "network": {
            "rest": ["https://proxy.example:8443/…"],
            "websocket": {"public": ["wss://ws.acme.example"], "private": ["wss://ws.acme.example/p"]},
            "proxy_rest": "socks5://***@10.0.0.7:1080",
            "proxy_websocket": "socks5://***@10.0.0.7:1080",
            "timeout": 10.0,
        },
        "simulator": "acme.simulator:Acme",
        "conformance": None,
        "docs_url": "https://docs.acme.example",
        "problem": None,
    }


def test_doctor_tells_what_it_knows_before_it_fails(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("many", _GENERIC)
    with pytest.raises(PluginContractError, match=r"^plugin 'many' .* has no tickwire_symbols for 'bolt'"):
        doctor("bolt")
    assert report(capsys)[:2] == [
        ("bolt", "tickwire-many 0.1.0, generic: the only plugin that serves it"),
        ("strategies", "none: see the error"),
    ]


def test_doctor_names_the_option_that_is_wrong(
    install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme", _NATIVE)
    file = tmp_path / "night.yaml"
    file.write_text("exchanges: {acme: {symbols: [BTC-USDT], options: {dept: hunter2}}}")
    with pytest.raises(ConfigError) as raised:
        doctor("acme", config=file)
    assert str(raised.value) == "night.yaml: exchanges.acme.options.dept: unknown key → did you mean depth?"
    assert ("options", "dept = ***") in report(capsys)


def test_doctor_takes_the_pin(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("acme", _NATIVE)
    install("fast", _NATIVE)
    doctor("acme", plugin="fast")
    assert report(capsys)[0] == (
        "acme",
        "tickwire-fast 0.1.0, native: pinned by the user; also claimed by acme (native)",
    )


def test_doctor_of_an_exchange_that_nobody_serves_says_what_to_install() -> None:
    with pytest.raises(UnknownExchangeError, match=r"^no installed plugin serves 'nowhere' → pip install"):
        doctor("nowhere")


def test_doctor_of_an_entry_that_is_not_in_the_config_names_those_that_are(config: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        doctor("bolt", config=config)
    assert str(raised.value) == "night.yaml: no exchange 'bolt' → name one of mine"


def test_doctor_of_an_exchange_with_two_entries_asks_for_the_name(tmp_path: Path) -> None:
    file = tmp_path / "night.yaml"
    entry = "{exchange: acme, symbols: [BTC-USDT]}"
    file.write_text(f"exchanges: {{one: {entry}, two: {entry}}}")
    with pytest.raises(ConfigError) as raised:
        doctor("acme", config=file)
    assert str(raised.value) == "night.yaml: 2 entries for exchange 'acme' → name one of one, two"


def test_doctor_reads_the_engine_and_the_authorities_of_the_config(
    install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme", _NATIVE)
    file = tmp_path / "night.yaml"
    file.write_text("exchanges: {acme: {symbols: [BTC-USDT], websocket: {engine: aiohttp}}}")
    doctor("acme", config=file)
    assert "aiohttp" in str(report(capsys))
    file.write_text(f"exchanges: {{acme: {{symbols: [BTC-USDT], tls: {{ca_file: {tmp_path / 'none.pem'}}}}}}}")
    with pytest.raises(ConfigError, match=r"exchanges\.acme\.tls\.ca_file"):
        doctor("acme", config=file)
