"""A feed's strategies come from core, the chosen plugin and the extensions that the config names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from types import ModuleType
from typing import Any

import attrs
import pytest

from tickwire.model.clock import ManualClock
from tickwire.model.errors import ConfigError, CredentialsError, PluginContractError, PluginLoadError, TickwireError
from tickwire.model.instruments import Instruments
from tickwire.native.transport import NativeTransport
from tickwire.plugin.assembly import Wiring, assemble
from tickwire.plugin.hookspecs import hookimpl
from tickwire.plugin.info import ExchangeInfo, Tier
from tickwire.plugin.protocols import Network
from tickwire.plugin.registry import Registry

_ACME = ExchangeInfo(id="acme", tier=Tier.NATIVE, rest=(), sockets={}, channels={}, limits={})
_NETWORK = Network(rest=("http://acme.example",), websocket={})
_CLOCK = ManualClock()
_INSTRUMENTS = Instruments()


class Symbols:
    def load(self) -> Any: ...


class Wire:
    async def fetch(self, request: Any) -> Any: ...
    async def connect(self, located: Any, on_frame: Any, on_close: Any) -> Any: ...
    async def close(self) -> None: ...


class Language:
    def endpoint(self, subscription: Any) -> Any: ...
    def locate(self, endpoint: Any, url: Any) -> Any: ...
    def router(self, connection: Any) -> Any: ...
    def snapshot(self, subscription: Any) -> Any: ...
    def history(self, hole: Any) -> Any: ...
    def checksum(self, book: Any, instrument: Any) -> Any: ...


@attrs.frozen
class Signs:
    by: str
    around: object = None

    def sign(self, request: Any) -> Any: ...


class Key:
    """Credentials whose repr gives nothing away."""

    def reveal(self, name: str) -> str:
        return f"the {name}"

    def __repr__(self) -> str:
        return "Key(…)"


def plugin(*functions: Callable[..., Any]) -> ModuleType:
    """Make a module of these hook functions; those not marked yet are marked."""
    made = ModuleType("a_plugin")
    for function in functions:
        marked = function if hasattr(function, "tickwire_impl") else hookimpl(function)
        setattr(made, function.__name__, marked)
    return made


def tickwire_exchanges() -> Iterable[ExchangeInfo]:
    return [_ACME]


def tickwire_symbols() -> Symbols:
    return Symbols()


def tickwire_routing() -> Language:
    return Language()


def tickwire_auth() -> Signs:
    return Signs("acme")


BASICS = (tickwire_exchanges, tickwire_symbols, tickwire_routing)


def wired(
    *functions: Callable[..., Any],
    options: object = None,
    credentials: Key | None = None,
    extensions: Mapping[str, object] = {},
    numbers: type = float,
    **others: ModuleType,
) -> Wiring:
    given = {function.__name__: function for function in (*BASICS, *functions)}
    registry = Registry.of(acme=plugin(*given.values()), **others)
    return assemble(
        registry,
        registry.select("acme"),
        options=options,
        network=_NETWORK,
        credentials=credentials,
        clock=_CLOCK,
        instruments=_INSTRUMENTS,
        numbers=numbers,
        extensions=extensions,
    )


def message(raised: pytest.ExceptionInfo[TickwireError]) -> str:
    return str(raised.value)


def test_the_wiring_holds_the_strategies_and_says_who_supplied_them() -> None:
    wiring = wired(tickwire_auth, credentials=Key())
    assert (wiring.info, wiring.plugin, wiring.instruments) == (_ACME, "acme", _INSTRUMENTS)
    assert (type(wiring.symbols), wiring.signer, type(wiring.routing)) == (Symbols, Signs("acme"), Language)
    assert type(wiring.transport) is NativeTransport
    assert wiring.suppliers == {"symbols": "acme", "auth": "acme", "transport": "tickwire", "routing": "acme"}


def test_each_hook_gets_what_it_asks_for() -> None:
    seen: dict[str, Any] = {}

    def tickwire_symbols(exchange: str, options: object) -> Symbols:
        seen["symbols"] = (exchange, options)
        return Symbols()

    def tickwire_auth(exchange: str, options: object, credentials: Any, clock: object) -> Signs:
        seen["auth"] = (exchange, options, credentials.reveal("api_key"), clock)
        return Signs("acme")

    def tickwire_transport(exchange: str, options: object, network: Network, signer: object, clock: object) -> Wire:
        seen["transport"] = (exchange, options, network, signer, clock)
        return Wire()

    def tickwire_routing(
        exchange: str, options: object, instruments: Instruments, signer: object, numbers: type
    ) -> Language:
        seen["routing"] = (exchange, options, instruments, signer, numbers)
        return Language()

    wired(
        tickwire_symbols,
        tickwire_auth,
        tickwire_transport,
        tickwire_routing,
        options="o",
        credentials=Key(),
        numbers=Decimal,
    )
    assert seen == {
        "auth": ("acme", "o", "the api_key", _CLOCK),
        "symbols": ("acme", "o"),
        "transport": ("acme", "o", _NETWORK, Signs("acme"), _CLOCK),
        "routing": ("acme", "o", _INSTRUMENTS, Signs("acme"), Decimal),
    }
    assert list(seen) == ["auth", "symbols", "transport", "routing"]


def test_arguments_come_in_whatever_order_the_plugin_names_them() -> None:
    def tickwire_routing(numbers: type, options: object, exchange: str) -> Language:
        assert (numbers, options, exchange) == (Decimal, "o", "acme")
        return Language()

    assert wired(tickwire_routing, options="o", numbers=Decimal).suppliers["routing"] == "acme"


def test_a_routing_that_is_not_told_the_number_type_cannot_serve_decimals() -> None:
    with pytest.raises(ConfigError) as raised:
        wired(numbers=Decimal)
    assert message(raised) == (
        "plugin 'acme' (tickwire-acme 0) gives floats only: its tickwire_routing does not take numbers → leave numbers "
        "out (floats are exact up to 15 digits), or use a plugin that takes numbers"
    )


def test_an_extension_that_replaces_the_routing_may_serve_decimals_instead() -> None:
    def tickwire_routing(numbers: type) -> Language:
        return Language()

    wiring = wired(numbers=Decimal, extensions={"exact": None}, exact=plugin(tickwire_routing))
    assert (wiring.numbers, wiring.suppliers["routing"]) == (Decimal, "exact")


def test_numbers_of_another_type_are_refused() -> None:
    with pytest.raises(ConfigError, match="numbers is <class 'int'>"):
        wired(numbers=int)


def test_without_credentials_nobody_is_asked_to_sign() -> None:
    def tickwire_auth() -> Signs:
        raise AssertionError("not to be called")

    wiring = wired(tickwire_auth)
    assert wiring.signer is None
    assert wiring.suppliers == {"symbols": "acme", "transport": "tickwire", "routing": "acme"}


def test_credentials_that_nobody_signs_with_are_an_error() -> None:
    with pytest.raises(CredentialsError) as raised:
        wired(credentials=Key())
    assert message(raised) == (
        "acme: credentials are set, but plugin 'acme' (tickwire-acme 0, native) cannot sign with them → "
        "remove credentials, or pin a plugin that signs"
    )


def test_the_plugin_s_transport_beats_the_default() -> None:
    def tickwire_transport() -> Wire:
        return Wire()

    wiring = wired(tickwire_transport)
    assert (type(wiring.transport), wiring.suppliers["transport"]) == (Wire, "acme")


def test_a_plugin_may_wrap_the_default_transport() -> None:
    @hookimpl(wrapper=True)
    def tickwire_transport() -> Any:
        inner = yield
        assert type(inner) is NativeTransport
        return Wire()

    assert wired(tickwire_transport).suppliers["transport"] == "acme (wraps tickwire)"


@pytest.mark.parametrize("hook", ["tickwire_symbols", "tickwire_routing"])
def test_a_strategy_that_nobody_supplies_is_an_error(hook: str) -> None:
    def nothing() -> None:
        return None

    nothing.__name__ = hook
    with pytest.raises(PluginContractError) as raised:
        wired(nothing)
    assert message(raised) == (
        f"plugin 'acme' (tickwire-acme 0, native) has no {hook} for 'acme', and nobody else does → "
        "implement it and return the strategy, not None"
    )


@pytest.mark.parametrize("hook", ["tickwire_symbols", "tickwire_auth", "tickwire_transport", "tickwire_routing"])
def test_an_answer_that_is_no_strategy_names_plugin_and_hook(hook: str) -> None:
    def wrong() -> object:
        return 3

    wrong.__name__ = hook
    with pytest.raises(
        PluginContractError, match=rf"^{hook} of plugin 'acme' \(tickwire-acme 0\) answered an instance of int, which"
    ):
        wired(tickwire_auth, wrong, credentials=Key())


def test_the_methods_that_a_strategy_lacks_are_named() -> None:
    class Half:
        def endpoint(self, subscription: Any) -> Any: ...
        def router(self, connection: Any) -> Any: ...

        snapshot = None

    def tickwire_routing() -> Half:
        return Half()

    with pytest.raises(PluginContractError) as raised:
        wired(tickwire_routing)
    assert message(raised) == (
        "tickwire_routing of plugin 'acme' (tickwire-acme 0) answered an instance of Half, which is no Routing → "
        "give it the methods it lacks: checksum, history, locate, snapshot"
    )


def test_a_class_instead_of_an_instance_is_an_error() -> None:
    def tickwire_symbols() -> type:
        return Symbols

    with pytest.raises(PluginContractError, match=r"answered the class Symbols → return an instance: Symbols\(…\)$"):
        wired(tickwire_symbols)


def test_an_error_of_ours_passes_a_hook_unchanged() -> None:
    refusal = ConfigError("socks5h is not possible", hint="use socks5")

    def tickwire_transport() -> Wire:
        raise refusal

    with pytest.raises(ConfigError) as raised:
        wired(tickwire_transport)
    assert raised.value is refusal


def test_an_error_of_another_kind_is_the_plugin_s_fault() -> None:
    cause = KeyError("depth")

    def tickwire_symbols() -> Symbols:
        raise cause

    with pytest.raises(PluginContractError) as raised:
        wired(tickwire_symbols)
    assert message(raised) == (
        "tickwire_symbols of plugin 'acme' (tickwire-acme 0) raised KeyError: 'depth' → report it to its author"
    )
    assert raised.value.__cause__ is cause


def test_what_a_signer_s_making_raises_is_not_quoted() -> None:
    def tickwire_auth(credentials: Key) -> Signs:
        raise ValueError(f"bad key: {credentials.reveal('api_secret')}")

    with pytest.raises(PluginContractError) as raised:
        wired(tickwire_auth, credentials=Key())
    assert message(raised) == (
        "tickwire_auth of plugin 'acme' (tickwire-acme 0) raised ValueError → report it to its author"
    )


def test_the_repr_of_a_wiring_shows_no_signer() -> None:
    assert "Signs" not in repr(wired(tickwire_auth, credentials=Key()))


def test_only_the_hook_for_signing_can_ask_for_credentials() -> None:
    def tickwire_routing(credentials: Key) -> Language:
        return Language()

    with pytest.raises(PluginLoadError, match="tickwire_routing has no argument 'credentials'"):
        wired(tickwire_routing)


@hookimpl(wrapper=True, specname="tickwire_auth")
def wraps_auth(options: str) -> Any:
    inner = yield
    return Signs(options, inner)


def test_an_extension_wraps_with_its_own_options() -> None:
    wiring = wired(
        tickwire_auth, options="mine", credentials=Key(), extensions={"hsm": "its own"}, hsm=plugin(wraps_auth)
    )
    assert wiring.signer == Signs("its own", Signs("acme"))
    assert wiring.suppliers["auth"] == "hsm (wraps acme)"


def test_the_last_extension_is_outermost() -> None:
    wiring = wired(
        tickwire_auth,
        credentials=Key(),
        extensions={"zeta": "zeta", "alpha": "alpha"},
        alpha=plugin(wraps_auth),
        zeta=plugin(wraps_auth),
    )
    assert wiring.signer == Signs("alpha", Signs("zeta", Signs("acme")))
    assert wiring.suppliers["auth"] == "alpha (wraps zeta (wraps acme))"


def test_an_extension_may_sign_where_the_plugin_cannot() -> None:
    wiring = wired(credentials=Key(), extensions={"hsm": "hsm"}, hsm=plugin(wraps_auth))
    assert (wiring.signer, wiring.suppliers["auth"]) == (Signs("hsm"), "hsm")


def test_an_extension_that_hands_on_what_it_wraps_is_not_named() -> None:
    @hookimpl(wrapper=True)
    def tickwire_symbols() -> Any:
        return (yield)

    assert wired(extensions={"looker": None}, looker=plugin(tickwire_symbols)).suppliers["symbols"] == "acme"


def replacing(options: Mapping[str, str]) -> Signs:
    return Signs(options["by"])


replacing.__name__ = "tickwire_auth"


def test_an_extension_replaces_with_its_own_options() -> None:
    wiring = wired(
        tickwire_auth, options="mine", credentials=Key(), extensions={"hsm": {"by": "vault"}}, hsm=plugin(replacing)
    )
    assert (wiring.signer, wiring.suppliers["auth"]) == (Signs("vault"), "hsm")


def test_an_extension_that_answers_none_leaves_it_to_the_plugin() -> None:
    def tickwire_symbols() -> None:
        return None

    assert wired(extensions={"shy": None}, shy=plugin(tickwire_symbols)).suppliers["symbols"] == "acme"


def test_a_plugin_that_no_config_names_takes_no_part() -> None:
    wiring = wired(tickwire_auth, credentials=Key(), hsm=plugin(replacing))
    assert wiring.suppliers["auth"] == "acme"


def test_a_wrapper_sees_the_error_of_what_it_wraps_and_may_stand_in() -> None:
    def tickwire_symbols() -> Symbols:
        raise ConfigError("no", hint="none")

    @hookimpl(wrapper=True, specname="tickwire_symbols")
    def rescue() -> Any:
        try:
            yield
        except ConfigError:
            return Symbols()
        raise AssertionError("it failed")

    assert wired(tickwire_symbols, extensions={"rescue": None}, rescue=plugin(rescue)).suppliers["symbols"] == "rescue"


def test_a_wrapper_that_lets_an_error_pass_changes_nothing_about_it() -> None:
    refusal = ConfigError("no", hint="none")

    def tickwire_auth() -> Signs:
        raise refusal

    with pytest.raises(ConfigError) as raised:
        wired(tickwire_auth, credentials=Key(), extensions={"hsm": "hsm"}, hsm=plugin(wraps_auth))
    assert raised.value is refusal


@hookimpl(wrapper=True, specname="tickwire_symbols")
def answers_none() -> Any:
    yield


@hookimpl(wrapper=True, specname="tickwire_symbols")
def ends_early() -> Any:
    if _ACME.credentials:
        yield


@hookimpl(wrapper=True, specname="tickwire_symbols")
def yields_twice() -> Any:
    yield (yield)


@hookimpl(wrapper=True, specname="tickwire_symbols")
def answers_wrongly() -> Any:
    yield
    return 3


@hookimpl(wrapper=True, specname="tickwire_symbols")
def fails_late() -> Any:
    yield
    raise ValueError("late")


@pytest.mark.parametrize(
    ("wrapper", "text"),
    [
        (answers_none, "wraps what acme supplied and answered None → return what it wraps, or what stands for it"),
        (ends_early, "ended before it yielded → result = yield, exactly once"),
        (yields_twice, "yielded twice → result = yield, exactly once"),
        (answers_wrongly, "answered an instance of int, which is no SymbolSource → give it the methods it lacks: load"),
        (fails_late, "raised ValueError: late → report it to its author"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_wrapper_that_breaks_the_rules_is_named(wrapper: Callable[..., Any], text: str) -> None:
    with pytest.raises(PluginContractError) as raised:
        wired(extensions={"bad": None}, bad=plugin(wrapper))
    assert message(raised) == f"tickwire_symbols of plugin 'bad' (tickwire-bad 0) {text}"


def test_two_extensions_cannot_replace_one_strategy() -> None:
    with pytest.raises(ConfigError) as raised:
        wired(credentials=Key(), extensions={"hsm": {}, "vault": {}}, hsm=plugin(replacing), vault=plugin(replacing))
    assert message(raised) == (
        "extensions 'hsm' (tickwire-hsm 0) and 'vault' (tickwire-vault 0) both replace tickwire_auth → keep one of them"
    )


def test_one_extension_may_replace_what_another_wraps() -> None:
    wiring = wired(
        credentials=Key(),
        extensions={"hsm": "outer", "vault": {"by": "vault"}},
        hsm=plugin(wraps_auth),
        vault=plugin(replacing),
    )
    assert wiring.suppliers["auth"] == "hsm (wraps vault)"


def test_an_extension_that_is_not_installed_says_how_to_get_it() -> None:
    with pytest.raises(PluginLoadError, match=r"^no installed plugin named 'hsm' → pip install tickwire-hsm$"):
        wired(extensions={"hsm": None})


def test_an_extension_that_failed_says_why() -> None:
    def tickwire_signer() -> None: ...

    with pytest.raises(
        PluginLoadError, match=r"^plugin 'hsm' \(tickwire-hsm 0\) is failed: there is no hook tickwire_"
    ):
        wired(extensions={"hsm": None}, hsm=plugin(tickwire_signer))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("acme", "extension 'acme' is the exchange's plugin already → remove it from extensions"),
        ("defaults", "extension 'defaults' is a part of tickwire itself → remove it from extensions"),
        ("sinks", "extension 'sinks' (tickwire-sinks 0) supplies no strategy → remove it from extensions"),
    ],
)
def test_extensions_that_make_no_sense_are_named(name: str, text: str) -> None:
    def tickwire_sinks() -> list[Any]:
        return []

    with pytest.raises(ConfigError) as raised:
        wired(extensions={name: None}, sinks=plugin(tickwire_sinks))
    assert message(raised) == text


def test_trace_shows_hook_calls_and_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    registry = attrs.evolve(Registry.of(acme=plugin(*BASICS, tickwire_auth)), is_traced=True)
    assemble(
        registry,
        registry.select("acme"),
        options="a secret option",
        network=_NETWORK,
        credentials=Key(),
        clock=_CLOCK,
        instruments=_INSTRUMENTS,
    )
    assert caplog.messages == [
        "acme: tickwire_auth of acme answered Signs",
        "acme: tickwire_symbols of acme answered Symbols",
        "acme: tickwire_transport of tickwire answered NativeTransport",
        "acme: tickwire_routing of acme answered Language",
    ]


def test_two_feeds_share_nothing() -> None:
    registry = Registry.of(acme=plugin(*BASICS))
    one, other = (
        assemble(
            registry,
            registry.select("acme"),
            options=None,
            network=_NETWORK,
            credentials=None,
            clock=_CLOCK,
            instruments=Instruments(),
        )
        for _ in range(2)
    )
    assert one.symbols is not other.symbols
    assert one.routing is not other.routing
