"""What a connection tells the feed it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from tickwire.model.channels import Subscription
from tickwire.model.clock import Nanos
from tickwire.model.quality import Event
from tickwire.plugin.protocols import Missed, Refused

__all__ = ["BySymbol", "Listener"]


class BySymbol(dict[str, Callable[[Any], None]]):
    """What takes the events of one class, by symbol; of any other symbol ``otherwise``."""

    def __init__(self, otherwise: Callable[[Any], None]) -> None:
        """Begin with ``otherwise`` for all."""
        super().__init__()
        self._otherwise = otherwise

    def __missing__(self, symbol: str) -> Callable[[Any], None]:
        return self._otherwise


class Listener(Protocol):
    """What a connection tells the feed."""

    @property
    def market(self) -> Mapping[type, Mapping[str, Callable[[Any], None]]]:
        """What takes the market events, by class and symbol: held, so that a frame costs no call to find out."""
        ...

    def on_quality(self, event: Event) -> None:
        """Take a quality event."""
        ...

    def asked(self, connection: str, subscriptions: Sequence[Subscription]) -> None:
        """Note that these were asked for."""
        ...

    def confirmed(self, subscriptions: Sequence[Subscription]) -> None:
        """Note that these were acknowledged."""
        ...

    def refused(self, refusal: Refused) -> None:
        """Note a refusal."""
        ...

    def missed(self, subscriptions: Iterable[Subscription], missing: int | None) -> None:
        """Note that the connection's own counter jumped."""
        ...

    def lost(self, loss: Missed) -> None:
        """Note what is missing of single subscriptions, as the plugin found."""
        ...

    def garbled(self, subscriptions: Iterable[Subscription], error: Exception) -> None:
        """Note that a frame could not be read, which may have been of any of these."""
        ...

    def unlisted(self) -> None:
        """Note that a frame named an instrument that is not loaded."""
        ...

    def disconnected(self, subscriptions: Iterable[Subscription], ts_good: Nanos, reason: str) -> None:
        """Note that the connection ended; until ``ts_good`` nothing is missing."""
        ...
