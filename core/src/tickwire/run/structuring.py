"""Plain values -> typed records, strictly: nothing is converted but text that came from the environment.

Plain cattrs turns ``"false"`` into ``True``, 3.9 into 3 and ``"BTC-USDT"`` into eight letters; these hooks refuse, and
collect every mistake with its path.
"""

from __future__ import annotations

import types
from collections import abc
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import attrs
from cattrs import AttributeValidationNote, Converter, IterableValidationNote
from cattrs.errors import ForbiddenExtraKeysError, IterableValidationError, StructureHandlerNotFoundError
from cattrs.gen import make_dict_structure_fn, override

from tickwire.model.channels import ChannelRequest
from tickwire.model.errors import ConfigError, PluginContractError
from tickwire.run.durations import Duration, parse_duration
from tickwire.run.interpolation import EnvText
from tickwire.run.mistakes import Mistake, Path, config_error, unknown_key
from tickwire.run.proxies import Proxy
from tickwire.run.scalars import (
    channel_request,
    enum,
    file_path,
    literal,
    number,
    proxy,
    secret,
    shown,
    text,
    true_or_false,
    whole_number,
    wrong,
)  # fmt: skip
from tickwire.run.secrets import Secret

__all__ = ["converter", "find_mistakes", "structure_options"]

T = TypeVar("T")


def structure_options(
    options_type: type[T], values: Mapping[str, object], path: str = "options", also: Sequence[str] = ()
) -> T:
    """Make a plugin's or sink's options from plain values.

    Args:
        options_type: The attrs class it declares.
        values: What the user wrote.
        path: Where, e.g. ``night.yaml: exchanges.backpack.options``; begins every message.
        also: Keys that may stand beside these, for suggestions.

    Raises:
        ConfigError: Unknown keys, missing keys, wrong values: all of them.
        PluginContractError: The class cannot be made from values at all.
    """
    mistakes: list[Mistake] = []
    options = find_mistakes(options_type, values, (), mistakes, also)
    if options is None:
        where, _, inside = path.rpartition(": ")
        above = (inside,) if inside else ()
        raise config_error(where, [attrs.evolve(one, path=(*above, *one.path)) for one in mistakes])
    return options


def find_mistakes(
    target: type[T], values: object, path: Path, mistakes: list[Mistake], also: Sequence[str] = ()
) -> T | None:
    """Structure ``values``; on failure add every mistake and give ``None``."""
    try:
        return converter().structure(values, target)
    except StructureHandlerNotFoundError as error:
        raise _unreadable(target, error) from error
    except Exception as error:  # cattrs wraps whatever a validator of a plugin's options raises
        found = list(_mistakes_of(error, path, target, also))
        meant = {(one.path[:-1], one.meant) for one in found if one.meant}
        mistakes.extend(one for one in found if (one.path, one.missing) not in meant)
        return None


def _unreadable(target: object, error: BaseException) -> PluginContractError:
    name = getattr(target, "__name__", str(target))
    return PluginContractError(
        f"{name} cannot be read from a config: {error}", hint="use plain types and attrs classes"
    )


def _mistakes_of(error: BaseException, path: Path, target: object, also: Sequence[str]) -> Iterator[Mistake]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _mistakes_of(inner, (*path, *_steps(inner)), target, also)
    elif isinstance(error, ForbiddenExtraKeysError):
        known = [*(_key_of(field.name) for field in attrs.fields(error.cl)), *also]
        for name in sorted(map(str, error.extra_fields)):
            yield unknown_key((*path, name), known)
    elif isinstance(error, ConfigError):
        yield Mistake(path, error.message, error.hint or "")
    elif isinstance(error, KeyError):
        name = _key_of(str(error.args[0]))
        yield Mistake(path, f"{name} is missing", f"add {name}: …", missing=name)
    elif isinstance(error, StructureHandlerNotFoundError | NameError):
        raise _unreadable(target, error) from error
    else:
        # the options class's own validator refused it; attrs puts its sentence first in args
        reason = str(error.args[0]) if error.args else type(error).__name__
        yield Mistake(path, reason, "correct it")


def _steps(error: BaseException) -> Path:
    # a missing key is raised as a KeyError under the attribute's own note: it is the record's mistake
    if isinstance(error, KeyError):
        return ()
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return (_key_of(note.name),)
        if isinstance(note, IterableValidationNote):
            return (note.index if isinstance(note.index, int) else str(note.index),)
    return ()


def _union(target: Any) -> Callable[[object, object], object]:
    members = get_args(target)
    others = [member for member in members if member is not type(None)]

    def structure(value: object, _: object) -> object:
        if value is None and len(others) < len(members):
            return None
        refusals: list[Exception] = []
        for member in others:
            try:
                return converter().structure(value, member)
            except StructureHandlerNotFoundError:
                raise
            except Exception as error:  # the next member may fit; if none does, the best refusal is raised
                refusals.append(error)
        # a refusal from deep inside says more than "expected text"
        raise max(refusals, key=lambda error: isinstance(error, BaseExceptionGroup))

    return structure


