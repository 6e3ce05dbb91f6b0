"""Every trade once and every change of a book in order, whatever ccxt's ``watch_*`` methods return.

ccxt's handlers put what they read into caches: ``trades[symbol].append``, ``orderbooks[symbol]['bids'].storeArray``,
``tickers[symbol] = …``. The tap takes the caches' place and hands on what is put into them, book changes at the end of
the frame that caused them, with the numbers that the frame itself has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tickwire import Channel, GapCause
from tickwire_ccxt_generic.payloads import (
    BookSeen,
    CandleSeen,
    Fault,
    Lost,
    Payload,
    QuoteSeen,
    TickerSeen,
    TradeSeen,
)
from tickwire_ccxt_generic.venues import BookMark, Venue, is_unbroken

__all__ = ["Tap"]

_MS = 1_000_000
_PENDING = 50_000


class Tap:
    """What one ccxt instance sees.

    Attributes:
        trades: Takes the place of ccxt's ``trades``; likewise the others.
        is_reading: A frame is being handled.
    """

    def __init__(
        self,
        venue: Venue,
        put: Callable[[Payload], None],
        restart: Callable[[str, str], None],
        later: Callable[[Callable[[], None]], object],
    ) -> None:
        """Make one that wants nothing yet.

        Args:
            venue: What is known of the exchange.
            put: Takes what was seen; must not raise.
            restart: Told of a book that cannot be brought into sync from what came, and why.
            later: Calls something once the code that runs now gives way.
        """
        self._venue = venue
        self._mark, self._is_numbered = venue.mark, venue.is_numbered
        self._put = put
        self._restart = restart
        self._later = later
        self._wanted: dict[Channel, set[str]] = {channel: set() for channel in Channel}
        self._trades_wanted, self._books_wanted = self._wanted[Channel.TRADES], self._wanted[Channel.L2_BOOK]
        self._natives: dict[str, str] = {}
        self._dirty: list[Any] = []
        self._dropped: list[str] = []
        self._pending: dict[str, list[BookMark]] = {}
        self._shown: set[str] = set()
        self._frame: Any = None
        self.is_reading = False
        self._is_replay: bool | None = None
        self._is_scheduled = False
        self.trades: dict[str, Any] = _Watched(self._on_trades)
        self.tickers: dict[str, Any] = _Watched(self._on_ticker)
        self.bidsasks: dict[str, Any] = _Watched(self._on_quote)
        self.ohlcvs: dict[str, Any] = _Watched(self._on_candles, _Candles)
        self.orderbooks: dict[str, Any] = _Books(self._on_book, self._on_dropped)

    # what is wanted
    def want(self, channel: Channel, native: str, market_id: str) -> None:
        """Hand on what comes of a channel of a market from now on."""
        self._wanted[channel].add(native)
        if channel is Channel.L2_BOOK:
            self._natives[market_id] = native
            self._forget_book(native)
            book = self.orderbooks.get(native)
            if book is not None and getattr(book, "is_stray", False):
                del self.orderbooks[native]

    def unwant(self, channel: Channel, native: str) -> None:
        """Hand on nothing of it any more."""
        self._wanted[channel].discard(native)
        if channel is Channel.L2_BOOK:
            self._forget_book(native)

    def _forget_book(self, native: str) -> None:
        self._pending[native] = []
        self._shown.discard(native)
        book = self.orderbooks.get(native)
        if book is not None:
            # what it holds is of the last subscription
            book.is_shown, book.awaits_reset = False, True

    def books(self) -> list[str]:
        """Give the books that are shown now."""
        return list(self._shown)

    # frames
    def read(self, handle: Callable[[Any, Any], Any], client: Any, message: Any) -> None:
        """Let ccxt handle a frame, and hand on what it did; whatever it raises is a ``Fault`` of this frame alone."""
        if self._dirty:
            self._flush(None)
        self._frame, self.is_reading, self._is_replay = message, True, None
        try:
            handle(client, message)
            mark = None if self._mark is None else self._mark(message)
        except Exception as error:  # one frame: neither a handler's mistake nor an odd frame must end the connection
            self.is_reading = False
            self._discard()
            self._put(Fault(error))
            return
        self.is_reading = False
        if mark is not None or self._dirty or self._dropped:
            self._flush(mark)

    def _discard(self) -> None:
        # what a handler did to a book before it failed may be half of a change
        for book in self._dirty:
            book.is_shown = book.is_shown and not book.is_reset
            book.looked()
        self._dirty.clear()
        self._tell_dropped(None)

    def _touched(self, book: Any) -> None:
        if book.is_noted:
            return
        book.is_noted = True
        self._dirty.append(book)
        if not self.is_reading and not self._is_scheduled:
            # a snapshot over REST: it is complete once the code that stores it gives way
            self._is_scheduled = True
            self._later(self._flush_late)

    def _flush_late(self) -> None:
        self._is_scheduled = False
        if self._dirty or self._dropped:
            self._flush(None)

    def _flush(self, mark: BookMark | None) -> None:
        marked = None
        if mark is not None:
            name = mark.name
            marked = name if name in self.orderbooks else self._natives.get(name, name)
        dirty, self._dirty = self._dirty, []
        for book in dirty:
            native = book.native
            own = mark if native == marked else None
            is_current = native in self._books_wanted and self.orderbooks.get(native) is book
            if not is_current or (book.awaits_reset and not book.is_reset):
                book.looked()
            elif (
                book.is_shown
                and not book.is_reset
                and (own is not None or not self._is_numbered)
                and (levels := book.changed()) is not None
            ):
                bids, asks = levels
                if own is None:
                    seen = BookSeen(native, False, bids, asks, _ns(book.get("timestamp")))
                else:
                    seen = BookSeen(
                        native, False, bids, asks, own.ts_event, own.first, own.last, own.previous, own.checksum
                    )  # fmt: skip
                self._put(seen)
            else:
                self._whole(book, native, own)
            if own is not None:
                marked = None
        if marked is not None and mark is not None:
            self._untouched(marked, mark)
        if self._dropped:
            self._tell_dropped(mark)

    # books
    def make_book(self, kind: str, snapshot: Mapping[str, Any], depth: int | None) -> Any:
        """Make what ccxt's ``order_book`` (``indexed_order_book``, ``counted_order_book``) would make."""
        from tickwire_ccxt_generic import tapped_books

        sides = {"plain": tapped_books.PLAIN, "counted": tapped_books.COUNTED, "indexed": tapped_books.INDEXED}[kind]
        # where the exchange's own numbers or window tell, a level cut off is no change
        notes_cuts = not (self._venue.is_numbered or self._venue.is_windowed)
        return tapped_books.TappedBook(snapshot, depth, sides, self._touched, notes_cuts=notes_cuts)

    def _on_book(self, native: str, book: Any) -> None:
        before = self.orderbooks.get(native)
        if before is book:
            return
        if before is not None:
            self._on_dropped(native)
        if hasattr(book, "is_noted"):
            book.native, book.is_stray = native, native not in self._books_wanted
            if book.is_reset or any(side.changes for side in book._made):
                self._touched(book)

    def _on_dropped(self, native: str) -> None:
        if native in self._shown:
            self._shown.discard(native)
            self._dropped.append(native)
            if not self.is_reading and not self._is_scheduled:
                self._is_scheduled = True
                self._later(self._flush_late)
        self._pending[native] = []

    def _tell_dropped(self, mark: BookMark | None) -> None:
        dropped, self._dropped = self._dropped, []
        for native in dropped:
            if native in self._books_wanted:
                self._put(Lost(Channel.L2_BOOK, native, GapCause.SEQUENCE, "ccxt found it out of step and dropped it"))

    def _whole(self, book: Any, native: str, mark: BookMark | None) -> None:
        bids, asks = book.levels()
        reset_nonce, nonce = book.reset_nonce, book.get("nonce")
        if not bids and not asks:
            book.looked()
            book.is_reset = True  # an empty answer is no book; what comes next on top of it may be
            return None
        book.looked()
        venue = self._venue
        last = None
        if self._is_numbered:
            last = nonce if mark is None else mark.last
            pending = self._pending.pop(native, [])
            self._pending[native] = []
            if last is None:
                return self._restart(native, "its snapshot has no number")
            if mark is None and reset_nonce is not None and not is_unbroken(venue.sequence, reset_nonce, pending, last):
                return self._restart(native, f"changes after {reset_nonce} are missing")
        book.is_shown, book.awaits_reset, book.reset_nonce = True, False, None
        self._shown.add(native)
        if mark is not None:
            ts_event, checksum = mark.ts_event, mark.checksum
        else:
            ts_event, checksum = _ns(book.get("timestamp")), None
        depth = book._made[0]._depth if venue.is_windowed else None
        self._put(BookSeen(native, True, bids, asks, ts_event, None, last, None, checksum, depth))
        return None

    def _untouched(self, native: str, mark: BookMark) -> None:
        # ccxt kept the frame for later, or threw it away; its numbers count all the same
        if native not in self._books_wanted or not self._is_numbered:
            return
        if native in self._shown or native in self._dropped:
            self._put(BookSeen(native, False, (), (), mark.ts_event, mark.first, mark.last, mark.previous))
        elif len(pending := self._pending.setdefault(native, [])) < _PENDING:
            pending.append(mark)

    # the other caches
    def _on_trades(self, key: str, cache: Any) -> None:
        if getattr(cache, "is_tapped", False):
            return
        held, append, seen = list(cache), cache.append, self._on_trade

        def tapped(item: Any) -> None:
            append(item)
            seen(item)

        if hasattr(cache, "__dict__"):
            cache.append, cache.is_tapped = tapped, True
        for trade in held:
            seen(trade)

    def _on_trade(self, trade: Mapping[str, Any]) -> None:
        # its own symbol counts: the cache may be that of several
        if trade["symbol"] not in self._trades_wanted:
            return
        if self._is_replay is None:
            replays = self._venue.replays
            self._is_replay = bool(self.is_reading and replays is not None and replays(self._frame))
        self._put(TradeSeen(trade, self._is_replay))

    def _on_ticker(self, native: str, ticker: Mapping[str, Any]) -> None:
        if native in self._wanted[Channel.TICKER]:
            self._put(TickerSeen(native, ticker))

    def _on_quote(self, native: str, ticker: Mapping[str, Any]) -> None:
        if native in self._wanted[Channel.L1_BOOK]:
            self._put(QuoteSeen(native, ticker))

    def _on_candles(self, native: str, caches: Any) -> None:
        caches.tell = lambda interval, row: self._on_candle(native, interval, row)

    def _on_candle(self, native: str, interval: str, row: Any) -> None:
        if native in self._wanted[Channel.CANDLES]:
            self._put(CandleSeen(native, interval, tuple(row)))


