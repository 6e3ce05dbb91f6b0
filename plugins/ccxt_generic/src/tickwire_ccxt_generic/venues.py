"""What is known of single venues beyond ccxt's own declarations: how their books and trades are numbered.

A venue that is not named here is served all the same, by crossed-book checks and an audit over REST; its books are
then declared without sequence and its trades with ids that say nothing of holes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs
import msgspec

from tickwire import Channel, Instrument, Nanos
from tickwire.native import rfc3339_nanos
from tickwire.plugin import BookView, By, Checksum, History, Hole, Ids, SequenceRule

__all__ = ["UNKNOWN", "VENUES", "BookMark", "Query", "Venue", "is_unbroken", "venue_of"]

_MS = 1_000_000
_US = 1_000


class BookMark(msgspec.Struct, frozen=True, gc=False):
    """What a raw frame says of the one book that it changes.

    Attributes:
        name: Of the market, as the frame has it.
        ts_event: The exchange's time, ns.
        first: First change in it.
        last: Last change in it.
        previous: What the exchange says came before.
        checksum: The exchange's digest after it.
    """

    name: str
    ts_event: Nanos | None
    first: int | None = None
    last: int | None = None
    previous: int | None = None
    checksum: int | None = None


@attrs.frozen
class Query:
    """How to ask ``fetch_trades`` for what is missing: ``since`` in ms, ``limit`` in rows, and the exchange's own."""

    since: int | None = None
    limit: int | None = None
    params: Mapping[str, str | int] = attrs.field(factory=dict)


@attrs.frozen
class Venue:
    """One venue.

    Attributes:
        sequence: How book deltas are numbered in the frames that the tap reads.
        trade_ids: What trade ids tell.
        history: What ``fetch_trades`` gives, if its ids are those of the socket; ``None``: nothing that may be used.
        query: How to ask for a hole in the trades; ``None``: by time.
        mark: Reads a raw frame's numbers; ``None``: they are not known. Gives ``None`` for a frame that is not of a
            book.
        trade_time: Reads the time of a raw trade, ns; ``None``: ccxt's, in ms.
        trade_matches: Reads how many fills a raw trade sums up.
        replays: Tells whether a raw frame repeats trades of before the subscription.
        is_windowed: Levels that leave the subscribed depth are not deleted on the wire.
        depth: Asked for where the user names none.
        depths: That can be asked for; empty: any.
        checksum: The exchange's digest of its books.
        digest: Makes that digest.
        options: ccxt options to set.
        watch_params: Parameters of ``watch_*`` by channel.
        leave: Gives the frame that ends a book's subscription, where ccxt has no method for it.
        keeps_host: ccxt tells markets by the host in a socket's URL: it stays in the path on another host.
        max_streams: Streams that one connection carries.
        without: Channels that ccxt offers and does not keep apart.
    """

    sequence: SequenceRule = SequenceRule.NONE
    trade_ids: Ids = Ids.OPAQUE
    history: History | None = None
    query: Callable[[Hole], Query] | None = None
    mark: Callable[[Any], BookMark | None] | None = None
    trade_time: Callable[[Mapping[str, Any]], Nanos | None] | None = None
    trade_matches: Callable[[Mapping[str, Any]], int | None] | None = None
    replays: Callable[[Any], bool] | None = None
    is_windowed: bool = False
    depth: int | None = None
    depths: tuple[int, ...] = ()
    checksum: Checksum | None = None
    digest: Callable[[BookView, Instrument], int] | None = None
    options: Mapping[str, object] = attrs.field(factory=dict)
    watch_params: Mapping[Channel, Mapping[str, object]] = attrs.field(factory=dict)
    leave: Callable[[str, int | None], object] | None = None
    keeps_host: bool = False
    max_streams: int | None = None
    without: tuple[Channel, ...] = ()

    @property
    def is_numbered(self) -> bool:
        """Whether a missing change shows."""
        return self.sequence in (SequenceRule.CONSECUTIVE, SequenceRule.LINKED)

    @property
    def is_verified(self) -> bool:
        """Whether numbers or digests prove that a book is right."""
        return self.is_numbered or self.checksum is not None


def is_unbroken(rule: object, start: int, marks: Iterable[BookMark], end: int) -> bool:
    """Tell whether the changes that were kept while a snapshot was fetched lead from it to where the book is now.

    Args:
        rule: How they are numbered.
        start: The snapshot's number.
        marks: Of the frames that were kept, in order.
        end: The book's number after them.
    """
    at, is_first = start, True
    for mark in marks:
        if mark.last is None or mark.last <= at:
            continue
        first = mark.last if mark.first is None else mark.first
        if rule is SequenceRule.LINKED:
            follows = mark.previous == at or (is_first and first <= at + 1)
        else:
            follows = first == at + 1 or (is_first and first <= at + 1)
        if not follows:
            return False
        at, is_first = mark.last, False
    return at == end


# Backpack: {"data": {"e": "depth", "s": "SOL_USDC", "U": 41, "u": 43, "T": µs of the engine, …}, "stream": …}
def _backpack_mark(frame: Any) -> BookMark | None:
    data = frame.get("data")
    if not isinstance(data, dict) or data.get("e") != "depth":
        return None
    return BookMark(data["s"], int(data["T"]) * _US, int(data["U"]), int(data["u"]))


def _backpack_time(info: Mapping[str, Any]) -> Nanos | None:
    # REST rows carry ``timestamp`` in ms
    return int(info["T"]) * _US if "T" in info else int(info["timestamp"]) * _MS


