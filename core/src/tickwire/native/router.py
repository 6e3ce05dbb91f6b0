"""From a frame to events: decode once, dispatch on what it is, tell an unknown kind from a malformed frame.

Two forms. **Typed**: a class-level ``decoder`` and methods marked ``@handles(Type)``; dispatch is on the decoded
type. **Loose**: no decoder, JSON becomes a dict and dispatch is on the value of a channel field, with handlers from
``register_handler``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any, ClassVar, TypeAlias, TypeVar, get_args

import msgspec

from tickwire.model.clock import Nanos
from tickwire.model.errors import DecodeError
from tickwire.model.instruments import Instrument, Instruments
from tickwire.model.metrics import Metrics
from tickwire.model.quality import Event
from tickwire.native.decimals import decoder_for, in_decimals
from tickwire.native.drift import Drift
from tickwire.native.subscribing import Subscribing
from tickwire.plugin.protocols import Alive, Control, Frame, Signer, Unknown

__all__ = ["Handled", "NativeMessageRouter", "handles"]

Handled: TypeAlias = Iterable[Event | Control]
"""What a handler gives: events, and controls that tell core something else."""
_T = TypeVar("_T")
_F = TypeVar("_F", bound=Callable[..., Handled])
_LOOK_EVERY: Nanos = 60_000_000_000
_UNTAGGED = "untagged"
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # the last: 1,000 brackets deep


def handles(*types: type, frame: bool = False) -> Callable[[_F], _F]:
    """Mark a method as the handler of decoded messages of these types: ``method(message, ts_recv)``.

    Args:
        types: The types.
        frame: Call it as ``method(message, frame)``, for what stands outside of ``content`` in rare kinds of frames. A
            frame of such a kind costs some 0.3 µs more; the others cost nothing more.
    """

    def mark(method: _F) -> _F:
        method._tickwire_handles = types  # type: ignore[attr-defined]
        method._tickwire_wants_frame = frame  # type: ignore[attr-defined]
        return method

    return mark


class NativeMessageRouter(Subscribing):
    """One connection's language; subclass it, or register handlers on it. What it asks for: ``Subscribing``.

    Class attributes:
        decoder: Of the typed form: a ``msgspec.json.Decoder`` of everything the exchange sends.
        content: Of the typed form: the attribute that holds the message inside an envelope; an envelope where that is
            ``None`` is handled itself. ``None``: there is no envelope.
        answers: Of the typed form, where what the exchange answers is tagged by another field than its data: the
            ``msgspec.json.Decoder`` of the answers. It is asked for frames that have its tag and not the data's.
        unread: Of the typed form: paths of fields that the exchange sends and that no type reads, e.g. ``data.E``. Any
            other field without a reader is drift: counted in ``drift_total`` and logged once.
        untagged: Of the typed form: decoders of the kinds that carry no tag, by bytes that all their frames hold and no
            others do, e.g. ``b'@bookTicker"'``. Each costs some 0.2 µs a frame of any kind.
        signs_of_life: Of the typed form: types that prove the connection and say nothing else, e.g. pongs.
        channel_fields: Of the loose form: fields that may name the channel, the first with a handler wins.

    Attributes:
        native: Instruments by native symbol.
        numbers: ``float`` or ``Decimal``.
        metrics: Where frames are counted.
        signer: What signs, where the user has set credentials; a subclass may annotate it with its own type.
        socket: The connection's key in ``ExchangeInfo.sockets``.
    """

    decoder: ClassVar[msgspec.json.Decoder[Any] | None] = None
    content: ClassVar[str | None] = None
    answers: ClassVar[msgspec.json.Decoder[Any] | None] = None
    unread: ClassVar[Collection[str]] = ()
    untagged: ClassVar[Mapping[bytes, msgspec.json.Decoder[Any]]] = {}
    signs_of_life: ClassVar[Collection[type]] = ()
    channel_fields: ClassVar[Sequence[str]] = ("channel", "stream", "topic", "type", "event", "e")
    _handlers: ClassVar[Mapping[type, str]] = {}
    _framed: ClassVar[frozenset[type]] = frozenset()
    _tags: ClassVar[Mapping[str, frozenset[object]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        found = dict.fromkeys(cls.signs_of_life, "_alive") | {
            type: name
            for base in reversed(cls.__mro__)
            for name, method in vars(base).items()
            for type in getattr(method, "_tickwire_handles", ())
        }
        framed = {
            type: method._tickwire_wants_frame
            for base in reversed(cls.__mro__)
            for method in vars(base).values()
            for type in getattr(method, "_tickwire_handles", ())
        }
        configs = [type.__struct_config__ for type in found if issubclass(type, msgspec.Struct)]
        cls._handlers = found
        cls._framed = frozenset(type for type, is_framed in framed.items() if is_framed)
        cls._tags = {
            field: frozenset(config.tag for config in configs if config.tag_field == field)
            for field in dict.fromkeys(config.tag_field for config in configs if config.tag_field)
        }

    def __init__(
        self,
        instruments: Instruments | None = None,
        *,
        metrics: Metrics | None = None,
        numbers: type = float,
        signer: Signer | None = None,
        socket: str = "public",
    ) -> None:
        """Make the router of one connection.

        Args:
            instruments: Live view; ``self.native`` maps native symbols to instruments.
            metrics: Where malformed frames, dropped ones and unknown fields are counted; ``ConnectionInfo.metrics``
                are the feed's.
            numbers: ``float``, or ``Decimal``: ``Price`` and ``Size`` of the decoder's types are decimals then, and so
                are fractions in loose frames.
            signer: As ``tickwire_routing`` was given it.
            socket: Key of ``ExchangeInfo.sockets``: which kind of connection this is.
        """
        super().__init__()
        self.numbers = numbers
        self.signer = signer
        self.socket = socket
        self.native: Mapping[str, Instrument] = instruments.native if instruments is not None else {}
        self.metrics = metrics if metrics is not None else Metrics()
        self._dropped = self.metrics.counter("dropped_frames_total")
        self._parse_errors = self.metrics.counter("malformed_frames_total")
        self._by_name: dict[str, Callable[[Any, Nanos], Handled | None]] = {}
        bound = {type: getattr(self, name) for type, name in self._handlers.items()}
        self._by_type: dict[type, Callable[[Any, Nanos], Handled]] = {}
        self._by_type_known = {type: handler for type, handler in bound.items() if type not in self._framed}
        self._by_type_framed = {type: bound[type] for type in self._framed}
        self._decode: Callable[[bytes], Any] | None = self.decoder.decode if self.decoder is not None else None
        self._decode_untagged: dict[bytes, Callable[[bytes], Any]] = {
            mark: decoder.decode for mark, decoder in self.untagged.items()
        }
        self._drift = Drift(self.decoder, self.metrics, self.unread) if self.decoder is not None else None
        self._drift_untagged = {mark: Drift(one, self.metrics, self.unread) for mark, one in self.untagged.items()}
        self._answers_field = None if self.answers is None else _tag_field(self.answers)
        self._answers_drift = None if self.answers is None else Drift(self.answers, self.metrics, self.unread)
        self._looked_at: set[type] = set()
        self._look_at: Nanos = 0
        self._decode_loose: Callable[[bytes], Any] = msgspec.json.decode
        if numbers is Decimal:
            self._read_decimals()
        if self._decode is not None and self._decode_untagged:
            self._decode = _choosing(self._decode, self._decode_untagged)
        self._content = attrgetter(self.content) if self.content is not None else None

    def _read_decimals(self) -> None:
        self._decode_loose = msgspec.json.Decoder(float_hook=Decimal).decode
        if self.decoder is not None:
            self._decode = self._in_decimals(self.decoder)
            self._decode_untagged = {mark: self._in_decimals(decoder) for mark, decoder in self.untagged.items()}

    def _in_decimals(self, decoder: msgspec.json.Decoder[Any]) -> Callable[[bytes], Any]:
        in_decimal, forms = in_decimals(decoder)
        for table in (self._by_type_known, self._by_type_framed):
            table |= {forms[type]: handler for type, handler in table.items() if type in forms}
        return in_decimal.decode

    # reading
    def route(self, frame: Frame) -> Handled:
        """Read one frame.

        Raises:
            DecodeError: It is malformed.
            UnknownNativeError: It names an instrument that is not loaded.
        """
        decode, content, ts_recv = self._decode, self._content, frame.ts_recv
        if decode is None:
            return self._route_loose(frame)
        if ts_recv > self._look_at:
            self._look_again(ts_recv)
        try:
            message = decode(frame.payload)
            if content is not None and (inner := content(message)) is not None:
                message = inner
            handler = self._by_type[type(message)]
        except _UNREADABLE as error:
            return self._read_again(frame, error)
        except KeyError:
            return self._route_slowly(message, frame, self._drift)
        return handler(message, ts_recv)

    def _look_again(self, ts_recv: Nanos) -> None:
        # the next frame of each kind takes the slow way, where it is compared with the types; the others pay nothing
        self._look_at = ts_recv + _LOOK_EVERY
        self._looked_at.clear()
        self._by_type.clear()

    def _route_slowly(self, message: object, frame: Frame, drift: Drift | None) -> Handled:
        kind = type(message)
        if kind not in self._looked_at and drift is not None:
            self._looked_at.add(kind)
            mark = next((mark for mark in self.untagged if mark in frame.payload), None)
            drift = drift if mark is None else self._drift_untagged[mark]
            drift.look_at(frame.payload, _kind_name(kind))
        plain = self._by_type_known.get(kind)
        if plain is not None:
            self._by_type[kind] = plain
            return plain(message, frame.ts_recv)  # type: ignore[no-any-return]
        handler = self._by_type_framed.get(kind)
        if handler is None:
            raise DecodeError(f"{type(self).__name__} decodes {type(message).__name__} but does not handle it")
        return handler(message, frame)  # type: ignore[no-any-return]

    def _read_again(self, frame: Frame, error: Exception) -> Handled:
        # refused by the data's types: decoded loosely, once, to see whether its kind is one we claim to know
        field, kind = self._kind_in(frame.payload)
        if field is not None and field == self._answers_field and self.answers is not None:
            try:
                return self._route_slowly(self.answers.decode(frame.payload), frame, self._answers_drift)
            except _UNREADABLE as wrong:
                error = wrong
        if field is not None and isinstance(kind, str | int) and kind not in self._tags[field]:
            return (Unknown(str(kind)),)
        self._parse_errors.value += 1
        raise DecodeError(f"malformed frame of kind {kind!r}: {error}") from error

    def _kind_in(self, payload: bytes) -> tuple[str | None, object]:
        try:
            loose = msgspec.json.decode(payload)
            message = loose[self.content] if self.content is not None else loose
            tags: Iterator[tuple[str | None, object]] = (
                (name, message[name]) for name in self._tags if name in message
            )
            found = next(tags, None)
            if found is None and self.untagged and isinstance(message, dict) and not self._has_mark(payload):
                # where some kinds have no tag, one that has neither tag nor mark is a kind of its own
                found = next(iter(self._tags), None), _UNTAGGED
            return found or (None, None)
        except (*_UNREADABLE, LookupError, TypeError):
            return None, None

    def _has_mark(self, payload: bytes) -> bool:
        return any(mark in payload for mark in self.untagged)

    def read_part(self, type: type[_T], part: bytes, fault: str) -> _T:
        """Read what a type left unread, e.g. a field kept as ``msgspec.Raw`` because it is not always of one type.

        Args:
            type: A wire type, written with floats; it is read in this router's number type.
            part: JSON.
            fault: What a frame is in which it cannot be read, for the error: ``"a funding without a rate"``.

        Raises:
            DecodeError: It is not of that type.
        """
        try:
            found: _T = decoder_for(type, self.numbers).decode(part)
        except _UNREADABLE as error:
            self._parse_errors.value += 1
            raise DecodeError(f"{fault}: {error}, found {bytes(part)[:100]!r}") from error
        return found

    def register_handler(self, channel: str, handler: Callable[[Any, Nanos], Handled | None]) -> None:
        """Handle the loose frames of a channel: ``handler(message, ts_recv)``; ``None`` counts as nothing to say."""
        self._by_name[channel] = handler

    def _route_loose(self, frame: Frame) -> Handled:
        try:
            message = self._decode_loose(frame.payload)
        except _UNREADABLE as error:
            self._parse_errors.value += 1
            raise DecodeError(f"not JSON: {error}") from error
        if not isinstance(message, dict):
            self._parse_errors.value += 1
            raise DecodeError(f"a {type(message).__name__} is no message of this router")
        named = [value for field in self.channel_fields if isinstance(value := message.get(field), str)]
        for name in named:
            handler = self._by_name.get(name)
            if handler is not None:
                return handler(message, frame.ts_recv) or ()
        self._dropped.value += 1
        return (Unknown(named[0] if named else "unnamed"),)

    def _alive(self, message: object, ts_recv: Nanos) -> Handled:
        return (Alive(),)


def _choosing(
    tagged: Callable[[bytes], Any], untagged: Mapping[bytes, Callable[[bytes], Any]]
) -> Callable[[bytes], Any]:
    marks = tuple(untagged.items())

    def decode(payload: bytes) -> Any:
        for mark, decode_untagged in marks:
            if mark in payload:
                return decode_untagged(payload)
        return tagged(payload)

    return decode


def _kind_name(kind: type) -> str:
    tag = kind.__struct_config__.tag if issubclass(kind, msgspec.Struct) else None
    return kind.__name__ if tag is None else str(tag)


def _tag_field(decoder: msgspec.json.Decoder[Any]) -> str | None:
    first: Any = next(iter(get_args(decoder.type)), decoder.type)
    field: str | None = first.__struct_config__.tag_field
    return field