class _Watched(dict[str, Any]):
    # tells what is put into it; ``kind``: what a dict that is put into it becomes
    def __init__(self, tell: Callable[[str, Any], None], kind: type[dict[str, Any]] | None = None) -> None:
        self._tell = tell
        self._kind = kind

    def __setitem__(self, key: str, value: Any) -> None:
        if self._kind is not None and not isinstance(value, self._kind):
            value = self._kind(value)
        self._tell(key, value)
        super().__setitem__(key, value)

    def take(self, given: Mapping[str, Any] | None) -> None:
        """Begin anew with what ccxt would put in its place."""
        self.clear()
        for key, value in (given or {}).items():
            self[key] = value


class _Books(_Watched):
    def __init__(self, tell: Callable[[str, Any], None], dropped: Callable[[str], None]) -> None:
        super().__init__(tell)
        self._gone = dropped

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self._gone(key)

    def pop(self, key: str, *default: Any) -> Any:
        if key in self:
            self._gone(key)
        return super().pop(key, *default)

    def clear(self) -> None:
        for key in list(self):
            del self[key]


class _Candles(dict[str, Any]):
    # the caches of one market by interval
    def __init__(self, given: Mapping[str, Any] | None = None) -> None:
        self.tell: Callable[[str, Any], None] = lambda interval, row: None
        for key, value in (given or {}).items():
            self[key] = value

    def __setitem__(self, interval: str, cache: Any) -> None:
        super().__setitem__(interval, cache)
        if getattr(cache, "is_tapped", False) or not hasattr(cache, "__dict__"):
            return
        append = cache.append

        def tapped(row: Any) -> None:
            append(row)
            self.tell(interval, row)

        held, cache.append, cache.is_tapped = list(cache), tapped, True
        for row in held:
            self.tell(interval, row)


def _ns(ms: float | None) -> int | None:
    return None if ms is None else int(ms * _MS)
