"""ccxt's unified records, tapped or fetched, as tickwire's events; what ccxt leaves out is ``None``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tickwire import (
    BookDelta,
    BookSnapshot,
    Candle,
    DecodeError,
    Instruments,
    Nanos,
    Quote,
    Side,
    Ticker,
    Trade,
)
from tickwire.plugin import Ids
from tickwire_ccxt_generic.payloads import BookSeen, Levels
from tickwire_ccxt_generic.venues import Venue

__all__ = ["CcxtEmitter", "interval_ns"]

_MS = 1_000_000
_SIDES = {"buy": Side.BUY, "sell": Side.SELL}
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_SIZES = {"M": 2_592_000, "y": 31_536_000}


class CcxtEmitter:
    """Makes the events of one exchange.

    Attributes:
        native: Instruments by ccxt's symbol; a miss raises ``UnknownNativeError``.
    """

    def __init__(self, instruments: Instruments, venue: Venue, numbers: type = float) -> None:
        """Make one.

        Args:
            instruments: The feed's, live.
            venue: What is known of the exchange.
            numbers: ``float``; or ``Decimal``, made from the shortest text that gives ccxt's number.
        """
        self.native = instruments.native
        self._venue = venue
        self._is_counted = venue.trade_ids in (Ids.CONSECUTIVE, Ids.INCREASING)
        self._number: Callable[[Any], Any] = _decimal if numbers is Decimal else _plain

    def trade(self, row: Mapping[str, Any], ts_recv: Nanos, *, is_late: bool = False) -> Trade[Any]:
        """Read one unified trade: ``{"id", "timestamp" (ms), "symbol", "side", "price", "amount", "info", …}``.

        Args:
            row: ccxt's.
            ts_recv: When it reached us.
            is_late: It came over REST, or was repeated on subscribing.

        Raises:
            DecodeError: It has no price, no size, or an id that is none.
            UnknownNativeError: Its symbol is not loaded.
        """
        i, venue, number = self.native[row["symbol"]], self._venue, self._number
        price, size, trade_id, info = row["price"], row["amount"], row["id"], row["info"]
        if price is None or not size:
            raise DecodeError(f"{i.exchange}: a trade of {i.native} of {size!r} at {price!r}")
        ts_event = venue.trade_time(info) if venue.trade_time is not None else _ns(row["timestamp"])
        sequence = None
        if self._is_counted:
            if trade_id is None or not trade_id.isdecimal():
                raise DecodeError(f"{i.exchange}: a trade of {i.native} with the id {trade_id!r}, which is no number")
            sequence = int(trade_id)
        matches = venue.trade_matches(info) if venue.trade_matches is not None else None
        return Trade(
            i.exchange, i.symbol, ts_event, ts_recv, number(price), number(size), _SIDES.get(row["side"]), trade_id,
            sequence, matches, is_late,
        )  # fmt: skip

    def trades(self, rows: Iterable[Mapping[str, Any]], ts_recv: Nanos) -> list[Trade[Any]]:
        """Read trades that were fetched, oldest first."""
        return [self.trade(row, ts_recv, is_late=True) for row in rows]

    def book(self, seen: BookSeen, ts_recv: Nanos) -> BookSnapshot[Any] | BookDelta[Any]:
        """Read a whole book, or what changed in it.

        Raises:
            UnknownNativeError: Its symbol is not loaded.
        """
        i = self.native[seen.native]
        bids, asks = seen.bids, seen.asks
        if self._number is _decimal:
            bids, asks = _decimals(bids), _decimals(asks)
        if seen.is_whole:
            return BookSnapshot(
                i.exchange, i.symbol, seen.ts_event, ts_recv, bids, asks, seen.last, seen.checksum, seen.depth
            )
        return BookDelta(
            i.exchange, i.symbol, seen.ts_event, ts_recv, bids, asks, seen.first, seen.last, seen.previous,
            seen.checksum,
        )  # fmt: skip

    def fetched_book(self, native: str, book: Mapping[str, Any]) -> BookSeen:
        """Read what ``fetch_order_book`` gave.

        Raises:
            DecodeError: Both sides are empty: that is no book, whatever the status was.
        """
        bids, asks = (tuple((row[0], row[1]) for row in book[key]) for key in ("bids", "asks"))
        if not bids and not asks:
            raise DecodeError(f"an empty book of {native}")
        last = book.get("nonce") if self._venue.is_numbered else None
        return BookSeen(native, True, bids, asks, _ns(book.get("timestamp")), None, last)

    def ticker(self, native: str, row: Mapping[str, Any], ts_recv: Nanos) -> Ticker[Any]:
        """Read a unified ticker's figures of the last 24 hours."""
        i, number = self.native[native], self._number
        last, first, high, low, volume, quote_volume = (
            number(row.get(key)) for key in ("last", "open", "high", "low", "baseVolume", "quoteVolume")
        )
        ts_event = _ns(row.get("timestamp"))
        return Ticker(
            i.exchange, i.symbol, ts_event, ts_recv, last, None, first, high, low, volume, quote_volume, None, "24h"
        )

    def quote(self, native: str, row: Mapping[str, Any], ts_recv: Nanos) -> Quote[Any]:
        """Read a unified ticker's best bid and ask; a price of zero is no price, its side is empty."""
        i, number = self.native[native], self._number
        bid, bid_size, ask, ask_size = (number(row.get(key)) for key in ("bid", "bidVolume", "ask", "askVolume"))
        bid, bid_size = (bid, bid_size) if bid else (None, None)
        ask, ask_size = (ask, ask_size) if ask else (None, None)
        return Quote(i.exchange, i.symbol, _ns(row.get("timestamp")), ts_recv, bid, bid_size, ask, ask_size)

    def candle(self, native: str, interval: str, row: Sequence[Any], ts_recv: Nanos) -> Candle[Any]:
        """Read ``[begin in ms, open, high, low, close, volume]``; ccxt does not say whether one is closed.

        Raises:
            DecodeError: It has no time or no volume.
        """
        i, number = self.native[native], self._number
        if len(row) < 6 or row[0] is None or row[5] is None:
            raise DecodeError(f"{i.exchange}: a candle of {native} without time or volume")
        start = int(row[0]) * _MS
        first, high, low, last, volume = (number(value) for value in row[1:6])
        return Candle(
            i.exchange, i.symbol, None, ts_recv, interval, start, start + interval_ns(interval), first, high, low, last,
            volume, None, None, None,
        )  # fmt: skip


def interval_ns(name: str) -> Nanos:
    """Give the length of one of ccxt's intervals; months count as 30 days, years as 365.

    Raises:
        DecodeError: It is none.
    """
    seconds = _UNITS.get(name[-1:]) or _SIZES.get(name[-1:])
    if seconds is None or not name[:-1].isdecimal():
        raise DecodeError(f"{name!r} is no interval")
    return int(name[:-1]) * seconds * 1_000_000_000


def _plain(value: Any) -> Any:
    return value


def _decimal(value: Any) -> Any:
    return value if value is None or isinstance(value, Decimal) else Decimal(repr(value))


def _decimals(levels: Levels) -> Levels:
    return tuple([(_decimal(price), _decimal(size)) for price, size in levels])


def _ns(ms: float | None) -> Nanos | None:
    return None if ms is None else int(ms * _MS)
