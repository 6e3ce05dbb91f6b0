"""What Kestrel can do; read before anything connects (docs.kestrel.example/limits, read 2026-11-21)."""

# fmt: off
# isort: off
from tickwire import Channel
from tickwire.plugin import (BookFeed, BookStart, By, ChannelInfo, Checksum, Endpoint, ExchangeInfo, History,
                             Ids, RateLimit, SequenceRule, Stamp, Tier)

_SOCKET = "wss://ws.kestrel.example"
KESTREL = ExchangeInfo(
    id="kestrel", tier=Tier.NATIVE, docs_url="https://docs.kestrel.example",
    rest=("https://api.kestrel.example", "https://api2.kestrel.example"),
    sockets={"public": Endpoint(f"{_SOCKET}/v1", max_streams=50, batch=20, frames_per_second=10, heartbeat=15,
                                max_age=86_400),
             "private": Endpoint(f"{_SOCKET}/v1/private", heartbeat=15, login=True)},
    channels={Channel.TRADES: ChannelInfo(ids=Ids.CONSECUTIVE, history=History(By.ID, page=500)),
              Channel.L2_BOOK: ChannelInfo(ts_event=Stamp.PUBLISHED), Channel.ORDERS: ChannelInfo(socket="private")},
    book=BookFeed(BookStart.SOCKET, SequenceRule.LINKED, checksum=Checksum(levels=10)),
    limits={"default": RateLimit(weight=1200, seconds=60)}, credentials=("api_key", "api_secret"),
    simulator="tickwire_kestrel.simulator:KestrelSimulator",
)