def _newest_page(hole: Hole) -> Query:
    return Query(limit=1000, params={"offset": hole.page * 1000})


BACKPACK = Venue(
    sequence=SequenceRule.CONSECUTIVE,
    trade_ids=Ids.CONSECUTIVE,
    history=History(By.PAGE, page=1000),
    query=_newest_page,
    mark=_backpack_mark,
    trade_time=_backpack_time,
    trade_matches=lambda info: 1,
    options={"watchOrderBook": {"snapshotDelay": 0}},
)


# Binance: {"e": "depthUpdate", "E": ms, "T": ms (futures), "s": "BTCUSDT", "U": 157, "u": 160, "pu": 149 (futures), …}
def _binance_mark(frame: Any) -> BookMark | None:
    if not isinstance(frame, dict):
        return None
    data = frame.get("data", frame)
    if not isinstance(data, dict) or data.get("e") != "depthUpdate":
        return None
    ts_event = int(data["T"] if "T" in data else data["E"]) * _MS
    return BookMark(data["s"], ts_event, int(data["U"]), int(data["u"]), data.get("pu"))


def _binance_matches(info: Mapping[str, Any]) -> int | None:
    return int(info["l"]) - int(info["f"]) + 1 if "l" in info and "f" in info else None


def _binance_query(hole: Hole) -> Query:
    last = hole.after.sequence if hole.after is not None else None
    if last is None:
        return Query(since=hole.start // _MS, limit=1000)
    return Query(limit=1000, params={"fromId": last + 1})


# Over REST ccxt asks for aggregate trades: the socket is asked for them too, so that their ids are the same.
BINANCE = Venue(
    sequence=SequenceRule.CONSECUTIVE,
    trade_ids=Ids.CONSECUTIVE,
    history=History(By.ID, page=1000),
    query=_binance_query,
    mark=_binance_mark,
    trade_matches=_binance_matches,
    options={
        "fetchCurrencies": False,
        "fetchMarkets": {"types": ["spot"]},
        "fetchTradesMethod": "publicGetAggTrades",
        "streamLimits": {"spot": 1, "margin": 1, "linear": 1, "inverse": 1, "option": 1},
    },
    watch_params={Channel.TRADES: {"name": "aggTrade"}, Channel.TICKER: {"name": "ticker"}},
    keeps_host=True,
    max_streams=200,
)
BINANCEUSDM = attrs.evolve(
    BINANCE,
    sequence=SequenceRule.LINKED,
    options={
        **BINANCE.options,
        "fetchMarkets": {"types": ["linear"]},
        "fetchTradesMethod": "fapiPublicGetAggTrades",
    },
    keeps_host=False,
)


# Kraken: {"channel": "book", "type": "update", "data": [{"symbol": "BTC/USD", "checksum": 1, "timestamp": RFC 3339}]}
def _kraken_mark(frame: Any) -> BookMark | None:
    if not isinstance(frame, dict) or frame.get("channel") != "book":
        return None
    row = frame["data"][0]
    time = row.get("timestamp")
    return BookMark(row["symbol"], None if time is None else rfc3339_nanos(time), checksum=row.get("checksum"))


def _kraken_time(info: Any) -> Nanos | None:
    # on the socket RFC 3339 in µs; REST gives a list: price, volume, seconds, side, type, misc, id
    if isinstance(info, Mapping):
        return rfc3339_nanos(info["timestamp"])
    return round(float(info[2]) * 1_000_000) * _US


def _kraken_query(hole: Hole) -> Query:
    after = hole.after.ts_event if hole.after is not None else None
    # ccxt makes seconds of its own ``since``: the exchange's is in ns, and exclusive; the socket cuts times to µs
    return Query(limit=1000, params={"since": (hole.start if after is None else after) - 1_000})


def _kraken_digest(book: BookView, instrument: Instrument) -> int:
    """Digest the best ten asks, then bids: digits at the pair's precision, without point and leading zeros.

    Source: Kraken docs, "Book checksum (WebSocket v2)" (read 2026-11-26).
    """
    from zlib import crc32

    price, size = instrument.price_text, instrument.size_text
    texts = [text for p, s in (*book.asks(10), *book.bids(10)) for text in (price(p), size(s))]
    return crc32("".join(text.replace(".", "").lstrip("0") for text in texts).encode())


def _kraken_leave(native: str, depth: int | None) -> object:
    params: dict[str, object] = {"channel": "book", "symbol": [native], "depth": depth or 10}
    return {"method": "unsubscribe", "params": params}


KRAKEN = Venue(
    trade_ids=Ids.CONSECUTIVE,
    history=History(By.TIME, page=1000),
    query=_kraken_query,
    mark=_kraken_mark,
    trade_time=_kraken_time,
    replays=lambda frame: frame.get("type") == "snapshot",
    is_windowed=True,
    depth=10,
    depths=(10, 25, 100, 500, 1000),
    checksum=Checksum(levels=10),
    digest=_kraken_digest,
    leave=_kraken_leave,
    without=(Channel.L1_BOOK,),
)

UNKNOWN = Venue()
VENUES: Mapping[str, Venue] = {
    "backpack": BACKPACK,
    "binance": BINANCE,
    "binanceus": BINANCE,
    "binanceusdm": BINANCEUSDM,
    "kraken": KRAKEN,
}


def venue_of(exchange_id: str) -> Venue:
    """Give what is known of a venue, which may be nothing."""
    return VENUES.get(exchange_id, UNKNOWN)
