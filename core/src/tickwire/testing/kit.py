"""What every group of checks is given: what the author wrote in the class, and the plugin it names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from tickwire import Channel, Instrument, Registry, TickwireError
from tickwire.plugin import Request
from tickwire.simulation import Dress
from tickwire.testing.subject import Subject
from tickwire.testing.verdicts import refuse

__all__ = ["Conformance", "for_all", "per_channel", "same_each_run"]

_F = TypeVar("_F", bound=Callable[..., Any])


class Conformance:
    """What an author writes; all but ``exchange`` and ``frames`` may be left out.

    Class attributes:
        exchange: The exchange's id.
        frames: Folder of recorded frames, see ``tickwire.testing.frames``.
        simulator: The dress; by default the one that the plugin declares. Without any, the checks that need a
            speaking exchange are skipped.
        credentials: A key pair for tests: real in form, known to nobody.
        options: The plugin's options, where it needs some.
        signed_request: A request that the plugin's signer can sign.
        instruments: What recorded frames name and neither ``frames/rest/`` nor the dress lists.
        over_sockets: The plugin's transport is its own and stays in its place: the dress is served to it on loopback.
        lacks: Checks that cannot hold, by id, and why: a library in between does not allow it. Each of them is run all
            the same, is skipped with that reason when it fails, and fails when it holds.
        clocks: Where a library of such a plugin keeps ``time.time`` by a name of its own: ``"library.module.time"``.
    """

    exchange: ClassVar[str]
    frames: ClassVar[Path]
    simulator: ClassVar[Callable[..., Dress] | None] = None
    credentials: ClassVar[Mapping[str, str]] = {}
    options: ClassVar[Mapping[str, object]] = {}
    signed_request: ClassVar[Request] = Request("GET", "/", signed=True)
    instruments: ClassVar[Sequence[Instrument]] = ()
    over_sockets: ClassVar[bool] = False
    clocks: ClassVar[Sequence[str]] = ()
    lacks: ClassVar[Mapping[str, str]] = {}

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run a check that takes a ``channel`` once for each that the exchange declares."""
        only = getattr(metafunc.function, "_tickwire_channels", None)
        if only is None:
            return
        try:
            declared = set(self.registry().select(self.exchange).claim.info.channels)
        except TickwireError:
            declared = set(only)  # the fixture tells what is wrong
        metafunc.parametrize("channel", [one for one in only if one in declared], ids=str)

    @classmethod
    def registry(cls) -> Registry:
        """Find the plugins as users get them; override it to test one that is not installed."""
        return Registry.discover()

    @pytest.fixture
    def subject(self, request: pytest.FixtureRequest) -> Iterator[Subject]:
        """Find the plugin under test."""
        kit = type(self)
        registry = kit.registry()
        try:
            registry.select(kit.exchange)
        except TickwireError as error:
            refuse("pyproject.toml", str(error), 'install it, with an entry point in the group "tickwire.v1"')
        found = Subject(
            kit.exchange,
            registry,
            kit.frames,
            vars_of(kit).get("simulator"),
            kit.credentials,
            kit.options,
            kit.signed_request,
            kit.instruments,
            int(request.config.getoption("--conformance-examples", None) or 100),
            kit.over_sockets,
            kit.clocks,
        )
        try:
            yield found
        finally:
            found.close()


def per_channel(*channels: Channel) -> Callable[[_F], _F]:
    """Run a check for each of these channels that the exchange declares; none: all there are."""

    def mark(method: _F) -> _F:
        chosen = channels or tuple(one for one in Channel if one is not Channel.QUALITY)
        method._tickwire_channels = chosen  # type: ignore[attr-defined]
        return method

    return mark


def vars_of(kit: type) -> Mapping[str, Any]:
    """Give class attributes unbound: a dress may be made by a plain function."""
    return {name: value for base in reversed(kit.__mro__) for name, value in vars(base).items()}


def same_each_run(examples: int) -> settings:
    """Give hypothesis' settings for a check: so many examples, the same ones at each run, however slow the plugin."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


def for_all(subject: Subject, *strategies: SearchStrategy[Any], share: float = 1.0) -> Callable[..., None]:
    """Run a function on many examples: ``for_all(subject, st.binary())(rule)``; the same ones at each run.

    Args:
        subject: Says how many.
        strategies: Of the arguments.
        share: How many, of ``subject.examples``.
    """
    chosen = same_each_run(max(5, int(subject.examples * share)))

    def run(rule: Callable[..., None]) -> None:
        chosen(given(*strategies)(rule))()

    return run
