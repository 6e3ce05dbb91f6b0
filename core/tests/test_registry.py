"""Every plugin is loaded on its own: a broken one is kept with its reason, the others work."""

from __future__ import annotations

import logging
from types import ModuleType

import pytest

from tickwire.model.errors import ConfigError, PluginLoadError, PluginVersionError, UnknownExchangeError
from tickwire.plugin.environment import PluginEnvironment
from tickwire.plugin.info import ExchangeInfo, NoOptions, SinkInfo, Tier
from tickwire.plugin.installed import Installed
from tickwire.plugin.loading import load_all
from tickwire.plugin.registry import PluginRecord, PluginStatus, Registry

_HEAD = """
from tickwire.plugin.hookspecs import hookimpl
from tickwire.plugin.info import ExchangeInfo, NoOptions, SinkInfo, Tier

def exchange(id, tier=Tier.NATIVE, **more):
    return ExchangeInfo(id=id, tier=tier, rest=(), sockets={}, channels={}, limits={}, **more)
"""
_GOOD = """
@hookimpl
def tickwire_exchanges():
    return [exchange("acme")]
"""


def module(body: str) -> ModuleType:
    made = ModuleType("a_plugin")
    exec(_HEAD + body, made.__dict__)
    return made


def acme(tier: Tier = Tier.NATIVE) -> ExchangeInfo:
    return ExchangeInfo(id="acme", tier=tier, rest=(), sockets={}, channels={}, limits={})


def record_of(body: str) -> PluginRecord:
    return Registry.of(acme=module(body)).record("acme")


def installed(name: str, distribution: str = "", *, major: int = 1, body: str = _GOOD) -> Installed:
    return Installed(name, distribution or f"tickwire-{name}", "1.0", lambda: module(body), major)


def never() -> object:
    raise AssertionError("this plugin must not be imported")


def test_a_good_plugin_is_loaded_with_what_it_declares() -> None:
    assert record_of(_GOOD) == PluginRecord(
        "acme",
        "tickwire-acme",
        "0",
        PluginStatus.LOADED,
        exchanges=(acme(),),
        hooks=("tickwire_exchanges",),
    )


