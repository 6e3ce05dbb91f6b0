"""What a dress sees of the simulated market: trades, books, the market for REST and one client for the socket.

A *dress* puts the simulated market into an exchange's wire format. Timing, connections and ground truth are not its
business. Beside ``Dress`` a dress may have the abilities of ``tickwire.simulation.abilities``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import attrs

from tickwire.model.account import OrderStatus
from tickwire.model.channels import Channel
from tickwire.model.clock import Nanos
from tickwire.model.instruments import Instrument
from tickwire.plugin.protocols import Request
from tickwire.simulation.figures import SimCandle, SimMark, SimOpenInterest, SimTicker

__all__ = ["Dress", "SimBook", "SimClient", "SimLevels", "SimMarket", "SimOrder", "SimReply", "SimTrade"]

SimLevels: TypeAlias = Sequence[tuple[str, str]]
"""(price, size) texts, best first; as many decimals as tick and lot have."""


@attrs.frozen
class SimTrade:
    """One match.

    Attributes:
        number: Consecutive per instrument.
        price: Exact text, padded to the tick.
        size: Exact text, padded to the lot.
        buyer_is_taker: The buyer crossed the spread.
        ts: Engine time, ns.
        buyer_order: Number of the buyer's order.
        seller_order: Number of the seller's order.
    """

    instrument: Instrument
    number: int
    price: str
    size: str
    buyer_is_taker: bool
    ts: Nanos
    buyer_order: int = 0
    seller_order: int = 0

    @property
    def is_liquidation(self) -> bool:
        """Whether the taker was being liquidated: one trade in fifty is, so that there is something to see."""
        return self.number % 50 == 0


@attrs.frozen
class SimBook:
    """A change (``previous`` is set) or the whole book (``previous`` is ``None``); prices and sizes are exact texts.

    Attributes:
        previous: Sequence before this change. A change covers ``previous + 1`` … ``sequence``: one number, or more
            where a topic was joined with an interval.
        sequence: State after.
        ts: Engine time, ns.
        bids: Best first. Of a change: the new sizes, zero (``"0.00"``) removes the level.
        asks: Likewise.
    """

    instrument: Instrument
    previous: int | None
    sequence: int
    ts: Nanos
    bids: SimLevels
    asks: SimLevels


@attrs.frozen
class SimOrder:
    """An order of the account as it is now.

    Attributes:
        number: Of the order.
        is_buy: It buys.
        price: Its limit, exact text.
        size: All of it, exact text; smaller after the account reduced it.
        filled: The part that has traded, exact text.
        status: ``NEW``, ``PARTIALLY_FILLED``, ``FILLED`` or ``CANCELLED``.
        ts: Engine time of this change, ns.
    """

    instrument: Instrument
    number: int
    is_buy: bool
    price: str
    size: str
    filled: str
    status: OrderStatus
    ts: Nanos


@attrs.frozen
class SimReply:
    """An HTTP answer that is not plain JSON with status 200.

    Attributes:
        status: The HTTP status.
        body: ``str`` is sent as text and ``bytes`` as they are; anything else is encoded as JSON.
        content_type: Overrides what follows from the kind of body.
    """

    status: int = 200
    body: object = b""
    content_type: str | None = None


class SimMarket(Protocol):
    """The market as REST sees it. An unknown native symbol raises ``UnknownNativeError``, answered with 404."""

    instruments: Sequence[Instrument]

    def trades(self, native: str, after: int, limit: int) -> Sequence[SimTrade]:
        """Give the first ``limit`` trades numbered above ``after``, oldest first, as far back as they are kept."""
        ...

    def latest(self, native: str, limit: int, offset: int = 0) -> Sequence[SimTrade]:
        """Give ``limit`` trades, newest first, without the newest ``offset``."""
        ...

    def book(self, native: str, depth: int) -> SimBook:
        """Give the best ``depth`` levels of both sides as they are now."""
        ...

    def now(self) -> Nanos:
        """Give the exchange's time."""
        ...

    def ticker(self, native: str) -> SimTicker:
        """Sum up the trades so far."""
        ...

    def candles(self, native: str, bucket: str, start: Nanos, end: Nanos, limit: int) -> Sequence[SimCandle]:
        """Give the first ``limit`` closed candles that begin in the bucket of ``start`` or later, before ``end``.

        There are none from before the market opened.
        """
        ...

    def mark(self, native: str) -> SimMark:
        """Give mark and index price as they are now."""
        ...

    def open_interest(self, native: str) -> SimOpenInterest:
        """Give what is held open now."""
        ...


class SimClient(Protocol):
    """One WebSocket connection."""

    def send(self, message: object) -> None:
        """Queue a message: ``bytes`` as they are, ``str`` as text, anything else as JSON."""
        ...

    def join(
        self,
        topic: str,
        channel: Channel,
        native: str,
        interval: float = 0,
        bucket: str = "",
        *,
        depth: int = 0,
        snapshot: bool = True,
    ) -> bool:
        """Send this client all messages of a channel of one instrument, from the next one on.

        The whole book is queued behind the answer first, unless the dress says ``snapshot_on_join = False``; so are the
        last trades, where the dress has ``recent``.

        Args:
            topic: The exchange's name of the stream; joining twice changes nothing.
            channel: ``TRADES``, ``L2_BOOK``, or one that the dress has the ability for.
            native: Native symbol.
            interval: Seconds. Of a book without ``depth``: above zero the changes of that time come merged into one. Of
                ticker, mark price and open interest: how often they come. Of candles: how often the open one comes, if
                it changed.
            bucket: Length of candles by name, e.g. ``1m``.
            depth: Of a book: only its best levels a side are told. A level that others push out of this window is not,
                one that comes into it is. Zero: all.
            snapshot: Send what belongs first.

        Returns:
            ``False`` for an unknown or closed instrument.
        """
        ...

    def leave(self, topic: str) -> None:
        """Send no more of that topic; one that was not joined is ignored."""
        ...


class Dress(Protocol):
    """The wire format of the simulated exchange."""

    def rest(self, request: Request, market: SimMarket) -> object:
        """Answer an HTTP request: an object for JSON, a ``str`` for text, or a ``SimReply``.

        Parameters are texts; where one may be repeated, ``request.params.getall(name)`` has them all.
        """
        ...

    def received(self, payload: bytes, client: SimClient) -> None:
        """Understand one frame of a client."""
        ...

    def trade(self, trade: SimTrade) -> object:
        """Put a trade into words: an object for JSON."""
        ...

    def book(self, change: SimBook, whole: SimBook) -> object:
        """Put a change into words, or the whole book where ``change`` is ``whole``.

        ``whole`` reads the live book: take from it what is needed before returning.
        """
        ...
