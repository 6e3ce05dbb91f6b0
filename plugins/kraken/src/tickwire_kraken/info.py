"""What Kraken can do; read before anything connects (docs.kraken.com and support.kraken.com, read 2026-11-26)."""

from tickwire import Channel
from tickwire.plugin import (
    BookFeed,
    BookStart,
    By,
    ChannelInfo,
    Checksum,
    Endpoint,
    ExchangeInfo,
    History,
    Ids,
    RateLimit,
    SequenceRule,
    Stamp,
    Tier,
)

INTERVALS = {1: "1m", 5: "5m", 15: "15m", 30: "30m", 60: "1h", 240: "4h", 1440: "1d", 10080: "1w", 21600: "15d"}
DEPTHS = (10, 25, 100, 500, 1000)

# An idle socket is closed after about a minute. Limits of frames exist, and no number of them is published; neither is
# one of symbols, on a connection or in a frame.
_SOCKET = Endpoint("wss://ws.kraken.com/v2", batch=50, frames_per_second=5, heartbeat=30)
_PUBLISHED = Stamp.PUBLISHED

# Public REST: one request a second is safe, for an address and, of trades, for an address and a pair. Cloudflare bans
# an address for ten minutes after some 150 dials in ten minutes.
KRAKEN = ExchangeInfo(
    id="kraken",
    tier=Tier.NATIVE,
    rest=("https://api.kraken.com",),
    # a ticker is published on trades or on quotes, as it was asked for, and does not say which: hence a socket for each
    sockets={"public": _SOCKET, "quotes": _SOCKET},
    channels={
        Channel.TRADES: ChannelInfo(ids=Ids.CONSECUTIVE, history=History(By.TIME, page=1000)),
        Channel.L2_BOOK: ChannelInfo(),
        Channel.L1_BOOK: ChannelInfo(socket="quotes", ts_event=_PUBLISHED),
        Channel.TICKER: ChannelInfo(ts_event=_PUBLISHED),
        Channel.CANDLES: ChannelInfo(ts_event=_PUBLISHED, intervals=tuple(INTERVALS.values())),
    },
    book=BookFeed(
        BookStart.SOCKET,
        SequenceRule.NONE,
        windowed=True,
        depths=DEPTHS,
        checksum=Checksum(levels=10),
    ),
    limits={"default": RateLimit(1, 1), "trades": RateLimit(1, 1), "websocket": RateLimit(150, 600)},
    docs_url="https://docs.kraken.com/exchange/api-reference/spot-websocket",
    simulator="tickwire_kraken.simulator:KrakenSimulator",
)
