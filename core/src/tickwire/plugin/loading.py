"""Turns installed entry points into records: imports, reads hooks and declarations, quarantines what is wrong."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from typing import TypeVar

import attrs

from tickwire.model.errors import PluginContractError, TickwireError
from tickwire.plugin.environment import PluginEnvironment
from tickwire.plugin.hooks import Implementation, read_implementations
from tickwire.plugin.info import ExchangeInfo, SinkInfo
from tickwire.plugin.installed import OUR_MAJOR, Installed
from tickwire.plugin.records import PluginRecord, PluginStatus

__all__ = ["load_all"]

logger = logging.getLogger(__name__)

_REASON_LENGTH = 300
_NAME_OF = {ExchangeInfo: "id", SinkInfo: "type"}
D = TypeVar("D", ExchangeInfo, SinkInfo)


def load_all(installed: Iterable[Installed], environment: PluginEnvironment) -> tuple[PluginRecord, ...]:
    """Make a record of every plugin, core's own first, then by name.

    A plugin that cannot be used never harms another; only those that it is confused with go down with it.
    """
    plugins = sorted(installed, key=lambda plugin: (not plugin.is_core, plugin.name, plugin.distribution, plugin.major))
    for name in sorted(environment.named - {plugin.name for plugin in plugins}):
        logger.warning("the environment names plugin %r, which is not installed", name)
    namesakes = defaultdict(list)
    for plugin in plugins:
        if plugin.is_ours:
            namesakes[plugin.name].append(plugin)
    records = [_record(plugin, namesakes[plugin.name], environment) for plugin in plugins]
    return _without_contested_sinks(records)


def _record(plugin: Installed, namesakes: list[Installed], environment: PluginEnvironment) -> PluginRecord:
    refusal = environment.refusal(plugin.name, is_core=plugin.is_core)
    if refusal:
        return _unused(plugin, PluginStatus.BLOCKED, refusal)
    if not plugin.is_ours:
        older = plugin.distribution if plugin.major < OUR_MAJOR else "tickwire"
        spoken = f"speaks tickwire.v{plugin.major}, this is v{OUR_MAJOR}: upgrade {older}"
        return _unused(plugin, PluginStatus.INCOMPATIBLE, spoken)
    if len(namesakes) > 1 and not plugin.is_core:
        return _unused(plugin, PluginStatus.DUPLICATE, _confusion(plugin, namesakes))
    return _load(plugin, environment)


def _unused(plugin: Installed, status: PluginStatus, reason: str) -> PluginRecord:
    return PluginRecord(plugin.name, plugin.distribution, plugin.version, status, reason, is_core=plugin.is_core)


def _confusion(plugin: Installed, namesakes: list[Installed]) -> str:
    if any(other.is_core for other in namesakes):
        return f"the name {plugin.name!r} is tickwire's own: rename the entry point"
    return f"the name {plugin.name!r} is used by {' and by '.join(map(str, namesakes))}: uninstall one"


def _load(plugin: Installed, environment: PluginEnvironment) -> PluginRecord:
    try:
        module = plugin.load()
        implementations = read_implementations(module)
        exchanges = _declared(implementations, "tickwire_exchanges", ExchangeInfo)
        sinks = _declared(implementations, "tickwire_sinks", SinkInfo)
        _refuse_twice([info.id for info in exchanges], "exchange")
        _refuse_twice([info.type for info in sinks], "sink type")
    # Whatever a plugin does at import stays its own trouble; SystemExit comes from scripts without a main guard.
    except (Exception, SystemExit) as error:
        if environment.is_traced:
            logger.error("plugin %r (%s) failed to load", plugin.name, plugin, exc_info=error)
        return _unused(plugin, PluginStatus.FAILED, _reason(error, environment))
    return PluginRecord(
        plugin.name,
        plugin.distribution,
        plugin.version,
        PluginStatus.LOADED,
        exchanges=exchanges,
        sinks=sinks,
        hooks=tuple(each.hook for each in implementations),
        wraps=tuple(each.hook for each in implementations if each.is_wrapper),
        is_core=plugin.is_core,
        module=module,
        implementations=implementations,
    )


def _declared(implementations: Iterable[Implementation], hook: str, kind: type[D]) -> tuple[D, ...]:
    declare = next((each.function for each in implementations if each.hook == hook), None)
    if declare is None:
        return ()
    answer = declare()
    if not isinstance(answer, Iterable):
        raise PluginContractError(f"{hook} answered {answer!r:.60}", hint=f"return a list of {kind.__name__}")
    return tuple(_checked(hook, kind, declared) for declared in answer)


def _checked(hook: str, kind: type[D], declared: object) -> D:
    if not isinstance(declared, kind):
        raise PluginContractError(f"{hook} declared {declared!r:.60}", hint=f"return a list of {kind.__name__}")
    if not getattr(declared, _NAME_OF[kind]):
        raise PluginContractError(f"{hook} declared an empty name", hint=f"name the {kind.__name__}")
    options_type: object = getattr(declared, "options_type", None)
    if not (isinstance(options_type, type) and attrs.has(options_type)):
        raise PluginContractError(
            f"{hook}: the options_type of {declared!r:.60} is {options_type!r}", hint="make it an attrs class"
        )
    return declared


def _refuse_twice(names: list[str], what: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PluginContractError(f"it declares {what} {', '.join(map(repr, twice))} twice", hint="keep one")


def _reason(error: BaseException, environment: PluginEnvironment) -> str:
    if isinstance(error, TickwireError):
        return " ".join(str(error).split())
    text = " ".join(f"{type(error).__name__}: {error}".split())[:_REASON_LENGTH].rstrip(": ")
    return text if environment.is_traced else f"{text} (TICKWIRE_TRACE=1 for the traceback)"


# Which of two plugins means a `type:` cannot be guessed, so neither is used; core's own words are not up for grabs.
def _without_contested_sinks(records: list[PluginRecord]) -> tuple[PluginRecord, ...]:
    owners = defaultdict(list)
    for record in records:
        for info in record.sinks:
            owners[info.type].append(record)
    return tuple(_contested(record, owners) or record for record in records)


def _contested(record: PluginRecord, owners: dict[str, list[PluginRecord]]) -> PluginRecord | None:
    for info in () if record.is_core else record.sinks:
        rivals = owners[info.type]
        if len(rivals) > 1:
            known = "tickwire itself" if any(each.is_core for each in rivals) else "; ".join(map(str, rivals))
            reason = f"the sink type {info.type!r} is declared by {known}: uninstall one, or rename it"
            return PluginRecord(record.name, record.distribution, record.version, PluginStatus.FAILED, reason)
    return None
