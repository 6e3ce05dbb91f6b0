"""What Backpack can do; read before anything connects (docs.backpack.exchange, read 2026-11-21)."""

from tickwire import Channel
from tickwire.plugin import (
    BookFeed,
    BookStart,
    ChannelInfo,
    Endpoint,
    ExchangeInfo,
    Ids,
    RateLimit,
    SequenceRule,
    Support,
    Tier,
)

_NOT_YET = ChannelInfo(support=Support.NOT_YET, acknowledged=False)

# 2,000 requests a minute; candles and trades, "historical", have 30 of their own (support.backpack.exchange, API FAQ).
# No limit of connections, streams or frames is published; 91 streams in one SUBSCRIBE frame worked.
BACKPACK = ExchangeInfo(
    id="backpack",
    tier=Tier.NATIVE,
    rest=("https://api.backpack.exchange",),
    sockets={"public": Endpoint("wss://ws.backpack.exchange", batch=50)},
    channels={
        Channel.TRADES: ChannelInfo(ids=Ids.CONSECUTIVE, acknowledged=False),
        Channel.L2_BOOK: ChannelInfo(acknowledged=False, intervals=("200ms", "600ms", "1000ms")),
        Channel.L1_BOOK: ChannelInfo(acknowledged=False),
        Channel.TICKER: _NOT_YET,
        Channel.CANDLES: _NOT_YET,
        Channel.MARK_PRICE: _NOT_YET,
        Channel.FUNDING: _NOT_YET,
        Channel.OPEN_INTEREST: _NOT_YET,
        Channel.LIQUIDATIONS: _NOT_YET,
    },
    book=BookFeed(BookStart.REST, SequenceRule.CONSECUTIVE, depths=(5, 10, 20, 50, 100, 500, 1000)),
    limits={"default": RateLimit(2000, 60), "historical": RateLimit(30, 60)},
    credentials=("api_key", "api_secret"),
    docs_url="https://docs.backpack.exchange",
    simulator="tickwire_backpack.simulator:BackpackSimulator",
)
