"""What a spare connection brings, and how far it has caught up: trades and deltas by number, nothing else is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tickwire.feed.listener import BySymbol
from tickwire.feed.merging import Tail
from tickwire.feed.streams import Stream
from tickwire.feed.table import StreamTable
from tickwire.model.channels import Channel, Subscription
from tickwire.model.clock import Nanos
from tickwire.model.events import BookDelta, Candle, Trade

__all__ = ["SpareTable"]

_MERGED: Mapping[Channel, type] = {Channel.TRADES: Trade, Channel.L2_BOOK: BookDelta}


class SpareTable:
    """Takes the market events of one spare connection, from its opening until it ends or takes over.

    Attributes:
        market: What takes them, by class and symbol; the same classes as the primary's.
    """

    def __init__(self, streams: StreamTable, leg: int) -> None:
        """Begin without any.

        Args:
            streams: The feed's.
            leg: Tells this connection from any other of the feed.
        """
        self._streams = streams
        self._leg = leg
        self._seen: dict[Stream, None] = {}
        self._takers = {kind: BySymbol(self._take) for kind in streams.market}
        self.market: Mapping[type, Mapping[str, Callable[[Any], None]]] = self._takers

    def _take(self, event: Any) -> None:
        stream = self._streams.of_event(event)
        if stream is None:
            return
        self._seen[stream] = None
        merge = stream.join() if _MERGED.get(stream.subscription.channel) is type(event) else None
        if merge is not None:
            self._takers[type(event)][event.symbol] = partial(merge.offer, self._leg)
            merge.offer(self._leg, event)
        elif not isinstance(event, Candle):  # those of one symbol are of several streams
            self._takers[type(event)][event.symbol] = _leave

    def forget(self, subscription: Subscription) -> None:
        """Take nothing more of a stream that is removed."""
        for takers in self._takers.values():
            takers.pop(subscription.symbol or "", None)
        self._seen = {stream: None for stream in self._seen if stream.subscription != subscription}

    def has_seen(self, stream: Stream) -> bool:
        """Tell whether something of it came."""
        return stream in self._seen

    def overlaps(self, stream: Stream) -> bool:
        """Tell whether nothing lies between what was let through and what comes here."""
        merge = stream.join()
        return self.has_seen(stream) if merge is None else merge.overlaps(self._leg)

    def take_over(self, stream: Stream) -> bool:
        """Let its events of here on be the stream's.

        Returns:
            Whether the stream goes on without a hole that nothing tells of.
        """
        merge = stream.join()
        if merge is None or (isinstance(merge, Tail) and not self.has_seen(stream)):
            return False
        return merge.take_over(self._leg)

    def let_go(self, until: Nanos) -> None:
        """Wait no longer for what is missing before events that came by ``until``."""
        for stream in list(self._seen):
            if stream.merge is not None:
                stream.merge.let_go(until)

    def close(self) -> None:
        """Let nobody wait for this connection."""
        for stream in self._seen:
            if stream.merge is not None:
                stream.merge.drop(self._leg)
        self._seen = {}


def _leave(event: Any) -> None:
    # nothing tells whether the primary has brought it
    pass
