"""What a feed says about itself while it runs, in one hand: watermarks, watchdog, dropped frames, figures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from tickwire.feed.carriers import Carrier
from tickwire.feed.connection import FeedConnection
from tickwire.feed.quality_metrics import QualityMetrics
from tickwire.feed.requests import Requests
from tickwire.feed.silence import SilenceSettings
from tickwire.feed.silence_probe import SilenceProbe
from tickwire.feed.streams import Stream
from tickwire.feed.table import StreamTable
from tickwire.feed.watchdog import Watchdog
from tickwire.feed.watermarks import Watermarks
from tickwire.model.channels import Subscription
from tickwire.model.clock import Clock
from tickwire.model.health import Health
from tickwire.model.metrics import Metrics
from tickwire.plugin.assembly import Wiring

__all__ = ["FeedWatch"]


class FeedWatch:
    """Looks after one feed.

    Attributes:
        figures: Takes the quality events that are emitted.
        watermarks: Says up to when each stream is complete.
        watchdog: Notices what has fallen silent.
    """

    def __init__(
        self,
        wiring: Wiring,
        requests: Requests,
        clock: Clock,
        metrics: Metrics,
        health: Health,
        streams: StreamTable,
        connections: Callable[[], Sequence[FeedConnection]],
        carrier: Callable[[Subscription], Carrier | None],
        is_listening: Callable[[], bool],
        silence: SilenceSettings,
    ) -> None:
        """Make them for a feed.

        Args:
            wiring: The feed's strategies.
            requests: All its REST.
            clock: Tells the time.
            metrics: Where the figures are.
            health: Is told what is wrong.
            streams: Its streams.
            connections: Gives its connections.
            carrier: Gives what carries a subscription.
            is_listening: Whether the sockets are read.
            silence: When silence is looked into.
        """
        self._clock = clock
        self._connections = connections
        self.figures = QualityMetrics(metrics, wiring.info, clock, streams.streams, connections)
        self.watermarks = Watermarks(clock, streams.streams, carrier)
        probe = SilenceProbe(wiring, requests, clock)
        self.watchdog = Watchdog(wiring.info, clock, probe, health, streams.streams, carrier, is_listening, silence)

    async def run(self) -> None:
        """Look after it, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.watermarks.run(), name="watermarks")
            tasks.create_task(self.watchdog.run(), name="watchdog")
            while True:
                await self._clock.sleep(1.0)
                for connection in self._connections():
                    connection.announce()

    def added(self, stream: Stream) -> None:
        """Begin with a stream."""
        self.figures.added(stream.subscription.channel)

    def ending(self, stream: Stream) -> None:
        """Say up to when a stream is complete, before its coverage ends."""
        self.watermarks.last(stream)
