"""Reads the hook functions out of a plugin, and refuses what pluggy would accept in silence."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import attrs

from tickwire.model.errors import PluginLoadError
from tickwire.plugin import hookspecs

__all__ = ["HOOKS", "Implementation", "read_implementations"]

_DECLARATIONS = ("tickwire_exchanges", "tickwire_sinks")

HOOKS: Mapping[str, tuple[str, ...]] = {
    name: tuple(inspect.signature(getattr(hookspecs, name)).parameters)
    for name in (*_DECLARATIONS, *hookspecs.STRATEGY_HOOKS)
}
"""Every hook with the arguments it may take, declarations first."""


@attrs.frozen
class Implementation:
    """One hook function of a plugin.

    Attributes:
        hook: Full name of the hook.
        function: As the plugin wrote it.
        arguments: What it takes, in its order.
        is_wrapper: It wraps what others supply.
    """

    hook: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    is_wrapper: bool


def read_implementations(plugin: object) -> tuple[Implementation, ...]:
    """Find a plugin's hook functions, in the order of the contract.

    Raises:
        PluginLoadError: A function is not decorated, is no hook, or cannot be called as one; or there is none at all.
    """
    found: dict[str, Implementation] = {}
    for name, function in _functions(plugin):
        marks = getattr(function, f"{hookspecs.PROJECT}_impl", None)
        if not isinstance(marks, dict):
            _refuse_undecorated(name, function)
            continue
        hook = marks.get("specname") or name
        if hook not in HOOKS and marks.get("optionalhook"):
            continue
        if hook in found:
            raise PluginLoadError(f"{hook} is implemented twice", hint="keep one function")
        found[hook] = _read(hook, function, marks)
    if not found:
        raise PluginLoadError("it has no hooks", hint="decorate them with tickwire.hookimpl, e.g. tickwire_exchanges")
    return tuple(found[hook] for hook in HOOKS if hook in found)


def _functions(plugin: object) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name in dir(plugin):
        value = getattr(plugin, name, None)
        if inspect.isroutine(value):
            yield name, value


def _refuse_undecorated(name: str, function: Callable[..., Any]) -> None:
    is_spec = hasattr(function, f"{hookspecs.PROJECT}_spec")
    if name.startswith(f"{hookspecs.PROJECT}_") and not is_spec:
        raise PluginLoadError(
            f"{name} is not decorated", hint="write @hookimpl above it (from tickwire import hookimpl)"
        )


def _read(hook: str, function: Callable[..., Any], marks: Mapping[str, Any]) -> Implementation:
    if hook not in HOOKS:
        raise PluginLoadError(f"there is no hook {hook}", hint=_suggest(hook, tuple(HOOKS)))
    order = [mark for mark in ("tryfirst", "trylast") if marks.get(mark)]
    if order:
        raise PluginLoadError(f"{hook} asks for {order[0]}", hint="remove it: the config decides who comes first")
    if marks.get("hookwrapper"):
        raise PluginLoadError(f"{hook} is an old-style wrapper", hint="use @hookimpl(wrapper=True)")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise PluginLoadError(f"{hook} is async", hint="hooks do no I/O: write a plain function")
    is_wrapper = bool(marks.get("wrapper"))
    if is_wrapper and hook in _DECLARATIONS:
        raise PluginLoadError(f"{hook} cannot be wrapped", hint="return what this plugin declares")
    if is_wrapper and not inspect.isgeneratorfunction(function):
        raise PluginLoadError(f"{hook} wraps but never yields", hint="result = yield, then return what stands for it")
    return Implementation(hook, function, _arguments(hook, function), is_wrapper)


def _arguments(hook: str, function: Callable[..., Any]) -> tuple[str, ...]:
    allowed = HOOKS[hook]
    parameters = inspect.signature(function).parameters
    for name, parameter in parameters.items():
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
            raise PluginLoadError(f"{hook} takes {parameter}", hint=f"name the arguments it uses: {_listed(allowed)}")
        if name not in allowed:
            raise PluginLoadError(f"{hook} has no argument {name!r}", hint=_suggest(name, allowed))
        if parameter.default is not parameter.empty:
            raise PluginLoadError(f"{hook}: {name} has a default value", hint="remove it: core gives every argument")
    return tuple(parameters)


def _suggest(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"it may be: {_listed(known)}"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"
