"""What most exchanges answer alike, so that a plugin writes only what is its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, TypeVar

from tickwire.model.channels import Subscription
from tickwire.model.clock import Nanos
from tickwire.model.errors import PluginContractError
from tickwire.model.events import BookSnapshot
from tickwire.model.instruments import Instrument, Instruments
from tickwire.model.quality import Event
from tickwire.native.decimals import decoder_for
from tickwire.plugin.info import ExchangeInfo
from tickwire.plugin.protocols import BookView, ConnectionInfo, Fetch, Hole, Located, Request, Response, Router, Signer

if TYPE_CHECKING:
    from tickwire.native.router import NativeMessageRouter

__all__ = ["NativeRouting", "instrument_of"]

T = TypeVar("T")


class NativeRouting:
    """Defaults of ``Routing``: the declared socket, the configured URL, no REST.

    Class attributes:
        info: The exchange's declaration.
        router_type: What ``router`` makes; it is given the instruments, and by name the feed's ``metrics``,
            ``numbers``, ``signer``, and as ``socket`` the name of the connection's kind.

    Attributes:
        instruments: Live view of all that is listed.
        numbers: ``float`` or ``Decimal``.
        signer: What signs, where the user has set credentials.
    """

    info: ClassVar[ExchangeInfo]
    router_type: ClassVar[type[NativeMessageRouter] | None] = None

    def __init__(
        self, instruments: Instruments | None = None, numbers: type = float, signer: Signer | None = None
    ) -> None:
        """Hold what ``tickwire_routing`` was given; a subclass that needs none of it need not call this."""
        self.instruments = instruments if instruments is not None else Instruments()
        self.numbers = numbers
        self.signer = signer

    def endpoint(self, subscription: Subscription) -> str:
        """Name the socket the channel's declaration names."""
        return self.info.channels[subscription.channel].socket

    def locate(self, endpoint: str, url: str) -> Fetch[Located]:
        """Connect to the configured URL."""
        return Located(url)
        yield  # a generator, like every conversation

    def router(self, connection: ConnectionInfo) -> Router:
        """Make the router of a new connection; override it where ``router_type`` takes more than it is given."""
        if self.router_type is None:
            raise self._missing("router")
        return self.router_type(
            self.instruments,
            metrics=connection.metrics,
            numbers=self.numbers,
            signer=self.signer,
            socket=connection.endpoint,
        )

    def get(
        self,
        type: type[T],
        path: str,
        params: Mapping[str, str | int] | None = None,
        *,
        weight: float = 1,
        limit: str = "default",
    ) -> Fetch[tuple[T, Nanos]]:
        """Ask by ``GET`` and read the answer: ``book, ts_recv = yield from self.get(Book, "/book", {"id": "BTC"})``.

        Args:
            type: A wire type, written with floats; it is read in the feed's number type.
            path: Under the exchange's base URL, beginning with ``/``.
            params: The query.
            weight: Spent from ``ExchangeInfo.limits[limit]``.
            limit: Name of the budget.

        Returns:
            The answer, and when it was complete.

        Raises:
            msgspec.DecodeError: It is not of that type; core turns it into our ``DecodeError`` naming the request.
        """
        reply = yield Request("GET", path, params or {}, weight=weight, limit=limit)
        answer: T = decoder_for(type, self.numbers).decode(self.result(reply))
        return answer, reply.ts_recv

    def result(self, reply: Response) -> bytes:
        """Give the JSON that ``get`` reads: all of an answer.

        Override it where the result stands inside an envelope, and raise there what an error in spite of status 200
        means: ``RateLimitedError``, ``ExchangeUnavailableError``, ``RequestRejectedError``.
        """
        return reply.body

    def snapshot(self, subscription: Subscription) -> Fetch[BookSnapshot]:
        """Fetch a book; needed where the declaration says ``BookStart.REST``."""
        raise self._missing("snapshot")

    def history(self, hole: Hole) -> Fetch[Sequence[Event]]:
        """Fetch a page of history; needed where the declaration names one."""
        raise self._missing("history")

    def checksum(self, book: BookView, instrument: Instrument) -> int:
        """Digest a book; needed where the declaration names a checksum."""
        raise self._missing("checksum")

    def _missing(self, method: str) -> PluginContractError:
        return PluginContractError(
            f"{type(self).__name__} of {self.info.id!r} has no {method}(), which its declaration needs",
            hint=f"write {method}() in the plugin's routing, or change its ExchangeInfo",
        )


def instrument_of(subscription: Subscription) -> Instrument:
    """Give the instrument of a subscription that must have one.

    Raises:
        PluginContractError: It is for a whole connection, which has no book and no history.
    """
    if subscription.instrument is None:
        raise PluginContractError(
            f"{subscription} names no instrument", hint="ask this only of subscriptions to one instrument"
        )
    return subscription.instrument
