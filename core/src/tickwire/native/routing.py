"""What most exchanges answer alike, so that a plugin writes only what is its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tickwire.model.channels import Subscription
from tickwire.model.errors import PluginContractError
from tickwire.model.events import BookSnapshot
from tickwire.model.instruments import Instrument
from tickwire.model.quality import Event
from tickwire.plugin.info import ExchangeInfo
from tickwire.plugin.protocols import BookView, ConnectionInfo, Fetch, Hole, Located, Router

__all__ = ["NativeRouting"]


class NativeRouting:
    """Defaults of ``Routing``: the declared socket, the configured URL, no REST.

    Class attributes:
        info: The exchange's declaration.
    """

    info: ClassVar[ExchangeInfo]

    def endpoint(self, subscription: Subscription) -> str:
        """Name the socket the channel's declaration names."""
        return self.info.channels[subscription.channel].socket

    def locate(self, endpoint: str, url: str) -> Fetch[Located]:
        """Connect to the configured URL."""
        return Located(url)
        yield  # a generator, like every conversation

    def router(self, connection: ConnectionInfo) -> Router:
        """Make the router of a new connection; override it."""
        raise self._missing("router")

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
