"""What can be subscribed to: a channel, its parameters, and the channel of one instrument."""

from __future__ import annotations

import re
from enum import StrEnum, auto

import attrs

from tickwire.model.errors import UnsupportedChannelError
from tickwire.model.instruments import Instrument

__all__ = ["Channel", "ChannelRequest", "Subscribe", "Subscription"]


class Channel(StrEnum):
    """Kinds of data. ``QUALITY`` selects quality events; no exchange offers it."""

    TRADES = auto()
    L2_BOOK = auto()
    L1_BOOK = auto()
    TICKER = auto()
    CANDLES = auto()
    MARK_PRICE = auto()
    FUNDING = auto()
    OPEN_INTEREST = auto()
    LIQUIDATIONS = auto()
    ORDERS = auto()
    FILLS = auto()
    BALANCES = auto()
    POSITIONS = auto()
    QUALITY = auto()


PER_INTERVAL = frozenset({Channel.CANDLES})
"""Channels whose events name their interval, so that several intervals of one instrument can be told apart."""

_ALIASES = {"quotes": Channel.L1_BOOK}
_DEPTH = re.compile(r"[1-9]\d{0,8}", re.ASCII)


@attrs.frozen
class ChannelRequest:
    """A channel as a user asks for it, before any instrument.

    Attributes:
        channel: The kind of data.
        depth: Levels a side of a book; ``None``: everything the exchange gives.
        interval: The exchange's name of an interval, e.g. ``100ms`` or ``1m``; ``None``: the fastest. Candles need one,
            and several intervals of them may be asked for at once.
    """

    channel: Channel
    depth: int | None = None
    interval: str | None = None

    @classmethod
    def parse(cls, text: str) -> ChannelRequest:
        """Read ``trades``, ``L2_BOOK`` or ``l2_book:depth=100,interval=100ms``; case does not matter in the name.

        Raises:
            UnsupportedChannelError: No such channel, or no such parameter.
        """
        name, colon, rest = text.partition(":")
        found = [_parameter(text, part) for part in rest.split(",")] if colon else []
        parameters = dict(found)
        if len(parameters) < len(found):
            raise UnsupportedChannelError(f"{text!r} names a parameter twice", hint="write each parameter once")
        depth = parameters.get("depth")
        return cls(_channel(name), int(depth) if depth else None, parameters.get("interval"))


def _channel(name: str) -> Channel:
    known = name.strip().lower()
    try:
        return _ALIASES.get(known) or Channel(known)
    except ValueError:
        raise UnsupportedChannelError(f"there is no channel {name!r}", hint=f"one of {', '.join(Channel)}") from None


def _parameter(text: str, part: str) -> tuple[str, str]:
    name, equals, value = (piece.strip() for piece in part.partition("="))
    if name == "interval" and equals and value:
        return name, value
    if name == "depth" and _DEPTH.fullmatch(value):
        return name, value
    raise UnsupportedChannelError(
        f"{text!r}: {part!r} is not a parameter of a channel", hint="write depth=100 or interval=100ms, comma-separated"
    )


class Subscribe:
    """Make channel requests with parameters: ``Subscribe.l2_book(depth=100)``."""

    @staticmethod
    def trades() -> ChannelRequest:
        """Ask for trades."""
        return ChannelRequest(Channel.TRADES)

    @staticmethod
    def l2_book(depth: int | None = None, interval: str | None = None) -> ChannelRequest:
        """Ask for the L2 book; ``depth`` in levels a side, ``interval`` as the exchange names it."""
        return ChannelRequest(Channel.L2_BOOK, depth, interval)

    @staticmethod
    def l1_book() -> ChannelRequest:
        """Ask for best bid and ask."""
        return ChannelRequest(Channel.L1_BOOK)

    @staticmethod
    def ticker() -> ChannelRequest:
        """Ask for the figures of the last 24 hours, or of the window the exchange has."""
        return ChannelRequest(Channel.TICKER)

    @staticmethod
    def candles(interval: str) -> ChannelRequest:
        """Ask for candles; ``interval`` as the exchange names it, e.g. ``1m``."""
        return ChannelRequest(Channel.CANDLES, interval=interval)

    @staticmethod
    def mark_price() -> ChannelRequest:
        """Ask for mark and index prices."""
        return ChannelRequest(Channel.MARK_PRICE)

    @staticmethod
    def funding() -> ChannelRequest:
        """Ask for funding rates."""
        return ChannelRequest(Channel.FUNDING)

    @staticmethod
    def open_interest() -> ChannelRequest:
        """Ask for open interest."""
        return ChannelRequest(Channel.OPEN_INTEREST)

    @staticmethod
    def liquidations() -> ChannelRequest:
        """Ask for liquidations."""
        return ChannelRequest(Channel.LIQUIDATIONS)

    @staticmethod
    def orders() -> ChannelRequest:
        """Ask for the account's orders; needs credentials, like the next three."""
        return ChannelRequest(Channel.ORDERS)

    @staticmethod
    def fills() -> ChannelRequest:
        """Ask for the account's fills."""
        return ChannelRequest(Channel.FILLS)

    @staticmethod
    def balances() -> ChannelRequest:
        """Ask for the account's balances."""
        return ChannelRequest(Channel.BALANCES)

    @staticmethod
    def positions() -> ChannelRequest:
        """Ask for the account's positions."""
        return ChannelRequest(Channel.POSITIONS)


@attrs.frozen(cache_hash=True)
class Subscription:
    """A channel for one instrument, or for a whole connection where ``instrument`` is ``None``."""

    channel: Channel
    instrument: Instrument | None
    depth: int | None = None
    interval: str | None = None

    @property
    def symbol(self) -> str | None:
        """Our symbol, ``None`` for a subscription without instrument."""
        return self.instrument.symbol if self.instrument else None

    @property
    def label(self) -> str:
        """The channel, with the interval where several may be subscribed to at once: ``candles:1m``."""
        return f"{self.channel}:{self.interval}" if self.channel in PER_INTERVAL else self.channel.value

    def __str__(self) -> str:
        return f"{self.symbol or '*'} {self.label}"