BROKEN = {
    "misspelt": (
        "@hookimpl\ndef tickwire_symbol(): ...",
        "there is no hook tickwire_symbol → did you mean tickwire_symbols?",
    ),
    "quite another name": (
        "@hookimpl\ndef get(): ...",
        "there is no hook get → it may be: tickwire_exchanges, tickwire_sinks, tickwire_symbols, tickwire_auth, "
        "tickwire_transport, tickwire_routing",
    ),
    "undecorated": (
        "def tickwire_symbols(): ...",
        "tickwire_symbols is not decorated → write @hookimpl above it (from tickwire import hookimpl)",
    ),
    "undecorated beside a good one": (
        f"{_GOOD}\ndef tickwire_helper(): ...",
        "tickwire_helper is not decorated → write @hookimpl above it (from tickwire import hookimpl)",
    ),
    "no hooks": (
        "x = 1",
        "it has no hooks → decorate them with tickwire.hookimpl, e.g. tickwire_exchanges",
    ),
    "unknown argument": (
        "@hookimpl\ndef tickwire_auth(credential): ...",
        "tickwire_auth has no argument 'credential' → did you mean credentials?",
    ),
    "an argument of another hook": (
        "@hookimpl\ndef tickwire_symbols(credentials): ...",
        "tickwire_symbols has no argument 'credentials' → it may be: exchange, options",
    ),
    "default value": (
        "@hookimpl\ndef tickwire_symbols(options=None): ...",
        "tickwire_symbols: options has a default value → remove it: core gives every argument",
    ),
    "any arguments": (
        "@hookimpl\ndef tickwire_symbols(*args): ...",
        "tickwire_symbols takes *args → name the arguments it uses: exchange, options",
    ),
    "keyword-only": (
        "@hookimpl\ndef tickwire_symbols(*, options): ...",
        "tickwire_symbols takes options → name the arguments it uses: exchange, options",
    ),
    "async": (
        "@hookimpl\nasync def tickwire_symbols(): ...",
        "tickwire_symbols is async → hooks do no I/O: write a plain function",
    ),
    "tryfirst": (
        "@hookimpl(tryfirst=True)\ndef tickwire_auth(): ...",
        "tickwire_auth asks for tryfirst → remove it: the config decides who comes first",
    ),
    "trylast": (
        "@hookimpl(trylast=True)\ndef tickwire_auth(): ...",
        "tickwire_auth asks for trylast → remove it: the config decides who comes first",
    ),
    "old-style wrapper": (
        "@hookimpl(hookwrapper=True)\ndef tickwire_auth(): yield",
        "tickwire_auth is an old-style wrapper → use @hookimpl(wrapper=True)",
    ),
    "wrapper that does not yield": (
        "@hookimpl(wrapper=True)\ndef tickwire_auth(): ...",
        "tickwire_auth wraps but never yields → result = yield, then return what stands for it",
    ),
    "wrapped declaration": (
        "@hookimpl(wrapper=True)\ndef tickwire_exchanges():\n    return (yield)",
        "tickwire_exchanges cannot be wrapped → return what this plugin declares",
    ),
    "one hook twice": (
        "@hookimpl\ndef tickwire_auth(): ...\n@hookimpl(specname='tickwire_auth')\ndef another(): ...",
        "tickwire_auth is implemented twice → keep one function",
    ),
    "declares None": (
        "@hookimpl\ndef tickwire_exchanges(): ...",
        "tickwire_exchanges answered None → return a list of ExchangeInfo",
    ),
    "declares texts": (
        "@hookimpl\ndef tickwire_exchanges(): return ['acme']",
        "tickwire_exchanges declared 'acme' → return a list of ExchangeInfo",
    ),
    "declares exchanges as sinks": (
        "@hookimpl\ndef tickwire_sinks(): return ['console']",
        "tickwire_sinks declared 'console' → return a list of SinkInfo",
    ),
    "empty name": (
        "@hookimpl\ndef tickwire_exchanges(): return [exchange('')]",
        "tickwire_exchanges declared an empty name → name the ExchangeInfo",
    ),
    "one exchange twice": (
        "@hookimpl\ndef tickwire_exchanges(): return [exchange('acme'), exchange('acme')]",
        "it declares exchange 'acme' twice → keep one",
    ),
    "one sink type twice": (
        "@hookimpl\ndef tickwire_sinks(): return [SinkInfo('wire', NoOptions, 'm:f')] * 2",
        "it declares sink type 'wire' twice → keep one",
    ),
    "a declaration raises": (
        "@hookimpl\ndef tickwire_exchanges(): raise ValueError('no\\nfile')",
        "ValueError: no file (TICKWIRE_TRACE=1 for the traceback)",
    ),
    "a declaration contradicts itself": (
        "from tickwire.model.channels import Channel\nfrom tickwire.plugin.info import ChannelInfo\n"
        "@hookimpl\ndef tickwire_exchanges():\n"
        "    return [ExchangeInfo('acme', Tier.NATIVE, (), {}, {Channel.TRADES: ChannelInfo(socket='x')}, {})]",
        "exchange 'acme': channel trades names socket 'x' → declare it in sockets, or use one of ",
    ),
}


