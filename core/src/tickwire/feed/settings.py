"""What one feed is to do."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum, auto

import attrs

from tickwire.feed.backoff import BackoffPolicy
from tickwire.feed.listing import ListingSettings
from tickwire.feed.marks import Marks, NoMarks
from tickwire.feed.silence import SilenceSettings
from tickwire.model.channels import ChannelRequest

__all__ = ["Backfill", "FeedSettings", "RecoverySettings"]


class Backfill(StrEnum):
    """What is done about a hole in the trades.

    ``IN_ORDER``: live trades of that instrument wait until the hole is filled, for a while; ``LATE``: they pass at once
    and what is missing comes after them; ``OFF``: the hole is announced and stays.
    """

    IN_ORDER = auto()
    LATE = auto()
    OFF = auto()


@attrs.frozen
class RecoverySettings:
    """How holes in the trades are filled.

    Attributes:
        backfill: In order, late, or not at all.
        hold: Seconds that live trades wait at most; so old may be what an exchange gives as history.
        hold_most: Live trades that wait at most, per instrument.
        resume: Age in seconds up to which the hole since the last run is filled.
    """

    backfill: Backfill = Backfill.IN_ORDER
    hold: float = 15.0
    hold_most: int = 10_000
    resume: float = 86_400.0


@attrs.frozen
class FeedSettings:
    """What a feed is to do.

    Attributes:
        name: For logs, and the ``account`` of its account events.
        symbols: Ours, or selectors of them.
        channels: For each symbol.
        backoff: Between attempts to connect and to load the instruments.
        listing: How to deal with the exchange's list.
        recovery: How holes in the trades are filled.
        marks: How far the last run came.
        silence: When the watchdog looks into silence.
        connections: How many connections carry the same: one, and hot stand-bys.
        pause_limit: Seconds that sockets may be paused before they are closed.
    """

    name: str
    symbols: Sequence[str]
    channels: Sequence[ChannelRequest]
    backoff: BackoffPolicy = attrs.field(factory=BackoffPolicy)
    listing: ListingSettings = attrs.field(factory=ListingSettings)
    recovery: RecoverySettings = attrs.field(factory=RecoverySettings)
    marks: Marks = attrs.field(factory=NoMarks)
    silence: SilenceSettings = attrs.field(factory=SilenceSettings)
    connections: int = 1
    pause_limit: float = 20.0
