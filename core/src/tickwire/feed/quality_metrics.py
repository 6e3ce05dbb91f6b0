"""Figures of what became of the data: counted from quality events, read from the streams when somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from tickwire.feed.books import BookStream
from tickwire.feed.streams import Stream
from tickwire.model.channels import Channel
from tickwire.model.clock import Clock, Nanos
from tickwire.model.metrics import Metrics
from tickwire.model.quality import Backfilled, Gap, QualityEvent, Reconnected, Resynced
from tickwire.plugin.info import ExchangeInfo, Stamp

__all__ = ["QualityMetrics", "reason_word"]

_REMEMBERED = 10_000
_WORDS = (
    ("watchdog", "watchdog"),
    ("rotat", "rotation"),
    ("no answer to a ping", "unanswered"),
    ("login", "login"),
    ("cannot reach", "unreachable"),
    ("1000", "closed"),
    ("1001", "closed"),
    ("1006", "lost"),
    ("1009", "overflow"),
    ("1012", "restart"),
)


class _Connection(Protocol):
    is_open: bool


class QualityMetrics:
    """Follows the quality events of one feed."""

    def __init__(
        self,
        metrics: Metrics,
        info: ExchangeInfo,
        clock: Clock,
        streams: Callable[[], Iterable[Stream]],
        connections: Callable[[], Iterable[_Connection]],
    ) -> None:
        """Make them for a feed.

        Args:
            metrics: Where the figures are.
            info: The exchange.
            clock: Tells how old things are.
            streams: Gives all streams.
            connections: Gives all connections.
        """
        self._metrics = metrics
        self._info = info
        self._clock = clock
        self._streams = streams
        self._seen: dict[str, None] = {}
        self._channels: set[Channel] = set()
        metrics.watch("connections_open", lambda: float(sum(one.is_open for one in connections())), exchange=info.id)

    def added(self, channel: Channel) -> None:
        """Show the figures of a channel that is subscribed to."""
        if channel in self._channels:
            return
        self._channels.add(channel)
        readings: dict[str, Callable[[list[Stream]], float]] = {
            "gaps_open": lambda streams: sum(stream.gap is not None for stream in streams),
            "last_event_age_seconds": self._event_age,
            "watermark_age_seconds": self._watermark_age,
        }
        if self._info.is_verified(channel) is not None:
            readings["is_verified"] = lambda streams: bool(streams) and all(one.is_verified for one in streams)
        if channel is Channel.L2_BOOK:
            readings["books_total"] = len
            readings["books_synced"] = lambda streams: sum(
                isinstance(stream, BookStream) and stream.book.is_synced for stream in streams
            )
        if self._info.channels[channel].ts_event is Stamp.ENGINE and channel in (Channel.TRADES, Channel.L2_BOOK):
            readings["latency_seconds"] = _latency
        for name, read in readings.items():
            self._metrics.watch(name, partial(self._read, read, channel), **self._labels(channel))

    def follow(self, event: QualityEvent) -> None:
        """Count one event."""
        labels = self._labels(event.channel)
        if isinstance(event, Gap):
            self._gap(event, labels)
        elif isinstance(event, Resynced):
            self._metrics.gauge("resync_seconds", **labels).value = event.ts_down / 1e9
        elif isinstance(event, Backfilled):
            self._metrics.counter("backfilled_trades_total", **labels).add(event.count)
        elif isinstance(event, Reconnected):
            word = reason_word(event.reason)
            self._metrics.counter("reconnects_total", exchange=self._info.id, reason=word).add()

    def _gap(self, gap: Gap, labels: dict[str, str]) -> None:
        # a later Gap of the same name tells more of the same hole
        if gap.gap_id in self._seen:
            return
        self._metrics.counter("gaps_total", cause=gap.cause.value, **labels).add()
        self._seen[gap.gap_id] = None
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def _labels(self, channel: Channel | None) -> dict[str, str]:
        return {"exchange": self._info.id} | ({} if channel is None else {"channel": channel.value})

    def _read(self, read: Callable[[list[Stream]], float], channel: Channel) -> float:
        return float(read([stream for stream in self._streams() if stream.subscription.channel is channel]))

    def _event_age(self, streams: list[Stream]) -> float:
        # of the channel's newest event: that of each instrument would say how quiet markets are
        return self._age(max((stream.ts_last for stream in streams if stream.ts_last is not None), default=None))

    def _watermark_age(self, streams: list[Stream]) -> float:
        # the worst one is what to be woken for
        marks = (stream.ts_until or stream.ts_since for stream in streams if stream.ts_since is not None)
        return self._age(min((mark for mark in marks if mark), default=None))

    def _age(self, moment: Nanos | None) -> float:
        return 0.0 if moment is None else (self._clock.now() - moment) / 1e9


def _latency(streams: list[Stream]) -> float:
    newest = max(streams, key=lambda stream: stream.ts_last or 0, default=None)
    latency = newest.latency if newest is not None else None
    return 0.0 if latency is None else latency / 1e9


def reason_word(reason: str) -> str:
    """Sum up why a connection ended in one of a few words, since each word is a time series."""
    return next((word for part, word in _WORDS if part in reason), "other")
