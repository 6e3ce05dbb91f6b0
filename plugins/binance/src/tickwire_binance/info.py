"""What the three exchanges can do; read before anything connects. Every number's source: ``docs/exchanges/binance.md``.

Since 2026-04-23 the futures have two public sockets: ``/public`` for books and quotes, ``/market`` for all the rest.
"""

import attrs

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

_INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")
_DAY = 86_400
_DIALS = RateLimit(300, 300)
# a client frame may have 4,096 bytes and names have up to some 35; of the frames a second one is left for the pong
_SPOT_SOCKET = Endpoint(
    "wss://stream.binance.com:9443/stream", max_streams=1024, batch=100, frames_per_second=4, max_age=_DAY
)
_FUTURES_SOCKET = attrs.evolve(_SPOT_SOCKET, max_streams=200, frames_per_second=9)

_TRADES = ChannelInfo(ids=Ids.CONSECUTIVE, history=History(By.ID, page=1000))

BINANCE = ExchangeInfo(
    id="binance",
    tier=Tier.NATIVE,
    rest=("https://api.binance.com", "https://api-gcp.binance.com", "https://data-api.binance.vision"),
    sockets={"public": _SPOT_SOCKET},
    channels={
        Channel.TRADES: _TRADES,
        Channel.L2_BOOK: ChannelInfo(ts_event=Stamp.PUBLISHED, intervals=("100ms", "1000ms")),
        Channel.L1_BOOK: ChannelInfo(ts_event=Stamp.NONE),
        Channel.TICKER: ChannelInfo(ts_event=Stamp.PUBLISHED),
        Channel.CANDLES: ChannelInfo(ts_event=Stamp.PUBLISHED, intervals=("1s", *_INTERVALS)),
    },
    book=BookFeed(BookStart.REST, SequenceRule.CONSECUTIVE, depths=(1000, 5000)),
    limits={"default": RateLimit(6000, 60), "websocket": _DIALS},
    docs_url="https://developers.binance.com/docs/binance-spot-api-docs",
    simulator="tickwire_binance.simulator:BinanceSimulator",
)

BINANCEUS = attrs.evolve(
    BINANCE,
    id="binanceus",
    rest=("https://api.binance.us",),
    sockets={"public": attrs.evolve(_SPOT_SOCKET, url="wss://stream.binance.us:9443/stream")},
    docs_url="https://docs.binance.us",
    simulator="tickwire_binance.simulator:BinanceUsSimulator",
)

BINANCEUSDM = attrs.evolve(
    BINANCE,
    id="binanceusdm",
    rest=("https://fapi.binance.com",),
    sockets={
        name: attrs.evolve(_FUTURES_SOCKET, url=f"wss://fstream.binance.com/{name}/stream")
        for name in ("public", "market")
    },
    channels={
        Channel.TRADES: attrs.evolve(_TRADES, socket="market"),
        Channel.L2_BOOK: ChannelInfo(intervals=("100ms", "250ms", "500ms")),
        Channel.L1_BOOK: ChannelInfo(),
        Channel.TICKER: ChannelInfo(socket="market", ts_event=Stamp.PUBLISHED),
        Channel.CANDLES: ChannelInfo(socket="market", ts_event=Stamp.PUBLISHED, intervals=_INTERVALS),
        Channel.MARK_PRICE: ChannelInfo(socket="market", ts_event=Stamp.PUBLISHED),
        Channel.FUNDING: ChannelInfo(socket="market", ts_event=Stamp.PUBLISHED, shares=Channel.MARK_PRICE),
        Channel.LIQUIDATIONS: ChannelInfo(socket="market"),
    },
    book=BookFeed(BookStart.REST, SequenceRule.LINKED, depths=(1000,)),
    limits={"default": RateLimit(2400, 60), "websocket": _DIALS},
    docs_url="https://developers.binance.com/docs/derivatives/usds-margined-futures",
    simulator="tickwire_binance.simulator:BinanceUsdmSimulator",
)
