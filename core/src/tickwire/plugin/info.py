"""What a plugin declares: data that doctor, selection, core and the kit read before anything connects."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum, auto

import attrs

from tickwire.model.channels import Channel
from tickwire.model.errors import PluginContractError
from tickwire.model.sequence import SequenceDecider, SequenceRule

__all__ = [
    "BookFeed", "BookStart", "By", "ChannelInfo", "Checksum", "Endpoint", "ExchangeInfo", "History", "Ids",
    "NoOptions", "RateLimit", "SequenceRule", "SinkInfo", "Stamp", "Support", "Tier",
]  # fmt: skip


class Tier(StrEnum):
    """Written for the exchange, or serving many through one library. A native claim beats a generic one."""

    NATIVE = auto()
    GENERIC = auto()


class Support(StrEnum):
    """``NO``: the exchange cannot. ``NOT_YET``: the plugin does not."""

    YES = auto()
    NO = auto()
    NOT_YET = auto()


class Stamp(StrEnum):
    """Whose clock ``ts_event`` is: the matching engine's, the publisher's, or nobody's."""

    ENGINE = auto()
    PUBLISHED = auto()
    NONE = auto()


class Ids(StrEnum):
    """What trade ids tell."""

    CONSECUTIVE = auto()
    INCREASING = auto()
    OPAQUE = auto()
    NONE = auto()


class By(StrEnum):
    """How history is asked for."""

    ID = auto()
    TIME = auto()
    PAGE = auto()
    LATEST = auto()


class BookStart(StrEnum):
    """Where the first snapshot comes from, hence how a resync is done.

    ``REST``: ``Routing.snapshot``; ``SOCKET``: unsubscribe and subscribe; ``EVERY_FRAME``: wait; ``SYNCED``: the
    transport does it.
    """

    REST = auto()
    SOCKET = auto()
    EVERY_FRAME = auto()
    SYNCED = auto()


@attrs.frozen
class History:
    """What past data REST gives: ``page`` rows a request, back to ``reach`` (``"all"``, ``"1000 rows"``, ``"7 d"``)."""

    by: By
    page: int
    reach: str = "all"


@attrs.frozen
class ChannelInfo:
    """One channel of an exchange.

    Attributes:
        support: Whether it can be subscribed to.
        socket: Key of ``ExchangeInfo.sockets``.
        ts_event: Whose clock its events carry.
        ids: What its ids tell.
        acknowledged: The exchange confirms a subscription; ``False``: first data confirms.
        history: What REST gives of its past.
        intervals: Names of the intervals it offers; empty: it has none.
        shares: The channel whose stream carries this one too: core asks for the stream once for both, and counts it
            once. That channel must be declared on the same socket and share nothing itself.
    """

    support: Support = Support.YES
    socket: str = "public"
    ts_event: Stamp = Stamp.ENGINE
    ids: Ids = Ids.NONE
    acknowledged: bool = True
    history: History | None = None
    intervals: tuple[str, ...] = ()
    shares: Channel | None = None


@attrs.frozen
class Checksum:
    """A digest over the best ``levels`` a side; ``needs_text``: over the wire's own digits, for decimal mode only."""

    levels: int
    needs_text: bool = False


@attrs.frozen
class BookFeed:
    """How the L2 book is started, counted and verified.

    Attributes:
        start: Where the first snapshot comes from.
        sequence: How deltas are numbered, or a decision of the plugin's own.
        windowed: Levels that leave the subscribed depth are not deleted on the wire: core truncates.
        depths: Depths that can be asked for; empty: any.
        checksum: The exchange's digest, where it has one.
    """

    start: BookStart
    sequence: SequenceRule | SequenceDecider
    windowed: bool = False
    depths: tuple[int, ...] = ()
    checksum: Checksum | None = None


@attrs.frozen
class Endpoint:
    """One kind of socket.

    Attributes:
        url: Where.
        max_streams: Streams one connection carries; core opens as many connections as needed.
        batch: Subscriptions in one frame.
        frames_per_second: Frames core may send.
        heartbeat: Seconds between ``Router.heartbeat`` calls; ``None``: protocol pings only.
        max_age: Seconds after which the exchange cuts it.
        login: Subscriptions wait for ``LoggedIn``.
    """

    url: str
    max_streams: int | None = None
    batch: int = 1
    frames_per_second: float | None = None
    heartbeat: float | None = None
    max_age: float | None = None
    login: bool = False