@pytest.mark.parametrize(("body", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_quarantined_with_its_reason(body: str, reason: str) -> None:
    expected = PluginRecord("acme", "tickwire-acme", "0", PluginStatus.FAILED, reason.strip())
    assert record_of(body) == expected


def test_options_that_are_no_attrs_class_are_refused() -> None:
    record = record_of("@hookimpl\ndef tickwire_exchanges(): return [exchange('acme', options_type=dict)]")
    assert record.status is PluginStatus.FAILED
    assert record.reason.endswith("is <class 'dict'> → make it an attrs class")


def test_a_broken_plugin_leaves_the_others_alone() -> None:
    registry = Registry.of(broken=module("def tickwire_auth(): ..."), acme=module(_GOOD))
    assert [claim.plugin for claim in registry.claims] == ["acme"]


@pytest.mark.parametrize("raised", [ImportError("no module 'foo'"), SystemExit(3), RecursionError(), ValueError("x")])
def test_whatever_an_import_raises_is_quarantined(raised: BaseException) -> None:
    def load() -> object:
        raise raised

    (record,) = load_all([Installed("bad", "tickwire-bad", "1", load)], PluginEnvironment())
    text = f"{type(raised).__name__}: {raised}".rstrip(": ")
    assert (record.status, record.reason) == (
        PluginStatus.FAILED,
        f"{text} (TICKWIRE_TRACE=1 for the traceback)",
    )


def test_ctrl_c_during_an_import_is_not_swallowed() -> None:
    def load() -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_all([Installed("slow", "tickwire-slow", "1", load)], PluginEnvironment())


def test_a_hook_of_a_later_minor_version_may_be_optional() -> None:
    record = record_of(f"{_GOOD}\n@hookimpl(optionalhook=True)\ndef tickwire_weather(): ...")
    assert (record.status, record.hooks) == (PluginStatus.LOADED, ("tickwire_exchanges",))


def test_modules_and_values_named_like_hooks_are_no_hooks() -> None:
    record = record_of(f"{_GOOD}\nimport tickwire.plugin as tickwire_plugin\ntickwire_limit = 3")
    assert record.status is PluginStatus.LOADED


def test_records_say_what_a_plugin_wraps() -> None:
    record = record_of("@hookimpl(wrapper=True)\ndef tickwire_auth(options):\n    return (yield)")
    assert (record.hooks, record.wraps) == (("tickwire_auth",), ("tickwire_auth",))


def test_an_object_with_hook_methods_is_a_plugin_too() -> None:
    made = module("class Plugin:\n    @hookimpl\n    def tickwire_exchanges(self): return [exchange('acme')]")
    assert Registry.of(acme=made.Plugin()).claims[0].info == acme()


def test_core_comes_first_and_then_names_decide_the_order() -> None:
    plugins = [installed("zebra"), Installed("defaults", "tickwire", "1", lambda: module(_GOOD)), installed("acme")]
    records = load_all(plugins, PluginEnvironment())
    assert [record.name for record in records] == ["defaults", "acme", "zebra"]
    assert records == load_all(reversed(plugins), PluginEnvironment())


def test_a_name_from_two_distributions_belongs_to_neither() -> None:
    records = load_all([installed("acme"), installed("acme", "acme-fast")], PluginEnvironment())
    reason = "the name 'acme' is used by acme-fast 1.0 and by tickwire-acme 1.0: uninstall one"
    assert [(each.distribution, each.status, each.reason) for each in records] == [
        ("acme-fast", PluginStatus.DUPLICATE, reason),
        ("tickwire-acme", PluginStatus.DUPLICATE, reason),
    ]


def test_a_plugin_cannot_take_the_place_of_core() -> None:
    own = Installed("defaults", "tickwire", "1", lambda: module(_GOOD))
    records = load_all([installed("defaults"), own], PluginEnvironment())
    assert [(each.distribution, each.status, each.reason) for each in records] == [
        ("tickwire", PluginStatus.LOADED, ""),
        ("tickwire-defaults", PluginStatus.DUPLICATE, "the name 'defaults' is tickwire's own: rename the entry point"),
    ]


def test_a_sink_type_of_two_plugins_belongs_to_neither() -> None:
    sink = "@hookimpl\ndef tickwire_sinks(): return [SinkInfo('wire', NoOptions, 'm:f')]"
    records = load_all([installed("a", body=sink), installed("b", body=sink)], PluginEnvironment())
    reason = (
        "the sink type 'wire' is declared by 'a' (tickwire-a 1.0); 'b' (tickwire-b 1.0): uninstall one, or rename it"
    )
    assert [(each.status, each.reason, each.sinks) for each in records] == [(PluginStatus.FAILED, reason, ())] * 2


def test_a_sink_type_of_core_stays_with_core() -> None:
    sink = "@hookimpl\ndef tickwire_sinks(): return [SinkInfo('wire', NoOptions, 'm:f')]"
    own = Installed("builtin_sinks", "tickwire", "1", lambda: module(sink))
    core, other = load_all([own, installed("a", body=sink)], PluginEnvironment())
    assert core.sinks == (SinkInfo("wire", NoOptions, "m:f"),)
    assert other.reason == "the sink type 'wire' is declared by tickwire itself: uninstall one, or rename it"


@pytest.mark.parametrize(("major", "older"), [(0, "tickwire-acme"), (2, "tickwire")])
def test_another_major_version_is_reported_without_import(major: int, older: str) -> None:
    (record,) = load_all([Installed("acme", "tickwire-acme", "1", never, major)], PluginEnvironment())
    assert (record.status, record.reason) == (
        PluginStatus.INCOMPATIBLE,
        f"speaks tickwire.v{major}, this is v1: upgrade {older}",
    )


def test_a_blocked_plugin_is_not_imported() -> None:
    environment = PluginEnvironment.read({"TICKWIRE_BLOCK_PLUGINS": " acme , other"})
    (record,) = load_all([Installed("acme", "tickwire-acme", "1", never)], environment)
    assert (record.status, record.reason) == (PluginStatus.BLOCKED, "TICKWIRE_BLOCK_PLUGINS names it")


def test_only_the_plugins_to_load_and_core_are_imported() -> None:
    environment = PluginEnvironment.read({"TICKWIRE_LOAD_PLUGINS": "acme"})
    own = Installed("defaults", "tickwire", "1", lambda: module(_GOOD))
    records = load_all([installed("acme"), own, Installed("b", "tickwire-b", "1", never)], environment)
    assert [(each.name, each.status, each.reason) for each in records] == [
        ("defaults", PluginStatus.LOADED, ""),
        ("acme", PluginStatus.LOADED, ""),
        ("b", PluginStatus.BLOCKED, "TICKWIRE_LOAD_PLUGINS does not name it"),
    ]


def test_a_plugin_to_load_that_is_not_installed_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    load_all([installed("acme")], PluginEnvironment.read({"TICKWIRE_LOAD_PLUGINS": "acme,acne"}))
    assert caplog.messages == ["the environment names plugin 'acne', which is not installed"]


def test_trace_shows_the_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        broken = installed("bad", body="1 / 0")
        (record,) = load_all([broken], PluginEnvironment.read({"TICKWIRE_TRACE": "1"}))
    assert record.reason == "ZeroDivisionError: division by zero"
    assert "Traceback (most recent call last)" in caplog.text


def test_a_switch_is_on_or_off() -> None:
    with pytest.raises(ConfigError, match=r"^the environment variable TICKWIRE_STRICT is 'maybe' → set it to 1 or 0$"):
        Registry.discover({"TICKWIRE_STRICT": "maybe"})


def test_trouble_names_every_plugin_that_cannot_be_used() -> None:
    plugins = [installed("bad", body="1 / 0"), installed("old", major=0), installed("acme")]
    trouble = Registry(load_all(plugins, PluginEnvironment())).trouble()
    assert type(trouble) is PluginLoadError
    assert str(trouble) == (
        "plugin 'bad' (tickwire-bad 1.0) is failed: ZeroDivisionError: division by zero (TICKWIRE_TRACE=1 for the "
        "traceback); plugin 'old' (tickwire-old 1.0) is incompatible: speaks tickwire.v0, this is v1: upgrade "
        "tickwire-old → upgrade, fix or uninstall it; tickwire plugins shows all"
    )


def test_trouble_with_versions_only_is_a_version_error() -> None:
    trouble = Registry(load_all([installed("old", major=0)], PluginEnvironment())).trouble()
    assert type(trouble) is PluginVersionError


def test_blocked_plugins_are_no_trouble() -> None:
    environment = PluginEnvironment.read({"TICKWIRE_BLOCK_PLUGINS": "acme"})
    assert Registry(load_all([installed("acme")], environment)).trouble() is None


def test_the_record_of_a_plugin_that_is_not_installed_says_how_to_get_it() -> None:
    with pytest.raises(PluginLoadError) as raised:
        Registry.of().record("ccxt_generic")
    assert str(raised.value) == "no installed plugin named 'ccxt_generic' → pip install tickwire-ccxt-generic"


def test_a_misspelt_pin_gets_the_near_name() -> None:
    with pytest.raises(PluginLoadError, match=r"→ did you mean acme\? else pip install tickwire-acne$"):
        Registry.of(acme=module(_GOOD)).select("acme", "acne")


def test_the_pin_of_a_plugin_that_failed_says_why_it_did() -> None:
    registry = Registry.of(acme=module("def tickwire_auth(): ..."))
    with pytest.raises(PluginLoadError, match=r"^plugin 'acme' \(tickwire-acme 0\) is failed: tickwire_auth is not"):
        registry.select("other", "acme")


def test_an_exchange_whose_plugin_failed_is_not_called_unknown() -> None:
    registry = Registry.of(acme=module("def tickwire_auth(): ..."))
    with pytest.raises(PluginLoadError, match=r"^plugin 'acme' \(tickwire-acme 0\) is failed: tickwire_auth is not"):
        registry.select("acme")


def test_an_exchange_whose_plugin_is_blocked_says_so() -> None:
    environment = PluginEnvironment.read({"TICKWIRE_BLOCK_PLUGINS": "acme"})
    registry = Registry(load_all([installed("acme")], environment))
    with pytest.raises(PluginLoadError) as raised:
        registry.select("acme")
    assert str(raised.value) == (
        "plugin 'acme' (tickwire-acme 1.0) is blocked: TICKWIRE_BLOCK_PLUGINS names it → change that variable"
    )


def test_a_generic_plugin_that_stands_in_for_a_broken_native_one_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    generic = "@hookimpl\ndef tickwire_exchanges(): return [exchange('acme', Tier.GENERIC)]"
    registry = Registry.of(acme=module("def tickwire_auth(): ..."), many=module(generic))
    assert registry.select("acme").claim.plugin == "many"
    assert caplog.messages == [
        "'many' (tickwire-many 0, generic) serves acme, because plugin 'acme' (tickwire-acme 0) is failed: "
        "tickwire_auth is not decorated → write @hookimpl above it (from tickwire import hookimpl)"
    ]


def test_an_exchange_nobody_serves_is_unknown() -> None:
    with pytest.raises(UnknownExchangeError, match=r"^no installed plugin serves 'backpack' → pip install"):
        Registry.of(acme=module(_GOOD)).select("backpack")


def test_the_module_is_the_imported_plugin() -> None:
    made = module(_GOOD)
    assert Registry.of(acme=made).module("acme") is made


def test_core_itself_is_installed_and_works() -> None:
    core = [(record.name, record.status, record.label) for record in Registry.of().records]
    assert core == [
        ("builtin_sinks", PluginStatus.LOADED, "tickwire"),
        ("defaults", PluginStatus.LOADED, "tickwire"),
        ("recorder", PluginStatus.LOADED, "recorder"),
        ("replayer", PluginStatus.LOADED, "replayer"),
    ]
