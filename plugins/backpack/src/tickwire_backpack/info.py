"""What Backpack can do; read before anything connects (docs.backpack.exchange, read 2026-11-21)."""

from tickwire import Channel
from tickwire.plugin import (
    BookFeed,
    BookStart,
    By,
    ChannelInfo,
    Endpoint,
    ExchangeInfo,
    History,
    Ids,
    RateLimit,
    SequenceRule,
    Stamp,
    Tier,
)

_INTERVALS = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1month")
_PUBLISHED = ChannelInfo(ts_event=Stamp.PUBLISHED, acknowledged=False)  # frames without an engine time

# 2,000 requests a minute; candles and trades, "historical", have 30 of their own (support.backpack.exchange, API FAQ).
# No limit of connections, streams or frames is published; 91 streams in one SUBSCRIBE frame worked.
BACKPACK = ExchangeInfo(
    id="backpack",
    tier=Tier.NATIVE,
    rest=("https://api.backpack.exchange",),
    sockets={"public": Endpoint("wss://ws.backpack.exchange", batch=50)},
    channels={
        Channel.TRADES: ChannelInfo(ids=Ids.CONSECUTIVE, acknowledged=False, history=History(By.PAGE, page=1000)),
        Channel.L2_BOOK: ChannelInfo(acknowledged=False, intervals=("200ms", "600ms", "1000ms")),
        Channel.L1_BOOK: ChannelInfo(acknowledged=False),
        Channel.TICKER: _PUBLISHED,
        Channel.CANDLES: ChannelInfo(ts_event=Stamp.PUBLISHED, acknowledged=False, intervals=_INTERVALS),
        Channel.MARK_PRICE: ChannelInfo(acknowledged=False),
        Channel.FUNDING: ChannelInfo(acknowledged=False, shares=Channel.MARK_PRICE),
        Channel.OPEN_INTEREST: _PUBLISHED,
        Channel.LIQUIDATIONS: ChannelInfo(acknowledged=False),
    },
    book=BookFeed(BookStart.REST, SequenceRule.CONSECUTIVE, depths=(5, 10, 20, 50, 100, 500, 1000)),
    limits={"default": RateLimit(2000, 60), "historical": RateLimit(30, 60)},
    credentials=("api_key", "api_secret"),
    docs_url="https://docs.backpack.exchange",
    simulator="tickwire_backpack.simulator:BackpackSimulator",
)
