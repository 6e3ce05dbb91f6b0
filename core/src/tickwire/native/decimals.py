"""Wire types in decimals: a plugin writes its structs once, with ``Price`` and ``Size``; here is their decimal form.

Every ``Annotated[float, Meta(…)]`` (``Price``, ``Size``, or one of the plugin's own) becomes a ``Decimal`` within the
same bounds, in structs, tuples, lists, mappings and unions; a plain ``float`` stays what it is.

msgspec's own ``Decimal`` takes whatever Python's constructor takes (``"1_0"``, ``" 1"``, ``"+1"``, ``"NaN"``), and no
bounds. So its hook for foreign types reads the text here: exactly what JSON calls a number, as in the float form.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache, reduce
from operator import or_
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec

from tickwire.model.errors import PluginContractError

__all__ = ["decoder_for", "in_decimals"]

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?").fullmatch
_LONGEST = 64  # characters; the longest number seen is a funding rate of 28 digits


def decoder_for(type: Any, numbers: type = float) -> msgspec.json.Decoder[Any]:
    """Make the JSON decoder of a wire type in one number type; numbers and texts are both accepted.

    Args:
        type: Written with floats: ``Price``, ``Size``, structs and collections of them.
        numbers: ``float`` or ``Decimal``, as ``tickwire_routing`` was given it.

    Raises:
        PluginContractError: The type holds a bounded number where its decimal form cannot be made.
    """
    return _decoder(type, numbers is Decimal)


@lru_cache(maxsize=256)
def _decoder(type: Any, is_decimal: bool) -> msgspec.json.Decoder[Any]:
    decoder = msgspec.json.Decoder(type, strict=False)
    return in_decimals(decoder)[0] if is_decimal else decoder


def in_decimals(decoder: msgspec.json.Decoder[Any]) -> tuple[msgspec.json.Decoder[Any], dict[type, type]]:
    """Give the decimal form of a decoder, and the decimal form of each struct that holds numbers.

    The decoder's own ``dec_hook`` is still asked for the types that are not ours.
    """
    hook, forms = decoder.dec_hook, _Forms()

    def read(kind: Any, raw: Any) -> Any:
        if type(kind) is _DecimalKind:
            return kind.read(raw if type(raw) is str else _literal(raw))
        if hook is None:
            raise NotImplementedError(f"nothing reads a {kind!r}: the decoder has no dec_hook")
        return hook(kind, raw)

    in_decimal = msgspec.json.Decoder(
        forms.of(decoder.type), strict=decoder.strict, dec_hook=read, float_hook=decoder.float_hook or Decimal
    )
    return in_decimal, forms.changed


class _Bounds(NamedTuple):
    ge: Decimal | None
    gt: Decimal | None
    le: Decimal | None
    lt: Decimal | None


class _DecimalKind(type):
    """A class for each set of bounds, so that msgspec calls the hook; what the hook gives is a plain ``Decimal``."""

    read: Callable[[str], Decimal]

    def __instancecheck__(cls, value: object) -> bool:
        return type(value) is Decimal


@lru_cache(maxsize=256)
def _decimal_kind(bounds: _Bounds) -> _DecimalKind:
    kind = _DecimalKind("Decimal", (), {})
    # prices and sizes repeat: a text that was read before costs a tenth
    kind.read = lru_cache(maxsize=4096)(_reader(bounds))
    return kind


def _reader(bounds: _Bounds) -> Callable[[str], Decimal]:
    ge, gt, le, lt = bounds
    low = max((bound for bound in (ge, gt) if bound is not None), default=Decimal("-Infinity"))
    high = min((bound for bound in (le, lt) if bound is not None), default=Decimal("Infinity"))
    outside = tuple(bound for bound in (gt, lt) if bound is not None)
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    limits = [f"{signs[name]} {bound}" for name, bound in bounds._asdict().items() if bound is not None]

    def read(text: str) -> Decimal:
        if not _NUMBER(text) or len(text) > _LONGEST:
            raise ValueError("Expected a decimal number")
        number = Decimal(text)
        if not low <= number <= high or number in outside:
            raise ValueError(f"Expected a number {' and '.join(limits)}")
        return number if number or text != "-0" else Decimal(0)  # an integer, which has no negative zero

    return read


def _literal(raw: object) -> str:
    # a number of JSON itself; bool is no number here
    if type(raw) is not int and type(raw) is not Decimal:
        raise ValueError(f"Expected a number, found `{type(raw).__name__}`")
    return str(raw)


class _Forms:
    # walks the types of one decoder; a type without numbers stays the very same object
    def __init__(self) -> None:
        self.changed: dict[type, type] = {}
        self._same: set[type] = set()
        self._open: list[type] = []

    def of(self, kind: Any) -> Any:
        origin = get_origin(kind)
        if origin is Annotated:
            return self._annotated(kind)
        if origin is not None:
            return self._collection(kind, origin)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self._struct(kind)
        if isinstance(kind, type) and kind.__module__ != "builtins" and "__annotations__" in vars(kind):
            self._refuse_numbers(kind)
        return kind

    def _annotated(self, kind: Any) -> Any:
        inner, *notes = get_args(kind)
        if inner is not float:
            changed = self.of(inner)
            return kind if changed is inner else Annotated[(changed, *notes)]
        metas = [note for note in notes if isinstance(note, msgspec.Meta)]
        if not metas:
            return kind
        return _decimal_kind(_Bounds(*(_bound(metas, name) for name in _Bounds._fields)))

    def _collection(self, kind: Any, origin: Any) -> Any:
        arguments = get_args(kind)
        changed = tuple(self.of(one) if one is not ... else one for one in arguments)
        if all(new is old for new, old in zip(changed, arguments, strict=True)):
            return kind
        if origin in (Union, types.UnionType):
            return reduce(or_, changed)
        if isinstance(origin, type) and issubclass(origin, msgspec.Struct):
            raise self._unreadable(kind)
        return origin[changed]

    def _struct(self, kind: type[msgspec.Struct]) -> type:
        if kind in self._same or kind in self.changed:
            return self.changed.get(kind, kind)
        if kind in self._open:
            raise self._unreadable(kind)
        self._open.append(kind)
        fields = msgspec.structs.fields(kind)
        types = [self.of(field.type) for field in fields]
        self._open.pop()
        if all(new is field.type for new, field in zip(types, fields, strict=True)):
            self._same.add(kind)
            return kind
        config = kind.__struct_config__
        # all fields again, in their order, so that array-like structs keep theirs
        self.changed[kind] = form = msgspec.defstruct(
            kind.__name__,
            [(field.name, new, _declared(field, new)) for field, new in zip(fields, types, strict=True)],
            bases=(kind,),
            module=kind.__module__,
            tag_field=config.tag_field,
            tag=config.tag,
            kw_only=True,
        )
        return form

    def _refuse_numbers(self, kind: type) -> None:
        # a named tuple or a dataclass would be read as floats in silence
        for hint in get_type_hints(kind, include_extras=True).values():
            if self.of(hint) is not hint:
                raise self._unreadable(kind)

    def _unreadable(self, kind: Any) -> PluginContractError:
        return PluginContractError(
            f"the wire type {kind!r} holds prices or sizes and has no decimal form",
            hint="use plain msgspec structs, tuples, lists and mappings for what holds numbers",
        )


def _bound(metas: list[msgspec.Meta], name: str) -> Decimal | None:
    bound = next((value for meta in metas if (value := getattr(meta, name)) is not None), None)
    return None if bound is None else Decimal(repr(bound))


def _declared(field: msgspec.structs.FieldInfo, new: Any) -> Any:
    if field.default is not msgspec.NODEFAULT:
        default = Decimal(repr(field.default)) if type(field.default) is float else field.default
        return msgspec.field(default=default if new is not field.type else field.default, name=field.encode_name)
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.field(default_factory=field.default_factory, name=field.encode_name)
    return msgspec.field(name=field.encode_name)
