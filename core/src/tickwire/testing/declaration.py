"""D: the plugin is found, what it declares is coherent, and its hooks answer without touching the network."""

from __future__ import annotations

import builtins
import socket
from collections.abc import Callable
from inspect import getattr_static
from typing import Any, NoReturn
from urllib.parse import urlsplit

import attrs
import pytest

from tickwire import Channel, ManualClock, PluginError, TickwireError
from tickwire.native import NativeRouting
from tickwire.plugin import Checksum, Endpoint, Ids, Stamp
from tickwire.testing.checks import check
from tickwire.testing.kit import Conformance
from tickwire.testing.prerequisites import verify_dress
from tickwire.testing.speaking import make_dress
from tickwire.testing.subject import Subject
from tickwire.testing.verdicts import cannot, refuse, verify

__all__ = ["DeclarationChecks"]

_INFO = "info.py"


class DeclarationChecks(Conformance):
    """The checks whose ids begin with D."""

    @check("D1", proves="the plugin is found and loaded, and serves the exchange without a pin", file="plugin.py")
    def test_d1_the_plugin_is_found(self, subject: Subject) -> None:
        trouble = [one for one in subject.registry.records if one.name == subject.plugin and one.reason]
        verify(not trouble, "plugin.py", f"the plugin is not used: {trouble}", "mend what the reason says")
        verify(subject.info.id == subject.exchange, _INFO, f"it declares {subject.info.id!r}", "use one id everywhere")

    @check("D2", proves="every address is encrypted (https, wss) and the exchange's documents are named", file=_INFO)
    def test_d2_addresses(self, subject: Subject) -> None:
        info = subject.info
        for url in info.rest:
            verify(_is(url, "https"), _INFO, f"REST address {url!r} is not https://…", "declare the encrypted address")
        for name, endpoint in info.sockets.items():
            # what is polled stands beside the sockets of a plugin that has a transport of its own
            is_polled = subject.over_sockets and _is(endpoint.url, "https")
            verify(
                is_polled or _is(endpoint.url, "wss"),
                _INFO,
                f"socket {name!r} is at {endpoint.url!r}",
                "declare wss://…",
            )
        verify(_is(info.docs_url, "https"), _INFO, f"docs_url is {info.docs_url!r}", "say where the API is documented")

    @check("D3", proves="limits, batches, heartbeats and ages are numbers that can be kept", file=_INFO)
    def test_d3_numbers(self, subject: Subject) -> None:
        for name, limit in subject.info.limits.items():
            fits = limit.weight > 0 and limit.seconds > 0
            verify(fits, _INFO, f"limit {name!r} is {limit}", "weight and seconds are above zero")
        for name, endpoint in subject.info.sockets.items():
            for field in ("max_streams", "batch", "frames_per_second", "heartbeat", "max_age"):
                value = getattr(endpoint, field)
                verify(value is None or value > 0, _INFO, f"socket {name!r}: {field} is {value}", "above zero, or None")
            _check_ages(name, endpoint)

    @check(
        "D4", proves="channels name sockets, intervals and ids that make sense, and something is offered", file=_INFO
    )
    def test_d4_channels(self, subject: Subject) -> None:
        verify(subject.offered(), _INFO, "no channel is offered", "declare at least one with Support.YES")
        verify(Channel.QUALITY not in subject.info.channels, _INFO, "it declares quality", "that channel is core's")
        for channel, declared in subject.info.channels.items():
            twice = len(set(declared.intervals)) < len(declared.intervals)
            verify(not twice, _INFO, f"{channel}: intervals {declared.intervals}", "name each once")
            if channel is Channel.CANDLES and subject.info.offers(channel):
                verify(declared.intervals, _INFO, "candles without intervals", "declare intervals=(…)")
            if declared.history is not None:
                verify(declared.history.page > 0, _INFO, f"{channel}: a page of no rows", "declare History(page=…)")
                verify(declared.ids is not Ids.NONE, _INFO, f"{channel}: history, but ids=Ids.NONE", "declare its ids")
            verify(declared.ts_event in list(Stamp), _INFO, f"{channel}: ts_event={declared.ts_event!r}", "use Stamp.…")

    @check("D5", proves="what the declaration promises is written: snapshot, history, checksum")
    def test_d5_promises_are_written(self, subject: Subject) -> None:
        routing = subject.strategies().routing
        info = subject.info
        if subject.starts_over_rest:
            _require(routing, "snapshot", "book=BookFeed(BookStart.REST, …)")
        if info.book is not None and info.book.checksum is not None:
            _require(routing, "checksum", f"checksum={info.book.checksum}")
            _check_checksum(info.book.checksum)
        if any(one.history is not None and info.offers(channel) for channel, one in info.channels.items()):
            _require(routing, "history", "history=History(…)")

    @check("D6", proves="options are an attrs class, and can be made of what the test gives", file=_INFO)
    def test_d6_options(self, subject: Subject) -> None:
        kind = subject.info.options_type
        verify(attrs.has(kind), _INFO, f"options_type is {kind.__name__}, no attrs class", "decorate it: @attrs.frozen")
        subject.strategies()

    @check(
        "D7",
        proves="the simulator can be imported and made, and has what a dress must have",
        skip_when="there is no simulator",
        file="simulator.py",
    )
    def test_d7_simulator(self, subject: Subject) -> None:
        maker = subject.dress_maker()
        verify_dress(make_dress(maker, ManualClock()))

    @check(
        "D8", proves="the hooks answer without credentials, with strategies that fit the protocols", file="plugin.py"
    )
    def test_d8_assembles_without_credentials(self, subject: Subject) -> None:
        try:
            strategies = subject.strategies()
        except PluginError as error:
            refuse("plugin.py", str(error), "return the strategy that the hook asks for")
        verify(strategies.signer is None, "plugin.py", "it signs without credentials", "sign in tickwire_auth only")

    @check(
        "D9",
        proves="the hooks answer with credentials, and a signer comes of them",
        skip_when="no credentials are declared",
        file="plugin.py",
    )
    def test_d9_assembles_with_credentials(self, subject: Subject) -> None:
        require_credentials(subject)
        try:
            strategies = subject.strategies(with_credentials=True)
        except TickwireError as error:
            refuse("auth.py", str(error), "accept the credentials of the test, or give it a pair in the right form")
        verify(strategies.signer is not None, "plugin.py", "credentials make no signer", "return one in tickwire_auth")

    @check(
        "D10", proves="declaring and assembling open no socket, resolve no name, and write no file", file="plugin.py"
    )
    def test_d10_no_io(self, subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
        touched: list[str] = []

        def touch(*what: object, **_: object) -> NoReturn:
            touched.append(repr(what[1:])[:80])
            raise OSError("assembling does no I/O")

        module: Any = subject.registry.module(subject.plugin)
        _assemble(subject)  # imports happen here
        with monkeypatch.context() as patch:
            patch.setattr(socket.socket, "__init__", touch)
            patch.setattr(socket, "getaddrinfo", touch)
            patch.setattr(builtins, "open", _reading_only(builtins.open, touch))
            try:
                list(module.tickwire_exchanges())
                _assemble(subject)
            except (OSError, PluginError):
                verify(touched, "plugin.py", "it assembles once, and not a second time", "keep no state in hooks")
        verify(not touched, "plugin.py", f"assembling touches the world: {touched}", "leave I/O to the transport")

    @check(
        "D11", proves="two feeds of one plugin share no strategy that could keep state between them", file="plugin.py"
    )
    def test_d11_feeds_are_apart(self, subject: Subject) -> None:
        one, other = subject.strategies(), subject.strategies()
        verify(one.routing is not other.routing, "plugin.py", "two feeds get one routing", "make one for each call")
        verify(one.transport is not other.transport, "plugin.py", "two feeds get one transport", "make one a call")


def require_credentials(subject: Subject) -> None:
    """Skip where the exchange has no credentials, fail where the test has none of them."""
    declared = subject.info.credentials
    if not declared:
        cannot("no credentials are declared")
    missing = [name for name in declared if name not in subject.credentials]
    verify(
        not missing,
        "test_conformance.py",
        f"credentials {', '.join(missing)} are declared, and the test has none",
        "write credentials = {…} in the class: a pair in the right form that nobody uses",
    )


def _is(url: str, scheme: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == scheme and bool(parts.hostname)


def _check_ages(name: str, endpoint: Endpoint) -> None:
    if endpoint.heartbeat is not None and endpoint.max_age is not None:
        what = f"socket {name!r} is cut after {endpoint.max_age} s, before its heartbeat"
        verify(endpoint.heartbeat < endpoint.max_age, _INFO, what, "both are seconds")


def _check_checksum(checksum: Checksum) -> None:
    verify(checksum.levels > 0, _INFO, f"{checksum} digests nothing", "declare how many levels a side it covers")


def _require(routing: object, method: str, promise: str) -> None:
    is_written = getattr_static(routing, method, None) is not vars(NativeRouting)[method]
    verify(is_written, "routing.py", f"info.py says {promise}, and {method}() is not written", f"write {method}()")


def _assemble(subject: Subject) -> None:
    subject.strategies()
    if subject.credentials:
        subject.strategies(with_credentials=True)


def _reading_only(real: Callable[..., Any], touch: Callable[..., NoReturn]) -> Callable[..., Any]:
    def opened(file: object, mode: str = "r", *rest: Any, **more: Any) -> Any:
        if not set(mode) <= set("rbt"):
            touch(None, file, mode)
        return real(file, mode, *rest, **more)

    return opened
