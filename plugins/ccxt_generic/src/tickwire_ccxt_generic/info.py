"""What every exchange of ccxt can do, as tickwire declares it; ccxt itself is not imported."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from tickwire import Channel
from tickwire.plugin import BookFeed, BookStart, ChannelInfo, Endpoint, ExchangeInfo, Ids, Stamp, Tier
from tickwire_ccxt_generic.capabilities import Capabilities, capabilities_of, table
from tickwire_ccxt_generic.options import CcxtOptions
from tickwire_ccxt_generic.venues import Venue, venue_of

__all__ = ["POLLED", "STREAMED", "exchange_infos", "info_of"]

STREAMED = "public"
"""Name of the socket that ccxt's streaming class opens."""

POLLED = "polled"
"""Name of the socket that is none: REST calls, repeated. Its URL is that of REST."""


def exchange_infos() -> tuple[ExchangeInfo, ...]:
    """Declare every exchange of ccxt, at tier ``GENERIC``."""
    return tuple(info_of(exchange_id) for exchange_id in table().exchanges)


@cache
def info_of(exchange_id: str) -> ExchangeInfo:
    """Declare one exchange.

    A channel that ccxt can stream is on socket ``public``; one that it can only fetch is on ``polled``.

    Raises:
        UnknownExchangeError: ccxt has no such id.
    """
    known, venue = capabilities_of(exchange_id), venue_of(exchange_id)
    sockets = {STREAMED: Endpoint(known.websocket or known.rest, venue.max_streams)} if known.streams else {}
    # what is fetched is the whole book each time
    start = BookStart.SYNCED if Channel.L2_BOOK in known.watch else BookStart.EVERY_FRAME
    book = BookFeed(start, venue.sequence, venue.is_windowed, venue.depths, venue.checksum)
    return ExchangeInfo(
        id=exchange_id,
        tier=Tier.GENERIC,
        rest=(known.rest,),
        sockets=sockets | {POLLED: Endpoint(known.rest)},
        channels=dict(_channels(known, venue)),
        limits={},  # ccxt's own limiter spaces its requests
        book=book if Channel.L2_BOOK in (*known.watch, *known.fetch) else None,
        credentials=known.credentials,
        options_type=CcxtOptions,
        docs_url="https://docs.ccxt.com",
    )


def _channels(known: Capabilities, venue: Venue) -> Iterator[tuple[Channel, ChannelInfo]]:
    for channel in Channel:
        if channel in venue.without or (channel not in known.watch and channel not in known.fetch):
            continue
        is_trades = channel is Channel.TRADES
        yield (
            channel,
            ChannelInfo(
                socket=STREAMED if channel in known.watch else POLLED,
                # ccxt says neither whose clock its time is nor that there always is one
                ts_event=Stamp.PUBLISHED,
                ids=venue.trade_ids if is_trades else Ids.NONE,
                acknowledged=False,
                history=venue.history if is_trades else None,
                intervals=known.intervals if channel is Channel.CANDLES else (),
            ),
        )