@attrs.frozen
class RateLimit:
    """At most ``weight`` in any window of ``seconds``."""

    weight: float
    seconds: float


@attrs.frozen
class NoOptions:
    """The options of a plugin that has none."""


@attrs.frozen
class ExchangeInfo:
    """All that is known of an exchange before connecting.

    Attributes:
        id: The exchange's id.
        tier: Native or generic.
        rest: Base URLs, primary first.
        sockets: Kinds of socket by name.
        channels: What can be subscribed to.
        limits: Budgets by name; ``Request.limit`` names one; opening a connection spends 1 of ``websocket``.
        book: How its L2 book works; needed if it offers ``L2_BOOK``.
        credentials: Names the user must set for private channels.
        options_type: An attrs class; the config's ``options:`` become one.
        docs_url: Where the exchange documents its API.
        simulator: ``"module:Class"`` of the dressed simulator.
    """

    id: str
    tier: Tier
    rest: tuple[str, ...]
    sockets: Mapping[str, Endpoint]
    channels: Mapping[Channel, ChannelInfo]
    limits: Mapping[str, RateLimit]
    book: BookFeed | None = None
    credentials: tuple[str, ...] = ()
    options_type: type = NoOptions
    docs_url: str = ""
    simulator: str | None = None

    def __attrs_post_init__(self) -> None:
        for channel, info in self.channels.items():
            if info.support is Support.YES and info.socket not in self.sockets:
                raise PluginContractError(
                    f"exchange {self.id!r}: channel {channel} names socket {info.socket!r}",
                    hint=f"declare it in sockets, or use one of {', '.join(map(repr, self.sockets))}",
                )
            carrier = self.channels.get(info.shares) if info.shares is not None else None
            if info.shares is not None and (
                carrier is None or carrier.shares is not None or carrier.socket != info.socket
            ):
                raise PluginContractError(
                    f"exchange {self.id!r}: channel {channel} shares the stream of {info.shares}",
                    hint=f"declare {info.shares} on socket {info.socket!r}, with a stream of its own",
                )
        if self.offers(Channel.L2_BOOK) and self.book is None:
            raise PluginContractError(f"exchange {self.id!r} offers l2_book without a BookFeed", hint="declare book=…")

    def offers(self, channel: Channel) -> bool:
        """Tell whether the channel can be subscribed to."""
        info = self.channels.get(channel)
        return info is not None and info.support is Support.YES

    def is_verified(self, channel: Channel, numbers: type = float) -> bool | None:
        """Tell whether it would be noticed that the exchange's numbers skip one of a channel's events.

        Trades by ids without holes; L2 books by a sequence in which each delta says what it follows, or by a checksum.

        Args:
            channel: One that is offered.
            numbers: ``float`` or ``Decimal``: a checksum of the wire's texts says nothing about floats.

        Returns:
            ``None`` where every event says everything, so that the next one makes good for a lost one.
        """
        if channel is Channel.TRADES:
            return self.channels[channel].ids is Ids.CONSECUTIVE
        if channel is not Channel.L2_BOOK or self.book is None or self.book.start is BookStart.EVERY_FRAME:
            return None
        checksum = self.book.checksum
        is_digested = checksum is not None and (not checksum.needs_text or numbers is Decimal)
        return is_digested or self.book.sequence not in (SequenceRule.INCREASING, SequenceRule.NONE)


@attrs.frozen
class SinkInfo:
    """One kind of sink.

    Attributes:
        type: The word in the config's ``type:``.
        options_type: An attrs class; the sink's other config keys become one.
        factory: ``"module:callable"``, imported when a config uses the sink; called with the options, gives a
            ``Sink``.
        summary: One line for ``tickwire plugins``.
    """

    type: str
    options_type: builtins.type
    factory: str
    summary: str = ""
