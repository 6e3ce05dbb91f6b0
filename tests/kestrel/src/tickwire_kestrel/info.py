"""What Kestrel can do; read before anything connects (docs.kestrel.example/limits, read 2026-11-21)."""

from tickwire import Channel
from tickwire.plugin import (
    BookFeed,
    BookStart,
    ChannelInfo,
    Checksum,
    Endpoint,
    ExchangeInfo,
    Ids,
    RateLimit,
    SequenceRule,
    Stamp,
    Tier,
)

_SOCKET = "wss://ws.kestrel.example"
KESTREL = ExchangeInfo(
    id="kestrel",
    tier=Tier.NATIVE,
    docs_url="https://docs.kestrel.example",
    rest=("https://api.kestrel.example", "https://api2.kestrel.example"),
    sockets={
        "public": Endpoint(
            f"{_SOCKET}/v1", max_streams=50, batch=20, frames_per_second=10, heartbeat=15, max_age=86_400
        ),
    },
    channels={
        Channel.TRADES: ChannelInfo(ids=Ids.CONSECUTIVE),
        Channel.L2_BOOK: ChannelInfo(ts_event=Stamp.PUBLISHED),
    },
    book=BookFeed(BookStart.SOCKET, SequenceRule.LINKED, checksum=Checksum(levels=10)),
    limits={"default": RateLimit(weight=1200, seconds=60)},
    simulator="tickwire_kestrel.simulator:KestrelSimulator",
)
