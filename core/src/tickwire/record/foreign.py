"""What other software recorded was asked otherwise than tickwire asks: a replay must not insist."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from tickwire.model.channels import Subscription
from tickwire.plugin.protocols import Confirmed, ConnectionInfo, Control, Frame, Router, Routing, Send
from tickwire.record.taped import RequestKey

__all__ = ["FOREIGN", "ConfirmingRouting", "roughly"]

FOREIGN = "cryptofeed"
"""The version that such a capture claims to be of."""

_HOW_MUCH = frozenset({"limit", "depth", "count", "size"})


def roughly(key: RequestKey) -> RequestKey:
    """Give what makes two requests about the same: how much was asked for does not matter."""
    method, path, query = key
    about = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name not in _HOW_MUCH]
    return method, path, urlencode(about)


class ConfirmingRouting:
    """A plugin's routing whose routers hold for confirmed whatever is subscribed to: it was, by others."""

    def __init__(self, inner: Routing[Any]) -> None:
        """Stand in front of ``inner``."""
        self._inner = inner

    def router(self, connection: ConnectionInfo) -> Router[Any]:
        """Make the router of a new connection."""
        return _ConfirmingRouter(self._inner.router(connection))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _ConfirmingRouter:
    def __init__(self, inner: Router[Any]) -> None:
        self._inner = inner
        self._asked: list[Subscription] = []

    def opened(self) -> Iterable[Control]:
        """Say what to send first."""
        return self._inner.opened()

    def subscribe(self, subscriptions: Sequence[Subscription]) -> Iterable[Send[Any]]:
        """Ask for these, and confirm them with the next frame."""
        for send in self._inner.subscribe(subscriptions):
            self._asked += send.subscriptions
            yield send

    def unsubscribe(self, subscriptions: Sequence[Subscription]) -> Iterable[Send[Any]]:
        """Ask for these no longer."""
        return self._inner.unsubscribe(subscriptions)

    def heartbeat(self, now: int) -> Iterable[Send[Any]]:
        """Say what keeps the connection alive."""
        return self._inner.heartbeat(now)

    def route(self, frame: Frame[Any]) -> Iterable[Any]:
        """Read one frame."""
        if not self._asked:
            return self._inner.route(frame)
        asked, self._asked = tuple(self._asked), []
        return [Confirmed(asked), *self._inner.route(frame)]