def _sequence(target: Any) -> Callable[[object, object], object]:
    origin, members = get_origin(target) or target, get_args(target)
    make = next((kind for kind in (list, set, frozenset) if origin is kind), tuple)
    fixed = len(members) if origin is tuple and members and members[-1] is not Ellipsis else None

    def structure(value: object, _: object) -> object:
        if isinstance(value, EnvText):
            value = [EnvText(part.strip()) for part in value.split(",") if part.strip()]
        if not isinstance(value, list | tuple) or (fixed is not None and len(value) != fixed):
            expected = "a list" if fixed is None else f"a list of {fixed}"
            raise wrong(expected, value, f"write [{value}]" if type(value) is str else "write [one, two]")
        kinds = members if fixed is not None else (members[0] if members else Any,) * len(value)
        return make(_each(target, list(enumerate(value)), kinds))

    return structure


def _mapping(target: Any) -> Callable[[object, object], object]:
    member = (*get_args(target), Any, Any)[1]

    def structure(value: object, _: object) -> object:
        if not isinstance(value, Mapping):
            raise wrong("a mapping", value, "write key: value")
        names = [_key(name) for name in value]
        made = _each(target, list(value.items()), (member,) * len(names))
        return dict(zip(names, made, strict=True))

    return structure


def _key(name: object) -> str:
    if isinstance(name, str):
        return name
    raise ConfigError(f"the key {shown(name)} is no text", hint="put it in quotes")


def _each(target: Any, items: Sequence[tuple[Any, object]], kinds: Sequence[Any]) -> list[object]:
    made: list[object] = []
    errors: list[Exception] = []
    for (step, item), kind in zip(items, kinds, strict=True):
        try:
            made.append(converter().structure(item, kind))
        except StructureHandlerNotFoundError:
            raise
        except Exception as error:  # one wrong item must not hide the next one's mistake
            error.add_note(IterableValidationNote("in the config", step, kind))
            errors.append(error)
    if errors:
        raise IterableValidationError("in the config", errors, target)
    return made


def _record(target: Any) -> Callable[[object, object], object]:
    renamed: dict[str, Any] = {
        name: override(rename=_key_of(name)) for name in attrs.fields_dict(attrs.resolve_types(target))
    }
    inner = make_dict_structure_fn(
        target, converter(), _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True, **renamed
    )

    def structure(value: object, _: object) -> object:
        if not isinstance(value, Mapping):
            raise wrong("a mapping", value, "write key: value")
        return inner({_key(name): item for name, item in value.items()}, target)

    return structure


def _key_of(field: str) -> str:
    # class_ is written class
    return field.removesuffix("_")


_ORIGINS: dict[Any, Callable[[Any], Callable[[object, object], object]]] = {
    Union: _union,
    types.UnionType: _union,
    Literal: lambda target: _hook(literal(target)),
    **dict.fromkeys((list, tuple, set, frozenset, abc.Sequence, abc.Collection, abc.Iterable), _sequence),
    **dict.fromkeys((dict, abc.Mapping, abc.MutableMapping), _mapping),
}


def _origin(target: Any) -> Any:
    return get_origin(target) or target


def _is_known(target: Any) -> bool:
    return isinstance(_origin(target), Hashable) and _origin(target) in _ORIGINS


def _hook(read: Callable[[object], object]) -> Callable[[object, object], object]:
    return lambda value, _: read(value)


def _class_hook(read: Callable[[object], object]) -> Callable[[object, Any], object]:
    # cattrs takes an enum of texts to the hook of text
    return lambda value, target: (enum(target) if issubclass(target, Enum) else read)(value)


@lru_cache(maxsize=1)
def converter() -> Converter:
    """Give the one strict converter."""
    strict = Converter(forbid_extra_keys=True, detailed_validation=True)
    strict.register_structure_hook_factory(_is_known, lambda target: _ORIGINS[_origin(target)](target))
    strict.register_structure_hook_factory(attrs.has, _record)
    strict.register_structure_hook_factory(
        lambda target: isinstance(target, type) and issubclass(target, Enum), lambda target: _hook(enum(target))
    )
    readers: dict[type, Callable[[object], object]] = {
        bool: true_or_false, int: whole_number, float: number, str: text, Secret: secret, FilePath: file_path,
        ChannelRequest: channel_request, Proxy: proxy,
    }  # fmt: skip
    for kind, reader in readers.items():
        strict.register_structure_hook(kind, _class_hook(reader))
    strict.register_structure_hook(Duration, _hook(parse_duration))
    strict.register_structure_hook_func(lambda target: target in (Any, object), lambda value, _: value)
    return strict
