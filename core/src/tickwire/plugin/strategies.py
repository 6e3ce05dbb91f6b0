"""Asks the plugins of one feed for its strategies, and knows who supplied and who wrapped each.

Every hook function runs behind a stand-in with the same signature, which gives each plugin its own options, checks the
answer against the protocol, and puts the plugin's name on whatever goes wrong.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import attrs
import pluggy
from typing_extensions import get_protocol_members

from tickwire.model.errors import PluginContractError, TickwireError
from tickwire.plugin import hookspecs
from tickwire.plugin.hooks import Implementation
from tickwire.plugin.protocols import Routing, Signer, SymbolSource, Transport
from tickwire.plugin.records import PluginRecord

__all__ = ["Answer", "Strategies"]

logger = logging.getLogger(__name__)

_PROTOCOLS: Mapping[str, type] = {
    "tickwire_symbols": SymbolSource,
    "tickwire_auth": Signer,
    "tickwire_transport": Transport,
    "tickwire_routing": Routing,
}
_ENDED = object()


@attrs.frozen
class Answer:
    """What a hook gave.

    Attributes:
        value: The strategy; ``None`` if nobody had one.
        supplier: Who supplied and who wrapped it, e.g. ``hsm_signer (wraps backpack)``.
    """

    value: Any = None
    supplier: str = ""


class Strategies:
    """The plugins of one feed, in a manager of their own; those attached later are asked first."""

    def __init__(self, exchange: str, *, is_traced: bool = False) -> None:
        self._exchange = exchange
        self._is_traced = is_traced
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._answer = Answer()

    def attach(self, record: PluginRecord, options: object) -> None:
        """Let a plugin take part, with its own options."""
        stand_ins = ModuleType(record.name)
        for implementation in record.implementations:
            if implementation.hook in _PROTOCOLS:
                stand_in = self._wrapper if implementation.is_wrapper else self._supplier
                setattr(stand_ins, implementation.hook, stand_in(record, implementation, options))
        self._manager.register(stand_ins, record.name)

    def ask(self, hook: str, **arguments: object) -> Answer:
        """Call one hook.

        Args:
            hook: Full name.
            arguments: All that the hook takes, but ``exchange`` and ``options``.

        Raises:
            PluginContractError: A plugin answered what the protocol does not allow, or raised.
            TickwireError: A plugin raised it on purpose.
        """
        self._answer = Answer()
        getattr(self._manager.hook, hook)(exchange=self._exchange, options=None, **arguments)
        return self._answer

    # functools.wraps keeps the marks of hookimpl and the signature, by which pluggy 1.6 and 1.7 choose the arguments.
    def _supplier(self, record: PluginRecord, each: Implementation, options: object) -> Callable[..., Any]:
        @functools.wraps(each.function)
        def supply(*arguments: object) -> object:
            with _blame(record, each.hook):
                value = each.function(*_with_options(each, arguments, options))
            return self._supplied(record, each.hook, value)

        return supply

    def _wrapper(self, record: PluginRecord, each: Implementation, options: object) -> Callable[..., Any]:
        @functools.wraps(each.function)
        def wrap(*arguments: object) -> Generator[None, object, object]:
            conversation = each.function(*_with_options(each, arguments, options))
            with _blame(record, each.hook):
                if next(conversation, _ENDED) is _ENDED:
                    raise _wrong(record, each.hook, "ended before it yielded", "result = yield, exactly once")
            try:
                inner = yield
            except Exception as error:
                go_on = functools.partial(conversation.throw, error)
            else:
                go_on = functools.partial(conversation.send, inner)
            with _blame(record, each.hook):
                value = _last_word(record, each.hook, go_on)
            return self._wrapped(record, each.hook, value)

        return wrap

    def _supplied(self, record: PluginRecord, hook: str, value: object) -> object:
        self._trace(record, hook, value)
        if value is not None:
            _check(record, hook, value)
            self._answer = Answer(value, record.label)
        return value

    def _wrapped(self, record: PluginRecord, hook: str, value: object) -> object:
        self._trace(record, hook, value)
        inner = self._answer
        if value is None and inner.value is not None:
            found = f"wraps what {inner.supplier} supplied and answered None"
            raise _wrong(record, hook, found, "return what it wraps, or what stands for it")
        if value is not None and value is not inner.value:
            _check(record, hook, value)
            around = f" (wraps {inner.supplier})" if inner.supplier else ""
            self._answer = Answer(value, f"{record.label}{around}")
        return value

    # Types only: answers and arguments may hold secrets.
    def _trace(self, record: PluginRecord, hook: str, value: object) -> None:
        if self._is_traced:
            logger.warning("%s: %s of %s answered %s", self._exchange, hook, record.label, type(value).__name__)


def _with_options(each: Implementation, arguments: tuple[object, ...], options: object) -> list[object]:
    named = zip(each.arguments, arguments, strict=True)
    return [options if name == "options" else argument for name, argument in named]


def _last_word(record: PluginRecord, hook: str, go_on: Callable[[], object]) -> object:
    try:
        go_on()
    except StopIteration as ended:
        return ended.value
    raise _wrong(record, hook, "yielded twice", "result = yield, exactly once")


def _check(record: PluginRecord, hook: str, value: object) -> None:
    protocol = _PROTOCOLS[hook]
    if inspect.isclass(value):
        raise _wrong(record, hook, f"answered the class {value.__name__}", f"return an instance: {value.__name__}(…)")
    members = sorted(get_protocol_members(protocol))
    missing = [name for name in members if not callable(getattr(value, name, None))]
    if missing:
        found = f"answered an instance of {type(value).__name__}, which is no {protocol.__name__}"
        raise _wrong(record, hook, found, f"give it the methods it lacks: {', '.join(missing)}")


@contextmanager
def _blame(record: PluginRecord, hook: str) -> Iterator[None]:
    try:
        yield
    except TickwireError:
        raise
    # A plugin's own mistake, of whatever kind, is reported under its name.
    except Exception as error:
        # What comes out of a signer's making may quote the key.
        text = "" if hook == "tickwire_auth" else f": {error}".rstrip(": ")
        raise _wrong(record, hook, f"raised {type(error).__name__}{text}", "report it to its author") from error


def _wrong(record: PluginRecord, hook: str, found: str, hint: str) -> PluginContractError:
    return PluginContractError(f"{hook} of plugin {record} {found}", hint=hint)
