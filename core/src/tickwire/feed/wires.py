"""Which subscriptions ride on one stream of the wire: an exchange may send two channels' data in one.

Streams are what an exchange counts and what is asked for; subscriptions are what a user counts. A stream is asked for
when its first rider comes and left when its last one goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from tickwire.model.channels import Subscription
from tickwire.plugin.info import ExchangeInfo

__all__ = ["Wires", "wire_of"]


def wire_of(info: ExchangeInfo, subscription: Subscription) -> Subscription:
    """Give the subscription that stands for the stream which carries this one: itself, or that of another channel."""
    declared = info.channels.get(subscription.channel)
    if declared is None or declared.shares is None:
        return subscription
    return attrs.evolve(subscription, channel=declared.shares)


class Wires:
    """The streams of one connection; its length is how many there are."""

    def __init__(self, info: ExchangeInfo) -> None:
        """Begin with none."""
        self._info = info
        self._riders: dict[Subscription, dict[Subscription, None]] = {}
        self._asked: set[Subscription] = set()
        self._confirmed: set[Subscription] = set()
        self._renewed: set[Subscription] = set()

    def __len__(self) -> int:
        return len(self._riders)

    def carries(self, subscription: Subscription) -> bool:
        """Tell whether the stream is here already, for this subscription or another."""
        return wire_of(self._info, subscription) in self._riders

    def add(self, subscription: Subscription) -> None:
        """Let a subscription ride."""
        self._riders.setdefault(wire_of(self._info, subscription), {})[subscription] = None

    def discard(self, subscription: Subscription) -> None:
        """Let a subscription ride no longer; one that does not is none."""
        wire = wire_of(self._info, subscription)
        riders = self._riders.get(wire, {})
        riders.pop(subscription, None)
        if not riders:
            self._riders.pop(wire, None)

    def opened(self) -> None:
        """Note that the connection is new: nothing was asked for on it."""
        self._asked.clear()
        self._confirmed.clear()
        self._renewed.clear()

    def renew(self, subscription: Subscription) -> None:
        """Note that its stream is to be left next and then asked for anew, whoever else rides on it."""
        self._renewed.add(wire_of(self._info, subscription))

    def to_ask(self, subscriptions: Iterable[Subscription]) -> list[Subscription]:
        """Give one of these for each stream that was not asked for yet, and note that it now is."""
        fresh = []
        for subscription in subscriptions:
            wire = wire_of(self._info, subscription)
            if wire not in self._asked:
                self._asked.add(wire)
                fresh.append(subscription)
        return fresh

    def to_leave(self, subscriptions: Iterable[Subscription]) -> list[Subscription]:
        """Give one of these for each stream that nobody else rides on or that is renewed, and note that it is left."""
        left = []
        for subscription in subscriptions:
            wire = wire_of(self._info, subscription)
            is_alone = not self._riders.get(wire, {}).keys() - {subscription}
            if wire in self._asked and (is_alone or wire in self._renewed):
                self._asked.discard(wire)
                self._renewed.discard(wire)
                self._confirmed.discard(wire)
                left.append(subscription)
        return left

    def confirmed(self, subscriptions: Iterable[Subscription]) -> None:
        """Note that the exchange acknowledged the streams of these."""
        self._confirmed |= {wire_of(self._info, subscription) for subscription in subscriptions}

    def refused(self, subscriptions: Iterable[Subscription]) -> None:
        """Note that the exchange does not send these: asking again is no repetition."""
        wires = {wire_of(self._info, subscription) for subscription in subscriptions}
        self._asked -= wires
        self._confirmed -= wires

    def already_confirmed(self, subscriptions: Iterable[Subscription]) -> list[Subscription]:
        """Give those of these whose streams were acknowledged before, for another rider."""
        return [one for one in subscriptions if wire_of(self._info, one) in self._confirmed]

    def sharing(self, subscriptions: Sequence[Subscription]) -> tuple[Subscription, ...]:
        """Give these and whatever else rides on their streams."""
        riders = (self._riders.get(wire_of(self._info, subscription), {}) for subscription in subscriptions)
        return tuple(dict.fromkeys([*subscriptions, *(rider for each in riders for rider in each)]))
