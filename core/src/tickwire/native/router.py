"""From a frame to events: decode once, dispatch on what it is, tell an unknown kind from a malformed frame.

Two forms. **Typed**: a class-level ``decoder`` and methods marked ``@handles(Type)``; dispatch is on the decoded
type. **Loose**: no decoder, JSON becomes a dict and dispatch is on the value of a channel field, with handlers from
``register_handler``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any, ClassVar, TypeAlias, TypeVar

import msgspec

from tickwire.model.channels import Subscription
from tickwire.model.clock import Nanos
from tickwire.model.errors import DecodeError, PluginContractError
from tickwire.model.instruments import Instrument, Instruments
from tickwire.model.metrics import Metrics
from tickwire.model.quality import Event
from tickwire.native.decimals import in_decimals
from tickwire.plugin.protocols import Confirmed, Control, Frame, Refused, Send, Unknown

__all__ = ["NativeMessageRouter", "handles"]

Handled: TypeAlias = Iterable[Event | Control]
_F = TypeVar("_F", bound=Callable[..., Handled])
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


class NativeMessageRouter:
    """One connection's language; subclass it, or register handlers on it.

    Class attributes:
        decoder: Of the typed form: a ``msgspec.json.Decoder`` of everything the exchange sends.
        content: Of the typed form: the attribute that holds the message inside an envelope; an envelope where that is
            ``None`` is handled itself. ``None``: there is no envelope.
        channel_fields: Of the loose form: fields that may name the channel, the first with a handler wins.
    """

    decoder: ClassVar[msgspec.json.Decoder[Any] | None] = None
    content: ClassVar[str | None] = None
    channel_fields: ClassVar[Sequence[str]] = ("channel", "stream", "topic", "type", "event", "e")
    _handlers: ClassVar[Mapping[type, str]] = {}
    _framed: ClassVar[frozenset[type]] = frozenset()
    _tag_field: ClassVar[str | None] = None
    _tags: ClassVar[frozenset[object]] = frozenset()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        found = {
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
        cls._tags = frozenset(config.tag for config in configs if config.tag is not None)
        cls._tag_field = next((config.tag_field for config in configs if config.tag_field), None)

    def __init__(
        self, instruments: Instruments | None = None, *, metrics: Metrics | None = None, numbers: type = float
    ) -> None:
        """Make the router of one connection.

        Args:
            instruments: Live view; ``self.native`` maps native symbols to instruments.
            metrics: Where drops and parse errors are counted.
            numbers: ``float``, or ``Decimal``: ``Price`` and ``Size`` of the decoder's types are decimals then, and so
                are fractions in loose frames.
        """
        self.native: Mapping[str, Instrument] = instruments.native if instruments is not None else {}
        self.metrics = metrics if metrics is not None else Metrics()
        self._dropped = self.metrics.counter("dropped_frames_total")
        self._parse_errors = self.metrics.counter("decode_errors_total")
        self._by_name: dict[str, Callable[[Any, Nanos], Handled | None]] = {}
        bound = {type: getattr(self, name) for type, name in self._handlers.items()}
        self._by_type = {type: handler for type, handler in bound.items() if type not in self._framed}
        self._by_type_framed = {type: bound[type] for type in self._framed}
        self._decode = self.decoder.decode if self.decoder is not None else None
        self._decode_loose: Callable[[bytes], Any] = msgspec.json.decode
        if numbers is Decimal:
            self._read_decimals()
        self._content = attrgetter(self.content) if self.content is not None else None
        self._number = 0
        self._asked: dict[int, tuple[bool, tuple[Subscription, ...]]] = {}

    def _read_decimals(self) -> None:
        self._decode_loose = msgspec.json.Decoder(float_hook=Decimal).decode
        if self.decoder is not None:
            decoder, forms = in_decimals(self.decoder)
            self._decode = decoder.decode
            for table in (self._by_type, self._by_type_framed):
                table |= {forms[type]: handler for type, handler in table.items() if type in forms}

    # reading
    def route(self, frame: Frame) -> Handled:
        """Read one frame.

        Raises:
            DecodeError: It is malformed.
            UnknownNativeError: It names an instrument that is not loaded.
        """
        decode, content = self._decode, self._content
        if decode is None:
            return self._route_loose(frame)
        try:
            message = decode(frame.payload)
            if content is not None and (inner := content(message)) is not None:
                message = inner
            handler = self._by_type[type(message)]
        except _UNREADABLE as error:
            return (self._unknown_kind(frame.payload, error),)
        except KeyError:
            return self._route_framed(message, frame)
        return handler(message, frame.ts_recv)  # type: ignore[no-any-return]

    def _route_framed(self, message: object, frame: Frame) -> Handled:
        handler = self._by_type_framed.get(type(message))
        if handler is None:
            raise DecodeError(f"{type(self).__name__} decodes {type(message).__name__} but does not handle it")
        return handler(message, frame)  # type: ignore[no-any-return]

    def _unknown_kind(self, payload: bytes, error: Exception) -> Unknown:
        # refused by the types: decoded loosely, once, to see whether its kind is one we claim to know
        try:
            loose = msgspec.json.decode(payload)
            message = loose[self.content] if self.content is not None else loose
            kind = message[self._tag_field]
        except (*_UNREADABLE, LookupError, TypeError):
            kind = None
        if isinstance(kind, str | int) and kind not in self._tags:
            return Unknown(str(kind))
        self._parse_errors.value += 1
        raise DecodeError(f"malformed frame of kind {kind!r}: {error}") from error

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

    # asking
    def stream(self, subscription: Subscription) -> str:
        """Give the exchange's name of what is subscribed to; override it."""
        raise PluginContractError(
            f"{type(self).__name__} cannot subscribe to {subscription}", hint="override stream() and request()"
        )

    def request(self, add: bool, streams: Sequence[str], number: int) -> object:
        """Give the JSON message that (un)subscribes; override it. ``number`` counts this connection's requests."""
        raise PluginContractError(
            f"{type(self).__name__} cannot subscribe to {', '.join(streams)}", hint="override stream() and request()"
        )

    def subscribe(self, subscriptions: Sequence[Subscription]) -> Iterable[Send]:
        """Ask for these in one frame."""
        return (self._ask(True, tuple(subscriptions)),)

    def unsubscribe(self, subscriptions: Sequence[Subscription]) -> Iterable[Send]:
        """Ask for these no longer, in one frame."""
        return (self._ask(False, tuple(subscriptions)),)

    def _ask(self, add: bool, subscriptions: tuple[Subscription, ...]) -> Send:
        self._number += 1
        self._asked[self._number] = (add, subscriptions)
        streams = list(dict.fromkeys(self.stream(subscription) for subscription in subscriptions))
        return Send(msgspec.json.encode(self.request(add, streams, self._number)), subscriptions if add else ())

    def answered(self, number: int, refused: Mapping[str, str]) -> Sequence[Control]:
        """Turn the exchange's acknowledgement of request ``number`` into controls.

        Args:
            number: What ``request`` was given; unknown numbers give nothing.
            refused: Reasons by stream; every other stream of the request is confirmed.
        """
        add, subscriptions = self._asked.pop(number, (False, ()))
        if not add:
            return ()
        controls: list[Control] = []
        confirmed = tuple(one for one in subscriptions if self.stream(one) not in refused)
        if confirmed:
            controls.append(Confirmed(confirmed))
        for one in subscriptions:
            reason = refused.get(self.stream(one))
            if reason is not None:
                controls.append(Refused((one,), reason))
        return controls

    # what most exchanges do not need
    def opened(self) -> Iterable[Control]:
        """Say nothing first."""
        return ()

    def heartbeat(self, now: Nanos) -> Iterable[Send]:
        """Rely on protocol pings."""
        return ()
