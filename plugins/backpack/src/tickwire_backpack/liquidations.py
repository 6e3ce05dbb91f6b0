"""What the stream of liquidations is called: ``liquidation.<symbol>``, or ``liquidation`` for all markets together.

The documents of 2026-09 and two clients have the first, older documents the second; nobody recorded a frame. So each
symbol's stream is asked for by a frame of its own, and when the exchange calls one invalid (4006, which names no
stream, but no other stream of ours is in doubt), the bare name is tried once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tickwire import Subscription
from tickwire.plugin import Control, Refused, Unknown

__all__ = ["LiquidationStreams"]


class LiquidationStreams:
    """One connection's streams of liquidations.

    Attributes:
        is_bare: The name without a symbol is in use.
        natives: The markets whose liquidations are wanted.
    """

    def __init__(self) -> None:
        """Begin with the name that has a symbol."""
        self.is_bare = False
        self.natives: dict[str, Subscription] = {}
        self._unanswered = 0

    def asked(self, subscriptions: Iterable[Subscription]) -> Sequence[Subscription]:
        """Note that these are wanted; give those that a frame is needed for."""
        fresh = [one for one in subscriptions if _native(one) not in self.natives]
        is_known = self.is_bare and bool(self.natives)
        self.natives |= {_native(one): one for one in fresh}
        if self.is_bare:
            return () if is_known else fresh[:1]
        self._unanswered += len(fresh)
        return fresh

    def left(self, subscriptions: Iterable[Subscription]) -> Sequence[Subscription]:
        """Note that these are wanted no longer; give those that a frame is needed for."""
        gone = [one for one in subscriptions if self.natives.pop(_native(one), None) is not None]
        if self.is_bare:
            return () if self.natives else gone[:1]
        return gone

    def refused(self, reason: str) -> tuple[Iterable[Control], Sequence[Subscription]]:
        """Take in that a stream is invalid: fall back to the bare name, or give up where that was it.

        Returns:
            What to tell the feed, and the subscription to ask for again under its new name, if any.
        """
        wanted = tuple(self.natives.values())
        if not self.is_bare:
            self.is_bare = True
            self._unanswered -= 1
            return (), wanted[:1]
        if self._unanswered > 0:
            # the same complaint about the next symbol, asked for before the first came back
            self._unanswered -= 1
            return (Unknown(f"error 4006 {reason}"),), ()
        self.natives.clear()
        return (Refused(wanted, f"4006 {reason}, with and without a symbol"),), ()


def _native(subscription: Subscription) -> str:
    return subscription.instrument.native if subscription.instrument is not None else ""
