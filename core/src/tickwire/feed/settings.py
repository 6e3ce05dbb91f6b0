"""What one feed is to do."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from tickwire.feed.backoff import BackoffPolicy
from tickwire.feed.listing import ListingSettings
from tickwire.model.channels import ChannelRequest

__all__ = ["FeedSettings"]


@attrs.frozen
class FeedSettings:
    """What a feed is to do.

    Attributes:
        name: For logs.
        symbols: Ours, or selectors of them.
        channels: For each symbol.
        backoff: Between attempts to connect and to load the instruments.
        listing: How to deal with the exchange's list.
    """

    name: str
    symbols: Sequence[str]
    channels: Sequence[ChannelRequest]
    backoff: BackoffPolicy = attrs.field(factory=BackoffPolicy)
    listing: ListingSettings = attrs.field(factory=ListingSettings)
