"""What a connection asks for, and which of it the exchange has answered: half of every router, free of frames."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import ClassVar

import msgspec

from tickwire.model.channels import Channel, Subscription
from tickwire.model.clock import Nanos
from tickwire.model.errors import PluginContractError
from tickwire.plugin.protocols import Confirmed, Control, Refused, Send

__all__ = ["Subscribing"]


class Subscribing:
    """Names streams, makes the requests for them, and turns answers into controls.

    Class attributes:
        stream_names: What the exchange calls the stream of each channel, e.g. ``{Channel.TRADES: "trade.{native}"}``.
            Filled in are ``{native}`` (``*`` for a subscription without instrument), ``{native_lower}``,
            ``{interval}`` and ``{depth}``.
        default_interval: Fills ``{interval}`` where a subscription names none.
        default_depth: Fills ``{depth}`` where a subscription names none.
        ping_message: What ``heartbeat`` sends every ``Endpoint.heartbeat`` seconds; ``None``: protocol pings do.

    Attributes:
        book_depths: By native symbol, the depth that this connection last asked for a book in.
    """

    stream_names: ClassVar[Mapping[Channel, str]] = {}
    default_interval: ClassVar[str | None] = None
    default_depth: ClassVar[int | None] = None
    ping_message: ClassVar[bytes | None] = None

    def __init__(self) -> None:
        """Begin with nothing asked for."""
        self.book_depths: dict[str, int | None] = {}
        self._number = 0
        self._asked: dict[int, tuple[bool, tuple[Subscription, ...]]] = {}

    def stream(self, subscription: Subscription) -> str:
        """Give the exchange's name of what is subscribed to, by ``stream_names``; override it where that cannot say it.

        Raises:
            PluginContractError: The channel is not in ``stream_names``, or its name there has another field.
        """
        name = self.stream_names.get(subscription.channel)
        if name is None:
            raise PluginContractError(
                f"{type(self).__name__} cannot subscribe to {subscription}",
                hint=f"name {subscription.channel} in stream_names or override stream(), and override request()",
            )
        native = _native(subscription)
        fields = {
            "native": native,
            "native_lower": native.lower(),
            "interval": subscription.interval or self.default_interval,
            "depth": subscription.depth or self.default_depth,
        }
        try:
            return name.format_map(fields)
        except (LookupError, ValueError) as error:
            raise PluginContractError(
                f"{type(self).__name__} names the stream of {subscription.channel} {name!r}",
                hint=f"use {', '.join(f'{{{field}}}' for field in fields)} only, or override stream()",
            ) from error

    def request(self, add: bool, streams: Sequence[str], number: int) -> object:
        """Give the JSON message that (un)subscribes; override it. ``number`` counts this connection's requests."""
        raise PluginContractError(
            f"{type(self).__name__} cannot subscribe to {', '.join(streams)}", hint="override request()"
        )

    def group(self, subscription: Subscription) -> str:
        """Name what all subscriptions in one frame share; override it where a frame has one channel, many symbols."""
        return ""

    def subscribe(self, subscriptions: Sequence[Subscription]) -> Iterable[Send]:
        """Ask for these, in one frame for each group."""
        return [self._ask(True, group) for group in self._grouped(subscriptions)]

    def unsubscribe(self, subscriptions: Sequence[Subscription]) -> Iterable[Send]:
        """Ask for these no longer, in one frame for each group."""
        return [self._ask(False, group) for group in self._grouped(subscriptions)]

    def _grouped(self, subscriptions: Sequence[Subscription]) -> Iterable[tuple[Subscription, ...]]:
        groups: dict[str, list[Subscription]] = {}
        for one in subscriptions:
            groups.setdefault(self.group(one), []).append(one)
        return map(tuple, groups.values())

    def _ask(self, add: bool, subscriptions: tuple[Subscription, ...]) -> Send:
        if add:
            books = [one for one in subscriptions if one.channel is Channel.L2_BOOK]
            self.book_depths |= {_native(one): one.depth or self.default_depth for one in books}
        else:
            # an answer that is still under way to an earlier request must not confirm what is left by now
            for number, (was_added, earlier) in self._asked.items():
                self._asked[number] = was_added, tuple(one for one in earlier if one not in subscriptions)
        self._number += 1
        self._asked[self._number] = (add, subscriptions)
        streams = list(dict.fromkeys(self.stream(subscription) for subscription in subscriptions))
        return Send(msgspec.json.encode(self.request(add, streams, self._number)), subscriptions if add else ())

    def answered(
        self, number: int, refused: Mapping[str, str] | str, streams: Collection[str] | None = None
    ) -> Sequence[Control]:
        """Turn the exchange's acknowledgement of request ``number`` into controls.

        Args:
            number: What ``request`` was given; unknown numbers give nothing.
            refused: Reasons by stream; every other stream of the request is confirmed. A text: the exchange refuses
                the whole request, for that reason, and does not say for which stream. Then both halves are asked for
                again, and their halves, until the one to blame is alone and is ``Refused``.
            streams: What this answer is about, where each stream of a request is answered by itself; ``None``: all
                that the request asked for.
        """
        add, asked = self._asked.pop(number, (False, ()))
        subscriptions = tuple(one for one in asked if streams is None or self.stream(one) in streams)
        if len(subscriptions) < len(asked):
            self._asked[number] = add, tuple(one for one in asked if one not in subscriptions)
        if not add or not subscriptions:
            return ()
        if isinstance(refused, str):
            middle = len(subscriptions) // 2
            halves = (subscriptions[:middle], subscriptions[middle:])
            return [self._ask(True, half) for half in halves] if middle else (Refused(subscriptions, refused),)
        controls: list[Control] = []
        confirmed = tuple(one for one in subscriptions if self.stream(one) not in refused)
        if confirmed:
            controls.append(Confirmed(confirmed))
        for one in subscriptions:
            reason = refused.get(self.stream(one))
            if reason is not None:
                controls.append(Refused((one,), reason))
        return controls

    def answered_for(self, number: int | None, native: str | None, reason: str | None = None) -> Sequence[Control]:
        """Turn the exchange's answer about one instrument of request ``number`` into controls.

        Args:
            number: What ``request`` was given; ``None`` and unknown numbers give nothing.
            native: The instrument's native symbol; ``None``: the answer is about all that the request asked for.
            reason: Why it is refused; ``None``: it is confirmed.
        """
        if number is None:
            return ()
        _, asked = self._asked.get(number, (False, ()))
        about = [self.stream(one) for one in asked if native is None or _native(one) == native]
        return self.answered(number, {} if reason is None else dict.fromkeys(about, reason), about)

    def answered_streams(
        self, confirmed: Collection[str], refused: Mapping[str, str] | None = None
    ) -> Sequence[Control]:
        """Turn an acknowledgement that names streams, and no request, into controls.

        Args:
            confirmed: Streams that are subscribed to now; those that were not asked for, or answered before, give
                nothing.
            refused: Reasons by stream.
        """
        refused = refused or {}
        named = {*confirmed, *refused}
        found: list[Subscription] = []
        for number, (add, asked) in list(self._asked.items()):
            left = tuple(one for one in asked if self.stream(one) not in named)
            found += (one for one in asked if add and self.stream(one) in named)
            self._asked[number] = (add, left)
            if not left:
                del self._asked[number]
        taken = tuple(one for one in found if self.stream(one) not in refused)
        others = [(one, refused[self.stream(one)]) for one in found if self.stream(one) in refused]
        return [*((Confirmed(taken),) if taken else ()), *(Refused((one,), reason) for one, reason in others)]

    # what most exchanges do not need
    def opened(self) -> Iterable[Control]:
        """Say nothing first."""
        return ()

    def heartbeat(self, now: Nanos) -> Iterable[Send]:
        """Send ``ping_message``, or rely on protocol pings where there is none."""
        return () if self.ping_message is None else (Send(self.ping_message),)


def _native(subscription: Subscription) -> str:
    return subscription.instrument.native if subscription.instrument is not None else "*"
